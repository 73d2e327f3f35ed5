"""Records of surfels that are too large on the screen for float32.

A block wider than 2^20 pixels shows a handful of its surfels at most, each a slow gradient over the picture.
They are projected in float64. A direction in which a surfel is so wide that the picture can't tell it from a
constant is then taken out of the Gaussian: what is left has a mean near the picture, and float32 holds it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.renderers.cpu_kernels import (
    AA,
    AB,
    BB,
    BLUE,
    BOTTOM,
    ID,
    LEFT,
    LOG,
    RECORD,
    RED,
    RIGHT,
    TOP,
    ZETA,
    U,
    V,
)  # fmt: skip
from wonderzoom.runtime.renderers.projection import FAR_ZETA, Splats
from wonderzoom.scene_graph.camera import Camera

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

# Across a picture of at most 2^14 pixels a Gaussian with a sigma of 2^30 changes by 5e-5 at most.
_CONSTANT_SIGMA_PX = 2.0**30
_HALF_LOG2E = 0.5 / math.log(2.0)
# Sort keys beyond this are logarithmic, so that float32 keeps the order of whatever a world holds.
_LOG_KEY = 2.0**64


def large_records(
    splats: Splats, colors: NDArray[np.uint8], first_id: int, camera: Camera
) -> tuple[F32, NDArray[np.int16], F32]:
    """(records [M, RECORD], boxes [M, 4], keys [M]) of splats, for ``cpu_blending``.

    ``colors`` are those of the block's surfels, ``first_id`` is the id of the block's first one.
    """
    m = len(splats.rows)
    middle = np.array([camera.width / 2, camera.height / 2])
    xx, xy, yy = splats.conics.T
    values, vectors = np.linalg.eigh(np.stack([np.stack([xx, xy], -1), np.stack([xy, yy], -1)], -2))
    unit = splats.units[:, None]
    along = np.einsum("mik,mi->mk", vectors, splats.means - middle)  # [M, 2] mean from the middle, px
    constant = np.sqrt(np.maximum(values, 0.0)) * _CONSTANT_SIGMA_PX < unit
    lost = np.where(constant, np.maximum(values, 0.0) * (along / unit) ** 2, 0.0).sum(1)
    values = np.where(constant, 0.0, values / unit / unit)
    along = np.where(constant, 0.0, along)
    means = middle + np.einsum("mik,mk->mi", vectors, along)
    conics = np.einsum("mik,mk,mjk->mij", vectors, values, vectors) * _HALF_LOG2E

    records = np.zeros((m, RECORD), np.float32)
    records[:, U : V + 1] = means
    records[:, AA], records[:, AB], records[:, BB] = -conics[:, 0, 0], -2 * conics[:, 0, 1], -conics[:, 1, 1]
    records[:, LOG] = np.log2(splats.opacities) - lost * _HALF_LOG2E
    records[:, RED : BLUE + 1] = colors[splats.rows] / 255.0
    boxes = splats.boxes
    records[:, ZETA] = np.clip(splats.zetas, -FAR_ZETA, FAR_ZETA)
    bits = records.view(np.int32)
    bits[:, LEFT], bits[:, RIGHT], bits[:, TOP], bits[:, BOTTOM] = boxes.T
    bits[:, ID] = first_id + splats.rows
    return records, boxes.astype(np.int16), _float32_keys(splats.keys)


def _float32_keys(keys: F64) -> F32:
    """Keys in the same order: as they are up to _LOG_KEY, their logarithms beyond."""
    far = np.maximum(np.abs(keys) / _LOG_KEY, 1.0)
    return np.clip(keys, -_LOG_KEY, _LOG_KEY).astype(np.float32) * (1.0 + np.log2(far)).astype(np.float32)
