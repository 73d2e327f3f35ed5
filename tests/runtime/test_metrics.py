"""What a server counts: each call moves its numbers and no others, and what people do on real sockets is counted."""

import asyncio
import contextlib
import logging
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar, get_args

import pytest
from prometheus_client.parser import text_string_to_metric_families
from rooms import NoUploads, OneRoom
from virtual_time import VirtualTimeLoop
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol
from zoom_garden import ROOT, Garden, zoom_node

from wonderzoom.generation.committing import Committer, CommitThread
from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.executors.inline import InlineExecutor
from wonderzoom.generation.jobs import STAGES, GenerationError, StageEvent, Watch, Zoomed
from wonderzoom.generation.service import ZoomService
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.protocol import limits, messages
from wonderzoom.protocol.codec import decode_from_server, encode
from wonderzoom.protocol.errors import CloseCode, ErrorCode
from wonderzoom.protocol.values import BoundsPatch, CellAddress, SurfelLevel
from wonderzoom.runtime.auth import Role, Tokens
from wonderzoom.runtime.drawing import Drawing
from wonderzoom.runtime.frame_loop import Drawn, FrameLoop, Order
from wonderzoom.runtime.line import Unsaid
from wonderzoom.runtime.metrics import FRAME_BUCKETS, Metrics, Status
from wonderzoom.runtime.orders import Shown
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.server import Listening, Server
from wonderzoom.runtime.surfel_metrics import Streamed
from wonderzoom.runtime.viewer import Dropped, Frame, Viewer
from wonderzoom.runtime.wire import pose
from wonderzoom.runtime.world_session import WorldSession
from wonderzoom.runtime.zoom_desk import ZoomDesk
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.page_cache import PageStatistics

FRAME = Frame(1, (Shown(ROOT, b"x" * 5000),), 1, 1, False, 80, 0.02, 0.03, 0.004)
STATUS = Status(
    "ok", "garden", 7, 5, 3, "starting", 2, {"waiting": 4, "running": 1}, 1_500_000,
    PageStatistics(900, 1000, 70, 30, 20), 4096, {"other": Streamed(2, 40, 5000, 600)},
)  # fmt: skip

Values = dict[str, float]
M = TypeVar("M")
SECONDS = 60.0  # that a test waits for anything, on a busy machine


def values(metrics: Metrics) -> Values:
    """Every sample of our own, as it reaches Prometheus: ``name{label=value}``, without buckets."""
    found: Values = {}
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        for sample in family.samples:
            if sample.name.startswith("wonderzoom_") and "le" not in sample.labels:
                labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
                found[sample.name.removeprefix("wonderzoom_") + (f"{{{labels}}}" if labels else "")] = (
                    sample.value
                )
    return found


def moved(metrics: Metrics, before: Values) -> Values:
    """What has changed since."""
    now = values(metrics)
    assert now.keys() == before.keys()  # no call makes a series
    return {name: round(now[name] - before[name], 9) for name in now if now[name] != before[name]}


SENT = {
    "frames_sent_total{kind=moving}": 1,
    "frame_bytes_count{kind=moving}": 1,
    "frame_bytes_sum{kind=moving}": 5000,
    "frame_seconds_count{kind=moving,step=waited}": 1,
    "frame_seconds_sum{kind=moving,step=waited}": 0.02,
    "frame_seconds_count{kind=moving,step=render}": 1,
    "frame_seconds_sum{kind=moving,step=render}": 0.03,
    "frame_seconds_count{kind=moving,step=encode}": 1,
    "frame_seconds_sum{kind=moving,step=encode}": 0.004,
}


@pytest.mark.parametrize(
    ("call", "arguments", "expected"),
    [
        ("frame_sent", (FRAME,), SENT),
        (
            "frame_sent",
            (replace(FRAME, still=True),),
            {name.replace("moving", "still"): value for name, value in SENT.items()},
        ),
        ("frame_arrived", (0.25,), {"frame_link_seconds_count": 1, "frame_link_seconds_sum": 0.25}),
        ("frame_dropped", ("replaced",), {"frames_dropped_total{reason=replaced}": 1}),
        ("message_rejected", (ErrorCode.MALFORMED,), {"rejected_messages_total{reason=malformed}": 1}),
        ("store_appended", (0.25,), {"store_append_seconds_count": 1, "store_append_seconds_sum": 0.25}),
        ("sent", (1234,), {"sent_bytes_total": 1234}),
        ("connection_refused", ("origin",), {"connections_refused_total{reason=origin}": 1}),
        (
            "connection_refused",
            (CloseCode.WRONG_TOKEN,),
            {"connections_refused_total{reason=wrong_token}": 1},
        ),
        ("connection_refused", ("lost",), {"connections_refused_total{reason=lost}": 1}),
        ("connection_closed", (CloseCode.STALLED,), {"connections_closed_total{code=stalled}": 1}),
        ("connection_closed", ("lost",), {"connections_closed_total{code=lost}": 1}),
        ("connection_closed", ("closed_by_client",), {"connections_closed_total{code=closed_by_client}": 1}),
        (
            "zoom_ended",
            ("committed", 6.0, {"edit": 2.0, "commit": 0.5, "of no stage": 1.0}),
            {
                "zooms_total{outcome=committed}": 1,
                "zoom_seconds_count{result=committed}": 1,
                "zoom_seconds_sum{result=committed}": 6.0,
                "zoom_stage_seconds_count{stage=edit}": 1,
                "zoom_stage_seconds_sum{stage=edit}": 2.0,
                "zoom_stage_seconds_count{stage=commit}": 1,
                "zoom_stage_seconds_sum{stage=commit}": 0.5,
            },
        ),
        (
            "zoom_ended",
            (ErrorCode.LOST, 3.0),
            {
                "zooms_total{outcome=lost}": 1,
                "zoom_seconds_count{result=failed}": 1,
                "zoom_seconds_sum{result=failed}": 3.0,
            },
        ),
        ("zoom_ended", (ErrorCode.BUSY,), {"zooms_total{outcome=busy}": 1}),
        (
            "zoom_ended",
            ("cancelled", 1.0),
            {
                "zooms_total{outcome=cancelled}": 1,
                "zoom_seconds_count{result=cancelled}": 1,
                "zoom_seconds_sum{result=cancelled}": 1.0,
            },
        ),
        ("upload_ended", ("done",), {"uploads_total{outcome=done}": 1}),
        ("upload_ended", (ErrorCode.UNSUPPORTED,), {"uploads_total{outcome=unsupported}": 1}),
        (
            "loop_was_late",
            (0.125,),
            {"event_loop_late_seconds_count": 1, "event_loop_late_seconds_sum": 0.125},
        ),
        ("loop_was_late", (-0.1,), {"event_loop_late_seconds_count": 1}),  # early: timers may be
    ],
)
def test_a_call_moves_its_numbers_and_no_others(
    call: str, arguments: tuple[Any, ...], expected: Values
) -> None:
    metrics = Metrics()
    before = values(metrics)
    getattr(metrics, call)(*arguments)
    assert moved(metrics, before) == expected


DELTA = messages.Surfels(
    delta=1, revision=1,
    levels=[
        SurfelLevel(
            hash=bytes([number]) * 16, block=bytes(16), node="n", cell=CellAddress(level=0, x=b"\0", y=b"\0", z=b"\0"),
            level=number, count=100, payload=payload, bounds=b"b" * 7, bounds_revision=1,
        )
        for number, payload in enumerate((b"p" * 1000, None))
    ],
    bounds=[BoundsPatch(hash=bytes(16), bounds=b"b" * 5, bounds_revision=1)], drop=[bytes(16), bytes(16)],
)  # fmt: skip


def test_surfels_are_counted_by_kind_of_room() -> None:
    metrics = Metrics()
    before = values(metrics)
    metrics.surfels["first"].sent(DELTA)
    metrics.surfels["other"].fetched(500)
    metrics.surfels["other"].encoded(0.25)
    metrics.surfels["first"].merged(12, 0.5)
    assert moved(metrics, before) == {
        "surfel_levels_sent_total{room=first}": 2,
        "surfels_sent_total{room=first}": 200,
        "surfel_sent_bytes_total{room=first,what=payload}": 1000,
        "surfel_sent_bytes_total{room=first,what=bounds}": 19,
        "surfel_sent_bytes_total{room=other,what=fetched}": 500,
        "surfel_levels_dropped_total{room=first}": 2,
        "surfel_encode_seconds_count{room=other}": 1,
        "surfel_encode_seconds_sum{room=other}": 0.25,
        "surfel_pyramid_levels_total{room=first}": 12,
        "surfel_pyramid_seconds_count{room=first}": 1,
        "surfel_pyramid_seconds_sum{room=first}": 0.5,
    }


def test_every_value_that_a_label_can_have_is_there_from_the_start_and_may_be_told() -> None:
    """So that the first one counts as an increase, and so that no call can fail."""
    metrics = Metrics()
    before = values(metrics)
    assert set(before.values()) == {0.0}
    for code in CloseCode:
        metrics.connection_refused(code)
        metrics.connection_closed(code)
    for how in get_args(Unsaid):
        metrics.connection_refused(how)
        metrics.connection_closed(how)
    for code in ErrorCode:
        metrics.zoom_ended(code)
        metrics.upload_ended(code)
        metrics.message_rejected(code)
    for reason in get_args(Dropped):
        metrics.frame_dropped(reason)
    metrics.zoom_ended("committed", 1.0, dict.fromkeys(STAGES, 0.1))
    after = moved(metrics, before)
    assert sum(name.startswith("connections_closed") for name in after) == len(CloseCode) + 3
    assert sum(name.startswith("zooms_total") for name in after) == len(ErrorCode) + 1
    assert sum(name.startswith("zoom_stage_seconds_count") for name in after) == len(STAGES)


def test_a_frame_is_counted_in_the_bucket_of_its_time() -> None:
    metrics = Metrics()
    metrics.frame_arrived(0.033)
    metrics.frame_arrived(0.06)
    (family,) = [each for each in metrics.registry.collect() if each.name == "wonderzoom_frame_link_seconds"]
    cumulated = [sample.value for sample in family.samples if sample.name.endswith("_bucket")]
    assert cumulated == [*(float(0.033 <= edge) + float(0.06 <= edge) for edge in FRAME_BUCKETS), 2.0]


def test_what_is_is_read_when_somebody_asks() -> None:
    metrics = Metrics()
    before = values(metrics)
    now = STATUS
    metrics.watch(lambda: now)
    read = {name: value for name, value in values(metrics).items() if name not in before}
    assert read == {
        "viewers": 3,
        "world_revision": 7,
        "world_nodes": 5,
        "surfels": 1_500_000,
        "block_memory_bytes{what=held}": 900,
        "block_memory_bytes{what=limit}": 1000,
        "block_reads_total{from=memory}": 70,
        "block_reads_total{from=disk}": 30,
        "block_evictions_total": 20,
        "send_buffer_bytes": 4096,
        "surfel_viewers{room=first}": 0,
        "surfel_viewers{room=other}": 2,
        "surfel_blocks_held{room=first}": 0,
        "surfel_blocks_held{room=other}": 40,
        "surfels_held{room=first}": 0,
        "surfels_held{room=other}": 5000,
        "surfel_unacked_bytes{room=first}": 0,
        "surfel_unacked_bytes{room=other}": 600,
        "zoom_jobs{state=waiting}": 4,
        "zoom_jobs{state=running}": 1,
        "zoom_jobs{state=committing}": 0,
        "zoom_jobs{state=abandoned}": 0,
        "worker_state{state=ready}": 0,
        "worker_state{state=starting}": 1,
        "worker_state{state=idle}": 0,
        "worker_state{state=down}": 0,
        "worker_restarts_total": 2,
    }
    now = replace(STATUS, viewers=4, worker="ready")
    assert values(metrics)["viewers"] == 4 and values(metrics)["worker_state{state=ready}"] == 1


def test_errors_of_the_log_are_counted_by_who_says_them() -> None:
    metrics = Metrics()
    before = values(metrics)
    logger = logging.getLogger("wonderzoom.runtime.of_this_test")
    root = logging.getLogger()
    root.addHandler(metrics.error_counter)
    try:
        logger.warning("no error")
        logger.error("one")
        logging.getLogger("wonderzoom.generation.x").critical("two")
        logging.getLogger("wonderzoom.invented").error("three")
        logging.getLogger("somebody.else").error("four")
    finally:
        root.removeHandler(metrics.error_counter)
    assert moved(metrics, before) == {
        "errors_total{source=runtime}": 1,
        "errors_total{source=generation}": 1,
        "errors_total{source=other}": 2,
    }


def test_a_stage_has_memory_once_it_has_used_a_card() -> None:
    metrics = Metrics()
    before = values(metrics)
    metrics.zoom_ended("committed", 1.0, {"edit": 2.0}, {})
    assert [name for name in values(metrics) if "memory_bytes{" in name] == []
    metrics.zoom_ended("committed", 1.0, {"edit": 2.0}, {"edit": 7 * 10**9, "a strange one": 1})
    metrics.zoom_ended("committed", 1.0, {"edit": 2.0}, {"edit": 5 * 10**9})
    after = values(metrics)
    assert "zoom_stage_memory_bytes{stage=edit}" not in before
    assert {name: value for name, value in after.items() if "stage_memory" in name} == {
        "zoom_stage_memory_bytes{stage=edit}": 5e9
    }


def test_servers_of_one_process_count_apart() -> None:
    one, other = Metrics(), Metrics()
    before = values(other)
    one.sent(5)
    assert moved(other, before) == {} and values(one)["sent_bytes_total"] == 5


def test_the_process_is_measured_too_and_nothing_is_said_of_when_a_series_was_made() -> None:
    names = {
        sample.name
        for family in text_string_to_metric_families(Metrics().exposition().decode())
        for sample in family.samples
    }
    assert {"process_resident_memory_bytes", "process_open_fds", "process_cpu_seconds_total"} <= names
    assert [name for name in names if name.endswith("_created")] == []


def test_the_manual_lists_every_family_with_its_type_and_its_labels() -> None:
    metrics = Metrics()
    metrics.watch(lambda: STATUS)
    metrics.zoom_ended("committed", 1.0, {}, {"edit": 1})  # stages have memory once they have used a card
    page = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
    rows = re.findall(
        r"^\| `(wonderzoom_\w+)` \| (\w+) \| ([^|]*)\|", page.read_text(encoding="utf-8"), re.MULTILINE
    )
    listed = {
        name: (kind, {word.strip("` ") for word in labels.split(",")} - {""}) for name, kind, labels in rows
    }
    found = {
        family.name + "_total" * (family.type == "counter"): (
            family.type,
            {label for sample in family.samples for label in sample.labels} - {"le"},
        )
        for family in metrics.registry.collect()
        if family.name.startswith("wonderzoom_")
    }
    assert listed == found
    codes = dict(re.findall(r"`(\w+)` \((\d{4})\)", page.read_text(encoding="utf-8")))
    assert codes == {code.name.lower(): str(code.value) for code in CloseCode}


# ---- frames that nobody sees ------------------------------------------------------------------------
def test_frames_that_are_drawn_for_nothing_are_told() -> None:
    """One is replaced by a newer one while the link takes nothing; of one the viewer has left."""
    told: list[Dropped] = []
    stuck = asyncio.Event()

    async def draw(order: Order) -> Drawn:
        await asyncio.sleep(0.01)
        return Drawn((Shown(order.cameras[0], b"picture"),), 1, 0.01, 0.0)

    async def send(_frame: Frame) -> None:
        await stuck.wait()

    async def whole() -> None:
        clock = asyncio.get_running_loop().time
        loop = FrameLoop(draw, clock, on_dropped=told.append)
        loop.world_changed(1)
        viewer = Viewer("v1", send)
        running = asyncio.create_task(loop.run())
        loop.join(viewer)
        for turn in range(3):
            loop.look(viewer, ROOT.orbited(0.1 * turn, 0.0), turn)
            await asyncio.sleep(0.05)
            loop.acknowledge(viewer, 1)  # the client has the first, though ``send`` has not returned
        assert told == ["replaced"]
        loop.look(viewer, ROOT.orbited(1.0, 0.0), 9)
        viewer.slot = None
        await asyncio.sleep(0.005)
        assert viewer.drawing
        await loop.leave(viewer)
        await asyncio.sleep(0.05)
        assert told == ["replaced", "left"]
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(whole())


# ---- a session on real sockets ----------------------------------------------------------------------
EDITOR, VIEWER = "the-token-of-an-editor-0123456789-abcdefgh", "the-token-of-a-viewer-0123456789-abcdefghi"
NAME, PROMPT = "Zeppelina", "griffin"
VIEW = pose(ROOT.resized(96, 72))


@dataclass
class Guest:
    """Says hello, acknowledges frames, and keeps what it hears."""

    socket: ClientConnection
    heard: list[Any] = field(default_factory=list[Any])
    received: int = 0  # bytes

    async def say(self, message: Any) -> None:
        await self.socket.send(encode(message))

    async def until(self, kind: type[M], wanted: Callable[[M], bool] = lambda _message: True) -> M:
        """The next message of a kind."""
        async with asyncio.timeout(SECONDS):
            while True:
                data = await self.socket.recv()
                assert isinstance(data, bytes)
                self.received += len(data)
                message = decode_from_server(data)
                self.heard.append(message)
                if isinstance(message, messages.Frame):
                    await self.say(messages.Ack(frame=message.frame))
                if isinstance(message, kind) and wanted(message):
                    return message

    async def zoomed(self, request: str, **more: Any) -> messages.ZoomStatus:
        """The end of a zoom."""
        await self.say(messages.Zoom(request=request, **more))
        return await self.until(
            messages.ZoomStatus, lambda said: said.request == request and said.state in ENDS
        )


ENDS = ("committed", "failed", "cancelled")


async def ended(guest: Guest) -> None:
    """Hear the rest, until the connection is closed."""
    with pytest.raises(ConnectionClosed):
        await guest.until(messages.Picked)


@dataclass
class House:
    """A server of two guests at a time, its numbers, and its guests."""

    port: int
    garden: Garden
    session: WorldSession
    service: ZoomService
    metrics: Metrics

    @asynccontextmanager
    async def knock(self, token: str, **more: Any) -> AsyncGenerator[Guest, None]:
        async with connect(
            f"ws://127.0.0.1:{self.port}/ws",
            subprotocols=[Subprotocol(limits.SUBPROTOCOL)],
            compression=None,
            proxy=None,
            **more,
        ) as made:
            guest = Guest(made)
            await guest.say(
                messages.Hello(protocol=(1, 1), client="test", codecs=["jpeg"], token=token, name=NAME)
            )
            yield guest

    @asynccontextmanager
    async def enter(self, token: str = EDITOR) -> AsyncGenerator[Guest, None]:
        async with self.knock(token) as guest:
            await guest.until(messages.Welcome)
            yield guest

    async def when(self, **expected: float) -> Values:
        """The values, once those named are what is expected: what a server has yet to notice, it soon will."""
        wanted = {
            name.replace("__", "{").replace("_is_", "=") + "}" * ("__" in name): value
            for name, value in expected.items()
        }
        async with asyncio.timeout(SECONDS):
            while True:
                found = values(self.metrics)
                if all(found[name] == value for name, value in wanted.items()):
                    return found
                await asyncio.sleep(0.02)


@asynccontextmanager
async def house(path: Path) -> AsyncGenerator[House, None]:
    garden = Garden(path, WorldHeader(h_ref=64))

    def make(wish: ZoomWish, watch: Watch) -> Proposal:
        if wish.request.prompt == "fail":
            raise GenerationError("edit", "the paint is out")
        world = garden.seen()
        watch.event(StageEvent("edit", 0.5))
        if wish.request.prompt == "wait":
            while not watch.cancelled():
                pass
        node, blocks = zoom_node(wish.request, garden.root)
        return Proposal(Zoomed(world.propose(node, blocks), node.id), world.revision)

    metrics = Metrics()
    world = garden.store.load()
    with CpuRenderer(1) as renderer:
        drawing = Drawing(world.copy(), renderer)
        commits = CommitThread(Committer(garden.store, world, lambda commit: session.committed(commit)))
        executor = InlineExecutor(make)
        service = ZoomService(executor, lambda proposal, request: desk.commit(proposal, request))
        desk = ZoomDesk(world.header, drawing, service, commits, "planes", metrics)
        session = WorldSession("garden", world, drawing, desk, NoUploads(), 2, metrics)  # type: ignore[arg-type]
        tokens = Tokens([(EDITOR, Role.EDITOR), (VIEWER, Role.VIEWER)])
        room = OneRoom(session)
        server = Server(room, tokens, Listening(), {}, metrics)  # type: ignore[arg-type]
        try:
            yield House(await server.start(), garden, session, service, metrics)
        finally:
            await service.drain(SECONDS)
            await server.close()
            await room.close()
            commits.close()
            drawing.close()
            garden.store.close()


def played(path: Path, act: Callable[[House], Any]) -> Metrics:
    async def whole() -> Metrics:
        async with house(path) as made:
            await act(made)
        return made.metrics

    return asyncio.run(whole())


def test_frames_are_counted_as_their_viewer_gets_them(tmp_path: Path) -> None:
    async def act(made: House) -> None:
        async with made.enter() as guest:
            for seq, camera in enumerate((VIEW, pose(ROOT.orbited(0.2, 0.0).resized(96, 72)))):
                await guest.say(messages.Camera(seq=seq, cameras=[camera]))
                await guest.until(messages.Frame, lambda frame: frame.still)
            shown = [said for said in guest.heard if isinstance(said, messages.Frame)]
            now = await made.when(frame_link_seconds_count=len(shown))
            for kind in ("moving", "still"):
                of_kind = [frame for frame in shown if frame.still == (kind == "still")]
                assert len(of_kind) >= 2
                assert now[f"frames_sent_total{{kind={kind}}}"] == len(of_kind)
                sizes = sum(len(frame.views[0].payload) for frame in of_kind)
                assert now[f"frame_bytes_sum{{kind={kind}}}"] == sizes
                for step in ("waited", "render", "encode"):
                    milliseconds = sum(getattr(frame, step) for frame in of_kind)
                    seconds = now[f"frame_seconds_sum{{kind={kind},step={step}}}"]
                    assert seconds == pytest.approx(milliseconds / 1e3)
            assert now["frame_link_seconds_sum"] > 0
            await guest.say(messages.Leave())
            await ended(guest)
        assert values(made.metrics)["sent_bytes_total"] == guest.received

    played(tmp_path / "garden", act)


def test_zooms_are_counted_by_how_they_end(tmp_path: Path) -> None:
    async def act(made: House) -> None:
        async with made.enter() as guest, made.enter(VIEWER) as viewer:
            await guest.say(messages.Camera(seq=1, cameras=[VIEW]))
            frame = await guest.until(messages.Frame)
            at = messages.Spot(frame=frame.frame, u=0.4, v=0.6)
            before = values(made.metrics)
            assert (await guest.zoomed("z1", at=at, factor=4.0, prompt=PROMPT)).state == "committed"
            # The same request again is the same zoom.
            assert (await guest.zoomed("z1", at=at, factor=4.0, prompt=PROMPT)).state == "committed"
            assert (await guest.zoomed("z2", at=at, prompt="fail")).code is ErrorCode.FAILED
            old = messages.Spot(frame=9999, u=0.5, v=0.5)
            assert (await guest.zoomed("z3", at=old)).code is ErrorCode.NOT_FOUND
            await viewer.say(messages.Zoom(request="z4", at=at))
            assert (await viewer.until(messages.Error)).code is ErrorCode.FORBIDDEN
            await guest.say(messages.Zoom(request="z5", at=at, factor=5.0, prompt="wait"))
            await guest.until(messages.ZoomStatus, lambda said: said.stage == "edit")
            assert made.service.states() == {"running": 1}
            await guest.say(messages.Cancel(request="z5"))
            await guest.until(messages.ZoomStatus, lambda said: said.state == "cancelled")
            found = moved(made.metrics, before)
            assert {
                name: value for name, value in found.items() if name.startswith(("zooms", "uploads"))
            } == {
                "zooms_total{outcome=committed}": 1,
                "zooms_total{outcome=failed}": 1,
                "zooms_total{outcome=not_found}": 1,
                "zooms_total{outcome=forbidden}": 1,
                "zooms_total{outcome=cancelled}": 1,
            }
            counts = {name: found[name] for name in found if name.startswith("zoom_seconds_count")}
            assert counts == {
                "zoom_seconds_count{result=committed}": 1,
                "zoom_seconds_count{result=failed}": 1,
                "zoom_seconds_count{result=cancelled}": 1,
            }
            stages = [name for name in found if name.startswith("zoom_stage_seconds_count")]
            assert set(stages) == {
                f"zoom_stage_seconds_count{{stage={stage}}}" for stage in ("observe", "edit", "commit")
            }
            spent = sum(value for name, value in found.items() if name.startswith("zoom_stage_seconds_sum"))
            assert 0 < spent <= found["zoom_seconds_sum{result=committed}"]

    played(tmp_path / "garden", act)


def test_connections_are_counted_and_logged_by_how_they_end(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "wonderzoom.runtime.server")

    async def act(made: House) -> None:
        async with made.knock("x" * 43) as guest:
            await ended(guest)
        with pytest.raises(InvalidStatus):
            async with made.knock(EDITOR, origin="http://evil.example"):
                pass
        async with made.enter(), made.enter(), made.knock(EDITOR) as third:
            assert made.session.viewers == 2
            await ended(third)
        await made.when(connections_closed_total__code_is_closed_by_client=2)  # as tabs do
        async with made.enter() as guest:
            guest.socket.transport.abort()
            await made.when(connections_closed_total__code_is_lost=1)
        async with made.enter() as guest:
            await guest.socket.send(bytes(limits.MAX_FROM_CLIENT + 1))
            await ended(guest)
            await made.when(connections_closed_total__code_is_bad_websocket=1)
        async with made.enter() as guest:
            await guest.say(messages.Leave())
            await ended(guest)
        async with made.enter() as guest:
            with contextlib.suppress(ConnectionClosed):
                for _ in range(limits.MAX_MALFORMED):
                    await guest.socket.send(b"\xc1")
            await ended(guest)
        await made.when(connections_closed_total__code_is_malformed=1)
        async with made.enter():
            assert made.session.viewers == 1
            await made.session.close()
            await made.when(connections_closed_total__code_is_going_away=1)

    metrics = played(tmp_path / "garden", act)
    counted = {name: value for name, value in values(metrics).items() if name.startswith("conn") and value}
    assert counted == {
        "connections_refused_total{reason=wrong_token}": 1,
        "connections_refused_total{reason=origin}": 1,
        "connections_refused_total{reason=server_full}": 1,
        "connections_closed_total{code=closed_by_client}": 2,
        "connections_closed_total{code=bad_websocket}": 1,
        "connections_closed_total{code=lost}": 1,
        "connections_closed_total{code=normal}": 1,
        "connections_closed_total{code=malformed}": 1,
        "connections_closed_total{code=going_away}": 1,
    }
    told = [vars(record) for record in caplog.records]
    codes = {
        event: sorted(record["code"] for record in told if record["msg"] == event)
        for event in ("nobody was let in", "a connection ended")
    }
    assert codes == {
        "nobody was let in": ["server_full", "wrong_token"],
        "a connection ended": [
            "bad_websocket",
            "closed_by_client",
            "closed_by_client",
            "going_away",
            "lost",
            "malformed",
            "normal",
        ],
    }
    came = [record["viewer"] for record in told if record["msg"] == "a viewer came in"]
    assert sorted(came) == sorted(
        record["viewer"] for record in told if record["msg"] == "a connection ended"
    )
    assert EDITOR not in caplog.text and NAME not in caplog.text


def test_nothing_that_anybody_said_gets_into_the_numbers(tmp_path: Path) -> None:
    before = Metrics().exposition().decode().count("\n")

    async def act(made: House) -> None:
        async with made.enter() as guest:
            camera = pose(made.garden.request((8.0, 10.0)).camera)
            node = (await guest.zoomed("my-request", camera=camera, prompt=PROMPT)).node
            text = made.metrics.exposition().decode()
            assert text.count("\n") == before
            for word in (NAME, PROMPT, "my-request", EDITOR, str(node), "planes", "127.0.0.1"):
                assert word not in text

    played(tmp_path / "garden", act)
