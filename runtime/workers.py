"""How worker processes are started: the command, its environment, and its share of threads and memory.

What they are made of is ``worker_main``'s business, how they are kept alive that of
``generation.executors.process``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from wonderzoom.generation.executors.child import ChildLimits
from wonderzoom.generation.executors.process import ProcessExecutor, ProcessLimits
from wonderzoom.runtime.platform import resident_bytes, usable_memory_bytes, usable_threads

INCOMING = "incoming"  # in the world's directory: proposals on their way to the writer
# Shared with the renderer, the encoder and the viewers' own programs.
MEMORY_SHARE = 0.6
LEAST_MEMORY = 2 * 2**30  # bytes: a 512 x 512 zoom in a deep world takes 1 GiB and more
# Mapped libraries count as resident, and are not the worker's own.
RESIDENT_OVER = 512 * 2**20  # bytes
# Libraries that start as many threads as there are cores unless told otherwise.
_THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "OPENCV_FOR_THREADS_NUM",
)


def worker_threads() -> int:
    """One core is left to those who look."""
    return max(1, usable_threads() - 1)


def worker_memory() -> int:
    """Bytes that a worker may take."""
    return max(LEAST_MEMORY, int(MEMORY_SHARE * (usable_memory_bytes() or 0)))


def worker_executor(
    world: Path,
    environment: Mapping[str, str],
    threads: int | None = None,
    memory_bytes: int | None = None,
) -> ProcessExecutor:
    """Zooms into the world at ``world`` in a process of their own; ``environment`` is this program's."""
    threads = threads or worker_threads()
    memory = memory_bytes or worker_memory()
    command = [
        sys.executable,
        "-P",  # what lies in the current directory is none of our modules
        "-m",
        "wonderzoom.runtime.worker_main",
        str(world.absolute()),
        f"--threads={threads}",
        f"--memory={memory}",
    ]
    return ProcessExecutor(
        command,
        world.absolute() / INCOMING,
        ProcessLimits(ChildLimits(memory_bytes=memory + RESIDENT_OVER)),
        {**environment, **dict.fromkeys(_THREAD_VARIABLES, str(threads))},
        resident_bytes,
    )
