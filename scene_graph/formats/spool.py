"""Splats that are gathered before their file is written, and are more than memory may hold.

Formats want to know their number first, or have columns one after the other: what is gathered is read back in order, as
often as need be. It lies in memory up to ``MEMORY`` bytes, and in a file without a name beyond.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import numpy as np

from wonderzoom.scene_graph.formats.cloud import ROWS, Cloud

MEMORY = 1 << 25  # bytes: 600,000 splats
_WIDTHS = {"means": 3, "quats": 4, "log_scales": 3, "opacities": 1, "colors": 3}
_COLUMNS = sum(_WIDTHS.values())


class Spool:
    """Implements ``Splats``; a context manager, as it has a file, in ``folder``. Raises OSError."""

    def __init__(self, folder: Path | None = None, memory: int = MEMORY) -> None:
        self._file = tempfile.SpooledTemporaryFile(memory, dir=folder and str(folder))  # noqa: SIM115
        self._count = 0

    def add(self, part: Cloud) -> None:
        """Some more splats."""
        rows = np.empty((len(part), _COLUMNS), np.float32)
        start = 0
        for name, width in _WIDTHS.items():
            rows[:, start : start + width] = getattr(part, name).reshape(len(part), width)
            start += width
        self._file.seek(0, 2)
        self._file.write(rows.tobytes())
        self._count += len(part)

    def __len__(self) -> int:
        return self._count

    def parts(self) -> Iterator[Cloud]:
        """See ``Splats``."""
        for first in range(0, self._count, ROWS):
            self._file.seek(4 * _COLUMNS * first)
            data = self._file.read(4 * _COLUMNS * min(ROWS, self._count - first))
            rows = np.frombuffer(data, np.float32).reshape(-1, _COLUMNS)
            columns = np.split(rows, np.cumsum(list(_WIDTHS.values()))[:-1], 1)
            means, quats, log_scales, opacities, colors = map(np.ascontiguousarray, columns)
            yield Cloud(means, quats, log_scales, opacities[:, 0], colors)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()
