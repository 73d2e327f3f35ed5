"""What a window on a world knows and does: owns nothing of the screen, and no socket.

It hears what hands and the server say, asks the server, and says what is to be drawn: a camera, sheets, and the writing
over them. The behaviour is that of the page (``clients/web/main.js``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

from wonderzoom.clients.desktop import motions
from wonderzoom.clients.desktop.asking import Spot
from wonderzoom.clients.desktop.hands import HELD_KEYS, Hands
from wonderzoom.clients.desktop.hud import Hud, Other
from wonderzoom.clients.desktop.remote import Changed, News, Over, Picked, Progress, Sheet, Shown, Told
from wonderzoom.clients.desktop.tree import Node, Tree, times
from wonderzoom.clients.desktop.zooms import Zooms, progress
from wonderzoom.clients.errors import ClientError
from wonderzoom.clients.events import Disconnected, Reconnected
from wonderzoom.clients.poses import camera_of, position_of
from wonderzoom.protocol import messages
from wonderzoom.protocol.values import NodeSummary
from wonderzoom.scene_graph.camera import NEAR, Camera
from wonderzoom.scene_graph.cells import Position

_CLOSEST_LN, _WIDEST_LN = math.log(64.0), math.log(4.0)  # beyond what there is, nothing is to be seen
_NEAREST_PIVOT, _FARTHEST_PIVOT = 0.02, 50.0  # D: a pivot goes no further
_NOTICE_S = 6.0  # that something is said
_MOST_STILLS = 6


Eyes = Callable[[Camera, float, float], Position | None]


class Server(Protocol):
    """What a desk asks of ``remote.Remote``."""

    def look(self, camera: Camera) -> None: ...
    def pick(self, frame: int, u: float, v: float) -> int: ...
    def zoom(self, camera: Camera, prompt: str, seed: int) -> int: ...
    def cancel(self, request: int) -> None: ...
    def remove(self, node: str) -> None: ...
    def restore(self, node: str) -> None: ...


@dataclass(slots=True)
class Desk:
    """See the module docstring. ``seeds``: of zooms."""

    server: Server
    seeds: Iterator[int]
    width: int
    height: int
    scale: float = 1.0  # pixels of the window for one of the writing
    hands: Hands = field(init=False)
    tree: Tree = field(default_factory=Tree)
    zooms: Zooms = field(default_factory=Zooms)
    eyes: Eyes | None = None  # where the window knows by itself what is at a pixel; None: the server is asked
    shown: Sheet | None = None  # the newest frame
    stills: list[Sheet] = field(default_factory=list[Sheet])
    over: bool = False  # the conversation has ended, or one wants to leave
    ending: ClientError | None = None
    bare: bool = False  # nothing is written over the world
    wants_picture: bool = False  # F12
    wants_other_stream: bool = False  # M
    facts: tuple[str, ...] = ()  # about what is drawn, at the top right
    world: str = ""
    viewer: str = ""
    role: str = "viewer"
    presence: messages.Presence | None = None
    line: str = ""
    helping: bool = False
    question: Node | None = None  # whether to remove it
    _here: Node | None = None
    _spot: Spot | None = None
    _pivot_pick: int | None = None
    _gone: list[str] = field(default_factory=list[str])  # nodes that this window had removed
    _removing: dict[str, str] = field(default_factory=dict[str, str])
    _restoring: set[str] = field(default_factory=set[str])
    _notice: tuple[str, bool, float] = ("", False, 0.0)  # text, whether a problem, until when
    _said: Camera | None = None
    _now: float = 0.0

    def __post_init__(self) -> None:
        self.hands = Hands(self, self._bounded)

    # ---- coming in ------------------------------------------------------------------------------
    def enter(self, welcome: messages.Welcome, nodes: dict[str, NodeSummary]) -> None:
        """The server let one in: for the first time, or again."""
        self.world, self.viewer, self.role = welcome.world, welcome.viewer, welcome.role
        self.tree.update(nodes.values())
        self.line = ""
        if welcome.recorded:
            self.notice("This session is recorded: who is here, where they look, what they ask for.")
        if self.hands.camera is None and welcome.camera is not None:
            self.hands.look(motions.covering(camera_of(welcome.camera), self.width, self.height))
        self._said = None

    def resize(self, width: int, height: int, scale: float) -> None:
        """The window has another size."""
        self.width, self.height, self.scale = width, height, scale
        self.hands.resize(width, height)

    # ---- what the server says -------------------------------------------------------------------
    def hear(self, news: News, nodes: dict[str, NodeSummary]) -> None:
        """News of ``remote``; ``nodes``: all that there are now."""
        match news:
            case Shown(sheet):
                self._show(sheet)
            case Told(event):
                self._told(event, nodes)
            case Picked(request, found):
                self._picked(request, found)
            case Progress():
                if problem := self.zooms.hear(news, self._now):
                    self.notice(problem, problem=True)
            case Changed(node, removed, error):
                self._changed(node, removed, error, nodes)
            case Over(error):
                self.over, self.ending = True, error

    def _show(self, sheet: Sheet) -> None:
        if self.shown is not None and self.shown.still:
            self.stills = [*self.stills, self.shown][-_MOST_STILLS:]
        self.shown = sheet
        self.zooms.shown(sheet.revision)

    def _told(self, event: object, nodes: dict[str, NodeSummary]) -> None:
        match event:
            case messages.Commit():
                self.tree.update(nodes.values())
                self._here = None  # it is found anew
            case messages.Presence():
                self.presence = event
            case messages.Error():
                self.notice(event.message, problem=True)
            case Disconnected(error):
                self.line = f"{error} Trying again..."
            case Reconnected():
                self.line = ""
                self.tree.update(nodes.values())
            case _:
                pass

    def _picked(self, request: int, found: messages.Picked | None) -> None:
        place = None if found is None or found.place is None else position_of(found.place)
        spot = self._spot
        if request == self._pivot_pick:
            self._pivot_pick = None
            self._pivot(place)
        elif spot is not None and request == spot.pick:
            spot.pick = None
            self._spot_known(spot, place, known=found is not None)

    def _pivot(self, place: Position | None) -> None:
        """The pivot goes to the depth of a place, if that is neither at the eye nor far behind."""
        if place is not None and self.hands.camera is not None:
            point = self.hands.camera.view_point(place)
            if _NEAREST_PIVOT < 1.0 + float(point[2]) * self.hands.camera.inverse_f < _FARTHEST_PIVOT:
                self.hands.pivot(float(point[2]))

    def _spot_known(self, spot: Spot, place: Position | None, *, known: bool) -> None:
        """What is at the clicked spot; ``known``: it was found out, be it nothing."""
        if known and place is None:
            self._spot = None
            self.notice("There is nothing there to zoom into.")
        else:
            spot.place = place
            if spot.sent:
                self._ask(spot)

    def _changed(
        self, node: str, removed: bool, error: ClientError | None, nodes: dict[str, NodeSummary]
    ) -> None:
        self.tree.update(nodes.values())
        self._here = None
        if error is not None:
            self._restoring.discard(node)
            self.notice(str(error), problem=True)
        elif removed:
            self._gone.append(node)
            self.notice(f"\u201c{self._removing.pop(node, '')}\u201d is gone. Z brings it back.")
        else:
            self._gone = [each for each in self._gone if each != node]
            self._restoring.discard(node)
            if node in self.tree.nodes:
                self.fly(self.tree.nodes[node].camera)

    # ---- hands ----------------------------------------------------------------------------------
    def pick(self, u: float, v: float) -> None:
        """A gesture begins: the pivot goes to what is there, once the server has said what."""
        if self.eyes is not None and self.hands.camera is not None:
            self._pivot(self.eyes(self.hands.camera, u, v))
        else:
            self._pivot_pick = self._pick(u, v)

    def click(self, u: float, v: float) -> None:
        """Ask what should be at a pixel."""
        camera = self.hands.camera
        if self._spot is not None:
            self._spot = None
        elif self.role == "viewer":
            self.notice("You may look here. Who has the host's link can make new detail.")
        elif camera is not None:
            self.hands.look(camera)
            self._spot = spot = Spot(u, v, camera)
            if self.eyes is not None:
                self._spot_known(spot, self.eyes(camera, u, v), known=True)
            else:
                spot.pick = self._pick(u, v)

    def moved(self) -> None:
        """A hand moved the camera: what was to be asked there is not any more."""
        self._spot = None

    @property
    def writing(self) -> bool:
        """Whether keys are letters now."""
        return self._spot is not None

    def write(self, letter: str) -> None:
        """A letter of what should be there."""
        if self._spot is not None:
            self._spot.write(letter)

    def key(self, key: str) -> None:
        """A key goes down; those that move are told to ``hands`` instead."""
        if self.question is not None:
            node, self.question = self.question, None
            if key in ("y", "enter"):
                self._remove(node)
        elif self._spot is not None:
            match self._spot.key(key):
                case "ask":
                    self._ask(self._spot)
                case "close":
                    self._spot = None
                case None:
                    pass
        elif key in HELD_KEYS:
            self.hands.hold(key)
        else:
            self._do(key)

    def _do(self, key: str) -> None:
        match key:
            case "enter":
                self.click(self.width / 2, self.height / 2)
            case "u":
                parent = None if self._here is None or self._here.parent is None else self._here.parent
                target = self.tree.nodes.get(parent or "") or self.tree.root
                if target is not None:
                    self.fly(target.camera)
            case "home" | "h":
                if self.tree.root is not None:
                    self.fly(self.tree.root.camera)
            case "o":
                self.hands.orbiting = not self.hands.orbiting
                self.notice("The left button orbits." if self.hands.orbiting else "The left button turns.")
            case "m":
                self.wants_other_stream = True
            case "tab":
                self.bare = not self.bare
            case "f12":
                self.wants_picture = True
            case "f1" | "?":
                self.helping = not self.helping
            case "delete" if self._here is not None and self._here.parent is not None:
                if self.role != "viewer":
                    self.question = self._here
            case "z" if self._gone and self.role != "viewer":
                if self._gone[-1] not in self._restoring:
                    self._restoring.add(self._gone[-1])
                    self.server.restore(self._gone[-1])
            case "c":
                if (request := self.zooms.call_off()) is not None:
                    self.server.cancel(request)
            case "escape" if self.helping:
                self.helping = False
            case "escape":
                self.over = True
            case _:
                pass

    def fly(self, camera: Camera) -> None:
        """Fly to what a camera shows."""
        self.hands.fly(motions.covering(camera, self.width, self.height), self._now)

    def notice(self, text: str, *, problem: bool = False) -> None:
        """Say something for a while."""
        self._notice = (text, problem, self._now + _NOTICE_S)

    # ---- time -----------------------------------------------------------------------------------
    def step(self, now: float, seconds: float) -> bool:
        """Let time go on; whether something moves by itself."""
        self._now = now
        going = self.hands.step(now, seconds)
        camera = self.hands.camera
        if camera is not None and camera is not self._said:
            self._said = camera
            self.server.look(camera)
            self._here = self.tree.at(camera)
        elif camera is not None and self._here is None:
            self._here = self.tree.at(camera)
        self.zooms.step(now)
        return going

    def hud(self) -> Hud:
        """What is written over the world now."""
        if self.bare:
            return Hud(self.width, self.height, self.scale)
        camera, root = self.hands.camera, self.tree.root
        larger = times(motions.ln_magnification(camera, root.camera)) if camera and root else ""
        text, problem, until = self._notice
        question = ""
        if self.question is not None:
            above = self.tree.above(self.question.id)
            built = f" and {above} built on it" if above else ""
            question = f"Remove \u201c{self.question.title}\u201d{built}, for everyone here?"
        return Hud(
            self.width,
            self.height,
            self.scale,
            self.world,
            tuple(node.title for node in self.tree.path(self._here.id)) if self._here else (),
            tuple(line for line in (larger, *self.facts) if line),
            self.line,
            self.zooms.cards(self._now),
            text if self._now < until else ("" if self.zooms.waiting or self._spot else "F1: help"),
            problem and self._now < until,
            self._spot.prompt(camera) if self._spot and camera else None,
            tuple(self._others(camera)) if camera else (),
            question,
            self.helping,
        )

    # ---- parts ----------------------------------------------------------------------------------
    def _pick(self, u: float, v: float) -> int | None:
        """Ask the server what is at a pixel; None where its last frame does not show that."""
        camera, shown = self.hands.camera, self.shown
        if camera is None or shown is None:
            return None
        x, y, w = motions.seen_at(shown.camera, motions.place_at(camera, u, v))
        share_u, share_v = x / shown.camera.width, y / shown.camera.height
        if not (w > NEAR and 0.0 <= share_u <= 1.0 and 0.0 <= share_v <= 1.0):
            return None
        return self.server.pick(shown.frame, share_u, share_v)

    def _ask(self, spot: Spot) -> None:
        self._spot = None
        target = spot.target(self.hands.camera or spot.camera)
        if target is None:
            return
        text = spot.text.strip()
        request = self.server.zoom(target, text, next(self.seeds))
        self.zooms.begin(request, text or "finer detail", target)
        self.fly(target)  # at once: the picture sharpens while one arrives

    def _remove(self, node: Node) -> None:
        self._removing[node.id] = node.title
        self.server.remove(node.id)
        parent = self.tree.nodes.get(node.parent or "")
        if parent is not None:
            self.fly(parent.camera)

    def _others(self, camera: Camera) -> Iterator[Other]:
        if self.presence is None:
            return
        colors = {each.id: each.color for each in self.presence.viewers}
        for each in self.presence.viewers:
            if each.id != self.viewer and each.camera is not None:
                if corners := motions.corners(camera_of(each.camera), camera):
                    yield Other(each.name, each.color, corners)
        for zoom in self.presence.zooms:
            if zoom.viewer != self.viewer and (corners := motions.corners(camera_of(zoom.camera), camera)):
                done = progress(zoom.stage, zoom.fraction)
                yield Other(zoom.prompt or "finer detail", colors.get(zoom.viewer, "#ffffff"), corners, done)

    def _bounded(self, camera: Camera) -> Camera:
        """No further out or in than where there is something to be seen."""
        root = self.tree.root
        if root is None:
            return camera
        ln = motions.ln_magnification(camera, root.camera)
        closest = max(self._here.ln_magnification if self._here else 0.0, 0.0) + _CLOSEST_LN
        wanted = max(-_WIDEST_LN, min(closest, ln))
        return camera if wanted == ln else camera.zoomed(math.exp(wanted - ln))
