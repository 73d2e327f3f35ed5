"""One worker process as its parent sees it: spawned, listened to, pinged, watched, and killed when it must be.

A child is *lost* once, for one reason, and never comes back; whoever waits for its answer is told, and another
child takes its place (``process``). It is lost when it ends, when it is silent for too long (its interpreter is
stuck), when its job makes no progress for too long, when it takes more memory than it may, and when it says
something that no worker says.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
from numpy.typing import NDArray
from safetensors.numpy import load as load_tensors

from wonderzoom.generation.executors.executor import LossReason, Proposal, WorkerLost
from wonderzoom.generation.executors.frames import (
    LENGTH_BYTES,
    CallOff,
    Done,
    Failed,
    Frame,
    FromWorker,
    Garbage,
    Ping,
    Pong,
    Progress,
    Ready,
    Run,
    Stopped,
    decode_from_worker,
    encode,
    length_of,
)
from wonderzoom.generation.jobs import StageEvent, Zoomed
from wonderzoom.generation.worker import PREVIEW
from wonderzoom.generation.zoom_events import JobFailed, ZoomFailed
from wonderzoom.scene_graph.manifest import BadCommit, NewerFormat
from wonderzoom.scene_graph.store_codec import decode_commit

log = logging.getLogger(__name__)

MAX_ANSWER = 2**31  # bytes of a proposal: a hundred times those of a 512 x 512 zoom
MAX_PREVIEW = 2**26  # bytes: 4000 x 4000 pixels and more
_LINES = 20  # of its standard error, kept for the log when it is lost


@dataclass(frozen=True, slots=True)
class ChildLimits:
    """When a worker process counts as lost."""

    ready_s: float = 60.0  # to its first word: imports on a slow disk
    silence_s: float = (
        60.0  # without an answer to pings: compiling a kernel holds its interpreter for seconds
    )
    no_progress_s: float = (
        300.0  # within one job: kernels are compiled once on a machine, for a minute or two
    )
    call_off_s: float = 10.0  # to stop a job that is called off: more than any step takes
    stop_s: float = 3.0  # to end when asked
    memory_bytes: int | None = None  # resident; None: not limited
    ping_s: float = 1.0
    watch_s: float = 0.25  # between looks at its memory


class Child:
    """See the module docstring. Made by ``spawn``, ended by ``close``."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        limits: ChildLimits,
        memory_of: Callable[[int], int | None],
    ) -> None:
        self._process, self._limits, self._memory_of = process, limits, memory_of
        self._loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[WorkerLost] = self._loop.create_future()
        self.ready = asyncio.Event()
        self.answered = 0  # jobs
        self._heard = self._progressed = self._pinged = self._loop.time()
        self._job: Run | None = None
        self._answer: asyncio.Future[FromWorker] | None = None
        self._on_event: Callable[[StageEvent], None] = lambda _event: None
        self._said: deque[str] = deque(maxlen=_LINES)
        self._tasks = [
            self._loop.create_task(work, name=f"worker {process.pid}")
            for work in (self._listen(), self._watch(), self._hear_complaints())
        ]

    @classmethod
    async def spawn(
        cls,
        command: Sequence[str],
        environment: Mapping[str, str] | None,
        limits: ChildLimits,
        memory_of: Callable[[int], int | None],
    ) -> Child:
        """Start the process. Raises OSError."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=pipe, env=environment
        )
        return cls(process, limits, memory_of)

    @property
    def pid(self) -> int:
        return self._process.pid

    # ---- jobs -----------------------------------------------------------------------------------
    async def run(self, frame: Run, on_event: Callable[[StageEvent], None]) -> Proposal:
        """Run one job, one at a time. Raises WorkerLost or JobFailed; cancelling it calls the job off."""
        if self.lost.done():
            raise self.lost.result()
        answer = self._answer = self._loop.create_future()
        self._job, self._on_event, self._progressed = frame, on_event, self._loop.time()
        try:
            self._send(frame)
            try:
                said = await asyncio.shield(answer)
            except asyncio.CancelledError:
                await self._call_off(frame.job, answer)
                raise
            self.answered += 1
            match said:
                case Done():
                    return await self._proposal(said, Path(frame.answer))
                case Failed():
                    raise JobFailed(ZoomFailed(said.code, said.message, said.retryable))
                case _:
                    self._lose("garbage", "it stopped a job that nobody called off")
                    raise self.lost.result()
        finally:
            self._job = self._answer = None

    async def _call_off(self, job: int, answer: asyncio.Future[FromWorker]) -> None:
        """Wait until the worker has stopped the job, or is lost."""
        self._send(CallOff(job))
        try:
            await asyncio.wait([answer], timeout=self._limits.call_off_s)
        finally:
            if not answer.done():
                self._lose("hung", f"it did not stop a job within {self._limits.call_off_s:g} s")
            answer.exception()  # whatever it is, it is too late

    async def _proposal(self, said: Done, path: Path) -> Proposal:
        try:
            commit = await asyncio.to_thread(lambda: decode_commit(_read(path, MAX_ANSWER)))
        except (OSError, BadCommit, NewerFormat) as error:
            self._lose("garbage", f"its proposal can't be read: {error}")
            raise self.lost.result() from error
        memory = {str(stage): taken for stage, taken in said.memory.items()}
        zoomed = Zoomed(commit, said.node, said.ignored, said.placed, said.notes, memory=memory)
        return Proposal(zoomed, said.base)

    # ---- listening and watching -----------------------------------------------------------------
    async def _listen(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        try:
            while True:
                data = await stdout.readexactly(length_of(await stdout.readexactly(LENGTH_BYTES)))
                await self._hear(decode_from_worker(data))
        except asyncio.IncompleteReadError:
            # Its end of the pipe is closed; usually it has ended itself and may still say why.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.stop_s):
                    await self._process.wait()
            self._lose("crashed", f"it ended ({_exit(self._process.returncode)})")
        except (Garbage, OSError, ValueError, safetensors.SafetensorError) as error:
            self._lose("garbage", f"it said what no worker says: {error}")
        except Exception:
            log.exception("what worker %d said could not be dealt with", self.pid)
            self._lose("garbage", "what it said could not be dealt with")

    async def _hear(self, said: FromWorker) -> None:
        self._heard = self._loop.time()
        match said:
            case Ready():
                self.ready.set()
            case Pong():
                pass
            case Progress():
                self._expect(said.job)
                self._progressed = self._heard
                assert self._job is not None
                path = Path(self._job.preview)
                preview = await asyncio.to_thread(_read_preview, path) if said.preview else None
                self._on_event(StageEvent(said.stage, said.fraction, preview))
            case Done() | Failed() | Stopped():
                self._expect(said.job)
                if self._answer is not None and not self._answer.done():
                    self._answer.set_result(said)

    def _expect(self, job: int) -> None:
        if self._job is None or self._job.job != job:
            raise Garbage(f"a word on job {job}, which it was not given")

    async def _watch(self) -> None:
        """Ping it, and lose it when a limit is passed."""
        limits = self._limits
        while not self.lost.done():
            await asyncio.sleep(limits.watch_s)
            now = self._loop.time()
            if now - self._pinged >= limits.ping_s:
                self._pinged = now
                self._send(Ping())
            silence = limits.silence_s if self.ready.is_set() else limits.ready_s
            if now - self._heard > silence:
                self._lose("hung", f"nothing was heard of it for {silence:g} s")
            elif self._job is not None and now - self._progressed > limits.no_progress_s:
                self._lose("hung", f"its job made no progress for {limits.no_progress_s:g} s")
            elif limits.memory_bytes is not None:
                taken = self._memory_of(self.pid)
                if taken is not None and taken > limits.memory_bytes:
                    mib = 2**20
                    self._lose("memory", f"it takes {taken // mib} MiB of {limits.memory_bytes // mib} MiB")

    async def _hear_complaints(self) -> None:
        """What it and its libraries print: kept for the log, and read so that they never wait."""
        stderr = self._process.stderr
        assert stderr is not None
        while True:
            try:
                line = await stderr.readline()
            except ValueError:  # a line beyond all limits
                continue
            if not line:
                return
            self._said.append(line.decode(errors="replace").rstrip()[:500])

    def _send(self, frame: Frame) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        if not stdin.is_closing():
            stdin.write(encode(frame))

    # ---- the end --------------------------------------------------------------------------------
    def _lose(self, reason: LossReason, message: str) -> None:
        if self.lost.done():
            return
        lost = WorkerLost(reason, f"the worker was lost: {message}")
        self.lost.set_result(lost)
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(lost)

    def _kill(self) -> None:
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def close(self) -> None:
        """End the process: one that is lost is killed, another one asked first. Nothing is left afterwards."""
        stdin = self._process.stdin
        assert stdin is not None
        stdin.close()
        if not self.lost.done():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._limits.stop_s):
                    await self._process.wait()
        self._kill()
        await self._process.wait()
        self._lose("crashed", "it was closed")
        await asyncio.wait(self._tasks[2:], timeout=1.0)  # its last words, unless another holds the pipe
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def last_words(self) -> str:
        """The last lines that it printed."""
        return "\n".join(self._said)


def _exit(code: int | None) -> str:
    if code is None:
        return "its pipe was closed"
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _read(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        data = file.read(most + 1)
    if len(data) > most:
        raise BadCommit(f"{path.name} has more than {most} bytes")
    return data


def _read_preview(path: Path) -> NDArray[np.uint8]:
    """[h, w, 3] sRGB. Raises OSError, SafetensorError, ValueError or Garbage."""
    image = load_tensors(_read(path, MAX_PREVIEW)).get(PREVIEW)
    if image is None or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise Garbage("a preview that is no picture")
    return image
