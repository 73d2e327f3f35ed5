"""How much of a graphics card each stage of a job takes: the peak of this process while the stage ran.

Everything that torch holds counts, models that wait and surfels in the renderer's pool too: it is what a card must have
for the stage to run. Where nothing of this process is on a card, nothing is said: no zero stands for "not measured".
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

from wonderzoom.generation.jobs import Stage, StageEvent, Watch

# The most bytes that were taken since it was asked last; None where no card is in use.
Meter = Callable[[], int | None]


def card_peak() -> int | None:
    """The meter of the CUDA device that this process works on. Loads nothing, and begins nothing on a card."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return None
    peak = int(torch.cuda.max_memory_allocated())
    torch.cuda.reset_peak_memory_stats()
    return peak


class StagePeaks:
    """Follows one job by its events."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._stage: Stage | None = None
        self.bytes: dict[str, int] = {}  # of each stage that has ended and had something on a card
        meter()  # what was before the job is not the job's

    def watched(self, watch: Watch) -> Watch:
        """``watch``, listened to."""

        def event(happened: StageEvent) -> None:
            if happened.stage != self._stage:
                self._measure()
                self._stage = happened.stage
            watch.event(happened)

        return replace(watch, event=event)

    def _measure(self) -> None:
        taken = self._meter()
        if self._stage is not None and taken is not None:
            self.bytes[self._stage] = max(taken, self.bytes.get(self._stage, 0))

    def provenance(self) -> dict[str, str]:
        """What a node remembers, to a tenth of a gigabyte: ``upscale 11.8 GB, edit 9.4 GB``; nothing without a card."""
        said = ", ".join(f"{stage} {taken / 1e9:.1f} GB" for stage, taken in self.bytes.items())
        return {"memory": said} if said else {}
