"""What every table says first: the machine, the versions, and how a row of numbers is told."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from wonderzoom.runtime.evaluation.machine import machine

__all__ = ["machine", "median", "table"]


def median(values: Sequence[float]) -> float:
    return float(statistics.median(values))


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table: the first column left, the others right."""
    lines = [f"| {' | '.join(header)} |", "|---|" + "---:|" * (len(header) - 1)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
