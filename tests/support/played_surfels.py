"""The page and a world of surfels from a server that plays: what is sent when is up to the test."""

import asyncio
import hashlib
import threading
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from played_server import Guest, PlayedServer
from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from wonderzoom.clients.poses import address_of, camera_of, pose_of
from wonderzoom.protocol.limits import SURFEL_FORMAT
from wonderzoom.protocol.messages import Camera, Configure, Have, Surfels
from wonderzoom.protocol.values import BoundsPatch, ShownBlock, SurfelLevel
from wonderzoom.runtime.server import page_files
from wonderzoom.runtime.surfel_blocks import bounds_of, payload_of, wire_name
from wonderzoom.scene_graph import camera as scene_camera
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.surfels import Block
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

Change = Callable[[VisibleSet], VisibleSet]


class PlayedSurfels:
    """``with PlayedSurfels(world, settings, first) as server: page.goto(server.link)``."""

    def __init__(self, world: World, settings: RenderSettings, first: scene_camera.Camera) -> None:
        self.world, self.settings, self.first = world, settings, first
        self.change: Change = lambda visible: visible  # of every visible set
        self.silent = False  # cameras are not answered
        self.sent: list[Surfels] = []
        self.had: list[list[bytes]] = []  # what a page said that it has, by connection
        self.camera: scene_camera.Camera | None = None  # the page's newest
        self._told: dict[int, set[bytes]] = {}  # by connection: levels that its page has
        self._bounds: dict[bytes, int] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._played: PlayedServer | None = None
        self._end: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="played surfels")
        self._begun = threading.Event()

    # ---- for the test ---------------------------------------------------------------------------
    @property
    def link(self) -> str:
        assert self._played is not None
        return self._played.link.replace("localhost", "127.0.0.1").replace("/#", "/?stream=surfels#")

    def __enter__(self) -> "PlayedSurfels":
        self._thread.start()
        assert self._begun.wait(30.0)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._loop is not None and self._end is not None
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join(30.0)

    def do(self, act: Callable[[Guest], object]) -> None:
        """Something with the newest connection."""
        asyncio.run_coroutine_threadsafe(self._do(act), self._required()).result(30.0)

    def answer_again(self) -> None:
        """Tell the newest camera's view once more, as after a commit."""
        self.do(lambda guest: self._tell(guest, guest.all_heard(Camera)[-1]))

    def forget(self) -> None:
        """No page has anything."""
        self._told.clear()

    def visible(self) -> VisibleSet:
        """What the page was asked to show at its newest camera."""
        assert self.camera is not None
        return self.change(visible_set(self.world, self.camera, self.settings))

    # ---- the server -----------------------------------------------------------------------------
    def _required(self) -> asyncio.AbstractEventLoop:
        assert self._loop is not None
        return self._loop

    async def _do(self, act: Callable[[Guest], object]) -> None:
        assert self._played is not None
        act(self._played.guest)

    async def _run(self) -> None:
        self._loop, self._end = asyncio.get_running_loop(), asyncio.Event()
        files = page_files()

        def page(_connection: ServerConnection, request: Request) -> Response | None:
            path = request.path.partition("?")[0]
            if path == "/ws":
                return None
            kind, body = files["index.html" if path == "/" else path.removeprefix("/static/")]
            headers = Headers({"Content-Type": kind, "Content-Length": str(len(body))})
            return Response(HTTPStatus.OK, "OK", headers, body)

        async with PlayedServer() as played:
            self._played = played
            played.http = page
            played.shows = False
            played.welcome = {
                "camera": pose_of(self.first), "h_ref": self.settings.h_ref, "metric": self.settings.metric,
                "background": self.settings.background, "surfel_format": SURFEL_FORMAT, "nodes": [],
            }  # fmt: skip
            played.on = {Camera: self._looked, Configure: self._configured, Have: self._has}
            self._begun.set()
            await self._end.wait()

    def _has(self, guest: Guest, message: Have) -> None:
        names = [level.hash for level in message.levels]
        self._told.setdefault(id(guest), set()).update(names)
        self.had.append(names)

    def _configured(self, guest: Guest, message: Configure) -> None:
        if message.stream == "surfels" and (looks := guest.all_heard(Camera)) and not self.silent:
            self._tell(guest, looks[-1])

    def _looked(self, guest: Guest, message: Camera) -> None:
        self.camera = camera_of(message.cameras[0])
        asked = guest.all_heard(Configure)
        if not self.silent and asked and asked[-1].stream == "surfels":
            self._tell(guest, message)

    def _tell(self, guest: Guest, look: Camera) -> None:
        """All that a camera asks for, in one delta."""
        camera = camera_of(look.cameras[0])
        visible = self.change(visible_set(self.world, camera, self.settings))
        told = self._told.setdefault(id(guest), set())
        levels, bounds, spans = [], [], {}
        for block, number, residency, below in zip(
            visible.blocks, visible.mips, visible.residencies, visible.child_residencies, strict=True
        ):
            name = wire_name(block, number)
            revision = block.bounds.revision
            owner = self._owner(block)
            shown = spans.get(owner, ShownBlock(block=owner, finest=number, coarsest=number))
            spans[owner] = ShownBlock(
                block=owner, finest=min(shown.finest, number), coarsest=max(shown.coarsest, number),
                residency=residency, child_residency=below,
            )  # fmt: skip
            if name not in told:
                told.add(name)
                levels.append(
                    SurfelLevel(
                        hash=name, block=owner, node=block.node, cell=address_of(block.cell), level=number,
                        count=block.count, payload=payload_of(block), bounds=bounds_of(block), bounds_revision=revision,
                    )
                )  # fmt: skip
            elif self._bounds.get(name) != revision:
                bounds.append(BoundsPatch(hash=name, bounds=bounds_of(block), bounds_revision=revision))
            self._bounds[name] = revision
        delta = Surfels(
            delta=len(self.sent), revision=self.world.revision, camera_seq=look.seq, anew=True, levels=levels,
            bounds=bounds, show=list(spans.values()), complete=True,
        )  # fmt: skip
        self.sent.append(delta)
        guest.say(delta)

    @staticmethod
    def _owner(block: Block) -> bytes:
        """What all levels of a block's pyramid have in common."""
        return hashlib.blake2b(repr((block.node, block.cell)).encode(), digest_size=16).digest()


def frames_page(link: str) -> str:
    """The same page without a wish for surfels."""
    return link.replace("?stream=surfels", "")


def complaints(page: Any) -> list[str]:
    """What a page's console complains of, from now on."""
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(f"error: {error}"))
    page.on(
        "console",
        lambda message: (
            said.append(message.text)
            if message.type in ("error", "warning")
            and "GPU stall" not in message.text
            and "WebSocket" not in message.text
            else None
        ),
    )
    return said
