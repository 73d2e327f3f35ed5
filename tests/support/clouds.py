"""Clouds of random surfels before a camera, as visible sets: hard content for renderers, without a world.

Everything that a surfel has is random: place, turn, two scales, opacity, colour, native scale and bounds. No
two depths are alike, so that there is one right order.
"""

import math

import numpy as np

from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import LN2, ORIGIN_CELL, Position
from wonderzoom.scene_graph.placement import place
from wonderzoom.scene_graph.ports import VisibleSet
from wonderzoom.scene_graph.scales import NO_CHILD, NO_PARENT
from wonderzoom.scene_graph.surfels import SURFACE, Block, Bounds, Surfels


def a_camera(
    width: int = 64,
    height: int = 48,
    focal: float = 60.0,
    level: int = 5,
    quat: tuple[float, float, float, float] = (0.9, 0.2, -0.3, 0.1),
    squeeze: float = 0.0,
    off_centre: tuple[float, float] = (0.0, 0.0),
) -> Camera:
    """A camera whose pixel at the pivot is a 64th of a cell of ``level``; ``squeeze`` is ln sqrt(fx / fy)."""
    pivot = Position(ORIGIN_CELL, (0.013, -0.021, 0.1)).rebased(level)
    ln_focal = math.log(focal)
    return Camera(
        pivot,
        quat,
        ln_focal - (level + 6) * LN2,
        ln_focal + squeeze,
        ln_focal - squeeze,
        width / 2 + off_centre[0],
        height / 2 + off_centre[1],
        width,
        height,
    )


def cloud(
    camera: Camera,
    count: int,
    seed: int = 0,
    depths: tuple[float, float] = (0.4, 3.0),
    octaves: tuple[float, float] = (0.0, 2.5),
    sigma: float = 0.8,
    bounded: bool = True,
    resident: tuple[float, float] = (1.0, 1.0),
    margin: float = 0.2,
) -> VisibleSet:
    """``count`` surfels in and around the frustum.

    ``depths`` in D (negative: behind the eye), at most 200 picture widths of pixels from the pivot;
    ``octaves`` by which native scales are coarser than the picture; ``sigma`` in native pixels; ``bounded``:
    whether most have a parent and a child; ``resident``: range of the blocks' residencies.
    """
    rng = np.random.default_rng(seed)
    size = np.array([camera.width, camera.height])
    uv = rng.uniform(-margin, 1.0 + margin, (count, 2)) * size
    zeta = (rng.uniform(*depths, count) - 1.0) * min(math.exp(camera.ln_f), 200.0 * camera.width)
    depth = np.maximum(np.abs(1.0 + zeta * camera.inverse_f), 1e-3)
    points = camera.unproject(uv, zeta)
    octave = rng.uniform(*octaves, count)
    native_px = depth * np.exp2(octave)
    # Surfels coarser than the picture lie around it by their own size.
    points[:, :2] += rng.normal(size=(count, 2)) * native_px[:, None] * (native_px > size.max())[:, None]
    blocks = place(
        camera,
        points,
        rng.normal(size=(count, 4)),
        np.log(native_px * sigma)[:, None] + rng.uniform(-0.7, 0.7, (count, 2)),
        rng.uniform(0.05, 1.0, count),
        rng.integers(0, 256, (count, 3), dtype=np.uint8),
        camera.ln_scale + np.log(native_px),
        np.zeros(count, np.uint16),
        np.full(count, SURFACE, np.uint8),
    )
    placed = tuple(
        Block(cell, "cloud", surfels, _bounds(surfels) if bounded else Bounds.open(len(surfels)))
        for cell, surfels in sorted(blocks.items())
    )
    residencies = tuple(rng.uniform(*resident, len(placed)).tolist())
    return VisibleSet(placed, (0,) * len(placed), residencies, 1)


def _bounds(surfels: Surfels) -> Bounds:
    """A parent and a child half an octave to three octaves away, for three surfels in four each.

    Drawn from a surfel's colour: the same surfel has the same bounds in whatever block it lands.
    """
    number = surfels.colors.astype(np.float64) @ [65536.0, 256.0, 1.0]
    up, down, has_parent, has_child = (number * factor % 1.0 for factor in (0.618, 0.414, 0.732, 0.236))
    parent = np.where(has_parent < 0.75, surfels.native + 0.35 + 1.65 * up, NO_PARENT).astype(np.float32)
    child = np.where(has_child < 0.75, surfels.native - 0.35 - 1.65 * down, NO_CHILD).astype(np.float32)
    owner = np.zeros(len(surfels), np.int16)
    return Bounds(parent, child, owner, owner.copy(), ("cloud",))
