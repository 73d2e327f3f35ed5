"""A world that is open to the network: encrypted, for who has the link, and clear to everybody else."""

import asyncio
import json
import logging
import ssl
from collections.abc import Awaitable, Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from houses import makes_nothing, open_house, small_world
from zoom_garden import ROOT

from wonderzoom.clients.aio import connect
from wonderzoom.clients.errors import CannotConnect
from wonderzoom.clients.links import tls_context
from wonderzoom.protocol import limits
from wonderzoom.runtime import cli, serving
from wonderzoom.runtime.auth import LOOPBACK, Role
from wonderzoom.runtime.certificate import kept_certificate
from wonderzoom.runtime.gallery import Gallery
from wonderzoom.runtime.lan import Lan
from wonderzoom.runtime.lan_opening import LanOpening
from wonderzoom.runtime.links import Links
from wonderzoom.runtime.progress import Reporter
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.server import Listening
from wonderzoom.scene_graph.page_cache import PageCache

HERE = Lan((ip_address("127.0.0.1"),), ("studio",), "127.0.0.1")  # a network that every machine has


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(1) as made:
        yield made


@pytest.fixture
def opening(tmp_path: Path) -> LanOpening:
    return LanOpening(HERE, kept_certificate(tmp_path / "data", HERE.subjects, datetime.now(UTC)))


def served(
    path: Path, renderer: CpuRenderer, opening: LanOpening, test: Callable[[str, int], Awaitable[None]]
) -> None:
    """Run a test beside a server of a small world; it is given the link and the port."""

    async def run() -> None:
        mistakes: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _loop, told: mistakes.append(told))
        small_world(path / "garden")
        async with (
            open_house({"garden": path / "garden"}, renderer, makes_nothing, over=opening.over) as house,
            asyncio.timeout(60.0),
        ):
            await test(house.links.of(opening.lan.address(house.port), Role.EDITOR), house.port)
        assert mistakes == []

    asyncio.run(run())


async def answer_to(port: int, sent: bytes, tls: ssl.SSLContext | None = None) -> bytes:
    """All that a server says to some bytes."""
    name = None if tls is None else "127.0.0.1"
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
    writer.write(sent)
    said = await reader.read()
    writer.close()
    return said


# ---- the server ---------------------------------------------------------------------------------


def test_who_has_the_link_and_the_certificate_sees_the_world(
    tmp_path: Path, renderer: CpuRenderer, opening: LanOpening
) -> None:
    async def test(link: str, _port: int) -> None:
        async with connect(link, tls=tls_context(opening.certificate.file)) as world:
            picture = await world.frame(world.look(ROOT.resized(96, 72)))
            assert picture.still and len(picture.jpeg) > 500
        with pytest.raises(CannotConnect, match="not trusted"):
            async with connect(link, patience=1.0):
                pass

    served(tmp_path, renderer, opening, test)


def test_a_crowd_comes_by_the_command_line(
    tmp_path: Path, renderer: CpuRenderer, opening: LanOpening, capsys: pytest.CaptureFixture[str]
) -> None:
    async def test(link: str, _port: int) -> None:
        options = ["--viewers", "2", "--seconds", "1.5", "--fps", "5", "--width", "96", "--height", "72"]
        trust = ["--certificate", str(opening.certificate.file)]
        code = await asyncio.to_thread(cli.main, ["load", link, *options, *trust, "--json"])
        (row,) = json.loads(capsys.readouterr().out)
        assert code == 0 and row["served"] == 2 and row["errors"] == {}

    served(tmp_path, renderer, opening, test)


def test_what_is_no_tls_is_sent_away_without_a_word_of_http(
    tmp_path: Path, renderer: CpuRenderer, opening: LanOpening, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(link: str, port: int) -> None:
        for sent in (
            b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
            b"\x00" * 100,
            b"\x16\x03\x01\xff\xff" + b"x" * 99,
        ):
            said = await answer_to(port, sent)
            assert b"HTTP" not in said and len(said) <= 7  # nothing, or an alert of TLS
        async with connect(link, tls=tls_context(opening.certificate.file)) as world:  # others notice nothing
            assert (await world.frame(world.look(ROOT.resized(96, 72)))).still

    with caplog.at_level(logging.WARNING):
        served(tmp_path, renderer, opening, test)
    assert caplog.records == []


def test_who_says_nothing_is_sent_away(
    tmp_path: Path, renderer: CpuRenderer, opening: LanOpening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "HELLO_WITHIN_S", 0.2)

    async def test(_link: str, port: int) -> None:
        async with asyncio.timeout(20.0):  # asyncio's own patience is a minute
            assert await answer_to(port, b"") == b""

    served(tmp_path, renderer, opening, test)


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1", "", 200),
        ("studio", "https://studio", 200),
        ("studio", "https://evil.example", 403),
        ("evil.example", "", 403),
    ],
)
def test_a_browser_is_answered_by_the_names_of_this_machine_only(
    tmp_path: Path, renderer: CpuRenderer, opening: LanOpening, host: str, origin: str, status: int
) -> None:
    async def test(_link: str, port: int) -> None:
        lines = ["GET / HTTP/1.1", f"Host: {host}:{port}", *([f"Origin: {origin}:{port}"] if origin else [])]
        sent = ("\r\n".join(lines) + "\r\n\r\n").encode()
        head, _, _ = (await answer_to(port, sent, tls_context(opening.certificate.file))).partition(
            b"\r\n\r\n"
        )
        assert head.startswith(f"HTTP/1.1 {status} ".encode())
        assert b"Content-Security-Policy" in head and b"Strict-Transport-Security" not in head

    served(tmp_path, renderer, opening, test)


# ---- the command --------------------------------------------------------------------------------


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Listening]:
    """Where commands have a server listen; none does, but they print what they print for the port 8700."""
    noted: list[Listening] = []

    async def run(
        _gallery: Gallery,
        _links: Links,
        listening: Listening,
        ready: Callable[[serving.Ready], None],
        *_more: Any,
    ) -> None:
        noted.append(listening)
        ready(serving.Ready(8700))

    monkeypatch.setattr(serving, "run", run)
    return noted


@pytest.fixture
def serve(tmp_path: Path, renderer: CpuRenderer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command line ``wonderzoom serve WORLD ...``."""
    monkeypatch.setenv("WONDERZOOM_DATA", str(tmp_path / "data"))
    small_world(tmp_path / "garden")
    maker = cast(
        Any,
        SimpleNamespace(
            renderer=renderer, generator_name=str, reporter=Reporter(lambda: 0.0), pages=PageCache(1 << 20)
        ),
    )
    return lambda *options: cli.main(
        ["serve", str(tmp_path / "garden"), *options], lambda: nullcontext(maker)
    )


def test_the_command_opens_to_the_network_if_asked(
    tmp_path: Path, serve: Callable[..., int], asked: list[Listening], capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve("--lan", "--host", "10.9.8.7", "--port", "8701") == 0
    (listening,) = asked
    assert listening.tls is not None and "10.9.8.7" in listening.hosts
    assert (listening.host, listening.port) == ("10.9.8.7", 8701)
    told = capsys.readouterr()
    assert told.out.startswith("https://10.9.8.7:8700/#token=")
    assert "fingerprint" in told.err and str(tmp_path / "data" / "lan.crt") in told.err


def test_without_the_option_a_world_is_open_on_this_machine_only(
    tmp_path: Path, serve: Callable[..., int], asked: list[Listening], capsys: pytest.CaptureFixture[str]
) -> None:
    assert serve() == 0
    (listening,) = asked
    assert (listening.host, listening.hosts, listening.tls) == ("127.0.0.1", LOOPBACK, None)
    told = capsys.readouterr()
    assert told.out.startswith("http://127.0.0.1:8700/#token=") and "certificate" not in told.err
    assert not (tmp_path / "data" / "lan.pem").exists()
    assert serve("--host", "10.9.8.7") == 2
    assert "add --lan" in capsys.readouterr().err and len(asked) == 1


def test_what_keeps_a_world_from_the_network_is_one_clear_line(
    tmp_path: Path,
    serve: Callable[..., int],
    asked: list[Listening],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert serve("--lan", "--host", "0.0.0.0") == 2
    assert "--host 0.0.0.0 is no address" in capsys.readouterr().err
    (tmp_path / "data").write_text("in the way")
    assert serve("--lan", "--host", "10.9.8.7") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("wonderzoom: can't keep the certificate") and "WONDERZOOM_DATA" in line
    assert asked == []
