"""The page's own renderer in a browser, with the blocks of a visible set and nobody to ask: no server, no stream."""

import functools
import io
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wonderzoom.clients.poses import address_of, pose_of
from wonderzoom.runtime.surfel_blocks import bounds_of, payload_of, wire_name
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet

PAGE = Path(__file__).parents[2] / "clients" / "web"
GROUND = (0.2, 0.3, 0.1)
_HTML = '<body style="margin:0"><canvas id="c" style="display:block"></canvas>'
_DRAW = """async ({blocks, camera, hRef, ground, radial, patience}) => {
  const cameras = await import("/camera.js"), {decode} = await import("/msgpack.js");
  const {SurfelPicture} = await import("/surfelpicture.js");
  const bytes = (hex) => new Uint8Array(hex.match(/../g)?.map((byte) => parseInt(byte, 16)) ?? []);
  const view = cameras.fromWire(decode(bytes(camera))), canvas = document.getElementById("c");
  Object.assign(canvas, {width: view.width, height: view.height});
  window.picture ??= new SurfelPicture(canvas, {hRef, radial, ground}, () => {});
  for (const block of blocks) {
    const coming = {...block, cell: cameras.cellFromWire(decode(bytes(block.cell))), revision: 0};
    picture.add(coming, bytes(block.payload), bytes(block.bounds));
  }
  picture.store.show(blocks);
  const begun = performance.now();
  for (picture.settled = 0; picture.settled < 2 && performance.now() - begun < patience; ) {
    picture.draw(view);
    await new Promise((go) => setTimeout(go, 4));
  }
  const {gl} = picture.renderer, found = picture.pick(view, view.width / 2, view.height / 2);
  return {settled: picture.settled, surfels: picture.order.length, large: picture.large.length, error: gl.getError(),
          zeta: found && found.zeta, context: gl.isContextLost()};
}"""


@dataclass
class Shown:
    """What the page drew, and what it says of it."""

    picture: NDArray[np.uint8]  # [H, W, 3]
    said: dict[str, Any]


class BenchPage:
    """A page that draws what it is given."""

    def __init__(self, page: Any, address: str) -> None:
        self.page, self.complaints = page, list[str]()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._heard)
        page.route("**/bench.html", lambda route: route.fulfill(body=_HTML, content_type="text/html"))
        page.goto(f"{address}/bench.html")

    def _heard(self, message: Any) -> None:
        if (
            message.type in ("error", "warning")
            and "GPU stall" not in message.text
            and "404" not in message.text
        ):
            self.complaints.append(message.text)

    def draw(self, visible: VisibleSet, camera: Camera, settings: RenderSettings) -> Shown:
        """Give it the blocks of a visible set, wait until it is settled, and look."""
        columns = (
            visible.blocks,
            visible.mips,
            visible.residencies,
            visible.child_residencies,
            visible.shared,
        )
        blocks = [
            {
                "hash": wire_name(block, level).hex(), "block": f"{block.node}/{block.cell}", "node": block.node,
                "level": level, "count": block.count,
                "cell": msgspec.msgpack.encode(address_of(block.cell)).hex(), "payload": payload_of(block).hex(),
                "bounds": bounds_of(block).hex(), "residency": share, "below": below,
                "finest": span[0], "coarsest": span[1],
            }
            for block, level, share, below, span in zip(*columns, strict=True)
        ]  # fmt: skip
        said = self.page.evaluate(_DRAW, {
            "blocks": blocks, "camera": msgspec.msgpack.encode(pose_of(camera)).hex(), "hRef": settings.h_ref,
            "ground": settings.background, "radial": settings.metric == "radial", "patience": 60_000,
        })  # fmt: skip
        shot = Image.open(io.BytesIO(self.page.locator("#c").screenshot())).convert("RGB")
        return Shown(np.asarray(shot), said)


@contextmanager
def bench_page(chrome: Any, size: tuple[int, int]) -> Generator[BenchPage]:
    """A page of that many pixels."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(PAGE)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    context = chrome.new_context(viewport={"width": size[0], "height": size[1]})
    try:
        yield BenchPage(context.new_page(), f"http://127.0.0.1:{server.server_address[1]}")
    finally:
        context.close()
        server.shutdown()
        thread.join()
        server.server_close()
