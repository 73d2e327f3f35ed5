"""Owns what differs between operating systems for programs that run: threads, priorities, memory.

Its counterpart for files (directory sync, locks) is scene_graph/durable.py, as the scene graph imports
nothing of ours. Everything else is written against Python's portable library, so that two files tell what
a new platform needs. Linux is tested; macOS and Windows are written for and untested.
"""

import ctypes
import math
import os
import signal
import socket
import sys
from pathlib import Path

if sys.platform == "linux":
    import fcntl
    import resource
    import termios

BACKGROUND_NICENESS = 10  # the middle of POSIX's 0..19: yields to viewers, still runs on a busy machine
WINDOWS_BELOW_NORMAL = 0x00004000  # BELOW_NORMAL_PRIORITY_CLASS of SetPriorityClass
PR_SET_PDEATHSIG = 1  # prctl: the signal that a process gets when its parent ends
CGROUP_CPU_LIMIT = Path("/sys/fs/cgroup/cpu.max")  # "<quota> <period>" in microseconds, or "max <period>"

CGROUP_MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")  # bytes, or "max"


def usable_threads() -> int:
    """How many threads can run at the same time: cores of this process, less a container's quota."""
    if sys.platform == "linux":
        cores = len(os.sched_getaffinity(0))
        return max(1, min(cores, _cgroup_cores(CGROUP_CPU_LIMIT, cores)))
    return max(1, os.cpu_count() or 1)


def _cgroup_cores(limit: Path, otherwise: int) -> int:
    try:
        quota, period = limit.read_text(encoding="ascii").split()
        return otherwise if quota == "max" else math.ceil(int(quota) / int(period))
    except (OSError, ValueError, ZeroDivisionError):
        return otherwise  # no cgroup v2 here: no limit either


def lower_priority() -> None:
    """Makes this process yield to the ones that people wait for (a worker calls it once, at its start)."""
    if sys.platform == "win32":
        kernel = ctypes.windll.kernel32
        kernel.SetPriorityClass(kernel.GetCurrentProcess(), WINDOWS_BELOW_NORMAL)
    else:
        os.nice(BACKGROUND_NICENESS)


def total_memory_bytes() -> int | None:
    """Installed memory; None where the system doesn't say."""
    if sys.platform == "win32":
        return None
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return None


def usable_memory_bytes() -> int | None:
    """Memory of the machine, or of a container's share of it; None where the system doesn't say."""
    total = total_memory_bytes()
    return total if sys.platform != "linux" else _cgroup_bytes(CGROUP_MEMORY_LIMIT, total)


def _cgroup_bytes(limit: Path, otherwise: int | None) -> int | None:
    try:
        most = int(limit.read_text(encoding="ascii"))  # "max" is no number: no limit
        return most if otherwise is None else min(most, otherwise)
    except (OSError, ValueError):
        return otherwise


def resident_bytes(pid: int) -> int | None:
    """Memory that a process holds now; None where the system doesn't say, or there is no such process."""
    if sys.platform != "linux":
        return None
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None


def unacknowledged_bytes(connection: socket.socket) -> int:
    """Bytes that the system holds of what was written to a TCP socket: not sent, or not acknowledged.

    0 where the system doesn't say (tested on Linux only), and for a socket that is closed.
    """
    if sys.platform != "linux":
        return 0
    try:
        return int.from_bytes(fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except (OSError, ValueError):
        return 0


def limit_memory(most: int) -> None:
    """Allocations of this process beyond ``most`` bytes fail (MemoryError) instead of taking the machine's.

    Linux only, where it counts what is private and writable, not mapped files or address space kept free:
    elsewhere, and for what a library takes by other ways, whoever supervises the process watches it.
    """
    if sys.platform == "linux":
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (most if hard < 0 else min(most, hard), hard))


def die_with_parent() -> None:
    """The system kills this process when its parent ends, however that ends (Linux; elsewhere pipes tell).

    To Linux the parent is the thread that started this process: one that lives as long as its program.
    """
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended just now, before the call
            os._exit(1)


def leave_signals_to_parent() -> None:
    """Ctrl-C and a service manager's SIGTERM reach a whole group of processes: whoever started this one decides.

    It ends this process by closing its pipe, or by force; a job that is allowed to finish must not be interrupted.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
