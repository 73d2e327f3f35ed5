"""What a recording holds, session by session: who was there, for how long, and what happened to the world."""

from __future__ import annotations

from dataclasses import dataclass, field

from wonderzoom.runtime import recording as r
from wonderzoom.runtime.recording import Recording


@dataclass(slots=True)
class Person:
    """Somebody who was there."""

    viewer: str
    name: str
    role: str
    cameras: int = 0


@dataclass(slots=True)
class Session:
    """What a recording holds of one session; ``records`` without cameras, which are many."""

    opened: r.Opened
    ends: int = 0  # microseconds since the start
    closed: bool = False
    people: dict[str, Person] = field(default_factory=dict[str, Person])
    records: list[r.AnyRecord] = field(default_factory=list[r.AnyRecord])

    @property
    def seconds(self) -> float:
        return 1e-6 * (self.ends - self.opened.at)

    @property
    def commits(self) -> list[r.Committed]:
        return [record for record in self.records if isinstance(record, r.Committed)]

    @property
    def made(self) -> int:
        """Zooms that became part of the world."""
        return sum(bool(commit.added) and not commit.reverts for commit in self.commits)


def sessions_of(recording: Recording) -> dict[int, Session]:
    """By number, in the order in which they were opened. Raises NoRecording."""
    found: dict[int, Session] = {}
    for record in recording.records():
        if isinstance(record, r.Opened):
            found[record.session] = Session(record)
        session = found.get(record.session)
        if session is None:
            raise r.NoRecording(
                f"{recording.path}: session {record.session} is spoken of before it is opened"
            )
        session.ends = record.at
        match record:
            case r.Looked():
                if record.viewer in session.people:
                    session.people[record.viewer].cameras += 1
                continue
            case r.Entered():
                known = session.people.setdefault(record.viewer, Person(record.viewer, "", ""))
                known.name, known.role = record.name, record.role
            case r.Closed():
                session.closed = True
            case _:
                pass
        session.records.append(record)
    return found
