"""The page's frames with depth, in a real browser: moved to another camera they are nearer to what the server would
draw there than as planes, also where something stands in front of something else."""

import base64
import io
import os
from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np
import pytest
from bench_page import bench_page
from numpy.typing import NDArray
from PIL import Image
from worlds import Plane, facing, first_camera, plane_node

from wonderzoom.clients.poses import pose_of
from wonderzoom.clients.reprojection import reprojected
from wonderzoom.protocol.depth_map import decode_depth
from wonderzoom.runtime.encoders import depth_of, encode_jpeg
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.ports import RenderSettings
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("browser")]

WIDTH, HEIGHT = 320, 240
SETTINGS = RenderSettings(h_ref=72, background=(0.2, 0.3, 0.1), mips=True)
_SHOW = """async ({jpeg, depth, from, to, deep, frames}) => {
  const cameras = await import("/camera.js"), {decode} = await import("/msgpack.js");
  const {Picture} = await import("/picture.js");
  const bytes = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  const [camera, view] = [from, to].map((each) => cameras.fromWire(decode(bytes(each))));
  const canvas = document.getElementById("c");
  Object.assign(canvas, {width: view.width, height: view.height});
  window.picture ??= new Picture(canvas, () => {}, () => {});
  picture.forget();
  const sent = deep ? {...depth, payload: bytes(depth.payload)} : undefined;
  const shown = new Promise((done) => { picture.changed = () => done(true); });
  picture.arrive({frame: 1, revision: 1, still: true, payload: bytes(jpeg), camera, depth: sent});
  await shown;
  let took = 0;
  for (let i = 0; i < frames; i++) {
    const begun = performance.now();
    picture.draw(view);
    picture.gl.finish();
    took = performance.now() - begun;
  }
  return {took, meshes: picture.warp.meshes.size, error: picture.gl.getError()};
}"""


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(1) as made:
        yield made


def scene(deep: int) -> tuple[World, Camera]:
    """A plane behind, and another one before half of it."""
    world, camera = World(WorldHeader(h_ref=72)), first_camera(96, 72, 80.0, deep)
    node, blocks = plane_node(camera, facing(camera, 0.3))
    world.apply(world.propose(node, blocks))
    front = camera.position(np.array([0.0, 0.0, -20.0]))
    narrow = camera.widened(-12)
    nearer, blocks = plane_node(narrow, Plane(front, facing(camera).normal), node.id)
    world.apply(world.propose(nearer, blocks))
    return world, camera.resized(WIDTH, HEIGHT)


def decibels(one: NDArray[Any], other: NDArray[Any]) -> float:
    return float(10 * np.log10(255.0**2 / max(np.mean((one.astype(np.float64) - other) ** 2), 1e-9)))


MOTIONS = {
    "orbit": lambda camera: camera.orbited(0.12, 0.05),
    "orbit and zoom": lambda camera: camera.zoomed(1.3).orbited(-0.08, 0.06),
    "nearer": lambda camera: camera.approached(1.2).orbited(0.05, 0.0),
}


@pytest.mark.parametrize("deep", [0, 700], ids=["at the top", "700 octaves down"])
def test_a_frame_with_depth_follows_the_camera_as_the_server_would_draw_it(
    deep: int, chrome: Any, renderer: CpuRenderer
) -> None:
    world, camera = scene(deep)

    def picture_of(view: Camera) -> NDArray[np.uint8]:
        return renderer.render_color(visible_set(world, view, SETTINGS), view, SETTINGS)[..., :3]

    pixels, zeta = renderer.render_depth(visible_set(world, camera, SETTINGS), camera, SETTINGS)
    sent, jpeg = depth_of(zeta, camera), encode_jpeg(pixels, 90)
    assert sent is not None and np.nanmax(zeta) - np.nanmin(zeta) > 40.0
    frame = {
        "jpeg": base64.b64encode(jpeg).decode(), "from": _text(camera), "frames": 1,
        "depth": {
            "width": sent.width, "height": sent.height, "step": sent.step,
            "payload": base64.b64encode(sent.payload).decode(),
        },
    }  # fmt: skip
    known = decode_depth(sent.payload, (sent.height, sent.width), camera.inverse_f, sent.step)
    shown_colors = np.asarray(Image.open(io.BytesIO(jpeg)).convert("RGB"))
    with bench_page(chrome, (WIDTH, HEIGHT)) as page:

        def shown(view: Camera, with_depth: bool) -> NDArray[np.uint8]:
            said = page.page.evaluate(_SHOW, frame | {"to": _text(view), "deep": with_depth})
            assert said["error"] == 0 and said["meshes"] == (1 if with_depth and view is not camera else 0)
            return np.asarray(Image.open(io.BytesIO(page.page.locator("#c").screenshot())).convert("RGB"))

        for name, moved in MOTIONS.items():
            view = moved(camera)
            truth, expected = picture_of(view), reprojected(shown_colors, known, camera, view)
            middle = expected.there & np.pad(np.ones((HEIGHT - 80, WIDTH - 80), np.bool_), 40)
            by_depth, plane = shown(view, True), shown(view, False)
            # As the Python client's own, but for a rim of a pixel where a side of the mesh is seen on edge.
            assert np.abs(by_depth.astype(int) - expected.colors)[middle].mean() < 3.0, name
            gain = decibels(by_depth[middle], truth[middle]) - decibels(plane[middle], truth[middle])
            if kept := os.environ.get(
                "WONDERZOOM_SCREENSHOTS"
            ):  # for whoever wants to look: truth, plane, by depth
                Image.fromarray(np.concatenate([truth, plane, by_depth], 1)).save(
                    f"{kept}/warp {name} {deep}.png"
                )
            assert gain > 4.0 and decibels(by_depth[middle], truth[middle]) > 22.0, f"{name}: {gain} dB"
        still = shown(camera, True)
        assert decibels(still, pixels[..., :3]) > 35.0 and (still == shown(camera, False)).all(), (
            "at rest it is the picture"
        )
        assert page.complaints == []


def _text(camera: Camera) -> str:
    return base64.b64encode(msgspec.msgpack.encode(pose_of(camera))).decode()
