"""A world on a server, for programs: look, zoom, pick, remove, upload, and hear what others do.

    async with connect("http://127.0.0.1:8123/#token=...") as world:
        world.look(world.camera.zoomed(4.0))
        async for picture in world.frames():
            if picture.still:
                break
        zoom = world.zoom("moss", at=picture.spot(0.5, 0.5))
        async for status in zoom:
            print(status.state, status.stage, status.fraction)
        print((await zoom).node)

One task keeps the connection: it connects again when it breaks, as the same viewer, and asks again for what was not
answered. It ends with the ``async with``. Everything belongs to one event loop; only ``line`` knows sockets.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

import msgspec

from wonderzoom.clients.errors import ClientError, Ended, RequestFailed
from wonderzoom.clients.events import Event, Events, Reconnected, Sharpened, Told
from wonderzoom.clients.jobs import Jobs, Picking, Removal, Restoring, Uploading, Zooming
from wonderzoom.clients.line import Line, open_line, program
from wonderzoom.clients.links import Link
from wonderzoom.clients.outbox import Outbox, checked
from wonderzoom.clients.pictures import Picture, PictureSlot
from wonderzoom.clients.poses import camera_of, pose_of
from wonderzoom.clients.redial import redial
from wonderzoom.clients.scene import Scene
from wonderzoom.clients.sharing import Bookmarks, Others
from wonderzoom.protocol import limits, messages
from wonderzoom.protocol.errors import CloseCode, ErrorCode
from wonderzoom.protocol.values import CameraPose, NodeSummary
from wonderzoom.scene_graph.camera import Camera

log = logging.getLogger(__name__)

PATIENCE_S = 60.0  # a server remembers a viewer that long


@asynccontextmanager
async def connect(
    url: str,
    *,
    name: str = "",
    max_fps: float = 30.0,
    best_quality: int = 85,
    surfels: int | None = None,
    depth: bool = False,
    auto: bool = False,
    lod_bias: float = 0.0,
    fetch: bool = False,
    tls: ssl.SSLContext | None = None,
    patience: float = PATIENCE_S,
) -> AsyncGenerator[World, None]:
    """Enter the world behind a link, whose fragment has the token; leave it at the end.

    ``name``: what others see; ``max_fps`` and ``best_quality`` (JPEG): the most that is wanted; ``depth``: with frames,
    where the link has room for it (``Picture.depth``); ``lod_bias``: octaves coarser; ``surfels``: to draw by oneself
    (``scene``), and keep that many at most, instead of being sent frames, with ``fetch`` by names to be fetched, with
    ``auto`` only where the server finds that it suits (``streamed``); ``tls``: for https (``links.tls_context``);
    ``patience``: seconds without connection after which it is given up.
    Raises BadLink, CannotConnect, NotAllowed, Ended, BadServer; the world's methods raise what ended it.
    """
    link = Link.parse(url)
    hello = messages.Hello(
        protocol=(limits.PROTOCOL, limits.PROTOCOL),
        client=program(),
        codecs=["jpeg"] if surfels is None or auto else [],
        surfel_formats=[limits.SURFEL_FORMAT],
        token=link.token,
        name=name[: limits.MAX_NAME],
        world=link.world,
    )
    wishes = messages.Configure(max_fps=max_fps, best_quality=best_quality, depth=depth, lod_bias=lod_bias)
    if surfels is not None:
        kind = "auto" if auto else "surfels"
        wishes = msgspec.structs.replace(wishes, stream=kind, surfel_budget=surfels, fetch=fetch)

    async def dial(resume: str | None) -> Line:
        return await open_line(link, msgspec.structs.replace(hello, resume=resume), tls)

    world = World(await dial(None), dial, checked(wishes), patience)
    try:
        yield world
    finally:
        await world.close()


class World:
    """See the module docstring; made by ``connect``."""

    def __init__(
        self,
        line: Line,
        dial: Callable[[str | None], Awaitable[Line]],
        wishes: messages.Configure,
        patience: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._line, self._dial, self._wishes, self._patience = line, dial, wishes, patience
        self._outbox, self._to_send = Outbox(), asyncio.Event()
        self._jobs = Jobs()
        self.others = Others(self._jobs, self._say)  # follow them; kick, grant, lock
        self.bookmarks = Bookmarks(self._jobs, self._say, lambda: self.welcome.resume)
        self._slot = PictureSlot(self._acknowledge)
        self._events = Events()
        self.scene = Scene(wishes, self._loop.time, self._say)
        self._seq = 0
        self._looked: list[CameraPose] = []
        self._chosen: Literal["frames", "surfels"] = "frames"  # by the server
        self._over: ClientError | None = None
        self.welcome: messages.Welcome = line.welcome
        self.nodes: dict[str, NodeSummary] = {}  # all that exist
        self.revision = 0
        self.worlds: list[str] = []  # that the server has, by name
        self.presence: messages.Presence | None = None  # who is here, once it was told
        self.stats: messages.Stats | None = None
        self._enter(line, resumed=None)
        self._task = asyncio.create_task(self._live(), name="connection to a world")

    # ---- what is known --------------------------------------------------------------------------
    @property
    def camera(self) -> Camera:
        """Where this viewer looks: what it said last, or where the server lets it begin."""
        pose = self._looked[0] if self._looked else self.welcome.camera
        if pose is None:
            raise RequestFailed(
                ErrorCode.NOTHING_THERE, "the world is empty: there is no camera to begin with"
            )
        return camera_of(pose)

    @property
    def seq(self) -> int:
        """Of the camera that was said last; 0 before the first."""
        return self._seq

    @property
    def streamed(self) -> Literal["frames", "surfels"]:
        """What one is sent; it begins with frames where the server chooses (``Streamed`` tells of it)."""
        return self._chosen if self._wishes.stream == "auto" else self._wishes.stream

    @property
    def ended(self) -> ClientError | None:
        """Why it is over; None while it is not."""
        return self._over

    # ---- what one does --------------------------------------------------------------------------
    def stream(self, kind: Literal["frames", "surfels", "auto"]) -> None:
        """Be sent frames from now on, or surfels, or what suits; what ``scene`` holds stays, and goes on from there.

        Raises RequestFailed where the server streams none, and what ended the world."""
        if kind == "surfels" and self.welcome.surfel_format is None:
            raise RequestFailed(ErrorCode.UNSUPPORTED, "this server streams no surfels")
        self._wishes = msgspec.structs.replace(self._wishes, stream=kind)
        for have in self.scene.enter(self.welcome, self._wishes):
            self._say(have)
        self._say(self._wishes)

    def look(self, camera: Camera | CameraPose, beside: Camera | CameraPose | None = None) -> int:
        """Look so from now on; frames of it have the returned number as ``seq``, or a greater one.

        ``beside``: of the other eye, whose picture comes as ``Picture.beside``. The newest wins: of cameras that come
        faster than 120 a second some are never sent. Raises ValueError for one that the protocol has no room for.
        """
        if self._over is not None:
            raise self._over
        poses = [pose_of(each) if isinstance(each, Camera) else each for each in (camera, beside) if each]
        self._looked = checked(messages.Camera(seq=0, cameras=poses)).cameras
        self.others.looked()
        self._seq += 1
        self._say_camera()
        return self._seq

    async def frames(self) -> AsyncGenerator[Picture, None]:
        """What one sees, newest first: what was not asked for in time is left out. Ends with the world."""
        self._slot.begin()
        try:
            while (picture := await self._slot.next()) is not None:
                yield picture
        finally:
            self._slot.stop()

    async def frame(self, seq: int = 0, *, still: bool = True) -> Picture:
        """The first picture of the camera ``seq`` or a later one; by default at full quality."""
        frames = self.frames()
        try:
            async for picture in frames:
                if picture.seq >= seq and picture.still >= still:
                    return picture
        finally:
            await frames.aclose()
        raise self._over or Ended(CloseCode.NORMAL, "the world was left")

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

        ``replace``: a node that goes for it. Raises ValueError for what no zoom can be, RequestFailed where too many
        wait, and what ended the world; the server's answer is in what is returned.
        """
        message = messages.Zoom(
            request=self._jobs.name("z"),
            at=at,
            camera=None if camera is None else pose_of(camera),
            factor=factor,
            prompt=prompt,
            mode="add" if replace is None else "replace",
            node=replace,
            seed=seed,
        )
        return self._jobs.begin(Zooming(checked(message), self._say))

    async def pick(self, at: messages.Spot) -> messages.Picked:
        """What is at a point of a picture; without ``place`` nothing is. Raises RequestFailed."""
        message = messages.Pick(request=self._jobs.name("p"), at=at)
        return await self._jobs.begin(Picking(checked(message), self._say))

    async def remove(self, node: str) -> int:
        """Undo a zoom with all that was built on it; the revision of the world without it. Raises RequestFailed."""
        message = messages.RemoveNode(request=self._jobs.name("r"), node=node)
        return await self._jobs.begin(Removal(checked(message), self._say))

    async def restore(self, node: str) -> int:
        """Bring back a node that was removed, with what went with it; the revision with it. Raises RequestFailed."""
        message = messages.RestoreNode(request=self._jobs.name("r"), node=node)
        return await self._jobs.begin(Restoring(checked(message), self._say))

    async def upload(
        self, path: Path, progress: Callable[[messages.UploadStatus], None] | None = None
    ) -> str:
        """Make a world of a picture; its name. Raises OSError, and RequestFailed also where it is too large."""
        size = (await asyncio.to_thread(path.stat)).st_size
        if not 1 <= size <= limits.MAX_UPLOAD:
            raise RequestFailed(
                ErrorCode.TOO_LARGE, f"{path.name} has {size} bytes; allowed are 1 to {limits.MAX_UPLOAD}"
            )
        data = await asyncio.to_thread(path.read_bytes)
        digest = hashlib.sha256(data)
        begin = messages.UploadBegin(
            upload=digest.hexdigest()[:32],  # so that another run goes on where this one stopped
            name=path.name[: limits.MAX_FILE_NAME],
            bytes=len(data),
            sha256=digest.digest(),
        )
        return await self._jobs.begin(Uploading(begin, data, self._say, progress))

    def events(self) -> AsyncGenerator[Event, None]:
        """What happens from the first step of the loop on: commits, worlds, presence, numbers, errors that belong to no
        request, and the state of the connection. Of more than 256 unread ones the oldest are dropped; ``nodes`` is
        always whole. Raises what ended the world."""
        return self._events.listen()

    async def close(self) -> None:
        """Leave for good. Whoever still waits for something gets Ended."""
        self._end(Ended(CloseCode.NORMAL, "the world was left"))
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._line.close(for_good=True)

    # ---- the connection -------------------------------------------------------------------------
    async def _live(self) -> None:
        """Talk, and connect again, until it is over."""
        try:
            while True:
                ending = await self._talk(self._line)
                await self._line.close(for_good=False)
                self._line = line = await redial(
                    self._dial, self.welcome.resume, ending, self._patience, self._events.tell
                )
                resumed = line.welcome.viewer == self.welcome.viewer
                self._enter(line, resumed=resumed)
                self._events.tell(Reconnected(resumed))
        except ClientError as error:
            self._end(error)
        except Exception:  # a fault of ours, of which nobody who waits would hear otherwise
            log.exception("the task of a connection failed")
            self._end(Ended(1006, "the client failed; its log says how"))

    async def _talk(self, line: Line) -> ClientError:
        """Until the connection ends; why it does."""
        writer = asyncio.create_task(self._write(line), name="writer")
        try:
            while True:
                for message in await line.receive():
                    self._hear(message)
        except ClientError as error:
            return error
        finally:
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def _write(self, line: Line) -> None:
        while True:
            match self._outbox.next(self._loop.time()):
                case None:
                    self._to_send.clear()
                    await self._to_send.wait()
                case float() | int() as wait:
                    await asyncio.sleep(wait)
                case message:
                    await line.send(message)

    def _enter(self, line: Line, resumed: bool | None) -> None:
        """Take over what a welcome says; ``resumed`` is None the first time."""
        self.welcome = line.welcome
        self.nodes = {node.id: node for node in line.welcome.nodes}
        self.revision = line.welcome.revision
        self.worlds = line.welcome.worlds
        self._outbox.clear()
        self._slot.clear()
        for have in self.scene.enter(line.welcome, self._wishes):
            self._say(have)
        self._say(self._wishes)
        if self._looked:
            self._seq += 1
            self._say_camera()
        self.bookmarks.hear(line.welcome)
        self.others.again()
        if resumed:
            self._jobs.resumed(line.welcome)
        elif resumed is not None:
            self._jobs.forgotten()

    def _hear(self, message: messages.FromServer) -> None:
        match message:
            case messages.Frame():
                now = 1e3 * self._loop.time()
                latency = max(0.0, now - message.camera_time) / 1e3 if message.camera_time else 0.0
                self._slot.arrived(Picture(message, latency))
                return
            case messages.Surfels():
                self._say(self.scene.take(message))
                self._events.tell(Sharpened(message.revision, message.complete))
                return
            case messages.Commit():
                self.revision = message.revision
                for name in message.removed:
                    self.nodes.pop(name, None)
                self.nodes.update((node.id, node) for node in message.added)
            case messages.Worlds():
                self.worlds = message.worlds
            case messages.Presence():
                self.presence = message
            case messages.Stats():
                self.stats = message
            case messages.Streamed():
                self._chosen = message.kind
            case messages.Led():
                led = self.others.hear(message)
                self._looked = [led] if led is not None else self._looked
            case _:
                pass
        self.bookmarks.hear(message)
        answered = self._jobs.hear(message)
        if isinstance(message, Told) or (isinstance(message, messages.Error) and not answered):
            self._events.tell(message)

    def _end(self, error: ClientError) -> None:
        if self._over is None:
            self._over = error
            shown = None if isinstance(error, Ended) and error.code == CloseCode.NORMAL else error
            self._jobs.end(error)
            self._slot.end(shown)
            self._events.end(shown)
            self.scene.end(shown)

    def _say(self, message: messages.FromClient) -> None:
        if self._over is not None:
            raise self._over
        self._outbox.put(message)
        self._to_send.set()

    def _say_camera(self) -> None:
        time = 1e3 * self._loop.time()
        self._outbox.look(messages.Camera(seq=self._seq, cameras=self._looked, time=time))
        self._to_send.set()

    def _acknowledge(self, frame: int, seconds: float) -> None:
        if self._over is None:
            self._say(messages.Ack(frame=frame, decode=1e3 * seconds))
