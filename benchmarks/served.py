"""Servers as child processes: how they are started and ended, and what they take of the machine meanwhile."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from wonderzoom.runtime.platform import die_with_parent, resident_bytes

_START_WITHIN_S = 120.0
_STOP_WITHIN_S = 40.0  # a zoom is let finish within twenty
_TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """What all threads of a process have worked so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


@dataclass(frozen=True, slots=True)
class Child:
    """A server that listens."""

    link: str
    pid: int

    @property
    def cpu(self) -> float:
        """Seconds of all its threads."""
        return cpu_seconds(self.pid)

    @property
    def memory(self) -> int:
        """Resident bytes."""
        return resident_bytes(self.pid) or 0


@contextmanager
def child(command: Sequence[str]) -> Generator[Child, None, None]:
    """Start a server that prints its link (as it is, or as ``link`` in JSON) and ends on SIGTERM.

    Raises RuntimeError with its last words where it prints none.
    """
    with tempfile.TemporaryFile("w+", encoding="utf-8") as words:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=words, text=True, preexec_fn=die_with_parent
        )
        try:
            assert process.stdout is not None
            line = process.stdout.readline().strip()
            if not line:
                process.wait(_STOP_WITHIN_S)
                words.seek(0)
                raise RuntimeError(f"{' '.join(command)} ended: {words.read()[-2000:]}")
            yield Child(json.loads(line)["link"] if line.startswith("{") else line, process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                print(f"{command[1:3]} did not end within {_STOP_WITHIN_S:.0f} s", file=sys.stderr)
            if process.stdout is not None:
                process.stdout.close()


def real_server(world: Path, viewers: int = 64) -> list[str]:
    """What ``wonderzoom serve`` is."""
    serve = [sys.executable, "-m", "wonderzoom.runtime.cli", "serve", str(world)]
    return [*serve, "--port", "0", "--viewers", str(viewers)]


def calm(patience: float, most: float) -> float:
    """Wait until the load average of a minute is below ``most``, at most ``patience`` seconds; what it is then."""
    end = time.monotonic() + patience
    while os.getloadavg()[0] > most and time.monotonic() < end:
        time.sleep(2.0)
    return os.getloadavg()[0]


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest rank; NaN of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")
