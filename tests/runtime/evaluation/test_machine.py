"""The machine's own line has what numbers depend on, and memory is that of its own time."""

import importlib.metadata
import platform
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from wonderzoom.runtime.evaluation.machine import PACKAGES, PeakMemory, cpu_name, machine


def test_the_line_names_processor_and_versions() -> None:
    line = machine()
    assert cpu_name() in line and platform.python_version() in line and "\n" not in line
    assert all(f"{name} {importlib.metadata.version(name)}" in line for name in PACKAGES)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a peak anew")
def test_a_peak_is_that_of_its_own_time() -> None:
    memory = PeakMemory()
    memory.begin()
    before, _ = memory.end()
    held = np.ones(12_000_000)  # 96 MB, touched
    del held
    largest, _ = memory.end()
    memory.begin()
    after, _ = memory.end()
    assert before is not None and largest is not None and after is not None
    assert 20.0 < before < largest - 60.0 and after < largest - 60.0


def test_where_the_system_does_not_tell_there_is_no_peak(tmp_path: Path) -> None:
    memory = PeakMemory(tmp_path / "nothing", {})
    memory.begin()
    assert memory.end() == (None, None)
    memory = PeakMemory(tmp_path, {})
    for text in ("", "VmHWM:\n", "VmHWM: many kB\n"):
        (tmp_path / "status").write_text(text)
        memory.begin()
        assert memory.end() == (None, None)
    (tmp_path / "status").write_text("Name: python\nVmHWM:\t  250000 kB\n")
    assert memory.end() == (256.0, None)


class Card:
    """torch.cuda, as far as it is asked."""

    def __init__(self, there: bool) -> None:
        self.there, self.peak = there, 7e9

    def is_available(self) -> bool:
        return self.there

    def reset_peak_memory_stats(self) -> None:
        self.peak = 2.5e9

    def max_memory_allocated(self) -> float:
        return self.peak


@pytest.mark.parametrize(("there", "told"), [(True, 2500.0), (False, None)])
def test_the_memory_of_a_graphics_card_is_told_where_there_is_one(
    tmp_path: Path, there: bool, told: float | None
) -> None:
    memory = PeakMemory(tmp_path / "nothing", {"torch": SimpleNamespace(cuda=Card(there))})
    memory.begin()
    assert memory.end() == (None, told)
