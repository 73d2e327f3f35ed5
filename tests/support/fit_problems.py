"""Small problems for the fitter: random surfels, textured pictures, and a scene whose every view is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from wonderzoom.scene_graph.camera import quat_to_matrix
from wonderzoom.scene_graph.ports import FitProblem, FitView

F32 = np.float32


def texture(seed: int, side: int, contrast: float = 0.15) -> np.ndarray:
    """[side, side, 3] in [0, 1]: amplitudes fall as 1 / frequency, as in photographs, down to a pixel."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    frequency[0, 0] = np.inf
    noise = np.fft.fft2(rng.normal(size=(side, side, 3)), axes=(0, 1)) / frequency[..., None]
    picture = np.fft.ifft2(noise, axes=(0, 1)).real
    return np.clip(0.5 + contrast * picture / picture.std(), 0, 1).astype(F32)


def pixel_aligned(picture: np.ndarray, opacity: float = 0.95, views: tuple[FitView, ...] = ()) -> FitProblem:
    """One surfel for every pixel of a fronto-parallel plane, as lifting makes them; orthographic."""
    height, width = picture.shape[:2]
    v, u = np.mgrid[0:height, 0:width] + 0.5
    n = height * width
    means = np.stack([u.ravel(), v.ravel(), np.zeros(n)], 1).astype(F32)
    own = FitView(np.eye(3), np.zeros(3), 0.0, (1.0, 1.0), (0.0, 0.0), picture)
    return FitProblem(
        means=means,
        colors=picture.reshape(-1, 3).astype(F32),
        quats=np.tile(np.array([1, 0, 0, 0], F32), (n, 1)),
        log_scales=np.full((n, 2), math.log(0.7), F32),
        opacities=np.full(n, opacity, F32),
        thickness=np.full(n, 0.02, F32),
        views=views or (own,),
    )


def a_problem(seed: int, count: int = 60, side: int = 32, views: int = 2, masked: bool = False) -> FitProblem:
    """Random surfels before a few cameras, with pictures that have nothing to do with them."""
    rng = np.random.default_rng(seed)
    half = side / 2
    turned = [quat_to_matrix(np.array([1.0, *rng.normal(0, 0.05, 3)])) for _ in range(views)]
    shown = tuple(
        FitView(
            rotation,
            rng.normal(0, 1, 3),
            1 / 80,
            (1.1, 1 / 1.1),
            (half + 0.3, half - 0.4),
            texture(seed + k, side),
            rng.random((side, side)) < 0.7 if masked else None,
        )
        for k, rotation in enumerate(turned)
    )
    return FitProblem(
        means=rng.uniform([-half, -half, -8], [half, half, 8], (count, 3)).astype(F32),
        colors=rng.random((count, 3)).astype(F32),
        quats=rng.normal(size=(count, 4)).astype(F32),
        log_scales=np.log(rng.uniform(0.7, 4, (count, 2))).astype(F32),
        opacities=rng.uniform(0.05, 0.95, count).astype(F32),
        thickness=np.full(count, 0.05, F32),
        views=shown,
        seed=seed,
    )


def seen_from(problem: FitProblem, views: tuple[FitView, ...]) -> FitProblem:
    return replace(problem, views=views)
