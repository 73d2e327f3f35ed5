"""Clouds of splats for tests of file formats: random ones within what every format can hold."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import quat_to_matrix
from wonderzoom.scene_graph.formats.cloud import Cloud


def random_cloud(seed: int = 0, n: int = 50, reach: float = 20.0, flat: bool = False) -> Cloud:
    """Splats of all orientations around the origin; colours and opacities are bytes, as a surfel's are."""
    rng = np.random.default_rng(seed)
    sizes = rng.uniform(-7.0, 2.0, (n, 3))
    if flat:
        sizes[:, 2] = -np.inf
    return Cloud(
        rng.uniform(-reach, reach, (n, 3)).astype(np.float32),
        rng.normal(size=(n, 4)).astype(np.float32),
        sizes.astype(np.float32),
        (rng.integers(1, 256, n) / 255.0).astype(np.float32),
        (rng.integers(0, 256, (n, 3)) / 255.0).astype(np.float32),
    )


def covariances(cloud: Cloud) -> NDArray[np.float64]:
    """[N, 3, 3]: what of rotation and sizes shows."""
    axes = quat_to_matrix(cloud.quats) * np.exp(cloud.log_scales.astype(np.float64))[:, None, :]
    return axes @ axes.transpose(0, 2, 1)


def turns(a: Cloud, b: Cloud) -> NDArray[np.float64]:
    """[N] degrees between the rotations of two clouds, row by row."""
    p, q = (x.quats / np.linalg.norm(x.quats, axis=1, keepdims=True) for x in (a, b))
    return np.degrees(2.0 * np.arccos(np.clip(np.abs((p * q).sum(1)), 0.0, 1.0)))


def splat_transform(folder: Path, source: str, target: str) -> None:
    """An independent program reads ``source`` and writes ``target``; the test is skipped where it isn't."""
    program = shutil.which("splat-transform")
    if program is None:
        pytest.skip("the oracle is not here: npm install -g @playcanvas/splat-transform")
    subprocess.run([program, "-q", "-w", source, target], cwd=folder, check=True, timeout=300)
