"""Frames of a world that grows while it is looked at: drawn and encoded in threads, never on the event loop.

A renderer that draws several pictures in one call gets those of one moment together; what it has drawn is encoded
in other threads, picture by picture, while it draws the next. Where the CPU draws, a frame has one thread throughout.
A still whose view was just drawn at full resolution is that picture once more, encoded better.

The drawn world is a replica: the writer has another. A commit is applied to it between two frames' visible
sets, in the writer's thread, so that the loop waits for neither. What is not in memory is read in the background, and
fades in (``sight``).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wonderzoom.protocol.limits import MAX_PICTURE
from wonderzoom.runtime.build import Painter
from wonderzoom.runtime.encoders import depth_of, encode_within
from wonderzoom.runtime.frames import settings_of
from wonderzoom.runtime.last_pictures import LastPictures
from wonderzoom.runtime.loading import Loader
from wonderzoom.runtime.orders import Drawn, DrawTogether, Order, Shown, Together
from wonderzoom.runtime.pacing import LADDER
from wonderzoom.runtime.platform import usable_threads
from wonderzoom.runtime.pyramids import Pyramids
from wonderzoom.runtime.sight import Seen, Sight, in_memory
from wonderzoom.runtime.video import Videos
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.commit import Commit
from wonderzoom.scene_graph.picking import Pick, pick
from wonderzoom.scene_graph.ports import BatchRenderer, Look, RenderSettings
from wonderzoom.scene_graph.surfels import BlockLost
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

_LEAST_SIDE = 16  # pixels: a frame is never smaller than this
_PICK_SIDE = 3  # pixels drawn around a picked point
_SIGHTS = (
    64  # viewers whose last picture is remembered: twice as many as may be in a world, unless told otherwise
)
_LAST_PICTURES = 64 << 20  # bytes: of 64 viewers at 640x360, or of eight at full HD
_ENOUGH = 1 << 62  # bytes: no bound

_T = TypeVar("_T")
_Render = Callable[[Sequence[Look]], Sequence[NDArray[np.uint8]]]


@dataclass(frozen=True, slots=True)
class _Painted:
    """What one camera sees."""

    camera: Camera  # in the resolution of the picture
    pixels: NDArray[np.uint8]  # [H, W, 4]
    zeta: NDArray[np.float32] | None  # [H, W], where it was asked for


@dataclass(frozen=True, slots=True)
class _Picture:
    """A frame that is not encoded yet."""

    eyes: tuple[_Painted, ...]
    revision: int
    lod_bias: float
    render_s: float
    sharing: int
    settled: bool
    final: bool  # the next one of the same view would be the same

    @property
    def cameras(self) -> tuple[Camera, ...]:
        return tuple(eye.camera for eye in self.eyes)

    @property
    def nbytes(self) -> int:
        return sum(eye.pixels.nbytes + (0 if eye.zeta is None else eye.zeta.nbytes) for eye in self.eyes)

    def serves(self, order: Order) -> bool:
        """Whether it shows that as it is wanted."""
        deep = all(eye.zeta is not None for eye in self.eyes)
        return self.lod_bias == order.lod_bias and (deep or not order.depth)

    @property
    def again(self) -> _Picture:
        """Itself, for another frame."""
        return replace(self, render_s=0.0, sharing=1)


class Drawing:
    """A world as frames and picks. ``lanes`` of them are made at a time.

    ``budget``: surfels in a frame at most; what that leaves out is drawn coarser. ``room``: bytes that the blocks of
    one view may take, where the world is larger than memory.
    """

    def __init__(
        self,
        world: World,
        renderer: Painter,
        lanes: int = 1,
        budget: int | None = None,
        room: int = _ENOUGH,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._budget = budget
        self._world, self._renderer, self.lanes = world, renderer, lanes
        self._room, self._clock = room, clock
        self._lock = threading.Lock()
        self.surfels = sum(block.count for block in world.blocks)
        self._pool = ThreadPoolExecutor(lanes, thread_name_prefix="draw")
        self._encoders: ThreadPoolExecutor | None = None
        self.together: Together | None = None  # where the renderer draws several frames in one call
        if isinstance(renderer, BatchRenderer):
            self._encoders = ThreadPoolExecutor(
                min(usable_threads(), renderer.together), thread_name_prefix="encode"
            )
            self.together = Together(renderer.together, self._drawn_together(renderer, self._encoders))
        self._loader = Loader()
        self._sights: OrderedDict[str, Sight] = OrderedDict()  # by viewer; who looked last is last
        self._pyramids = Pyramids(room // 4, self._lock)  # a pyramid has a third of its block's surfels
        self._last: LastPictures[_Picture] = LastPictures(_LAST_PICTURES)
        self._videos = Videos(_SIGHTS)

    def when_finer(self, call: Callable[[], None]) -> None:
        """Have ``call`` made, in any thread, when frames that are the same no more could be drawn: as pyramids came."""
        self._pyramids.finished = call

    def apply(self, commit: Commit) -> None:
        """Show a commit from now on. In any thread."""
        self._keep(commit)
        with self._lock:
            gone = [block for name in commit.removed for block in self._world.blocks_of(name)]
            self._world.apply(commit)
            self.surfels += sum(block.count for block in commit.blocks)
            self.surfels -= sum(block.count for block in gone)

    def reading(self, look: Callable[[World], _T]) -> _T:
        """What ``look`` finds in the world, which stays as it is meanwhile; no frame begins before it returns."""
        with self._lock:
            return look(self._world)

    async def draw(self, order: Order) -> Drawn:
        """A frame; see ``orders.Draw``. For no viewer: when all is there."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._draw, order)

    async def foresee(self, camera: Camera) -> None:
        """Have the pyramids made that small pictures of this view need, and small screens: beside all that is drawn."""
        await asyncio.get_running_loop().run_in_executor(self._pool, self._foresee, camera)

    def begin_video(self, viewer: str) -> None:
        """The viewer's next frame of H.264, if there is one, is one that a decoder can begin with."""
        self._videos.begin(viewer)

    async def pick(self, camera: Camera, u: float, v: float) -> Pick | None:
        """What the frame of ``camera`` shows at (u, v), shares of it in [0, 1]; None for nothing."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._pick, camera, u, v)

    def close(self) -> None:
        """Finish what is being drawn and end the threads."""
        self._pool.shutdown()
        if self._encoders is not None:
            self._encoders.shutdown()
        self._loader.close()
        self._pyramids.close()

    def _drawn_together(self, renderer: BatchRenderer, encoders: ThreadPoolExecutor) -> DrawTogether:
        """Several frames by one call of ``renderer``."""

        async def together(orders: Sequence[Order]) -> list[Awaitable[Drawn]]:
            loop = asyncio.get_running_loop()
            pictures = await loop.run_in_executor(self._pool, self._pictures, orders, renderer.render_colors)
            return [
                loop.run_in_executor(encoders, self._encoded, picture, order)
                for picture, order in zip(pictures, orders, strict=True)
            ]

        return together

    # ---- in a thread ----------------------------------------------------------------------------
    def _foresee(self, camera: Camera) -> None:
        (small,), settings = _sized(Order((camera,), LADDER[-1], False)), settings_of(self._world.header)
        with self._lock:
            visible_set(self._world, small, settings, later=self._pyramids.later)

    def _keep(self, commit: Commit) -> None:
        """What is shown now and only gets other bounds stays in memory: it must not vanish until it is read again."""
        for patch in commit.patches:
            with self._lock:
                known = self._world.octree.block(patch.node, patch.cell)
            if known.in_memory:
                self._loader.read(known.with_bounds(patch.limits))

    def _draw(self, order: Order) -> Drawn:
        (picture,) = self._pictures([order], self._one)
        return self._encoded(picture, order)

    def _encoded(self, picture: _Picture, order: Order) -> Drawn:
        begun, key = time.perf_counter(), False
        if order.rung.codec == "h264":
            (eye,) = picture.eyes  # two have no H.264: see ``pacing``
            packet = self._videos.encode(order.viewer, eye.pixels, order.rung.quality)
            payloads, key = [packet.payload], packet.key
        else:
            pixels = [eye.pixels for eye in picture.eyes]
            payloads = encode_within(MAX_PICTURE, pixels, order.rung.quality, still=order.still)
        depths = [
            depth_of(eye.zeta, eye.camera, still=order.still)
            if order.depth and eye.zeta is not None
            else None
            for eye in picture.eyes
        ]
        if sum(map(len, payloads)) + sum(len(depth.payload) for depth in depths if depth) > MAX_PICTURE:
            depths = [None] * len(depths)
        views = map(Shown, picture.cameras, payloads, depths)
        encode_s = time.perf_counter() - begun
        return Drawn(
            tuple(views), picture.revision, picture.render_s, encode_s, picture.sharing, picture.settled, key
        )

    def _one(self, looks: Sequence[Look]) -> list[NDArray[np.uint8]]:
        return [self._renderer.render_color(look.visible, look.camera, look.settings) for look in looks]

    def _pictures(self, orders: Sequence[Order], render: _Render) -> list[_Picture]:
        """What each order sees, by one call at most, but for those with depth."""
        shown = [self._shown(order) for order in orders]
        lacking = [order for order, picture in zip(orders, shown, strict=True) if picture is None]
        if not lacking:
            return [picture for picture in shown if picture is not None]
        with self._pyramids.frame():
            made = iter(self._rendered(lacking, render))
        return [next(made) if picture is None else picture for picture in shown]

    def _shown(self, order: Order) -> _Picture | None:
        """What a still shows if it was just drawn."""
        picture = self._last.take(order.viewer, _sized(order), self._world.revision)
        return picture.again if picture is not None and order.still and picture.serves(order) else None

    def _rendered(self, orders: Sequence[Order], render: _Render) -> list[_Picture]:
        """What each order sees of one state of the world."""
        begun = time.perf_counter()
        settings = settings_of(self._world.header, budget=self._budget)
        asked = [
            (order, camera, replace(settings, lod_bias=order.lod_bias))
            for order in orders
            for camera in _sized(order)
        ]
        while True:
            try:
                with self._lock:
                    seen = [self._seen(camera, own, order.viewer) for order, camera, own in asked]
                for order, of in zip(orders, _shared_out(seen, orders), strict=True):
                    if order.viewer:
                        self._loader.want(order.viewer, [block for each in of for block in each.lacking])
                looks = [
                    Look(each.visible, camera, own)
                    for each, (_, camera, own) in zip(seen, asked, strict=True)
                ]
                painted = self._painted(looks, [order.depth for order, _, _ in asked], render)
                break
            except BlockLost as error:
                # It was evicted meanwhile, and can't be read again: once more, without it.
                if not self._give_up(error):
                    raise
        took = time.perf_counter() - begun
        found = [
            _Picture(
                tuple(eyes), of[0].visible.revision, order.lod_bias, took, len(orders),
                all(each.settled for each in of), all(each.final for each in of),
            )
            for order, eyes, of in zip(orders, _shared_out(painted, orders), _shared_out(seen, orders), strict=True)
        ]  # fmt: skip
        for order, picture in zip(orders, found, strict=True):
            if order.viewer and picture.final and not order.still and order.rung.scale == 1.0:
                self._last.keep(order.viewer, picture)
        for (order, camera, own), each in zip(asked, seen, strict=True):
            if order.viewer and not each.lacking:
                with suppress(RuntimeError):  # it closes
                    self._pool.submit(self._look_ahead, camera, own, order.viewer)
        return found

    def _painted(self, looks: Sequence[Look], deep: Sequence[bool], render: _Render) -> list[_Painted]:
        """The picture of each look; those that are ``deep`` one by one, with their depths."""
        flat = [look for look, with_depth in zip(looks, deep, strict=True) if not with_depth]
        pictures = iter(render(flat) if flat else ())
        return [
            _Painted(look.camera, *self._renderer.render_depth(look.visible, look.camera, look.settings))
            if with_depth
            else _Painted(look.camera, next(pictures), None)
            for look, with_depth in zip(looks, deep, strict=True)
        ]

    def _look_ahead(self, camera: Camera, settings: RenderSettings, viewer: str) -> None:
        """After a frame, and before the next one of anybody: what its viewer may see soon is read meanwhile."""
        with self._lock:
            sight, lost = self._sight(viewer), self._loader.lost
            beside = sight.look_ahead(self._world, camera, settings, self._clock(), lost)
        if beside:
            self._loader.want(viewer, beside)

    def _seen(self, camera: Camera, settings: RenderSettings, viewer: str) -> Seen:
        sight, octree = self._sight(viewer), self._world.octree
        if viewer:
            now, lost, later = self._clock(), self._loader.lost, self._pyramids.later
            seen = sight.see(self._world, camera, settings, now, lost, later)
        else:
            seen = Seen(sight.whole(self._world, camera, settings), True, True)
        keys = dict.fromkeys(block.key for block in seen.visible.blocks)
        self._pyramids.drawn(octree.block(*key) for key in keys if key in octree)
        return seen

    def _give_up(self, error: BlockLost) -> bool:
        with self._lock:
            octree, key = self._world.octree, (error.node, error.cell)
            return key in octree and self._loader.give_up(octree.block(*key), error)

    def _sight(self, viewer: str) -> Sight:
        """What a viewer was shown so far; for nobody, a new one each time."""
        sight = self._sights.pop(viewer, None) or Sight(in_memory, self._loader.read, self._room)
        if viewer:
            self._sights[viewer] = sight
            while len(self._sights) > _SIGHTS:
                self._sights.popitem(last=False)
        return sight

    def _pick(self, camera: Camera, u: float, v: float) -> Pick | None:
        """By a picture of a few pixels around the point: as exact as the whole, for the cost of what is there."""
        x, y = min(u * camera.width, camera.width - 1e-6), min(v * camera.height, camera.height - 1e-6)
        middle = _PICK_SIDE / 2
        around = replace(
            camera, width=_PICK_SIDE, height=_PICK_SIDE, cx=camera.cx - x + middle, cy=camera.cy - y + middle
        )
        settings = settings_of(
            self._world.header, mips=False
        )  # a place is a surfel's own, not a mean of many
        with self._lock:
            visible = self._sight("").whole(self._world, around, settings)
        rendered = self._renderer.render(visible, around, settings)
        return pick(rendered, visible, around, middle, middle)


def _sized(order: Order) -> tuple[Camera, ...]:
    """The cameras with pictures as large as the rung says."""
    scale = order.rung.scale
    if scale == 1.0:
        return order.cameras
    return tuple(
        camera.resized(*(max(_LEAST_SIDE, round(side * scale)) for side in (camera.width, camera.height)))
        for camera in order.cameras
    )


def _shared_out(each: Sequence[_T], orders: Sequence[Order]) -> list[Sequence[_T]]:
    """What belongs to cameras, by the orders that these are of."""
    rest = iter(each)
    return [[next(rest) for _ in order.cameras] for order in orders]
