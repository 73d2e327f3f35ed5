"""Kernels over bands of rows in a few threads, stoppable between bands.

A kernel writes only its own rows, so the result is the same for any number of threads and any band height.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from wonderzoom.scene_graph.ports import Cancelled

MIN_BAND = 8  # rows: below this a band costs more to hand out than to compute
BANDS_PER_THREAD = 8  # so that threads end together though rows differ in cost


def over_rows(
    kernel: Callable[..., None],
    rows: int,
    threads: int,
    cancelled: Callable[[], bool] | None,
    *arguments: object,
    step: int = 1,
) -> None:
    """Run ``kernel(first, last, *arguments)`` over all rows; bands are multiples of ``step``.

    Raises ``Cancelled`` as soon as ``cancelled()`` is true; what was written by then has no meaning.
    """
    smallest = step * math.ceil(MIN_BAND / step)
    band = max(smallest, step * math.ceil(rows / (BANDS_PER_THREAD * threads * step)))
    spans = [(first, min(first + band, rows)) for first in range(0, rows, band)]

    def work(span: tuple[int, int]) -> None:
        if cancelled is not None and cancelled():
            raise Cancelled
        kernel(span[0], span[1], *arguments)

    if threads == 1 or len(spans) == 1:
        for span in spans:
            work(span)
        return
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(work, spans):
            pass
