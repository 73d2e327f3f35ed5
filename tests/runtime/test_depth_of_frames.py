"""Frames with depth, of two eyes, and coarser ones: what is drawn, what is sent to whom, and what it costs."""

import asyncio
import io
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from flying import Client, fly, on_virtual_time, staged, turned
from numpy.typing import NDArray
from PIL import Image
from worlds import nested_world

from wonderzoom.protocol.depth_map import decode_depth
from wonderzoom.protocol.values import Depth
from wonderzoom.runtime import drawing as drawing_room
from wonderzoom.runtime.drawing import Drawing
from wonderzoom.runtime.encoders import depth_of, encode_jpeg, encode_within
from wonderzoom.runtime.frames import settings_of
from wonderzoom.runtime.orders import Drawn, Order, Shown
from wonderzoom.runtime.pacing import DEPTH_FILLS, LADDER, Pacer, Rung
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.visible_set import visible_set

FULL = Rung(1.0, 92)
WORLD, CAMERAS = nested_world(1, width=64, height=48, tilt=0.4)
CAMERA, BESIDE = CAMERAS[0].orbited(0.1, 0.05), CAMERAS[0].orbited(0.13, 0.05)


class Counting(CpuRenderer):
    """Knows how many pictures it has drawn."""

    drawn = 0

    def render_color(
        self, visible: VisibleSet, camera: Camera, settings: RenderSettings
    ) -> NDArray[np.uint8]:
        self.drawn += 1
        return super().render_color(visible, camera, settings)

    def render_depth(
        self, visible: VisibleSet, camera: Camera, settings: RenderSettings
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        self.drawn += 1
        return super().render_depth(visible, camera, settings)


@pytest.fixture
def renderer() -> Iterator[Counting]:
    with Counting(1) as made:
        yield made


@pytest.fixture
def drawing(renderer: Counting) -> Iterator[Drawing]:
    made = Drawing(WORLD.copy(), renderer)
    try:
        for camera in (CAMERA, BESIDE):
            asyncio.run(made.draw(Order((camera,), FULL, False)))
        made._pyramids._thread.submit(lambda: None).result()  # pyramids are there from now on
        renderer.drawn = 0
        yield made
    finally:
        made.close()


def draw(
    drawing: Drawing, *cameras: Camera, still: bool = False, depth: bool = False, lod_bias: float = 0.0
) -> Drawn:
    return asyncio.run(drawing.draw(Order(cameras, FULL, still, "v1", depth, lod_bias)))


def decoded(view: Shown) -> NDArray[np.float32]:
    assert view.depth is not None
    shape = view.depth.height, view.depth.width
    return decode_depth(view.depth.payload, shape, view.camera.inverse_f, view.depth.step)


def zeta_of(renderer: CpuRenderer, camera: Camera) -> NDArray[np.float32]:
    settings = settings_of(WORLD.header)
    return renderer.render(visible_set(WORLD, camera, settings), camera, settings).zeta


# ---- depth -----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("still", [False, True])
def test_a_sample_is_the_nearest_of_its_pixels(renderer: Counting, drawing: Drawing, still: bool) -> None:
    (view,) = draw(drawing, CAMERA, still=still, depth=True).views
    zeta = zeta_of(renderer, CAMERA)
    blocks = zeta.reshape(12, 4, 16, 4).transpose(0, 2, 1, 3)
    nearest = np.fmin.reduce(blocks.reshape(12, 16, 16), axis=2)
    assert view.depth is not None and np.nanmax(nearest) - np.nanmin(nearest) > 5.0
    found = decoded(view)
    assert (np.isnan(found) == np.isnan(nearest)).all() and np.isfinite(found).mean() > 0.8
    off = np.nan_to_num(np.abs(found - nearest) - 0.51 * view.depth.step * (32.0 + np.abs(nearest)))
    assert (off <= 0.01).all()
    (flat,) = draw(drawing, CAMERA, still=still).views
    assert flat.depth is None and flat.payload == view.payload


def test_odd_sides_are_shared_out_evenly() -> None:
    zeta = (np.arange(15)[:, None] + 100.0 * np.arange(21)).astype(np.float32)
    depth = depth_of(zeta, CAMERA)
    assert depth is not None and (depth.width, depth.height) == (6, 4)
    found = decode_depth(depth.payload, (4, 6), CAMERA.inverse_f, depth.step)
    corners = np.array([0, 3, 7, 11])[:, None] + 100.0 * np.array([0, 3, 7, 10, 14, 17])
    assert found == pytest.approx(corners, rel=0.04, abs=1.0)


def test_nothing_counts_less_than_anything() -> None:
    zeta = np.full((8, 8), np.nan, np.float32)
    zeta[0, 0], zeta[5, 1] = 7.0, -3.0
    depth = depth_of(zeta, CAMERA)
    assert depth is not None
    found = decode_depth(depth.payload, (2, 2), CAMERA.inverse_f, depth.step)
    assert found[:, 0] == pytest.approx([7.0, -3.0], abs=0.6) and np.isnan(found[:, 1]).all()


def test_the_depth_of_a_still_is_drawn_with_the_moving_picture_before_it(
    renderer: Counting, drawing: Drawing
) -> None:
    draw(drawing, CAMERA, depth=True)
    assert renderer.drawn == 1
    made = draw(drawing, CAMERA, still=True, depth=True)
    assert renderer.drawn == 1 and made.views[0].depth is not None and made.render_s == 0.0
    draw(drawing, CAMERA)
    assert draw(drawing, CAMERA, still=True, depth=True).views[0].depth is not None
    assert renderer.drawn == 3, "where that had none, the still is drawn, once"
    draw(drawing, CAMERA, depth=True)
    assert draw(drawing, CAMERA, still=True).views[0].depth is None and renderer.drawn == 4


def test_what_fits_no_message_goes_without_depth_and_then_without_quality(
    drawing: Drawing, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = draw(drawing, CAMERA, depth=True)
    monkeypatch.setattr(drawing_room, "MAX_PICTURE", whole.picture_bytes + whole.depth_bytes - 1)
    tight = draw(drawing, CAMERA, depth=True)
    assert tight.views[0].payload == whole.views[0].payload and tight.depth_bytes == 0 < whole.depth_bytes
    monkeypatch.setattr(drawing_room, "MAX_PICTURE", whole.picture_bytes - 1)
    assert 0 < draw(drawing, CAMERA).picture_bytes < whole.picture_bytes


def test_pictures_of_a_frame_share_its_bytes() -> None:
    chance = np.random.default_rng(0)
    pictures = [chance.integers(0, 256, (64, 64, 4), np.uint8) for _ in range(2)]
    at_best = encode_within(1 << 20, pictures, 90)
    assert at_best == [encode_jpeg(picture, 90) for picture in pictures]
    assert sum(map(len, encode_within(6_000, pictures, 90))) <= 6_000 < sum(map(len, at_best))


# ---- two eyes, and coarser ------------------------------------------------------------------------------
def test_each_eye_sees_what_it_would_see_alone(drawing: Drawing) -> None:
    both = draw(drawing, CAMERA, BESIDE, depth=True)
    assert [view.camera for view in both.views] == [CAMERA, BESIDE]
    for view, camera in zip(both.views, (CAMERA, BESIDE), strict=True):
        assert draw(drawing, camera, depth=True).views == (view,)
    assert both.views[0].payload != both.views[1].payload


def test_a_still_of_two_eyes_is_not_drawn_again(renderer: Counting, drawing: Drawing) -> None:
    draw(drawing, CAMERA, BESIDE)
    still = draw(drawing, CAMERA, BESIDE, still=True)
    assert renderer.drawn == 2 and [view.camera for view in still.views] == [CAMERA, BESIDE]
    draw(drawing, CAMERA, BESIDE)
    draw(drawing, CAMERA, still=True)
    assert renderer.drawn == 5, "one eye is another frame"


def test_a_biased_frame_is_drawn_by_other_scales(renderer: Counting, drawing: Drawing) -> None:
    camera = CAMERAS[1]
    settings = replace(settings_of(WORLD.header), lod_bias=6.0)
    expected = renderer.render_color(visible_set(WORLD, camera, settings), camera, settings)
    finer, coarser = (draw(drawing, camera, lod_bias=bias).views[0].payload for bias in (0.0, 6.0))
    assert coarser == encode_jpeg(expected, FULL.quality) and coarser != finer
    shown = [
        np.asarray(Image.open(io.BytesIO(payload)).convert("L"), np.float64) for payload in (finer, coarser)
    ]
    assert np.abs(shown[0] - shown[1]).mean() > 1.0
    renderer.drawn = 0
    draw(drawing, camera)
    draw(drawing, camera, still=True, lod_bias=6.0)
    assert renderer.drawn == 2, "what was drawn finer is not its still"


# ---- the loop --------------------------------------------------------------------------------------------
def deep(client: Client) -> list[tuple[bool, bool]]:
    """Of each frame that a client was shown: whether it is a still, and whether it has depth."""
    return [(frame.still, frame.views[0].depth is not None) for _, frame in client.shown]


@on_virtual_time
async def test_depth_goes_with_moving_frames_where_the_link_has_room_and_with_stills_always() -> None:
    async with staged(size=40_000, depth=10_000) as stage:
        fast, slow, plain = (
            stage.join(Client(name, rate)) for name, rate in (("a", 1e8), ("b", 4e5), ("c", 1e8))
        )
        for client in (fast, slow):
            client.viewer.pacer.depth_wished = True
        await asyncio.gather(*(fly(stage, client, 4.0) for client in (fast, slow, plain)))
        await asyncio.sleep(2.0)
        assert all(has for _, has in deep(fast)) and not any(has for _, has in deep(plain))
        assert deep(slow)[-1] == (True, True)
        late = [has for still, has in deep(slow)[len(slow.shown) // 2 :] if not still]
        assert len(late) > 10 and not any(late)


@on_virtual_time
async def test_what_is_wanted_otherwise_is_drawn_once_more_and_then_there_is_silence() -> None:
    async with staged() as stage:
        client = stage.join(Client("a"))
        stage.loop.look(client.viewer, turned(1), 1)
        await asyncio.sleep(1.0)
        assert deep(client) == [(False, False), (True, False)]
        client.viewer.pacer.depth_wished = True
        stage.loop.wishes_changed(client.viewer)
        await asyncio.sleep(5.0)
        assert deep(client) == [(False, False), (True, False), (True, True)]


@on_virtual_time
async def test_who_rides_along_gets_depth_if_they_want_it_and_never_less_than_they_want() -> None:
    async with staged() as stage:
        leader, plain, wants, coarse = (stage.join(Client(name)) for name in "abcd")
        leader.viewer.pacer.depth_wished = wants.viewer.pacer.depth_wished = True
        coarse.viewer.lod_bias = 1.0
        for seq in range(1, 40):
            stage.loop.look(leader.viewer, turned(seq), seq)
            for other in (plain, wants, coarse):
                stage.loop.follow(other.viewer, turned(seq), "a")
            await asyncio.sleep(0.05)
        await asyncio.sleep(2.0)
        assert all(has for _, has in deep(leader)) and all(has for _, has in deep(wants))
        assert not any(has for _, has in deep(plain))
        frames = sum(len(client.shown) for client in (leader, plain, wants, coarse))
        assert stage.renderer.calls < 0.6 * frames, "three of them share what is drawn"
        assert coarse.shown[-1][1].still and not {a.id for _, a in coarse.shown} & {
            a.id for _, a in leader.shown
        }


@on_virtual_time
async def test_two_eyes_get_two_pictures_as_jpeg() -> None:
    async with staged(size=4_000) as stage:
        client = stage.join(Client("a"))
        client.viewer.pacer.wish = "h264"
        stage.loop.look(client.viewer, turned(1), 1, turned(2))
        await asyncio.sleep(1.0)
        stage.loop.look(client.viewer, turned(1), 2, turned(3))
        await asyncio.sleep(1.0)
        stage.loop.look(client.viewer, turned(1), 3)
        await asyncio.sleep(1.0)
        shown = [
            (frame.still, frame.codec, [view.camera for view in frame.views]) for _, frame in client.shown
        ]
        assert shown == [
            (False, "jpeg", [turned(1), turned(2)]),
            (True, "jpeg", [turned(1), turned(2)]),
            (False, "jpeg", [turned(1), turned(3)]),
            (True, "jpeg", [turned(1), turned(3)]),
            (False, "h264", [turned(1)]),
            (True, "jpeg", [turned(1)]),
        ]


# ---- the pacing ------------------------------------------------------------------------------------------
def test_depth_comes_and_goes_with_the_link_and_counts() -> None:
    pacer = Pacer(depth_wished=True, rtt=0.0)
    assert pacer.wants_depth(False) and not Pacer().wants_depth(True)
    pacer.drawn(0.01, 30_000, LADDER[0], depth=6_000)
    room = 30.0 * 6_000 / 0.8  # bytes a second that depth takes, of a link with headroom
    wants: list[bool] = []
    for share in (0.1, 0.9 * DEPTH_FILLS, 1.1 * DEPTH_FILLS, 0.9 * DEPTH_FILLS, 0.1):
        pacer.rate, pacer.rung = room / share, 0
        pacer.choose(0.0)
        wants.append(pacer.wants_depth(False))
    assert wants == [True, True, False, False, True], "it is not taken up at once where it was left out"
    pacer.rate, pacer.rung, pacer.max_fps = 1e5, 0, 120.0
    plain = Pacer(rtt=0.0, rate=1e5, rung=0, max_fps=120.0)
    plain.drawn(0.01, 30_000, LADDER[0])
    assert pacer.interval() == pytest.approx(1.2 * plain.interval())


def test_a_depth_that_no_message_holds_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    zeta = np.random.default_rng(0).normal(0.0, 1e3, (48, 64)).astype(np.float32)
    made = depth_of(zeta, CAMERA, still=True)
    assert isinstance(made, Depth)
    monkeypatch.setattr("wonderzoom.runtime.encoders.MAX_DEPTH", len(made.payload) - 1)
    assert depth_of(zeta, CAMERA, still=True) is None
    monkeypatch.undo()
    monkeypatch.setattr("wonderzoom.runtime.encoders.MAX_DEPTH_SAMPLES", 100)
    smaller = depth_of(zeta, CAMERA, still=True)
    assert smaller is not None and 50 < smaller.width * smaller.height <= 100
