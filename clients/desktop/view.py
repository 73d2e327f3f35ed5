"""A window on a served world.

    wonderzoom view URL

Where the server streams surfels they are drawn here, at the rate of the display and whatever the link does; where no
graphics card draws, and where the server finds that they suit better, the window shows its pictures, moved to where one
looks by now. Same hands and keys as the page; F1 lists them.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import tyro
from numpy.typing import NDArray
from PIL import Image
from tyro.conf import Positional, arg

from wonderzoom.clients.aio import PATIENCE_S
from wonderzoom.clients.desktop.desk import Desk
from wonderzoom.clients.desktop.hud import Hud
from wonderzoom.clients.desktop.remote import Remote, Shown, Told
from wonderzoom.clients.desktop.screen import Screen
from wonderzoom.clients.desktop.window import NoWindow, Window, open_window
from wonderzoom.clients.errors import ClientError
from wonderzoom.clients.events import Reconnected, Sharpened
from wonderzoom.clients.links import Link, tls_context
from wonderzoom.protocol import limits
from wonderzoom.scene_graph.camera import Camera

_SOFTWARE = ("llvmpipe", "softpipe", "swiftshader", "software")
_WRITE_EVERY_S = 0.08
_CALM_S = 0.1  # between two looks at a still window: writing fades, others move
_SHOT_WITHIN_S = 180.0  # that a picture may take to become whole


@dataclass(frozen=True, slots=True)
class View:
    """Look at a served world in a window of its own.

    Surfels are drawn here where the server finds that they suit; else, and without a graphics card, its pictures are
    shown.
    Needs the extra ``desktop`` and OpenGL 3.3. F1 lists the keys.

      wonderzoom view http://127.0.0.1:8700/#token=...
      wonderzoom view URL --screenshot view.png
    """

    link: Annotated[Positional[str], arg(metavar="URL", help="as the server prints it, with #token=")]
    name: Annotated[str, arg(help="what others see", help_behavior_hint="")] = ""
    stream: Annotated[
        Literal["auto", "surfels", "frames"],
        arg(help="what to be sent; auto: what suits the line, frames where no graphics card draws"),
    ] = "auto"
    budget: Annotated[int, arg(help="surfels to keep at most")] = 1_000_000
    width: Annotated[int, arg(help="of the window")] = 1280
    height: Annotated[int, arg(help="of the window")] = 720
    bare: Annotated[bool, arg(help="write nothing over the world (Tab)")] = False
    screenshot: Annotated[
        Path | None,
        arg(metavar="FILE", help="keep a picture (PNG) once it is whole, and leave", help_behavior_hint=""),
    ] = None
    patience: Annotated[float, arg(help="seconds without a connection, after which it leaves")] = PATIENCE_S
    certificate: Annotated[
        Path | None,
        arg(
            metavar="FILE",
            help="PEM of the server, if it is its own (serve --lan names it)",
            help_behavior_hint="",
        ),
    ] = None

    def check(self) -> None:
        """Raises ValueError for what is out of range."""
        if not all(limits.MIN_SIDE <= side <= limits.MAX_SIDE for side in (self.width, self.height)):
            raise ValueError(f"a window has from {limits.MIN_SIDE} to {limits.MAX_SIDE} pixels a side")
        if not limits.MIN_BUDGET <= self.budget <= limits.MAX_BUDGET:
            raise ValueError(f"--budget: from {limits.MIN_BUDGET} to {limits.MAX_BUDGET} surfels")
        if not 0.0 <= self.patience <= 86_400.0:
            raise ValueError("--patience: from 0 seconds to a day")
        if self.screenshot is not None and not self.screenshot.parent.is_dir():
            raise ValueError(f"{self.screenshot}: there is no folder {self.screenshot.parent}")


class Viewer:
    """A window, a desk and a server put together, and the loop that they live in."""

    def __init__(self, view: View, window: Window, remote: Remote, seeds: Iterator[int]) -> None:
        self._view, self._window, self._remote = view, window, remote
        self._screen = Screen(window.context)
        self.desk = Desk(remote, seeds, *window.size, window.scale)
        self.desk.bare = view.bare
        self.stream: Literal["frames", "surfels"] = "frames"
        self._last: tuple[Any, ...] = ()  # what was drawn
        self._drawn = 0  # surfels in it
        self._begun = window.now
        self._hud, self._write_at = Hud(0, 0), 0.0  # what was written last, and when it may be anew
        self._happened: list[Callable[[], None]] = []  # in the window, to be dealt with

    def run(self) -> None:
        """Until somebody leaves. Raises what ended the conversation, ClientError for a picture that never came."""
        window, desk = self._window, self.desk
        window.tell(self)
        self._remote.wake = window.wake
        desk.enter(self._remote.world.welcome, self._remote.world.nodes)
        if self._remote.world.streamed == "surfels":
            self._show("surfels")
        before = window.now
        while not desk.over and not window.closing:
            now = window.now
            going = self._frame(now, now - before)
            before = now
            if self._view.screenshot is not None:
                if self._whole():
                    self.keep(self._view.screenshot)
                    return
                if now - self._begun > _SHOT_WITHIN_S:
                    raise ClientError(f"no whole picture within {_SHOT_WITHIN_S:.0f} s")
            if going:
                window.poll()
            else:
                window.wait(_CALM_S)
            for deal in self._happened:
                deal()
            self._happened.clear()
        if desk.ending is not None:
            raise desk.ending

    def keep(self, path: Path) -> None:
        """Write what the window shows as PNG: the whole file, or none. Raises OSError."""
        unfinished = path.with_name(f".{path.name}.part")
        try:
            Image.fromarray(self.picture()).save(unfinished, "PNG")
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

    def picture(self) -> NDArray[np.uint8]:
        """What the window shows, [H, W, 3] sRGB."""
        size = self._window.size
        self._screen.present(self.desk.hud(), self._window.context.screen)
        return self._screen.read(self._window.context.screen, *size)

    # ---- a frame --------------------------------------------------------------------------------
    def _frame(self, now: float, seconds: float) -> bool:
        """Hear, move, draw what has changed; whether it goes on by itself."""
        desk, world = self.desk, self._remote.world
        for news in self._remote.news():
            if isinstance(news, Told) and isinstance(news.event, Reconnected):
                desk.enter(world.welcome, world.nodes)
            elif isinstance(news, Told) and isinstance(news.event, Sharpened):
                desk.zooms.shown(news.event.revision if news.event.complete else 0)
                if news.event.complete and world.streamed == "surfels" and self.stream == "frames":
                    self._show("surfels")
            desk.hear(news, world.nodes)
            if isinstance(news, Shown) and world.streamed == "frames" and self.stream == "surfels":
                self._show("frames")
        self._asked_for()
        width, height = self._window.size
        if not width or not height:  # minimised
            return False
        if (width, height) != (desk.width, desk.height):
            desk.resize(width, height, self._window.scale)
        going = desk.step(now, seconds)
        camera = desk.hands.camera
        if camera is None:
            self._present(now, going)
            return going
        if self.stream == "surfels":
            visible = self._remote.drawn()
            previews = desk.zooms.previews
            waits = self._view.screenshot is not None and not self._remote.settled
            if not waits and self._changed(camera, visible, *previews):
                self._drawn = self._screen.surfels(visible, camera, self._remote.settings)
                self._screen.sheets(previews, camera, over=True)
                desk.facts = (f"{self._drawn:,} surfels", self._window.device)
            going |= visible is not self._remote.drawn()  # a fade goes on
        else:
            shown = () if desk.shown is None else (desk.shown,)
            stills = sorted(desk.stills, key=lambda sheet: -sheet.camera.ln_scale)  # the coarsest first
            sheets = (*stills, *shown, *desk.zooms.previews)
            if self._changed(camera, *sheets):
                self._screen.sheets(sheets, camera)
                size = f"{shown[0].pixels.shape[1]} x {shown[0].pixels.shape[0]}" if shown else "none yet"
                desk.facts = (f"frames, {size}",)
        self._present(now, going)
        return going

    def _present(self, now: float, going: bool) -> None:
        """Show it; while something moves the writing is made anew a few times a second only, which costs more."""
        size = (self.desk.width, self.desk.height)
        if not going or now >= self._write_at or (self._hud.width, self._hud.height) != size:
            self._hud, self._write_at = self.desk.hud(), now + _WRITE_EVERY_S
        self._screen.present(self._hud, self._window.context.screen)
        self._window.show()

    def _changed(self, *drawn: Any) -> bool:
        """Whether this is not what was drawn last."""
        same = len(drawn) == len(self._last) and all(a is b for a, b in zip(drawn, self._last, strict=True))
        self._last = drawn
        return not same

    def _changed_since_drawn(self, camera: Camera) -> bool:
        drawn, last = (camera, self._remote.drawn()), self._last[:2]
        return len(last) < 2 or any(a is not b for a, b in zip(drawn, last, strict=True))

    def _whole(self) -> bool:
        """Whether what is shown is all that there is to be seen."""
        desk = self.desk
        if desk.hands.camera is None or desk.hands.flying or desk.zooms.waiting:
            return False
        if self.stream == "surfels":
            # In this order: what has settled before it was drawn.
            return self._remote.settled and not self._changed_since_drawn(desk.hands.camera)
        shown = desk.shown
        return shown is not None and shown.still and shown.seq >= self._remote.world.seq

    def _show(self, stream: Literal["frames", "surfels"]) -> None:
        """Show what the server streams from now on."""
        self.stream, self._last = stream, ()
        self.desk.eyes = self._eyes if stream == "surfels" else None

    def _eyes(self, camera: Camera, u: float, v: float) -> Any:
        return self._screen.place_at(self._remote.drawn(), camera, self._remote.settings, u, v)

    def _asked_for(self) -> None:
        """What keys have asked for."""
        desk = self.desk
        if desk.wants_other_stream:
            desk.wants_other_stream = False
            if self._remote.streams_surfels:
                other = "frames" if self._remote.world.streamed == "surfels" else "surfels"
                self._remote.stream(other)  # it is shown when it is there
            else:
                desk.notice("This server streams no surfels.")
        if desk.wants_picture:
            desk.wants_picture = False
            path = _free_name(Path("wonderzoom.png"))
            try:
                self.keep(path)
                desk.notice(f"Kept as {path}")
            except OSError as error:
                desk.notice(f"{path}: {error.strerror or error}", problem=True)

    # ---- what happens in the window ---------------------------------------------------------------
    # Only noted while the window tells: what is done about it takes time, and would be taken for a slow hand.
    def pressed(self, button: Literal["left", "right"], x: float, y: float, now: float) -> None:
        """A button went down."""
        self._happened.append(lambda: self.desk.hands.press(button, x, y, now))

    def pointed(self, x: float, y: float, now: float, turning: bool) -> None:
        """The pointer moved."""
        self._happened.append(lambda: self.desk.hands.point(x, y, now, turning=turning))

    def released(self, x: float, y: float, now: float) -> None:
        """The button went up."""
        self._happened.append(lambda: self.desk.hands.release(x, y, now))

    def scrolled(self, notches: float, x: float, y: float, now: float) -> None:
        """The wheel turned."""
        self._happened.append(lambda: self.desk.hands.scroll(notches, x, y, now))

    def key(self, key: str) -> None:
        """A key went down."""
        self._happened.append(lambda: self.desk.key(key))

    def key_up(self, key: str | None) -> None:
        """A key went up; None: all of them."""
        self._happened.append(lambda: self.desk.hands.let_go(key))

    def letter(self, letter: str) -> None:
        """A letter was typed."""
        self._happened.append(lambda: self.desk.write(letter))


def _free_name(path: Path) -> Path:
    """A name like this one that nothing has."""
    number, free = 1, path
    while free.exists():
        number += 1
        free = path.with_stem(f"{path.stem}-{number}")
    return free


def software(device: str) -> bool:
    """Whether what draws, in the driver's words, is no graphics card: a server's frames come sooner, then."""
    return any(name in device.lower() for name in _SOFTWARE)


def look(view: View) -> None:
    """Open a window and look. Raises ClientError, ValueError, and OSError for files."""
    view.check()
    link = Link.parse(view.link)
    tls = tls_context(view.certificate) if link.secure else None
    window = open_window("WonderZoom", view.width, view.height)
    try:
        card = not software(window.device)
        surfels = view.stream == "surfels" or (view.stream == "auto" and card)
        auto = surfels and view.stream == "auto"
        budget = view.budget if surfels else None
        remote = Remote(view.link, view.name, tls, view.patience, budget, auto, depth=card)
        try:
            Viewer(view, window, remote, iter(lambda: secrets.randbits(32), -1)).run()
        finally:
            remote.wake = lambda: None  # the window goes first
            remote.close()
    finally:
        window.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 where one left, 1 where it failed; 2 for wrong arguments and where no window can be opened."""
    try:
        look(tyro.cli(View, prog="wonderzoom view", args=arguments, config=(tyro.conf.FlagCreatePairsOff,)))
    except (NoWindow, ValueError, OSError) as error:
        print(f"wonderzoom view: {error}", file=sys.stderr)
        return 2
    except ClientError as error:
        print(f"wonderzoom view: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
