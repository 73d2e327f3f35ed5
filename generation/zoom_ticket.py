"""A waiter's own stream of events, bounded however slowly it is read.

A slow reader loses positions and fractions, never a stage, a preview or the end: what waits is at most one
event for each stage, and the end.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from wonderzoom.generation.zoom_events import ZoomEnd, ZoomEvent, ZoomQueued, ZoomRunning

_QUEUED, _END = "queued", "end"  # beside the names of the stages


class ZoomTicket:
    """Iterate over it to follow one request; the last event is its end. For one reader at a time."""

    def __init__(self, viewer: str, key: str) -> None:
        self.viewer, self.key = viewer, key
        self._pending: dict[str, ZoomEvent] = {}  # in the order in which they are told
        self._wake = asyncio.Event()
        self._end: ZoomEnd | None = None
        self._told = False  # the end

    @property
    def end(self) -> ZoomEnd | None:
        """How it ended; None while it has not."""
        return self._end

    def offer(self, event: ZoomEvent) -> None:
        """Something has happened. Nothing happens after the end."""
        if self._end is not None:
            raise ValueError(f"request {self.key!r} of viewer {self.viewer!r} has ended already")
        match event:
            case ZoomQueued():  # again, after a lost worker: what was under way is void
                self._pending = {_QUEUED: event}
            case ZoomRunning():
                self._pending.pop(_QUEUED, None)
                earlier = self._pending.get(event.stage)
                if isinstance(earlier, ZoomRunning) and event.preview is None:
                    event = replace(event, preview=earlier.preview)
                self._pending[event.stage] = event
            case _:
                self._pending.pop(_QUEUED, None)
                self._pending[_END] = self._end = event
        self._wake.set()

    def __aiter__(self) -> ZoomTicket:
        return self

    async def __anext__(self) -> ZoomEvent:
        while not self._pending:
            if self._told:
                raise StopAsyncIteration
            self._wake.clear()
            await self._wake.wait()
        name = next(iter(self._pending))
        self._told = self._told or name == _END
        return self._pending.pop(name)

    async def ended(self) -> ZoomEnd:
        """Wait for the end, whatever is told before."""
        while self._end is None:
            self._wake.clear()
            await self._wake.wait()
        return self._end
