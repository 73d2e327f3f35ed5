"""The same renderer behind viser's server, to compare latencies: a background image for each camera.

    PYTHON -m benchmarks.viser_beside serve WORLD [--size WxH]
    PYTHON -m benchmarks.viser_beside look PORT [--size WxH] [--seconds S] [--moving]

PYTHON has viser beside this package (``pip install viser``, in an environment of its own: it is no dependency).
The server does what viser's examples do: a callback on every camera draws and calls ``set_background_image``; of
cameras that come while one is drawn only the newest is drawn next. The client speaks viser's wire format: its camera
messages out, its background images in, decoded. Which camera is meant goes along as its position, x being a number
of the same flight that ``lookers`` fly; and comes back as sixteen black or white squares in the picture. Not counted
on viser's side: what a browser adds, and turning its camera into ours.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import importlib
import itertools
import json
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import simplejpeg
from numpy.typing import NDArray
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from wonderzoom.clients.load import flight
from wonderzoom.runtime.frames import frame_of, settings_of
from wonderzoom.runtime.platform import usable_threads
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.visible_set import visible_set

FPS = 30.0
_SQUARE, _BITS = 8, 16  # pixels of a square's side; squares in the first row


def signed(picture: NDArray[np.uint8], number: int) -> NDArray[np.uint8]:
    """The picture with a number in its corner."""
    for bit in range(_BITS):
        column = slice(bit * _SQUARE, (bit + 1) * _SQUARE)
        picture[:_SQUARE, column] = 255 if number >> bit & 1 else 0
    return picture


def number_of(picture: NDArray[np.uint8]) -> int:
    """The number in the corner of a picture."""
    middles = picture[_SQUARE // 2, _SQUARE // 2 : _SQUARE * _BITS : _SQUARE, 1]
    return sum(1 << bit for bit, value in enumerate(middles) if value > 127)


def serve(world_path: Path, size: tuple[int, int]) -> None:
    """Print the port as JSON, and serve until SIGTERM."""
    viser: Any = importlib.import_module("viser")
    with WorldStore.open(world_path) as store, CpuRenderer(usable_threads()) as renderer:
        world = store.load()
        root = next(node for node in world.nodes.values() if node.parent is None)
        start = frame_of(root, world.header).resized(*size)
        settings = settings_of(world.header)
        renderer.warm_up(lambda _text: None)

        def draw(number: int) -> NDArray[np.uint8]:
            camera = flight(start, 0, number / FPS)
            picture = renderer.render_color(visible_set(world, camera, settings), camera, settings)
            return signed(np.ascontiguousarray(picture[:, :, :3]), number)

        draw(0)
        with contextlib.redirect_stdout(sys.stderr):  # it says where it serves, and stdout is for the port
            server = viser.ViserServer(host="127.0.0.1", port=0, verbose=False)

        @server.on_client_connect
        def _(client: Any) -> None:  # pyright: ignore[reportUnusedFunction]
            drawing, shown = threading.Lock(), [-1]

            @client.camera.on_update
            def _(_camera: Any) -> None:  # pyright: ignore[reportUnusedFunction]
                while (number := int(client.camera.position[0])) != shown[0]:
                    if not drawing.acquire(blocking=False):
                        return  # whoever draws looks again
                    try:
                        shown[0] = number
                        client.scene.set_background_image(draw(number), format="jpeg")
                    finally:
                        drawing.release()

        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        print(json.dumps({"link": str(server.get_port())}), flush=True)
        stop.wait()
        server.stop()


def _camera(number: int, size: tuple[int, int]) -> bytes:
    return msgspec.msgpack.encode({
        "type": "ViewerCameraMessage", "wxyz": (1.0, 0.0, 0.0, 0.0), "position": (float(number), 0.0, 0.0),
        "fov": 1.0, "near": 0.01, "far": 1000.0, "image_height": size[1], "image_width": size[0],
        "look_at": (0.0, 0.0, 1.0), "up_direction": (0.0, 1.0, 0.0),
    })  # fmt: skip


def _pictures(data: bytes, zstandard: Any) -> list[NDArray[np.uint8]]:
    """The background images of one websocket message, decoded."""
    length = int.from_bytes(data[8:16], "little")
    inner = msgspec.msgpack.decode(zstandard.ZstdDecompressor().decompress(data[16 : 16 + length]))
    found = [each for each in inner["messages"] if each["type"] == "BackgroundImageMessage"]
    return [np.asarray(simplejpeg.decode_jpeg(each["rgb_data"])) for each in found if each["rgb_data"]]


async def look(port: int, size: tuple[int, int], seconds: float, moving: bool) -> list[float]:
    """Seconds from each camera to its pixels."""
    viser, zstandard = importlib.import_module("viser"), importlib.import_module("zstandard")
    async with connect(
        f"ws://127.0.0.1:{port}",
        subprotocols=[Subprotocol(f"viser-v{viser.__version__}")],
        compression=None,
        proxy=None,
        max_size=None,
    ) as socket:
        said: dict[int, float] = {}
        shown = asyncio.Event()
        steering = asyncio.create_task(_steer(socket, size, said, None if moving else shown))
        taken: list[float] = []
        try:
            begun = time.monotonic()
            newest = -1
            while time.monotonic() < begun + seconds:
                data = await socket.recv()
                assert isinstance(data, bytes)
                for picture in _pictures(data, zstandard):
                    now, number = time.monotonic(), number_of(picture)
                    if number > newest and now > begun + 2.0:
                        taken.append(now - said[number])
                    newest = max(newest, number)
                    if newest == max(said):
                        shown.set()
        finally:
            steering.cancel()
            await asyncio.gather(steering, return_exceptions=True)
    return taken


async def _steer(
    socket: ClientConnection, size: tuple[int, int], said: dict[int, float], shown: asyncio.Event | None
) -> None:
    """Thirty cameras a second; or each a while after the one before was ``shown``."""
    chance = np.random.default_rng(0)
    begun = time.monotonic()
    for number in itertools.count():
        said[number] = time.monotonic()
        await socket.send(_camera(number, size))
        if shown is None:
            await asyncio.sleep(max(0.0, begun + (number + 1) / FPS - time.monotonic()))
        else:
            await shown.wait()
            shown.clear()
            await asyncio.sleep(float(chance.uniform(0.05, 0.25)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", choices=("serve", "look"))
    parser.add_argument("where", help="the world to serve, or the port to look at")
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument(
        "--moving", action="store_true", help="thirty cameras a second, not one after the other"
    )
    arguments = parser.parse_args()
    width, _, height = arguments.size.partition("x")
    size = (int(width), int(height))
    if arguments.what == "serve":
        serve(Path(arguments.where), size)
    else:
        print(json.dumps(asyncio.run(look(int(arguments.where), size, arguments.seconds, arguments.moving))))


if __name__ == "__main__":
    main()
