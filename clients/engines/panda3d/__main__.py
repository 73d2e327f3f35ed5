# pyright: reportMissingImports=false, reportUntypedBaseClass=false
"""A world in a window of Panda3D, or into pictures without a window.

    python -m wonderzoom.clients.engines.panda3d view http://127.0.0.1:8123/#token=...
    python -m wonderzoom.clients.engines.panda3d pictures LINK FOLDER     first.png; zoomed.png, when a zoom is made
    python -m wonderzoom.clients.engines.panda3d conformance scene.json scene.png

In the window: drag to orbit, the wheel zooms, Z asks for finer content where one looks, Escape leaves.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import numpy as np
from direct.showbase.ShowBase import ShowBase
from numpy.typing import NDArray
from panda3d.core import (
    FrameBufferProperties,
    GraphicsOutput,
    GraphicsPipe,
    Texture,
    WindowProperties,
    loadPrcFileData,
)
from PIL import Image

from wonderzoom.clients.aio import World, connect
from wonderzoom.clients.engines.panda3d.surfel_view import SurfelView, background
from wonderzoom.clients.errors import ClientError
from wonderzoom.clients.jobs import Zooming
from wonderzoom.clients.poses import camera_of
from wonderzoom.clients.surfels import HeldSurfels
from wonderzoom.protocol import messages
from wonderzoom.protocol.codec import decode_from_client, decode_from_server
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import RenderSettings

BUDGET = 300_000  # surfels: what this client uploads anew whenever its blocks are others, 20 MB
_FADED_S = 1.0  # after it no fade goes on
_PAUSE_S = 0.02


class Screen:
    """Panda3D in a window, or hidden (EGL, without a display) and of one size.

    Hidden it draws 16 bits a channel: in 8 bits each of many surfels rounds what is below it.
    """

    def __init__(self, width: int, height: int, settings: RenderSettings, *, hidden: bool) -> None:
        library = "p3headlessgl" if hidden else "pandagl"
        kind = "offscreen" if hidden else "onscreen"
        loadPrcFileData(
            "",
            f"load-display {library}\nwindow-type {kind}\nwin-size {width} {height}\ngl-version 3 3\n"
            "framebuffer-srgb false\naudio-library-name null\nprint-pipe-types false\nnotify-level-device fatal\n"
            "notify-level-display error\nwindow-title WonderZoom",
        )
        self.base: Any = ShowBase(windowType=kind)
        self.base.disable_mouse()
        self.output: Any = self._buffer(width, height) if hidden else self.base.win
        self.output.set_clear_color_active(True)
        self.output.set_clear_color(background(settings))
        self.view = SurfelView(self.base.render)

    def _buffer(self, width: int, height: int) -> Any:
        """Where colours are 16-bit floats, with a camera of its own."""
        wanted = FrameBufferProperties()
        wanted.set_rgba_bits(16, 16, 16, 16)
        wanted.set_float_color(True)
        size, how = WindowProperties.size(width, height), GraphicsPipe.BF_refuse_window
        engine, win = self.base.graphicsEngine, self.base.win
        buffer = engine.make_output(self.base.pipe, "surfels", -1, wanted, size, how, win.gsg, win)
        if buffer is None:
            raise OSError("this OpenGL has no framebuffer of 16-bit floats")
        self._seen = Texture("seen")
        buffer.add_render_texture(self._seen, GraphicsOutput.RTM_copy_ram)
        self.base.make_camera(buffer)
        return buffer

    def title(self, text: str) -> None:
        """Say something above the window."""
        properties = WindowProperties()
        properties.set_title(f"WonderZoom: {text}")
        self.base.win.request_properties(properties)

    def picture(self) -> NDArray[np.uint8]:
        """What is seen in a hidden one, [H, W, 3] sRGB."""
        self.base.graphicsEngine.render_frame()
        height, width = self._seen.get_y_size(), self._seen.get_x_size()
        floats = np.frombuffer(
            self._seen.get_ram_image_as("RGB"), np.float32
        )  # Panda has no halves in memory
        colors = floats.reshape(height, width, 3)[::-1]
        return np.rint(255.0 * np.clip(colors, 0.0, 1.0)).astype(np.uint8)

    def save(self, path: Path) -> None:
        """What is seen in a hidden one, as a picture."""
        Image.fromarray(self.picture()).save(path)


def conformance(scene: Path, picture: Path) -> None:
    """Draw the scene of the conformance pack."""
    told = json.loads(scene.read_text(encoding="utf-8"))["messages"]
    welcome, surfels = (decode_from_server(bytes.fromhex(told[name])) for name in ("welcome", "surfels"))
    looked = decode_from_client(bytes.fromhex(told["camera"]))
    if not (
        isinstance(welcome, messages.Welcome)
        and isinstance(surfels, messages.Surfels)
        and isinstance(looked, messages.Camera)
    ):
        raise ValueError(f"{scene} is no scene")
    held = HeldSurfels(BUDGET)
    held.take(surfels, 0.0)
    camera = camera_of(looked.cameras[0])
    settings = RenderSettings(welcome.h_ref, welcome.metric, welcome.background, mips=True)
    screen = Screen(camera.width, camera.height, settings, hidden=True)
    count = screen.view.show(held.drawn(_FADED_S), camera, settings)
    screen.save(picture)
    print(f"{count} surfels")


async def pictures(link: str, folder: Path, width: int, height: int) -> None:
    """A picture of the first view, then one of a zoom into its middle."""
    async with connect(link, surfels=BUDGET) as world:
        camera = world.camera.resized(width, height)
        screen = Screen(width, height, world.scene.settings, hidden=True)
        await _picture(world, screen, camera, 0, folder / "first.png")
        closer = camera.zoomed(4.0)
        made = await world.zoom("moss", camera=closer)
        await _picture(world, screen, closer, made.revision, folder / "zoomed.png")


async def _picture(world: World, screen: Screen, camera: Camera, revision: int, path: Path) -> None:
    await world.scene.whole(world.look(camera), revision)
    while not world.scene.settled:
        await asyncio.sleep(_PAUSE_S)
    count = screen.view.show(world.scene.drawn(), camera, world.scene.settings)
    screen.save(path)
    print(f"{path.name}: {count} surfels, revision {world.scene.held.revision}")


class Hand:
    """What the mouse and the keys ask for since the last frame."""

    def __init__(self, base: Any) -> None:
        self._base = base
        self._at: tuple[float, float] | None = None  # where the pointer was while it drags
        self.factor, self.zoom, self.over = 1.0, False, False
        for event, factor in (("wheel_up", 1.15), ("wheel_down", 1.0 / 1.15)):
            base.accept(event, self._turned, [factor])
        base.accept("z", self._asked)
        base.accept("escape", self._left)

    def moved(self, camera: Camera) -> Camera:
        """The camera after what was done."""
        watcher = self._base.mouseWatcherNode
        at = (watcher.get_mouse_x(), watcher.get_mouse_y()) if watcher.has_mouse() else None
        dragging = at is not None and watcher.is_button_down("mouse1")
        if dragging and self._at is not None and at is not None and at != self._at:
            camera = camera.orbited(at[0] - self._at[0], self._at[1] - at[1])
        self._at = at if dragging else None
        if self.factor != 1.0:
            camera, self.factor = camera.zoomed(self.factor), 1.0
        return camera

    def _turned(self, factor: float) -> None:
        self.factor *= factor

    def _asked(self) -> None:
        self.zoom = True

    def _left(self) -> None:
        self.over = True


async def view(link: str, width: int, height: int) -> None:
    """A window, until it is closed."""
    async with connect(link, surfels=BUDGET) as world:
        camera = world.camera.resized(width, height)
        screen = Screen(width, height, world.scene.settings, hidden=False)
        hand = Hand(screen.base)
        zooming: Zooming | None = None
        world.look(camera)
        async for _ in _frames(screen):
            size = screen.base.win.get_x_size(), screen.base.win.get_y_size()
            moved = hand.moved(camera if size == (camera.width, camera.height) else camera.resized(*size))
            if moved is not camera:
                camera = moved
                world.look(camera)
            if hand.zoom and zooming is None:
                zooming = world.zoom(camera=camera)  # what comes of it is streamed like all else
                screen.title("zooming")
            hand.zoom = False
            if zooming is not None and zooming.done:
                screen.title(await _outcome(zooming))
                zooming = None
            screen.view.show(world.scene.drawn(), camera, world.scene.settings)
            if hand.over or world.ended is not None or screen.base.win.is_closed():
                return


async def _outcome(zooming: Zooming) -> str:
    try:
        return (await zooming).state
    except ClientError as error:
        return str(error)


async def _frames(screen: Screen) -> AsyncGenerator[None, None]:
    """One step a frame; the connection lives in between."""
    while True:
        screen.base.taskMgr.step()
        yield
        await asyncio.sleep(0.0)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["view", "pictures", "conformance"])
    parser.add_argument("source", help="a link; of conformance: the scene")
    parser.add_argument(
        "target", type=Path, nargs="?", default=Path(), help="a folder; of conformance: a picture"
    )
    parser.add_argument("--size", type=int, nargs=2, default=(960, 540), metavar=("WIDTH", "HEIGHT"))
    options = parser.parse_args()
    if options.what == "conformance":
        conformance(Path(options.source), options.target)
    elif options.what == "pictures":
        asyncio.run(pictures(options.source, options.target, *options.size))
    else:
        asyncio.run(view(options.source, *options.size))


if __name__ == "__main__":
    main()
