"""What lies beside the world, painted over the embedded guess: its depth and sky are kept, what is seen is exact."""

from pathlib import Path

import numpy as np
import pytest
from tiny_models import SHA, photo, published

from wonderzoom.generation.embedded.generator import EmbeddedGenerator
from wonderzoom.generation.embedded.outpainting import OutpaintingStage
from wonderzoom.generation.extension import holes_of
from wonderzoom.generation.jobs import CreateRequest, ZoomRequest
from wonderzoom.generation.models.beside import KleinOutpainter, SdOutpainter
from wonderzoom.generation.models.locks import Locks
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.shelf import Shelf
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.generation.observation import observe
from wonderzoom.generation.pipeline import Pipeline
from wonderzoom.generation.stages import ZoomContext
from wonderzoom.runtime.frames import frame_of, panned
from wonderzoom.runtime.renderers.cpu_fitter import CpuFitter
from wonderzoom.scene_graph.ports import Cancelled, Control, FitSettings
from wonderzoom.scene_graph.world import World

WIDTH, HEIGHT = 72, 64


@pytest.fixture(scope="module")
def world(painting_bench: Workbench) -> World:
    """A slope under a sky."""
    rows = np.arange(HEIGHT)[:, None] + np.zeros((1, WIDTH))
    sky = rows < 20
    image = photo(WIDTH, HEIGHT)
    image[:20] = (0.5, 0.6, 0.9)
    depth = np.where(sky, 100.0, 100.0 / np.maximum(rows - 19.0, 1.0)).astype(np.float32)
    fitter = CpuFitter(1)
    made = Pipeline(EmbeddedGenerator(1), painting_bench.renderer, fitter, 1, FitSettings(iterations=2))
    created = made.create(CreateRequest((image * 255).astype(np.uint8), depth, sky, 60.0, 1.0))
    found = World(created.header)
    found.apply(created.commit)
    return found


def beside(world: World, bench: Workbench, seed: int = 0) -> tuple[ZoomContext, np.ndarray]:
    """A view whose right third shows nothing, and what of it does so."""
    assert world.root is not None
    camera = panned(frame_of(world.root, world.header), 0.4, 0.0)
    observation = observe(world, camera, bench.renderer)
    context = ZoomContext(world, ZoomRequest(camera, seed=seed), observation, world.root, 1)
    return context, holes_of(world, observation)


@pytest.mark.parametrize("kind", ["klein", "sd"])
def test_holes_are_painted_over_the_guess_and_the_rest_is_exact(
    world: World, painting_bench: Workbench, klein_folder: Path, sd_inpaint_folder: Path, kind: str
) -> None:
    stage = {
        "klein": lambda: KleinOutpainter(
            painting_bench,
            KleinOutpainter.Options(model=ModelReference(path=str(klein_folder), dtype="float32"), steps=2),
        ),
        "sd": lambda: SdOutpainter(
            painting_bench,
            SdOutpainter.Options(model=ModelReference(path=str(sd_inpaint_folder), dtype="float32"), steps=2),
        ),
    }[kind]()
    context, holes = beside(world, painting_bench)
    guess = OutpaintingStage().outpaint(beside(world, painting_bench)[0], holes, Control())
    told: list[float] = []
    made = stage.outpaint(context, holes, Control(progress=told.append))
    assert told == sorted(told) and told[-1] == 1.0
    assert np.array_equal(made.image[~holes], np.clip(guess.image, 0, 1)[~holes])
    assert np.array_equal(made.sky, guess.sky)
    assert guess.zeta is not None and made.zeta is not None and np.array_equal(made.zeta, guess.zeta)
    assert (np.abs(made.image - guess.image).max(-1) > 1 / 255)[holes].mean() > 0.5
    again = stage.outpaint(beside(world, painting_bench)[0], holes, Control())
    assert np.array_equal(again.image, made.image)
    other = stage.outpaint(beside(world, painting_bench, seed=1)[0], holes, Control())
    assert not np.array_equal(other.image, made.image)


def test_it_is_called_off_within_a_step_and_found_by_repository(
    world: World, painting_bench: Workbench, klein_folder: Path, tmp_path: Path
) -> None:
    published(klein_folder, "acme/klein", tmp_path / "cache")
    bench = Workbench(Shelf(Locks(tmp_path / "lock"), cache=tmp_path / "cache"), painting_bench.renderer)
    model = ModelReference(repo="acme/klein", revision=SHA, dtype="float32")
    stage = KleinOutpainter(bench, KleinOutpainter.Options(model=model, steps=2))
    context, holes = beside(world, painting_bench)
    told: list[float] = []
    with pytest.raises(Cancelled):
        stage.outpaint(context, holes, Control(lambda: len(told) > 2, told.append))
    assert told[-1] < 1.0
    assert np.isfinite(stage.outpaint(beside(world, painting_bench)[0], holes, Control()).image).all()
