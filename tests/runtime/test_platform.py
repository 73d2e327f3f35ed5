"""Threads, priorities and memory, as the operating system of the test run reports them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wonderzoom.runtime import platform


def test_usable_threads_is_at_least_one_and_never_more_than_the_machine_has() -> None:
    assert 1 <= platform.usable_threads() <= (os.cpu_count() or 1)


@pytest.mark.skipif(sys.platform != "linux", reason="affinity can be set on Linux only")
def test_usable_threads_obeys_the_affinity_of_the_process() -> None:
    code = (
        "import os; from wonderzoom.runtime.platform import usable_threads;"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); print(usable_threads())"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "1"


@pytest.mark.parametrize(
    ("content", "cores"),
    [
        ("max 100000\n", 8),
        ("150000 100000\n", 2),  # one and a half cores: two threads keep them busy
        ("50000 100000\n", 1),
        ("100000 0\n", 8),
        ("nonsense", 8),
        ("", 8),
    ],
)
def test_a_containers_quota_is_read_and_nonsense_means_no_limit(
    tmp_path: Path, content: str, cores: int
) -> None:
    limit = tmp_path / "cpu.max"
    limit.write_text(content, encoding="ascii")
    assert platform._cgroup_cores(limit, otherwise=8) == cores


def test_no_cgroup_file_means_no_limit(tmp_path: Path) -> None:
    assert platform._cgroup_cores(tmp_path / "absent", otherwise=3) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="niceness is POSIX")
def test_lower_priority_makes_the_process_nicer() -> None:
    code = (
        "import os; from wonderzoom.runtime.platform import lower_priority; before = os.nice(0);"
        "lower_priority(); print(os.nice(0) - before, os.nice(0))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    difference, now = map(int, result.stdout.split())
    assert difference == platform.BACKGROUND_NICENESS or now == 19  # 19: the kernel's nicest


def test_total_memory_is_unknown_or_enough_to_run_this_test() -> None:
    total = platform.total_memory_bytes()
    assert total is None or total > 2**28
