"""A recording: what was said in the rooms of a server, and when; as bytes in a file, and read again.

    wonderzoom recording 1\\n                    what it is, and the version of all that follows
    length, CRC-32 (4 bytes each, little-endian), msgpack        ... again and again

The first portion is the ``Start``, each further one a list of records, oldest first. Whatever is cut off or changed
ends the recording: up to there it is whole, and what comes after says nothing (``lost``). Nothing secret is in it: no
token, no address, no path; names and prompts are, as people see each other's.

A record says when it was (microseconds since the start) and in which session: a room, from its opening to its closing.
Cameras are by far the most of them, and say only what has changed since the viewer's last one.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import msgpack

from wonderzoom.generation.executors.executor import LossReason
from wonderzoom.generation.jobs import Mode, ZoomRequest
from wonderzoom.generation.zoom_events import FailureCode
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.protocol.messages import FromClient
from wonderzoom.protocol.values import CameraPose, CellAddress, Place, Role
from wonderzoom.runtime.errors import CommandError
from wonderzoom.scene_graph.commit import LogEntry
from wonderzoom.scene_graph.manifest import camera_json, parse_camera

VERSION = 1
_KIND = b"wonderzoom recording "
_PREFIX = struct.Struct("<II")
MAX_PORTION = 1 << 24  # bytes: more are damage
_FIRST_LINE = 64  # bytes that are read to find out what a file is

Code = FailureCode | LossReason | Literal[""]
Cell = tuple[int, bytes, bytes, bytes]  # level, x, y, z, as on the wire
Offset = tuple[float, float, float]
Quat = tuple[float, float, float, float]
Lens = tuple[float, float, float, float, int, int]  # ln_fx, ln_fy, cx, cy, width, height


class NoRecording(CommandError):
    """A file that is none, or of a newer version."""


class Start(msgspec.Struct, frozen=True):
    """What was recorded, once for all."""

    at: str  # UTC, ISO 8601
    versions: dict[str, str]  # wonderzoom, the generator, the renderer


# ---- records ------------------------------------------------------------------------------------
class Record(msgspec.Struct, frozen=True, array_like=True):
    """Base of all: ``at`` in microseconds since the start."""

    at: int
    session: int


class Opened(Record, frozen=True, array_like=True, tag=0):
    """A world was opened for people. ``log``: a hash of its log up to ``revision``, which names all that it was."""

    world: str
    revision: int
    log: bytes
    workers: int  # zooms that were made at a time


class Entered(Record, frozen=True, array_like=True, tag=1):
    """Somebody has come in, or come back."""

    viewer: str
    name: str
    role: Role


class Left(Record, frozen=True, array_like=True, tag=2):
    """A connection has ended."""

    viewer: str
    for_good: bool


class Gone(Record, frozen=True, array_like=True, tag=3):
    """Somebody will not come back: what they wait for is called off, unless others wait for it."""

    viewer: str


class _Parts(NamedTuple):
    """A camera, in parts that change apart from each other."""

    cell: Cell | None = None
    offset: Offset | None = None
    quat: Quat | None = None
    ln_distance: float | None = None
    lens: Lens | None = None

    @staticmethod
    def of(pose: CameraPose | None) -> _Parts:
        if pose is None:
            return _Parts()
        cell = pose.pivot.cell
        lens = pose.ln_fx, pose.ln_fy, pose.cx, pose.cy, pose.width, pose.height
        return _Parts(
            (cell.level, cell.x, cell.y, cell.z), pose.pivot.offset, pose.quat, pose.ln_distance, lens
        )


class Looked(Record, frozen=True, array_like=True, tag=4):
    """Somebody looks elsewhere. None: as by their last such record."""

    viewer: str
    cell: Cell | None = None
    offset: Offset | None = None
    quat: Quat | None = None
    ln_distance: float | None = None
    lens: Lens | None = None

    @staticmethod
    def of(at: int, session: int, viewer: str, pose: CameraPose, before: CameraPose | None) -> Looked:
        """What a camera message says beside the one ``before`` it."""
        parts = zip(_Parts.of(pose), _Parts.of(before), strict=True)
        changed: Any = (part if part != known else None for part, known in parts)
        return Looked(at, session, viewer, *changed)

    def pose(self, before: CameraPose | None) -> CameraPose:
        """The whole camera. Raises ValueError where a part is missing."""
        old = _Parts.of(before)
        cell, offset = self.cell or old.cell, self.offset or old.offset
        quat, lens = self.quat or old.quat, self.lens or old.lens
        ln_distance = old.ln_distance if self.ln_distance is None else self.ln_distance
        if cell is None or offset is None or quat is None or ln_distance is None or lens is None:
            raise ValueError(f"the first camera of {self.viewer} is not whole")
        level, x, y, z = cell
        ln_fx, ln_fy, cx, cy, width, height = lens
        return CameraPose(
            pivot=Place(cell=CellAddress(level=level, x=x, y=y, z=z), offset=offset), quat=quat,
            ln_distance=ln_distance, ln_fx=ln_fx, ln_fy=ln_fy, cx=cx, cy=cy, width=width, height=height,
        )  # fmt: skip


class Heard(Record, frozen=True, array_like=True, tag=5):
    """Any other message that changes what people share: follow, bookmarks, kick, grant, lock."""

    viewer: str
    said: msgspec.Raw

    @property
    def message(self) -> FromClient | None:
        """None for one that this version does not know."""
        try:
            return _messages.decode(self.said)
        except (msgspec.MsgspecError, ValueError):
            return None


_messages = msgpack.Decoder(FromClient)


class Wish(msgspec.Struct, frozen=True, array_like=True):
    """A zoom as the service was asked for it, to the last bit: the point that was clicked is in its camera."""

    generator: str
    camera: dict[str, Any]  # as commits hold it
    prompt: str
    seed: int
    mode: Mode
    node: str | None

    @staticmethod
    def of(request: ZoomRequest, generator: str) -> Wish:
        camera = camera_json(request.camera)
        generator = PurePath(generator).name  # of a recipe's file, not where it lies
        return Wish(generator, camera, request.prompt, request.seed, request.mode, request.node)

    @property
    def asked(self) -> ZoomWish:
        """Raises NoRecording for what is none."""
        try:
            camera = parse_camera(self.camera)
        except (ValueError, TypeError, LookupError) as error:
            raise NoRecording(f"a zoom of this recording makes no sense: {error}") from error
        request = ZoomRequest(camera, self.prompt, self.seed, self.mode, self.node)
        return ZoomWish(request, self.generator)


class Asked(Record, frozen=True, array_like=True, tag=6):
    """A zoom was taken in."""

    viewer: str
    request: str
    wish: Wish


class CalledOff(Record, frozen=True, array_like=True, tag=7):
    """A zoom was called off by who asked for it."""

    viewer: str
    request: str


class Changed(Record, frozen=True, array_like=True, tag=8):
    """The writer was asked for a change that needs no generator."""

    how: Literal["remove", "restore", "undo", "redo"]
    node: str | None


class Began(Record, frozen=True, array_like=True, tag=9):
    """A worker was given a zoom, for the first time or again. ``run``: a number of its own in the session."""

    run: int
    wish: Wish


class Ran(Record, frozen=True, array_like=True, tag=10):
    """A worker has ended a run. ``base``: the revision that it saw; ``why``: it made nothing."""

    run: int
    end: Literal["made", "failed", "lost", "stopped"]
    base: int = 0
    code: Code = ""
    why: str = ""
    retryable: bool = False


class Committed(Record, frozen=True, array_like=True, tag=11):
    """A revision is durable. ``file``: the hash of its file, hence of all that it holds."""

    revision: int
    added: tuple[tuple[str, str | None], ...]  # node, its parent
    removed: tuple[str, ...]
    reverts: int
    file: str

    @staticmethod
    def of(at: int, session: int, entry: LogEntry, file: str) -> Committed:
        return Committed(at, session, entry.revision, entry.added, entry.removed, entry.reverts, file)

    @property
    def entry(self) -> LogEntry:
        """What the revision brings and takes."""
        return LogEntry(self.revision, self.added, self.removed, self.reverts)


class NotKept(Record, frozen=True, array_like=True, tag=12):
    """A change could not be made durable, as on a full disk; the world is as before."""


class Draining(Record, frozen=True, array_like=True, tag=13):
    """No zoom is taken in any more; what runs has so many ``seconds`` left."""

    seconds: float


class Closed(Record, frozen=True, array_like=True, tag=14):
    """The room is closed."""


AnyRecord = (
    Opened | Entered | Left | Gone | Looked | Heard | Asked | CalledOff | Changed | Began | Ran | Committed
    | NotKept | Draining | Closed
)  # fmt: skip
_encoder = msgpack.Encoder()
_records = msgpack.Decoder(list[AnyRecord])
_start = msgpack.Decoder(Start)


# ---- bytes --------------------------------------------------------------------------------------
def encode(record: AnyRecord) -> bytes:
    """One record, to go into a portion."""
    return _encoder.encode(record)


def opening(start: Start) -> bytes:
    """What a file begins with."""
    return _KIND + f"{VERSION}\n".encode() + _framed(_encoder.encode(start))


def portion(records: list[bytes]) -> bytes:
    """Encoded records, at least one, as they are appended to a file."""
    return _framed(_encoder.encode([msgspec.Raw(each) for each in records]))


def _framed(data: bytes) -> bytes:
    return _PREFIX.pack(len(data), zlib.crc32(data)) + data


@dataclass(frozen=True, slots=True)
class Recording:
    """A file that was recorded. Made by ``open``."""

    path: Path
    start: Start
    begins: int  # where the records do, bytes
    ends: int  # of the last portion that is whole
    lost: int  # bytes after it

    @classmethod
    def open(cls, path: Path) -> Recording:
        """Reads all of it once, to know how far it is whole. Raises NoRecording, OSError."""
        with path.open("rb") as file:
            line = file.readline(_FIRST_LINE)
            number = line.removeprefix(_KIND).strip()
            if not line.startswith(_KIND) or not line.endswith(b"\n") or not number.isdigit():
                raise NoRecording(
                    f"{path}: this is no recording; wonderzoom serve WORLD --record FILE makes one"
                )
            if int(number) != VERSION:
                raise NoRecording(
                    f"{path}: this recording has version {int(number)}, this program reads {VERSION}; install a"
                    " newer version of wonderzoom"
                )
        whole = _portions(path)
        begins, data = next(whole, (0, b""))
        if not begins:
            raise NoRecording(f"{path}: nothing was recorded: the file is cut off at its beginning")
        try:
            start = _start.decode(data)
        except msgspec.MsgspecError as error:
            raise NoRecording(f"{path}: the beginning of this recording makes no sense ({error})") from None
        ends = begins
        for ends, _ in whole:  # noqa: B007  (the last one counts)
            pass
        return cls(path, start, begins, ends, path.stat().st_size - ends)

    def records(self) -> Iterator[AnyRecord]:
        """All of them, oldest first. Raises NoRecording for what no version 1 says."""
        for ends, data in _portions(self.path, self.begins):
            if ends > self.ends:
                return  # it is still being written
            try:
                yield from _records.decode(data)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
                raise NoRecording(
                    f"{self.path}: the portion that ends at byte {ends} makes no sense: {error}"
                ) from None


def _portions(path: Path, begin: int = 0) -> Iterator[tuple[int, bytes]]:
    """Where each whole portion ends, and what it holds; up to the first that is not."""
    with path.open("rb") as file:
        file.seek(begin)
        at = begin or len(file.readline(_FIRST_LINE))
        while len(prefix := file.read(_PREFIX.size)) == _PREFIX.size:
            length, checksum = _PREFIX.unpack(prefix)
            if length > MAX_PORTION:
                return
            data = file.read(length)
            if len(data) < length or zlib.crc32(data) != checksum:
                return
            at += _PREFIX.size + length
            yield at, data
