"""What a frame loop asks of whatever draws: orders, and the pictures that come of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

from wonderzoom.runtime.pacing import Rung
from wonderzoom.scene_graph.camera import Camera


@dataclass(frozen=True, slots=True)
class Drawn:
    """What ``draw`` made."""

    payload: bytes
    camera: Camera
    revision: int
    render_s: float  # of the whole call of the renderer
    encode_s: float
    sharing: int = 1  # frames that were rendered in that call
    settled: bool = True  # nothing fades, nothing is on its way
    key: bool = False  # of H.264: a decoder may begin with it

    @property
    def cost_s(self) -> float:
        """This frame's part of the time that it took."""
        return self.render_s / self.sharing + self.encode_s


@dataclass(frozen=True, slots=True)
class Order:
    """A frame to be drawn; ``camera`` has the viewport's resolution, ``rung`` says how much of it.

    ``viewer`` is in whose time what arrives in the world fades in: who it is for, or whom they follow. Equal orders are
    one picture.
    """

    camera: Camera
    rung: Rung
    still: bool
    viewer: str


class Draw(Protocol):
    """Renders and encodes one frame elsewhere; see ``Order``."""

    def __call__(self, camera: Camera, rung: Rung, still: bool, viewer: str) -> Awaitable[Drawn]: ...


class DrawTogether(Protocol):
    """Renders several frames in one call; when that is over, each can be awaited while it is encoded."""

    def __call__(self, orders: Sequence[Order]) -> Awaitable[Sequence[Awaitable[Drawn]]]: ...


@dataclass(frozen=True, slots=True)
class Together:
    """A renderer that draws ``most`` frames in one call, at most."""

    most: int
    draw: DrawTogether


def one_by_one(draw: Draw) -> DrawTogether:
    """``draw`` as a call of one frame, which is encoded when it is over."""

    async def together(orders: Sequence[Order]) -> list[Awaitable[Drawn]]:
        (order,) = orders
        made: asyncio.Future[Drawn] = asyncio.get_running_loop().create_future()
        made.set_result(await draw(order.camera, order.rung, order.still, order.viewer))
        return [made]

    return together
