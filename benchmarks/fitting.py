"""Fitting one surfel a pixel to one picture: time of an iteration, quality by iterations and by start.

    python -m benchmarks.fitting [--quick] [--side N]

The usual problem is a zoom's picture of 512 x 512 with its overscan, 608 x 608: surfels as lifting makes
them, on a tilted plane with relief and a step. Pictures are scikit-image's, cut, enlarged and sharpened
until neighbouring pixels differ as in generated detail; two have texture added. Quality is that of the
surfels over the picture's mean colour, as the world's background is.
"""

from __future__ import annotations

import argparse
import math
import time
import tracemalloc
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from skimage import data, filters, transform
from skimage.metrics import structural_similarity

from benchmarks.machine import machine, median, table
from wonderzoom.generation.lifting import START_OPACITY, lift
from wonderzoom.generation.stages import Layer
from wonderzoom.runtime.renderers.cpu_fitter import CpuFitter, initial_theta
from wonderzoom.runtime.renderers.fit_rasterizer import Rasterizer, RasterView
from wonderzoom.runtime.renderers.threads import Team
from wonderzoom.scene_graph.camera import initial_camera
from wonderzoom.scene_graph.ports import Control, FitProblem, FitSettings, FitView

SIDE, QUICK_SIDE = 608, 192
ITERATIONS, QUICK_ITERATIONS = (2, 4, 6, 8, 10, 20), (2, 4, 10)
OPACITIES = (0.1, 0.5, 0.8, 0.95)
ENOUGH_DB = 30.0
AS_RELEASED = FitSettings(opacity_rate=0.05, quat_rate=0.001, scale_rate=0.005, last_rate=1.0)


@dataclass(frozen=True)
class Quality:
    """How close the surfels are to their picture."""

    decibels: float
    similarity: float  # SSIM
    uncovered: float  # mean transmittance


def pictures(side: int) -> dict[str, np.ndarray]:
    """Name -> [side, side, 3] float32 in [0, 1]; cut so that all sides show the same detail a pixel."""
    whole = {
        "astronaut": data.astronaut()[20:276, 100:356],
        "coffee": data.coffee()[50:350, 150:450],
        "chelsea": data.chelsea()[:, 60:360],
    }
    shown: dict[str, np.ndarray] = {}
    for name, picture in whole.items():
        large = transform.resize(picture / 255.0, (SIDE, SIDE), order=3, anti_aliasing=True)
        shown[name] = np.clip(filters.unsharp_mask(large, 1.2, 1.0, channel_axis=2), 0, 1)
    rng = np.random.default_rng(1)
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE))
    frequency[0, 0] = np.inf
    noise = rng.normal(size=(SIDE, SIDE))
    pink = np.fft.ifft2(np.fft.fft2(noise) / frequency).real
    shown["chelsea + 1/f texture"] = shown["chelsea"] + 0.1 * (pink / pink.std())[..., None]
    shown["coffee + white noise"] = shown["coffee"] + 0.05 * noise[..., None]
    cut = slice((SIDE - side) // 2, (SIDE - side) // 2 + side)
    return {name: np.clip(p, 0, 1)[cut, cut].astype(np.float32) for name, p in shown.items()}


def lifted(picture: np.ndarray, opacity: float = START_OPACITY) -> FitProblem:
    """One surfel a pixel, on a tilted plane with relief and a round step of 30 pixels."""
    side = picture.shape[0]
    v, u = np.mgrid[0:side, 0:side] / side
    zeta = 40 * (v - 0.5) + 12 * np.sin(6 * u) * np.cos(5 * v)
    zeta = np.where((u - 0.5) ** 2 + (v - 0.5) ** 2 < 0.05, zeta - 30, zeta).astype(np.float32)
    camera = initial_camera(1.2 * side, side, side, 0.0)
    surfels = lift(Layer(camera, picture, zeta, np.ones((side, side), bool)))
    return FitProblem(
        surfels.means.astype(np.float32),
        surfels.colors.astype(np.float32) / 255.0,
        surfels.quats,
        surfels.log_scales,
        np.full(len(surfels), opacity, np.float32),
        surfels.thickness,
        (FitView.of(camera, picture),),
    )


def quality(problem: FitProblem, threads: int) -> Quality:
    """Of the surfels as ``problem`` starts them."""
    target = problem.views[0].target
    with Team(threads) as team:
        raster = Rasterizer(problem.colors, problem.thickness, "float32", team)
        theta = initial_theta(problem, np.arange(len(problem.means)), "float32")
        view = RasterView.of(problem.views[0], problem.means, "float32")
        image, left_over = raster.forward(view, theta, target.mean((0, 1)))
    shown = np.clip(image.T.reshape(target.shape), 0, 1)
    similarity = float(np.asarray(structural_similarity(target, shown, channel_axis=2, data_range=1.0)))
    decibels = -10 * math.log10(float(np.mean((shown - target) ** 2)))
    return Quality(decibels, similarity, float(left_over.mean()))


def fitted(problem: FitProblem, settings: FitSettings, threads: int) -> FitProblem:
    """The problem that starts where the fit ended."""
    result = CpuFitter(threads).fit(problem, settings, Control())
    return replace(problem, quats=result.quats, log_scales=result.log_scales, opacities=result.opacities)


def iteration_times(problem: FitProblem, rounds: int) -> dict[int, tuple[float, float]]:
    """Threads -> medians of (wall, CPU) ms of one iteration, runs of 1 and 2 threads interleaved."""
    times: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
    for _ in range(rounds):
        for threads, found in times.items():
            ends: list[tuple[float, float]] = []

            def note(_fraction: float, ends: list[tuple[float, float]] = ends) -> None:
                ends.append((time.perf_counter(), time.process_time()))

            CpuFitter(threads).fit(problem, FitSettings(iterations=4), Control(progress=note))
            # The last step is no iteration: it only draws the result.
            found += [
                (1e3 * (b[0] - a[0]), 1e3 * (b[1] - a[1])) for a, b in zip(ends, ends[1:-1], strict=False)
            ]
    return {k: (median([w for w, _ in v]), median([c for _, c in v])) for k, v in times.items()}


def bytes_a_surfel(problem: FitProblem) -> float:
    """Peak of what a fit allocates, over the surfels (of which there is one a pixel)."""
    tracemalloc.start()
    try:
        CpuFitter(1).fit(problem, FitSettings(iterations=2), Control())
        return tracemalloc.get_traced_memory()[1] / len(problem.means)
    finally:
        tracemalloc.stop()


def print_quality(shown: dict[str, np.ndarray], counts: Sequence[int], threads: int) -> None:
    """PSNR by the number of iterations; the last column is the first of them that reaches 30 dB."""
    rows: list[list[str]] = []
    ends: list[list[str]] = []
    for name, picture in shown.items():
        problem = lifted(picture)
        start = quality(problem, threads)
        cells, enough = [f"{start.decibels:.1f}"], "at once" if start.decibels >= ENOUGH_DB else "never"
        for count in counts:
            found = quality(fitted(problem, FitSettings(iterations=count), threads), threads)
            cells.append(f"{found.decibels:.1f}")
            if enough == "never" and found.decibels >= ENOUGH_DB:
                enough = str(count)
            if count == FitSettings().iterations:
                ends.append([name, *(f"{a:.3f}" for a in (start.similarity, found.similarity)),
                             *(f"{a:.3f}" for a in (start.uncovered, found.uncovered))])  # fmt: skip
        rows.append([name, *cells, enough])
    print(table(["PSNR, dB, after iterations", "0", *map(str, counts), f"{ENOUGH_DB:.0f} dB at"], rows))
    print()
    header = [f"{FitSettings().iterations} iterations", "SSIM before", "after", "uncovered before", "after"]
    print(table(header, ends))


def print_starts(picture: np.ndarray, threads: int) -> None:
    """The same picture from other opacities, and at the released rates from the paper's opacity."""
    counts = (FitSettings().iterations, 4 * FitSettings().iterations)
    rows: list[list[str]] = []
    for name, opacities, settings in (
        ("these rates", OPACITIES, FitSettings()),
        ("released rates", (OPACITIES[0], OPACITIES[-1]), AS_RELEASED),
    ):
        for opacity in opacities:
            problem = lifted(picture, opacity)
            found = [
                quality(fitted(problem, replace(settings, iterations=n), threads), threads) for n in counts
            ]
            cells = [quality(problem, threads), *found]
            rows.append([f"{name}, opacity {opacity}", *(f"{cell.decibels:.1f}" for cell in cells)])
    print(table(["PSNR, dB, by start and rates", "0", *map(str, counts)], rows))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help=f"side {QUICK_SIDE}, fewer counts and rounds")
    parser.add_argument("--side", type=int, default=None, help=f"pixels, at most {SIDE}")
    options = parser.parse_args()
    side = min(options.side or (QUICK_SIDE if options.quick else SIDE), SIDE)
    shown = pictures(side)
    textured = "chelsea + 1/f texture"
    began = time.process_time()
    CpuFitter().warm_up()
    print(f"{machine('numba', 'numpy', 'scikit-image')}")
    print(f"kernels compiled or loaded in {time.process_time() - began:.1f} CPU seconds\n", flush=True)
    problem = lifted(shown[textured])
    times = iteration_times(problem, 2 if options.quick else 5)
    header = [f"{side} x {side}, {len(problem.means):,} surfels", "1 thread", "2 threads"]
    rows = [["ms an iteration, wall", *(f"{times[k][0]:.0f}" for k in (1, 2))],
            ["ms an iteration, CPU of all threads", *(f"{times[k][1]:.0f}" for k in (1, 2))],
            ["working memory, bytes a surfel", f"{bytes_a_surfel(problem):.0f}", ""]]  # fmt: skip
    print(table(header, rows) + "\n", flush=True)
    print_quality(shown, QUICK_ITERATIONS if options.quick else ITERATIONS, threads=2)
    print(flush=True)
    print_starts(shown[textured], threads=2)


if __name__ == "__main__":
    main()
