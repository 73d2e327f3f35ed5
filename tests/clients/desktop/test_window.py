"""The window itself, on a display that nobody sees: what it shows, and what a hand does in it."""

import io
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from house_thread import house_thread
from houses import Served
from PIL import Image
from x_display import WITHIN_S, Hand, Program, display

from wonderzoom.clients import blocking
from wonderzoom.clients.desktop import motions, view
from wonderzoom.clients.poses import camera_of
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.camera import Camera

SIZE = ("--width", "480", "--height", "320")
MODULE = "wonderzoom.clients.desktop.view"
needs_display = pytest.mark.system


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(1) as made:
        yield made


@pytest.fixture
def served(tmp_path: Path, renderer: CpuRenderer) -> Iterator[Served]:
    with house_thread(tmp_path / "garden", renderer) as made:
        yield made


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    with display() as made:
        yield made


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10.0 * np.log10(np.mean((a / 255.0 - b / 255.0) ** 2) + 1e-12))


def servers_picture(world: blocking.World, camera: Camera) -> np.ndarray:
    """What the server shows of a camera, at rest."""
    world.look(camera)
    return np.asarray(Image.open(io.BytesIO(world.frame(timeout=WITHIN_S).jpeg)))


def until(wanted: Callable[[], object], what: str) -> None:
    end = time.monotonic() + WITHIN_S
    while not wanted():
        assert time.monotonic() < end, what
        time.sleep(0.02)


def camera_of_other(world: blocking.World) -> Camera | None:
    """Where the other viewer looks."""
    if world.presence is None:
        return None
    cameras = [each.camera for each in world.presence.viewers if each.id != world.welcome.viewer]
    return camera_of(cameras[0]) if cameras and cameras[0] is not None else None


@needs_display
@pytest.mark.parametrize("stream", ["surfels", "frames"])
def test_a_window_shows_what_the_server_shows(
    served: Served, environment: dict[str, str], tmp_path: Path, stream: str
) -> None:
    words = [*SIZE, "--bare", "--screenshot", "shown.png", "--stream", stream]
    with Program(environment, tmp_path, MODULE, served.link(), *words) as program:
        assert program.ended() == 0, program.said()
    shown = np.asarray(Image.open(tmp_path / "shown.png"))
    with blocking.connect(served.link()) as world:
        expected = servers_picture(world, motions.covering(world.camera, 480, 320))
    assert shown.shape == expected.shape == (320, 480, 3) and expected.std() > 20
    assert psnr(shown, expected) >= 35.0


@needs_display
def test_a_window_goes_over_from_surfels_to_frames_and_back(
    served: Served, environment: dict[str, str], tmp_path: Path
) -> None:
    words = [*SIZE, "--bare", "--stream", "surfels"]
    with (
        blocking.connect(served.link()) as world,
        Program(environment, tmp_path, MODULE, served.link(), *words) as program,
    ):
        expected = servers_picture(world, motions.covering(world.camera, 480, 320))
        hand = Hand(environment, "WonderZoom", program)
        until(lambda: camera_of_other(world), "the window looks nowhere")
        for number, key in enumerate(("", "m", "m")):
            hand.key(*([key] if key else []), "F12")  # what was there stays until the other is whole
            name = "wonderzoom.png" if not number else f"wonderzoom-{number + 1}.png"
            until((tmp_path / name).exists, "no picture was kept")
            time.sleep(1.5)
        hand.key("F12")
        until((tmp_path / "wonderzoom-4.png").exists, "no picture was kept")
        hand.key("Escape")
        assert program.ended() == 0, program.said()
    for name in ("wonderzoom-2.png", "wonderzoom-3.png", "wonderzoom-4.png"):
        assert psnr(np.asarray(Image.open(tmp_path / name)), expected) >= 30.0, name


@needs_display
@pytest.mark.parametrize("stream", ["surfels", "frames"])
def test_hands_move_ask_remove_and_bring_back(
    served: Served, environment: dict[str, str], tmp_path: Path, stream: str
) -> None:
    with (
        blocking.connect(served.link(), name="Bob") as world,
        Program(
            environment, tmp_path, MODULE, served.link(), *SIZE, "--name", "Ada", "--stream", stream
        ) as program,
    ):
        (root,) = world.nodes
        hand = Hand(environment, "WonderZoom", program)
        until(lambda: camera_of_other(world), "the window looks nowhere")
        begin = camera_of_other(world)
        assert begin is not None and (begin.width, begin.height) == (480, 320)
        hand.scroll(240, 160, 4)  # the wheel: closer, exactly where it was
        until(
            lambda: begin.ln_scale - (camera_of_other(world) or begin).ln_scale > 0.6, "no zoom by the wheel"
        )
        hand.drag(240, 160, 180, 130)
        until(lambda: (camera_of_other(world) or begin).quat != begin.quat, "no turn by dragging")
        hand.key("Home")
        until(
            lambda: abs((camera_of_other(world) or begin).ln_scale - begin.ln_scale) < 1e-3, "no flight home"
        )
        hand.click(200, 150)
        time.sleep(0.3)
        hand.type("moss")
        hand.key("Return")
        until(lambda: len(world.nodes) == 2, "nothing was made")
        node = next(each for each in world.nodes.values() if each.id != root)
        assert (node.prompt, node.by, node.parent) == ("moss", "Ada", root)
        closer = motions.covering(camera_of(node.camera), 480, 320)
        until(
            lambda: abs((camera_of_other(world) or begin).ln_scale - closer.ln_scale) < 0.5,
            "no flight into it",
        )
        time.sleep(0.5)
        hand.key("F12")
        until((tmp_path / "wonderzoom.png").exists, "no picture was kept")
        # Until the window has heard of what there is to be removed, these keys do nothing.
        until(lambda: hand.key("Delete", "y") or len(world.nodes) == 1, "it was not removed")
        until(lambda: hand.key("z") or len(world.nodes) == 2, "it was not brought back")
        hand.key("Escape")
        assert program.ended() == 0, program.said()
    kept = np.asarray(Image.open(tmp_path / "wonderzoom.png"))
    assert kept.shape == (320, 480, 3) and kept.std() > 5


@needs_display
def test_a_server_that_goes_ends_the_window_with_a_reason(
    served: Served, environment: dict[str, str], tmp_path: Path
) -> None:
    with blocking.connect(served.link()) as world:
        with Program(environment, tmp_path, MODULE, served.link(), *SIZE, "--patience", "1") as program:
            until(lambda: camera_of_other(world), "the window looks nowhere")
            served.stop.set()
            assert program.ended() == 1
    assert "wonderzoom view: " in program.said() and "Traceback" not in program.said()


# ---- without a display --------------------------------------------------------------------------
def test_without_a_display_one_is_told_what_helps(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("glfw")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert view.main(["http://127.0.0.1:1/#token=x"]) == 2
    said = capsys.readouterr().err
    assert "there is no display" in said and "in a browser" in said


def test_without_the_extra_one_is_told_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from wonderzoom.clients.desktop import window

    monkeypatch.setattr(window.importlib.util, "find_spec", lambda name: None)
    assert view.main(["http://127.0.0.1:1/#token=x"]) == 2
    assert "glfw and moderngl missing: pip install 'wonderzoom-runtime[desktop]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nonsense"], "a link looks like"),
        (["http://a/#token=x", "--width", "0"], "a window has from"),
        (["http://a/#token=x", "--budget", "1"], "--budget"),
        (["http://a/#token=x", "--patience", "-1"], "--patience"),
        (["http://a/#token=x", "--screenshot", "/nowhere/at/all.png"], "there is no folder"),
        (["https://a/#token=x", "--certificate", "/nowhere"], "No such file"),
    ],
)
def test_wrong_words_are_said_before_a_window_opens(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(view, "open_window", lambda *_: pytest.fail("a window opens"))
    assert view.main(words) == 2
    assert said in capsys.readouterr().err


@pytest.mark.parametrize(
    ("device", "answer"),
    [("llvmpipe (LLVM 15.0.6)", True), ("NVIDIA RTX 4090/PCIe", False), ("AMD RADV", False)],
)
def test_a_graphics_card_is_told_from_software(device: str, answer: bool) -> None:
    assert view.software(device) is answer


def test_a_picture_never_takes_a_name_that_is_taken(tmp_path: Path) -> None:
    for name in ("view.png", "view-2.png", "view-3.png"):
        free = view._free_name(tmp_path / "view.png")
        assert free.name == name
        free.touch()
