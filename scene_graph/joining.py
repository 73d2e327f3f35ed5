"""Surfels of several blocks as one: an insertion works on them together, and copies nothing that it need not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.coverage_loops import Rows, loops
from wonderzoom.scene_graph.surfels import DTYPES, THICKNESS, Surfels

F64 = NDArray[np.float64]


def concatenate(parts: Sequence[Surfels]) -> Surfels:
    """All rows of some surfels (one part at least), in order.

    Nothing is copied where they were cut from the same ones and follow each other, as those of a node that was placed
    or loaded do.
    """
    cuts = [part.cut_from for part in parts]
    if first := cuts[0]:
        whole, end = first
        for part, cut in zip(parts, cuts, strict=True):
            if cut is None or cut[0] is not whole or cut[1] != end:
                break
            end += len(part)
        else:
            return whole.take(slice(first[1], end))
    return Surfels(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in DTYPES})


def runs(counts: Sequence[int]) -> Iterator[range]:
    """Runs of parts of about as many rows as the loops work on together."""
    start, rows, most = 0, 0, loops().batch_rows
    for number, count in enumerate(counts):
        rows += count
        if rows >= most or number == len(counts) - 1:
            yield range(start, number + 1)
            start, rows = number + 1, 0


@dataclass(frozen=True, slots=True)
class Joined:
    """Surfels of several parts, each of one cell and one row at least, and their sizes in edges of these."""

    parts: Sequence[Surfels]
    whole: Surfels
    starts: Rows  # [B] of each part
    across: F64  # [N, 2] standard deviations along both axes
    pixel: F64  # [N] native pixels

    @staticmethod
    def of(parts: Sequence[Surfels]) -> Joined:
        whole = concatenate(parts)
        with np.errstate(over="ignore", invalid="ignore"):  # whoever lets them in has not looked yet
            across = np.exp(whole.log_scales.astype(np.float64))
            pixel = np.exp(whole.native.astype(np.float64))
        starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
        return Joined(parts, whole, starts, across, pixel)

    @staticmethod
    def in_runs(parts: Sequence[Surfels]) -> list[Joined]:
        """All parts, a run at a time."""
        return [Joined.of(parts[some.start : some.stop]) for some in runs([len(part) for part in parts])]

    @property
    def counts(self) -> list[int]:
        """Rows of each part."""
        return [len(part) for part in self.parts]

    def boxes(self) -> F64:
        """The box of each part (``extent.surfel_boxes``): [B, 2, 3]."""
        self.tell()
        return np.array([part.known_box for part in self.parts])

    def tell(self) -> None:
        """Leave its box (``extent.surfel_boxes``) and native scales with each part that does not know them."""
        if all(part.known_box is not None and part.known_native is not None for part in self.parts):
            return
        whole = self.whole
        boxes = loops().boxes(whole.means, whole.quats, self.across, THICKNESS * self.pixel, self.starts)
        boxes.flags.writeable = False
        least = np.minimum.reduceat(whole.native, self.starts).tolist()
        greatest = np.maximum.reduceat(whole.native, self.starts).tolist()
        for part, box, low, high in zip(self.parts, boxes, least, greatest, strict=True):
            object.__setattr__(part, "known_box", box)
            mean = float(np.add.reduce(part.native, dtype=np.float64) / len(part))  # quicker than ``mean``
            object.__setattr__(part, "known_native", (low, high, mean))


def tell_boxes(parts: Iterable[Surfels]) -> None:
    """Leave its box with each part that does not know it yet."""
    for run in Joined.in_runs([part for part in parts if part.known_box is None]):
        run.tell()
