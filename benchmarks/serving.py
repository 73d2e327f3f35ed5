"""A served world: what each of many viewers gets, how soon, and what a zoom that runs takes from them.

    python -m benchmarks.serving [PART ...] [--world WORLD] [--seconds S] [--repeat N] [--viser PYTHON]

Parts: ``ring`` (a hundred viewers of frames that are there already, ten of whom stop reading), ``own`` (how many
cameras of their own the renderer holds), ``latency`` (from a camera to its pixels; beside viser if an interpreter
that has it is named), ``first`` (from connecting to the first frame), ``zoom`` (frames while a zoom runs). Servers
are processes of their own, the viewers are in this one, everything goes over loopback. Each row is one run of
``--seconds``; on a busy machine the better of two is nearer to the truth. ``load`` is the load average of a minute
before the run. Without ``--world`` one is made of the demo's picture.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

from benchmarks import lookers
from benchmarks.lookers import Seen
from benchmarks.machine import machine, median, table
from benchmarks.ring_crowd import FPS, Crowd, Window
from benchmarks.served import calm, child, percentile, real_server
from wonderzoom.runtime import authoring, commands
from wonderzoom.runtime.app import App

VIEWERS, STALLED = 100, 10
OWN = (1, 2, 4, 8)
SMALL, MIDDLE = (480, 270), (640, 360)
_FIRST = 20
_BETWEEN_S = 0.3


@dataclass(frozen=True, slots=True)
class Run:
    """What all parts are told."""

    world: Path
    seconds: float
    repeat: int
    patience: float
    load: float
    viser: str | None

    def calm(self) -> str:
        """Wait for a quiet moment; the load then."""
        return f"{calm(self.patience, self.load):.1f}"


def make_world(folder: Path) -> Path:
    """A world of the picture that is shipped, without zooms."""
    world = folder / "meadow"
    with as_file(files("wonderzoom.runtime.demo")) as shipped, App() as app:
        picture, depth = shipped / "meadow.png", shipped / "meadow_depth.png"
        authoring.create(commands.Create(world, picture, depth=depth, focal=28.0), app)
    return world


# ---- a ring of frames ---------------------------------------------------------------------------


def ring(run: Run) -> str:
    """Frames that are there already, of 60 kB, at thirty a second."""
    rows: list[list[str]] = []
    for moving in (False, True):
        for number in range(run.repeat):
            load = run.calm()
            command = [sys.executable, "-m", "benchmarks.ring_server", str(run.world)]
            with child([*command, "--turns", "0" if moving else str(FPS)]) as server:
                crowd = Crowd(server, VIEWERS, STALLED, moving)
                result = asyncio.run(crowd.run(run.seconds))
            name = f"{'each moves' if moving else 'the world changes'}, run {number + 1}"
            rows.append(_ring_row(f"{name}: all {VIEWERS}", result.all_well, "", load))
            grown = f"{result.bytes_a_stalled / 1e3:.0f}"
            rows.append(
                _ring_row(f"{name}: {VIEWERS - STALLED} beside {STALLED}", result.some_stalled, grown, load)
            )
    header = ["", "fps", "share", "least", "p50 ms", "p99 ms", "CPU us a frame", "server cores", "clients'"]
    return table([*header, "kB a stalled", "load"], rows)


def _ring_row(name: str, window: Window, grown: str, load: str) -> list[str]:
    return [
        name,
        f"{window.fps:.1f}",
        f"{100 * window.fps / FPS:.0f} %",
        f"{window.least:.1f}",
        f"{window.p50_ms:.0f}",
        f"{window.p99_ms:.0f}",
        f"{window.server_us:.0f}",
        f"{window.server_cores:.2f}",
        f"{window.client_cores:.2f}",
        grown,
        load,
    ]


# ---- cameras of their own -----------------------------------------------------------------------


def own(run: Run) -> str:
    """Viewers who move all the time, each elsewhere."""
    rows: list[list[str]] = []
    for count in OWN:
        for number in range(run.repeat):
            load = run.calm()
            with child(real_server(run.world)) as server:
                cpu, begun = server.cpu, time.monotonic()
                all_seen = asyncio.run(lookers.fly_together(server.link, count, SMALL, run.seconds))
                cores = (server.cpu - cpu) / (time.monotonic() - begun)
            rates = [seen.fps for seen in all_seen]
            gaps = [gap for seen in all_seen for gap in seen.gaps]
            drawing = [one for seen in all_seen for one in seen.drawing]
            scales = [one for seen in all_seen for one in seen.scales]
            rows.append([
                f"{count}, run {number + 1}", f"{sum(rates) / count:.1f}", f"{min(rates):.1f}",
                f"{1e3 * percentile(gaps, 0.95):.0f}", f"{1e3 * median(drawing):.0f}",
                f"{100 * median(scales):.0f} %", f"{cores:.2f}", load,
            ])  # fmt: skip
    header = ["viewers", "fps of each", "least", "p95 gap ms", "a frame ms", "of the width", "server cores"]
    return table([*header, "load"], rows)


# ---- latency ------------------------------------------------------------------------------------


def latency(run: Run) -> str:
    """From a camera to its pixels, decoded in the client."""
    rows: list[list[str]] = []
    for number in range(run.repeat):
        load = run.calm()
        with child(real_server(run.world)) as server:
            stepped = asyncio.run(lookers.step(server.link, MIDDLE, run.seconds))
            seen = asyncio.run(lookers.fly(server.link, 0, MIDDLE, run.seconds))
        rows.append(_latency_row(f"one step, run {number + 1}", stepped, None, load))
        rows.append(_latency_row(f"moving, run {number + 1}", seen.latencies, seen, load))
        if run.viser:
            for moving in (False, True):
                load = run.calm()
                name = f"viser: {'moving' if moving else 'one step'}, run {number + 1}"
                rows.append(_latency_row(name, _beside(run, moving), None, load))
    return table(["640x360", "p50 ms", "p99 ms", "frames", "a frame ms", "of the width", "load"], rows)


def _latency_row(name: str, taken: list[float], seen: Seen | None, load: str) -> list[str]:
    return [
        name,
        f"{1e3 * percentile(taken, 0.5):.0f}",
        f"{1e3 * percentile(taken, 0.99):.0f}",
        str(len(taken)),
        f"{1e3 * median(seen.drawing):.0f}" if seen and seen.drawing else "",
        f"{100 * median(seen.scales):.0f} %" if seen and seen.scales else "",
        load,
    ]


def _beside(run: Run, moving: bool) -> list[float]:
    """The same through viser's server, both ends in its interpreter."""
    assert run.viser is not None
    module = [run.viser, "-m", "benchmarks.viser_beside"]
    size = ["--size", f"{MIDDLE[0]}x{MIDDLE[1]}"]
    with child([*module, "serve", str(run.world), *size]) as server:
        look = [*module, "look", server.link, *size, "--seconds", str(run.seconds), *["--moving"] * moving]
        done = subprocess.run(look, check=True, stdout=subprocess.PIPE, text=True, timeout=run.seconds + 60.0)
    return json.loads(done.stdout)


# ---- the first frame, and a zoom ----------------------------------------------------------------


def first(run: Run) -> str:
    """From connecting to pixels."""
    rows: list[list[str]] = []
    for number in range(run.repeat):
        load = run.calm()
        with child(real_server(run.world)) as server:
            taken: list[float] = []
            for _ in range(1 + _FIRST):
                taken.append(asyncio.run(lookers.first_frame(server.link, MIDDLE)))
                time.sleep(_BETWEEN_S)
        begun, rest = taken[0], taken[1:]
        rows.append(
            [f"run {number + 1}", *(f"{1e3 * s:.0f}" for s in (begun, median(rest), max(rest))), load]
        )
    header = ["640x360", "of the server ms", "median of 20 more ms", "longest of them ms", "load"]
    return table(header, rows)


def zoom(run: Run) -> str:
    """Frames of one who moves, beside nothing and beside a zoom."""
    rows: list[list[str]] = []
    for number in range(run.repeat):
        load = run.calm()
        with child(real_server(run.world)) as server:
            result = asyncio.run(lookers.beside_a_zoom(server.link, MIDDLE, run.seconds))
        for name, seen in (("idle", result.idle), ("zoom", result.busy)):
            what = f"{name}, run {number + 1}" + (f" ({result.took_s:.1f} s)" if name == "zoom" else "")
            numbers = [1e3 * percentile(s, share) for s in (seen.drawing, seen.gaps) for share in (0.5, 0.95)]
            scale = f"{100 * median(seen.scales):.0f} %"
            rows.append([what, f"{seen.fps:.1f}", *(f"{one:.0f}" for one in numbers), scale, "", load])
        ratios = [
            percentile(busy, 0.95) / percentile(idle, 0.95)
            for idle, busy in (
                (result.idle.drawing, result.busy.drawing),
                (result.idle.gaps, result.busy.gaps),
            )
        ]
        rows[-1][-2] = f"{ratios[0]:.2f}, {ratios[1]:.2f}"
    header = ["640x360", "fps", "drawing p50 ms", "p95 ms", "gap p50 ms", "p95 ms", "of the width"]
    return table([*header, "p95 times idle's: drawing, gap", "load"], rows)


PARTS: dict[str, Callable[[Run], str]] = {
    "ring": ring,
    "own": own,
    "latency": latency,
    "first": first,
    "zoom": zoom,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"{', '.join(PARTS)}; default: all")
    parser.add_argument("--world", type=Path, help="default: one that is made of the demo's picture")
    parser.add_argument("--seconds", type=float, default=20.0, help="of each run")
    parser.add_argument("--repeat", type=int, default=2)
    parser.add_argument("--viser", help="a Python that has viser beside this package")
    parser.add_argument("--patience", type=float, default=0.0, help="seconds to wait for a quiet moment")
    parser.add_argument("--load", type=float, default=1.0, help="load average that counts as quiet")
    arguments = parser.parse_args()
    unknown = [part for part in arguments.parts if part not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; there is: {', '.join(PARTS)}")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        world = arguments.world or make_world(folder)
        print(machine("numpy", "numba", "websockets", "msgspec"))
        run = Run(
            world, arguments.seconds, arguments.repeat, arguments.patience, arguments.load, arguments.viser
        )
        for part in arguments.parts or PARTS:
            print(f"\n{part}: {(PARTS[part].__doc__ or '').strip()}\n", flush=True)
            print(PARTS[part](run), flush=True)


if __name__ == "__main__":
    main()
