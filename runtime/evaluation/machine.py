"""On what an evaluation or a benchmark ran: what seconds and frames a second mean depends on it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "numba")


def cpu_name() -> str:
    """The processor's own name where the system tells it."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def machine(*packages: str) -> str:
    """One line: processor, cores, Python and the versions of ``packages`` (default: PACKAGES)."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages or PACKAGES)
    return f"{cpu_name()}, {os.cpu_count()} cores, Python {platform.python_version()}, {versions}"


class PeakMemory:
    """The most memory between ``begin`` and ``end``, of the process and of a graphics card; Linux tells it anew."""

    def __init__(self, process: Path = Path("/proc/self"), modules: Mapping[str, Any] = sys.modules) -> None:
        self._process, self._modules = process, modules
        self._begun = False

    def begin(self) -> None:
        """Forget what was."""
        try:
            (self._process / "clear_refs").write_text("5")  # 5: VmHWM falls to what is in use now
            self._begun = True
        except OSError:
            self._begun = False
        if cuda := self._cuda():
            cuda.reset_peak_memory_stats()

    def end(self) -> tuple[float | None, float | None]:
        """Megabytes of the process, and of torch's tensors on a card; None where they can't be had."""
        card = round(cuda.max_memory_allocated() / 1e6, 1) if (cuda := self._cuda()) else None
        return (self._peak() if self._begun else None), card

    def _peak(self) -> float | None:
        try:
            lines = (self._process / "status").read_text(encoding="utf-8").splitlines()
            kibibytes = next(float(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
            return round(kibibytes * 1024 / 1e6, 1)
        except (OSError, StopIteration, ValueError, IndexError):
            return None

    def _cuda(self) -> Any:
        """torch.cuda where something has loaded torch and there is a card."""
        torch = self._modules.get("torch")
        return torch.cuda if torch is not None and torch.cuda.is_available() else None
