"""Frames between a worker and its parent: what is said arrives as it was, and nothing else is taken."""

import io

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene_strategies import cameras

from wonderzoom.generation.executors.frames import (
    LENGTH_BYTES,
    MAX_FRAME,
    CallOff,
    Done,
    Failed,
    Frame,
    Garbage,
    Ping,
    Pong,
    Progress,
    Ready,
    Run,
    Stopped,
    decode_from_worker,
    encode,
    frames_from_parent,
    length_of,
)
from wonderzoom.generation.jobs import STAGES, ZoomRequest
from wonderzoom.scene_graph.camera import Camera

SAID = st.one_of(
    st.just(Ready()),
    st.just(Pong()),
    st.builds(Progress, st.integers(0, 2**40), st.sampled_from(STAGES), st.floats(0.0, 1.0), st.booleans()),
    st.builds(
        Done,
        st.integers(0, 2**40),
        st.integers(0, 2**40),
        st.text(max_size=20),
        st.lists(st.text(max_size=9), max_size=3).map(tuple),
        st.lists(st.text(max_size=9), max_size=3).map(tuple),
    ),
    st.builds(Failed, st.integers(0, 9), st.just("internal"), st.text(max_size=50), st.booleans()),
    st.builds(Stopped, st.integers(0, 9)),
)


class Dribble(io.BytesIO):
    """A pipe that gives a byte or three at a time, as pipes may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(3, size) if size else size)


@given(cameras(), st.text(max_size=50), st.integers(0, 2**200), st.none() | st.text(max_size=9))
def test_a_request_arrives_to_the_last_bit(camera: Camera, prompt: str, seed: int, node: str | None) -> None:
    request = ZoomRequest(camera, prompt, seed, "add" if node is None else "replace", node)
    said = [Run.of(7, "plain", request, "a", "b"), Ping(), CallOff(7)]
    pipe = Dribble(b"".join(encode(frame) for frame in said))
    heard = list(frames_from_parent(pipe))
    assert heard == said and isinstance(heard[0], Run) and heard[0].request() == request


@given(SAID)
def test_what_a_worker_says_arrives(frame: Frame) -> None:
    data = encode(frame)
    assert length_of(data[:LENGTH_BYTES]) == len(data) - LENGTH_BYTES
    assert decode_from_worker(data[LENGTH_BYTES:]) == frame


@given(SAID, st.data())
def test_a_changed_byte_is_a_frame_or_garbage(frame: Frame, data: st.DataObject) -> None:
    body = bytearray(encode(frame)[LENGTH_BYTES:])
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode_from_worker(bytes(body))
    except Garbage:
        pass


@given(st.binary(max_size=200))
def test_any_bytes_are_frames_or_garbage(data: bytes) -> None:
    try:
        list(frames_from_parent(io.BytesIO(data)))
        decode_from_worker(data)
    except Garbage:
        pass


@pytest.mark.parametrize(
    "value",
    [
        {"type": "progress", "job": 1, "stage": "sing", "fraction": 0.5},
        {"type": "progress", "job": 1, "stage": "edit", "fraction": float("nan")},
        {"type": "progress", "job": 1, "stage": "edit", "fraction": 1.5},
        {"type": "progress", "job": -1, "stage": "edit", "fraction": 0.5},
        {"type": "failed", "job": 1, "code": "sad", "message": "", "retryable": False},
        {"type": "failed", "job": 1, "code": "internal", "message": "x" * 2001, "retryable": False},
        {"type": "pong", "and": "more"},
        {"type": "run"},
        {},
        [[[]]],
    ],
)
def test_values_outside_their_range_are_garbage(value: object) -> None:
    with pytest.raises(Garbage):
        decode_from_worker(msgspec.msgpack.encode(value))


def test_frames_are_small_on_both_sides() -> None:
    with pytest.raises(ValueError, match="at most 262144"):
        encode(Done(1, 1, "n", tuple(["x" * 1000] * 300), ()))
    with pytest.raises(Garbage, match="4294967295 bytes"):
        length_of(b"\xff" * LENGTH_BYTES)
    assert length_of(MAX_FRAME.to_bytes(LENGTH_BYTES, "little")) == MAX_FRAME


def test_a_pipe_that_ends_in_a_frame_ends() -> None:
    data = encode(Ping()) + encode(CallOff(3))
    assert list(frames_from_parent(io.BytesIO(data[:-1]))) == [Ping()]
    assert list(frames_from_parent(io.BytesIO(data + b"\x01"))) == [Ping(), CallOff(3)]
