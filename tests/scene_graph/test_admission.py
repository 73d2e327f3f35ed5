"""What may enter a world, value by value: everything that a world makes itself may."""

import math
from dataclasses import replace

import numpy as np
import pytest
from trees import Soil, Zoom, plant

from wonderzoom.scene_graph.admission import (
    look_together,
    wrong_with_block,
    wrong_with_bounds,
    wrong_with_cells,
)
from wonderzoom.scene_graph.cells import MAX_LEVEL, ORIGIN_CELL, Cell
from wonderzoom.scene_graph.joining import concatenate
from wonderzoom.scene_graph.surfels import (
    DTYPES,
    MAX_LN_SIZE,
    MAX_OFFSET,
    Block,
    Bounds,
    Surfels,
)

ZOOMS = [Zoom(0, 0.5, 0.5, 3.0), Zoom(1, 0.5, 0.5, 3.0)]


def blocks(down: int = 0) -> list[Block]:
    return plant(ZOOMS, Soil(tilt=0.5, sigma=0.3, levels_down=down)).world().blocks


@pytest.mark.parametrize("down", [0, 900])
def test_what_a_world_makes_may_enter(down: int) -> None:
    for block in blocks(down):
        assert wrong_with_block(block, 1) == ""
        assert wrong_with_bounds(block.surfels, block.bounds) == ""
    assert wrong_with_cells([block.cell for block in blocks(down)], ORIGIN_CELL) == ""


@pytest.mark.parametrize(
    ("column", "row", "words"),
    [
        ("means", [MAX_OFFSET + 0.01, 0.0, 0.0], "means must lie within"),
        ("means", [math.inf, 0.0, 0.0], "means holds a number that is not finite"),
        ("quats", [0.0, 0.0, 0.0, 0.0], "a quaternion of zeros"),
        ("quats", [math.nan, 0.0, 0.0, 1.0], "quats holds a number that is not finite"),
        ("log_scales", [0.0, MAX_LN_SIZE + 1.0], "log_scales holds a size beyond"),
        ("native", -MAX_LN_SIZE - 1.0, "native holds a size beyond"),
        ("opacities", 0.0, "opacities must lie in"),
        ("opacities", 1.001, "opacities must lie in"),
    ],
)
def test_one_row_is_enough_to_be_refused(column: str, row: object, words: str) -> None:
    """In the middle of a block, where its neighbours are fine."""
    block = blocks()[0]
    values = getattr(block.surfels, column).copy()
    values[len(values) // 2] = row
    spoilt = replace(block.surfels, **{column: values})
    assert words in wrong_with_block(Block(block.cell, block.node, spoilt, block.bounds), 1)


def test_blocks_name_views_that_are_there() -> None:
    block = blocks()[0]
    assert "names view 0 of 0" in wrong_with_block(block, 0)
    assert wrong_with_block(block, 5) == ""


def test_the_depth_of_a_world_has_an_end() -> None:
    block = blocks()[0]
    for level in (MAX_LEVEL + 1, -MAX_LEVEL - 1):
        deep = Block(Cell(level, 1, 2, 3), block.node, block.surfels, block.bounds)
        assert f"at level {level}, beyond" in wrong_with_block(deep, 1)


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("parent", 0.0, "a parent bound is not coarser"),  # its own scale
        ("parent", math.nan, "a parent bound is not coarser"),
        ("child", 0.0, "a child bound is not finer"),
        ("child", math.nan, "a child bound is not finer"),
    ],
)
def test_a_bound_is_on_its_side(field: str, value: float, words: str) -> None:
    block = next(
        b for b in blocks() if np.isfinite(b.bounds.parent).all() and np.isfinite(b.bounds.child).any()
    )
    bound = getattr(block.bounds, field).copy()
    row = int(np.flatnonzero(np.isfinite(bound))[0])
    bound[row] = block.surfels.native[row] + value
    assert words in wrong_with_bounds(block.surfels, replace(block.bounds, **{field: bound}))


@pytest.mark.parametrize("field", ["parent_owner", "child_owner"])
def test_a_bound_has_its_owner(field: str) -> None:
    block = next(
        b for b in blocks() if np.isfinite(b.bounds.parent).all() and np.isfinite(b.bounds.child).any()
    )
    owner = getattr(block.bounds, field).copy()
    row = int(np.flatnonzero(owner >= 0)[0])
    owner[row] = -1
    assert "no owner" in wrong_with_bounds(block.surfels, replace(block.bounds, **{field: owner}))
    owner[row] = len(block.bounds.owners)
    assert "names owner" in wrong_with_bounds(block.surfels, replace(block.bounds, **{field: owner}))
    assert "1 bounds for" in wrong_with_bounds(block.surfels, Bounds.open(1))


def test_cells_that_never_meet_are_refused() -> None:
    here, over_the_edge = Cell(5, 3, 3, 3), Cell(5, -1, 3, 3)
    assert wrong_with_cells([here], None) == ""
    assert wrong_with_cells([over_the_edge], None) == ""
    assert "both sides of the edge" in wrong_with_cells([here, over_the_edge], None)
    assert "both sides of the edge" in wrong_with_cells([over_the_edge], here)


def joined(some: list[Block]) -> tuple[Surfels, Bounds, list[int]]:
    """The columns of blocks one after the other."""
    names = ("parent", "child", "parent_owner", "child_owner")
    columns = (np.concatenate([getattr(block.bounds, name) for block in some]) for name in names)
    bounds = Bounds(*columns)  # type: ignore[arg-type]
    return concatenate([block.surfels for block in some]), bounds, [block.count for block in some]


@pytest.mark.parametrize("which", [0, -1])
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("means", 0.6), ("opacities", 0.0), ("native", np.nan),
        ("parent", -np.inf), ("child", np.inf), ("parent_owner", 7), ("child_owner", -2),
    ],
)  # fmt: skip
def test_blocks_that_are_looked_at_together_hide_nothing(which: int, column: str, value: float) -> None:
    """One number of one block that is wrong, and the blocks are looked at one by one."""
    some = [Block(b.cell, b.node, b.surfels.take(slice(None)), replace(b.bounds)) for b in blocks()]
    assert look_together(some, *joined(some))
    assert not any(wrong_with_block(block, 1) for block in some)
    last = some[which]
    whole = {name: getattr(last.surfels, name) for name in DTYPES}
    sides = {name: getattr(last.bounds, name) for name in ("parent", "child", "parent_owner", "child_owner")}
    changed = np.array((whole | sides)[column])
    changed[-1] = value
    surfels = Surfels(**(whole | ({column: changed} if column in whole else {})))
    bounds = replace(last.bounds, **({column: changed} if column in sides else {}))
    some[which] = Block(last.cell, last.node, surfels, bounds)
    assert not look_together(some, *joined(some))
    assert wrong_with_block(some[which], 1) or column == "child_owner"  # which decoding refuses
