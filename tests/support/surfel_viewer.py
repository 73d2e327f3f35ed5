"""A viewer who draws from surfels, without a connection: a server's account and what a client holds, side by side."""

from dataclasses import dataclass, field, replace

from wonderzoom.clients.surfels import HeldSurfels
from wonderzoom.protocol.codec import decode_from_server, encode
from wonderzoom.protocol.messages import Surfels
from wonderzoom.runtime.frames import settings_of
from wonderzoom.runtime.surfel_blocks import EncodedLevels
from wonderzoom.runtime.surfel_plan import Plan, make_plan
from wonderzoom.runtime.surfel_stream import DELTA_BYTES, IN_VIEW, Stream
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import RenderSettings
from wonderzoom.scene_graph.residency import FADE_S
from wonderzoom.scene_graph.world import World


@dataclass
class SurfelViewer:
    """Looks at a world; ``now`` is its clock."""

    world: World
    budget: int = 1_000_000
    encoded: EncodedLevels = field(default_factory=EncodedLevels)
    now: float = 0.0
    bytes: int = 0

    def __post_init__(self) -> None:
        self.stream = Stream(self.encoded, self.budget)
        self.held = HeldSurfels(self.budget)
        self.plan: Plan | None = None

    @property
    def settings(self) -> RenderSettings:
        return settings_of(self.world.header)

    def look(self, camera: Camera, ahead: Camera | None = None) -> Plan:
        """Turn to a camera."""
        before, view, held = self.plan, int(IN_VIEW * self.budget), self.stream.held
        self.plan = make_plan(self.world, camera, self.settings, view, before, ahead, held)
        return self.plan

    def hear(self, size: int = DELTA_BYTES, *, quick: bool = False) -> Surfels | None:
        """Take the next delta, as it arrives."""
        assert self.plan is not None
        delta = self.stream.next(self.plan, 0, size, quick)
        if delta is None:
            return None
        data = encode(delta)
        arrived = decode_from_server(data)
        assert isinstance(arrived, Surfels)
        self.bytes += len(data)
        self.held.take(arrived, self.now)
        assert self.stream.count <= self.budget
        known = (
            not self.stream.fetch and not self.stream._claimed
        )  # where all that is held has come by deltas
        assert not known or self.held.count == self.stream.count
        return arrived

    def see_all(self, camera: Camera, *, quick: bool = False) -> list[Surfels]:
        """Look, and wait until nothing more comes and nothing fades."""
        self.look(camera)
        heard: list[Surfels] = []
        while (delta := self.hear(quick=quick)) is not None:
            heard.append(delta)
            assert len(heard) < 1000
        self.now += 2.0 * FADE_S
        return heard

    def with_budget(self, budget: int) -> "SurfelViewer":
        """Another one."""
        return replace(self, budget=budget, bytes=0)
