"""What a worker process and its parent say to each other, as bytes on two pipes.

A frame is its length (4 bytes, little-endian) and one msgpack map with a ``type``. Frames are small: pictures
and proposals go by files, whose paths the parent chooses. Nothing is ever unpickled, and neither side takes
more than ``MAX_FRAME`` bytes or a value outside its range: what can't be decoded is garbage, and costs the
worker its life.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Annotated, Any, BinaryIO, TypeVar

import msgspec

from wonderzoom.generation.jobs import MAX_PROMPT, Mode, Stage, ZoomRequest
from wonderzoom.generation.zoom_events import FailureCode
from wonderzoom.scene_graph.manifest import camera_json, parse_camera

MAX_FRAME = 2**18  # bytes: a prompt and a camera a thousand zooms deep take a twentieth of it
MAX_MESSAGE = 2000  # characters of an error
_LENGTH = struct.Struct("<I")

Number = Annotated[int, msgspec.Meta(ge=0)]
Fraction = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]
Text = Annotated[str, msgspec.Meta(max_length=MAX_MESSAGE)]
Words = Annotated[
    tuple[Annotated[str, msgspec.Meta(max_length=MAX_PROMPT)], ...], msgspec.Meta(max_length=1000)
]


class Frame(msgspec.Struct, frozen=True, tag_field="type", forbid_unknown_fields=True):
    """One message."""


# ---- parent -> worker -------------------------------------------------------------------------------
class Run(Frame, frozen=True, tag="run"):
    """Make this zoom; write the proposal to ``answer`` and the preview to ``preview``."""

    job: Number
    generator: str
    camera: dict[str, Any]  # as commits hold it
    prompt: str
    seed: str  # hexadecimal, of any size
    mode: Mode
    node: str | None
    answer: str
    preview: str

    @staticmethod
    def of(job: int, generator: str, request: ZoomRequest, answer: str, preview: str) -> Run:
        return Run(
            job,
            generator,
            camera_json(request.camera),
            request.prompt,
            hex(request.seed),
            request.mode,
            request.node,
            answer,
            preview,
        )

    def request(self) -> ZoomRequest:
        """What is asked for. Raises ValueError, TypeError or LookupError."""
        return ZoomRequest(parse_camera(self.camera), self.prompt, int(self.seed, 16), self.mode, self.node)


class CallOff(Frame, frozen=True, tag="call_off"):
    """Stop this job within a step."""

    job: Number


class Ping(Frame, frozen=True, tag="ping"):
    """Are you there?"""


# ---- worker -> parent -------------------------------------------------------------------------------
class Ready(Frame, frozen=True, tag="ready"):
    """Jobs may come."""


class Pong(Frame, frozen=True, tag="pong"):
    """Yes."""


class Progress(Frame, frozen=True, tag="progress"):
    """How far the job is; ``preview``: its file is written."""

    job: Number
    stage: Stage
    fraction: Fraction
    preview: bool = False


class Done(Frame, frozen=True, tag="done"):
    """The proposal is written. ``base``: the revision that the worker saw."""

    job: Number
    base: Number
    node: Text
    ignored: Words
    placed: Words
    notes: Words = ()
    memory: dict[Stage, Number] = {}  # noqa: RUF012  (msgspec copies it); bytes of the card, the most of each stage


class Failed(Frame, frozen=True, tag="failed"):
    """The job ended with an error, the worker goes on."""

    job: Number
    code: FailureCode
    message: Text
    retryable: bool


class Stopped(Frame, frozen=True, tag="stopped"):
    """The job was called off and left nothing."""

    job: Number


FromParent = Run | CallOff | Ping
FromWorker = Ready | Pong | Progress | Done | Failed | Stopped


_Said = TypeVar("_Said")


class Garbage(Exception):
    """Bytes that are no frame."""


_parent_decoder = msgspec.msgpack.Decoder(FromParent)
_worker_decoder = msgspec.msgpack.Decoder(FromWorker)


def encode(frame: Frame) -> bytes:
    """A frame with its length."""
    data = msgspec.msgpack.encode(frame)
    if len(data) > MAX_FRAME:
        raise ValueError(f"a frame of {len(data)} bytes, at most {MAX_FRAME}")
    return _LENGTH.pack(len(data)) + data


def length_of(prefix: bytes) -> int:
    """The length that a frame begins with. Raises Garbage."""
    (length,) = _LENGTH.unpack(prefix)
    if length > MAX_FRAME:
        raise Garbage(f"a frame of {length} bytes, at most {MAX_FRAME}")
    return length


LENGTH_BYTES = _LENGTH.size


def decode_from_worker(data: bytes) -> FromWorker:
    """What a worker says. Raises Garbage."""
    return _decode(_worker_decoder, data)


def frames_from_parent(pipe: BinaryIO) -> Iterator[FromParent]:
    """What the parent says, until it closes the pipe or is gone. Raises Garbage."""
    while len(prefix := _read(pipe, LENGTH_BYTES)) == LENGTH_BYTES:
        data = _read(pipe, length := length_of(prefix))
        if len(data) < length:
            return
        yield _decode(_parent_decoder, data)


def _decode(decoder: msgspec.msgpack.Decoder[_Said], data: bytes) -> _Said:
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:  # ValueError: no UTF-8
        raise Garbage(str(error)) from error


def _read(pipe: BinaryIO, size: int) -> bytes:
    """``size`` bytes, or fewer at the end of the pipe."""
    data = b""
    while len(data) < size and (more := pipe.read(size - len(data))):
        data += more
    return data
