"""The worker's side of a worker process: takes jobs from a pipe, and answers on another.

Three things happen at once: the main thread runs one job at a time, as kernels and models want it; a thread
listens, so that pings are answered and jobs called off while one runs; and when the parent closes the pipe, or
vanishes and the system closes it, everything ends, within ``LAST_S`` by force. What the worker works with is
handed in by its composition root as a ``Workshop``.
"""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from safetensors.numpy import save as save_tensors

from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.executors.frames import (
    MAX_MESSAGE,
    CallOff,
    Done,
    Failed,
    Frame,
    Garbage,
    Ping,
    Pong,
    Progress,
    Ready,
    Run,
    Stopped,
    encode,
    frames_from_parent,
)
from wonderzoom.generation.jobs import STAGES, Stage, StageEvent, Watch, ZoomRequest
from wonderzoom.generation.zoom_events import failure_of
from wonderzoom.scene_graph.ports import Cancelled
from wonderzoom.scene_graph.store_codec import encode_commit
from wonderzoom.scene_graph.store_errors import translated

LAST_S = 2.0  # what a step may take to notice that the parent is gone
EVERY_S = 0.05  # fractions are told twenty times a second at most
PREVIEW = "image"  # the tensor in a preview's file


class Workshop(Protocol):
    """Renderer, fitter, pipeline and the world, as a worker needs them."""

    def warm_up(self) -> None:
        """Get ready for the first job; pings are answered meanwhile."""
        ...

    def zoom(self, generator: str, request: ZoomRequest, watch: Watch) -> Proposal:
        """Make one zoom on the newest revision of the world."""
        ...


def private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output for frames alone: what libraries print goes to standard error.

    They stay open as long as the process: a thread listens to the end, and the number of a closed pipe would be
    that of the next file.
    """
    inward, outward = os.fdopen(os.dup(0), "rb", buffering=0), os.fdopen(os.dup(1), "wb", buffering=0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return inward, outward


def serve(
    inward: BinaryIO,
    outward: BinaryIO,
    open_workshop: Callable[[], AbstractContextManager[Workshop]],
    clock: Callable[[], float],
) -> None:
    """Work until the parent closes ``inward``."""
    line = _Line(inward, outward)
    try:
        with open_workshop() as workshop:
            line.send(Ready())
            workshop.warm_up()
            while (frame := line.next_job()) is not None:
                line.send(_carry_out(frame, workshop, line, clock))
    finally:
        line.main_is_over.set()


class _Line:
    """The two pipes, and what has been heard on them."""

    def __init__(self, inward: BinaryIO, outward: BinaryIO) -> None:
        self._inward, self._outward = inward, outward
        self._sending = threading.Lock()  # pongs come from the listening thread
        self._jobs: queue.SimpleQueue[Run | None] = queue.SimpleQueue()
        self._called_off: set[int] = set()
        self._parent_is_gone = threading.Event()
        self.main_is_over = threading.Event()
        threading.Thread(target=self._listen, name="parent", daemon=True).start()

    def next_job(self) -> Run | None:
        """The next job; None when there will be no more."""
        return self._jobs.get()

    def called_off(self, job: int) -> bool:
        return job in self._called_off or self._parent_is_gone.is_set()

    def send(self, frame: Frame) -> None:
        data = memoryview(encode(frame))
        # A parent that is gone hears nothing more, and the listening thread ends this process.
        with self._sending, contextlib.suppress(OSError):
            while data:
                data = data[self._outward.write(data) or 0 :]

    def _listen(self) -> None:
        try:
            for frame in frames_from_parent(self._inward):
                match frame:
                    case Run():
                        self._jobs.put(frame)
                    case CallOff():
                        self._called_off.add(frame.job)
                    case Ping():
                        self.send(Pong())
        except (Garbage, OSError, ValueError) as error:
            print(f"worker: {error}", file=sys.stderr)
        self._parent_is_gone.set()
        self._jobs.put(None)
        if not self.main_is_over.wait(LAST_S):
            os._exit(1)  # a step that does not end: nobody is left to wait for it


def _carry_out(frame: Run, workshop: Workshop, line: _Line, clock: Callable[[], float]) -> Frame:
    """Run one job; how it ended."""
    teller = _Teller(frame, line, clock)
    try:
        if line.called_off(frame.job):
            raise Cancelled
        watch = Watch(lambda: line.called_off(frame.job), teller.event)
        proposal = workshop.zoom(frame.generator, frame.request(), watch)
        zoomed = proposal.zoomed
        _write(Path(frame.answer), encode_commit(zoomed.commit))
        notes = tuple(note[:MAX_MESSAGE] for note in zoomed.notes)
        memory: dict[Stage, int] = {stage: zoomed.memory[stage] for stage in STAGES if stage in zoomed.memory}
        return Done(frame.job, proposal.base, zoomed.node, zoomed.ignored, zoomed.placed, notes, memory)
    except Cancelled:
        return Stopped(frame.job)
    except Exception as error:
        failure = failure_of(error)
        if failure.code == "internal":
            traceback.print_exc()
        return Failed(frame.job, failure.code, failure.message[:MAX_MESSAGE], failure.retryable)


class _Teller:
    """Progress as frames: every stage, but not every fraction."""

    def __init__(self, frame: Run, line: _Line, clock: Callable[[], float]) -> None:
        self._job, self._preview = frame.job, Path(frame.preview)
        self._line, self._clock = line, clock
        self._stage, self._told = "", 0.0

    def event(self, event: StageEvent) -> None:
        now, shown = self._clock(), event.preview is not None
        if not shown and event.stage == self._stage and now - self._told < EVERY_S:
            return
        self._stage, self._told = event.stage, now
        if event.preview is not None:
            try:
                _write(self._preview, save_tensors({PREVIEW: event.preview}))
            except Exception as error:  # a zoom is not lost for its preview
                print(f"worker: no preview: {error}", file=sys.stderr)
                shown = False
        fraction = min(max(float(event.fraction), 0.0), 1.0)
        self._line.send(Progress(self._job, event.stage, fraction, shown))


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all; durable it need not be. Raises StoreError."""
    temporary = path.with_name(path.name + ".tmp")
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise translated(path, "write the proposal of a zoom", error) from error
