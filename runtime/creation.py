"""A photo of a stranger becomes a world in a process of its own: whatever its bytes do, they do it there.

    python -m wonderzoom.runtime.creation PICTURE WORLD GENERATOR      the child; not a command for people

The child tells its progress as one JSON map a line: ``{"fraction": 0.4}``, or ``{"failed": "why"}`` as its last.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec

from wonderzoom.generation.jobs import GenerationError, StageEvent, Watch
from wonderzoom.runtime import platform
from wonderzoom.runtime.uploads import CreationFailed
from wonderzoom.runtime.workers import worker_memory, worker_threads

log = logging.getLogger(__name__)

TIMEOUT_S = 300.0  # forty times what it takes; once on a machine kernels are compiled as well
_LINE = 4096  # bytes of the child's longest line
# Where each stage begins, as a share of the whole (a 512 pixel picture with the embedded generator).
_BEGINS = {"depth": 0.05, "auxiliary": 0.12, "lift": 0.3, "optimise": 0.65, "commit": 0.97}


class CreateInChild:
    """Implements ``uploads.Create``."""

    def __init__(self, generator: str, timeout: float = TIMEOUT_S) -> None:
        self._generator, self._timeout = generator, timeout

    async def __call__(self, picture: Path, world: Path, told: Callable[[float], None]) -> None:
        """See ``uploads.Create``."""
        command = ["-P", "-m", "wonderzoom.runtime.creation", str(picture), str(world), self._generator]
        process = await asyncio.create_subprocess_exec(
            sys.executable, *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE, limit=_LINE,
        )  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        complaints = asyncio.create_task(_log_lines(process.stderr), name="what a creation prints")
        failed: str | None = None
        furthest = 0.0  # some stages are begun more than once
        try:
            async with asyncio.timeout(self._timeout):
                async for line in process.stdout:
                    said = _read(line)
                    failed = said.failed or failed
                    if said.fraction is not None:
                        furthest = max(furthest, said.fraction)
                        told(furthest)
                code = await process.wait()
        except TimeoutError:
            raise CreationFailed("it took too long") from None
        except ValueError:
            raise CreationFailed("the process that made it failed") from None
        finally:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
            await complaints
        if code:
            log.warning("the creation of a world ended with %d: %s", code, failed)
            raise CreationFailed(failed or "the process that made it failed")


class _Said(msgspec.Struct, omit_defaults=True):
    """One line of the child."""

    fraction: Annotated[float, msgspec.Meta(ge=0.0, le=1.0)] | None = None
    failed: str | None = None


async def _log_lines(stream: asyncio.StreamReader) -> None:
    """What the child and its libraries print belongs into the log."""
    while True:
        try:
            line = await stream.readline()
        except ValueError:  # a line beyond all limits
            continue
        if not line:
            return
        log.info("the creation of a world says: %s", line.decode(errors="replace").rstrip())


def _read(line: bytes) -> _Said:
    """What a line says; nothing for one that says nothing."""
    try:
        return msgspec.json.decode(line, type=_Said)
    except msgspec.MsgspecError:
        return _Said()


# ---- the child ------------------------------------------------------------------------------------


def main(picture: Path, world: Path, generator: str) -> int:
    """Make the world; the exit code."""
    from wonderzoom.runtime.app import App
    from wonderzoom.runtime.authoring import read_request
    from wonderzoom.runtime.build import start_world
    from wonderzoom.runtime.errors import CommandError
    from wonderzoom.runtime.pictures import SHORT_SIDE
    from wonderzoom.runtime.progress import Reporter
    from wonderzoom.scene_graph.store_errors import StoreError

    platform.die_with_parent()
    platform.leave_signals_to_parent()
    platform.lower_priority()
    platform.limit_memory(worker_memory())
    app = App(worker_threads(), Reporter(time.monotonic, sys.stderr))
    try:
        request = read_request(picture, None, None, app, short_side=SHORT_SIDE)
        created = app.create(generator, request, Watch(event=_tell))
        start_world(world, created).close()
    except (CommandError, GenerationError, StoreError) as error:
        _say(_Said(failed=str(error).replace(f"{picture}: ", "")))
        return 1
    except MemoryError:
        _say(_Said(failed="it needs more memory than there is here"))
        return 1
    return 0


def _tell(happened: StageEvent) -> None:
    begins = _BEGINS.get(happened.stage, 0.0)
    ends = min((share for share in _BEGINS.values() if share > begins), default=1.0)
    _say(_Said(fraction=min(1.0, float(begins + happened.fraction * (ends - begins)))))


def _say(said: _Said) -> None:
    print(msgspec.json.encode(said).decode(), flush=True)


if __name__ == "__main__":
    code = main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
    sys.stdout.flush()
    os._exit(code)  # kernels of zooms may still be compiled in another thread: a worker does that itself
