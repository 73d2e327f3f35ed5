"""Columns are checked, immutable and hashed."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from wonderzoom.scene_graph.cells import ORIGIN_CELL
from wonderzoom.scene_graph.joining import concatenate
from wonderzoom.scene_graph.surfels import DTYPES, Block, Bounds, Surfels, block_hash


def some_surfels(n: int = 5, seed: int = 1) -> Surfels:
    rng = np.random.default_rng(seed)
    return Surfels(
        rng.uniform(-0.5, 0.5, (n, 3)).astype(np.float32),
        rng.normal(size=(n, 4)).astype(np.float32),
        rng.normal(size=(n, 2)).astype(np.float32),
        rng.uniform(0.1, 1.0, n).astype(np.float32),
        rng.integers(0, 256, (n, 3), np.uint8),
        rng.normal(size=n).astype(np.float32),
        np.zeros(n, np.uint16),
        np.zeros(n, np.uint8),
    )


def changed(surfels: Surfels, name: str, column: Any) -> Surfels:
    return Surfels(**{**surfels.columns(), name: column})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", list(DTYPES))
def test_shapes_and_types_are_checked(name: str) -> None:
    surfels = some_surfels()
    column = getattr(surfels, name)
    with pytest.raises(ValueError, match=f"column {name}"):
        changed(surfels, name, column.astype(np.float64))
    if name != "means":
        with pytest.raises(ValueError, match=f"column {name}"):
            changed(surfels, name, column[:-1])


def test_columns_are_write_once() -> None:
    surfels = some_surfels()
    for column in surfels.columns().values():
        with pytest.raises(ValueError, match="read-only"):
            column[0] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        surfels.means = surfels.means  # type: ignore[misc]


def test_rows_can_be_taken_and_joined() -> None:
    surfels = some_surfels(6)
    parts = [surfels.take(slice(0, 2)), surfels.take(np.array([2, 3])), surfels.take(np.arange(6) >= 4)]
    again = concatenate(parts)
    assert len(again) == 6
    for name, column in surfels.columns().items():
        assert np.array_equal(getattr(again, name), column)


@pytest.mark.parametrize("name", ["means", "quats", "log_scales", "opacities", "native"])
def test_numbers_are_finite(name: str) -> None:
    surfels = some_surfels()
    surfels.check_finite()
    column = getattr(surfels, name).copy()
    column[0] = np.nan
    with pytest.raises(ValueError, match=f"column {name}"):
        changed(surfels, name, column).check_finite()


@pytest.mark.parametrize("opacity", [0.0, -0.1, 1.5])
def test_opacities_are_in_range(opacity: float) -> None:
    column = some_surfels().opacities.copy()
    column[2] = opacity
    with pytest.raises(ValueError, match="opacities must lie"):
        changed(some_surfels(), "opacities", column).check_finite()


@pytest.mark.parametrize("name", list(DTYPES))
def test_a_hash_covers_every_column(name: str) -> None:
    surfels = some_surfels()
    column = getattr(surfels, name).copy()
    column[3] += 1
    assert block_hash(ORIGIN_CELL, "a", changed(surfels, name, column)) != block_hash(
        ORIGIN_CELL, "a", surfels
    )


def test_a_hash_covers_cell_and_node_but_no_bounds() -> None:
    surfels = some_surfels()
    block = Block(ORIGIN_CELL, "a", surfels, Bounds.open(5))
    assert block.hash == Block(ORIGIN_CELL, "a", some_surfels(), Bounds.open(5)).hash
    assert block.hash != Block(ORIGIN_CELL, "b", surfels, Bounds.open(5)).hash
    assert block.hash != Block(ORIGIN_CELL.ancestor(), "a", surfels, Bounds.open(5)).hash
    scale, owner = np.zeros(5, np.float32), np.zeros(5, np.int16)
    bounds = Bounds(scale, scale, owner, owner, ("b",), 3)
    assert block.with_bounds(bounds).hash == block.hash
    assert block.with_bounds(bounds).key == block.key == ("a", ORIGIN_CELL)


def test_bounds_belong_to_rows() -> None:
    with pytest.raises(ValueError, match="4 bounds for 5 surfels"):
        Block(ORIGIN_CELL, "a", some_surfels(5), Bounds.open(4))


def test_bounds_are_the_same_whatever_the_revision() -> None:
    open_bounds = Bounds.open(3)
    assert open_bounds.same_as(dataclasses.replace(open_bounds, revision=9))
    other = dataclasses.replace(open_bounds, child=np.zeros(3, np.float32))
    assert not open_bounds.same_as(other)
    assert not open_bounds.same_as(dataclasses.replace(open_bounds, owners=("x",)))
