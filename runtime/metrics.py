"""What a running server counts and measures, for Prometheus: docs/operations.md is the table.

Owns the names, the labels and their values. Every label has a closed set of values: no name, prompt, token or
address of anybody gets in here, and no client can make the number of time series grow. What happens is told by
calls, each of a few microseconds and from any thread; what merely is (who is here, what waits) is read when
somebody asks. Each server has an object and a registry of its own, also when nobody reads it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from wonderzoom.generation.executors.executor import WorkerState
from wonderzoom.generation.jobs import STAGES
from wonderzoom.generation.zoom_queue import Phase
from wonderzoom.protocol.errors import CloseCode, ErrorCode
from wonderzoom.runtime import surfel_metrics
from wonderzoom.runtime.line import Ending, Unsaid
from wonderzoom.runtime.surfel_metrics import RoomKind, Streamed
from wonderzoom.runtime.viewer import Dropped, Frame
from wonderzoom.scene_graph.page_cache import PageStatistics

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
PREFIX = "wonderzoom"
# Seconds of a frame's steps and of its way: 30 frames a second have 0.033, a stalled client 10.
FRAME_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.033, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)
# Seconds of a zoom and of its stages: a job has 900.
ZOOM_BUCKETS = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 900.0)
SIZE_BUCKETS = tuple(float(1 << bits) for bits in range(10, 22))  # bytes of a frame: 1 KiB to 2 MiB
LATE_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)

Serving = Literal["starting", "ok", "draining"]
ZoomEnded = Literal["committed", "cancelled"] | ErrorCode
UploadEnded = Literal["done"] | ErrorCode
_KINDS = ("moving", "still")
_STEPS = ("waited", "render", "encode")
_CODES = tuple(code.value for code in ErrorCode)
_CLOSES = (*(code.name.lower() for code in CloseCode), *get_args(Unsaid))
_SOURCES = ("runtime", "generation", "scene_graph", "protocol", "websocket")  # of loggers: wonderzoom.SOURCE


@dataclass(frozen=True, slots=True)
class Status:
    """How a server is now. ``/healthz`` says some of it, ``/metrics`` the rest."""

    serving: Serving
    world: str  # its name: no label, as it is the user's
    revision: int
    nodes: int
    viewers: int  # with a connection
    worker: WorkerState
    restarts: int  # of workers, since the start
    zooms: Mapping[Phase, int] = field(default_factory=dict[Phase, int])  # jobs, by how they stand
    surfels: int = 0  # of the worlds that are open
    pages: PageStatistics = PageStatistics(0, 0, 0, 0, 0)  # what of them is in memory
    send_buffer: int = 0  # bytes that connections have not taken yet
    streamed: Mapping[RoomKind, Streamed] = field(default_factory=dict[RoomKind, Streamed])


class Metrics:
    """See the module docstring."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._frames = self._counters("frames_sent", "Frames given to connections.", "kind", _KINDS)
        self._dropped = self._counters(
            "frames_dropped", "Frames that were drawn and not sent.", "reason", get_args(Dropped)
        )
        self._sizes = self._histograms(
            "frame_bytes", "Bytes of a frame's picture.", "kind", _KINDS, SIZE_BUCKETS
        )
        steps = Histogram(
            f"{PREFIX}_frame_seconds", "Seconds of a frame's steps before it is sent.", ["kind", "step"],
            registry=self.registry, buckets=FRAME_BUCKETS,
        )  # fmt: skip
        self._steps = {kind: [steps.labels(kind, step) for step in _STEPS] for kind in _KINDS}
        self._link = Histogram(
            f"{PREFIX}_frame_link_seconds", "Seconds from sending a frame to its acknowledgement.",
            registry=self.registry, buckets=FRAME_BUCKETS,
        )  # fmt: skip
        self._bytes = Counter(
            f"{PREFIX}_sent_bytes", "Bytes of all messages given to connections.", registry=self.registry
        )
        self._refused = self._counters(
            "connections_refused", "Connections that ended before anybody was let in.", "reason", ("origin", *_CLOSES)
        )  # fmt: skip
        self._closed = self._counters(
            "connections_closed", "Connections of viewers that ended.", "code", _CLOSES
        )
        self._rejected = self._counters(
            "rejected_messages", "Messages of clients of which nothing was used.", "reason", _CODES
        )
        self._appends = Histogram(
            f"{PREFIX}_store_append_seconds", "Seconds until a commit was durable.",
            registry=self.registry, buckets=FRAME_BUCKETS,
        )  # fmt: skip
        self._zooms = self._counters(
            "zooms", "Zooms that were answered.", "outcome", ("committed", "cancelled", *_CODES)
        )
        results = ("committed", "cancelled", "failed")
        self._zoom_seconds = self._histograms(
            "zoom_seconds", "Seconds from asking for a zoom to its end.", "result", results, ZOOM_BUCKETS
        )
        self._stages = self._histograms(
            "zoom_stage_seconds", "Seconds of the stages of committed zooms.", "stage", STAGES, ZOOM_BUCKETS
        )
        # A stage has a value once it has used a card: without one there are none, not zeros.
        self._memory = Gauge(
            f"{PREFIX}_zoom_stage_memory_bytes", "Most bytes of the graphics card in the last zoom's stages.",
            ["stage"], registry=self.registry,
        )  # fmt: skip
        self._uploads = self._counters("uploads", "Uploads that were answered.", "outcome", ("done", *_CODES))
        self._errors = self._counters(
            "errors", "Lines of the log at the level error.", "source", (*_SOURCES, "other")
        )
        self._late = Histogram(
            f"{PREFIX}_event_loop_late_seconds", "Seconds by which a timer of the event loop was late.",
            registry=self.registry, buckets=LATE_BUCKETS,
        )  # fmt: skip
        self.surfels = surfel_metrics.tallies(PREFIX, self.registry)  # by kind of room
        self._now = _Now()
        self.registry.register(self._now)
        self.error_counter: logging.Handler = _ErrorCounter(self._errors)  # to be added to a logger

    def _counters(self, name: str, text: str, label: str, values: Iterable[str]) -> dict[str, Counter]:
        family = Counter(f"{PREFIX}_{name}", text, [label], registry=self.registry)
        return {value: family.labels(value) for value in values}

    def _histograms(
        self, name: str, text: str, label: str, values: Iterable[str], buckets: tuple[float, ...]
    ) -> dict[str, Histogram]:
        family = Histogram(f"{PREFIX}_{name}", text, [label], registry=self.registry, buckets=buckets)
        return {value: family.labels(value) for value in values}

    # ---- what happened --------------------------------------------------------------------------
    def frame_sent(self, frame: Frame) -> None:
        """A frame is given to its connection."""
        kind = "still" if frame.still else "moving"
        self._frames[kind].inc()
        self._sizes[kind].observe(frame.nbytes)
        seconds = (max(0.0, frame.waited_s), frame.render_s, frame.encode_s)
        for step, spent in zip(self._steps[kind], seconds, strict=True):
            step.observe(spent)

    def frame_arrived(self, seconds: float) -> None:
        """A frame is acknowledged, so long after it was sent."""
        self._link.observe(seconds)

    def frame_dropped(self, reason: Dropped) -> None:
        """A frame that is drawn will not be sent."""
        self._dropped[reason].inc()

    def sent(self, size: int) -> None:
        """So many bytes of one message are given to a connection."""
        self._bytes.inc(size)

    def message_rejected(self, reason: ErrorCode) -> None:
        """A message of a client was not used: it was none, too large, or came at the wrong time or too fast."""
        self._rejected[reason].inc()

    def store_appended(self, seconds: float) -> None:
        """A commit is durable, so long after it was given to the store."""
        self._appends.observe(seconds)

    def connection_refused(self, reason: Ending | Literal["origin"]) -> None:
        """A connection ended before anybody was let in."""
        self._refused[_named(reason)].inc()

    def connection_closed(self, how: Ending) -> None:
        """The connection of somebody who was let in ended."""
        self._closed[_named(how)].inc()

    def zoom_ended(
        self,
        outcome: ZoomEnded,
        seconds: float | None = None,
        stages: Mapping[str, float] | None = None,
        memory: Mapping[str, int] | None = None,
    ) -> None:
        """A request for a zoom is answered for good, so long after it was made; ``None``: it never became a job.

        ``stages`` in seconds, ``memory`` in bytes of the card, of each stage that has used it.
        """
        self._zooms[outcome].inc()
        if seconds is not None:
            self._zoom_seconds["failed" if isinstance(outcome, ErrorCode) else outcome].observe(seconds)
        for stage, spent in (stages or {}).items():
            if stage in self._stages:
                self._stages[stage].observe(spent)
        for stage, taken in (memory or {}).items():
            if stage in self._stages:
                self._memory.labels(stage).set(taken)

    def upload_ended(self, outcome: UploadEnded) -> None:
        """An upload is answered for good."""
        self._uploads[outcome].inc()

    def loop_was_late(self, seconds: float) -> None:
        """A timer of the event loop fired so much after its time."""
        self._late.observe(max(0.0, seconds))

    # ---- what is --------------------------------------------------------------------------------
    def watch(self, read: Callable[[], Status]) -> None:
        """``read`` is called whenever somebody asks, in their thread."""
        self._now.read = read

    def exposition(self) -> bytes:
        """All values, as CONTENT_TYPE."""
        return generate_latest(_WithoutBirthdays(self.registry))


def _named(how: CloseCode | str) -> str:
    return how if isinstance(how, str) else how.name.lower()


class _ErrorCounter(logging.Handler):
    """Counts what is logged as an error, by the part of the program that says so."""

    def __init__(self, counters: Mapping[str, Counter]) -> None:
        super().__init__(logging.ERROR)
        self._counters = counters

    def emit(self, record: logging.LogRecord) -> None:
        root, _, rest = record.name.partition(".")
        source = rest.partition(".")[0] if root == "wonderzoom" else "other"
        self._counters.get(source, self._counters["other"]).inc()


class _Now:
    """Reads a status when it is collected; nothing before it is told how."""

    def __init__(self) -> None:
        self.read: Callable[[], Status] | None = None

    def collect(self) -> Iterator[Metric]:
        if self.read is None:
            return
        now = self.read()
        yield GaugeMetricFamily(f"{PREFIX}_viewers", "Viewers with a connection.", now.viewers)
        yield GaugeMetricFamily(f"{PREFIX}_world_revision", "Revision of the world.", now.revision)
        yield GaugeMetricFamily(f"{PREFIX}_world_nodes", "Nodes of the world.", now.nodes)
        yield GaugeMetricFamily(f"{PREFIX}_surfels", "Surfels of the worlds that are open.", now.surfels)
        memory = GaugeMetricFamily(
            f"{PREFIX}_block_memory_bytes", "Memory for blocks as they are read.", labels=["what"]
        )
        memory.add_metric(["held"], now.pages.held_bytes)
        memory.add_metric(["limit"], now.pages.max_bytes)
        yield memory
        asked = CounterMetricFamily(
            f"{PREFIX}_block_reads", "Questions for columns of blocks, by where they were.", labels=["from"]
        )
        asked.add_metric(["memory"], now.pages.hits)
        asked.add_metric(["disk"], now.pages.misses)
        yield asked
        yield CounterMetricFamily(
            f"{PREFIX}_block_evictions", "Columns of blocks that made room for others.", now.pages.evictions
        )
        yield GaugeMetricFamily(
            f"{PREFIX}_send_buffer_bytes", "Bytes that connections have not taken yet.", now.send_buffer
        )
        yield from surfel_metrics.now(PREFIX, now.streamed)
        jobs = GaugeMetricFamily(
            f"{PREFIX}_zoom_jobs", "Zooms that are not done, by how they stand.", labels=["state"]
        )
        for phase in get_args(Phase):
            jobs.add_metric([phase], now.zooms.get(phase, 0))
        yield jobs
        worker = GaugeMetricFamily(
            f"{PREFIX}_worker_state", "1 for how the worker is, 0 for how it is not.", labels=["state"]
        )
        for state in get_args(WorkerState):
            worker.add_metric([state], now.worker == state)
        yield worker
        yield CounterMetricFamily(
            f"{PREFIX}_worker_restarts", "Workers started in the place of one that was lost.", now.restarts
        )


class _WithoutBirthdays:
    """A registry without the time at which each series was made: as many lines again, which nobody asks for."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterator[Metric]:
        for metric in self._registry.collect():
            metric.samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
            yield metric
