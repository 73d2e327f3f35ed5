from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_pictures
from hypothesis import given, settings
from hypothesis import strategies as st
from photo_world import PhotoWorld
from tiny_models import SHA, published
from tiny_pictures import zoom
from worlds import pictured

from wonderzoom.generation.models.describe import (
    CONTEXT,
    MOST_LETTERS,
    MOST_PHRASES,
    MOST_WORDS,
    VisionLanguageDescriber,
    phrases,
    surroundings,
)
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.stages import ZoomContext
from wonderzoom.scene_graph.ports import Cancelled, Control


@pytest.fixture
def options(tmp_path_factory: pytest.TempPathFactory) -> VisionLanguageDescriber.Options:
    folder = tiny_pictures.kept(tmp_path_factory, "qwen_vl", tiny_pictures.qwen_vl)
    model = ModelReference(path=str(folder), dtype="float32")
    return VisionLanguageDescriber.Options(model=model, most_tokens=12, most_pixels=64 * 64)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Moss, wet bark , tiny beetles.", ("moss", "wet bark", "tiny beetles")),
        ("1. Moss\n2) Wet bark\n- lichen\n* moss", ("moss", "wet bark", "lichen")),
        (
            "<think>a cat, surely</think>Petals; stamen; and pollen grains",
            ("petals", "stamen", "pollen grains"),
        ),
        ("<think>and it never ends, a cat", ()),
        (
            'The picture shows: "dew-drops", a leaf\'s veins',
            ("the picture shows", "dew-drops", "a leaf's veins"),
        ),
        ("**stone**, <script>alert(1)</script>, 42, !!!", ("stone", "script alert 1 script")),
        ("one two three four five six seven", ("one two three four five",)),
        ("", ()),
        ("Écorce, 苔", ("écorce", "苔")),
    ],
)
def test_what_a_model_says_becomes_clean_phrases(said: str, expected: tuple[str, ...]) -> None:
    assert phrases(said) == expected


@given(st.text(max_size=300) | st.lists(st.text(max_size=60), max_size=40).map(", ".join))
@settings(max_examples=80, deadline=None)
def test_phrases_are_few_short_and_of_letters_whatever_was_said(said: str) -> None:
    found = phrases(said)
    assert len(found) <= MOST_PHRASES and len(set(found)) == len(found)
    for phrase in found:
        assert 0 < len(phrase) <= MOST_LETTERS and len(phrase.split()) <= MOST_WORDS
        assert all(letter.isalnum() or letter in " '’-" for letter in phrase), phrase
        assert phrase == phrase.strip()


def test_the_words_depend_on_the_pictures_only(
    options: VisionLanguageDescriber.Options, tmp_path: Path
) -> None:
    describer: Any = VisionLanguageDescriber(tiny_pictures.bench(tmp_path), options)
    spoken: list[str] = []
    hear = describer._said

    def listening(*arguments: object) -> str:
        spoken.append(hear(*arguments))
        return spoken[-1]

    describer._said = listening
    told: list[float] = []
    words = describer.describe(zoom(3.0), Control(progress=told.append))
    assert told == sorted(told) and 0 < len(told) <= 12
    assert isinstance(words, tuple) and describer.describe(zoom(3.0), Control()) == words
    dark = zoom(3.0)
    dark = replace(dark, observation=replace(dark.observation, color=dark.observation.color * 0.1))
    describer.describe(dark, Control())
    root = dark.world.root
    assert root is not None
    bare = replace(root, views=(pictured(root.main, None),))
    describer.describe(replace(zoom(3.0), parent=bare), Control())  # one picture
    assert spoken[0] == spoken[1] and len(set(spoken)) == 3, spoken


def test_called_off_within_a_token_and_the_same_afterwards(
    options: VisionLanguageDescriber.Options, tmp_path: Path
) -> None:
    describer = VisionLanguageDescriber(tiny_pictures.bench(tmp_path), options)
    words = describer.describe(zoom(3.0), Control())
    told: list[float] = []
    with pytest.raises(Cancelled):
        describer.describe(zoom(3.0), Control(lambda: len(told) >= 1, told.append))
    assert len(told) == 1
    with pytest.raises(Cancelled):
        describer.describe(zoom(3.0), Control(lambda: True))
    assert describer.describe(zoom(3.0), Control()) == words


def test_from_a_hubs_cache(options: VisionLanguageDescriber.Options, tmp_path: Path) -> None:
    published(Path(options.model.path), "acme/eye", tmp_path / "cache")
    there = ModelReference(repo="acme/eye", revision=SHA, dtype="float32")
    bench = tiny_pictures.bench(tmp_path)
    found = VisionLanguageDescriber.Options(model=there, most_tokens=12, most_pixels=64 * 64)
    assert VisionLanguageDescriber(bench, found).describe(zoom(3.0), Control()) == VisionLanguageDescriber(
        bench, options
    ).describe(zoom(3.0), Control())


# ---- what of the parent's picture is shown --------------------------------------------------------------
def gradient() -> np.ndarray:
    """Bytes whose red says the column and whose green says the row."""
    v, u = np.mgrid[:144, :192]
    return np.stack([u, v, np.zeros_like(u)], -1).astype(np.uint8)


def at(factor: float, u: float, v: float) -> ZoomContext:
    world = PhotoWorld.of(gradient())
    camera = world.zoomed(factor, u, v, side=48)
    return world.context(world.observed(camera, factor))


@given(st.floats(2.0, 12.0), st.floats(30.0, 160.0), st.floats(30.0, 110.0))
@settings(max_examples=10, deadline=None)
def test_the_parents_picture_is_cut_round_the_place(factor: float, u: float, v: float) -> None:
    context = at(factor, u, v)
    shown = surroundings(context.parent.main, context.observation)
    assert shown is not None
    red, green = shown[..., 0] * 255, shown[..., 1] * 255
    observed = 48 / factor  # pixels of the parent's picture
    assert red.min() <= u <= red.max() + 1 and green.min() <= v <= green.max() + 1
    for length, limit in ((red.max() - red.min() + 1, 192), (green.max() - green.min() + 1, 144)):
        # beside the middle of the photo a turned camera sees up to a third more of it
        assert 0.95 * min(limit, CONTEXT * observed) - 3 <= length <= max(32.0, 1.4 * CONTEXT * observed) + 3


def test_a_place_beside_the_parents_picture_and_none_at_all_show_it_whole() -> None:
    context = at(4.0, 90, 70)
    aside = replace(
        context.observation,
        camera=replace(context.observation.camera, cx=context.observation.camera.cx - 3000),
    )
    unseen = replace(context.observation, zeta=np.full_like(context.observation.zeta, np.nan))
    for observation in (aside, unseen):
        shown = surroundings(context.parent.main, observation)
        assert shown is not None and shown.shape == (144, 192, 3)
    assert surroundings(pictured(context.parent.main, None), unseen) is None
