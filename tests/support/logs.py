"""Logs of commits for tests of the store: arbitrary ones (any value that a type can hold) and real ones."""

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from hypothesis import strategies as st
from worlds import facing, first_camera, look_and_zoom, plane_node

from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import Cell, Position
from wonderzoom.scene_graph.commit import BoundsPatch, Commit, LogEntry, WorldHeader
from wonderzoom.scene_graph.scale_node import ScaleNode, View
from wonderzoom.scene_graph.surfels import DTYPES, Block, Bounds, Surfels
from wonderzoom.scene_graph.world import World

INDICES = st.integers(-(2**1000), 2**1000)
CELLS = st.builds(Cell, st.integers(-1000, 4000), INDICES, INDICES, INDICES)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
INTERVALS = st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False))
NAMES = st.text(max_size=12)
SEEDS = st.integers(0, 2**32 - 1)


def same(a: Any, b: Any) -> bool:
    """Equal to the last bit, arrays, NaN and signed zeros included."""
    if isinstance(a, np.ndarray):
        return (
            isinstance(b, np.ndarray)
            and (a.dtype, a.shape) == (b.dtype, b.shape)
            and np.ascontiguousarray(a).tobytes() == np.ascontiguousarray(b).tobytes()
        )
    if is_dataclass(a):
        told = [f.name for f in fields(a) if f.compare]
        return type(a) is type(b) and all(same(getattr(a, name), getattr(b, name)) for name in told)
    if isinstance(a, tuple):
        return isinstance(b, tuple) and len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b)


# ---- any commit -------------------------------------------------------------------------------------
@st.composite
def cameras(draw: st.DrawFn) -> Camera:
    unit = st.floats(-1.0, 1.0)
    quat = draw(st.tuples(unit, unit, unit, unit).filter(lambda q: sum(v * v for v in q) > 1e-3))
    ln_fx = draw(st.floats(-2.0, 3e5))
    offset = draw(st.tuples(FINITE, FINITE, FINITE))
    principal = st.floats(-1e9, 1e9)
    return Camera(
        Position(draw(CELLS), offset),
        quat,
        draw(st.floats(-3e5, 3e5)),
        ln_fx,
        ln_fx + draw(st.floats(-2.0, 2.0)),
        draw(principal),
        draw(principal),
        draw(st.integers(1, 9)),
        draw(st.integers(1, 9)),
    )


@st.composite
def views(draw: st.DrawFn) -> View:
    camera = draw(cameras())
    shape = (camera.height, camera.width)
    rng = np.random.default_rng(draw(SEEDS))
    zeta = rng.normal(size=shape).astype(np.float32)
    mask = rng.random(shape) < 0.6
    zeta[~mask] = np.nan
    image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8) if draw(st.booleans()) else None
    return View(camera, mask, zeta, draw(st.sampled_from(["main", "sky", "auxiliary", "fill"])), image)


@st.composite
def nodes(draw: st.DrawFn) -> ScaleNode:
    return ScaleNode(
        id=draw(NAMES),
        parent=draw(st.none() | NAMES),
        children=tuple(draw(st.lists(NAMES, max_size=3))),
        cell=draw(CELLS),
        bounds=(draw(st.tuples(FINITE, FINITE, FINITE)), draw(st.tuples(FINITE, FINITE, FINITE))),
        native_scale=draw(INTERVALS),
        parent_scale=draw(INTERVALS),
        child_scale=draw(INTERVALS),
        prompt=draw(st.text(max_size=50)),
        seed=draw(st.integers(-(2**80), 2**80)),
        generator=draw(NAMES),
        views=tuple(draw(st.lists(views(), max_size=3))),
        generator_state=draw(st.binary(max_size=40)),
        provenance=tuple(sorted(draw(st.dictionaries(NAMES, NAMES, max_size=3)).items())),
    )


def some_surfels(rows: int, rng: np.random.Generator) -> Surfels:
    """Valid columns of random numbers."""
    shapes = {"means": (rows, 3), "quats": (rows, 4), "log_scales": (rows, 2), "colors": (rows, 3)}
    columns: dict[str, Any] = {}
    for name, dtype in DTYPES.items():
        shape = shapes.get(name, (rows,))
        if dtype == np.float32:
            columns[name] = rng.uniform(0.01, 0.99, shape).astype(np.float32)
        else:
            columns[name] = rng.integers(0, 2, shape).astype(dtype)
    return Surfels(**columns)


def some_bounds(rows: int, rng: np.random.Generator, owners: tuple[str, ...], revision: int) -> Bounds:
    """Valid bounds, a third of them open."""
    owner = rng.integers(-1, len(owners), (2, rows)).astype(np.int16)
    parent = np.where(owner[0] < 0, np.inf, rng.normal(size=rows)).astype(np.float32)
    child = np.where(owner[1] < 0, -np.inf, rng.normal(size=rows)).astype(np.float32)
    return Bounds(parent, child, owner[0], owner[1], owners, revision)


@st.composite
def commits(draw: st.DrawFn, revision: int | None = None) -> Commit:
    """Anything that the types allow; no world need accept it."""
    rng = np.random.default_rng(draw(SEEDS))
    number = draw(st.integers(1, 2**40)) if revision is None else revision
    blocks: list[Block] = []
    patches: list[BoundsPatch] = []
    for rows in draw(st.lists(st.integers(0, 5), max_size=4)):
        owners = tuple(sorted(draw(st.sets(NAMES, max_size=3))))
        bounds = some_bounds(rows, rng, owners, number)
        blocks.append(Block(draw(CELLS), draw(NAMES), some_surfels(rows, rng), bounds))
    for rows in draw(st.lists(st.integers(0, 5), max_size=3)):
        owners = tuple(sorted(draw(st.sets(NAMES, max_size=3))))
        patches.append(BoundsPatch(draw(NAMES), draw(CELLS), some_bounds(rows, rng, owners, number)))
    return Commit(
        number,
        tuple(draw(st.lists(nodes(), max_size=2))),
        tuple(draw(st.lists(NAMES, max_size=3))),
        tuple(blocks),
        tuple(patches),
        draw(st.integers(0, number - 1)),
    )


class MemoryLog(list[Commit]):
    """A log in memory, as ``undo.Log`` wants it."""

    def entries(self) -> Iterator[LogEntry]:
        return (commit.entry for commit in self)

    def commits(self, after: int = 0, until: int | None = None) -> Iterator[Commit]:
        return iter(self[after:until])


# ---- logs that a world accepts ----------------------------------------------------------------------
def zoom_log(depth: int = 2, ratio: float = 4.0) -> tuple[World, list[Commit]]:
    """A root, a chain of zooms below it, and one sibling of the first zoom: the world and its commits."""
    world, log = World(WorldHeader()), list[Commit]()
    camera = first_camera(40, 32, 34.0)
    plane = facing(camera, 0.2)

    def add(at: Camera, parent: str | None, seed: int = 0) -> str:
        node, blocks = plane_node(at, plane, parent, seed=seed)
        log.append(world.propose(node, blocks))
        world.apply(log[-1])
        return node.id

    root = parent = add(camera, None)
    here = camera
    for _ in range(depth):
        here = look_and_zoom(here, plane, 18.0, 15.0, ratio)
        parent = add(here, parent)
    add(look_and_zoom(camera, plane, 32.0, 26.0, ratio), root, seed=1)
    return world, log


def simple_commit(revision: int, rows: int = 300) -> Commit:
    """A commit that only a store accepts, a function of its revision; about 70 bytes a row."""
    rng = np.random.default_rng(revision)
    camera = first_camera(12, 8, 10.0)
    view = View(camera, np.ones((8, 12), np.bool_), rng.normal(size=(8, 12)).astype(np.float32))
    name = f"node{revision}"
    box = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    none = (0.0, 0.0)
    node = ScaleNode(name, None, (), camera.pivot.cell, box, none, none, none, "", 0, "test/1", (view,))
    block = Block(camera.pivot.cell, name, some_surfels(rows, rng), some_bounds(rows, rng, ("a",), revision))
    return Commit(revision, (node,), (), (block,))
