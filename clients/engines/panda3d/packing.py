"""Surfels, frames of cells and the order of drawing as the arrays that the shaders read; numpy only.

Frames are worked out in float64 from exact differences of cells (``Camera.cell_frame``) and are of the size of the
picture, so that float32 is enough behind them at any depth of the world. Blocks so large on the screen that float32
resolves less than a hundredth of a pixel in them (edges of 100,000 pixels) are drawn less exactly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph import scales
from wonderzoom.scene_graph.camera import NEAR, Camera
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.surfels import Block

F32 = NDArray[np.float32]
SURFEL_TEXELS, BLOCK_TEXELS = 4, 3
KEY_SIGMAS = 3.0  # of two layers on one surface the finer is in front
_NEAR_SIGMAS = 3.0
_LARGEST = 1e15  # pixels: of what float32 can still multiply


def surfel_texels(block: Block) -> F32:
    """[N, 16]: mean, opacity; quaternion; ln sizes, native scale, Li2 of the opacity; 1 / (parent - x), 1 / (x - child)
    (0: there is none), the colour as a number of 24 bits, nothing."""
    s, bounds = block.surfels, block.bounds
    texels = np.zeros((len(s), 4 * SURFEL_TEXELS), np.float32)
    texels[:, 0:3], texels[:, 3] = s.means, s.opacities
    texels[:, 4:8] = s.quats / np.linalg.norm(s.quats, axis=1)[:, None]
    texels[:, 8:10], texels[:, 10] = s.log_scales, s.native
    texels[:, 11] = scales.li2(np.minimum(s.opacities, scales.MAX_OPACITY))
    texels[:, 12] = 1.0 / (bounds.parent - s.native)  # of infinity: 0
    texels[:, 13] = 1.0 / (s.native - bounds.child)
    colors = s.colors.astype(np.uint32)
    texels[:, 14] = colors[:, 0] | colors[:, 1] << 8 | colors[:, 2] << 16
    return texels


@dataclass(frozen=True, slots=True)
class Draw:
    """What one picture needs besides the surfels themselves."""

    order: NDArray[np.int32]  # [M, 2] surfel and block of each quad, far to near
    blocks: F32  # [B, 12] origin, edge; scale, R, R_child, level; finest, coarsest, nothing, nothing


def draw_of(visible: VisibleSet, firsts: Sequence[int], camera: Camera, settings: RenderSettings) -> Draw:
    """How a visible set is drawn by a camera, when the surfels of its blocks begin at the rows ``firsts``."""
    rows: list[NDArray[np.int32]] = []
    keys: list[NDArray[np.float64]] = []
    blocks = np.zeros((max(1, len(visible.blocks)), 4 * BLOCK_TEXELS), np.float32)
    down = camera.rotation[2]
    for i, (block, first) in enumerate(zip(visible.blocks, firsts, strict=True)):
        frame = camera.cell_frame(block.cell)
        if not frame.edge_px < _LARGEST:
            continue
        scale = camera.ln_render_scale(settings.h_ref) - block.cell.ln_edge
        blocks[i, :4] = *np.clip(frame.origin, -_LARGEST, _LARGEST), frame.edge_px
        blocks[i, 4:8] = scale, visible.residencies[i], visible.child_residencies[i], visible.mips[i]
        blocks[i, 8:10] = visible.shared[i]
        s = block.surfels
        zeta = s.means @ down * frame.edge_px + frame.origin[2]
        sigma = np.exp(s.log_scales.max(1).astype(np.float64)) * frame.edge_px
        seen = np.flatnonzero(
            1.0 + zeta * camera.inverse_f >= np.maximum(NEAR, _NEAR_SIGMAS * sigma * camera.inverse_f)
        )
        keys.append((zeta + KEY_SIGMAS * sigma)[seen])
        rows.append(np.stack([first + seen, np.full(len(seen), i)], -1).astype(np.int32))
    if not rows:
        return Draw(np.zeros((0, 2), np.int32), blocks)
    # Of equal keys the first in the set's order is in front, as for every renderer: backwards it comes last.
    farthest = np.argsort(np.concatenate(keys), kind="stable")[::-1]
    return Draw(np.concatenate(rows)[farthest], blocks)


def panda_camera(camera: Camera) -> tuple[tuple[float, ...], tuple[float, float, float], float]:
    """Panda's quaternion (w, x, y, z) and position of a camera whose pivot is at the origin, for lengths in D, and the
    vertical field of view in degrees. Axes: Panda's (x right, y forward, z up) are the wire's (x, z, -y)."""
    w, x, y, z = camera.quat
    eye = camera.rotation.T @ [0.0, 0.0, -1.0]
    fov = 2.0 * math.degrees(math.atan(0.5 * camera.height * camera.inverse_f / camera.aspect[1]))
    return (w, -x, -z, y), (float(eye[0]), float(eye[2]), float(-eye[1])), fov
