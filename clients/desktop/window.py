"""A window with OpenGL, and what happens in it. The only room that knows glfw.

``open_window`` says in plain words what is missing where there can be none.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
from typing import Any, Literal, Protocol

from wonderzoom.clients.errors import ClientError

_EXTRA = "pip install 'wonderzoom-runtime[desktop]'"
_LEAST = (320, 240)  # of a window
# Names of keys that are no letters, by glfw's.
_KEYS = {
    "ESCAPE": "escape", "ENTER": "enter", "KP_ENTER": "enter", "BACKSPACE": "backspace", "DELETE": "delete",
    "TAB": "tab", "HOME": "home", "LEFT": "left", "RIGHT": "right", "UP": "up", "DOWN": "down", "F1": "f1",
    "F12": "f12", "KP_ADD": "+", "KP_SUBTRACT": "-",
}  # fmt: skip


class NoWindow(ClientError):
    """No window can be opened here; the text says why, and what helps."""


class Happenings(Protocol):
    """Who is told what happens in a window. Positions are in pixels of its framebuffer, times in seconds."""

    def pressed(self, button: Literal["left", "right"], x: float, y: float, now: float) -> None: ...
    def pointed(self, x: float, y: float, now: float, turning: bool) -> None: ...
    def released(self, x: float, y: float, now: float) -> None: ...
    def scrolled(self, notches: float, x: float, y: float, now: float) -> None: ...
    def key(self, key: str) -> None: ...
    def key_up(self, key: str | None) -> None: ...
    def letter(self, letter: str) -> None: ...


class Window:
    """See the module docstring; made by ``open_window``, to be closed."""

    def __init__(self, glfw: Any, handle: Any, context: Any) -> None:
        self._glfw, self._handle = glfw, handle
        self.context = context  # of moderngl
        self._pressed: int | None = None

    # ---- size and time --------------------------------------------------------------------------
    @property
    def size(self) -> tuple[int, int]:
        """Pixels of the framebuffer; (0, 0) while it is minimised."""
        width, height = self._glfw.get_framebuffer_size(self._handle)
        return int(width), int(height)

    @property
    def scale(self) -> float:
        """Pixels of the framebuffer for one of the writing."""
        return max(1.0, float(self._glfw.get_window_content_scale(self._handle)[0]))

    @property
    def device(self) -> str:
        """What draws, in the driver's words."""
        return str(self.context.info["GL_RENDERER"])

    @property
    def now(self) -> float:
        """Seconds of the window's clock."""
        return float(self._glfw.get_time())

    @property
    def closing(self) -> bool:
        """Whether somebody closed it."""
        return bool(self._glfw.window_should_close(self._handle))

    # ---- frames ---------------------------------------------------------------------------------
    def show(self) -> None:
        """Show what was drawn, in step with the display."""
        self._glfw.swap_buffers(self._handle)

    def poll(self) -> None:
        """Tell what has happened."""
        self._glfw.poll_events()

    def wait(self, seconds: float) -> None:
        """Tell what happens until something has, or ``wake`` was called, or the time is over."""
        self._glfw.wait_events_timeout(seconds)

    def wake(self) -> None:
        """End a ``wait``; from any thread."""
        self._glfw.post_empty_event()

    def close(self) -> None:
        """Close it for good."""
        self._glfw.destroy_window(self._handle)
        self._glfw.terminate()

    # ---- what happens ---------------------------------------------------------------------------
    def tell(self, happenings: Happenings) -> None:
        """Tell this one from now on."""
        glfw, handle = self._glfw, self._handle
        names = {getattr(glfw, f"KEY_{name}"): key for name, key in _KEYS.items()}
        orbit_keys = glfw.MOD_SHIFT | glfw.MOD_CONTROL | glfw.MOD_ALT

        def place() -> tuple[float, float]:
            x, y = glfw.get_cursor_pos(handle)
            return self._pixels(x, y)

        def button(_handle: Any, number: int, action: int, mods: int) -> None:
            if action == glfw.PRESS and self._pressed is None:
                if number in (glfw.MOUSE_BUTTON_LEFT, glfw.MOUSE_BUTTON_RIGHT):
                    self._pressed = number
                    name = "left" if number == glfw.MOUSE_BUTTON_LEFT else "right"
                    happenings.pressed(name, *place(), self.now)
            elif action == glfw.RELEASE and number == self._pressed:
                self._pressed = None
                happenings.released(*place(), self.now)

        def point(_handle: Any, x: float, y: float) -> None:
            turning = any(
                glfw.get_key(handle, key) == glfw.PRESS
                for key in (
                    glfw.KEY_LEFT_SHIFT,
                    glfw.KEY_RIGHT_SHIFT,
                    glfw.KEY_LEFT_CONTROL,
                    glfw.KEY_LEFT_ALT,
                )
            )
            happenings.pointed(*self._pixels(x, y), self.now, turning)

        def key(_handle: Any, number: int, scancode: int, action: int, mods: int) -> None:
            name = names.get(number) or (glfw.get_key_name(number, scancode) or "").lower()
            if not name:
                return
            if action == glfw.RELEASE:
                happenings.key_up(name)
            elif action == glfw.PRESS or name in ("backspace", "up", "down"):
                if not mods & orbit_keys & ~glfw.MOD_SHIFT:
                    happenings.key(name)

        def focus(_handle: Any, focused: int) -> None:
            if not focused:
                happenings.key_up(None)

        glfw.set_mouse_button_callback(handle, button)
        glfw.set_cursor_pos_callback(handle, point)
        glfw.set_scroll_callback(handle, lambda _h, _dx, dy: happenings.scrolled(dy, *place(), self.now))
        glfw.set_key_callback(handle, key)
        glfw.set_char_callback(handle, lambda _h, code: happenings.letter(chr(code)))
        glfw.set_window_focus_callback(handle, focus)

    def _pixels(self, x: float, y: float) -> tuple[float, float]:
        """Of the framebuffer, from the window's own coordinates."""
        wide, high = self._glfw.get_window_size(self._handle)
        width, height = self.size
        return x * width / max(wide, 1), y * height / max(high, 1)


def open_window(title: str, width: int, height: int) -> Window:
    """A window of that many of its own pixels, its OpenGL context current in this thread. Raises NoWindow."""
    missing = [name for name in ("glfw", "moderngl") if importlib.util.find_spec(name) is None]
    if missing:
        raise NoWindow(f"{' and '.join(missing)} missing: {_EXTRA}")
    try:
        glfw: Any = importlib.import_module("glfw")
        moderngl: Any = importlib.import_module("moderngl")  # it has no types
    except ImportError as error:  # a library beside it does not load
        raise NoWindow(f"{error}: install it anew, {_EXTRA}") from error

    glfw.ERROR_REPORTING = "exception"
    try:
        glfw.init()
    except glfw.GLFWError as error:
        raise NoWindow(f"no window can be opened ({_plain(error)}){_display_hint()}") from error
    try:
        for hint, value in (
            (glfw.CONTEXT_VERSION_MAJOR, 3),
            (glfw.CONTEXT_VERSION_MINOR, 3),
            (glfw.OPENGL_PROFILE, glfw.OPENGL_CORE_PROFILE),
            (glfw.OPENGL_FORWARD_COMPAT, True),
            (glfw.SCALE_TO_MONITOR, True),
        ):
            glfw.window_hint(hint, value)
        handle = glfw.create_window(width, height, title, None, None)
        glfw.set_window_size_limits(handle, *_LEAST, glfw.DONT_CARE, glfw.DONT_CARE)
        glfw.make_context_current(handle)
        glfw.swap_interval(1)
        context = moderngl.create_context(require=330)
    except Exception as error:  # of glfw, or what moderngl raises, of no common kind
        glfw.terminate()
        raise NoWindow(
            f"no OpenGL 3.3 in a window ({_plain(error)}): install a driver, or Mesa's (Debian: libgl1-mesa-dri)"
        ) from error
    return Window(glfw, handle, context)


def _plain(error: Exception) -> str:
    """What an error says, without the number and the quotes that glfw's come with."""
    return re.sub(r"""^\(\d+\) b(['"])(.*)\1$""", r"\2", str(error))


def _display_hint() -> str:
    """What helps where there is no display."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return ": there is no display; look in a browser instead, or try `xvfb-run wonderzoom view`"
    return ""
