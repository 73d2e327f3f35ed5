"""One 4x zoom at 512x512, from the request to the durable commit: seconds a stage, and how good it is.

    python -m benchmarks.zooming [--runs N] [--prompt TEXT] [--threads N] [--image FILE] [--at U,V]

Each run makes the same zoom into a fresh copy of the same world (of the demo picture, 768x512, or of a
photo), after one run that compiles. The first preview is the moment at which I_i exists; the commit is on disk.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from importlib.resources import as_file, files
from pathlib import Path

import cv2
import numpy as np

from benchmarks.machine import machine, median, table
from wonderzoom.generation.embedded.consistency import seen as lowpassed
from wonderzoom.generation.jobs import CreateRequest, StageEvent, Watch, Zoomed, ZoomRequest
from wonderzoom.runtime.app import DEFAULT_GENERATOR, App
from wonderzoom.runtime.authoring import planned_request, read_request
from wonderzoom.runtime.build import add, start_world
from wonderzoom.runtime.frames import aim, settings_of
from wonderzoom.runtime.pictures import SHORT_SIDE
from wonderzoom.runtime.plans import read_plan
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import RenderedView
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

FACTOR = 4.0
SIDE = 512


def demo_request(app: App) -> CreateRequest:
    """The demo's picture with its depth."""
    with as_file(files("wonderzoom.runtime.demo")) as shipped:
        plan = read_plan(shipped / "demo.toml")
        return planned_request(plan, app)


class Clocked:
    """A watch that notes when each stage began and when the first preview came."""

    def __init__(self) -> None:
        self.start = time.perf_counter()
        self.begun: list[tuple[str, float]] = []
        self.preview = math.nan
        self.watch = Watch(event=self._event)

    def _event(self, event: StageEvent) -> None:
        now = time.perf_counter() - self.start
        if not self.begun or self.begun[-1][0] != event.stage:
            self.begun.append((event.stage, now))
        if event.preview is not None:
            self.preview = now

    def stages(self, end: float) -> dict[str, float]:
        """Seconds of each stage."""
        times = [*(at for _, at in self.begun), end]
        return {name: times[i + 1] - times[i] for i, (name, _) in enumerate(self.begun)}


def look(app: App, world: World, camera: Camera) -> RenderedView:
    settings = settings_of(world.header)
    return app.renderer.render(visible_set(world, camera, settings), camera, settings)


def decibels(a: np.ndarray, b: np.ndarray) -> float:
    return -10.0 * math.log10(max(float(np.mean((a - b) ** 2)), 1e-12))


def spectrum_slope(image: np.ndarray) -> float:
    """Slope of ln amplitude over ln frequency, 0.06 to 0.45 cycles a pixel; of photographs: -1 to -1.5."""
    grey = image @ np.array([0.299, 0.587, 0.114])
    side = min(grey.shape)
    grey = grey[:side, :side] - grey.mean()
    window = np.hanning(side)
    power = np.abs(np.fft.fft2(grey * window[:, None] * window)) ** 2
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    edges = np.geomspace(0.06, 0.45, 12)
    bands = [(frequency >= a) & (frequency < b) for a, b in zip(edges, edges[1:], strict=False)]
    amplitude = [0.5 * math.log(float(power[band].mean())) for band in bands]
    middle = [0.5 * (math.log(a) + math.log(b)) for a, b in zip(edges, edges[1:], strict=False)]
    return float(np.polyfit(middle, amplitude, 1)[0])


def quality(app: App, before: World, after: World, zoomed: Zoomed, camera: Camera) -> list[list[str]]:
    """What the stored surfels show, against the picture they were made from and against what was there."""
    node = after.node(zoomed.node)
    assert node.main.image is not None
    margin = (node.main.camera.width - camera.width) // 2
    asked = node.main.image[margin : margin + camera.height, margin : margin + camera.width] / 255.0
    seen, coarse = look(app, after, camera), look(app, before, camera)
    size = (round(camera.width / FACTOR), round(camera.height / FACTOR))
    smaller = [cv2.resize(view.color, size, interpolation=cv2.INTER_AREA) for view in (seen, coarse)]
    holes = [
        float((look(app, after, camera.orbited(math.radians(turn), 0.0)).alpha < 0.5).mean())
        for turn in (-10.0, 10.0)
    ]
    return [
        ["render at C_i against I_i", f"{decibels(seen.color, asked):.1f} dB"],
        ["render, averaged over coarse pixels, against O_i", f"{decibels(*smaller):.1f} dB"],
        [
            "render, through coarse surfels, against O_i",
            f"{decibels(lowpassed(seen.color, FACTOR), smaller[1]):.1f} dB",
        ],
        ["slope of the render's spectrum", f"{spectrum_slope(seen.color):.2f}"],
        ["holes at orbits of +-10 degrees", f"{100 * max(holes):.2f} %"],
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--prompt", default="", help="also edit: then the picture differs from O_i by intent")
    parser.add_argument("--threads", type=int, default=None)
    parser.add_argument("--image", type=Path, default=None, help="a photo instead of the demo picture")
    parser.add_argument("--at", default="0.5,0.72", help="where to zoom: U,V, 0 to 1 from the top left")
    options = parser.parse_args()
    stages: list[dict[str, float]] = []
    totals: list[float] = []
    previews: list[float] = []
    rows: list[list[str]] = []
    with App(options.threads) as app, tempfile.TemporaryDirectory() as folder:
        request = (
            read_request(options.image, None, None, app, short_side=SHORT_SIDE)
            if options.image
            else demo_request(app)
        )
        u, v = (float(part) for part in options.at.split(","))
        start = time.perf_counter()
        created = app.create(DEFAULT_GENERATOR, request, Watch())
        print(f"E_0 in {time.perf_counter() - start:.1f} s, compilation included", flush=True)
        base = World(created.header)
        base.apply(created.commit)
        assert base.root is not None
        camera = aim(base, app.renderer, base.root, (u, v), FACTOR).camera
        camera = camera.resized(SIDE, SIDE)
        for run in range(options.runs + 1):
            path = Path(folder) / str(run)
            start_world(path, created).close()
            with WorldStore.open(path, write=True) as store:
                world = store.load()
                clocked = Clocked()
                zoom = ZoomRequest(camera, options.prompt, seed=1)
                zoomed = app.zoom(DEFAULT_GENERATOR, world, zoom, clocked.watch)
                add(store, world, zoomed)
                end = time.perf_counter() - clocked.start
            if run == 0:
                print(f"first zoom in {end:.1f} s, compilation included", flush=True)
                rows = quality(app, base, world, zoomed, camera)
                continue
            stages.append(clocked.stages(end))
            totals.append(end)
            previews.append(clocked.preview)
        threads = app.threads
    print(f"\n{machine('numba', 'numpy')}; {threads} threads; {options.runs} runs, medians\n")
    seconds = [[name, f"{median([run[name] for run in stages]):.2f} s"] for name in stages[0]]
    totals_rows = [
        ["**first preview**", f"**{median(previews):.2f} s**"],
        ["**commit on disk**", f"**{median(totals):.2f} s**"],
        ["slowest run", f"{max(totals):.2f} s"],
    ]
    print(table(["stage", "median"], [*seconds, *totals_rows]))
    print()
    print(table(["quality", "value"], rows))


if __name__ == "__main__":
    main()
