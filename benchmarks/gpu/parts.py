"""What is measured on a graphics card, one function a part; each returns rows of the table at the end.

Times are of whole calls: a picture is done when its bytes have arrived in the machine's memory. Select is the walk of
the octree that finds the visible set, on the CPU; memory is the card's peak during the part, of everything.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.gpu.tiled_world import TiledWorld
from benchmarks.machine import median
from benchmarks.nested_world import NestedWorld
from wonderzoom.runtime.renderers.cuda import CudaRenderer
from wonderzoom.runtime.renderers.cuda_fitter import CudaFitter
from wonderzoom.runtime.renderers.reference import ReferenceRenderer
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import Control, FitProblem, FitSettings, FitView, Look, RenderSettings
from wonderzoom.scene_graph.visible_set import visible_set

Row = list[str]
_JITTER = 1e-4  # radians: a camera that moves from frame to frame, but sees the same


class Wrong(AssertionError):
    """A picture is not what it has to be: no time of it means anything."""


@dataclass(frozen=True)
class Card:
    """How the device is waited for and measured; the CPU has nothing of that."""

    wait: Callable[[], None] = lambda: None
    reset_peak: Callable[[], None] = lambda: None
    peak_bytes: Callable[[], int] = lambda: 0

    @staticmethod
    def cuda() -> Card:
        import torch

        return Card(
            torch.cuda.synchronize, torch.cuda.reset_peak_memory_stats, torch.cuda.max_memory_allocated
        )


def correctness(
    renderer: CudaRenderer,
    views: Sequence[tuple[float, str]] = (
        (0.0, "optical_mass"),
        (0.5, "paper"),
        (1.5, "optical_mass"),
        (2.0, "none"),
    ),
    side: int = 64,
    size: tuple[int, int] = (64, 48),
) -> list[Row]:
    """Against the oracle, at several depths and laws; raises Wrong where a picture differs.

    The oracle draws Gaussians on the screen. Discs in space show nearly the same (43 dB and more on the stand-in), but
    ids and counts differ where surfels are small: these are not judged there.
    """
    nested, rows = NestedWorld(3, side), list[Row]()
    exact = renderer.mode == "3dgs"
    for scale, modulation in views:
        settings = RenderSettings(h_ref=side, background=(0.2, 0.4, 0.6), modulation=modulation)  # type: ignore[arg-type]
        camera = nested.view(scale, *size)
        visible = visible_set(nested.world, camera, settings)  # type: ignore[arg-type]
        expected, margins = ReferenceRenderer().render_with_margins(visible, camera, settings)
        got = renderer.render(visible, camera, settings)
        error = float(np.mean((got.color.astype(np.float64) - expected.color) ** 2))
        decibels = -10.0 * np.log10(error + 1e-12)
        clear = margins > 2 / 255
        alike = float((got.surfel_ids[clear] == expected.surfel_ids[clear]).mean()) if clear.any() else 1.0
        name = f"E{scale:g}, {modulation}{_mode(renderer)}"
        counted = abs(got.drawn - expected.drawn) <= 0.01 * expected.drawn
        if decibels < (55.0 if exact else 40.0) or (exact and not (alike >= 0.999 and counted)):
            raise Wrong(f"{name}: {decibels:.1f} dB, {100 * alike:.2f} % of ids, {got.drawn} drawn")
        rows.append(["correct", name, f"{decibels:.0f} dB, {100 * alike:.2f} % of ids", ""])
    return rows


def frames(
    renderer: CudaRenderer,
    card: Card,
    world: TiledWorld,
    rounds: int,
    size: tuple[int, int] = (1080, 720),
    views: tuple[float, ...] = (0.0, 0.5, 2.0, 4.0),
) -> list[Row]:
    """Frames a second and memory with and without modulation; raises Wrong for a picture with holes."""
    rows: list[Row] = []
    for modulation in ("optical_mass", "none"):
        settings = RenderSettings(h_ref=min(size), modulation=modulation)  # type: ignore[arg-type]
        for scale in views:
            camera = world.camera(scale, *size, aside=0.05)
            select, draw = list[float](), list[float]()
            card.reset_peak()
            visible = visible_set(world, camera, settings)  # type: ignore[arg-type]
            picture = renderer.render_color(visible, camera, settings)  # uploads
            for number in range(rounds):
                moved = camera.orbited(_JITTER * (number % 5), 0.0)
                begun = time.perf_counter()
                visible = visible_set(world, moved, settings)  # type: ignore[arg-type]
                chosen = time.perf_counter()
                picture = renderer.render_color(visible, moved, settings)
                ended = time.perf_counter()
                select.append(1e3 * (chosen - begun))
                draw.append(1e3 * (ended - chosen))
            middle = picture[size[1] // 3 : 2 * size[1] // 3, size[0] // 3 : 2 * size[0] // 3, :3]
            if float((middle.max(-1) < 8).mean()) > 0.01:
                raise Wrong(f"{world.surfels:,} surfels, E{scale:g}: holes in the middle of the picture")
            both = median([a + b for a, b in zip(select, draw, strict=True)])
            numbers = (
                f"{1e3 / median(draw):.0f} fps drawing, {1e3 / both:.0f} with select, "
                f"{renderer.statistics.drawn:,} of {visible.surfel_count:,} drawn"
            )
            memory = f"{card.peak_bytes() / 1e9:.2f} GB"
            how = f"E{scale:g}, {modulation}{_mode(renderer)}"
            rows.append([f"{world.surfels:,} surfels", how, numbers, memory])
    return rows


def _mode(renderer: CudaRenderer) -> str:
    return "" if renderer.mode == "3dgs" else f", {renderer.mode}"


def fitting(fitter: CudaFitter, card: Card, width: int = 1024, height: int = 768) -> list[Row]:
    """One surfel a pixel of a picture; raises Wrong when the fit gains nothing."""
    problem = a_picture(width, height)
    fitter.fit(problem, FitSettings(iterations=1), Control())  # loads what it needs
    card.reset_peak()
    begun = time.perf_counter()
    result = fitter.fit(problem, FitSettings(), Control())
    card.wait()
    took = time.perf_counter() - begun
    if not result.losses[-1] < result.losses[0]:
        raise Wrong(f"the fit went from {result.losses[0]:.4f} to {result.losses[-1]:.4f}")
    losses = f"loss {result.losses[0]:.4f} to {result.losses[-1]:.4f}"
    numbers = f"{took:.2f} s for {len(result.losses) - 1} iterations, {losses}"
    return [
        [f"fit {width}x{height}", f"{width * height:,} surfels", numbers, f"{card.peak_bytes() / 1e9:.2f} GB"]
    ]


def a_picture(width: int, height: int) -> FitProblem:
    """Pixel-aligned surfels before a picture with detail in every pixel."""
    rng = np.random.default_rng(1)
    v, u = np.mgrid[0:height, 0:width] + 0.5
    waves = np.stack([np.sin(u / 40), np.cos(v / 55), np.sin((u + v) / 70)], -1)
    picture = np.clip(0.5 + 0.2 * waves + 0.05 * rng.normal(size=waves.shape), 0, 1).astype(np.float32)
    n = width * height
    view = FitView(np.eye(3), np.zeros(3), 0.0, (1.0, 1.0), (0.0, 0.0), picture)
    return FitProblem(
        np.stack([u.ravel(), v.ravel(), np.zeros(n)], 1).astype(np.float32),
        picture.reshape(-1, 3),
        np.tile(np.array([1, 0, 0, 0], np.float32), (n, 1)),
        np.full((n, 2), np.log(0.7), np.float32),
        np.full(n, 0.8, np.float32),
        np.full(n, 0.02, np.float32),
        (view,),
    )


def viewers(
    renderer: CudaRenderer,
    card: Card,
    world: TiledWorld,
    count: int = 64,
    together: int = 16,
    rounds: int = 20,
    size: tuple[int, int] = (1280, 720),
) -> list[Row]:
    """Pictures of many viewers, each elsewhere, ``together`` of them in one call; encoding is not in it."""
    settings, rng = RenderSettings(h_ref=min(size)), np.random.default_rng(0)
    cameras = [
        world.camera(float(rng.uniform(0, 4)), *size, aside=float(rng.uniform(-0.2, 0.2)))
        for _ in range(count)
    ]
    looks = [Look(visible_set(world, c, settings), c, settings) for c in cameras]  # type: ignore[arg-type]
    times: list[float] = []
    card.reset_peak()
    for number in range(rounds + 1):
        begun = time.perf_counter()
        for first in range(0, count, together):
            moved = [
                Look(each.visible, each.camera.orbited(_JITTER * (number % 5), 0.0), settings)
                for each in looks[first : first + together]
            ]
            renderer.render_colors(moved)
        if number:
            times.append(time.perf_counter() - begun)
    numbers = f"{1 / median(times):.1f} fps each ({1e3 * median(times):.1f} ms a round)"
    name = f"{count} viewers, {size[0]}x{size[1]}"
    return [
        [name, f"{world.surfels:,} surfels, {together} a call", numbers, f"{card.peak_bytes() / 1e9:.2f} GB"]
    ]


def beside_a_fit(
    renderer: CudaRenderer,
    fitter: CudaFitter,
    card: Card,
    world: TiledWorld,
    count: int = 200,
    size: tuple[int, int] = (1080, 720),
    picture: tuple[int, int] = (1024, 768),
) -> list[Row]:
    """How long a frame takes while the same card fits, as it does during a zoom."""
    settings, camera = RenderSettings(h_ref=min(size)), world.camera(2.0, *size, aside=0.05)
    visible = visible_set(world, camera, settings)  # type: ignore[arg-type]
    over, fits, problem = threading.Event(), [0], a_picture(*picture)

    def fit() -> None:
        while not over.is_set():
            fitter.fit(problem, FitSettings(iterations=4), Control())
            fits[0] += 1

    rows: list[Row] = []
    for name in ("alone", "beside a fit"):
        busy = threading.Thread(target=fit, name="fit")
        if name != "alone":
            busy.start()
        try:
            times = np.array([_one_frame(renderer, visible, camera, settings, k) for k in range(count)])
        finally:
            over.set()
            if name != "alone":
                busy.join()
        over.clear()
        p50, p95 = np.percentile(1e3 * times[1:], [50, 95])
        rows.append(
            ["a frame", name, f"p50 {p50:.1f} ms, p95 {p95:.1f} ms", f"{card.peak_bytes() / 1e9:.2f} GB"]
        )
    if not fits[0]:
        raise Wrong("the fit beside the frames never ended: nothing was busy")
    return rows


def _one_frame(
    renderer: CudaRenderer, visible: object, camera: Camera, settings: RenderSettings, number: int
) -> float:
    begun = time.perf_counter()
    renderer.render_color(visible, camera.orbited(_JITTER * (number % 5), 0.0), settings)  # type: ignore[arg-type]
    return time.perf_counter() - begun
