"""What happens in a world that nobody asked for: commits, worlds, presence, where a leader looks, bookmarks, numbers,
errors, the connection's state."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from wonderzoom.clients.errors import ClientError
from wonderzoom.protocol import messages

_UNREAD = 256  # for each that listens; the oldest go first


@dataclass(frozen=True, slots=True)
class Disconnected:
    """The connection is gone, and is made anew in ``retry_in`` seconds."""

    error: ClientError
    retry_in: float


@dataclass(frozen=True, slots=True)
class Reconnected:
    """It is there again; ``resumed``: as the same viewer, else as a new one, whose zooms have failed."""

    resumed: bool


@dataclass(frozen=True, slots=True)
class Sharpened:
    """More of the surfels are there, or others are shown; ``complete``: all that the camera asks for."""

    revision: int
    complete: bool


Told = (
    messages.Commit
    | messages.Worlds
    | messages.Presence
    | messages.Stats
    | messages.Led
    | messages.Bookmarks
    | messages.Streamed
)
Event = Told | messages.Error | Disconnected | Reconnected | Sharpened


class Events:
    """Tells every event to everyone who listens at that time."""

    def __init__(self) -> None:
        self._unread: dict[asyncio.Event, deque[Event]] = {}
        self._ended = False
        self._error: ClientError | None = None

    def tell(self, event: Event) -> None:
        """This happened."""
        for news, unread in self._unread.items():
            unread.append(event)
            news.set()

    def end(self, error: ClientError | None) -> None:
        """Nothing will happen any more; ``error`` unless it was wished so."""
        self._ended, self._error = True, error
        for news in self._unread:
            news.set()

    async def listen(self) -> AsyncGenerator[Event, None]:
        """What happens from now on, to the end. Raises what ended it."""
        news, unread = asyncio.Event(), deque[Event](maxlen=_UNREAD)
        self._unread[news] = unread
        try:
            while True:
                while unread:
                    yield unread.popleft()
                if self._ended:
                    if self._error is not None:
                        raise self._error
                    return
                news.clear()
                await news.wait()
        finally:
            del self._unread[news]
