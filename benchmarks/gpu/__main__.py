"""Runs the measurements on a graphics card one after the other, within a limit of time; the table comes last.

    benchmarks/gpu/run.sh [--surfels 1e6 5e6 ...] [--seconds N] [--quick]

Exit codes: 0, all parts ran and are right; 1, a part was wrong or broke (it is said which); 2, there is no card.
"""

from __future__ import annotations

import argparse
import sys
import time
import traceback
from collections.abc import Callable, Sequence

from benchmarks.gpu import parts
from benchmarks.gpu.parts import Card, Row
from benchmarks.gpu.through_the_loop import through_the_loop
from benchmarks.gpu.tiled_world import TiledWorld
from benchmarks.machine import machine, table
from wonderzoom.runtime.renderers.cuda import CudaRenderer
from wonderzoom.runtime.renderers.cuda_fitter import CudaFitter
from wonderzoom.runtime.renderers.gsplat_calls import CudaUnavailable, compile_now

SURFELS = (1e6, 5e6, 20e6, 100e6)
HEADER = ["what", "how", "measured", "peak memory"]
NO_CARD = 2


def options(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """What can be chosen."""
    parser = argparse.ArgumentParser(
        prog="benchmarks/gpu/run.sh", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--surfels", type=float, nargs="+", default=list(SURFELS), help="sizes of the worlds")
    parser.add_argument("--seconds", type=float, default=540.0, help="no part begins after that many")
    parser.add_argument("--rounds", type=int, default=50, help="frames of each row")
    parser.add_argument("--viewers", type=int, default=64, help="people who watch at once")
    parser.add_argument("--together", type=int, default=16, help="viewers in one call of gsplat")
    parser.add_argument("--quick", action="store_true", help="the smallest world and few frames")
    chosen = parser.parse_args(arguments)
    if chosen.quick:
        chosen.surfels, chosen.rounds = chosen.surfels[:1], min(chosen.rounds, 10)
    return chosen


class Sheet:
    """Runs parts while there is time; collects rows, what was left out and what went wrong."""

    def __init__(self, seconds: float, clock: Callable[[], float]) -> None:
        self._clock, self._end = clock, clock() + seconds
        self.rows: list[Row] = []
        self.failed = False

    def run(self, name: str, part: Callable[[], list[Row]]) -> None:
        """One part; a failure is noted, and the others go on."""
        if self._clock() > self._end:
            self.rows.append([name, "left out: no time was left", "", ""])
            return
        begun = self._clock()
        print(f"{name} ...", flush=True)
        try:
            self.rows += part()
        except Exception as error:
            self.failed = True
            traceback.print_exc()
            self.rows.append([name, "FAILED", f"{type(error).__name__}: {str(error)[:120]}", ""])
        print(f"{name}: {self._clock() - begun:.0f} s", flush=True)

    def table(self) -> str:
        return table(HEADER, self.rows)


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = options(arguments)
    try:
        compile_now(print)
        renderer, fitter = CudaRenderer(), CudaFitter()
    except CudaUnavailable as error:
        print(f"These measurements need a graphics card. {error}", file=sys.stderr)
        return NO_CARD
    import torch

    card, sheet = Card.cuda(), Sheet(chosen.seconds, time.monotonic)
    print(f"{torch.cuda.get_device_name()}, {machine('torch', 'gsplat', 'numpy')}")
    with renderer:
        sheet.run("correctness", lambda: parts.correctness(renderer))
        sheet.run("fitting", lambda: parts.fitting(fitter, card))
        for count in sorted(chosen.surfels):
            worlds: list[TiledWorld] = []
            name = f"{count:,.0f} surfels"
            sheet.run(name, lambda c=count, w=worlds: _frames_of(c, w, renderer, card, chosen.rounds))
            if worlds and count == min(chosen.surfels, key=lambda c: abs(c - 20e6)):
                world = worlds[0]
                sheet.run(
                    "viewers",
                    lambda w=world: parts.viewers(renderer, card, w, chosen.viewers, chosen.together),
                )
                sheet.run("frame loop", lambda w=world: through_the_loop(renderer, card, w, chosen.viewers))
                sheet.run("busy", lambda w=world: parts.beside_a_fit(renderer, fitter, card, w))
                sheet.run("discs", lambda w=world: _discs(card, w, chosen.rounds))
    print("\n" + sheet.table())
    return int(sheet.failed)


def _discs(card: Card, world: TiledWorld, rounds: int) -> list[Row]:
    """The mode "2dgs": right, and how fast."""
    with CudaRenderer(mode="2dgs") as renderer:
        rows = parts.correctness(renderer)
        return rows + parts.frames(renderer, card, world, rounds, views=(0.5, 2.0))


def _frames_of(
    count: float, made: list[TiledWorld], renderer: CudaRenderer, card: Card, rounds: int
) -> list[Row]:
    """The frames of a world of that size, which is left in ``made``."""
    made.append(TiledWorld.of(count))
    return parts.frames(renderer, card, made[0], rounds)


if __name__ == "__main__":
    sys.exit(main())
