"""The monitor's port: what it answers, to whom, and while what."""

import asyncio
import json
import logging
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from houses import Make, Served, ask, makes_nothing, open_house, small_world, taken_port
from prometheus_client.parser import text_string_to_metric_families
from worlds import look_and_zoom
from zoom_garden import LEFT, PLANE, ROOT

from wonderzoom.clients.aio import connect
from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.jobs import StageEvent, Watch
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.runtime.metrics import Metrics, Status
from wonderzoom.runtime.monitor import Monitor
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.server import CannotListen, Listening

SECONDS = 20.0  # that a test waits for anything, on a busy machine


@dataclass
class Watched:
    """A monitor that listens, and what it says."""

    port: int
    metrics: Metrics
    status: Status

    async def ask(self, path: str, *lines: str) -> tuple[int, dict[str, str], bytes]:
        return await ask(self.port, path, *lines)


def watched(body: Callable[[Watched], Awaitable[None]]) -> None:
    async def whole() -> None:
        metrics = Metrics()
        monitor = Monitor(metrics, lambda: made.status, Listening())
        port = await monitor.start()
        made = Watched(port, metrics, Status("ok", "gärten", 7, 5, 3, "ready", 0))
        try:
            await body(made)
        finally:
            await monitor.close()
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", port)

    asyncio.run(whole())


def test_the_numbers_are_said_in_prometheus_format() -> None:
    async def body(made: Watched) -> None:
        made.metrics.sent(77)
        status, headers, text = await made.ask("/metrics?of=everything")
        assert (status, headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
        samples = {
            sample.name: sample.value
            for family in text_string_to_metric_families(text.decode())
            for sample in family.samples
        }
        assert samples["wonderzoom_sent_bytes_total"] == 77 and samples["wonderzoom_viewers"] == 3
        assert "gärten" not in text.decode()

    watched(body)


@pytest.mark.parametrize(("serving", "code"), [("starting", 503), ("ok", 200), ("draining", 503)])
def test_the_health_says_whether_viewers_may_come(serving: str, code: int) -> None:
    async def body(made: Watched) -> None:
        made.status = Status(serving, "gärten", 7, 5, 3, "down", 4)  # type: ignore[arg-type]
        status, headers, text = await made.ask("/healthz")
        assert (status, headers["content-type"], headers["cache-control"]) == (
            code,
            "application/json",
            "no-store",
        )
        assert json.loads(text) == {"status": serving, "world": "gärten", "revision": 7, "worker": "down"}

    watched(body)


def test_nothing_else_is_there_and_nobody_else_is_answered() -> None:
    async def body(made: Watched) -> None:
        for path in ("/", "/metrics/", "/../metrics", "/ws", "//healthz", "/static/index.html"):
            assert (await made.ask(path))[0] == 404, path
        own = f"Host: localhost:{made.port}"
        assert (await made.ask("/healthz", own))[0] == 200
        assert (await made.ask("/healthz", own, f"Origin: http://localhost:{made.port}"))[0] == 200
        for lines in (
            ("Host: evil.example",),  # DNS rebinding
            ("Accept: */*",),
            (own, own),
            (own, "Origin: http://evil.example"),
            (own, "Origin: null"),
        ):
            status, _, text = await made.ask("/metrics", *lines)
            assert status == 403 and b"wonderzoom_" not in text, lines
        upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13")
        key = "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
        assert (await made.ask("/healthz", own, *upgrade, key))[0] == 200  # no websocket, whatever is asked

    watched(body)


def test_many_may_ask_at_once() -> None:
    async def body(made: Watched) -> None:
        answers = await asyncio.gather(*(made.ask("/healthz") for _ in range(20)))
        assert {status for status, _, _ in answers} == {200}

    watched(body)


def test_the_event_loop_is_measured_while_somebody_may_ask() -> None:
    async def body(made: Watched) -> None:
        def measured() -> float:
            found = made.metrics.registry.get_sample_value("wonderzoom_event_loop_late_seconds_count")
            assert found is not None
            return found

        async with asyncio.timeout(SECONDS):
            while measured() < 1:
                await asyncio.sleep(0.05)

    watched(body)


def test_a_port_in_use_is_one_clear_line() -> None:
    async def whole(port: int) -> None:
        monitor = Monitor(Metrics(), lambda: Status("ok", "", 1, 1, 0, "ready", 0), Listening(port=port))
        with pytest.raises(CannotListen, match=r"--metrics-port"):
            await monitor.start()
        await monitor.close()

    with taken_port() as port:
        asyncio.run(whole(port))


# ---- beside a server --------------------------------------------------------------------------------
def served(path: Path, make: Make, act: Callable[[Served], Awaitable[None]]) -> None:
    """A server with a monitor; it is told to stop when ``act`` returns."""
    small_world(path / "garden")

    async def whole() -> None:
        with CpuRenderer(1) as renderer:
            async with open_house({"garden": path / "garden"}, renderer, make, metrics_port=0) as made:
                await act(made)
        assert made.metrics_port is not None
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", made.metrics_port)

    asyncio.run(whole())


def test_a_server_says_how_it_is_until_it_has_drained(tmp_path: Path) -> None:
    release = threading.Event()
    numbers: list[Metrics] = []

    def make(_wish: ZoomWish, watch: Watch) -> Proposal:
        watch.event(StageEvent("edit", 0.5))
        release.wait(SECONDS)
        raise RuntimeError("a mistake in the generator")

    async def act(at: Served) -> None:
        assert at.metrics_port is not None

        async def health() -> tuple[int, dict[str, object]]:
            status, _, body = await ask(at.metrics_port or 0, "/healthz")
            return status, json.loads(body)

        async def number(name: str) -> float:
            _, _, body = await ask(at.metrics_port or 0, "/metrics")
            lines = dict(line.rsplit(" ", 1) for line in body.decode().splitlines() if line[0] != "#")
            return float(lines[f"wonderzoom_{name}"])

        assert await health() == (
            200,
            {"status": "ok", "world": "garden", "revision": 1, "worker": "ready"},
        )
        async with connect(at.link()) as world:
            assert (await number("viewers"), await number("world_nodes")) == (1, 1)
            assert await number('errors_total{source="generation"}') == 0
            world.zoom("moss", camera=look_and_zoom(ROOT, PLANE, *LEFT, 4.0))
            async with asyncio.timeout(SECONDS):
                while not await number('zoom_jobs{state="running"}'):
                    await asyncio.sleep(0.02)
            at.stop.set()
            async with asyncio.timeout(SECONDS):
                while (await health())[0] == 200:
                    await asyncio.sleep(0.02)
            assert (await health())[1]["status"] == "draining"
            release.set()
        numbers.append(at.gallery.metrics)

    root = logging.getLogger()
    handlers = list(root.handlers)
    served(tmp_path, make, act)
    assert root.handlers == handlers
    (metrics,) = numbers
    assert metrics.registry.get_sample_value("wonderzoom_errors_total", {"source": "generation"}) == 1


def test_a_port_in_use_ends_the_server_too(tmp_path: Path) -> None:
    small_world(tmp_path / "garden")

    async def whole(port: int) -> None:
        with CpuRenderer(1) as renderer:
            worlds = {"garden": tmp_path / "garden"}
            async with open_house(worlds, renderer, makes_nothing, metrics_port=port):
                raise AssertionError("somebody else has this port")

    with taken_port() as port, pytest.raises(CannotListen, match=r"--metrics-port"):
        asyncio.run(whole(port))
