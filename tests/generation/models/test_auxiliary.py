"""Auxiliary views: what is rendered is kept, what is added lies where nothing showed, and once only."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from plain_generator import plain_generator
from step_world import StepZoom, step_zoom
from tiny_models import SHA, published

from wonderzoom.generation.models.auxiliary import WanVaceViews, scene_words
from wonderzoom.generation.models.errors import ModelUnavailable
from wonderzoom.generation.models.locks import Locks
from wonderzoom.generation.models.orbits import amplitude, octaves_below, orbit, pivoted
from wonderzoom.generation.models.partial_world import PartialWorld
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.shelf import Shelf
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.generation.pipeline import Pipeline
from wonderzoom.generation.stages import Layer, ZoomContext
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.renderers.cpu_fitter import CpuFitter
from wonderzoom.scene_graph.ports import Cancelled, Control, FitSettings
from wonderzoom.scene_graph.surfels import FILL, SURFACE

SMALL = {"groups": 1, "steps": 2, "most_pixels": 64 * 64, "depth_pixels": 56 * 56}


@pytest.fixture(scope="module")
def options(vace_folder: Path, prompted_depth_folder: Path) -> WanVaceViews.Options:
    return WanVaceViews.Options(
        model=ModelReference(path=str(vace_folder), dtype="float32"),
        depth=ModelReference(path=str(prompted_depth_folder), dtype="float32"),
        **SMALL,
    )


@pytest.fixture(scope="module")
def renderer(painting_bench: Workbench) -> CpuRenderer:
    assert isinstance(painting_bench.renderer, CpuRenderer)
    return painting_bench.renderer


@pytest.fixture(scope="module")
def zoom(renderer: CpuRenderer) -> StepZoom:
    return step_zoom(renderer)


@pytest.fixture(scope="module")
def layers(painting_bench: Workbench, options: WanVaceViews.Options, zoom: StepZoom) -> list[Layer]:
    return WanVaceViews(painting_bench, options).synthesise(zoom.context, zoom.edited, zoom.main, Control())


def partial(zoom: StepZoom, renderer: CpuRenderer, layers: list[Layer]) -> PartialWorld:
    world = PartialWorld(zoom.world, zoom.context.parent, renderer)
    world.add([zoom.main], 0)
    for layer in layers:
        world.add([layer], 0)
    return world


def test_every_layer_holds_only_what_nothing_showed_before_it(
    layers: list[Layer], zoom: StepZoom, renderer: CpuRenderer
) -> None:
    assert layers
    world = partial(zoom, renderer, [])
    for layer in layers:
        look = world.look(layer.camera)
        assert (layer.role, layer.kind) == ("auxiliary", FILL)
        assert layer.mask.any() and not (layer.mask & ~look.empty).any()
        assert np.isfinite(layer.zeta).all() and np.isfinite(layer.image).all()
        assert layer.image.dtype == layer.zeta.dtype == np.float32
        # What is rendered is kept: picture and depth.
        first = partial(zoom, renderer, []).look(layer.camera)
        assert np.array_equal(layer.image[~first.wanted], first.color[~first.wanted])
        assert np.array_equal(layer.zeta[~first.empty], first.zeta[~first.empty])
        world.add([layer], 0)
        assert (world.look(layer.camera).empty & layer.mask).sum() < 0.05 * layer.mask.sum()


def test_holes_of_the_orbit_are_closed_and_c_i_shows_what_it_showed(
    layers: list[Layer], zoom: StepZoom, renderer: CpuRenderer
) -> None:
    start = pivoted(zoom.main)
    assert zoom.world.root is not None
    angle = amplitude(octaves_below(start, zoom.world.root.main.camera))
    bare, whole = partial(zoom, renderer, []), partial(zoom, renderer, layers)
    cameras = orbit(start, angle, 5)
    before = sum(int(bare.look(camera).empty.sum()) for camera in cameras)
    after = sum(int(whole.look(camera).empty.sum()) for camera in cameras)
    assert before > 200 and after < 0.05 * before
    one, other = bare.look(zoom.main.camera), whole.look(zoom.main.camera)
    assert np.abs(one.color - other.color)[~one.wanted].mean() < 0.01


def test_a_stop_is_heard_at_once_and_leaves_nothing_for_the_next_job(
    painting_bench: Workbench, options: WanVaceViews.Options, layers: list[Layer], zoom: StepZoom
) -> None:
    stage = WanVaceViews(painting_bench, options)

    def make(control: Control) -> list[Layer]:
        return stage.synthesise(zoom.context, zoom.edited, zoom.main, control)

    def stopped_at(fraction: float) -> float:
        """Progress when the stop was heard."""
        told = [0.0]
        with pytest.raises(Cancelled):
            make(Control(lambda: told[-1] >= fraction, told.append))
        return told[-1]

    assert stopped_at(0.0) == 0.0
    assert stopped_at(0.06) < 0.75  # in the film
    assert stopped_at(0.76) < 0.95  # between depths
    told: list[float] = []
    again = make(Control(progress=told.append))
    assert told == sorted(told) and told[-1] == pytest.approx(1.0)
    assert len(again) == len(layers)
    for one, other in zip(again, layers, strict=True):
        assert one.camera == other.camera
        assert np.array_equal(one.mask, other.mask) and np.array_equal(one.image, other.image)
        assert np.array_equal(one.zeta, other.zeta)


def test_where_the_orbit_sees_no_hole_nothing_is_loaded(painting_bench: Workbench, zoom: StepZoom) -> None:
    nowhere = ModelReference(path="/nowhere")
    options = WanVaceViews.Options(model=nowhere, depth=nowhere, least_share=0.9, **SMALL)
    stage = WanVaceViews(painting_bench, options)
    assert stage.synthesise(zoom.context, zoom.edited, zoom.main, Control()) == []
    options = WanVaceViews.Options(model=nowhere, depth=nowhere, **SMALL)
    with pytest.raises(ModelUnavailable, match="auxiliary"):
        WanVaceViews(painting_bench, options).synthesise(zoom.context, zoom.edited, zoom.main, Control())


def test_behind_a_new_thing_is_the_picture_without_it(
    painting_bench: Workbench, options: WanVaceViews.Options, renderer: CpuRenderer
) -> None:
    zoom = step_zoom(renderer, "ball")
    layers = WanVaceViews(painting_bench, options).synthesise(zoom.context, zoom.edited, zoom.main, Control())
    assert layers[0].role == "fill" and layers[0].image is zoom.edited.under
    assert all(layer.role == "auxiliary" for layer in layers[1:])


def test_a_zoom_commits_them_with_what_it_shows(
    painting_bench: Workbench, options: WanVaceViews.Options, renderer: CpuRenderer, zoom: StepZoom
) -> None:
    generator = replace(plain_generator(), auxiliary=WanVaceViews(painting_bench, options))
    pipeline = Pipeline(generator, renderer, CpuFitter(1), 1, FitSettings(iterations=2))
    made = pipeline.zoom(zoom.world, zoom.context.request)
    world = zoom.world.copy()
    world.apply(made.commit)
    assert world.check() == []
    node = world.node(made.node)
    assert [view.role for view in node.views] == ["main", "auxiliary"]
    kinds = {int(kind) for block in made.commit.blocks for kind in np.unique(block.surfels.kind)}
    assert kinds == {SURFACE, FILL}


def test_models_come_from_the_cache(
    vace_folder: Path,
    prompted_depth_folder: Path,
    tmp_path: Path,
    zoom: StepZoom,
    renderer: CpuRenderer,
    layers: list[Layer],
) -> None:
    published(vace_folder, "acme/film", tmp_path / "cache")
    published(prompted_depth_folder, "acme/depth", tmp_path / "cache")
    shelf = Shelf(Locks(tmp_path / "lock"), cache=tmp_path / "cache")
    film, depth = (
        ModelReference(repo=f"acme/{name}", revision=SHA, dtype="float32") for name in ("film", "depth")
    )
    stage = WanVaceViews(Workbench(shelf, renderer), WanVaceViews.Options(model=film, depth=depth, **SMALL))
    found = stage.synthesise(zoom.context, zoom.edited, zoom.main, Control())
    assert all(np.array_equal(a.image, b.image) for a, b in zip(found, layers, strict=True))
    shelf.close()


def test_the_model_is_told_the_words_that_there_are(zoom: StepZoom, renderer: CpuRenderer) -> None:
    assert scene_words(zoom.context) == ""
    asked = step_zoom(renderer, " ball ").context
    assert scene_words(asked) == "ball"
    asked.parent = replace(asked.parent, provenance=(("words", "a wall, a box"),))
    assert scene_words(asked) == "ball. a wall, a box"
    asked.words = ("rough plaster", "a crack")  # of this view itself: nearer than what its parent was
    assert scene_words(asked) == "ball. rough plaster, a crack"


class _Says:
    """A describer that always says the same."""

    def describe(self, context: ZoomContext, control: Control) -> tuple[str, ...]:
        assert context.words == ()
        return ("rough plaster", "a crack")


def test_the_film_is_made_with_what_this_zoom_was_described_by(
    painting_bench: Workbench,
    options: WanVaceViews.Options,
    renderer: CpuRenderer,
    zoom: StepZoom,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    film = painting_bench.shelf.pipeline("auxiliary", options.model, "diffusers.WanVACEPipeline")
    prompts: list[str] = []
    encode = type(film).encode_prompt

    def heard(self: object, prompt: str, *arguments: object, **options: object) -> object:
        prompts.append(prompt)
        return encode(self, prompt, *arguments, **options)

    monkeypatch.setattr(type(film), "encode_prompt", heard)
    generator = replace(plain_generator(), describe=_Says(), auxiliary=WanVaceViews(painting_bench, options))
    pipeline = Pipeline(generator, renderer, CpuFitter(1), 1, FitSettings(iterations=1))
    made = pipeline.zoom(zoom.world, zoom.context.request)
    (prompt,) = prompts
    assert prompt.startswith("rough plaster, a crack. A still scene")
    assert dict(made.commit.added[0].provenance)["words"] == "rough plaster a crack"
