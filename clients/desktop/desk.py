"""What a window on a world knows and does: owns nothing of the screen, and no socket.

It hears what hands and the server say, asks the server, and says what is to be drawn: a camera, sheets, and the writing
over them. The behaviour is that of the page (``clients/web/main.js``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Protocol

from wonderzoom.clients.desktop import motions
from wonderzoom.clients.desktop.hands import HELD_KEYS, Hands
from wonderzoom.clients.desktop.hud import Card, Hud, Other, Prompt
from wonderzoom.clients.desktop.remote import Changed, News, Over, Picked, Progress, Sheet, Shown, Told
from wonderzoom.clients.desktop.tree import Node, Tree, times
from wonderzoom.clients.errors import ClientError
from wonderzoom.clients.events import Disconnected, Reconnected
from wonderzoom.clients.poses import camera_of, position_of
from wonderzoom.protocol import limits, messages
from wonderzoom.protocol.values import NodeSummary
from wonderzoom.scene_graph.camera import NEAR, Camera
from wonderzoom.scene_graph.cells import Position

# What each stage of a zoom is for a person, and how far the whole is when it begins.
_STAGES = {
    "observe": ("looking", 0.0),
    "describe": ("thinking", 0.05),
    "upscale": ("sharpening", 0.08),
    "edit": ("painting", 0.35),
    "depth": ("shaping", 0.5),
    "segment": ("shaping", 0.53),
    "auxiliary": ("looking around", 0.56),
    "lift": ("building", 0.64),
    "optimise": ("refining", 0.7),
    "commit": ("keeping", 0.97),
}
_CLOSEST_LN, _WIDEST_LN = math.log(64.0), math.log(4.0)  # beyond what there is, nothing is to be seen
_ASPECTS = (3 / 4, 16 / 9)  # of pictures that are generated
_NEAREST_PIVOT, _FARTHEST_PIVOT = 0.02, 50.0  # D: a pivot goes no further
_NOTICE_S, _CARD_S = 6.0, 5.0  # that they are shown
_MOST_STILLS = 6


class Server(Protocol):
    """What a desk asks of ``remote.Remote``."""

    def look(self, camera: Camera) -> None: ...
    def pick(self, frame: int, u: float, v: float) -> int: ...
    def zoom(self, camera: Camera, prompt: str, seed: int) -> int: ...
    def cancel(self, request: int) -> None: ...
    def remove(self, node: str) -> None: ...
    def restore(self, node: str) -> None: ...


@dataclass(slots=True)
class _Job:
    """A zoom that this window asked for."""

    title: str
    camera: Camera
    state: str = "asked"
    done: float = 0.0
    problem: bool = False
    gone_at: float = math.inf  # when its card goes
    preview: Sheet | None = None
    revision: int | None = None  # that it was committed with


@dataclass(slots=True)
class _Spot:
    """What was clicked, and the line that asks what should be there."""

    u: float
    v: float
    camera: Camera
    place: Position | None = None
    text: str = ""
    ln_factor: float = math.log(4.0)
    pick: int | None = None  # that is not answered yet
    sent: bool = False  # Enter was pressed before the answer came


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
    _jobs: dict[int, _Job] = field(default_factory=dict[int, _Job])
    _spot: _Spot | None = None
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
                self._progress(news)
            case Changed(node, removed, error):
                self._changed(node, removed, error, nodes)
            case Over(error):
                self.over, self.ending = True, error

    def _show(self, sheet: Sheet) -> None:
        if self.shown is not None and self.shown.still:
            self.stills = [*self.stills, self.shown][-_MOST_STILLS:]
        self.shown = sheet
        self.forget_previews(sheet.revision)

    def forget_previews(self, revision: int) -> None:
        """The world itself is shown in a revision: no picture of a zoom that is in it is needed any more."""
        for job in self._jobs.values():
            if job.revision is not None and revision >= job.revision:
                job.preview = None

    def _told(self, event: object, nodes: dict[str, NodeSummary]) -> None:
        match event:
            case messages.Commit():
                self.tree.update(nodes.values())
                if self._here is not None and self._here.id not in self.tree.nodes:
                    self._here = None
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
            if place is not None and self.hands.camera is not None:
                point = self.hands.camera.view_point(place)
                w = 1.0 + float(point[2]) * self.hands.camera.inverse_f
                if _NEAREST_PIVOT < w < _FARTHEST_PIVOT:
                    self.hands.pivot(float(point[2]))
        elif spot is not None and request == spot.pick:
            spot.pick = None
            if found is not None and place is None:
                self._spot = None
                self.notice("There is nothing there to zoom into.")
            else:
                spot.place = place
                if spot.sent:
                    self._ask(spot)

    def _progress(self, news: Progress) -> None:
        job, status = self._jobs.get(news.request), news.status
        if job is None:
            return
        if news.error is not None:
            if job.gone_at == math.inf:  # no status has ended it
                self._failed(job, str(news.error))
        elif status is None:
            return
        elif status.state == "queued":
            eta = f", about {math.ceil(status.eta / 1e3)} s" if status.eta else ""
            job.state = f"{status.position} before it{eta}" if status.position else f"begins{eta}"
        elif status.state == "running":
            job.state = _STAGES[status.stage][0] if status.stage in _STAGES else "working"
            job.done = progress(status.stage, status.fraction)
            if news.preview is not None:
                height, width = news.preview.shape[:2]
                job.preview = Sheet(news.preview, motions.covering(job.camera, width, height))
        elif status.state == "committed":
            without = f", without: {', '.join(status.ignored)}" if status.ignored else ""
            job.state = f"it is here{without} {status.message}".strip()
            job.done, job.revision = 1.0, status.revision
            job.gone_at = self._now + _CARD_S * (3.0 if without or status.message else 1.0)
        elif status.state == "cancelled":
            job.gone_at, job.preview = self._now, None
        else:
            self._failed(job, status.message or "it could not be made")

    def _failed(self, job: _Job, text: str) -> None:
        job.state, job.problem, job.preview = text, True, None
        job.gone_at = self._now + 3.0 * _CARD_S
        self.notice(f"{job.title}: {text}", problem=True)

    def _changed(
        self, node: str, removed: bool, error: ClientError | None, nodes: dict[str, NodeSummary]
    ) -> None:
        self.tree.update(nodes.values())
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
            self._spot = _Spot(u, v, camera, pick=self._pick(u, v))

    def moved(self) -> None:
        """A hand moved the camera: what was to be asked there is not any more."""
        self._spot = None

    @property
    def writing(self) -> bool:
        """Whether keys are letters now."""
        return self._spot is not None

    def write(self, letter: str) -> None:
        """A letter of what should be there."""
        spot = self._spot
        if spot is not None and letter.isprintable() and len(spot.text) < limits.MAX_PROMPT:
            spot.text += letter

    def key(self, key: str) -> None:
        """A key goes down; those that move are told to ``hands`` instead."""
        if self.question is not None:
            node, self.question = self.question, None
            if key in ("y", "enter"):
                self._remove(node)
        elif self._spot is not None:
            self._write_key(self._spot, key)
        elif key in HELD_KEYS:
            self.hands.hold(key)
        else:
            self._do(key)

    def _write_key(self, spot: _Spot, key: str) -> None:
        match key:
            case "escape":
                self._spot = None
            case "backspace":
                spot.text = spot.text[:-1]
            case "up" | "down":
                step = math.log(2.0) / 4.0 * (1 if key == "up" else -1)
                ends = (math.log(limits.MIN_FACTOR), math.log(limits.MAX_FACTOR))
                spot.ln_factor = min(max(spot.ln_factor + step, ends[0]), ends[1])
            case "enter" if spot.pick is None:
                self._ask(spot)
            case "enter":
                spot.sent = True
            case _:
                pass

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
            case "c" if self._waiting():
                self.server.cancel(self._waiting()[-1])
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
        for request in [name for name, job in self._jobs.items() if now >= job.gone_at]:
            if self._jobs[request].preview is None or self._jobs[request].revision is None:
                del self._jobs[request]
        return going

    @property
    def previews(self) -> list[Sheet]:
        """Pictures of zooms that are being made."""
        return [job.preview for job in self._jobs.values() if job.preview is not None]

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
            tuple(
                Card(j.title, j.state, j.done, j.problem)
                for j in self._jobs.values()
                if self._now < j.gone_at
            ),
            text if self._now < until else ("" if self._jobs or self._spot else "F1: help"),
            problem and self._now < until,
            self._prompt(),
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

    def _target(self, spot: _Spot) -> Camera | None:
        """The camera of a zoom at a spot; None where it is out of sight."""
        camera = self.hands.camera or spot.camera
        place = spot.place or motions.place_at(spot.camera, spot.u, spot.v)
        point = camera.view_point(place)
        if 1.0 + float(point[2]) * camera.inverse_f <= NEAR:
            return None
        aimed = camera.looking_at(point).zoomed(math.exp(spot.ln_factor))
        aspect = min(max(aimed.width / aimed.height, _ASPECTS[0]), _ASPECTS[1])
        width, height = aimed.width, aimed.height
        if width / height > aspect:
            width = round(height * aspect)
        else:
            height = round(width / aspect)
        return replace(aimed, width=width, height=height, cx=width / 2, cy=height / 2)

    def _ask(self, spot: _Spot) -> None:
        self._spot = None
        target = self._target(spot)
        if target is None:
            return
        text = spot.text.strip()
        request = self.server.zoom(target, text, next(self.seeds))
        self._jobs[request] = _Job(text or "finer detail", target)
        self.fly(target)  # at once: the picture sharpens while one arrives

    def _remove(self, node: Node) -> None:
        self._removing[node.id] = node.title
        self.server.remove(node.id)
        parent = self.tree.nodes.get(node.parent or "")
        if parent is not None:
            self.fly(parent.camera)

    def _waiting(self) -> list[int]:
        return [request for request, job in self._jobs.items() if job.gone_at == math.inf]

    def _prompt(self) -> Prompt | None:
        spot, camera = self._spot, self.hands.camera
        if spot is None or camera is None:
            return None
        target = self._target(spot)
        box = None
        if target is not None and (corners := _corners(target, camera)) is not None:
            xs, ys = [u for u, _ in corners], [v for _, v in corners]
            box = (min(xs), min(ys), max(xs), max(ys))
        return Prompt(spot.text, math.exp(spot.ln_factor), spot.u, spot.v, box)

    def _others(self, camera: Camera) -> Iterator[Other]:
        if self.presence is None:
            return
        colors = {each.id: each.color for each in self.presence.viewers}
        for each in self.presence.viewers:
            if each.id != self.viewer and each.camera is not None:
                if corners := _corners(camera_of(each.camera), camera):
                    yield Other(each.name, each.color, corners)
        for zoom in self.presence.zooms:
            if zoom.viewer != self.viewer and (corners := _corners(camera_of(zoom.camera), camera)):
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


def progress(stage: str | None, fraction: float) -> float:
    """How far a zoom is, of the whole, by its stage and the share of that."""
    if stage not in _STAGES:
        return 0.0
    begins = _STAGES[stage][1]
    ends = min([1.0, *(start for _, start in _STAGES.values() if start > begins)])
    return begins + fraction * (ends - begins)


def _corners(seen: Camera, camera: Camera) -> tuple[tuple[float, float], ...] | None:
    """The corners of what one camera sees as another one sees them; None where they are out of sight or a dot."""
    points = []
    for u, v in ((0, 0), (seen.width, 0), (seen.width, seen.height), (0, seen.height)):
        x, y, w = motions.seen_at(camera, motions.place_at(seen, u, v))
        if w <= NEAR or max(abs(x), abs(y)) > 20.0 * max(camera.width, camera.height):
            return None
        points.append((x, y))
    wide = max(x for x, _ in points) - min(x for x, _ in points)
    return tuple(points) if wide >= 6.0 else None
