"""Surfels over a loopback socket: how long until a view is whole, how long after a commit, and what they weigh.

    python -m benchmarks.surfel_streaming WORLD [--budget N] [--runs N] [--size W,H]

WORLD is copied and served by a process of its own; the clients of this one hold surfels and draw nothing. What the last
node of the world adds is removed and restored, as often as asked for: each is a commit like any other.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.machine import machine, median, table
from benchmarks.served import child, real_server
from wonderzoom.clients.aio import World, connect
from wonderzoom.clients.poses import camera_of
from wonderzoom.scene_graph.camera import Camera


@dataclass(frozen=True, slots=True)
class Whole:
    """A view from the first word to the last surfel."""

    first_s: float
    whole_s: float
    bytes: int
    surfels: int
    deltas: int


async def first_view(link: str, budget: int, size: tuple[int, int]) -> tuple[Whole, Camera]:
    """Connect, look at the first picture, and wait until all of it is there."""
    begun = time.perf_counter()
    async with connect(link, surfels=budget) as world:
        camera = world.camera.resized(*size)
        seq = world.look(camera)
        await world.scene.changed()
        first = time.perf_counter() - begun
        await world.scene.whole(seq)
        scene = world.scene
        seconds = time.perf_counter() - begun
        return Whole(first, seconds, scene.bytes, scene.held.count, scene.deltas), camera


async def appearing(world: World, node: str) -> tuple[float, float]:
    """Seconds from hearing of a commit that brings a node to its first surfels, and to all of them."""

    async def first() -> float:
        while all(block.node != node for block in world.scene.held.blocks()):
            await world.scene.changed()
        return time.perf_counter()

    waiting = asyncio.create_task(first())
    revision = await world.restore(node)
    begun = time.perf_counter()
    seen = await waiting
    await world.scene.whole(0, revision)
    return max(0.0, seen - begun), time.perf_counter() - begun


async def measured(link: str, budget: int, size: tuple[int, int], runs: int) -> None:
    rows: list[list[str]] = []
    for name in ("the first viewer", "the next one"):
        view, _ = await first_view(link, budget, size)
        rows.append([
            name, f"{1e3 * view.first_s:.0f}", f"{view.whole_s:.2f}", f"{view.bytes / 1e6:.2f}",
            f"{view.surfels / 1e3:.0f}", f"{view.bytes / max(1, view.surfels):.2f}", str(view.deltas),
        ])  # fmt: skip
    header = [
        "a view of the first picture",
        "first delta ms",
        "whole s",
        "MB",
        "thousand surfels",
        "bytes a surfel",
        "deltas",
    ]
    print(table(header, rows))

    async with connect(link, surfels=budget) as world:
        node = list(world.nodes.values())[-1]
        camera = camera_of(node.camera).resized(*size)
        await world.scene.whole(world.look(camera))
        before, deltas = world.scene.bytes, world.scene.deltas
        await asyncio.sleep(2.0)
        still = world.scene.bytes - before, world.scene.deltas - deltas
        before = world.scene.bytes
        world._line.drop()  # pyright: ignore[reportPrivateUsage]  # as a network does
        await world.scene.changed()
        await world.scene.whole()
        resumed = world.scene.bytes - before
        firsts: list[float] = []
        wholes: list[float] = []
        for _ in range(runs):
            revision = await world.remove(node.id)
            await world.scene.whole(0, revision)
            first, whole = await appearing(world, node.id)
            firsts.append(first)
            wholes.append(whole)
    print(
        f"\nA still view of 2 s: {still[0]} bytes in {still[1]} deltas; after a break: {resumed} bytes of surfels.\n"
    )
    header = [f"a node of {len(wholes)} commits", "median ms", "worst ms"]
    print(table(header, [
        [name, f"{1e3 * median(values):.0f}", f"{1e3 * max(values):.0f}"]
        for name, values in (("its first surfels", firsts), ("all of them", wholes))
    ]))  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("world", type=Path)
    parser.add_argument("--budget", type=int, default=4_000_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--size", default="640,360")
    options = parser.parse_args()
    width, height = (int(side) for side in options.size.split(","))
    print(f"{machine()}; {width}x{height}, budget {options.budget}\n")
    with tempfile.TemporaryDirectory() as folder:
        world = Path(folder) / "world"
        shutil.copytree(options.world, world)
        with child(real_server(world)) as server:
            asyncio.run(measured(server.link, options.budget, (width, height), options.runs))


if __name__ == "__main__":
    main()
