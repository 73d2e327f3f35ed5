import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tiny_pictures import bench, zoom

from wonderzoom.generation.jobs import GenerationError
from wonderzoom.generation.models.editing import TRIES, Finder, edited
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.generation.stages import Edited, ZoomContext
from wonderzoom.scene_graph.ports import Cancelled, Control

SIDE = 64


def painter(radii: list[float], seeds: list[int]) -> Any:
    """An editor that paints a disc: of the first radius at its first try, ..."""

    def edit(shown: np.ndarray, seed: int, begin: float, end: float) -> np.ndarray:
        assert 0.0 <= begin < end <= 1.0
        seeds.append(seed)
        height, width = shown.shape[:2]
        v, u = np.mgrid[:height, :width] + 0.5
        radius = radii[len(seeds) - 1] * width / SIDE
        where = np.hypot(u - width / 2, v - height / 2) < radius
        return np.where(where[..., None], np.array([0.1, 0.2, 0.9], np.float32), shown).astype(np.float32)

    return edit


def run(
    place: Path, radii: list[float], finder: Finder | None = None, prompt: str = " a  blue ball ", **more: Any
) -> tuple[Edited, ZoomContext, list[int], Workbench]:
    context, seeds, workbench = zoom(4.0, prompt, SIDE), list[int](), bench(place)
    image = context.observation.color
    made = edited(
        workbench, context, image, more.get("size", (96, 96)), finder, painter(radii, seeds), Control()
    )
    return made, context, seeds, workbench


def test_a_thing_is_placed_and_all_else_is_as_before(tmp_path: Path) -> None:
    made, context, seeds, _ = run(tmp_path, [15.0])
    before = context.observation.color
    assert made.placed == ("a blue ball",) and made.ignored == () and len(seeds) == 1
    assert np.array_equal(made.image[~made.new], before[~made.new])
    assert 0.05 < made.new.mean() < 0.35 and made.new[32, 32]
    assert np.array_equal(made.structure, made.new)  # compact, and it ends within the picture
    assert made.under is before and made.structure_zeta is None
    assert np.abs(made.image[30:34, 30:34] - [0.1, 0.2, 0.9]).max() < 0.03
    assert np.isfinite(made.image).all() and 0 <= made.image.min() and made.image.max() <= 1


def test_a_change_that_is_too_small_is_tried_again_with_another_seed(tmp_path: Path) -> None:
    made, _, seeds, _ = run(tmp_path, [4.0, 15.0])
    assert made.placed == ("a blue ball",) and len(set(seeds)) == 2


def test_what_does_not_come_is_ignored_and_leaves_nothing(tmp_path: Path) -> None:
    made, context, seeds, _ = run(tmp_path, [0.0, 2.5])
    assert made.ignored == ("a blue ball",) and made.placed == () and len(seeds) == TRIES
    assert made.image is context.observation.color and not made.new.any() and not made.structure.any()
    assert made.under is None
    said: list[str] = []
    edited(
        bench(tmp_path), context, context.observation.color, (64, 64), None, painter([0.0, 0.0], []),
        Control(note=said.append),
    )  # fmt: skip
    assert said == ["the editor changed less than 5% of the view in 2 tries: nothing was kept"]


def test_without_a_prompt_the_model_is_not_asked(tmp_path: Path) -> None:
    made, context, seeds, _ = run(tmp_path, [], prompt="  \n ")
    assert seeds == [] and made.image is context.observation.color and not made.new.any()
    assert made.placed == made.ignored == ()


def test_a_material_all_over_lies_on_the_surface(tmp_path: Path) -> None:
    made, _, _, _ = run(tmp_path, [27.0])
    assert made.new.mean() > 0.6 and not made.structure.any() and made.under is None


def test_a_finder_says_what_of_the_change_is_a_thing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[Any, ...]] = []
    left = np.zeros((SIDE, SIDE), np.bool_)
    left[:, :32] = True

    class ObjectFinder:
        def __init__(self, *arguments: Any) -> None:
            asked.append(arguments)

        def masks(self, *arguments: Any) -> list[np.ndarray]:
            asked.append(arguments)
            return found

    name = "wonderzoom.generation.models.objects"
    monkeypatch.setitem(sys.modules, name, SimpleNamespace(ObjectFinder=ObjectFinder))
    sam, dino = ModelReference(repo="acme/sam"), ModelReference(repo="acme/dino")
    found = [left, np.zeros_like(left)]
    made, context, _, workbench = run(tmp_path, [15.0], Finder.of(sam, dino))
    assert np.array_equal(made.structure, made.new & left) and made.under is not None
    assert asked[0] == (workbench, sam, dino)
    stage, before, after, words, _ = asked[1]
    assert (stage, words) == ("edit", ("a blue ball",))
    assert before is context.observation.color and after is made.image
    found = []
    made, _, _, _ = run(tmp_path, [15.0], Finder.of(sam, dino))
    assert not made.structure.any() and made.new.any()


def test_both_models_of_a_finder_or_none() -> None:
    assert Finder.of(None, None) is None
    with pytest.raises(ValueError, match="together"):
        Finder.of(ModelReference(repo="acme/sam"), None)


def test_what_a_broken_model_returns_is_an_error(tmp_path: Path) -> None:
    context = zoom(4.0, "a ball", SIDE)
    image = context.observation.color
    for wrong in (np.full((64, 64, 3), np.nan, np.float32), np.zeros((32, 32, 3), np.float32)):
        with pytest.raises(GenerationError, match="edit: the model's picture"):
            edited(bench(tmp_path), context, image, (64, 64), None, lambda *_, wrong=wrong: wrong, Control())


def test_called_off_before_a_try(tmp_path: Path) -> None:
    context, seeds = zoom(4.0, "a ball", SIDE), list[int]()
    with pytest.raises(Cancelled):
        edited(
            bench(tmp_path), context, context.observation.color, (64, 64), None, painter([0.0, 9.0], seeds),
            Control(lambda: len(seeds) > 0),
        )  # fmt: skip
    assert len(seeds) == 1


def test_the_share_counts_within_the_frame(tmp_path: Path) -> None:
    from dataclasses import replace

    context = zoom(4.0, "a ball", SIDE)
    context = replace(context, observation=replace(context.observation, margin=16))
    seeds: list[int] = []
    made = edited(
        bench(tmp_path),
        context,
        context.observation.color,
        (64, 64),
        None,
        painter([4.0, 4.0], seeds),
        Control(),
    )
    assert made.placed == ("a ball",) and made.new.mean() < 0.05
