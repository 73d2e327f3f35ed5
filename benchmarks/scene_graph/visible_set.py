"""Choosing what one viewer sees, in worlds of up to 10^8 surfels: what it costs, and how steady it is.

    python -m benchmarks.scene_graph.visible_set [--rounds N] [--blocks N ...]

The worlds are layers of cells behind each other, as far as a choice can tell: boxes, scales and sizes of pyramids of
1,024 surfels a block, without the surfels. ``select`` is a whole ``visible_set`` under a budget of 2.5 million from a
camera that moves by a thousandth of its view from frame to frame; ``flips`` are the blocks that changed their level
from one of these frames to the next, with what was drawn before told and without. Times are CPU time of one thread.
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np

from benchmarks.machine import machine, median, table
from wonderzoom.runtime.renderers import selection_kernels
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import LN2, Cell, Position
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.mips import mip
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.surfels import Block, Bounds, Surfels
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

LEVEL = 12
SIDE = 1 << (LEVEL - 1)  # cells from the world's corner to its middle
LAYERS = 4
SIZES = np.array([1024, 256, 64, 16, 4, 2, 1, 1])
BUDGET = 2_500_000
WIDTH, HEIGHT = 1920, 1080
JITTER = 1e-3  # of the view
FRAMES = 12


def layered(blocks: int) -> World:
    """That many blocks in LAYERS square layers of cells, three cells behind each other, the middle in view."""
    side = round(math.sqrt(blocks / LAYERS))
    surfels = Surfels(
        np.zeros((1, 3), np.float32),
        np.array([[1, 0, 0, 0]], np.float32),
        np.full((1, 2), -4.5, np.float32),
        np.full(1, 0.5, np.float32),
        np.zeros((1, 3), np.uint8),
        np.full(1, -math.log(64.0), np.float32),
        np.zeros(1, np.uint16),
        np.zeros(1, np.uint8),
    )
    bounds, world = Bounds.open(1), World(WorldHeader())
    made: list[Block] = []
    for k in range(blocks):
        layer, place = divmod(k, side * side) if k < LAYERS * side * side else (LAYERS - 1, 0)
        if k >= LAYERS * side * side:
            break
        x, y = place % side - side // 2, place // side - side // 2
        cell = Cell(LEVEL, SIDE + x, SIDE + y, SIDE + 3 * layer)
        made.append(Block(cell, "node", surfels, bounds, hash=str(k)))
    world.octree.change(added=made)
    rows, count = world.octree.rows, len(made)
    rows.surfels[:count], rows.levels[:count] = SIZES[0], len(SIZES)
    rows.sizes[:count, : len(SIZES)] = SIZES
    rows.box[:count] = np.array([[-0.52] * 3, [0.52] * 3])
    for block in made:
        block.mips.extend([block] * (len(SIZES) - 1))
    return world


def camera(across: float, turn: int) -> Camera:
    """A view that is ``across`` cells wide, a little elsewhere at each turn."""
    ln_scale = -LEVEL * LN2 + math.log(across / WIDTH)
    shift = JITTER * across
    pivot = Position(Cell(LEVEL, SIDE, SIDE, SIDE), (0.0, 0.0, 0.0))
    pivot = pivot.moved(np.array([math.sin(7.0 * turn), math.cos(5.0 * turn), 0.0]) * shift)
    ln_f = math.log(1500.0)
    return Camera(
        pivot, (1.0, 0.0, 0.0, 0.0), ln_scale + ln_f, ln_f, ln_f, WIDTH / 2, HEIGHT / 2, WIDTH, HEIGHT
    )


def levels_of(visible: VisibleSet) -> dict[object, int]:
    return {block.key: span[0] for block, span in zip(visible.blocks, visible.shared, strict=True)}


def size_of(visible: VisibleSet) -> int:
    """Surfels of a visible set, had its blocks any."""
    return int(SIZES[list(visible.mips)].sum())


def row(world: World, across: float, rounds: int) -> list[str]:
    settings = RenderSettings(h_ref=HEIGHT, mips=True, budget=BUDGET)
    times: list[float] = []
    flips = {True: 0, False: 0}
    first = before = visible_set(world, camera(across, 0), settings)
    for keeping in flips:
        before = first
        for turn in range(1, FRAMES * (rounds if keeping else 1)):
            start = time.process_time()
            after = visible_set(world, camera(across, turn), settings, before if keeping else None)
            times.append(1e3 * (time.process_time() - start))
            if turn < FRAMES:
                known, new = levels_of(before), levels_of(after)
                flips[keeping] += sum(known[key] != new[key] for key in known if key in new)
            before = after
    blocks = len(levels_of(before))
    assert mip(before.blocks[0], 0) is before.blocks[0]
    shares = [f"{100 * flips[keeping] / (blocks * (FRAMES - 1)):.2f} %" for keeping in (True, False)]
    return [f"{median(times):.2f}", f"{blocks:,}", f"{size_of(before):,}", *shares]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "--rounds", type=int, default=3, help=f"times {FRAMES} frames of each row (default 3)"
    )
    parser.add_argument("--blocks", type=int, nargs="*", default=[4_000, 20_000, 100_000])
    arguments = parser.parse_args()
    print(machine("numpy", "numba"))
    selection_kernels.warm_up()
    rows: list[list[str]] = []
    for blocks in arguments.blocks:
        world = layered(blocks)
        for across in (15.0, 30.0, 60.0):
            name = f"{len(world.octree):,} blocks, {1024 * len(world.octree):.1e} surfels, {across:g} cells across"
            rows.append([name, *row(world, across, arguments.rounds)])
    columns = ["world and view", "select ms", "blocks in view", "surfels", "flips", "flips, nothing told"]
    print(table(columns, rows))


if __name__ == "__main__":
    main()
