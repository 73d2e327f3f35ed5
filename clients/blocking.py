"""The client for scripts and notebooks: ``aio`` with calls that wait, and nothing to await.

    with wonderzoom.clients.connect("http://127.0.0.1:8123/#token=...") as world:
        world.look(world.camera.zoomed(4.0))
        picture = world.frame()
        zoom = world.zoom("moss", at=picture.spot(0.5, 0.5))
        for status in zoom:
            print(status.state, status.stage, status.fraction)
        print(zoom.result().id)

The conversation goes on in a thread of its own, an event loop of ``aio``; whoever calls waits for it. Any thread may
call, any number at a time. An interrupt (Ctrl-C) ends the waiting and cancels nothing at the server. In a notebook a
world, a picture and a zoom show themselves.
"""

from __future__ import annotations

import asyncio
import base64
import html
import ssl
import threading
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterator
from concurrent.futures import CancelledError, Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from wonderzoom.clients import aio, jobs
from wonderzoom.clients.blocking_sharing import Bookmarks, Others
from wonderzoom.clients.errors import ClientError, Ended
from wonderzoom.clients.events import Event
from wonderzoom.clients.pictures import Picture
from wonderzoom.protocol import messages
from wonderzoom.protocol.errors import CloseCode
from wonderzoom.protocol.values import CameraPose, NodeSummary
from wonderzoom.scene_graph.camera import Camera

_Value = TypeVar("_Value")
_SHOWN_WITHIN_S = 60.0  # that a notebook waits for a picture


def connect(
    url: str,
    *,
    name: str = "",
    max_fps: float = 30.0,
    best_quality: int = 85,
    depth: bool = False,
    lod_bias: float = 0.0,
    tls: ssl.SSLContext | None = None,
    patience: float = aio.PATIENCE_S,
) -> World:
    """Enter the world behind a link; use it with ``with``, or ``close`` it. Arguments and errors: ``aio.connect``."""
    options: dict[str, Any] = {
        "name": name,
        "max_fps": max_fps,
        "best_quality": best_quality,
        "depth": depth,
        "lod_bias": lod_bias,
        "tls": tls,
        "patience": patience,
    }
    return World(url, options)


class LoopThread:
    """An event loop in a thread of its own, and calls into it that wait."""

    def __init__(self, name: str) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, _Value], timeout: float | None = None) -> _Value:
        """What the coroutine returns or raises; TimeoutError after ``timeout`` seconds, when it is cancelled."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("this call waits for the thread that it is made in")
        try:
            waiting = asyncio.run_coroutine_threadsafe(work, self.loop)
        except RuntimeError:  # the loop is closed
            work.close()
            raise Ended(CloseCode.NORMAL, "the world was left") from None
        return _awaited(waiting, timeout)

    def do(self, work: Callable[[], _Value]) -> _Value:
        """What a function returns, called in the loop's thread."""

        async def once() -> _Value:
            return work()

        return self.call(once())

    def close(self) -> None:
        """Cancel what is going on there, and end the thread."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        left = asyncio.all_tasks(self.loop)
        for task in left:
            task.cancel()
        self.loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        self.loop.run_until_complete(self.loop.shutdown_asyncgens())
        self.loop.close()


def _awaited(waiting: Future[_Value], timeout: float | None) -> _Value:
    try:
        return waiting.result(timeout)
    except CancelledError:  # the loop was closed meanwhile
        raise Ended(CloseCode.NORMAL, "the world was left") from None
    finally:
        waiting.cancel()  # an interrupt or a timeout: nobody waits any more


class World:
    """See the module docstring; made by ``connect``."""

    def __init__(self, url: str, options: dict[str, Any]) -> None:
        self._thread = LoopThread("world")
        self._last: Picture | None = None  # that ``frame`` returned
        self._context = aio.connect(url, **options)
        try:
            self._world = self._thread.call(self._context.__aenter__())
        except BaseException:
            self._thread.close()
            raise
        self.others = Others(self._thread, self._world)  # follow them; kick, grant, lock
        self.bookmarks = Bookmarks(self._thread, self._world)

    # ---- what is known --------------------------------------------------------------------------
    @property
    def camera(self) -> Camera:
        """Where this viewer looks: what it said last, or where the server lets it begin."""
        return self._world.camera

    @property
    def nodes(self) -> dict[str, NodeSummary]:
        """All scale nodes that there are now, by id; a copy."""
        return dict(self._world.nodes)

    @property
    def revision(self) -> int:
        """Of the world; each commit adds one."""
        return self._world.revision

    @property
    def worlds(self) -> list[str]:
        """Names of the worlds that the server has."""
        return list(self._world.worlds)

    @property
    def welcome(self) -> messages.Welcome:
        """What the server said at the door: this viewer's name and role, the world's name."""
        return self._world.welcome

    @property
    def presence(self) -> messages.Presence | None:
        """Who is here and what is being made, once it was told."""
        return self._world.presence

    @property
    def ended(self) -> ClientError | None:
        """Why it is over; None while it is not."""
        return self._world.ended

    # ---- what one does --------------------------------------------------------------------------
    def look(self, camera: Camera | CameraPose, beside: Camera | CameraPose | None = None) -> int:
        """Look so from now on; frames of it have the returned number as ``seq``, or a greater one.

        ``beside``: of the other eye, whose picture comes as ``Picture.beside``. Raises ValueError for a camera that the
        protocol has no room for, and what ended the world.
        """
        return self._thread.do(lambda: self._world.look(camera, beside))

    def frame(self, seq: int | None = None, *, still: bool = True, timeout: float | None = None) -> Picture:
        """The first picture of the camera ``seq`` (default: the last one that was said) or a later one.

        By default at full quality. A server sends a picture once: one that still shows the world as it is is given
        again. Raises TimeoutError, and RuntimeError while somebody iterates over ``frames``.
        """
        if self._world.seq == 0:
            self.look(self.camera)  # nothing is shown to whom looks nowhere
        wanted, last = self._world.seq if seq is None else seq, self._last
        if last is not None and last.seq >= wanted and last.still >= still:
            if last.message.revision >= self.revision:
                return last
        self._last = self._thread.call(self._world.frame(wanted, still=still), timeout)
        return self._last

    def frames(self) -> Generator[Picture, None, None]:
        """What one sees, newest first, to the end of the world; what was not asked for in time is left out."""
        return self._each(self._world.frames())

    def zoom(
        self,
        prompt: str = "",
        *,
        at: messages.Spot | None = None,
        camera: Camera | None = None,
        factor: float = 4.0,
        replace: str | None = None,
        seed: int = 0,
    ) -> Zooming:
        """Generate finer content ``at`` a point of a picture (``Picture.spot``), or for exactly a ``camera``.

        Iterate over what is returned for its progress; its ``result()`` is the committed node. Errors: ``aio``.
        """
        begun = self._thread.do(
            lambda: self._world.zoom(prompt, at=at, camera=camera, factor=factor, replace=replace, seed=seed)
        )
        return Zooming(self._thread, self._world, begun, prompt)

    def pick(self, at: messages.Spot) -> messages.Picked:
        """What is at a point of a picture; without ``place`` nothing is. Raises RequestFailed."""
        return self._thread.call(self._world.pick(at))

    def remove(self, node: str) -> int:
        """Undo a zoom with all that was built on it; the revision of the world without it. Raises RequestFailed."""
        return self._thread.call(self._world.remove(node))

    def restore(self, node: str) -> int:
        """Bring back a node that was removed, with what went with it; the revision with it. Raises RequestFailed."""
        return self._thread.call(self._world.restore(node))

    def upload(
        self, path: Path | str, progress: Callable[[messages.UploadStatus], None] | None = None
    ) -> str:
        """Make a world of a picture; its name. ``progress`` is called in another thread. Errors: ``aio``."""
        return self._thread.call(self._world.upload(Path(path), progress))

    def events(self) -> Generator[Event, None, None]:
        """What happens from this call on: commits, worlds, presence, numbers, errors, the connection's state."""
        listening = self._world.events()
        first = self._thread.do(lambda: asyncio.ensure_future(anext(listening)))  # it listens from now on

        async def wait() -> Event:
            return await first

        return self._each(listening, wait())

    def close(self) -> None:
        """Leave for good; whoever still waits gets Ended. Twice is once."""
        if not self._thread.loop.is_closed():
            try:
                self._thread.call(self._context.__aexit__(None, None, None))
            finally:
                self._thread.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _each(
        self, source: AsyncGenerator[_Value, None], first: Coroutine[Any, Any, _Value] | None = None
    ) -> Generator[_Value, None, None]:
        """A generator of the loop's, here."""

        async def step() -> _Value:
            return await anext(source)

        try:
            while True:
                try:
                    yield self._thread.call(first or step())
                except StopAsyncIteration:
                    return
                first = None
        finally:
            if first is not None:
                first.close()
            if not self._thread.loop.is_closed():
                self._thread.call(source.aclose())

    # ---- in a notebook --------------------------------------------------------------------------
    def _repr_html_(self) -> str:
        """What it looks like now, and where one is."""
        try:
            picture = self.frame(timeout=_SHOWN_WITHIN_S)
        except (ClientError, TimeoutError, RuntimeError) as error:
            return f"<p>{html.escape(self._caption())}: no picture ({html.escape(str(error) or 'none came')})</p>"
        return _figure(picture.jpeg, self._caption())

    def _caption(self) -> str:
        welcome = self.welcome
        others = len(self.presence.viewers) - 1 if self.presence else 0
        beside = f", with {others} other{'s' * (others != 1)}" if others > 0 else ""
        return f"{welcome.world}, revision {self.revision}, {len(self._world.nodes)} nodes{beside}"


class Zooming:
    """A zoom that is under way. Iterating tells how it stands, up to its last status; ``result`` waits for its node."""

    def __init__(self, thread: LoopThread, world: aio.World, begun: jobs.Zooming, prompt: str) -> None:
        self._thread, self._world, self._begun, self.prompt = thread, world, begun, prompt

    @property
    def status(self) -> messages.ZoomStatus | None:
        """The last one; None before the first."""
        return self._begun.status

    @property
    def done(self) -> bool:
        """Whether it has a result, or failed."""
        return self._begun.done

    def __iter__(self) -> Iterator[messages.ZoomStatus]:
        """Each status once; of many unread ones the newest. A failure is a status too; ``result`` raises it."""
        source = self._begun.__aiter__()

        async def step() -> messages.ZoomStatus:
            return await anext(source)

        while True:
            try:
                yield self._thread.call(step())
            except StopAsyncIteration:
                return

    def result(self, timeout: float | None = None) -> NodeSummary:
        """The node that it became. Raises RequestFailed, ZoomCancelled, TimeoutError, and what ended the world."""

        async def whole() -> NodeSummary:
            status = await self._begun
            assert status.node is not None  # of a committed one
            return await _node_of(self._world, status.node)

        return self._thread.call(whole(), timeout)

    def cancel(self) -> None:
        """Ask that it end; it may be committed all the same."""
        self._thread.do(self._begun.cancel)

    def _repr_html_(self) -> str:
        """How it stands, with its picture once there is one."""
        status = self.status
        words = f"{self.prompt or 'finer detail'}: {status.state if status else 'asked'}"
        if status is not None and status.stage:
            words += f", {status.stage} {status.fraction:.0%}"
        if status is not None and status.preview is not None:
            return _figure(status.preview, words)
        return f"<p>{html.escape(words)}</p>"


async def _node_of(world: aio.World, name: str) -> NodeSummary:
    """The node, once its commit was told too. Raises what ends the world meanwhile."""
    listening = world.events()
    try:
        heard = asyncio.ensure_future(anext(listening))
        await asyncio.sleep(0)  # it listens
        while name not in world.nodes:
            await heard
            heard = asyncio.ensure_future(anext(listening))
        heard.cancel()
        await asyncio.gather(heard, return_exceptions=True)
        return world.nodes[name]
    finally:
        await listening.aclose()


def _figure(jpeg: bytes, caption: str) -> str:
    picture = base64.b64encode(jpeg).decode()
    return (
        f'<figure style="margin:0"><img src="data:image/jpeg;base64,{picture}" alt="{html.escape(caption)}">'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )
