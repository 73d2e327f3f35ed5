"""The world behind a link, for a window: a conversation in a thread of its own, whose news wait to be picked up.

Nothing here blocks the window: what is asked for is sent, what comes back is a ``News``. ``wake`` is called from that
thread whenever there is one.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from wonderzoom.clients import aio, jobs
from wonderzoom.clients.blocking import LoopThread
from wonderzoom.clients.errors import BadServer, ClientError
from wonderzoom.clients.events import Event
from wonderzoom.clients.pictures import Picture
from wonderzoom.clients.poses import camera_of
from wonderzoom.protocol import messages
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet

log = logging.getLogger(__name__)

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """A picture with the camera that sees it so; equal to itself only."""

    pixels: Bytes  # [H, W, 3] sRGB
    camera: Camera
    frame: int = 0  # its number; 0: of a zoom that is being made
    seq: int = 0  # of the camera that it shows
    still: bool = False
    revision: int = 0
    zeta: NDArray[np.float32] | None = None  # [h, w] depth, of ``Picture.depth``


@dataclass(frozen=True, slots=True)
class Shown:
    """A frame came."""

    sheet: Sheet


@dataclass(frozen=True, slots=True)
class Told:
    """Something happened in the world, or to the connection."""

    event: Event


@dataclass(frozen=True, slots=True)
class Picked:
    """The answer to ``Remote.pick``; None: there was none."""

    request: int
    found: messages.Picked | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How a zoom of this window stands; ``error``: what it failed with."""

    request: int
    status: messages.ZoomStatus | None
    preview: Bytes | None = None
    error: ClientError | None = None


@dataclass(frozen=True, slots=True)
class Changed:
    """A node was removed, or brought back, as this window asked; ``error``: it was not."""

    node: str
    removed: bool
    error: ClientError | None = None


@dataclass(frozen=True, slots=True)
class Over:
    """The conversation has ended."""

    error: ClientError | None


News = Shown | Told | Picked | Progress | Changed | Over


class Remote:
    """See the module docstring. ``surfel_budget``: be sent surfels, and keep that many, where the server has them;
    ``auto``: or frames, as the server finds that it suits. ``depth``: with frames.

    Raises what ``aio.connect`` raises.
    """

    def __init__(
        self,
        url: str,
        name: str = "",
        tls: ssl.SSLContext | None = None,
        patience: float = aio.PATIENCE_S,
        surfel_budget: int | None = None,
        auto: bool = False,
        depth: bool = False,
    ) -> None:
        options: dict[str, Any] = {"name": name, "tls": tls, "patience": patience, "depth": depth}
        self.wake: Callable[[], None] = lambda: None
        self._news: deque[News] = deque()
        self._requests = 0
        self._zooms: dict[int, jobs.Zooming] = {}
        self._thread = LoopThread("view")
        try:
            self._context, self.world = self._thread.call(_enter(url, surfel_budget, auto, options))
        except BaseException:
            self._thread.close()
            raise
        self._tasks = self._thread.do(
            lambda: [asyncio.ensure_future(each) for each in (self._frames(), self._events())]
        )

    def news(self) -> Iterator[News]:
        """What came since the last time."""
        while self._news:
            yield self._news.popleft()

    # ---- surfels --------------------------------------------------------------------------------
    @property
    def streams_surfels(self) -> bool:
        """Whether this server has them for this client."""
        return self.world.welcome.surfel_format is not None

    @property
    def settings(self) -> RenderSettings:
        """How surfels become a picture."""
        return self.world.scene.settings

    def stream(self, kind: Literal["frames", "surfels"]) -> None:
        """Be sent pictures from now on, or surfels."""
        self._later(lambda: self.world.stream(kind))

    def drawn(self) -> VisibleSet:
        """The surfels to draw now; the same object while nothing moves."""
        return self.world.scene.drawn()

    @property
    def settled(self) -> bool:
        """Whether the surfels of a camera that was said and stands still are all there, and nothing fades."""
        scene = self.world.scene
        return scene.held.camera_seq == self.world.seq and scene.settled

    # ---- what one does --------------------------------------------------------------------------
    def look(self, camera: Camera) -> None:
        """Look so from now on."""
        self._later(lambda: self.world.look(camera))

    def pick(self, frame: int, u: float, v: float) -> int:
        """Ask what is at a point of a frame, shares in [0, 1]; the answer has the returned number."""
        request = self._number()

        async def ask() -> None:
            try:
                found = await self.world.pick(messages.Spot(frame=frame, u=u, v=v))
            except ClientError:  # the frame is too long ago, or the conversation is over
                found = None
            self._tell(Picked(request, found))

        self._begin(ask())
        return request

    def zoom(self, camera: Camera, prompt: str, seed: int) -> int:
        """Ask for finer content of a view; its progress has the returned number."""
        request = self._number()

        async def ask() -> None:
            try:
                zooming = self._zooms[request] = self.world.zoom(prompt, camera=camera, seed=seed)
                async for status in zooming:
                    preview = None
                    if status.preview is not None:
                        preview = await asyncio.to_thread(_decoded, status.preview)
                    self._tell(Progress(request, status, preview))
                await zooming
            except (ClientError, ValueError) as error:
                shown = error if isinstance(error, ClientError) else ClientError(str(error))
                self._tell(Progress(request, None, error=shown))
            finally:
                self._zooms.pop(request, None)

        self._begin(ask())
        return request

    def cancel(self, request: int) -> None:
        """Call a zoom off."""
        self._later(lambda: self._zooms[request].cancel() if request in self._zooms else None)

    def remove(self, node: str) -> None:
        """Undo a zoom, with what was built on it."""
        self._begin(self._change(node, self.world.remove(node), True))

    def restore(self, node: str) -> None:
        """Bring a node back."""
        self._begin(self._change(node, self.world.restore(node), False))

    def close(self) -> None:
        """Leave for good."""
        self._thread.do(lambda: [task.cancel() for task in self._tasks])
        try:
            self._thread.call(self._context.__aexit__(None, None, None))
        finally:
            self._thread.close()

    # ---- in the thread --------------------------------------------------------------------------
    async def _frames(self) -> None:
        try:
            async for picture in self.world.frames():
                self._tell(Shown(await asyncio.to_thread(_sheet, picture)))
        except ClientError:
            pass  # the events say so

    async def _events(self) -> None:
        try:
            async for event in self.world.events():
                self._tell(Told(event))
            self._tell(Over(None))
        except ClientError as error:
            self._tell(Over(error))

    async def _change(self, node: str, work: Coroutine[Any, Any, int], removed: bool) -> None:
        try:
            await work
            self._tell(Changed(node, removed))
        except ClientError as error:
            self._tell(Changed(node, removed, error))

    def _tell(self, news: News) -> None:
        self._news.append(news)
        self.wake()

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._thread.loop)

    def _later(self, work: Callable[[], object]) -> None:
        def once() -> None:
            try:
                work()
            except ClientError:
                pass  # it is over, which the events say

        self._thread.loop.call_soon_threadsafe(once)

    def _number(self) -> int:
        self._requests += 1
        return self._requests


async def _enter(
    url: str, budget: int | None, auto: bool, options: dict[str, Any]
) -> tuple[AbstractAsyncContextManager[aio.World], aio.World]:
    """A conversation by surfels where the server has them, else by frames."""
    if budget is not None:
        context = aio.connect(url, surfels=budget, auto=auto, **options)
        try:
            return context, await context.__aenter__()
        except BadServer as error:
            log.info("frames instead of surfels: %s", error)
    context = aio.connect(url, **options)
    return context, await context.__aenter__()


def _decoded(jpeg: bytes) -> Bytes:
    return simplejpeg.decode_jpeg(jpeg, "RGB")


def _sheet(picture: Picture) -> Sheet:
    message = picture.message
    return Sheet(
        _decoded(picture.jpeg),
        camera_of(message.views[0].camera),
        message.frame,
        picture.seq,
        picture.still,
        message.revision,
        picture.depth,
    )
