"""What E_0 hides, painted: where it lies is the embedded stage's, how it looks the model's."""

from pathlib import Path

import numpy as np
import pytest
from tiny_models import SHA, photo, published

from wonderzoom.generation.embedded.hidden_layers import HiddenLayersStage
from wonderzoom.generation.initial_scene import frame_scene
from wonderzoom.generation.jobs import CreateRequest
from wonderzoom.generation.models.errors import ModelUnavailable
from wonderzoom.generation.models.inpaint import KleinInpainter, SdInpainter
from wonderzoom.generation.models.locks import Locks
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.shelf import Shelf
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.generation.stages import InitialDepth, Layer
from wonderzoom.scene_graph.ports import Cancelled, Control

WIDTH, HEIGHT = 96, 72


def scene() -> tuple[CreateRequest, Layer, Layer | None]:
    """A box that stands in front of a wall, under a sky."""
    image = (photo(WIDTH, HEIGHT) * 255).astype(np.uint8)
    depth = np.full((HEIGHT, WIDTH), 4.0, np.float32)
    depth[30:60, 35:60] = 1.5
    sky = np.zeros((HEIGHT, WIDTH), np.bool_)
    sky[:12] = True
    request = CreateRequest(image, depth=depth, sky=sky, focal=80.0, prompt="a box", seed=2)
    framed = frame_scene(request, InitialDepth(depth, sky, 1.0), 80.0)
    return request, framed.main, framed.sky


def test_hidden_pixels_are_painted_where_and_as_deep_as_the_geometry_says(
    painting_bench: Workbench, klein_folder: Path
) -> None:
    request, main, sky = scene()
    plain = HiddenLayersStage().complete(request, main, sky, Control())
    model = ModelReference(path=str(klein_folder), dtype="float32")
    stage = KleinInpainter(painting_bench, KleinInpainter.Options(model=model, steps=2, strength=1.0))
    told: list[float] = []
    layers = stage.complete(request, main, sky, Control(progress=told.append))
    assert told == sorted(told) and told[-1] == 1.0
    assert len(layers) == len(plain) >= 3
    behind = 0
    for made, was in zip(layers, plain, strict=True):
        assert made.camera == was.camera and (made.role, made.kind) == (was.role, was.kind)
        assert np.array_equal(made.zeta, was.zeta, equal_nan=True) and np.array_equal(made.mask, was.mask)
        assert np.isfinite(made.image).all() and made.image.min() >= 0 and made.image.max() <= 1
        changed = np.abs(made.image - was.image).max(-1) > 1 / 255
        if made.mask.sum() < 64:
            assert not changed.any()
            continue
        assert changed[made.mask].mean() > 0.5
        if made.camera == main.camera:
            behind += 1
            # What the picture shows of this layer is as it was: the wall, but for its outermost pixels.
            wall = main.mask & (np.abs(main.zeta - main.zeta[70, 5]) < 1)
            wall[29:61, 34:61] = wall[:14] = False
            assert not changed[wall].any()
        else:
            assert not changed[8:16, 12:20].any()  # the middle of the picture, in its larger pixels
    assert behind >= 1
    again = stage.complete(*scene(), Control())
    assert all(np.array_equal(a.image, b.image) for a, b in zip(layers, again, strict=True))


def test_the_largest_layers_are_painted_and_a_stop_is_heard(
    painting_bench: Workbench, sd_inpaint_folder: Path
) -> None:
    request, main, sky = scene()
    plain = HiddenLayersStage().complete(request, main, sky, Control())
    model = ModelReference(path=str(sd_inpaint_folder), dtype="float32")
    stage = SdInpainter(painting_bench, SdInpainter.Options(model=model, steps=3, most_layers=1))
    layers = stage.complete(request, main, sky, Control())
    changed = [not np.array_equal(a.image, b.image) for a, b in zip(layers, plain, strict=True)]
    largest = max(range(len(plain)), key=lambda i: int(plain[i].mask.sum()))
    assert changed == [i == largest for i in range(len(plain))]
    steps: list[float] = []
    with pytest.raises(Cancelled):
        stage.complete(request, main, sky, Control(lambda: len(steps) >= 1, steps.append))
    assert len(steps) == 1


def test_a_repository_serves_from_the_cache_and_one_that_is_not_there_is_named(
    painting_bench: Workbench, klein_folder: Path, tmp_path: Path
) -> None:
    published(klein_folder, "acme/painter", tmp_path / "cache")
    shelf = Shelf(Locks(tmp_path / "lock"), cache=tmp_path / "cache")
    bench = Workbench(shelf, painting_bench.renderer)
    for repo, steps in (("acme/painter", 1), ("acme/nobody", 1)):
        model = ModelReference(repo=repo, revision=SHA, dtype="float32")
        options = KleinInpainter.Options(model=model, steps=steps, most_layers=1)
        stage = KleinInpainter(bench, options)
        if repo == "acme/nobody":
            with pytest.raises(ModelUnavailable, match="acme/nobody"):
                stage.complete(*scene(), Control())
        else:
            assert stage.complete(*scene(), Control())
    shelf.close()
