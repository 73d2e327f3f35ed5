"""What lies beside the world, painted over the embedded guess: its depth and sky are kept, what is seen is exact."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from photo_world import PhotoWorld, photo
from tiny_models import SHA, published

from wonderzoom.generation.embedded.outpainting import OutpaintingStage
from wonderzoom.generation.models.beside import KleinOutpainter, SdOutpainter
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.generation.stages import ZoomContext
from wonderzoom.scene_graph.ports import Cancelled, Control

SIDE = 64


def beside(seed: int = 0) -> tuple[ZoomContext, np.ndarray]:
    """A view whose right third shows nothing, and that third."""
    found = PhotoWorld.of(photo(96, 72))
    camera = found.zoomed(1.2, 60.0, 36.0, SIDE)
    seen = found.observed(camera, 1.2)
    holes = np.zeros((SIDE, SIDE), np.bool_)
    holes[:, 2 * SIDE // 3 :] = True
    color = np.where(holes[..., None], 0.5, seen.color).astype(np.float32)
    zeta = np.where(holes, np.nan, seen.zeta).astype(np.float32)
    observation = replace(seen, color=color, zeta=zeta, alpha=np.where(holes, 0.0, seen.alpha))
    context = found.context(observation)
    return ZoomContext(
        context.world, replace(context.request, seed=seed), observation, context.parent, 1
    ), holes


@pytest.mark.parametrize("kind", ["klein", "sd"])
def test_holes_are_painted_over_the_guess_and_the_rest_is_exact(
    painting_bench: Workbench, klein_folder: Path, sd_inpaint_folder: Path, kind: str
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
    context, holes = beside()
    guess = OutpaintingStage().outpaint(beside()[0], holes, Control())
    told: list[float] = []
    made = stage.outpaint(context, holes, Control(progress=told.append))
    assert told == sorted(told) and told[-1] == 1.0
    assert np.array_equal(made.image[~holes], np.clip(guess.image, 0, 1)[~holes])
    assert np.array_equal(made.sky, guess.sky)
    assert guess.zeta is not None and made.zeta is not None and np.array_equal(made.zeta, guess.zeta)
    assert (np.abs(made.image - guess.image).max(-1) > 1 / 255)[holes].mean() > 0.5
    again = stage.outpaint(beside()[0], holes, Control())
    assert np.array_equal(again.image, made.image)
    other = stage.outpaint(beside(seed=1)[0], holes, Control())
    assert not np.array_equal(other.image, made.image)


def test_it_is_called_off_within_a_step_and_found_by_repository(
    painting_bench: Workbench, klein_folder: Path, tmp_path: Path
) -> None:
    from wonderzoom.generation.models.locks import Locks
    from wonderzoom.generation.models.shelf import Shelf

    published(klein_folder, "acme/klein", tmp_path / "cache")
    bench = Workbench(Shelf(Locks(tmp_path / "lock"), cache=tmp_path / "cache"), painting_bench.renderer)
    model = ModelReference(repo="acme/klein", revision=SHA, dtype="float32")
    stage = KleinOutpainter(bench, KleinOutpainter.Options(model=model, steps=2))
    context, holes = beside()
    told: list[float] = []
    with pytest.raises(Cancelled):
        stage.outpaint(context, holes, Control(lambda: len(told) > 2, told.append))
    assert told[-1] < 1.0
    assert np.isfinite(stage.outpaint(beside()[0], holes, Control()).image).all()
