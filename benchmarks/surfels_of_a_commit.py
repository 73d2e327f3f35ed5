"""How much work lies between a commit and its surfels at a viewer: seconds of CPU in one process, nothing is sent.

    python -m benchmarks.surfels_of_a_commit WORLD [--size W,H]

A viewer holds all that it sees of WORLD without its last node, in that node's frame. Then the node is committed, and
deltas are made as fast as can be: for a link of which nothing is known (coarse levels first, whose pyramids have to be
made) and for a quick one (what is there already first).
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import machine, table
from wonderzoom.runtime.frames import frame_of, settings_of
from wonderzoom.runtime.surfel_blocks import EncodedLevels
from wonderzoom.runtime.surfel_plan import make_plan
from wonderzoom.runtime.surfel_stream import IN_VIEW, Stream
from wonderzoom.scene_graph.commit import Commit, WorldHeader
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.world import World

BUDGET = 4_000_000


@dataclass
class Seen:
    """CPU seconds since the commit."""

    applied: float = 0.0
    planned: float = 0.0
    shown: float = 0.0  # the first surfels of the node
    whole: float = 0.0  # all of its blocks, as sharp as the view asks for
    complete: float = 0.0  # all that there is to be sent, also what is beside the view
    bytes: int = 0


def measured(
    header: WorldHeader, before: list[Commit], last: Commit, size: tuple[int, int], quick: bool
) -> Seen:
    """One commit into a world, for one viewer."""
    world = World(header)
    for commit in before:
        world.apply(commit)
    for block in last.blocks:
        block.mips.clear()
    camera, settings = frame_of(last.added[0], header).resized(*size), settings_of(header)
    stream, view = Stream(EncodedLevels(), BUDGET), int(IN_VIEW * BUDGET)
    plan = make_plan(world.copy(), camera, settings, view)
    while stream.next(plan) is not None:
        pass
    seen, begun = Seen(), time.process_time()
    world.apply(last)
    seen.applied = time.process_time() - begun
    plan = make_plan(world.copy(), camera, settings, view, plan, None, stream.held)
    seen.planned = time.process_time() - begun
    mine = {bytes.fromhex(block.hash) for block in last.blocks}
    wanted = {
        bytes.fromhex(block.hash): int(finest)
        for block, finest, want in zip(plan.blocks, plan.finest, plan.wanted, strict=True)
        if want and bytes.fromhex(block.hash) in mine
    }
    shown: set[bytes] = set()
    while (delta := stream.next(plan, quick=quick)) is not None:
        now = time.process_time() - begun
        seen.bytes += sum(len(each.payload or b"") + len(each.bounds) for each in delta.levels)
        ours = [each for each in delta.show if each.block in mine and each.residency > 0.0]
        seen.shown = seen.shown or (now if ours else 0.0)
        shown |= {each.block for each in ours if each.finest <= wanted.get(each.block, -1)}
        seen.whole = seen.whole or (now if wanted.keys() <= shown else 0.0)
        seen.complete = now
    return seen


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("world", type=Path)
    parser.add_argument("--size", default="640,360")
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split(","))
    with WorldStore.open(options.world) as store:
        *before, last = store.commits()
        header = store.header
    rows: list[list[str]] = []
    measured(header, before, last, (width, height), True)  # compiled, and read
    for name, quick in (("nothing known of the link", False), ("a quick link", True)):
        seen = measured(header, before, last, (width, height), quick)
        seconds = seen.applied, seen.planned, seen.shown, seen.whole, seen.complete
        rows.append([name, *(f"{each:.2f}" for each in seconds), f"{seen.bytes / 1e6:.1f}"])
    surfels = sum(block.count for block in last.blocks)
    print(f"{machine()}; {width}x{height}")
    print(f"{surfels:,} surfels in {len(last.blocks)} blocks, {len(last.patches)} others patched\n")
    header_row = [
        "CPU s since the commit",
        "applied",
        "planned",
        "first shown",
        "all sharp",
        "complete",
        "MB",
    ]
    print(table(header_row, rows))


if __name__ == "__main__":
    main()
