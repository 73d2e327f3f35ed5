"""Hands on the world: pointer, wheel and keys become motions of the camera about what is under the pointer.

The same gestures, speeds and keys as on the page (``clients/web/controls.js``). Knows no window: whoever has one tells
what happens, in pixels of the camera and seconds of any clock.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from wonderzoom.clients.desktop import motions
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.flight import fly
from wonderzoom.scene_graph.motions import CameraPath

Button = Literal["left", "right"]

_CLICK_PX = 6.0  # a click whose pointer moved further is a drag
_CLICK_S = 0.5
_WHEEL_GESTURE_S = 0.25  # turns of a wheel that follow within this belong to one gesture
_LN_PER_NOTCH = 0.16  # of magnification
_ZOOM_S = 0.07  # in which a zoom by the wheel is two thirds done
_ORBIT_PER_PX = 0.005  # radians
_GLIDE_S = 0.18  # in which a thrown picture slows to a third
_SLOWEST = 20.0  # pixels a second: a thrown picture stands still
_THROWN_S = 0.06  # a picture that rested longer before it was let go is not thrown
_STEP_S = 0.1  # the longest step of a motion
_KEY_VIEWS = 0.7  # views a second, by arrows
_KEY_E_FOLDS = 1.4  # of magnification a second
_KEY_TURN = 0.9  # radians a second
# What keys do that are held, in + and - of each.
_RIGHT, _DOWN, _ASIDE = ({"right"}, {"left"}), ({"down"}, {"up"}), ({"d"}, {"a"})
_CLOSER, _YAW, _PITCH = ({"w", "+", "="}, {"s", "-"}), ({"e"}, {"q"}), ({"r"}, {"f"})
HELD_KEYS = frozenset(
    key for both in (_RIGHT, _DOWN, _ASIDE, _CLOSER, _YAW, _PITCH) for keys in both for key in keys
)


class Listener(Protocol):
    """Who is told what hands want that is no motion."""

    def pick(self, u: float, v: float) -> None:
        """A gesture begins at a pixel: the pivot should go to the depth of what is there."""
        ...

    def click(self, u: float, v: float) -> None:
        """Somebody clicked at a pixel."""
        ...

    def moved(self) -> None:
        """A hand moved the camera."""
        ...


@dataclass(slots=True)
class _Drag:
    """A button that is held."""

    button: Button
    x: float
    y: float
    begun: float
    travelled: float = 0.0
    last: float = 0.0


@dataclass(slots=True)
class Hands:
    """Where one looks, and what moves it. ``bound``: what a hand may not go beyond."""

    listener: Listener
    bound: Callable[[Camera], Camera] = lambda camera: camera
    camera: Camera | None = None
    orbiting: bool = False  # whether the left button orbits instead of moving the picture
    _drag: _Drag | None = None
    _wheel_at: float = -math.inf
    _pending: tuple[float, float, float] = (0.0, 0.0, 0.0)  # ln of a zoom that is not done yet, at (u, v)
    _glide: tuple[float, float] = (0.0, 0.0)  # pixels a second
    _held: set[str] = field(default_factory=set[str])
    _flight: tuple[CameraPath, float] | None = None  # and when it began

    # ---- where one looks ------------------------------------------------------------------------
    @property
    def flying(self) -> bool:
        """Whether a flight goes on."""
        return self._flight is not None

    def look(self, camera: Camera | None) -> None:
        """Look so, at once."""
        self._flight, self.camera = None, camera

    def fly(self, target: Camera, now: float) -> None:
        """Fly to what a camera of any window shows; a hand on the way ends the flight."""
        if self.camera is None:
            self.look(target)
            return
        end = motions.covering(target, self.camera.width, self.camera.height)
        self._flight = (fly(self.camera, end), now)

    def resize(self, width: int, height: int) -> None:
        """The window has another size."""
        if self.camera is not None and (self.camera.width, self.camera.height) != (width, height):
            self.camera = self.camera.resized(width, height)
            self._flight = None

    def pivot(self, zeta: float) -> None:
        """The pivot goes to a depth, native pixels; the picture stays, and so does a flight."""
        if self.camera is not None and not self.flying:
            self.camera = motions.at_depth(self.camera, zeta)

    # ---- pointer --------------------------------------------------------------------------------
    def press(self, button: Button, x: float, y: float, now: float) -> None:
        """A button goes down at a pixel."""
        self._drag = _Drag(button, x, y, now)
        self._glide, self._pending = (0.0, 0.0), (0.0, 0.0, 0.0)
        self.listener.pick(x, y)

    def point(self, x: float, y: float, now: float, *, turning: bool = False) -> None:
        """The pointer is at a pixel; ``turning``: with a key that orbits instead of moving, or the other way round."""
        drag = self._drag
        if drag is None or self.camera is None:
            return
        dx, dy = x - drag.x, y - drag.y
        drag.travelled = max(drag.travelled, math.hypot(dx, dy))
        if drag.travelled < _CLICK_PX:
            return  # nothing of the way is lost
        drag.x, drag.y = x, y
        if self.orbiting != (turning or drag.button == "right"):
            self._move(self.camera.orbited(-dx * _ORBIT_PER_PX, dy * _ORBIT_PER_PX))
        else:
            self._move(motions.turned(self.camera, dx, dy))
            since = max(1e-3, now - drag.last)
            part = min(1.0, since / 0.05)
            gx, gy = self._glide
            self._glide = (gx + part * (dx / since - gx), gy + part * (dy / since - gy))
        drag.last = now
        self.listener.moved()

    def release(self, x: float, y: float, now: float) -> None:
        """The button goes up."""
        drag, self._drag = self._drag, None
        if drag is None:
            return
        if drag.travelled < _CLICK_PX and now - drag.begun < _CLICK_S and drag.button == "left":
            self.listener.click(x, y)
        if now - drag.last > _THROWN_S:
            self._glide = (0.0, 0.0)

    def scroll(self, notches: float, x: float, y: float, now: float) -> None:
        """The wheel turns at a pixel; up is closer."""
        if now - self._wheel_at > _WHEEL_GESTURE_S:
            self.listener.pick(x, y)
        self._wheel_at, self._glide = now, (0.0, 0.0)
        self._pending = (self._pending[0] + _LN_PER_NOTCH * notches, x, y)

    # ---- keys -----------------------------------------------------------------------------------
    def hold(self, key: str) -> None:
        """A key of ``HELD_KEYS`` goes down."""
        self._held.add(key)

    def let_go(self, key: str | None = None) -> None:
        """A key goes up; None: all of them."""
        if key is None:
            self._held.clear()
        else:
            self._held.discard(key)

    # ---- time -----------------------------------------------------------------------------------
    def step(self, now: float, seconds: float) -> bool:
        """What goes on by itself: a flight, the rest of a zoom, a thrown picture, keys. Whether it goes on."""
        if self.camera is None:
            return False
        seconds = min(seconds, _STEP_S)
        if self._flight is not None:
            path, begun = self._flight
            self.camera = path.camera(now - begun)
            if now - begun >= path.seconds:
                self._flight = None
            return True
        going = False
        ln, u, v = self._pending
        if ln:
            part = ln * (1.0 - math.exp(-seconds / _ZOOM_S))
            if abs(ln - part) < 0.002:
                part = ln
            self._pending = (ln - part, u, v)
            self._move(motions.zoomed_at(self.camera, math.exp(part), u, v))
            going = True
        gx, gy = self._glide
        if self._drag is None and math.hypot(gx, gy) > _SLOWEST:
            self._move(motions.turned(self.camera, gx * seconds, gy * seconds))
            left = math.exp(-seconds / _GLIDE_S)
            self._glide = (gx * left, gy * left)
            going = True
        if self._held:
            self._move(self._by_keys(self.camera, seconds))
            going = True
        if going:
            self.listener.moved()
        return going

    def _by_keys(self, camera: Camera, seconds: float) -> Camera:
        def held(both: tuple[set[str], set[str]]) -> int:
            return bool(both[0] & self._held) - bool(both[1] & self._held)

        side = min(camera.width, camera.height) * _KEY_VIEWS * seconds
        right, down = held(_RIGHT), held(_DOWN)
        if right or down:
            camera = motions.turned(camera, -right * side, -down * side)
        if aside := held(_ASIDE):
            camera = motions.panned(camera, -aside * side, 0.0)
        if closer := held(_CLOSER):
            camera = camera.zoomed(math.exp(closer * _KEY_E_FOLDS * seconds))
        yaw, pitch = held(_YAW), held(_PITCH)
        if yaw or pitch:
            camera = camera.orbited(yaw * _KEY_TURN * seconds, pitch * _KEY_TURN * seconds)
        return camera

    def _move(self, camera: Camera) -> None:
        """A hand moved it, which ends a flight."""
        self._flight, self.camera = None, self.bound(camera)
