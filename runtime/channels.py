"""What each viewer of a room is sent: frames, surfels, or what suits (``suiting``), where that is left to the server.

Nobody who asked for one kind is sent both. Where the server chose surfels, frames go on until all of a view has
arrived, OVERLAP_S at most: whoever moves all the time sees no gap. Belongs to one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import msgspec

from wonderzoom.protocol import messages
from wonderzoom.runtime.frame_loop import FrameLoop
from wonderzoom.runtime.participants import Participant
from wonderzoom.runtime.streaming import Streaming
from wonderzoom.runtime.suiting import Circumstances, Kind, Suiting

OVERLAP_S = 10.0  # in which a view of surfels has arrived, or its viewer never stands still


@dataclass(slots=True)
class _Channel:
    """Of one viewer."""

    wishes: messages.Configure = field(default_factory=messages.Configure)
    suiting: Suiting = field(default_factory=Suiting)
    both_since: float | None = None  # that is sent frames still, and surfels already


class Channels:
    """See the module docstring; ``beside`` has something done that takes a while."""

    def __init__(
        self,
        frames: FrameLoop,
        streaming: Streaming,
        beside: Callable[[Coroutine[Any, Any, None]], None],
    ) -> None:
        self._frames, self._streaming, self._beside = frames, streaming, beside
        self._clock = asyncio.get_running_loop().time
        self._of: dict[str, _Channel] = {}
        streaming.on_whole = self._whole

    def entered(self, who: Participant) -> None:
        """Somebody has connected, for the first time or again, and has not said what they want."""
        channel = self._of.setdefault(who.id, _Channel())
        channel.wishes, channel.both_since = messages.Configure(), None
        if who.draws:
            who.viewer.show_again()
        else:
            self._frames.join(who.viewer)
        self._streaming.entered(who)

    def gone(self, who: Participant) -> None:
        """Somebody will not come back."""
        self._of.pop(who.id, None)
        self._streaming.gone(who)

    def configure(self, who: Participant, message: messages.Configure) -> None:
        """What a viewer wants from now on."""
        if who.configure(message):
            self._frames.wishes_changed(who.viewer)
        who.viewer.video = None  # its decoder begins anew
        channel = self._of[who.id]
        channel.wishes = message
        if message.stream == "auto":
            self._think_again(who, channel)
            self._send(who, channel, channel.suiting.kind)
        else:
            channel.both_since = None
            self._send(who, channel, message.stream)

    def looked(self, who: Participant) -> None:
        """A viewer may have moved, or have heard from the link: something else may suit."""
        channel = self._of.get(who.id)
        if channel is None or channel.wishes.stream != "auto":
            return
        if self._think_again(who, channel):
            self._send(who, channel, channel.suiting.kind)
        elif channel.both_since is not None and self._clock() >= channel.both_since + OVERLAP_S:
            self._whole(who)

    # ---- inside ---------------------------------------------------------------------------------
    def _think_again(self, who: Participant, channel: _Channel) -> bool:
        """Whether something else suits."""
        suiting, viewer = channel.suiting, who.viewer
        if not (who.shows_frames and who.reads_surfels):  # there is nothing to choose
            kind: Kind = "surfels" if who.reads_surfels else "frames"
            changed, suiting.kind = suiting.kind != kind, kind
            suiting.why = f"this program shows {kind} only"
            return changed
        if viewer.camera is None:
            return False
        seen = Circumstances(
            viewer.camera.width * viewer.camera.height,
            channel.wishes.surfel_budget,
            viewer.pacer.rate,
            (viewer.pacer.rtt or 0.0) + max(viewer.pacer.interval(), self._frames.turn_s),
        )
        return suiting.choose(seen, self._clock())

    def _send(self, who: Participant, channel: _Channel, kind: Kind) -> None:
        """Begin to send one kind, and end the other."""
        auto = channel.wishes.stream == "auto"
        if auto:
            who.say(messages.Streamed(kind=kind, why=channel.suiting.why))
        self._streaming.configure(who, msgspec.structs.replace(channel.wishes, stream=kind))
        if kind == "frames":
            who.draws, channel.both_since = False, None
            self._frames.join(who.viewer, connected=False)
        elif not (auto and who.shows_frames):
            self._end_frames(who)
        elif not who.draws and channel.both_since is None:
            channel.both_since = self._clock()

    def _whole(self, who: Participant) -> None:
        """All of a view of surfels has arrived."""
        channel = self._of.get(who.id)
        if channel is not None and channel.both_since is not None:
            channel.both_since = None
            self._end_frames(who)

    def _end_frames(self, who: Participant) -> None:
        who.draws = True
        self._beside(self._stop_frames(who))

    async def _stop_frames(self, who: Participant) -> None:
        if who.draws:
            await self._frames.leave(who.viewer)
