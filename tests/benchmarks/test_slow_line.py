"""The line that clients are compared over is as slow as it says, and no slower."""

import asyncio
import importlib
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

RATE, DEPTH = 1000.0, 50.0
SAID = bytes(range(256)) * 200


@pytest.fixture(scope="module")
def slow_line() -> ModuleType:
    """``benchmarks.clients.slow_line``: benchmarks are run from the repository's root."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2]))
        return importlib.import_module("benchmarks.clients.slow_line")


STEPS = st.lists(st.tuples(st.floats(0.0, 0.5), st.integers(1, 40)), min_size=1, max_size=40)


@given(STEPS)
def test_no_span_of_time_carries_more_than_its_rate_and_one_bucket(
    slow_line: ModuleType, steps: list[tuple[float, int]]
) -> None:
    bucket, now = slow_line.Bucket(RATE, DEPTH), 0.0
    through: list[tuple[float, int]] = []
    for pause, size in steps:
        now += pause
        now += bucket.take(size, now)
        through.append((now, size))
    for first in range(len(through)):
        carried = 0
        for at, size in through[first:]:
            carried += size
            # The first of them may have been on its way when the span began.
            assert carried - through[first][1] <= RATE * (at - through[first][0]) + DEPTH + 1e-6


@given(st.integers(1, 200), st.integers(1, 40))
def test_whoever_always_has_something_to_send_gets_the_whole_rate(
    slow_line: ModuleType, count: int, size: int
) -> None:
    bucket, now = slow_line.Bucket(RATE, DEPTH), 100.0
    begun = now
    for _ in range(count):
        now += bucket.take(size, now)
    assert now - begun == pytest.approx(max(0.0, count * size - DEPTH) / RATE, abs=1e-6)


def test_the_line_carries_all_bytes_counts_them_and_breaks(slow_line: ModuleType) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
        writer.close()

    async def whole() -> tuple[bytes, int, int, bytes]:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        async with server, slow_line.SlowLine(server.sockets[0].getsockname()[1], 1000.0, 0.002) as line:
            reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
            writer.write(SAID)
            heard = await reader.readexactly(len(SAID))
            up, down = line.up, line.down
            await line.cut()
            rest = await reader.read(1)
            writer.close()
        return heard, up, down, rest

    heard, up, down, rest = asyncio.run(whole())
    assert heard == SAID and rest == b""
    assert up == down == len(SAID)
