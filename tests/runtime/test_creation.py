"""The process that makes a world of a photo: what it prints is in the log, however much it is."""

import asyncio
import logging

import pytest

from wonderzoom.runtime import creation


def test_what_the_process_prints_is_in_the_log_a_line_each(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "wonderzoom.runtime.creation")

    async def body() -> None:
        stream = asyncio.StreamReader(limit=64)
        stream.feed_data(b"Preparing the renderer\n" + b"x" * 1000 + b"\n\xff no text\nthe last")
        stream.feed_eof()
        async with asyncio.timeout(10.0):
            await creation._log_lines(stream)

    asyncio.run(body())
    told = [record.getMessage().removeprefix("the creation of a world says: ") for record in caplog.records]
    assert told == ["Preparing the renderer", "\ufffd no text", "the last"]
