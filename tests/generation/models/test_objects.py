"""New things: found where the picture changed, by their words or without."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import SHA, photo, published
from tiny_perception import disc, save_grounding_dino, save_sam

from wonderzoom.generation.models import objects
from wonderzoom.generation.models.errors import ModelUnavailable
from wonderzoom.generation.models.locks import Locks
from wonderzoom.generation.models.objects import ObjectFinder, changed_between
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.sam import Sam
from wonderzoom.generation.models.shelf import Shelf
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.scene_graph.ports import Cancelled, Control

NO_RENDERER: Any = None
HEIGHT, WIDTH = 72, 96
BEFORE = photo(WIDTH, HEIGHT)
ONE, TWO = disc(HEIGHT, WIDTH, 30, 26, 14), disc(HEIGHT, WIDTH, 50, 70, 9)
# Dark things on what is bright, bright ones on what is dark: a change everywhere within them.
AFTER = np.where((ONE | TWO)[..., None], np.where(BEFORE > 0.5, 0.0, 1.0), BEFORE).astype(np.float32)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("objects")
    return {"sam": save_sam(place / "sam"), "dino": save_grounding_dino(place / "dino")}


def local(folder: Path) -> ModelReference:
    return ModelReference(path=str(folder), dtype="float32")


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def test_what_changed_is_found_and_specks_are_not() -> None:
    speck = AFTER.copy()
    speck[3, 90] += 0.5
    changed = changed_between(BEFORE, speck)
    assert overlap(changed, ONE | TWO) > 0.8 and not changed[3, 90]
    assert not changed_between(BEFORE, BEFORE + np.float32(0.03)).any()


def test_without_words_each_change_is_a_thing(bench: Workbench, folders: dict[str, Path]) -> None:
    finder = ObjectFinder(bench, local(folders["sam"]))
    found = finder.masks("edit", BEFORE, AFTER, (), Control())
    assert len(found) == 2 and not (found[0] & found[1]).any()
    assert overlap(found[0], ONE) > 0.5 and overlap(found[1], TWO) > 0.5
    assert found[0].shape == (HEIGHT, WIDTH) and found[0].dtype == np.bool_


def test_where_nothing_changed_there_is_nothing_and_no_model_is_needed(
    bench: Workbench, tmp_path: Path
) -> None:
    nowhere = local(tmp_path / "nowhere")
    finder = ObjectFinder(bench, nowhere, nowhere)
    assert finder.masks("edit", BEFORE, BEFORE, ("ladybug",), Control()) == []
    with pytest.raises(ModelUnavailable) as caught:
        finder.masks("edit", BEFORE, AFTER, ("ladybug",), Control())
    assert caught.value.stage == "edit" and caught.value.reason == "not_here"


def test_a_believable_outline_is_taken_and_another_is_not(
    bench: Workbench, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    better, wild = disc(HEIGHT, WIDTH, 30, 26, 15), disc(HEIGHT, WIDTH, 10, 90, 8)
    monkeypatch.setattr(Sam, "full", lambda _self, _logits: np.stack([better, wild]))
    found = ObjectFinder(bench, local(folders["sam"])).masks("edit", BEFORE, AFTER, (), Control())
    assert np.array_equal(found[0], better) and overlap(found[1], TWO) > 0.7


def test_words_are_looked_for_and_only_what_is_new_counts(
    bench: Workbench, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, ...]] = []
    boxes = np.array([[60.0, 40.0, 80.0, 60.0], [0.0, 0.0, 20.0, 12.0]])
    old = disc(HEIGHT, WIDTH, 6, 10, 6)  # named by the words, but there before

    def named(_self: Any, _stage: str, _dino: Any, _image: Any, words: tuple[str, ...]) -> np.ndarray:
        asked.append(words)
        return boxes

    monkeypatch.setattr(ObjectFinder, "_named", named)
    monkeypatch.setattr(Sam, "full", lambda _self, _logits: np.stack([TWO, old]))
    finder = ObjectFinder(bench, local(folders["sam"]), local(folders["dino"]))
    found = finder.masks("edit", BEFORE, AFTER, ("ladybug",), Control())
    assert asked == [("ladybug",)] and len(found) == 1 and overlap(found[0], TWO) > 0.95


def test_the_detector_runs_end_to_end_and_its_boxes_lie_in_the_picture(
    bench: Workbench, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objects, "BOX_SCORE", 0.0)  # random scores
    monkeypatch.setattr(objects, "WORDS_SCORE", 0.0)
    seen: list[np.ndarray] = []
    ask = Sam.in_boxes

    def watched(self: Sam, boxes: np.ndarray) -> Any:
        seen.append(boxes)
        return ask(self, boxes)

    monkeypatch.setattr(Sam, "in_boxes", watched)
    finder = ObjectFinder(bench, local(folders["sam"]), local(folders["dino"]))
    words = ("Ladybug", "red  leaf.")
    found = finder.masks("edit", BEFORE, AFTER, words, Control())
    boxes = seen[0]
    assert boxes.shape[1] == 4 and 0 < len(boxes) <= 10
    assert (boxes >= 0).all() and (boxes <= [WIDTH, HEIGHT, WIDTH, HEIGHT]).all()
    assert (boxes[:, 2:] > boxes[:, :2]).all()
    changed = changed_between(BEFORE, AFTER)
    assert found and all((mask & changed).any() for mask in found)
    finder.masks("edit", BEFORE, AFTER, ("a ladybug on a leaf " * 20,), Control())  # longer than it can read
    again = finder.masks("edit", BEFORE, AFTER, words, Control())
    assert all(np.array_equal(a, b) for a, b in zip(found, again, strict=True))


def test_it_can_be_called_off(bench: Workbench, folders: dict[str, Path]) -> None:
    finder = ObjectFinder(bench, local(folders["sam"]), local(folders["dino"]))
    for polls in range(3):
        asked: list[int] = []

        def cancelled(asked: list[int] = asked, polls: int = polls) -> bool:
            asked.append(1)
            return len(asked) > polls

        with pytest.raises(Cancelled):
            finder.masks("edit", BEFORE, AFTER, ("ladybug",), Control(cancelled=cancelled))


def test_both_come_from_the_cache_too(folders: dict[str, Path], tmp_path: Path) -> None:
    for name, folder in folders.items():
        published(folder, f"acme/{name}", tmp_path / "cache")
    shelf = Shelf(Locks(tmp_path / "lock"), cache=tmp_path / "cache")
    sam, dino = (ModelReference(repo=f"acme/{n}", revision=SHA, dtype="float32") for n in ("sam", "dino"))
    finder = ObjectFinder(Workbench(shelf, NO_RENDERER), sam, dino)
    assert finder.masks("edit", BEFORE, AFTER, ("bee",), Control())
    shelf.close()
