"""Scale nodes and their views: one act of generation and the pictures that it stands on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import Cell

Role = Literal["main", "sky", "auxiliary", "fill"]
# Closed interval of natural log-scales (ln root edges per pixel); (inf, inf) / (-inf, -inf): unbounded.
Interval = tuple[float, float]
# Low and high corner.
Box = tuple[tuple[float, float, float], tuple[float, float, float]]

# Keys of a node's provenance that say what its making took on one machine: made again, it is the same node.
MEASURED = frozenset({"memory"})


@dataclass(frozen=True, slots=True)
class View:
    """One camera with its coverage mask and registered depth; what bounds are computed from."""

    camera: Camera
    mask: NDArray[np.bool_]  # [H, W] where this view has made content
    zeta: NDArray[np.float32]  # [H, W] registered depth, native pixels relative to the pivot; NaN outside
    role: Role = "main"
    image: NDArray[np.uint8] | None = None  # [H, W, 3] sRGB: the picture the surfels were fitted to

    def __post_init__(self) -> None:
        shape = (self.camera.height, self.camera.width)
        if self.mask.shape != shape or self.zeta.shape != shape:
            raise ValueError(f"a view of {shape}: mask {self.mask.shape}, zeta {self.zeta.shape}")
        if self.image is not None and self.image.shape != (*shape, 3):
            raise ValueError(f"a view of {shape} has an image of {self.image.shape}")


@dataclass(frozen=True, slots=True)
class ScaleNode:
    """One act of generation. Immutable: as it grows, the world replaces ``children`` and scale intervals."""

    id: str
    parent: str | None  # None for the root
    children: tuple[str, ...]
    cell: Cell  # the smallest octree cell that holds its blocks
    bounds: Box  # of its blocks, in edges of ``cell`` from its centre
    native_scale: Interval  # [min, max] over its surfels
    parent_scale: Interval  # of its surfels' parent bounds
    child_scale: Interval  # of its surfels' child bounds
    prompt: str
    seed: int
    generator: str  # name and version, e.g. "embedded/1"
    views: tuple[View, ...]
    generator_state: bytes = b""  # versioned msgpack, <= 1 MiB, opaque to the scene graph
    provenance: tuple[tuple[str, str], ...] = ()  # sorted key -> value: what made it, what was ignored

    @property
    def main(self) -> View:
        """The view that was asked for: the first one."""
        return self.views[0]


def node_id(
    parent: str | None, camera: Camera, prompt: str, seed: int, generator: str, mode: str = "add"
) -> str:
    """A stable name: 10 hexadecimal digits of a hash of what was asked, never of when.

    The same request in another order of insertion names the same node (law 6).
    """
    pivot = camera.pivot
    asked = (parent, pivot.cell, pivot.offset, camera.quat, camera.ln_distance, camera.ln_fx, camera.ln_fy)
    text = repr((*asked, camera.cx, camera.cy, camera.width, camera.height, prompt, seed, generator, mode))
    return hashlib.blake2b(text.encode(), digest_size=5).hexdigest()
