"""D_i by tiny random depth networks: it agrees with the target whatever they say, and things stand on the surface."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from photo_world import PhotoWorld, photo
from plain_generator import PlainStages, plain_generator
from tiny_models import SHA, published
from tiny_perception import CONTRARY, disc, save_depth_anything, save_sam

from wonderzoom.generation.jobs import CreateRequest, ZoomRequest
from wonderzoom.generation.models.depth import PLAIN, PROMPTED, PromptedRegistrar, TunedRegistrar
from wonderzoom.generation.models.errors import ModelUnavailable
from wonderzoom.generation.models.initial_depth import DepthAnythingEstimator
from wonderzoom.generation.models.locks import Locks
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.segments import Sam2Segmenter
from wonderzoom.generation.models.shelf import Shelf
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.generation.pipeline import Pipeline
from wonderzoom.generation.segment_alignment import align_segments
from wonderzoom.generation.stages import DepthRegistrar, Edited, ZoomContext
from wonderzoom.runtime.frames import aim
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.renderers.cpu_fitter import CpuFitter
from wonderzoom.scene_graph.ports import Cancelled, Control, FitSettings
from wonderzoom.scene_graph.world import World

SIDE, FACTOR = 96, 6.0
IMAGE = photo()
NO_RENDERER: Any = None
KINDS = ("prompted", "relative", "metric")


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("depth")
    return {
        "prompted": save_depth_anything(place / "prompted", "metric", prompted=True),
        "relative": save_depth_anything(place / "relative", "relative"),
        "metric": save_depth_anything(place / "metric", "metric"),
    }


def registrar(kind: str, bench: Workbench, model: ModelReference | Path, **options: Any) -> DepthRegistrar:
    if isinstance(model, Path):
        model = ModelReference(path=str(model), dtype="float32")
    if kind == "prompted":
        return PromptedRegistrar(bench, PromptedRegistrar.Options(model=model))
    told: dict[str, Any] = {"steps": 2, "rate": 1e-5, "most_pixels": 70 * 70, **options}
    return TunedRegistrar(bench, TunedRegistrar.Options(model=model, **told))


def zoomed(tilt: float = 0.5) -> tuple[ZoomContext, Edited]:
    """A zoom onto a tilted plane whose edit changed nothing."""
    found = PhotoWorld.of(IMAGE, tilt)
    context = found.context(found.observed(found.zoomed(30.0, 24.0, 30.0, SIDE), FACTOR))
    nothing = np.zeros((SIDE, SIDE), np.bool_)
    return context, Edited(np.clip(context.observation.color, 0, 1), nothing, nothing)


def with_target(context: ZoomContext, zeta: np.ndarray) -> ZoomContext:
    return replace(context, observation=replace(context.observation, zeta=zeta.astype(np.float32)))


@pytest.mark.parametrize("kind", KINDS)
def test_it_agrees_with_the_target_within_one_percent_of_the_width(
    kind: str, bench: Workbench, folders: dict[str, Path]
) -> None:
    context, edited = zoomed()
    told: list[float] = []
    zeta = registrar(kind, bench, folders[kind]).register(context, edited, Control(progress=told.append))
    target = context.observation.zeta
    assert zeta.shape == target.shape and zeta.dtype == np.float32 and np.isfinite(zeta).all()
    assert told == sorted(told) and told[-1] == 1.0
    whole = np.zeros((SIDE, SIDE), np.int32)
    for result in (zeta, align_segments(zeta, target, whole, edited.structure, FACTOR)):
        assert np.median(np.abs(result - target)) <= 0.01 * SIDE
        assert np.corrcoef(result.ravel(), target.ravel())[0, 1] > 0.9
    assert np.abs(zeta - target).max() > 1e-3  # the network did have a say


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_job_gives_the_same_depth_and_leaves_the_weights_as_they_were(
    kind: str, bench: Workbench, folders: dict[str, Path]
) -> None:
    context, edited = zoomed()
    reference = ModelReference(path=str(folders[kind]), dtype="float32")
    network = bench.shelf.module("depth", reference, PROMPTED if kind == "prompted" else PLAIN)
    before = [p.detach().clone() for p in network.parameters()]
    stage = registrar(kind, bench, folders[kind])
    first, second = (stage.register(context, edited, Control()) for _ in range(2))
    assert np.array_equal(first, second)
    assert all(torch.equal(p, q) for p, q in zip(network.parameters(), before, strict=True))
    assert all(p.requires_grad and p.grad is None for p in network.parameters())


@pytest.mark.parametrize(
    ("kind", "polls"), [("prompted", 0), ("prompted", 1), ("relative", 3), ("metric", 4)]
)
def test_it_can_be_called_off_and_the_next_job_is_as_ever(
    kind: str, polls: int, bench: Workbench, folders: dict[str, Path]
) -> None:
    context, edited = zoomed()
    stage = registrar(kind, bench, folders[kind])
    fresh = stage.register(context, edited, Control())
    asked: list[int] = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > polls

    with pytest.raises(Cancelled):
        stage.register(context, edited, Control(cancelled=cancelled))
    assert len(asked) == polls + 1
    assert np.array_equal(stage.register(context, edited, Control()), fresh)


@pytest.mark.parametrize("kind", ["prompted", "relative"])
def test_holes_in_the_target_are_filled_and_poison_nothing(
    kind: str, bench: Workbench, folders: dict[str, Path]
) -> None:
    context, edited = zoomed()
    target = context.observation.zeta
    hole = disc(SIDE, SIDE, 40, 60, 18)
    holed = with_target(context, np.where(hole, np.nan, target))
    zeta = registrar(kind, bench, folders[kind]).register(holed, edited, Control())
    assert np.isfinite(zeta).all()
    assert np.median(np.abs(zeta - target)[~hole]) <= 0.01 * SIDE
    assert zeta[hole].min() >= target.min() - SIDE - 1 and zeta[hole].max() <= target.max() + SIDE + 1


@pytest.mark.parametrize("kind", ["prompted", "metric"])
def test_a_constant_target_stays_flat_but_for_fine_shape(
    kind: str, bench: Workbench, folders: dict[str, Path]
) -> None:
    context, edited = zoomed()
    flat = with_target(context, np.full((SIDE, SIDE), 7.0))
    zeta = registrar(kind, bench, folders[kind]).register(flat, edited, Control())
    assert np.abs(zeta - 7.0).max() <= 0.01 * SIDE + 1e-4


@pytest.mark.parametrize("kind", ["prompted", "relative"])
def test_a_new_thing_stands_on_the_surface_and_a_given_depth_is_kept(
    kind: str, bench: Workbench, folders: dict[str, Path]
) -> None:
    context, edited = zoomed()
    target = context.observation.zeta
    thing, given = disc(SIDE, SIDE, 60, 60, 14), disc(SIDE, SIDE, 20, 20, 8)
    both = thing | given
    painted = np.where(both[..., None], np.float32(0.1), edited.image)
    depth = np.where(given, np.float32(-500.0), np.float32(np.nan))
    edited = Edited(painted, both, both, depth, under=edited.image)
    zeta = registrar(kind, bench, folders[kind]).register(context, edited, Control())
    assert (zeta[given] == -500.0).all()
    lift = (target - zeta)[thing]
    assert (
        lift.min() > -0.6 * FACTOR and lift.max() > 1.0
    )  # within the target's resolution, none of it lies behind
    assert np.quantile(lift, 0.02) < 0.6 * FACTOR  # and its foot is on the ground
    assert np.median(np.abs(zeta - target)[~both]) <= 0.01 * SIDE


def test_a_good_network_fills_a_hole_better_than_the_surface_round_it_does(
    bench: Workbench, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context, edited = zoomed(0.0)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    truth = (12.0 * np.sin(rows / 11.0) + 0.2 * columns).astype(np.float32)
    hole = disc(SIDE, SIDE, 48, 48, 22)
    holed = with_target(context, np.where(hole, np.nan, truth))
    stage = registrar("metric", bench, folders["metric"], steps=0, most_pixels=98 * 98)
    network = bench.shelf.module("depth", ModelReference(path=str(folders["metric"]), dtype="float32"), PLAIN)

    def sees(pixel_values: torch.Tensor) -> Any:
        height, width = pixel_values.shape[-2:]
        seen = torch.from_numpy(truth)[None, None]
        seen = torch.nn.functional.interpolate(seen, size=(height, width), mode="bilinear")[:, 0]
        return type("Answer", (), {"predicted_depth": 40.0 + 0.1 * seen})

    monkeypatch.setattr(network, "forward", sees)
    zeta = stage.register(holed, edited, Control())
    blind = registrar("relative", bench, folders["relative"], steps=0).register(holed, edited, Control())
    assert np.median(np.abs(zeta - truth)[hole]) < 1.0
    assert np.median(np.abs(zeta - truth)[hole]) < 0.5 * np.median(np.abs(blind - truth)[hole])


def test_a_network_that_sees_slopes_the_wrong_way_round_only_adds_fine_shape(
    bench: Workbench, tmp_path: Path
) -> None:
    context, edited = zoomed()
    contrary = save_depth_anything(tmp_path / "contrary", "metric", CONTRARY["metric"])
    zeta = registrar("metric", bench, contrary).register(context, edited, Control())
    assert np.median(np.abs(zeta - context.observation.zeta)) <= 0.01 * SIDE


def test_all_or_the_decoder_alone_can_learn_and_a_learnt_depth_is_another(
    bench: Workbench, folders: dict[str, Path]
) -> None:
    context, edited = zoomed()
    options: list[dict[str, Any]] = [{"steps": 0}, {"trained": "all"}, {"trained": "decoder"}]
    fixed, every, decoder = (
        registrar("metric", bench, folders["metric"], **told).register(context, edited, Control())
        for told in options
    )
    assert not np.array_equal(fixed, every) and not np.array_equal(every, decoder)


@pytest.mark.parametrize("kind", ["prompted", "metric"])
def test_it_comes_from_the_cache_too(kind: str, folders: dict[str, Path], tmp_path: Path) -> None:
    published(folders[kind], "acme/depth", tmp_path / "cache")
    shelf = Shelf(Locks(tmp_path / "lock"), cache=tmp_path / "cache")
    reference = ModelReference(repo="acme/depth", revision=SHA, dtype="float32")
    context, edited = zoomed()
    zeta = registrar(kind, Workbench(shelf, NO_RENDERER), reference, steps=0).register(
        context, edited, Control()
    )
    assert np.median(np.abs(zeta - context.observation.zeta)) <= 0.01 * SIDE
    shelf.close()


@pytest.mark.parametrize("kind", ["prompted", "metric"])
def test_weights_that_are_not_here_are_said_to_be_missing(
    kind: str, bench: Workbench, tmp_path: Path
) -> None:
    context, edited = zoomed()
    with pytest.raises(ModelUnavailable) as caught:
        registrar(kind, bench, tmp_path / "nowhere").register(context, edited, Control())
    assert caught.value.stage == "depth" and caught.value.reason == "not_here"


@pytest.mark.parametrize("kind", ["prompted", "metric"])
def test_depth_is_reckoned_in_float32_whatever_the_recipe_says(
    kind: str, bench: Workbench, folders: dict[str, Path]
) -> None:
    context, edited = zoomed()
    half = ModelReference(path=str(folders[kind]), dtype="bfloat16")
    zeta = registrar(kind, bench, half).register(context, edited, Control())
    full = registrar(kind, bench, folders[kind]).register(context, edited, Control())
    assert np.array_equal(zeta, full)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["prompted", "relative"])
def test_a_world_is_made_and_grows_with_networks_for_depth_and_segments(
    kind: str, bench: Workbench, folders: dict[str, Path], tmp_path: Path
) -> None:
    sam = ModelReference(path=str(save_sam(tmp_path / "sam")), dtype="float32")
    plain = PlainStages()
    original = plain.edit

    def edit(context: ZoomContext, image: np.ndarray, control: Control) -> Edited:
        return replace(
            original(context, image, control), structure_zeta=None
        )  # the registrar has to stand it up

    plain.edit = edit
    metric = ModelReference(path=str(folders["metric"]), dtype="float32")
    generator = replace(
        plain_generator(plain),
        initial_depth=DepthAnythingEstimator(bench, DepthAnythingEstimator.Options(model=metric)),
        depth=registrar(kind, bench, folders[kind]),
        segment=Sam2Segmenter(bench, Sam2Segmenter.Options(model=sam, points=4, least_score=0.0)),
    )
    with CpuRenderer(1) as renderer:
        pipeline = Pipeline(generator, renderer, CpuFitter(1), 1, FitSettings(iterations=12))
        made = pipeline.create(CreateRequest(photo(96, 72), seed=1))
        world = World(made.header)
        world.apply(made.commit)
        assert world.root is not None
        before = world.root.main.zeta.copy()
        camera = aim(world, renderer, world.root, (0.5, 0.5), 3.0).camera
        grown = pipeline.zoom(world, ZoomRequest(camera, "ball", seed=2))
        world.apply(grown.commit)
        node = world.node(grown.node)
        assert grown.placed == ("ball",) and np.array_equal(world.root.main.zeta, before, equal_nan=True)
        main = node.main
        assert np.isfinite(main.zeta[main.mask]).all()
        old = World(made.header)
        old.apply(made.commit)
        repeated = pipeline.zoom(old, ZoomRequest(camera, "ball", seed=2))
        assert repeated.node == grown.node
        old.apply(repeated.commit)
        assert np.array_equal(old.node(repeated.node).main.zeta, main.zeta, equal_nan=True)
