"""Gestures: what moves the camera and what is a click, and that everything comes to rest."""

import math

import numpy as np
import pytest
from clouds import a_camera

from wonderzoom.clients.desktop import motions
from wonderzoom.clients.desktop.hands import Hands
from wonderzoom.scene_graph.camera import Camera

START = a_camera(320, 240, 300.0)


class Heard:
    def __init__(self) -> None:
        self.said: list[tuple[str, float, float]] = []
        self.moves = 0

    def pick(self, u: float, v: float) -> None:
        self.said.append(("pick", u, v))

    def click(self, u: float, v: float) -> None:
        self.said.append(("click", u, v))

    def moved(self) -> None:
        self.moves += 1


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def hands(heard: Heard) -> Hands:
    return Hands(heard, camera=START)


def rest(hands: Hands, now: float = 0.0) -> tuple[float, int]:
    """Let time go on until nothing moves; when that was, after how many steps."""
    for count in range(2000):
        now += 1 / 60
        if not hands.step(now, 1 / 60):
            return now, count
    raise AssertionError("it never comes to rest")


def spot(camera: Camera | None, place: object) -> np.ndarray:
    assert camera is not None
    return np.array(motions.seen_at(camera, place)[:2])  # type: ignore[arg-type]


def test_a_short_press_is_a_click_and_moves_nothing(hands: Hands, heard: Heard) -> None:
    hands.press("left", 100, 80, 1.0)
    hands.point(102, 83, 1.1)
    hands.release(102, 83, 1.2)
    assert heard.said == [("pick", 100, 80), ("click", 102, 83)]
    assert hands.camera is START and rest(hands)[1] == 0 and heard.moves == 0


@pytest.mark.parametrize("press", [("left", 2.0), ("right", 1.1)])
def test_a_long_press_or_another_button_is_no_click(hands: Hands, heard: Heard, press: tuple) -> None:
    button, until = press
    hands.press(button, 100, 80, 1.0)
    hands.release(100, 80, until)
    assert heard.said == [("pick", 100, 80)]


def test_the_world_sticks_to_the_pointer_that_drags_it(hands: Hands) -> None:
    place = motions.place_at(START, 100, 80)
    hands.press("left", 100, 80, 1.0)
    for k in range(1, 11):
        hands.point(100 + 4 * k, 80 - 2 * k, 1.0 + 0.02 * k)
    np.testing.assert_allclose(spot(hands.camera, place), (140, 60), atol=3.0)
    hands.release(140, 60, 5.0)  # after a rest: it is not thrown
    assert rest(hands)[1] == 0


def test_a_thrown_picture_glides_on_and_comes_to_rest(hands: Hands) -> None:
    hands.press("left", 100, 80, 1.0)
    for k in range(1, 11):
        hands.point(100 + 6 * k, 80, 1.0 + 0.016 * k)
    hands.release(160, 80, 1.17)
    before = spot(hands.camera, START.pivot)
    now, count = rest(hands, 1.17)
    assert count > 10 and now < 4.0
    assert spot(hands.camera, START.pivot)[0] > before[0] + 20


@pytest.mark.parametrize(
    ("button", "shift", "mode"), [("right", False, False), ("left", True, False), ("left", False, True)]
)
def test_orbiting_keeps_the_pivot_in_the_middle(hands: Hands, button: str, shift: bool, mode: bool) -> None:
    hands.orbiting = mode
    hands.press(button, 100, 80, 1.0)  # type: ignore[arg-type]
    hands.point(160, 90, 1.1, turning=shift)
    hands.release(160, 90, 1.2)
    np.testing.assert_allclose(spot(hands.camera, START.pivot), (160, 120), atol=1e-6)
    assert hands.camera is not None and hands.camera.quat != START.quat


def test_the_wheel_zooms_at_the_pointer_and_picks_once_a_gesture(hands: Hands, heard: Heard) -> None:
    place = motions.place_at(START, 250, 60)
    for k in range(5):
        hands.scroll(1.0, 250, 60, 1.0 + 0.05 * k)
        hands.step(1.0 + 0.05 * k, 0.05)
    rest(hands, 1.25)
    assert heard.said == [("pick", 250, 60)]
    np.testing.assert_allclose(spot(hands.camera, place), (250, 60), atol=0.1)
    assert hands.camera is not None
    grown = START.ln_scale - hands.camera.ln_scale
    assert grown == pytest.approx(0.8, abs=0.05)
    hands.scroll(-1.0, 250, 60, 9.0)
    assert len(heard.said) == 2


@pytest.mark.parametrize(
    ("key", "what"),
    [("w", "closer"), ("-", "farther"), ("left", "turns"), ("d", "aside"), ("q", "orbits"), ("r", "orbits")],
)
def test_keys_that_are_held_move_until_they_are_let_go(hands: Hands, key: str, what: str) -> None:
    hands.hold(key)
    assert all(hands.step(0.02 * k, 0.02) for k in range(1, 11))
    hands.let_go(None if key == "w" else key)
    assert rest(hands)[1] == 0
    camera = hands.camera
    assert camera is not None
    closer = START.ln_scale - camera.ln_scale
    moved = np.abs(spot(camera, START.pivot) - (160, 120)).max()
    if what == "closer":
        assert closer == pytest.approx(0.28, abs=0.01)
    elif what == "farther":
        assert closer == pytest.approx(-0.28, abs=0.01)
    elif what == "orbits":
        assert moved < 1e-6 and camera.quat != START.quat
    else:
        assert moved > 20
        assert (camera.quat == START.quat) == (what == "aside")


def test_keys_against_each_other_stand_still(hands: Hands) -> None:
    hands.hold("w")
    hands.hold("s")
    hands.step(0.1, 0.1)
    assert hands.camera == START


def test_a_flight_arrives_and_a_hand_ends_it(hands: Hands, heard: Heard) -> None:
    target = motions.zoomed_at(START, 8.0, 200, 100)
    hands.fly(target, 1.0)
    assert hands.flying
    now, _ = rest(hands, 1.0)
    assert hands.camera == target and now > 1.4 and not heard.moves
    hands.fly(START, 10.0)
    hands.step(10.1, 0.1)
    hands.pivot(20.0)  # an answer that comes late does not end it
    assert hands.flying
    hands.scroll(1.0, 10, 10, 10.2)
    rest(hands, 10.2)
    assert not hands.flying


def test_a_long_pause_is_no_leap(hands: Hands) -> None:
    hands.hold("w")
    hands.step(100.0, 60.0)
    assert hands.camera is not None and START.ln_scale - hands.camera.ln_scale < 0.2


def test_what_a_hand_may_not_go_beyond(heard: Heard) -> None:
    hands = Hands(heard, bound=lambda camera: START, camera=START)
    hands.hold("w")
    hands.step(0.1, 0.1)
    assert hands.camera is START


def test_before_there_is_a_camera_nothing_breaks(heard: Heard) -> None:
    hands = Hands(heard)
    hands.press("left", 1, 1, 0.0)
    hands.point(50, 50, 0.1)
    hands.release(50, 50, 0.2)
    hands.resize(100, 100)
    assert not hands.step(0.3, 0.1)
    hands.fly(START, 0.4)
    assert hands.camera is START and math.isfinite(START.ln_f)
