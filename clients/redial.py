"""Connecting again after a connection broke: how long to wait before each try, and when to give up."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable

from wonderzoom.clients.errors import CannotConnect, ClientError
from wonderzoom.clients.events import Disconnected
from wonderzoom.clients.line import Line

_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.25, 5.0


async def redial(
    dial: Callable[[str | None], Awaitable[Line]],
    resume: str,
    ending: ClientError,
    patience: float,
    tell: Callable[[Disconnected], None],
) -> Line:
    """A new line, as the viewer that ``resume`` names, within ``patience`` seconds; ``ending``: of the old one.

    ``tell`` hears of each wait. Raises what makes it of no use.
    """
    loop = asyncio.get_running_loop()
    given_up, wait = loop.time() + patience, _FIRST_WAIT_S
    attempt = 0
    while True:
        if not ending.retryable:
            raise ending
        # Between half and all of it, another part for each viewer: a thousand that lost the same server at
        # once do not come back at once.
        spread = zlib.crc32(f"{resume}{attempt}".encode()) / (1 << 32)
        pause = max(wait * (0.5 + 0.5 * spread), getattr(ending, "retry_after", None) or 0.0)
        if loop.time() + pause >= given_up:
            raise CannotConnect(f"no connection within {patience:.0f} s: {ending}") from ending
        tell(Disconnected(ending, pause))
        await asyncio.sleep(pause)
        attempt, wait = attempt + 1, min(2.0 * wait, _LONGEST_WAIT_S)
        try:
            return await dial(resume)
        except ClientError as error:
            ending = error
