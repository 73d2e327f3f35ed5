"""What a window on a world does, without a window and without a server: who says what, and what is asked for."""

import itertools
import math
from dataclasses import dataclass, field

import msgspec
import numpy as np
import pytest
from clouds import a_camera

from wonderzoom.clients.desktop import motions
from wonderzoom.clients.desktop.desk import Desk
from wonderzoom.clients.desktop.hud import Hud, draw
from wonderzoom.clients.desktop.remote import Changed, Over, Picked, Progress, Sheet, Shown, Told
from wonderzoom.clients.desktop.tree import Tree, times
from wonderzoom.clients.desktop.zooms import progress
from wonderzoom.clients.errors import CannotConnect, Ended, RequestFailed
from wonderzoom.clients.events import Disconnected, Reconnected
from wonderzoom.clients.poses import place_of, pose_of
from wonderzoom.protocol import messages
from wonderzoom.protocol.errors import ErrorCode
from wonderzoom.protocol.values import NodeSummary, PendingZoom, ViewerSummary
from wonderzoom.scene_graph.camera import Camera

VIEW = a_camera(320, 240, 300.0)
CHILD = motions.zoomed_at(VIEW, 6.0, 160, 120)
NODES = {
    "root": NodeSummary(id="root", camera=pose_of(VIEW), ln_magnification=0.0),
    "moss": NodeSummary(
        id="moss", camera=pose_of(CHILD), ln_magnification=math.log(6.0), parent="root", prompt="moss"
    ),
}
WELCOME = messages.Welcome(
    protocol=1,
    viewer="me",
    name="Ada",
    color="#112233",
    role="editor",
    resume="r",
    world="garden",
    revision=2,
    h_ref=64,
    clock=0.0,
    nodes=list(NODES.values()),
    camera=pose_of(VIEW),
)


@dataclass
class Asked:
    """The server's side: writes down what is asked."""

    said: list[tuple] = field(default_factory=list)
    numbers: itertools.count = field(default_factory=lambda: itertools.count(1))

    def look(self, camera: Camera) -> None:
        self.said.append(("look", camera))

    def pick(self, frame: int, u: float, v: float) -> int:
        self.said.append(("pick", frame, u, v))
        return next(self.numbers)

    def zoom(self, camera: Camera, prompt: str, seed: int) -> int:
        self.said.append(("zoom", camera, prompt, seed))
        return next(self.numbers)

    def cancel(self, request: int) -> None:
        self.said.append(("cancel", request))

    def remove(self, node: str) -> None:
        self.said.append(("remove", node))

    def restore(self, node: str) -> None:
        self.said.append(("restore", node))

    def all(self, kind: str) -> list[tuple]:
        return [each for each in self.said if each[0] == kind]


class Room:
    """A desk in a window of 320 x 240, its server, and time."""

    def __init__(self, role: str = "editor") -> None:
        self.asked, self.now, self.nodes = Asked(), 0.0, dict(NODES)
        self.desk = Desk(self.asked, iter([77, 78]), 320, 240)
        self.desk.enter(msgspec.structs.replace(WELCOME, role=role), self.nodes)
        self.pass_time(0.02)
        self.hear(Shown(sheet()))

    def hear(self, *news) -> None:
        for each in news:
            self.desk.hear(each, self.nodes)

    def pass_time(self, seconds: float) -> None:
        for _ in range(max(1, round(seconds / 0.02))):
            self.now += 0.02
            self.desk.step(self.now, 0.02)

    def click(self, u: float = 200, v: float = 100) -> None:
        self.desk.hands.press("left", u, v, self.now)
        self.desk.hands.release(u, v, self.now + 0.01)

    def type(self, text: str, *keys: str) -> None:
        for letter in text:
            self.desk.key(letter)
            self.desk.write(letter)
        for key in keys:
            self.desk.key(key)


def sheet(camera: Camera = VIEW, revision: int = 2, still: bool = True) -> Sheet:
    return Sheet(np.zeros((24, 32, 3), np.uint8), camera, 5, 1, still, revision)


def status(state: str, **more) -> messages.ZoomStatus:
    return messages.ZoomStatus(request="z1", state=state, **more)  # type: ignore[arg-type]


@pytest.fixture
def room() -> Room:
    return Room()


# ---- coming in ----------------------------------------------------------------------------------
def test_one_looks_where_the_server_lets_one_begin(room: Room) -> None:
    assert room.desk.hands.camera == VIEW and room.asked.all("look") == [("look", VIEW)]
    hud = room.desk.hud()
    assert (hud.world, hud.path, hud.line) == ("garden", ("the picture",), "")
    assert hud.corner[0] == "1.0 x" and hud.notice == "F1: help"
    room.pass_time(1.0)
    assert len(room.asked.all("look")) == 1  # a still window says nothing


def test_a_window_of_another_size_looks_at_the_same(room: Room) -> None:
    room.desk.resize(640, 360, 2.0)
    room.pass_time(0.02)
    camera = room.asked.all("look")[-1][1]
    assert (camera.width, camera.height) == (640, 360) and room.desk.hud().scale == 2.0


# ---- asking -------------------------------------------------------------------------------------
def test_click_write_and_enter_asks_for_finer_detail_there_and_flies_in(room: Room) -> None:
    room.click(200, 100)
    assert room.desk.writing
    (begun, ask) = room.asked.all("pick")  # for the pivot, and for the spot
    assert begun == ask == ("pick", 5, 200 / 320, 100 / 240)
    room.type("a snail", "backspace", "up", "up")
    prompt = room.desk.hud().prompt
    assert prompt is not None and prompt.text == "a snai" and prompt.factor == pytest.approx(4 * 2**0.5)
    assert prompt.target is not None and prompt.target[0] < 200 < prompt.target[2]
    place = motions.place_at(motions.at_depth(VIEW, 30.0), 200, 100)
    room.hear(Picked(2, messages.Picked(request="p", place=place_of(place), zeta=30.0)))
    room.type("", "enter")
    ((_, camera, text, seed),) = room.asked.all("zoom")
    assert (text, seed) == ("a snai", 77) and not room.desk.writing
    np.testing.assert_allclose(motions.seen_at(camera, place)[:2], (camera.cx, camera.cy), atol=1e-6)
    assert motions.ln_magnification(camera, VIEW) == pytest.approx(math.log(4 * 2**0.5), abs=0.12)
    assert camera.width / camera.height == pytest.approx(4 / 3, abs=0.01)
    room.pass_time(6.0)
    assert room.desk.hands.camera is not None and not room.desk.hands.flying
    np.testing.assert_allclose(motions.seen_at(room.desk.hands.camera, place)[:2], (160, 120), atol=1.0)


def test_enter_before_the_answer_waits_for_it(room: Room) -> None:
    room.click()
    room.type("moss", "enter")
    assert not room.asked.all("zoom") and room.desk.writing
    room.hear(Picked(2, None))  # the frame was too long ago: as deep as the pivot
    assert len(room.asked.all("zoom")) == 1


def test_where_nothing_is_nothing_is_asked_for(room: Room) -> None:
    room.click()
    room.hear(Picked(2, messages.Picked(request="p")))
    assert not room.desk.writing and "nothing there" in room.desk.hud().notice


def test_a_window_with_eyes_asks_nobody_what_is_there(room: Room) -> None:
    place = motions.place_at(VIEW, 200, 100)
    room.desk.eyes = lambda camera, u, v: place if u > 100 else None
    room.click(50, 50)
    assert not room.desk.writing and "nothing there" in room.desk.hud().notice
    room.click(200, 100)
    room.type("", "enter")
    assert not room.asked.all("pick") and room.asked.all("zoom")[0][2] == ""


def test_escape_a_second_click_and_a_moved_camera_close_the_line(room: Room) -> None:
    for close in ("escape", "click", "scroll"):
        room.click()
        assert room.desk.writing
        if close == "escape":
            room.desk.key("escape")
        elif close == "click":
            room.click()
        else:
            room.desk.hands.scroll(1.0, 10, 10, room.now)
            room.pass_time(0.1)
        assert not room.desk.writing and not room.desk.over


def test_the_pivot_goes_to_what_is_under_the_pointer(room: Room) -> None:
    room.desk.hands.press("left", 200, 100, room.now)
    place = motions.at_depth(VIEW, 60.0).pivot
    room.hear(Picked(1, messages.Picked(request="p", place=place_of(place), zeta=60.0)))
    camera = room.desk.hands.camera
    assert camera is not None and camera.view_point(place)[2] == pytest.approx(0.0, abs=1e-6)


def test_whoever_is_recorded_is_told_so() -> None:
    room = Room()
    assert "recorded" not in room.desk.hud().notice
    room.desk.enter(msgspec.structs.replace(WELCOME, recorded=True), room.nodes)
    assert "This session is recorded" in room.desk.hud().notice


def test_who_may_only_look_is_told_so() -> None:
    room = Room("viewer")
    room.click()
    room.desk.key("delete")
    assert not room.desk.writing and "You may look here" in room.desk.hud().notice
    assert room.desk.question is None


# ---- how zooms go ---------------------------------------------------------------------------------
def begun(room: Room) -> None:
    room.click()
    room.type("moss", "enter")
    room.hear(Picked(2, None))


def test_a_zoom_has_a_card_with_its_progress_and_a_picture_until_it_is_shown(room: Room) -> None:
    begun(room)
    assert room.desk.hud().cards[0].state == "asked"
    room.hear(Progress(3, status("queued", position=2, eta=3900.0)))
    assert room.desk.hud().cards[0].state == "2 before it, about 4 s"
    room.hear(Progress(3, status("running", stage="edit", fraction=0.5), np.zeros((6, 8, 3), np.uint8)))
    (card,) = room.desk.hud().cards
    assert card.title == "moss" and card.state == "painting" and card.done == pytest.approx(0.425)
    (preview,) = room.desk.zooms.previews
    assert (preview.camera.width, preview.camera.height) == (8, 6)
    room.hear(Progress(3, status("committed", node="n", revision=3, ignored=["unicorn"])))
    assert "it is here, without: unicorn" in room.desk.hud().cards[0].state
    room.pass_time(30.0)
    assert room.desk.hud().cards == () and room.desk.zooms.previews == [preview]  # no frame shows it yet
    room.hear(Shown(sheet(revision=3)))
    assert room.desk.zooms.previews == []


def test_a_zoom_that_fails_says_why_and_one_that_is_called_off_is_gone(room: Room) -> None:
    begun(room)
    room.desk.key("c")
    assert room.asked.all("cancel") == [("cancel", 3)]
    room.hear(Progress(3, status("cancelled")))
    room.pass_time(0.1)
    assert room.desk.hud().cards == ()
    room.desk.key("home")
    room.pass_time(6.0)
    room.hear(Shown(sheet()))
    begun_again = next(room.asked.numbers) + 3
    room.click()
    room.type("frost", "enter")
    room.hear(Picked(begun_again - 1, None))
    room.hear(Progress(begun_again, None, error=RequestFailed(ErrorCode.BUSY, "too many wait")))
    hud = room.desk.hud()
    assert hud.problem and "frost" in hud.notice and "too many wait" in hud.notice and hud.cards[0].problem


def test_what_a_zoom_failed_with_stays_until_it_is_closed(room: Room) -> None:
    """Nobody looks at a window for as long as a zoom may take on a busy machine."""
    begun(room)
    room.hear(Progress(3, status("failed", code=ErrorCode.LOST, message="the worker was lost")))
    room.hear(Progress(3, None, error=RequestFailed(ErrorCode.LOST, "the worker was lost")))
    room.pass_time(3600.0)
    (card,) = room.desk.hud().cards
    assert card.problem and "the worker was lost" in card.state and "C closes" in card.state
    assert room.desk.zooms.waiting == []
    room.desk.key("c")
    assert room.desk.hud().cards == () and room.asked.all("cancel") == []
    room.desk.key("c")  # nothing is left


def test_a_zoom_that_somebody_else_calls_off_says_so(room: Room) -> None:
    begun(room)
    room.hear(Progress(3, status("cancelled")))
    room.pass_time(60.0)
    (card,) = room.desk.hud().cards
    assert card.problem and "called it off" in card.state


def test_stages_go_on_and_never_back() -> None:
    words = "observe describe upscale edit depth segment auxiliary lift optimise commit"
    shares = [progress(stage, fraction) for stage in words.split() for fraction in (0.0, 0.5, 1.0)]
    assert shares == sorted(shares) and shares[0] == 0.0 and shares[-1] == 1.0
    assert progress(None, 0.5) == progress("dreaming", 0.5) == 0.0


# ---- nodes ----------------------------------------------------------------------------------------
def test_up_home_remove_and_bring_back(room: Room) -> None:
    room.desk.fly(CHILD)
    room.pass_time(6.0)
    assert room.desk.hud().path == ("the picture", "moss")
    room.desk.key("delete")
    assert "Remove \u201cmoss\u201d" in room.desk.hud().question
    room.desk.key("n")
    assert not room.asked.all("remove")
    room.desk.key("delete")
    room.desk.key("y")
    assert room.asked.all("remove") == [("remove", "moss")]
    del room.nodes["moss"]
    room.hear(Told(messages.Commit(revision=3, removed=["moss"])), Changed("moss", True))
    room.pass_time(6.0)
    hud = room.desk.hud()
    assert hud.path == ("the picture",) and room.desk.hands.camera == VIEW
    room.desk.key("z")
    room.desk.key("z")  # once is enough
    assert room.asked.all("restore") == [("restore", "moss")]
    room.nodes["moss"] = NODES["moss"]
    room.hear(Changed("moss", False))
    room.pass_time(6.0)
    assert room.desk.hud().path == ("the picture", "moss")
    room.desk.key("z")
    assert len(room.asked.all("restore")) == 1
    room.desk.key("u")
    room.pass_time(6.0)
    assert room.desk.hud().path == ("the picture",)


def test_a_removal_that_fails_says_so(room: Room) -> None:
    room.hear(Changed("moss", True, RequestFailed(ErrorCode.NOT_FOUND, "there is no such node")))
    hud = room.desk.hud()
    assert hud.problem and "no such node" in hud.notice
    room.desk.key("z")
    assert not room.asked.all("restore")


def test_the_finest_node_that_one_is_in(room: Room) -> None:
    tree = Tree()
    assert tree.root is None and tree.at(VIEW) is None and tree.path("x") == []
    tree.update(NODES.values())
    assert tree.at(VIEW) is tree.root and tree.above("root") == 1
    for camera, name in (
        (CHILD, "moss"),
        (CHILD.zoomed(0.2), "root"),
        (motions.turned(CHILD, 400, 0), "root"),
    ):
        found = tree.at(camera)
        assert found is not None and found.id == name


@pytest.mark.parametrize(
    ("ln", "text"), [(0.0, "1.0 x"), (math.log(1234.4), "1,234 x"), (100.0, "2.7 x 10^43 x")]
)
def test_magnifications_for_people(ln: float, text: str) -> None:
    assert times(ln) == text


def test_hands_go_no_further_than_there_is_something(room: Room) -> None:
    for key, most in (("s", -math.log(4.0)), ("w", math.log(64.0))):
        room.desk.hands.hold(key)
        room.pass_time(8.0)
        room.desk.hands.let_go()
        camera = room.desk.hands.camera
        assert camera is not None
        assert motions.ln_magnification(camera, VIEW) <= most + math.log(6.0) + 0.01
        assert motions.ln_magnification(camera, VIEW) >= -math.log(4.0) - 0.01


# ---- others, and the connection -------------------------------------------------------------------
def test_others_and_what_they_wait_for_are_outlined(room: Room) -> None:
    bob = ViewerSummary(id="bob", name="Bob", color="#ff8800", role="viewer", camera=pose_of(CHILD))
    me = ViewerSummary(id="me", name="Ada", color="#112233", role="editor", camera=pose_of(VIEW))
    theirs = PendingZoom(request="z", viewer="bob", camera=pose_of(CHILD), prompt="frost", stage="edit")
    mine = PendingZoom(request="z", viewer="me", camera=pose_of(CHILD))
    room.hear(Told(messages.Presence(viewers=[bob, me], zooms=[theirs, mine])))
    others = room.desk.hud().others
    assert [each.label for each in others] == ["Bob", "frost"]
    assert others[1].done == pytest.approx(0.35) and others[1].color == "#ff8800"
    assert draw(room.desk.hud())[..., 3].max() > 0


def test_a_broken_connection_is_said_until_it_is_back(room: Room) -> None:
    room.hear(Told(Disconnected(CannotConnect("nobody answers."), 1.0)))
    assert room.desk.hud().line == "nobody answers. Trying again..."
    room.hear(Told(Reconnected(True)))
    assert room.desk.hud().line == "" and not room.desk.over
    room.hear(Told(messages.Error(code=ErrorCode.FAILED, message="the disk is full")))
    assert "disk" in room.desk.hud().notice
    error = Ended(4001, "the server stops")
    room.hear(Over(error))
    assert room.desk.over and room.desk.ending is error


def test_frames_that_were_still_are_the_background(room: Room) -> None:
    first = room.desk.shown
    for revision in range(3, 12):
        room.hear(Shown(sheet(revision=revision, still=revision % 2 == 1)))
    assert room.desk.shown is not None and room.desk.shown.revision == 11
    assert first not in room.desk.stills[-4:] and all(each.still for each in room.desk.stills)
    assert len(room.desk.stills) <= 6


def test_keys_that_are_about_the_window(room: Room) -> None:
    for key in ("f1", "tab", "m", "f12", "o"):
        room.desk.key(key)
    desk = room.desk
    assert (
        desk.helping and desk.bare and desk.wants_other_stream and desk.wants_picture and desk.hands.orbiting
    )
    assert desk.hud() == Hud(320, 240, 1.0)
    desk.key("escape")
    assert not desk.over and not desk.helping
    desk.key("escape")
    assert desk.over


def test_what_is_written_is_drawn_and_only_where_it_is(room: Room) -> None:
    room.click()
    room.type("x" * 300)
    for hud in (room.desk.hud(), Hud(320, 240, line="no connection", question="Remove it?")):
        picture = draw(hud)
        assert picture.shape == (240, 320, 4) and picture.dtype == np.uint8
        assert 0.02 < (picture[..., 3] > 0).mean() < 0.9
    assert not draw(Hud(320, 240)).any() and draw(Hud(960, 540, help=True)).any()
