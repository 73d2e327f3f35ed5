"""Segments by a tiny random SAM 2: labels that cover the picture, whatever masks there are."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from photo_world import PhotoWorld
from photo_world import photo as world_photo
from tiny_models import SHA, photo, published
from tiny_perception import disc, save_sam

from wonderzoom.generation.models.locks import Locks
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.sam import SAM2
from wonderzoom.generation.models.segments import Sam2Segmenter, distinct, labelled
from wonderzoom.generation.models.shelf import Shelf
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.generation.stages import Edited, ZoomContext
from wonderzoom.scene_graph.ports import Cancelled, Control

NO_RENDERER: Any = None
SIDE = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_sam(tmp_path_factory.mktemp("sam"))


def segmenter(bench: Workbench, folder: Path, **options: Any) -> Sam2Segmenter:
    told: dict[str, Any] = {"points": 4, "least_score": 0.0, "stability": 0.0, **options}
    model = ModelReference(path=str(folder), dtype="float32")
    return Sam2Segmenter(bench, Sam2Segmenter.Options(model=model, **told))


def zoomed() -> tuple[ZoomContext, Edited]:
    found = PhotoWorld.of(world_photo())
    context = found.context(found.observed(found.zoomed(4.0, side=SIDE), 4.0))
    nothing = np.zeros((SIDE, SIDE), np.bool_)
    return context, Edited(photo(SIDE, SIDE), nothing, nothing)


def is_labelling(labels: np.ndarray) -> bool:
    return labels.dtype == np.int32 and np.array_equal(np.unique(labels), np.arange(labels.max() + 1))


def test_every_pixel_has_a_label_and_new_things_have_one_of_their_own(bench: Workbench, folder: Path) -> None:
    context, edited = zoomed()
    new = disc(SIDE, SIDE, 30, 20, 9)
    told: list[float] = []
    stage = segmenter(bench, folder)
    labels = stage.segment(context, replace(edited, structure=new), Control(progress=told.append))
    assert labels.shape == (SIDE, SIDE) and labels.dtype == np.int32 and labels.min() == 0
    assert len(np.unique(labels[new])) == 1 and labels[new][0] not in labels[~new]
    assert len(np.unique(labels)) > 2 and told == sorted(told) and told[-1] == 1.0
    assert np.array_equal(labels, stage.segment(context, replace(edited, structure=new), Control()))


def test_masks_that_a_threshold_refuses_leave_one_piece(bench: Workbench, folder: Path) -> None:
    context, edited = zoomed()
    labels = segmenter(bench, folder, least_score=1.0, stability=1.0).segment(context, edited, Control())
    assert not labels.any()


def test_no_two_masks_are_nearly_the_same(bench: Workbench, folder: Path) -> None:
    masks = segmenter(bench, folder, most_overlap=0.5).everything(photo(SIDE, SIDE), Control())
    assert len(masks) > 1
    flat = masks.reshape(len(masks), -1).astype(np.float32)
    common = flat @ flat.T
    overlap = common / (flat.sum(1)[:, None] + flat.sum(1)[None] - common)
    assert (overlap - np.eye(len(masks))).max() < 0.6  # compared at a smaller size


def test_it_is_called_off_between_batches(
    bench: Workbench, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, edited = zoomed()
    monkeypatch.setattr("wonderzoom.generation.models.segments.BATCH", 4)
    network = bench.shelf.module("segment", ModelReference(path=str(folder), dtype="float32"), SAM2)
    calls: list[int] = []
    forward = network.forward

    def counted(**inputs: Any) -> Any:
        calls.append(1)
        return forward(**inputs)

    monkeypatch.setattr(network, "forward", counted)
    stage = segmenter(bench, folder)
    with pytest.raises(Cancelled):
        stage.segment(context, edited, Control(cancelled=lambda: len(calls) >= 2))
    assert len(calls) == 2
    monkeypatch.undo()
    assert is_labelling(stage.segment(context, edited, Control()))


def test_it_comes_from_the_cache_too(folder: Path, tmp_path: Path) -> None:
    published(folder, "acme/sam", tmp_path / "cache")
    shelf = Shelf(Locks(tmp_path / "lock"), cache=tmp_path / "cache")
    model = ModelReference(repo="acme/sam", revision=SHA, dtype="float32")
    options = Sam2Segmenter.Options(model=model, points=2, least_score=0.0, stability=0.0)
    context, edited = zoomed()
    labels = Sam2Segmenter(Workbench(shelf, NO_RENDERER), options).segment(context, edited, Control())
    assert is_labelling(labels)
    shelf.close()


# ---- without a network ------------------------------------------------------------------------------
def test_of_masks_that_overlap_much_the_first_stays_and_empty_ones_go() -> None:
    one, nearly, other = disc(40, 40, 20, 12, 9), disc(40, 40, 20, 13, 9), disc(40, 40, 20, 30, 6)
    nothing = np.zeros((40, 40), np.bool_)
    assert distinct(np.stack([one, nearly, nothing, other]), 0.7).tolist() == [0, 3]
    assert distinct(np.stack([one, nearly]), 0.95).tolist() == [0, 1]


def test_small_masks_lie_on_large_ones_and_the_rest_is_in_pieces() -> None:
    wall = np.zeros((40, 40), np.bool_)
    wall[:, 18:22] = True  # leaves a piece to either side
    spot = disc(40, 40, 20, 20, 2)
    labels = labelled(np.stack([spot, wall]), (40, 40))
    assert is_labelling(labels) and labels.max() == 3
    parts = [np.unique(labels[part]) for part in (spot, wall & ~spot)]
    assert all(len(part) == 1 for part in parts) and parts[0] != parts[1]
    assert len({int(labels[5, 5]), int(labels[5, 35]), int(labels[5, 20])}) == 3


def test_without_masks_all_is_one_piece() -> None:
    assert not labelled(np.zeros((0, 8, 9), np.bool_), (8, 9)).any()
