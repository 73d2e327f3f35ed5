import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from wonderzoom.generation.models.embeddings import Embeddings
from wonderzoom.generation.models.references import ModelReference

ONE, OTHER = ModelReference(repo="acme/one"), ModelReference(repo="acme/other")


def encoder(counted: list[str], text: str, floats: int = 4):
    def encode() -> tuple[torch.Tensor, torch.Tensor]:
        counted.append(text)
        return torch.full((floats,), float(len(text))), torch.arange(float(floats))

    return encode


def test_a_prompt_is_encoded_once_for_each_model() -> None:
    kept, counted = Embeddings(), list[str]()
    for model in (ONE, OTHER, ONE, OTHER):
        first, second = kept.encoded(model, "moss", "cpu", encoder(counted, "moss"))
        assert torch.equal(first, torch.full((4,), 4.0)) and torch.equal(second, torch.arange(4.0))
    assert counted == ["moss", "moss"] and len(kept) == 2 and kept.held_bytes == 64


def test_what_was_used_longest_ago_goes_first() -> None:
    kept, counted = Embeddings(limit_bytes=64), list[str]()  # two prompts of 32 bytes
    for text in ("a", "b", "a", "c", "a", "b"):
        kept.encoded(ONE, text, "cpu", encoder(counted, text))
    assert counted == ["a", "b", "c", "b"]


def test_what_is_larger_than_all_room_is_used_and_not_kept() -> None:
    kept, counted = Embeddings(limit_bytes=40), list[str]()
    kept.encoded(ONE, "small", "cpu", encoder(counted, "small"))
    for _ in range(2):
        (first, _) = kept.encoded(ONE, "large", "cpu", encoder(counted, "large", 100))
        assert first.shape == (100,)
    kept.encoded(ONE, "small", "cpu", encoder(counted, "small"))
    assert counted == ["small", "large", "large"] and len(kept) == 1


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(1, 12)), max_size=30), st.integers(0, 200))
@settings(max_examples=20, deadline=None)
def test_never_more_is_held_than_allowed(asked: list[tuple[str, int]], limit: int) -> None:
    kept = Embeddings(limit_bytes=limit)
    for text, floats in asked:
        kept.encoded(ONE, f"{text}{floats}", "cpu", encoder([], text, floats))
        assert 0 <= kept.held_bytes <= limit
        assert (kept.held_bytes == 0) == (len(kept) == 0)
