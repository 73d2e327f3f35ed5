"""Scale nodes and their views: one act of generation and the pictures that it stands on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, Protocol

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


class PartLost(Exception):
    """What is on the disk of a part of a node is not what was written; the rest of the world goes on without it."""

    def __init__(self, part: str, node: str, reason: str, file: str) -> None:
        """``file``: name of the commit's file."""
        super().__init__(f"{part} is lost: {reason} ({file})")
        self.node, self.reason, self.file = node, reason, file


class ViewLost(PartLost):
    """A mask, a depth map or a picture that can't be read."""

    def __init__(self, node: str, index: int, reason: str, file: str) -> None:
        super().__init__(f"view {index} of node {node!r}", node, reason, file)
        self.index = index


@dataclass(frozen=True, slots=True)
class Maps:
    """What a view has for each of its pixels."""

    mask: NDArray[np.bool_]  # [H, W] where this view has made content
    zeta: NDArray[np.float32]  # [H, W] registered depth, native pixels relative to the pivot; NaN outside
    image: NDArray[np.uint8] | None = None  # [H, W, 3] sRGB: the picture the surfels were fitted to

    @property
    def has_image(self) -> bool:
        """Whether there is a picture."""
        return self.image is not None


class StoredMaps(Protocol):
    """Maps that may be on disk only: whoever asks for one reads it, which may raise ViewLost."""

    @property
    def mask(self) -> NDArray[np.bool_]: ...

    @property
    def zeta(self) -> NDArray[np.float32]: ...

    @property
    def image(self) -> NDArray[np.uint8] | None: ...

    @property
    def has_image(self) -> bool:
        """Whether there is a picture; reads nothing."""
        ...


@dataclass(frozen=True, slots=True, init=False)
class View:
    """One camera with its coverage mask and registered depth; what bounds are computed from.

    A value, wherever its maps are: ``mask``, ``zeta`` and ``image`` read what is not in memory.
    """

    camera: Camera
    maps: Maps | StoredMaps
    role: Role

    def __init__(
        self,
        camera: Camera,
        mask: NDArray[np.bool_],
        zeta: NDArray[np.float32],
        role: Role = "main",
        image: NDArray[np.uint8] | None = None,
    ) -> None:
        """A view in memory; see ``Maps``. Raises ValueError for maps that are not of the camera's size."""
        shape = (camera.height, camera.width)
        if mask.shape != shape or zeta.shape != shape:
            raise ValueError(f"a view of {shape}: mask {mask.shape}, zeta {zeta.shape}")
        if image is not None and image.shape != (*shape, 3):
            raise ValueError(f"a view of {shape} has an image of {image.shape}")
        self._set(camera, Maps(mask, zeta, image), role)

    @staticmethod
    def of(camera: Camera, maps: Maps | StoredMaps, role: Role) -> View:
        """A view of maps that are of the camera's size, wherever they are."""
        view = object.__new__(View)
        view._set(camera, maps, role)
        return view

    def _set(self, camera: Camera, maps: Maps | StoredMaps, role: Role) -> None:
        for name, value in (("camera", camera), ("maps", maps), ("role", role)):
            object.__setattr__(self, name, value)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """[H, W] where this view has made content. Raises ViewLost."""
        return self.maps.mask

    @property
    def zeta(self) -> NDArray[np.float32]:
        """[H, W] registered depth, native pixels relative to the pivot; NaN outside. Raises ViewLost."""
        return self.maps.zeta

    @property
    def image(self) -> NDArray[np.uint8] | None:
        """[H, W, 3] sRGB, the picture the surfels were fitted to; None where none was kept. Raises ViewLost."""
        return self.maps.image

    @property
    def has_image(self) -> bool:
        """Whether there is a picture; reads nothing."""
        return self.maps.has_image


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
