"""The assembled generator: a photo becomes a world, a prompt becomes a thing in it that deeper zooms keep."""

from wonderzoom.generation.embedded.generator import NAME, EmbeddedGenerator, warm_up_in_background


def test_kernels_warm_up_in_the_background() -> None:
    thread = warm_up_in_background()
    thread.join(600)
    assert not thread.is_alive()


def test_the_generator_says_what_it_is() -> None:
    assert EmbeddedGenerator(1).name == NAME == "embedded/1"
