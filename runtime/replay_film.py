"""A recorded session as a film: what one viewer saw, with the world growing as it did, and fading in as it did.

Where everybody looks, and who is led by whom, is worked out by the server's own rooms; zooms come from the log of the
world, so that nothing is generated. Time in which the viewer was away is left out.
"""

from __future__ import annotations

import asyncio
import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING

from wonderzoom.protocol import messages
from wonderzoom.protocol.errors import CloseCode
from wonderzoom.protocol.session import ServerSession
from wonderzoom.protocol.values import CameraPose
from wonderzoom.runtime import recording as r
from wonderzoom.runtime.auth import Role
from wonderzoom.runtime.errors import CommandError, UsageError
from wonderzoom.runtime.film import FPS, Shot, check_target, drawn_ahead, write_film
from wonderzoom.runtime.following import Following
from wonderzoom.runtime.frames import covered, settings_of
from wonderzoom.runtime.participants import Participant, Roster
from wonderzoom.runtime.recorded_sessions import Session
from wonderzoom.runtime.sight import everything
from wonderzoom.runtime.viewer import Frame
from wonderzoom.runtime.viewing import check_even, even_size
from wonderzoom.runtime.wire import camera_of
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.hops import hop
from wonderzoom.scene_graph.page_cache import PageCache
from wonderzoom.scene_graph.ports import RenderSettings
from wonderzoom.scene_graph.store import WorldStore

if TYPE_CHECKING:
    from wonderzoom.runtime.build import Maker
    from wonderzoom.runtime.recording import Recording
    from wonderzoom.runtime.world_commands import Replay


# Between two cameras of somebody who moves: three of those that are recorded. A longer one is a jump.
MOVING_S = 0.1


@dataclass(frozen=True, slots=True)
class Moment:
    """What a viewer looked at, at one time."""

    seconds: float  # of the session
    camera: Camera
    revision: int


class Watching:
    """Where everybody looks while records are taken, one after the other. Made and used in an event loop."""

    def __init__(self) -> None:
        self._roster = Roster(_shown)
        self._following = Following(self._roster, self._led, lambda: None)
        self._poses: dict[str, CameraPose] = {}
        self.revision = 0

    def take(self, record: r.AnyRecord) -> None:
        """What happens next."""
        match record:
            case r.Opened() | r.Committed():
                self.revision = record.revision
            case r.Entered():
                who = self._roster.get(record.viewer) or self._roster.add(record.name, Role(record.role))
                who.session = _deaf()
            case r.Left() if who := self._roster.get(record.viewer):
                who.session = None
                self._following.end(who)
            case r.Gone() if who := self._roster.get(record.viewer):
                self._roster.remove(who)
                self._following.gone(who)
            case r.Looked() if who := self._roster.get(record.viewer):
                self._looked(who, record)
            case r.Heard() if who := self._roster.get(record.viewer):
                if isinstance(message := record.message, messages.Follow):
                    self._following.follow(who, message)
            case _:
                pass

    def camera(self, viewer: str) -> Camera | None:
        """Where somebody who is here looks; None for who is not, or does not look yet."""
        who = self._roster.get(viewer)
        return who.viewer.camera if who is not None and who.here else None

    def close(self) -> None:
        """Nothing more happens."""
        self._following.close()

    def _looked(self, who: Participant, record: r.Looked) -> None:
        try:
            pose = self._poses[who.id] = record.pose(self._poses.get(who.id))
            camera = camera_of(pose)
        except ValueError:
            return  # it was refused then, too
        who.viewport = camera.width, camera.height
        self._following.end(who)
        who.viewer.look(camera, who.viewer.camera_seq + 1, 0.0)
        self._following.moved(who)

    @staticmethod
    def _led(who: Participant, camera: Camera, leader: str) -> None:
        who.viewer.follow(camera, leader, 0.0)


async def _shown(_who: Participant, _frame: Frame) -> None:
    """Nothing is shown to anybody."""


def _deaf() -> ServerSession:
    """A connection that takes nothing."""
    session = ServerSession(0.0)
    session.refuse(CloseCode.NORMAL, "")
    return session


@dataclass(slots=True)
class _Seen:
    """What a viewer saw; each list by time, in seconds of the session."""

    looks: list[tuple[float, Camera | None]] = field(default_factory=list[tuple[float, Camera | None]])
    revisions: list[tuple[float, int]] = field(default_factory=list[tuple[float, int]])
    ends: float = 0.0

    def camera(self, at: float) -> Camera | None:
        """Where the viewer looked. Of one who moves, cameras come at times of their own: in between, it is on its
        way."""
        index = bisect_right(self.looks, at, key=itemgetter(0)) - 1
        if index < 0 or index + 1 == len(self.looks):
            return self.looks[index][1] if index >= 0 else None
        (then, now), (later, soon) = self.looks[index : index + 2]
        if now is None or soon is None or later - then > MOVING_S or _size(now) != _size(soon):
            return now
        return hop(now, soon, (at - then) / (later - then), 0.0)

    def revision(self, at: float) -> int:
        """Of the world."""
        return self.revisions[bisect_right(self.revisions, at, key=itemgetter(0)) - 1][1]


def _size(camera: Camera) -> tuple[int, int]:
    return camera.width, camera.height


def moments(records: Iterable[r.AnyRecord], viewer: str, step: float) -> list[Moment]:
    """What a viewer saw, every ``step`` seconds of a session in which they were there and looked somewhere."""
    seen = asyncio.run(_seen(records, viewer))
    times = (step * frame for frame in range(math.ceil(seen.ends / step)))
    cameras = ((at, seen.camera(at)) for at in times)
    return [Moment(at, camera, seen.revision(at)) for at, camera in cameras if camera is not None]


async def _seen(records: Iterable[r.AnyRecord], viewer: str) -> _Seen:
    watching, seen = Watching(), _Seen()
    began = -1
    for record in records:
        began = record.at if began < 0 else began
        seen.ends = at = 1e-6 * (record.at - began)
        watching.take(record)
        camera = watching.camera(viewer)
        if not seen.looks or camera != seen.looks[-1][1]:
            seen.looks.append((at, camera))
        if not seen.revisions or watching.revision != seen.revisions[-1][1]:
            seen.revisions.append((at, watching.revision))
    watching.close()
    return seen


# ---- the film -----------------------------------------------------------------------------------
def film_session(
    command: Replay, maker: Maker, recording: Recording, session: Session, number: int, store: WorldStore
) -> int:
    """Write the film. Raises CommandError, OutputError."""
    assert command.film is not None
    if command.film.suffix.lower() != ".mp4":
        raise UsageError(f"--film is {command.film}; its name must end with .mp4")
    if command.output is not None:
        raise UsageError("--film shows the world as it is, and makes none: leave out --output")
    check_even(command.size)
    check_target(command.film)
    _check_log(session, store)
    who = _viewer(command, session)
    records = (record for record in recording.records() if record.session == number)
    seen = moments(records, who, command.speed / FPS)
    if not seen:
        raise CommandError(f"{recording.path}: {who} has looked nowhere: there is nothing to show of it")
    size = even_size(seen[0].camera, command.size)
    settings = settings_of(store.header)
    shots = _shots(seen, size, settings, store, maker.pages, session.opened.revision)
    comment = f"wonderzoom session of {session.opened.world}, as {session.people[who].name} saw it"
    with maker.reporter.task("drawing the film", len(seen)) as done:
        write_film(command.film, drawn_ahead(maker.renderer, shots, settings, done), FPS, comment)
    print(command.film)
    return 0


def _viewer(command: Replay, session: Session) -> str:
    """Whose eyes: by id, by name, or who moved most. Raises UsageError."""
    people = session.people
    if not people:
        raise CommandError(f"{command.file}: nobody was there")
    if command.viewer is None:
        return max(people.values(), key=lambda person: person.cameras).viewer
    if command.viewer in people:
        return command.viewer
    named = [person for person in people.values() if person.name.casefold() == command.viewer.casefold()]
    if len(named) == 1:
        return named[0].viewer
    there = ", ".join(f"{person.viewer} ({person.name})" for person in named or people.values())
    what = "is the name of several" if named else "was not there"
    raise UsageError(f"--viewer {command.viewer[:40]!r} {what}: {there}")


def _check_log(session: Session, store: WorldStore) -> None:
    """Raise CommandError unless the log has what was made in the session."""
    rows = store.rows(session.opened.revision)
    made = [commit.file for commit in session.commits]
    if [row.hash for row in rows[: len(made)]] != made:
        raise CommandError(
            f"{store.path}: its log is not that of the session: a film shows the zooms that were made then"
        )


def _shots(
    seen: Iterable[Moment], size: tuple[int, int], settings: RenderSettings, store: WorldStore, pages: PageCache,
    revision: int,
) -> Iterator[Shot | None]:  # fmt: skip
    """What each moment shows, of the world as it was then; None for what shows the same as the one before."""
    world, sight = store.load(pages, revision), everything()
    before: tuple[Camera, int] | None = None
    final = False
    for moment in seen:
        for commit in store.commits(world.revision, moment.revision):
            world.apply(commit)
            world.settle(store.settled(commit))
        camera = covered(moment.camera, *size)
        if final and before == (camera, moment.revision):
            yield None
            continue
        now = sight.see(world, camera, settings, moment.seconds, ())
        before, final = (camera, moment.revision), now.final
        yield Shot(now.visible, camera)
