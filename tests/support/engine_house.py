"""A server of a small world for a client that is a program: it looks, zooms once to `moss`, and leaves."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from houses import open_house, read, small_world
from numpy.typing import NDArray
from zoom_garden import zoom_node

from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.jobs import Watch, Zoomed
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.runtime.frames import settings_of
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

LINK = "LINK"  # stands for the link in a command
_PATIENCE_S = 120.0


@dataclass(frozen=True)
class Visit:
    """What a program said, and the world before and after it."""

    said: str
    before: World
    after: World


def visit(command: Sequence[str], path: Path, renderer: CpuRenderer) -> Visit:
    """Run a program beside a server of a new world at ``path``; it has to end well."""
    root = small_world(path)
    before = read(path)

    def make(wish: ZoomWish, _watch: Watch) -> Proposal:
        world = read(path)
        node, blocks = zoom_node(wish.request, root)
        return Proposal(Zoomed(world.propose(node, blocks), node.id, (), ("moss",)), world.revision)

    async def run() -> str:
        async with open_house({"garden": path}, renderer, make) as made, asyncio.timeout(_PATIENCE_S):
            words = [made.link() if word == LINK else word for word in command]
            pipe = asyncio.subprocess.PIPE
            child = await asyncio.create_subprocess_exec(
                *words, stdout=pipe, stderr=asyncio.subprocess.STDOUT
            )
            try:
                said, _ = await child.communicate()
            finally:
                if child.returncode is None:
                    child.kill()
                    await child.wait()
        assert child.returncode == 0, said.decode()
        return said.decode()

    return Visit(asyncio.run(run()), before, read(path))


def seen(world: World, camera: Camera, renderer: CpuRenderer) -> NDArray[np.uint8]:
    """What the server draws of a world, [H, W, 3] sRGB."""
    settings = settings_of(world.header, mips=True)
    return renderer.render_color(visible_set(world, camera, settings), camera, settings)[..., :3]


def decibels(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """PSNR of two pictures of bytes."""
    return float(10 * np.log10(255.0**2 / max(np.mean((one.astype(np.float64) - other) ** 2), 1e-9)))
