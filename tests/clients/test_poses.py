"""Cameras, positions and cells go over the wire and come back as the same points, at any depth."""

import math
from dataclasses import replace
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene_strategies import cameras, positions
from wire import poses

from wonderzoom.clients.poses import (
    address_of,
    camera_of,
    cell_of,
    place_of,
    pose_of,
    position_of,
)
from wonderzoom.protocol import limits
from wonderzoom.protocol.codec import decode_from_client, encode
from wonderzoom.protocol.messages import Camera as CameraMessage
from wonderzoom.protocol.values import CameraPose, Place, index_bytes, index_of
from wonderzoom.scene_graph.camera import Camera, initial_camera
from wonderzoom.scene_graph.cells import Cell, Position
from wonderzoom.scene_graph.formats import wire_pose

any_float = (
    st.floats(-0.5, 0.5, allow_nan=False) | st.floats(-1e-200, 1e-200) | st.sampled_from([0.0, 5e-324])
)
fine_positions = st.builds(
    lambda position, offset: Position(position.cell, offset),
    positions(),
    st.tuples(any_float, any_float, any_float),
)


def on_the_wire(position: Place) -> tuple[Fraction, ...]:
    """Where a place is, in root edges, as the protocol defines it."""
    edge = Fraction(2) ** -position.cell.level
    return tuple((i + Fraction(o)) * edge for i, o in zip(position.cell.index, position.offset, strict=True))


def in_the_scene(position: Position) -> tuple[Fraction, ...]:
    """Where a position is, in root edges, as the scene defines it."""
    edge = Fraction(2) ** -position.cell.level
    return tuple(
        (i + Fraction(1, 2) + Fraction(o)) * edge
        for i, o in zip(position.cell.index, position.offset, strict=True)
    )


@given(fine_positions)
def test_a_position_is_the_same_point_on_the_wire_and_comes_back_bit_for_bit(position: Position) -> None:
    place = place_of(position)
    assert on_the_wire(place) == in_the_scene(position)
    assert position_of(place) == position
    assert all(-1.0 <= part <= 1.0 for part in place.offset)


@given(poses, any_float)
def test_any_place_of_anybody_comes_in_as_the_same_point(pose: CameraPose, tiny: float) -> None:
    for place in (pose.pivot, Place(cell=pose.pivot.cell, offset=(tiny, 0.25, -tiny))):
        assert in_the_scene(position_of(place)) == on_the_wire(place)


@given(cameras())
def test_a_camera_comes_back(camera: Camera) -> None:
    message = decode_from_client(encode(CameraMessage(seq=1, cameras=[pose_of(camera)])))
    assert isinstance(message, CameraMessage)
    back = camera_of(message.cameras[0])
    # A quaternion is normalised again, which may turn its last bits; all else is the same.
    assert max(abs(a - b) for a, b in zip(back.quat, camera.quat, strict=True)) < 4e-16
    assert replace(back, quat=camera.quat) == replace(camera, quat=camera.quat)


@given(poses)
def test_whatever_comes_in_can_go_out_again_also_rebased(pose: CameraPose) -> None:
    try:
        camera = camera_of(pose)
    except ValueError:
        return
    for again in (camera, camera.rebased()):
        pose_of(again)


@given(st.integers(-limits.MAX_LEVEL, limits.MAX_LEVEL), st.integers(-(1 << 2047), (1 << 2047) - 1))
def test_a_cell_comes_back(level: int, index: int) -> None:
    cell = Cell(level, index, 0, -1)
    assert cell_of(address_of(cell)) == cell
    assert wire_pose.index_out(index) == index_bytes(index)
    assert wire_pose.index_in(index_bytes(index)) == index_of(index_bytes(index)) == index


def test_a_position_far_from_its_cell_is_the_same_point() -> None:
    position = Position(Cell(3, 5, 6, 7), (1000.3, -2.5e6, 0.1))
    place = place_of(position)
    assert on_the_wire(place) == in_the_scene(position)
    assert max(map(abs, place.offset)) <= 1.0


def test_the_bounds_are_those_of_the_protocol() -> None:
    assert wire_pose.MAX_INDEX_BYTES == limits.MAX_INDEX_BYTES
    assert wire_pose.MAX_LEVEL == limits.MAX_LEVEL


@pytest.mark.parametrize(
    ("position", "why"),
    [
        (Position(Cell(2000, 0, 0, 0), (0.0, 0.0, 0.0)), "level 2001"),
        (Position(Cell(-2002, 0, 0, 0), (0.0, 0.0, 0.0)), "level -2001"),
        (Position(Cell(0, 1 << 2046, 0, 0), (0.0, 0.0, 0.0)), "257 bytes"),
    ],
)
def test_a_place_beyond_the_wire_is_refused(position: Position, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        place_of(position)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"width": 8}, "width"),
        ({"height": 5000}, "height"),
        ({"cx": 1e7}, "cx"),
        ({"ln_fx": 2400.0, "ln_fy": 2400.0, "ln_distance": 2200.0}, "ln_distance"),
    ],
)
def test_a_camera_beyond_the_wire_is_refused(change: dict[str, float], why: str) -> None:
    camera = replace(initial_camera(500.0, 640, 360, 1.0), **change)
    with pytest.raises(ValueError, match=f"beyond what the protocol can say: .*{why}"):
        pose_of(camera)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"ln_fx": -1000.0, "ln_fy": -1000.0}, "singular"),
        ({"ln_fx": 1900.0, "ln_fy": 1900.0, "ln_distance": -1900.0}, "levels from"),
        ({"ln_fx": 0.0, "ln_fy": 0.0, "ln_distance": 2000.0}, "levels from"),
        ({"ln_fx": 1300.0, "ln_fy": 1300.0}, "bits of its pixels' cells"),
    ],
)
def test_a_pose_that_no_server_could_answer_is_refused(change: dict[str, float], why: str) -> None:
    pose = pose_of(initial_camera(500.0, 640, 360, 1.0))
    far = msgspec.structs.replace(pose, **change)
    if "bits" in why:
        cell = address_of(Cell(0, 1 << 1000, 0, 0))
        far = msgspec.structs.replace(far, pivot=Place(cell=cell, offset=(0.5, 0.5, 0.5)))
    with pytest.raises(ValueError, match=why):
        camera_of(far)


def test_the_picture_is_the_same_picture() -> None:
    """A camera of the start looks at the same pixels after the trip, to the last bit."""
    camera = initial_camera(500.0, 640, 360, math.log(3.0)).zoomed(1e6)
    back = camera_of(pose_of(camera))
    for cell in (camera.pivot.cell, camera.pivot.cell.ancestor(5)):
        assert back.cell_frame(cell).origin.tolist() == camera.cell_frame(cell).origin.tolist()
