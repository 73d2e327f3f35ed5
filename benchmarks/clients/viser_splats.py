"""A scene of splats behind viser's server, as its examples do it: all of them in one call. And who looks at it.

    PYTHONPATH=FOLDER python -m benchmarks.clients.viser_splats serve SCENE.npz
    PYTHONPATH=FOLDER python -m benchmarks.clients.viser_splats look PORT

FOLDER is where ``pip install --target FOLDER viser`` has put viser: it is no dependency, and this module imports
nothing of ours. SIGUSR1 adds the splats that the scene is to grow by under a name of their own, so that only they are
sent, and what they should replace stays; SIGUSR2 says the whole scene anew, without what was replaced. Who looks speaks
viser's wire format, draws nothing, and prints a line of JSON when it connects, and one for each message with splats:
when it had come whole.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import queue
import signal
import sys
import time
from typing import Any

import numpy as np

UP = (0.0, -1.0, 0.0)  # y is down in the scene


def _serve(path: str) -> None:
    viser: Any = importlib.import_module("viser")
    scene = np.load(path)

    def say(server: Any, name: str, part: str) -> None:
        centers, covariances, rgbs, opacities = (
            scene[f"{part}_{column}"] for column in ("centers", "covariances", "rgbs", "opacities")
        )
        server.scene.add_gaussian_splats(
            name, centers=centers, covariances=covariances, rgbs=rgbs, opacities=opacities
        )

    with contextlib.redirect_stdout(sys.stderr):  # it says where it serves, and stdout is for the port
        server = viser.ViserServer(host="127.0.0.1", port=0, verbose=False)
        server.scene.set_up_direction(UP)
        server.initial_camera.position = (0.0, 0.0, 0.0)
        server.initial_camera.look_at = tuple(scene["look_at"].tolist())
        server.initial_camera.up = UP
        server.initial_camera.fov = float(scene["fov"])
        say(server, "/scene", "before")
    asked: queue.SimpleQueue[str] = queue.SimpleQueue()
    for number, what in ((signal.SIGUSR1, "more"), (signal.SIGUSR2, "after"), (signal.SIGTERM, "")):
        signal.signal(number, lambda *_, what=what: asked.put(what))
    print(json.dumps({"link": str(server.get_port())}), flush=True)
    while what := asked.get():
        if what == "more":
            say(server, "/more", "more")
        else:
            server.scene.remove_by_name("/more")
            say(server, "/scene", "after")
    server.stop()


async def _look(port: int) -> None:
    viser, zstandard, client = (
        importlib.import_module(name) for name in ("viser", "zstandard", "websockets.asyncio.client")
    )
    unpack = importlib.import_module("msgspec").msgpack.decode
    protocol = f"viser-v{viser.__version__}"
    while True:
        with contextlib.suppress(OSError, importlib.import_module("websockets").ConnectionClosed):
            connecting = client.connect(
                f"ws://127.0.0.1:{port}", subprotocols=[protocol], compression=None, proxy=None, max_size=None
            )
            print(json.dumps({"at": time.perf_counter(), "splats": 0}), flush=True)  # connects
            async with connecting as socket:
                async for data in socket:
                    at, length = time.perf_counter(), int.from_bytes(data[8:16], "little")
                    said = unpack(zstandard.ZstdDecompressor().decompress(data[16 : 16 + length]))["messages"]
                    if any(each["type"] == "GaussianSplatsMessage" for each in said):
                        print(json.dumps({"at": at, "splats": (len(data) - 16 - length) // 32}), flush=True)
        await asyncio.sleep(0.1)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        _serve(sys.argv[2])
    else:
        asyncio.run(_look(int(sys.argv[2])))
