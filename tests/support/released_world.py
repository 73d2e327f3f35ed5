"""A world in the layout that the authors of WonderZoom publish: a wall in front of the eye, seen at several zooms."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

F64 = NDArray[np.float64]
WIDTH, HEIGHT, FOCAL, DEPTH = 96, 72, 90.0, 10.0  # theirs: 1080, 720, 1024


def turned(yaw: float, pitch: float) -> F64:
    """Axes of a camera [3, 3] whose rows are right, down and forward."""
    a, b = math.cos(yaw), math.sin(yaw)
    c, d = math.cos(pitch), math.sin(pitch)
    return np.array([[1, 0, 0], [0, c, -d], [0, d, c]]) @ np.array([[a, 0, -b], [0, 1, 0], [b, 0, a]])


def columns(
    zooms: tuple[float, ...] = (1.0, 4.0), yaw: float = 0.02, pitch: float = -0.01
) -> dict[str, NDArray[Any]]:
    """Columns as they name them: a level a zoom, of one splat a pixel, all on the plane z = DEPTH."""
    parts: dict[str, list[NDArray[Any]]] = {}
    for number, zoom in enumerate(zooms):
        axes = np.eye(3) if number == 0 else turned(yaw, pitch)
        focal = FOCAL * zoom
        u, v = np.meshgrid(np.arange(WIDTH) + 0.5 - WIDTH / 2, np.arange(HEIGHT) + 0.5 - HEIGHT / 2)
        rays = np.stack([u.ravel() / focal, v.ravel() / focal, np.ones(u.size)], 1) @ axes
        points = rays * (DEPTH / rays[:, 2:])  # x right, y down, z forward
        depth = points @ axes[2]
        n = len(points)
        quats = np.zeros((n, 4))
        quats[:, 0] = 2.0  # not normalised
        size = np.log(0.7 * depth / focal)
        shade = (1 + np.arange(n) % 7) / 10.0 + 0.05 * number
        rows = {
            "_xyz": points * [-1, -1, 1],
            "_features_dc": np.arctanh((shade[:, None] - 0.5).repeat(3, 1) / 0.51)[:, None, :],
            "_opacity": np.full((n, 1), 3.0),
            "_scaling": np.stack([size, size, size - 3.0], 1),
            "_rotation": quats,
            "_focal_length": np.full(n, focal),
            "now_scale": focal / depth,
            "prior_scale": np.full(n, -np.inf),
            "next_scale": np.full(n, np.inf),
            "filter_3D": np.zeros((n, 1)),
        }
        for name, values in rows.items():
            parts.setdefault(name, []).append(values.astype(np.float32))
    whole = {name: np.concatenate(values) for name, values in parts.items()}
    n = len(whole["_xyz"])
    flags = {name: np.zeros(n, np.bool_) for name in ("delete_mask_all", "is_sky_filter")}
    return whole | flags | {"point_labels": np.zeros(n, np.int64)}


def save(path: Path, found: dict[str, NDArray[Any]], **more: Any) -> Path:
    """Such a file, by torch.save."""
    import torch

    tensors = {name: torch.from_numpy(column) for name, column in found.items()}
    extra = {"max_sh_degree": 0, "global_label_names": ["main"], "global_label_map": {"main": 0}}
    torch.save({**tensors, **extra, **more}, path)
    return path
