"""What a frame loop asks of whatever draws: orders, and the pictures that come of them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Protocol

from wonderzoom.protocol.values import Depth
from wonderzoom.runtime.pacing import Rung
from wonderzoom.scene_graph.camera import Camera


@dataclass(frozen=True, slots=True)
class Shown:
    """One picture of a frame, encoded."""

    camera: Camera  # that it was drawn with, in the resolution of the picture
    payload: bytes
    depth: Depth | None = None


@dataclass(frozen=True, slots=True)
class Drawn:
    """What ``draw`` made."""

    views: tuple[Shown, ...]  # of each camera of the order
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

    @property
    def picture_bytes(self) -> int:
        """Of the pictures alone."""
        return sum(len(view.payload) for view in self.views)

    @property
    def depth_bytes(self) -> int:
        """Of their depths."""
        return sum(len(view.depth.payload) for view in self.views if view.depth is not None)


@dataclass(frozen=True, slots=True)
class Order:
    """A frame to be drawn.

    ``cameras``, one or an eye's each, have the viewport's resolution, ``rung`` says how much of it. ``viewer`` is in
    whose time what arrives in the world fades in: who it is for, or whom they follow; ``depth``: with the depths of the
    pictures; ``lod_bias``: octaves coarser. Equal orders are one frame.
    """

    cameras: tuple[Camera, ...]
    rung: Rung
    still: bool
    viewer: str = ""
    depth: bool = False
    lod_bias: float = 0.0


class Draw(Protocol):
    """Renders and encodes one frame elsewhere."""

    def __call__(self, order: Order) -> Awaitable[Drawn]: ...


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
        made.set_result(await draw(order))
        return [made]

    return together
