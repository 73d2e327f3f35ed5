"""Columns of surfels as a wire block may have them, by seed or by hypothesis."""

from typing import Any

import numpy as np
from hypothesis import strategies as st

from wonderzoom.protocol.surfel_block import Columns
from wonderzoom.scene_graph.camera import quat_to_matrix


def block_of(n: int, seed: int = 0, spread: bool = False, **given: np.ndarray) -> Columns:
    """N surfels; columns that are not given are noise, ``spread``: as far apart as they can be."""
    rng = np.random.default_rng(seed)
    quats = rng.standard_normal((n, 4)) + 1e-9
    native = rng.uniform(-6.2, -4.2, n) if spread else rng.uniform(-4.5, -4.0, n)
    made: dict[str, Any] = {
        "means": rng.uniform(-0.501, 0.501, (n, 3)).astype(np.float32),
        "quats": (quats / np.linalg.norm(quats, axis=1)[:, None]).astype(np.float32),
        "log_scales": rng.uniform(-10.0 if spread else -6.0, -4.0 if not spread else -0.1, (n, 2)).astype(
            np.float32
        ),
        "opacities": rng.uniform(1e-4, 1.0, n).astype(np.float32),
        "colors": rng.integers(0, 256, (n, 3)).astype(np.uint8),
        "native": native.astype(np.float32),
    }
    return Columns(**(made | given))


@st.composite
def columns(draw: st.DrawFn) -> Columns:
    """Anything that the laws of a payload are promised for, and the edges of it."""
    n, seed = draw(st.integers(1, 300)), draw(st.integers(0, 1 << 30))
    found = block_of(n, seed)
    rng = np.random.default_rng(seed + 1)
    middle, width = draw(st.floats(-6.5, 2.0)), draw(st.floats(0.0, 4.0))
    native = np.maximum(middle + width * rng.random(n), -7.0).astype(np.float32)  # 1190 pixels to an edge
    sizes = (draw(st.floats(-11.0, 1.0)) + draw(st.floats(0.0, 9.9)) * rng.random((n, 2))).astype(np.float32)
    edge = draw(st.sampled_from([-0.501, -0.5, 0.0, 0.5, 0.501]))
    found.means[rng.integers(0, n)] = np.float32(edge)
    found.opacities[rng.integers(0, n)] = draw(st.sampled_from([np.float32(1.0), np.float32(1e-7)]))
    axes = np.array(
        [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1], [0.5, 0.5, 0.5, -0.5], [-1, 0, 0, 0]], np.float32
    )
    found.quats[rng.integers(0, n)] = axes[draw(st.integers(0, len(axes) - 1))]
    return Columns(found.means, found.quats, sizes, found.opacities, found.colors, native)


def covariances(surfels: Columns) -> np.ndarray:
    """[N, 3, 3] of the flat Gaussians: what an ellipse is, however its axes are named."""
    axes = quat_to_matrix(surfels.quats)[..., :2]
    return (axes * np.exp(2.0 * surfels.log_scales.astype(np.float64))[:, None, :]) @ axes.transpose(0, 2, 1)
