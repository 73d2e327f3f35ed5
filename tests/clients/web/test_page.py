"""The page in a real browser, before a real server: what people do, and what they see then."""

import asyncio
import io
import itertools
import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from garden_pages import STILL, Garden, ask, magnification, moves
from houses import read
from PIL import Image
from websockets.sync.client import connect
from websockets.typing import Subprotocol
from zoom_garden import ROOT

from wonderzoom.protocol import limits, messages
from wonderzoom.protocol.codec import encode
from wonderzoom.runtime.auth import Role
from wonderzoom.runtime.drawing import Drawing
from wonderzoom.runtime.wire import pose
from wonderzoom.runtime.world_session import WorldSession
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.picking import Pick

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("browser")]


def picture(page: Any) -> np.ndarray:
    """What the canvas shows."""
    page.locator(STILL).wait_for()
    return np.asarray(
        Image.open(io.BytesIO(page.locator("#picture").screenshot())).convert("RGB"), np.float64
    )


@contextmanager
def somebody_who_does_not_read(garden: Garden) -> Generator[None]:
    """Asks for frames, and takes none."""
    url = f"ws://127.0.0.1:{garden.house.port}/ws"
    subprotocols = [Subprotocol(limits.SUBPROTOCOL)]
    with connect(url, subprotocols=subprotocols, compression=None, proxy=None, max_queue=1) as socket:
        token = garden.house.links.tokens[Role.VIEWER]
        socket.send(encode(messages.Hello(protocol=(1, 1), client="stuck", token=token)))
        socket.recv()
        for seq in range(1, 20):
            camera = pose(ROOT.orbited(0.01 * seq, 0.0).resized(640, 480))
            socket.send(encode(messages.Camera(seq=seq, cameras=[camera])))
        yield


def test_two_people_share_one_world_and_a_third_who_is_stuck_is_not_noticed(garden: Garden) -> None:
    ada, bob = garden.looks(), garden.looks(Role.EDITOR)
    assert ada.locator("#people .person").count() == bob.locator("#people .person").count() == 2
    with somebody_who_does_not_read(garden):
        moves(bob, lambda: bob.mouse.wheel(0, -300))
        assert magnification(bob) > 1.3 * magnification(ada), "each has a camera of their own"
        before = picture(bob)
        garden.go.clear()
        ask(ada, "moss")
        ada.locator(".job[data-state=running] .job-image").wait_for()  # the preview
        bob.wait_for_timeout(300)  # somebody is told within a tenth of a second that there is one
        garden.go.set()
        ada.locator(".job[data-state=committed]").wait_for()
        assert "without: shiny" in ada.locator(".job-state").inner_text()
        for page in (ada, bob):
            page.locator("body[data-revision='2'][data-shown=still]").wait_for()
        ada.locator("#path .here", has_text="moss").wait_for()
        assert bob.locator("#ladder .dot").count() == 2
        assert np.abs(picture(bob) - before).max() > 20, "and what was made is in the picture"
    assert list(read(garden.path).nodes) != [garden.root]


def no_server_said(garden: Garden) -> None:
    """Take back what the browser says of a server that is away."""
    away = ("WebSocket connection", "ERR_CONNECTION_REFUSED")
    garden.said[:] = [line for line in garden.said if not any(words in line for words in away)]


# Keeps the stream since its key frame, and the picture that the browser made of its last packet.
TAPE = """
window.tape = { packets: [], decoded: 0, bitmap: null };
const Chunk = EncodedVideoChunk, bitmapOf = createImageBitmap;
window.EncodedVideoChunk = class extends Chunk {
  constructor(init) {
    super(init);
    if (init.type === "key") tape.packets = [];
    tape.packets.push(new Uint8Array(init.data));
  }
};
window.createImageBitmap = async (source, ...rest) => {
  const bitmap = await bitmapOf(source, ...rest);
  if (source instanceof VideoFrame) {
    tape.bitmap = await bitmapOf(bitmap);
    tape.decoded = tape.packets.length;
  }
  return bitmap;
};
"""
PLAYED = """async () => {
  const { bitmap, decoded, packets } = tape;
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  const png = new Uint8Array(await (await canvas.convertToBlob({ type: "image/png" })).arrayBuffer());
  return [Array.from(png), packets.slice(0, decoded).map((packet) => Array.from(packet))];
}"""


def decoded(packets: list[bytes]) -> np.ndarray:
    """The last picture of a stream, by a decoder that is not the browser's."""
    codec: Any = av.CodecContext.create("h264", "r")
    frames = [frame for packet in packets for frame in codec.decode(av.Packet(packet))]
    frames += codec.decode(None)
    assert len(frames) == len(packets)
    return frames[-1].to_ndarray(format="rgb24").astype(np.float64)


def test_moving_pictures_are_video_where_the_page_asks_for_it(garden: Garden) -> None:
    """Over a connection that is broken and taken up again, too; on this machine a page may decode video."""
    link = garden.house.links.of(f"http://127.0.0.1:{garden.house.port}", Role.HOST)
    page = garden.page(link=link.replace("/#", "/?codec=h264#"), script=TAPE)
    page.locator(STILL).wait_for()
    for again in (False, True):
        if again:
            garden.house.stop()
            page.locator("#line").wait_for()
            garden.house.start()
            page.locator("#line").wait_for(state="hidden")
            page.locator(STILL).wait_for()
        page.evaluate("tape.decoded = 0")
        for key in itertools.cycle(("ArrowRight", "ArrowLeft")):  # to and fro: not away from the world
            page.keyboard.press(key, delay=100)
            if page.evaluate("tape.decoded") > 3:
                break
        page.locator("body[data-codec=jpeg][data-shown=still]").wait_for()
        png, packets = page.evaluate(PLAYED)
        played = np.asarray(Image.open(io.BytesIO(bytes(png))).convert("RGB"), np.float64)
        sent = decoded([bytes(packet) for packet in packets])[: played.shape[0], : played.shape[1]]
        assert played.std() > 10 and np.abs(played - sent).mean() < 3, "the browser plays what was sent"
    no_server_said(garden)


def test_a_restart_of_the_server_is_survived(garden: Garden) -> None:
    page = garden.looks()
    moves(page, lambda: page.mouse.wheel(0, -400))
    before, at = picture(page), magnification(page)
    garden.house.stop()
    page.locator("#line").wait_for()
    assert "again" in page.locator("#line-text").inner_text()
    garden.house.start()
    page.locator(STILL).wait_for()
    page.locator("#line").wait_for(state="hidden")
    page.wait_for_timeout(400)
    assert magnification(page) == at
    assert np.abs(picture(page) - before).mean() < 1.0, "and shows the same"
    no_server_said(garden)


def test_whoever_is_recorded_is_told_so(garden: Garden, monkeypatch: pytest.MonkeyPatch) -> None:
    assert garden.looks().locator("#recorded").is_hidden()
    monkeypatch.setattr(WorldSession, "recorded", True)
    assert "recorded" in garden.looks().locator("#recorded").inner_text()


def test_what_is_under_the_pointer_stays_there(garden: Garden) -> None:
    page = garden.looks()
    x, y = 430, 150
    before = picture(page)[y - 6 : y + 7, x - 6 : x + 7].mean((0, 1))
    page.mouse.move(x, y)
    moves(page, lambda: page.mouse.wheel(0, -500))
    assert magnification(page) > 1.5
    assert np.abs(picture(page)[y - 3 : y + 4, x - 3 : x + 4].mean((0, 1)) - before).max() < 25
    moves(page, lambda: page.keyboard.press("Home"))
    page.wait_for_timeout(1500)
    assert magnification(page) < 1.5


def test_hands_and_keys_move_the_camera(garden: Garden) -> None:
    page = garden.looks()
    for name, act in {
        "drag": lambda: drag(page, "left"),
        "orbit": lambda: drag(page, "right"),
        "keys": lambda: page.keyboard.press("ArrowRight", delay=200),
        "turn": lambda: page.keyboard.press("q", delay=200),
        "button": lambda: page.locator("#closer").click(),
    }.items():
        before = picture(page)
        moves(page, act)
        assert np.abs(picture(page) - before).mean() > 1.0, name
    assert page.locator("#prompt").is_hidden(), "a drag is no click"


def drag(page: Any, button: str) -> None:
    page.mouse.move(320, 200)
    page.mouse.down(button=button)
    page.mouse.move(260, 230, steps=6)
    page.mouse.up(button=button)


def test_one_flies_in_at_once_however_late_it_is_known_what_is_there(
    garden: Garden, monkeypatch: pytest.MonkeyPatch
) -> None:
    pick = Drawing.pick

    async def slow(self: Drawing, camera: Camera, u: float, v: float) -> Pick | None:
        await asyncio.sleep(0.4)
        return await pick(self, camera, u, v)

    monkeypatch.setattr(Drawing, "pick", slow)
    page = garden.looks()
    before = magnification(page)
    garden.go.clear()
    ask(page, "moss", 0.4, 0.6)
    page.locator(".job[data-state=running]").wait_for()
    page.wait_for_timeout(2500)
    assert magnification(page) > 3.0 * before
    garden.go.set()
    page.locator(".job[data-state=committed]").wait_for()
    assert len(read(garden.path).nodes) == 2


def test_zooms_queue_and_are_called_off(garden: Garden) -> None:
    page = garden.looks()
    garden.go.clear()
    for prompt, x in (("first", 0.3), ("second", 0.6)):
        ask(page, prompt, x)
        moves(page, lambda: page.keyboard.press("Home"))
        page.wait_for_timeout(1200)
    jobs = page.locator(".job")
    assert jobs.count() == 2
    page.locator(".job", has_text="second").locator(".job-stop").click()
    page.locator(".job", has_text="second").wait_for(state="detached")
    garden.go.set()
    page.locator(".job[data-state=committed]", has_text="first").wait_for()
    ask(page, "fail", 0.8)
    page.locator(".job[data-state=failed]").wait_for()
    assert "paint is out" in page.locator(".notice.problem").inner_text()
    page.locator(".notice.problem").wait_for(state="detached")
    page.locator(".job[data-state=failed]", has_text="paint is out").locator(
        ".job-stop"
    ).click()  # it was to be read
    page.locator(".job[data-state=failed]").wait_for(state="detached")
    assert len(read(garden.path).nodes) == 2


def test_a_zoom_is_removed_and_brought_back(garden: Garden) -> None:
    page, other = garden.looks(), garden.looks(Role.VIEWER)
    ask(page, "moss")
    page.locator("#path .here", has_text="moss").wait_for()
    page.locator("#path .bin").click()
    assert "moss" in page.locator("#removing-what").inner_text()
    page.locator("#removing button[value=remove]").click()
    for each in (page, other):
        each.locator("body[data-revision='3']").wait_for()
    page.locator("#path .here", has_text="the picture").wait_for()
    assert list(read(garden.path).nodes) == [garden.root]
    page.locator(".notice button", has_text="Bring it back").click()
    for each in (page, other):
        each.locator("body[data-revision='4']").wait_for()
    page.locator("#path .here", has_text="moss").wait_for()  # one is flown to it
    assert len(read(garden.path).nodes) == 2
    page.keyboard.press("Delete")
    page.locator("#removing button[value=remove]").click()
    page.locator("body[data-revision='5']").wait_for()
    page.keyboard.press("z")
    page.locator("body[data-revision='6']").wait_for()
    assert len(read(garden.path).nodes) == 2


def test_who_may_only_look_is_told_so(garden: Garden) -> None:
    page = garden.looks(Role.VIEWER)
    page.mouse.click(320, 200)
    assert "may look" in page.locator(".notice").inner_text()
    assert page.locator("#prompt").is_hidden() and page.locator("#photo-label").is_hidden()


def test_a_wrong_link_says_so_and_the_right_one_is_pasted(garden: Garden) -> None:
    address = f"http://127.0.0.1:{garden.house.port}"
    page = garden.page(link=f"{address}/#token={'x' * 43}")
    page.locator("#closed").wait_for()
    assert "wrong token" in page.locator("#closed-reason").inner_text()
    page.fill("#closed-link", garden.house.links.of(address, Role.EDITOR))
    page.keyboard.press("Enter")
    page.locator(STILL).wait_for()
    page.reload()
    page.locator(STILL).wait_for()
    page.wait_for_timeout(300)
    assert page.locator("#people .person").count() == 1, "a reload is the same viewer"


def test_a_photo_becomes_a_world(garden: Garden, tmp_path: Path) -> None:
    page, other = garden.looks(), garden.looks(Role.VIEWER)
    assert other.locator("#world-name option").count() == 0
    noise = np.random.default_rng(0).integers(0, 255, (300, 300, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "Beach day.png")
    (tmp_path / "no.jpg").write_bytes(b"no picture")
    page.set_input_files("#photo", tmp_path / "no.jpg")
    assert "no picture" in page.locator(".notice.problem").inner_text()
    page.set_input_files("#photo", tmp_path / "Beach day.png")
    page.locator("#world-name option[value=beach-day]:checked").wait_for(state="attached")
    page.locator(STILL).wait_for()
    assert re.search("world=beach-day", page.url)
    other.locator("#world-name option[value=beach-day]").wait_for(state="attached")  # and may go there
    assert other.locator("#world-name option:checked").get_attribute("value") == "garden"
    page.locator("#world-name select").select_option("garden")
    for _ in range(100):  # the address changes first, and the rest when the browser has said so to the page
        if page.title().startswith("garden"):
            break
        page.wait_for_timeout(50)
    page.locator("body[data-shown=still]").wait_for()
    assert page.title().startswith("garden")


def test_a_phone_taps_pinches_and_sees_a_sheet(garden: Garden) -> None:
    page = garden.looks(
        viewport={"width": 390, "height": 700}, has_touch=True, is_mobile=True, device_scale_factor=2
    )
    page.touchscreen.tap(195, 300)
    page.locator("#prompt").wait_for()
    page.wait_for_timeout(250)
    box = page.locator("#prompt").bounding_box()
    assert box["x"] == 0 and box["width"] == 390 and round(box["y"] + box["height"]) == 700
    assert page.locator("#prompt-ideas .idea").count() == 3
    page.locator("#prompt-close").tap()
    before = magnification(page)
    client = page.context.new_cdp_session(page)
    moves(page, lambda: pinch(client, 195, 300))
    assert magnification(page) > 1.5 * before


def pinch(client: Any, x: float, y: float) -> None:
    for kind, spread in (("touchStart", 30), *(("touchMove", 30 + 12 * step) for step in range(1, 7))):
        points = [{"x": x - spread, "y": y, "id": 0}, {"x": x + spread, "y": y, "id": 1}]
        client.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
