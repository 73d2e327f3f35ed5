from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_models import photo
from tiny_perception import SAM_SIDE, save_sam

from wonderzoom.generation.models.locks import Locks
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.sam import SAM2, Sam
from wonderzoom.generation.models.shelf import Shelf
from wonderzoom.generation.models.workbench import Workbench

NO_RENDERER: Any = None
IMAGE = photo(96, 72)


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> ModelReference:
    return ModelReference(path=str(save_sam(tmp_path_factory.mktemp("sam"))), dtype="float32")


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    shelf = Shelf(Locks(tmp_path / "lock"))
    yield Workbench(shelf, NO_RENDERER)
    shelf.close()


def test_points_and_boxes_are_those_of_the_picture(
    bench: Workbench, reference: ModelReference, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = bench.shelf.module("segment", reference, SAM2)
    seen: list[dict[str, Any]] = []
    forward = network.forward

    def watched(**inputs: Any) -> Any:
        seen.append(inputs)
        return forward(**inputs)

    monkeypatch.setattr(network, "forward", watched)
    sam = Sam(bench, "segment", reference, IMAGE)
    logits, scores = sam.at_points(np.array([[96.0, 72.0], [0.0, 36.0]]))
    assert logits.shape[0] == scores.shape[0] == 6 and logits.ndim == 3
    boxes, surest = sam.in_boxes(np.array([[24.0, 18.0, 48.0, 72.0]]))
    assert len(boxes) == len(surest) == 1
    side = float(SAM_SIDE)
    assert torch.equal(seen[0]["input_points"], torch.tensor([[[[side, side]], [[0.0, side / 2]]]]))
    assert torch.equal(seen[1]["input_boxes"], torch.tensor([[[side / 4, side / 4, side / 2, side]]]))


def test_a_picture_is_encoded_once_and_answers_are_the_same_either_way(
    bench: Workbench, reference: ModelReference
) -> None:
    points = np.array([[20.0, 30.0]])
    sam = Sam(bench, "segment", reference, IMAGE)
    first, again = sam.at_points(points), sam.at_points(points)
    assert np.allclose(first[0], again[0], atol=1e-5) and np.allclose(first[1], again[1], atol=1e-6)
    other = Sam(bench, "segment", reference, photo(96, 72, seed=1)).at_points(points)
    assert not np.allclose(first[0], other[0], atol=1e-3)


def test_masks_come_in_the_pictures_size(bench: Workbench, reference: ModelReference) -> None:
    sam = Sam(bench, "segment", reference, IMAGE)
    logits = np.full((2, 16, 16), -1.0, np.float32)
    logits[1, :, 8:] = 1.0
    masks = sam.full(logits)
    assert masks.shape == (2, 72, 96) and masks.dtype == np.bool_
    assert not masks[0].any() and masks[1, :, 50:].all() and not masks[1, :, :46].any()


def test_it_runs_in_half_precision(bench: Workbench, reference: ModelReference) -> None:
    half = ModelReference(path=reference.path, dtype="bfloat16")
    logits, scores = Sam(bench, "segment", half, IMAGE).at_points(np.array([[20.0, 30.0]]))
    full, _ = Sam(bench, "segment", reference, IMAGE).at_points(np.array([[20.0, 30.0]]))
    assert logits.dtype == np.float32 and np.isfinite(scores).all()
    assert np.corrcoef(logits.ravel(), full.ravel())[0, 1] > 0.9
