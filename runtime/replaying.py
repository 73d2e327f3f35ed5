"""``wonderzoom replay``: says what a recording holds, does a session of it again, or shows it as a film."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from wonderzoom.runtime import recording as r
from wonderzoom.runtime.build import check_free
from wonderzoom.runtime.errors import CommandError, UsageError
from wonderzoom.runtime.gallery import is_world
from wonderzoom.runtime.generators import NAMES
from wonderzoom.runtime.recorded_sessions import Session, sessions_of
from wonderzoom.runtime.recording import Recording
from wonderzoom.scene_graph.branching import branch, log_hash
from wonderzoom.scene_graph.store import WorldStore

if TYPE_CHECKING:
    from wonderzoom.runtime.build import Maker
    from wonderzoom.runtime.world_commands import Replay
    from wonderzoom.scene_graph.page_cache import PageCache


class OtherStart(CommandError):
    """The world at hand is not the one that the session began with."""


def list_recording(command: Replay) -> int:
    """What a recording holds; needs no world and no renderer."""
    recording = Recording.open(command.file)
    versions = ", ".join(f"{name} {version}" for name, version in recording.start.versions.items())
    print(f"{command.file}: recorded {recording.start.at} by {versions}; {recording.ends:,} bytes")
    if recording.lost:
        print(_lost(recording))
    sessions = sessions_of(recording)
    for number, session in sessions.items():
        for line in _described(number, session):
            _tell(line)
    if not sessions:
        print("no world was opened")
    return 0


def _tell(line: str) -> None:
    """Print a line with words of others in it: they must not steer the terminal."""
    print("".join(character if character.isprintable() else "?" for character in line))


def _lost(recording: Recording) -> str:
    return (
        f"{recording.path}: its last {recording.lost:,} bytes are not whole (a crash, a full disk, or it is still"
        " being written), and are left out"
    )


def _described(number: int, session: Session) -> list[str]:
    opened = session.opened
    asked = sum(isinstance(record, r.Asked) for record in session.records)
    end = "" if session.closed else "; it has no end"
    lines = [
        f"session {number}: {opened.world} from revision {opened.revision}, {_minutes(session.seconds)}{end}",
        f"  {asked} zooms asked for, {session.made} made; {len(session.commits) - session.made} times something was"
        " removed or brought back",
    ]
    return lines + [
        f"  {person.viewer}: {person.name} ({person.role}), {person.cameras:,} cameras"
        for person in session.people.values()
    ]


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60.0)
    return f"{minutes:.0f} min {rest:.0f} s" if minutes else f"{rest:.1f} s"


def replay_recording(command: Replay, maker: Maker) -> int:
    """Do a session again, or show it; 1 where the log comes out otherwise."""
    recording = Recording.open(command.file)
    number, session = _chosen(command, sessions_of(recording))
    if recording.lost:
        maker.reporter.note(_lost(recording))
    with WorldStore.open(_world(command, session)) as store:
        _check_start(store, session.opened)
        if command.film is not None:
            from wonderzoom.runtime.replay_film import film_session

            return film_session(command, maker, recording, session, number, store)
        return _again(command, maker, recording, session, store)


def _chosen(command: Replay, sessions: dict[int, Session]) -> tuple[int, Session]:
    if not sessions:
        raise CommandError(f"{command.file}: no world was opened while it was recorded")
    if command.session is None and len(sessions) > 1:
        told = ", ".join(f"{number} ({each.opened.world})" for number, each in sessions.items())
        raise UsageError(f"{command.file} holds several sessions: choose one with --session: {told}")
    number = next(iter(sessions)) if command.session is None else command.session
    if number not in sessions:
        raise UsageError(f"there is no session {number}; {command.file} has: {', '.join(map(str, sessions))}")
    return number, sessions[number]


def _world(command: Replay, session: Session) -> Path:
    """Where the world is that the session was in."""
    if command.world is not None:
        return command.world
    name = Path(session.opened.world).name  # of a world, and never a path
    for folder in (Path.cwd(), command.file.absolute().parent):
        if is_world(folder / name):
            return folder / name
    raise CommandError(
        f"{command.file}: the session was in the world {name!r}, which is neither here nor beside the recording:"
        " say where it is with --world"
    )


def _check_start(store: WorldStore, opened: r.Opened) -> None:
    """Raise OtherStart unless the log has all that was there as the session began, and the same."""
    if store.revision < opened.revision:
        raise OtherStart(
            f"{store.path}: the session began at revision {opened.revision}, this world is at {store.revision}"
        )
    if log_hash(store, opened.revision) != opened.log:
        raise OtherStart(
            f"{store.path}: this is another world than the session began with, or its history was packed away"
        )


def _again(command: Replay, maker: Maker, recording: Recording, session: Session, store: WorldStore) -> int:
    from wonderzoom.runtime.replay import replay

    _note_versions(command, recording, session, maker)
    with _place(command) as path, branch(store, path, session.opened.revision) as copy:
        differing = replay(session.records, copy, maker, generator=command.generator).differences
        digest = copy.load(maker.pages).digest()
        if differing and _same_world(session, store, copy, digest, maker.pages):
            differing = ()
    for line in differing:
        _tell(f"differs: {line}")
    what = f"{len(session.commits)} revisions, {session.made} zooms made"
    verdict = "NOT the same" if differing else "the same"
    print(f"{verdict}: {what}, digest {digest}")
    if command.output is not None:
        print(command.output)
    return int(bool(differing))


def _same_world(session: Session, store: WorldStore, copy: WorldStore, digest: str, pages: PageCache) -> bool:
    """Whether the same changes were made, and only files differ: in what making them took, which is no part of a
    world."""
    began, last = session.opened.revision, session.opened.revision + len(session.commits)
    same_log = [commit.entry for commit in session.commits] == list(copy.entries())[began:]
    return same_log and store.revision >= last and store.load(pages, last).digest() == digest


def _note_versions(command: Replay, recording: Recording, session: Session, maker: Maker) -> None:
    """Say what is other than then. Raises UsageError for a generator that is not to be had: no file that a recording
    names is looked for."""
    made = {record.wish.generator for record in session.records if isinstance(record, r.Began)}
    for name in sorted(made):
        if command.generator is None and name not in NAMES:
            raise UsageError(
                f"the session was made by {name[:40]!r}, which is none of {', '.join(NAMES)}: name its recipe's file"
                " with --generator"
            )
        version = maker.generator_name(command.generator or name)
        then = recording.start.versions.get("generator", version)
        if then != version:
            maker.reporter.note(f"recorded with {then}, replayed with {version}: zooms may differ")


@contextmanager
def _place(command: Replay) -> Generator[Path]:
    """Where the world is made: the one that was named, or one that goes in the end."""
    if command.output is not None:
        check_free(command.output)
        yield command.output
        return
    folder = Path(tempfile.mkdtemp(prefix="wonderzoom-replay-"))
    try:
        yield folder / "world"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
