"""Generators from recipes: any mix of stages, fall-back only where it is asked for, and said."""

from typing import Any

import msgspec
import numpy as np
import pytest
from photo_world import METRES, PhotoWorld, photo
from plain_generator import plain_generator

from wonderzoom.generation.embedded.chart import Charts, chart_node
from wonderzoom.generation.embedded.memory import EmbeddedMemory, decode
from wonderzoom.generation.embedded.remembering import ForeignMemoryStage
from wonderzoom.generation.models import generator as room
from wonderzoom.generation.models.errors import ModelUnavailable
from wonderzoom.generation.models.generator import build
from wonderzoom.generation.models.recipes import STAGES, Recipe, StageRecipe
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.scene_graph.ports import Control

SHA = "0123456789abcdef0123456789abcdef01234567"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    model: ModelReference = ModelReference(repo="acme/eye", revision=SHA)


class Refuses:
    """A stage whose model is not here."""

    def __init__(self, bench: object, options: Options) -> None:
        self.options = options

    def upscale(self, *_values: object) -> np.ndarray:
        raise ModelUnavailable("upscale", "acme/eye", SHA, "not_here", "no weights", "download them")

    describe = upscale


class Works(Refuses):
    def describe(self, *_values: object) -> Any:
        return ("made", "by", "a", "model")


@pytest.fixture(autouse=True)
def adapters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        room, "adapter_class", lambda _stage, name: {"refuses": Refuses, "works": Works}[name]
    )


def made(**stages: StageRecipe) -> Any:
    return build(Recipe("mine", version=3, stages=stages), object(), plain_generator())  # type: ignore[arg-type]


def test_named_stages_are_the_models_and_the_others_the_embedded_ones() -> None:
    plain = plain_generator()
    mixed = build(Recipe("mine", stages={"describe": StageRecipe("works", Options())}), object(), plain)  # type: ignore[arg-type]
    assert mixed.describe.describe() == ("made", "by", "a", "model")
    assert all(getattr(mixed, name) is getattr(plain, name) for name in STAGES if name != "describe")
    assert mixed.name == "mine/1"
    assert mixed.memory is plain.memory


def test_what_made_a_node_is_told_with_revisions() -> None:
    assert made(describe=StageRecipe("works", Options())).made_with == (
        ("model.describe", f"works acme/eye@{SHA[:10]}"),
    )


def test_a_painting_model_brings_its_own_memory() -> None:
    for stage in ("upscale", "edit"):
        assert isinstance(made(**{stage: StageRecipe("refuses", Options())}).memory, ForeignMemoryStage)


def test_without_a_fallback_a_missing_model_is_an_error() -> None:
    notes: list[str] = []
    with pytest.raises(ModelUnavailable, match="upscale: acme/eye at 0123456789: no weights; download them"):
        made(upscale=StageRecipe("refuses", Options())).upscale.upscale(None, (), Control(note=notes.append))
    assert notes == []


def test_with_a_fallback_the_embedded_stage_is_used_and_that_is_said() -> None:
    notes: list[str] = []
    stages = made(describe=StageRecipe("refuses", Options(), fallback=True))

    class Context:
        pass

    words = stages.describe.describe(Context(), Control(note=notes.append))
    assert words == ("plain",)
    assert len(notes) == 1 and "describe without its model" in notes[0] and "download them" in notes[0]


def test_other_errors_are_not_taken_for_a_missing_model(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_values: object) -> None:
        raise ValueError("a mistake")

    monkeypatch.setattr(Refuses, "describe", breaks)
    with pytest.raises(ValueError, match="a mistake"):
        made(describe=StageRecipe("refuses", Options(), fallback=True)).describe.describe(None, Control())


def test_foreign_memory_says_how_large_a_pixel_is_and_that_the_picture_is_a_chart() -> None:
    found = PhotoWorld.of(photo(96, 64))
    camera = found.zoomed(4.0, 48.0, 32.0, 48)
    context = found.context(found.observed(camera, 4.0))
    edited = plain_generator().edit.edit(context, context.observation.color, Control())
    memory = decode(ForeignMemoryStage().after_zoom(context, edited))
    assert memory.chart and memory.measured
    assert memory.metres_per_pixel == pytest.approx(METRES / 4.0, rel=0.05)


def test_an_embedded_zoom_below_a_models_picture_measures_it_as_a_photo() -> None:
    found = PhotoWorld.of(photo(96, 64))
    memory = EmbeddedMemory(metres_per_pixel=METRES / 4.0, chart=True, measured=True)
    camera = found.zoomed(4.0, 48.0, 32.0, 64)
    child = found.add(camera, photo(64, 64, seed=5), found.root.id, memory, "mine/1")
    assert chart_node(found.world, child).id == child
    charts = Charts()
    zeta = np.zeros((64, 64), np.float32)
    view = charts.view(found.world, child, camera, zeta, 0)
    assert view.node == child and not view.is_root
    assert view.metres == pytest.approx(METRES / 4.0)
    assert np.allclose(view.scale, 1.0)
