"""The page's frames with depth, in a real browser: moved to another camera they are nearer to what the server would
draw there than as planes, also where something stands in front of something else."""

import base64
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
import numpy as np
import pytest
from bench_page import BenchPage, bench_page
from garden_pages import STILL, Garden, moves
from numpy.typing import NDArray
from PIL import Image
from worlds import Plane, facing, first_camera, plane_node

from wonderzoom.clients.poses import pose_of
from wonderzoom.clients.reprojection import Reprojected, reprojected
from wonderzoom.protocol.depth_map import decode_depth
from wonderzoom.protocol.values import Depth
from wonderzoom.runtime.auth import Role
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
_SHOW = """async ({frames, to, draws}) => {
  const cameras = await import("/camera.js"), {decode} = await import("/msgpack.js");
  const {Picture} = await import("/picture.js");
  const bytes = (text) => Uint8Array.from(atob(text), (each) => each.charCodeAt(0));
  const seen = (pose) => cameras.fromWire(decode(bytes(pose)));
  const view = seen(to), canvas = document.getElementById("c");
  Object.assign(canvas, {width: view.width, height: view.height});
  window.picture ??= new Picture(canvas, () => {}, () => {});
  picture.forget();
  for (const [frame, {jpeg, from, depth}] of frames.entries()) { // each of them a still
    const shown = new Promise((done) => { picture.changed = () => done(true); });
    const sent = depth ? {...depth, payload: bytes(depth.payload)} : undefined;
    picture.arrive({frame, revision: 1, still: true, payload: bytes(jpeg), camera: seen(from), depth: sent});
    await shown;
  }
  let took = 0;
  for (let i = 0; i < draws; i++) {
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


def drawn(renderer: CpuRenderer, world: World, view: Camera) -> NDArray[np.uint8]:
    return renderer.render_color(visible_set(world, view, SETTINGS), view, SETTINGS)[..., :3]


@dataclass(frozen=True)
class Frame:
    """What the server sends of a camera."""

    camera: Camera
    jpeg: bytes
    depth: Depth

    @staticmethod
    def of(renderer: CpuRenderer, world: World, camera: Camera) -> "Frame":
        pixels, zeta = renderer.render_depth(visible_set(world, camera, SETTINGS), camera, SETTINGS)
        depth = depth_of(zeta, camera)
        assert depth is not None
        return Frame(camera, encode_jpeg(pixels, 90), depth)

    def said(self, deep: bool) -> dict[str, Any]:
        depth = self.depth
        sent = {
            "width": depth.width,
            "height": depth.height,
            "step": depth.step,
            "payload": _text(depth.payload),
        }
        return {"jpeg": _text(self.jpeg), "from": _text(_pose(self.camera)), "depth": sent if deep else None}

    def seen_from(self, view: Camera) -> Reprojected:
        """As the Python client sees it."""
        shape, colors = (
            (self.depth.height, self.depth.width),
            Image.open(io.BytesIO(self.jpeg)).convert("RGB"),
        )
        zeta = decode_depth(self.depth.payload, shape, self.camera.inverse_f, self.depth.step)
        return reprojected(np.asarray(colors), zeta, self.camera, view)


def shown(page: BenchPage, frames: list[Frame], view: Camera, deep: bool, meshes: int) -> NDArray[np.uint8]:
    """What the page shows after these frames."""
    said = page.page.evaluate(
        _SHOW, {"frames": [frame.said(deep) for frame in frames], "to": _text(_pose(view)), "draws": 1}
    )
    assert said["error"] == 0 and said["meshes"] == meshes
    return np.asarray(Image.open(io.BytesIO(page.page.locator("#c").screenshot())).convert("RGB"))


def _pose(camera: Camera) -> bytes:
    return msgspec.msgpack.encode(pose_of(camera))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_the_page_asks_for_depth_where_it_is_told_to(garden: Garden) -> None:
    """By itself only with a graphics card, which no test has."""
    link = garden.house.links.of(f"http://127.0.0.1:{garden.house.port}", Role.VIEWER)
    for words, depth in (("?stream=frames", "none"), ("?stream=frames&depth=on", "known")):
        page = garden.page(link=link.replace("/#", f"/{words}#"))
        page.locator(f"{STILL}[data-depth={depth}]").wait_for()
        page.mouse.move(300, 300)
        moves(page, partial(page.mouse.wheel, 0, -200))
        page.locator(f"{STILL}[data-depth={depth}]").wait_for()
    garden.said[:] = [each for each in garden.said if "GPU stall" not in each]  # as it has none


@pytest.mark.parametrize("deep", [0, 700], ids=["at the top", "700 octaves down"])
def test_a_frame_with_depth_follows_the_camera_as_the_server_would_draw_it(
    deep: int, chrome: Any, renderer: CpuRenderer
) -> None:
    world, camera = scene(deep)
    frame = Frame.of(renderer, world, camera)
    with bench_page(chrome, (WIDTH, HEIGHT)) as page:
        for name, moved in MOTIONS.items():
            view = moved(camera)
            truth, expected = drawn(renderer, world, view), frame.seen_from(view)
            middle = expected.there & np.pad(np.ones((HEIGHT - 80, WIDTH - 80), np.bool_), 40)
            by_depth, plane = shown(page, [frame], view, True, 1), shown(page, [frame], view, False, 0)
            if kept := os.environ.get(
                "WONDERZOOM_SCREENSHOTS"
            ):  # for whoever wants to look: truth, plane, by depth
                Image.fromarray(np.concatenate([truth, plane, by_depth], 1)).save(
                    f"{kept}/warp {name} {deep}.png"
                )
            # As the Python client's own, but for a rim of a pixel where a side of the mesh is seen on edge.
            assert np.abs(by_depth.astype(int) - expected.colors)[middle].mean() < 3.0, name
            gain = decibels(by_depth[middle], truth[middle]) - decibels(plane[middle], truth[middle])
            assert gain > 4.0 and decibels(by_depth[middle], truth[middle]) > 22.0, f"{name}: {gain} dB"
        still = shown(page, [frame], camera, True, 0)
        assert decibels(still, drawn(renderer, world, camera)) > 35.0, "at rest it is the picture"
        assert (still == shown(page, [frame], camera, False, 0)).all()
        assert page.complaints == []


def test_stills_around_the_newest_frame_follow_by_their_depth_too(chrome: Any, renderer: CpuRenderer) -> None:
    world, camera = scene(0)
    wide, narrow = Frame.of(renderer, world, camera), Frame.of(renderer, world, camera.zoomed(2.0))
    view = camera.orbited(0.12, 0.05)
    truth = drawn(renderer, world, view)
    around = wide.seen_from(view).there & ~narrow.seen_from(view).there
    around &= np.pad(np.ones((HEIGHT - 40, WIDTH - 40), np.bool_), 20)
    assert around.mean() > 0.3
    with bench_page(chrome, (WIDTH, HEIGHT)) as page:
        by_depth, planes = (shown(page, [wide, narrow], view, deep, 2 * deep) for deep in (True, False))
        assert decibels(by_depth[around], truth[around]) > decibels(planes[around], truth[around]) + 3.0
        assert page.complaints == []
