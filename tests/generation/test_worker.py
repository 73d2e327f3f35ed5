"""The worker's side of the pipes, in a thread of this process."""

import io
import os
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from safetensors.numpy import load_file
from zoom_scripts import request

from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.executors.frames import (
    LENGTH_BYTES,
    CallOff,
    Done,
    Failed,
    Frame,
    FromWorker,
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
from wonderzoom.generation.jobs import GenerationError, StageEvent, Watch, Zoomed, ZoomRequest
from wonderzoom.generation.worker import PREVIEW, serve
from wonderzoom.scene_graph.commit import Commit
from wonderzoom.scene_graph.ports import Cancelled
from wonderzoom.scene_graph.store_codec import decode_commit

IMAGE = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
Zoom = Callable[[str, ZoomRequest, Watch], Proposal]


class Parent:
    """The other ends of a worker's pipes."""

    def __init__(self, folder: Path, zoom: Zoom) -> None:
        self.folder = folder
        self.clock = 0.0
        in_read, in_write = os.pipe()
        out_read, out_write = os.pipe()
        self.to_worker, self.from_worker = os.fdopen(in_write, "wb", 0), os.fdopen(out_read, "rb")
        inward, outward = os.fdopen(in_read, "rb", 0), os.fdopen(out_write, "wb", 0)
        self.thread = threading.Thread(target=self._work, args=(inward, outward, zoom), name="worker")
        self.thread.start()

    def _work(self, inward: BinaryIO, outward: BinaryIO, zoom: Zoom) -> None:
        class Workshop:
            def warm_up(self) -> None: ...

            def zoom(self, generator: str, request: ZoomRequest, watch: Watch) -> Proposal:
                return zoom(generator, request, watch)

        @contextmanager
        def workshop() -> Generator[Workshop]:
            yield Workshop()

        serve(inward, outward, workshop, lambda: self.clock)
        outward.close()
        inward.close()

    def say(self, frame: Frame) -> None:
        self.to_worker.write(encode(frame))

    def run(self, job: int) -> None:
        paths = (str(self.folder / f"{job}"), str(self.folder / f"{job}-preview"))
        self.say(Run.of(job, "plain", request(), *paths))

    def hear(self) -> FromWorker:
        return decode_from_worker(self.from_worker.read(length_of(self.from_worker.read(LENGTH_BYTES))))

    def end(self) -> bytes:
        """Close the pipe; what the worker still said."""
        self.to_worker.close()
        self.thread.join()
        with self.from_worker:
            return self.from_worker.read()


def proposal(commit: Commit | None = None) -> Proposal:
    memory = {"upscale": 12 * 10**9}
    return Proposal(
        Zoomed(commit or Commit(8, removed=("x",)), "n", ("unicorn",), ("moss",), memory=memory), 7
    )


def test_a_job_is_told_stage_by_stage_and_its_answer_is_a_file(tmp_path: Path) -> None:
    asked: list[tuple[str, ZoomRequest]] = []

    def zoom(generator: str, wanted: ZoomRequest, watch: Watch) -> Proposal:
        asked.append((generator, wanted))
        for fraction in (0.0, 0.25, 0.5):
            watch.event(StageEvent("upscale", fraction))  # at the same moment: the first is enough
        parent.clock += 1.0
        watch.event(StageEvent("upscale", 1.0000001))
        watch.event(StageEvent("edit", 0.0))
        watch.event(StageEvent("edit", 1.0, IMAGE))
        return proposal()

    parent = Parent(tmp_path, zoom)
    assert parent.hear() == Ready()
    parent.run(3)
    assert [parent.hear() for _ in range(5)] == [
        Progress(3, "upscale", 0.0),
        Progress(3, "upscale", 1.0),
        Progress(3, "edit", 0.0),
        Progress(3, "edit", 1.0, preview=True),
        Done(3, 7, "n", ("unicorn",), ("moss",), memory={"upscale": 12 * 10**9}),
    ]
    assert asked == [("plain", request())]
    assert decode_commit((tmp_path / "3").read_bytes()) == proposal().zoomed.commit
    assert np.array_equal(load_file(tmp_path / "3-preview")[PREVIEW], IMAGE)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["3", "3-preview"]
    parent.end()


def test_it_answers_pings_and_calls_while_a_job_runs(tmp_path: Path) -> None:
    def zoom(generator: str, wanted: ZoomRequest, watch: Watch) -> Proposal:
        while not watch.cancelled():
            time.sleep(0.001)
        raise Cancelled

    parent = Parent(tmp_path, zoom)
    assert parent.hear() == Ready()
    parent.run(1)
    parent.run(2)
    parent.say(CallOff(2))  # before it begins
    parent.say(Ping())
    assert parent.hear() == Pong()
    parent.say(CallOff(1))
    assert [parent.hear(), parent.hear()] == [Stopped(1), Stopped(2)]
    parent.run(3)
    assert parent.end() == encode(Stopped(3))  # a job whose parent is gone stops too
    assert list(tmp_path.iterdir()) == []


def test_errors_are_told_and_cost_the_job_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    errors = iter([GenerationError("depth", "x" * 5000, True), MemoryError(), ZeroDivisionError("secret")])

    def zoom(generator: str, wanted: ZoomRequest, watch: Watch) -> Proposal:
        raise next(errors, OSError("gone"))

    parent = Parent(tmp_path, zoom)
    assert parent.hear() == Ready()
    for job, (code, retryable) in enumerate(
        [("generation_failed", True), ("out_of_memory", True), ("internal", False)]
    ):
        parent.run(job)
        failed = parent.hear()
        assert isinstance(failed, Failed)
        assert (failed.job, failed.code, failed.retryable) == (job, code, retryable)
        assert len(failed.message) <= 2000 and "secret" not in failed.message
    assert parent.end() == b""
    assert "ZeroDivisionError: secret" in capsys.readouterr().err


def test_a_proposal_that_can_not_be_written_is_an_error_of_the_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def zoom(generator: str, wanted: ZoomRequest, watch: Watch) -> Proposal:
        watch.event(StageEvent("edit", 1.0, IMAGE))
        return proposal()

    parent = Parent(tmp_path / "gone", zoom)
    assert parent.hear() == Ready()
    parent.run(1)
    assert parent.hear() == Progress(1, "edit", 1.0)  # without its preview, which is no reason to fail
    failed = parent.hear()
    assert isinstance(failed, Failed) and failed.code == "store_failed"
    assert str(tmp_path) in failed.message
    parent.end()
    assert "no preview" in capsys.readouterr().err


def test_a_parent_that_talks_nonsense_is_as_good_as_gone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    parent = Parent(tmp_path, lambda *_: proposal())
    assert parent.hear() == Ready()
    parent.to_worker.write(b"\xff" * 9)
    parent.thread.join()
    parent.end()
    assert "at most 262144" in capsys.readouterr().err


def test_an_error_at_the_start_ends_a_worker() -> None:
    def no_workshop() -> object:
        raise RuntimeError("no workshop")

    with pytest.raises(RuntimeError, match="no workshop"):
        serve(io.BytesIO(), io.BytesIO(), no_workshop, lambda: 0.0)  # type: ignore[arg-type]
