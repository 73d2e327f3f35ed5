"""The frames that a client was sent and has not shown yet: at most one waits, and the newest wins.

A frame is acknowledged when whoever shows frames comes back for the next one, so that the server's rate follows the
slowest part, be it the link or the program. A program that takes long is not cut off for that: after ACK_WITHIN_S a
frame is acknowledged anyway, and at once while nobody asks for frames.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wonderzoom.clients.errors import BadServer, ClientError
from wonderzoom.clients.poses import camera_of
from wonderzoom.protocol.depth_map import BadDepth, decode_depth
from wonderzoom.protocol.messages import Frame, Spot
from wonderzoom.scene_graph.camera import Camera

ACK_WITHIN_S = 1.0  # the server lets a client go that acknowledges nothing for ten


@dataclass(frozen=True)
class Picture:
    """What the server showed."""

    message: Frame
    latency: float  # seconds from saying the camera that it shows to its arrival
    eye: int = 0  # of the message's views, which one

    @property
    def jpeg(self) -> bytes:
        """The picture, baseline JPEG, sRGB."""
        return self.message.views[self.eye].payload

    @cached_property
    def camera(self) -> Camera:
        """Exactly the camera that it was drawn with."""
        return camera_of(self.message.views[self.eye].camera)

    @cached_property
    def depth(self) -> NDArray[np.float32] | None:
        """Zeta [h, w] of what it shows, in native pixels at the pivot of ``camera``, NaN where nothing is.

        Each of the samples, which are spread over the picture and fewer than its pixels, is the least of those around
        it (``reprojection`` shows the picture from elsewhere by it). None where none was sent: it was not asked for, or
        the link has no room for it now. Raises BadServer.
        """
        sent = self.message.views[self.eye].depth
        if sent is None:
            return None
        try:
            return decode_depth(sent.payload, (sent.height, sent.width), self.camera.inverse_f, sent.step)
        except BadDepth as error:
            raise BadServer(f"the server broke the protocol: {error}") from error

    @property
    def beside(self) -> Picture | None:
        """What the other eye sees, if ``World.look`` was told of one."""
        other = self.eye + 1
        return replace(self, eye=other) if other < len(self.message.views) else None

    @property
    def seq(self) -> int:
        """What ``World.look`` returned for the camera that it shows."""
        return self.message.camera_seq

    @property
    def still(self) -> bool:
        """Whether it is at full resolution and quality, and nothing follows until something changes."""
        return self.message.still

    def _repr_jpeg_(self) -> bytes:
        """What a notebook shows of it."""
        return self.jpeg

    def spot(self, u: float, v: float) -> Spot:
        """A point of it for ``World.zoom`` and ``World.pick``: (0, 0) is its top left corner, (1, 1) the
        bottom right one. Raises ValueError outside."""
        if not (0.0 <= u <= 1.0 and 0.0 <= v <= 1.0):
            raise ValueError(f"({u}, {v}) is outside the picture, which is from (0, 0) to (1, 1)")
        return Spot(frame=self.message.frame, u=u, v=v)


class _Held:
    """A frame, until it is acknowledged."""

    def __init__(self, picture: Picture, acknowledge: Callable[[int, float], None]) -> None:
        self.picture, self._acknowledge = picture, acknowledge
        self._loop = asyncio.get_running_loop()
        self.since = self._loop.time()
        self._timer: asyncio.TimerHandle | None = self._loop.call_later(ACK_WITHIN_S, self.done)

    def done(self) -> None:
        """Acknowledge it, once."""
        if self.forget():
            self._acknowledge(self.picture.message.frame, self._loop.time() - self.since)

    def forget(self) -> bool:
        """Never acknowledge it; whether it was not yet."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        return timer is not None


class PictureSlot:
    """See the module docstring. ``acknowledge`` is told a frame's number and the seconds that it took."""

    def __init__(self, acknowledge: Callable[[int, float], None]) -> None:
        self._acknowledge = acknowledge
        self._waiting: _Held | None = None
        self._shown: _Held | None = None
        self._wake = asyncio.Event()
        self._asked = False
        self._ended = False
        self._error: ClientError | None = None

    def arrived(self, picture: Picture) -> None:
        """A frame came; one that still waits is too old now."""
        if self._waiting is not None:
            self._waiting.done()
        self._waiting = _Held(picture, self._acknowledge)
        if not self._asked:
            self._waiting.done()
        self._wake.set()

    def begin(self) -> None:
        """Somebody asks for frames from now on. Raises RuntimeError for a second one at the same time."""
        if self._asked:
            raise RuntimeError("somebody iterates over frames() already; each frame is shown once")
        self._asked = True

    def stop(self) -> None:
        """Nobody asks any more."""
        self._asked = False
        for held in (self._shown, self._waiting):
            if held is not None:
                held.done()
        self._shown = None

    async def next(self) -> Picture | None:
        """The newest frame, once there is one that was not given yet; None at the end. Raises what ended it."""
        if self._shown is not None:
            self._shown.done()
            self._shown = None
        while self._waiting is None:
            if self._ended:
                if self._error is not None:
                    raise self._error
                return None
            self._wake.clear()
            await self._wake.wait()
        self._shown, self._waiting = self._waiting, None
        self._shown.since = asyncio.get_running_loop().time()
        return self._shown.picture

    def clear(self) -> None:
        """The connection they came by is gone: what waits is of no use, and nothing is acknowledged."""
        for held in (self._shown, self._waiting):
            if held is not None:
                held.forget()
        self._shown = self._waiting = None

    def end(self, error: ClientError | None) -> None:
        """There will be no more; ``error`` unless it was wished so."""
        self.clear()
        self._ended, self._error = True, error
        self._wake.set()
