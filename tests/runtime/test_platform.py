"""Threads, priorities and memory, as the operating system of the test run reports them."""

import contextlib
import os
import socket
import subprocess
import sys
import time
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


@pytest.mark.parametrize(
    ("content", "most"), [("max\n", 8000), ("5000\n", 5000), ("9000\n", 8000), ("nonsense", 8000), ("", 8000)]
)
def test_a_containers_memory_is_read_and_nonsense_means_no_limit(
    tmp_path: Path, content: str, most: int
) -> None:
    limit = tmp_path / "memory.max"
    limit.write_text(content, encoding="ascii")
    assert platform._cgroup_bytes(limit, otherwise=8000) == most
    assert platform._cgroup_bytes(tmp_path / "absent", otherwise=None) is None
    usable = platform.usable_memory_bytes()
    assert usable is None or 2**28 < usable <= (platform.total_memory_bytes() or 0)


def test_the_memory_of_a_process_is_known_or_said_to_be_unknown() -> None:
    mine = platform.resident_bytes(os.getpid())
    assert mine is None if sys.platform != "linux" else mine is not None and mine > 2**20
    assert platform.resident_bytes(2**22 + 1) is None  # more than Linux counts processes to


@pytest.mark.skipif(sys.platform != "linux", reason="Linux limits what is private and writable")
def test_memory_beyond_the_limit_is_an_error_of_the_one_who_asks() -> None:
    code = (
        "from wonderzoom.runtime.platform import limit_memory; limit_memory(2**28); bytearray(2**26);\n"
        "try: bytearray(2**28)\n"
        "except MemoryError: print('no')\n"
        "bytearray(2**26); print('yes')"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["no", "yes"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a pipe that closes tells of the parent's end")
def test_a_process_that_dies_with_its_parent_does() -> None:
    sleeper = (
        "from wonderzoom.runtime.platform import die_with_parent; die_with_parent(); print(flush=True); "
    )
    parent = (
        "import subprocess, sys, os, signal; child = subprocess.Popen([sys.executable, '-c', sys.argv[1]],"
        " stdout=subprocess.PIPE); child.stdout.readline(); print(child.pid, flush=True);"
        " os.kill(os.getpid(), signal.SIGKILL)"
    )
    command = [sys.executable, "-c", parent, sleeper + "import time; time.sleep(60)"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    child = Path(f"/proc/{int(result.stdout)}/stat")
    deadline = time.monotonic() + 10.0
    while child.exists() and child.read_text().rsplit(")", 1)[1].split()[0] != "Z":
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.skipif(sys.platform != "linux", reason="Linux says what of a connection is not acknowledged")
def test_what_the_other_end_of_a_connection_does_not_take_is_known() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        near = socket.create_connection(listening.getsockname())
        far, _ = listening.accept()
        with near, far:
            assert platform.unacknowledged_bytes(near) == 0
            near.setblocking(False)
            given = 0
            with contextlib.suppress(BlockingIOError):
                while True:
                    given += near.send(bytes(1 << 16))
            assert 0 < platform.unacknowledged_bytes(near) <= given
            taken = 0
            while taken < given:
                taken += len(far.recv(1 << 20))
            deadline = time.monotonic() + 10.0
            while platform.unacknowledged_bytes(near):
                assert time.monotonic() < deadline
                time.sleep(0.01)
        assert platform.unacknowledged_bytes(near) == 0  # closed
