from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import SHA, photo, published

from wonderzoom.generation.models.errors import ModelUnavailable
from wonderzoom.generation.models.locks import Locks
from wonderzoom.generation.models.outpaint import (
    KLEIN,
    KleinPainting,
    Painting,
    SdPainting,
    composited,
    guessed,
    painted,
)
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.shelf import Shelf
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.scene_graph.ports import Cancelled, Control

WIDTH, HEIGHT = 72, 56


def holes() -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.bool_)
    mask[:, 50:] = True
    mask[10:14, 20:23] = True
    return mask


@pytest.fixture(params=["klein", "sd"])
def painting(request: pytest.FixtureRequest, klein_folder: Path, sd_inpaint_folder: Path) -> Painting:
    if request.param == "klein":
        return KleinPainting(model=ModelReference(path=str(klein_folder), dtype="float32"))
    return SdPainting(model=ModelReference(path=str(sd_inpaint_folder), dtype="float32"), steps=3)


def test_only_holes_are_painted_and_the_same_way_again(painting_bench: Workbench, painting: Painting) -> None:
    image = photo(WIDTH, HEIGHT)

    def paint(seed: int, control: Control | None = None) -> np.ndarray:
        return painted(
            painting_bench, painting, "auxiliary", image, holes(), "moss", seed, control or Control()
        )

    told: list[float] = []
    first = paint(3, Control(progress=told.append))
    assert np.array_equal(first[~holes()], image[~holes()])
    assert first.dtype == np.float32 and first.min() >= 0.0 and first.max() <= 1.0
    changed = np.abs(first - image).max(-1) > 1 / 255
    assert changed[holes()].mean() > 0.5
    assert told[-1] == 1.0 and told == sorted(told) and len(told) >= 3
    other = paint(4)
    assert not np.array_equal(other, first)
    # Called off in the middle: nothing of it is left for the next job.
    steps: list[float] = []
    with pytest.raises(Cancelled):
        paint(3, Control(cancelled=lambda: len(steps) >= 1, progress=steps.append))
    assert len(steps) == 1
    assert np.array_equal(paint(3), first)


def test_a_large_picture_is_painted_at_the_size_that_the_model_takes(
    painting_bench: Workbench, sd_inpaint_folder: Path
) -> None:
    small = SdPainting(
        model=ModelReference(path=str(sd_inpaint_folder), dtype="float32"), steps=1, most_pixels=32 * 32
    )
    image = photo(WIDTH, HEIGHT)
    result = painted(painting_bench, small, "auxiliary", image, holes(), "", 0, Control())
    assert result.shape == image.shape and np.array_equal(result[~holes()], image[~holes()])
    assert not np.array_equal(result, image)


def test_a_picture_without_holes_needs_no_model(painting_bench: Workbench) -> None:
    nowhere = KleinPainting(model=ModelReference(path="/nowhere"))
    image = photo(WIDTH, HEIGHT)
    none = np.zeros((HEIGHT, WIDTH), np.bool_)
    assert painted(painting_bench, nowhere, "auxiliary", image, none, "", 0, Control()) is image
    with pytest.raises(ModelUnavailable, match="nowhere"):
        painted(painting_bench, nowhere, "auxiliary", image, holes(), "", 0, Control())
    with pytest.raises(Cancelled):
        painted(painting_bench, nowhere, "auxiliary", image, none, "", 0, Control(cancelled=lambda: True))
    with pytest.raises(ValueError, match="finite picture"):
        painted(painting_bench, nowhere, "auxiliary", image[1:], holes(), "", 0, Control())


def test_the_inpainter_works_on_the_editors_weights(painting_bench: Workbench, klein_folder: Path) -> None:
    reference = ModelReference(path=str(klein_folder), dtype="float32")
    options = KleinPainting(model=reference)
    painted(
        painting_bench, options, "auxiliary", photo(32, 32), np.ones((32, 32), np.bool_), "", 0, Control()
    )
    editor = painting_bench.shelf.pipeline("edit", reference, KLEIN)
    name = "diffusers.Flux2KleinInpaintPipeline"
    same: Any = painting_bench.shelf.derived("edit", reference, name, KLEIN, lambda source: source)
    assert same is not editor  # there since it painted
    assert same.transformer is editor.transformer and same.vae is editor.vae
    assert editor.scheduler.step_index is None  # schedulers keep state: each job has its own


def test_a_repository_serves_from_the_cache(
    klein_folder: Path, tmp_path: Path, painting_bench: Workbench
) -> None:
    published(klein_folder, "acme/painter", tmp_path / "cache")
    shelf = Shelf(Locks(tmp_path / "lock"), cache=tmp_path / "cache")
    options = KleinPainting(
        model=ModelReference(repo="acme/painter", revision=SHA, dtype="float32"), steps=1, strength=1.0
    )
    bench = Workbench(shelf, painting_bench.renderer)
    image = photo(32, 32)
    result = painted(bench, options, "auxiliary", image, np.ones((32, 32), np.bool_), "", 0, Control())
    assert result.shape == (32, 32, 3) and not np.array_equal(result, image)
    shelf.close()


def test_a_composite_has_no_seam_where_a_model_shifts_the_tone() -> None:
    rows, columns = np.mgrid[:40, :60].astype(np.float32) / 60
    image = (np.stack([rows, columns, 0.5 * (rows + columns)], -1) * 0.6 + 0.1).astype(np.float32)
    mask = np.zeros((40, 60), np.bool_)
    mask[:, 45:] = True
    off = np.array([0.1, -0.08, 0.05], np.float32)
    result = composited(image, image + off, mask)
    assert np.array_equal(result[~mask], image[~mask])
    assert np.abs(result - image)[mask].max() < 5e-3


def test_a_guess_goes_on_from_what_is_around_it() -> None:
    image = np.full((24, 24, 3), 0.25, np.float32)
    mask = np.zeros((24, 24), np.bool_)
    mask[8:16, 8:16] = True
    image[mask] = 1.0
    assert np.abs(guessed(image, mask) - 0.25).max() < 1e-5
