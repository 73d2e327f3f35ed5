"""Five nested scales of any number of surfels, in seconds: blocks that share their columns, side by side.

Each scale is a square of cells full of surfels, one a native pixel, on one gently rough plane; the next finer scale,
eight times finer, lies on the middle of it. Bounds are what the world's own laws give such a nest: a scale fades
where the next coarser or finer one stands for it. Only cells and names differ between the blocks of a scale, so that
a hundred million surfels take the memory of a few thousand here; on the card every one is there.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import LN2, ORIGIN_CELL, PIXELS_PER_CELL, Cell, Position
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.octree import Octree
from wonderzoom.scene_graph.scales import NO_CHILD, NO_PARENT
from wonderzoom.scene_graph.surfels import SURFACE, Block, Bounds, Surfels

SCALES = 5
OCTAVES = 3  # between two scales
TOP_LEVEL = 4  # of the octree, for the coarsest scale: small enough for its squares to lie in the root cell
_PATTERNS = 4  # different blocks of a scale, over and over
_PIXELS = int(PIXELS_PER_CELL)
_ROWS = _PIXELS**2
_FOCAL = 1000.0  # pixels


class TiledWorld:
    """As much of a world as drawing needs: ``octree``, ``revision``, ``header`` and ``blocks``.

    ``side`` cells a scale, a multiple of 8.
    """

    def __init__(self, side: int) -> None:
        if side % 2**OCTAVES or side <= 0:
            raise ValueError(f"a scale's side is a multiple of {2**OCTAVES} cells, got {side}")
        self.side, self.revision = side, 1
        self.octree = Octree()
        blocks: list[Block] = []
        for scale in range(SCALES):
            patterns = [_pattern(seed) for seed in range(_PATTERNS)]
            level = TOP_LEVEL + scale * OCTAVES + math.ceil(math.log2(side))
            covered = side // 2**OCTAVES // 2  # cells from the middle that the finer scale covers
            shared = {inside: _bounds(scale, inside) for inside in (False, True)}
            # The plane lies in the cells just above the middle of the root cell.
            centre = Position(ORIGIN_CELL, (0.0, 0.0, 1e-9)).rebased(level).cell
            for y in range(-side // 2, side // 2):
                for x in range(-side // 2, side // 2):
                    inside = -covered <= x < covered and -covered <= y < covered
                    cell = Cell(level, centre.ix + x, centre.iy + y, centre.iz)
                    pattern = patterns[(3 * x + 5 * y) % _PATTERNS]
                    name = f"{scale}/{x}/{y}"  # no digest of contents: these blocks are never stored
                    blocks.append(Block(cell, f"scale-{scale}", pattern, shared[inside], name))
        self._levels = [TOP_LEVEL + k * OCTAVES + math.ceil(math.log2(side)) for k in range(SCALES)]
        self.octree.change((), blocks)
        self.blocks, self.header = blocks, WorldHeader(h_ref=720)
        self.surfels = len(blocks) * _ROWS

    @staticmethod
    def of(surfels: float) -> TiledWorld:
        """The world nearest to that many surfels."""
        step = 2**OCTAVES
        return TiledWorld(max(1, round(math.sqrt(surfels / SCALES / _ROWS) / step)) * step)

    def camera(self, scale: float, width: int, height: int, aside: float = 0.0) -> Camera:
        """Looks at the plane with a pixel as large as a native one of ``scale`` (0: coarsest), ``aside`` radians
        from straight ahead."""
        ln_scale = -(self._levels[0] + scale * OCTAVES) * LN2 - math.log(PIXELS_PER_CELL)
        pivot = Position(ORIGIN_CELL, (0.0, 0.0, 0.0)).rebased(round(-ln_scale / LN2) - 6)
        distance = ln_scale + math.log(_FOCAL)
        ln_focal = math.log(_FOCAL)
        quat = (1.0, 0.0, 0.0, 0.0)
        camera = Camera(pivot, quat, distance, ln_focal, ln_focal, width / 2, height / 2, width, height)
        return camera.orbited(aside, 0.6 * aside)


def _pattern(seed: int) -> Surfels:
    """A cell full of surfels, one a pixel, on a plane near the cell's front face."""
    rng, n = np.random.default_rng(seed), _PIXELS
    v, u = (np.mgrid[0:n, 0:n] + 0.5) / n - 0.5
    wave = np.sin(2 * math.pi * u) * np.cos(2 * math.pi * v)
    means = np.stack([u.ravel(), v.ravel(), -0.45 + 0.01 * wave.ravel()], -1).astype(np.float32)
    quats = np.tile(np.array([1, 0, 0, 0], np.float32), (_ROWS, 1))
    quats[:, 1:3] = rng.normal(0, 0.1, (_ROWS, 2))
    sigma = math.log(0.7 / n)
    colors = np.clip(128 + 60 * wave.reshape(-1, 1) + rng.normal(0, 30, (_ROWS, 3)), 0, 255).astype(np.uint8)
    return Surfels(
        means,
        quats,
        (sigma + rng.normal(0, 0.1, (_ROWS, 2))).astype(np.float32),
        np.clip(rng.normal(0.85, 0.15, _ROWS), 0.1, 0.99).astype(np.float32),
        colors,
        np.full(_ROWS, -math.log(n), np.float32),
        np.zeros(_ROWS, np.uint16),
        np.full(_ROWS, SURFACE, np.uint8),
    )


def _bounds(scale: int, inside: bool) -> Bounds:
    """Of a block of ``scale``; ``inside``: where the finer scale stands for it."""
    native, step = -math.log(PIXELS_PER_CELL), OCTAVES * LN2
    parent = native + step if scale else NO_PARENT
    child = native - step if inside and scale < SCALES - 1 else NO_CHILD
    return replace(
        Bounds.open(_ROWS),
        parent=np.full(_ROWS, parent, np.float32),
        child=np.full(_ROWS, child, np.float32),
    )
