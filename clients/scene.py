"""The surfels of one connection, for whoever draws them: what to draw now, and when all of it is there.

async with connect(url, surfels=1_000_000) as world:
    seq = world.look(camera)
    await world.scene.whole(seq)
    picture = renderer.render(world.scene.drawn(), camera, world.scene.settings)
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterable, Sequence

from wonderzoom.clients.errors import BadServer, ClientError, Ended, RequestFailed
from wonderzoom.clients.surfels import HeldSurfels
from wonderzoom.protocol import limits, messages
from wonderzoom.protocol.errors import CloseCode, ErrorCode, Malformed
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet

_WAIT_S = 0.015  # for a delta that is being taken: about a frame of a display


class Scene:
    """See the module docstring; belongs to one event loop. Without surfels in ``wishes`` it stays empty."""

    def __init__(
        self,
        wishes: messages.Configure,
        clock: Callable[[], float],
        say: Callable[[messages.Have | messages.Evicted], None],
    ) -> None:
        self.held = HeldSurfels(wishes.surfel_budget)
        self._say = say
        self.bytes = 0  # of payloads and bounds so far
        self.deltas = 0
        self._wishes, self._clock = wishes, clock
        self._settings: RenderSettings | None = None
        self._drawn: VisibleSet | None = None
        self._lock = threading.Lock()  # of ``held``
        self._changed = asyncio.Event()
        self._over: ClientError | None = None

    @property
    def settings(self) -> RenderSettings:
        """How it is drawn."""
        assert self._settings is not None  # there is no world without a welcome
        return self._settings

    def drawn(self) -> VisibleSet:
        """What to draw now, as far as it has faded in; the same object while nothing moves.

        In any thread. Drawing hardly waits for a delta that is being taken: it is what was drawn last, then.
        """
        if self._lock.acquire(timeout=-1 if self._drawn is None else _WAIT_S):
            try:
                self._drawn = self.held.drawn(self._clock())
            finally:
                self._lock.release()
        assert self._drawn is not None
        return self._drawn

    @property
    def settled(self) -> bool:
        """Whether a still camera's picture is the last one. In any thread."""
        with self._lock:
            return self.held.settled(self._clock())

    async def changed(self) -> None:
        """Until the next delta has arrived. Raises what ended the world."""
        self._changed.clear()
        await self._changed.wait()
        if self._over is not None:
            raise self._over

    async def whole(self, seq: int = 0, revision: int = 0) -> None:
        """Until all that a camera (``World.look``) asks for at a revision is here. Raises what ended the world.

        Where the server chooses what one is sent that is never, as long as it sends frames."""
        if self._wishes.stream == "frames":
            raise RequestFailed(ErrorCode.UNSUPPORTED, "connect with surfels= to be sent any")
        held = self.held
        while not (held.complete and held.camera_seq >= seq and held.revision >= revision):
            await self.changed()

    def fetched(self, name: bytes, payload: bytes) -> None:
        """A payload of ``held.awaited`` that was fetched by its name. Raises BadBlock."""
        with self._lock:
            known = self.held.fetched(name, payload)
        if known is not None:
            self._say(messages.Have(levels=[known]))

    def give_up(self, names: Sequence[bytes]) -> None:
        """Forget levels for which there is no room; they come again when they are needed."""
        with self._lock:
            self.held.give_up(names)
        for start in range(0, len(names), limits.MAX_NAMED):
            self._say(messages.Evicted(hashes=list(names[start : start + limits.MAX_NAMED])))

    # ---- for the connection -------------------------------------------------------------------------
    def enter(
        self, welcome: messages.Welcome, wishes: messages.Configure | None = None
    ) -> Iterable[messages.Have]:
        """On a new connection, or with other wishes: what to say before ``configure``.

        Raises BadServer where surfels are not served.
        """
        self._wishes = wishes or self._wishes
        served = welcome.surfel_format == limits.SURFEL_FORMAT
        if self._wishes.stream == "frames" or (self._wishes.stream == "auto" and not served):
            return ()
        if not served:
            raise BadServer("this server streams no surfels that this client reads")
        self._settings = RenderSettings(
            welcome.h_ref, welcome.metric, welcome.background, lod_bias=self._wishes.lod_bias, mips=True
        )
        self.held.complete = False
        known, most = self.held.known(), limits.MAX_NAMED
        return [messages.Have(levels=known[start : start + most]) for start in range(0, len(known), most)]

    def take(self, delta: messages.Surfels) -> messages.Ack:
        """A delta came; its acknowledgement. Raises BadServer."""
        begun = self._clock()
        try:
            with self._lock:
                self.held.take(delta, begun)
        except Malformed as error:
            raise BadServer(f"the server broke the protocol: {error}") from error
        self.deltas += 1
        self.bytes += sum(len(each.payload or b"") + len(each.bounds) for each in delta.levels)
        self._changed.set()
        return messages.Ack(delta=delta.delta, decode=1e3 * (self._clock() - begun))

    def end(self, error: ClientError | None) -> None:
        """Nothing comes any more."""
        self._over = error or Ended(CloseCode.NORMAL, "the world was left")
        self._changed.set()
