"""Shapes as arrays: every point of a primitive lies inside its bounding ball and its capsule."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wonderzoom.generation.embedded.sdf_kernels import distance, primitive_distance
from wonderzoom.generation.embedded.shape_columns import (
    AXIS,
    BALL,
    BALL_REACH,
    BLADE,
    CUT,
    FAN,
    FORK,
    LEAF,
    LOBED,
    PETAL,
    STRIP,
    THIN,
)
from wonderzoom.generation.embedded.shape_frames import aligned, capsule, rounded, turned
from wonderzoom.generation.embedded.shapes import Material, Shape, ShapeArrays

FAR = 1e9
small = st.floats(0.05, 1.0)
angle = st.floats(-3.0, 3.0)
bend = st.floats(-0.8, 0.8)


def one(draw: str, *arguments: object, **options: object) -> ShapeArrays:
    """The arrays of a shape with a single primitive."""
    shape = Shape()
    material = shape.material(Material((0.5, 0.5, 0.5)))
    getattr(shape, draw)(*arguments, material, **options)
    return shape.arrays()


def assert_bounded(shape: ShapeArrays) -> None:
    """No point outside a bound is inside the primitive, and the bounding sphere holds them all."""
    rng = np.random.default_rng(1)
    bounds = shape.bounds[0]
    points = shape.centre + rng.uniform(-1.3, 1.3, (4000, 3)) * shape.radius
    inside = (
        np.array(
            [primitive_distance(shape.primitives, shape.tables, 0, x, y, z, FAR, 0.0) for x, y, z in points]
        )
        <= 0
    )
    offset = points - bounds[BALL : BALL + 3]
    assert (np.linalg.norm(offset, axis=1)[inside] <= bounds[BALL_REACH]).all()
    axis = bounds[AXIS : AXIS + 3]
    square = float(axis @ axis)
    along = np.clip(offset @ axis / square, -1, 1) if square > 0 else np.zeros(len(offset))
    away = np.linalg.norm(offset - along[:, None] * axis, axis=1)
    assert (away[inside] <= bounds[THIN]).all()
    assert (np.linalg.norm(points - shape.centre, axis=1)[inside] <= shape.radius).all()


@given(st.tuples(small, small, small), angle, angle)
def test_ellipsoids_lie_in_their_bounds(radii: tuple[float, float, float], yaw: float, pitch: float) -> None:
    shape = Shape()
    shape.ellipsoid((0.3, -0.2, 0.1), radii, shape.material(Material((1, 1, 1))), rotation=turned(yaw, pitch))
    assert_bounded(shape.arrays())


@given(small, small, small, angle)
def test_cones_lie_in_their_bounds(length: float, first: float, second: float, yaw: float) -> None:
    shape = Shape()
    end = np.array([math.cos(yaw), math.sin(yaw), 0.4]) * length
    shape.cone((0, 0, 0), end, first * 0.5, second * 0.5, shape.material(Material((1, 1, 1))))
    assert_bounded(shape.arrays())


@given(st.sampled_from([PETAL, LEAF, FAN, STRIP, BLADE, FORK, LOBED]), small, bend, bend, bend, angle)
def test_sheets_lie_in_their_bounds(
    outline: int, width: float, bent: float, curl: float, cup: float, yaw: float
) -> None:
    shape = Shape()
    shape.sheet(
        (0.1, 0, 0), turned(yaw, 0.4), 1.0, width, shape.material(Material((1, 1, 1))), outline, bend=bent, cup=cup,
        curl=curl, wave=0.03,
    )  # fmt: skip
    assert_bounded(shape.arrays())


@given(small, small, small, angle)
def test_boxes_and_cylinders_lie_in_their_bounds(a: float, b: float, c: float, yaw: float) -> None:
    for draw in ("box", "cylinder"):
        shape = Shape()
        material = shape.material(Material((1, 1, 1)))
        if draw == "box":
            shape.box((0, 0, 0), (a, b, c), material, rotation=turned(yaw, 0.3, 0.2))
        else:
            shape.cylinder((0, 0, 0), a, b, material, rotation=turned(yaw, 0.3))
        assert_bounded(shape.arrays())


@given(st.tuples(small, small, small))
def test_a_capsule_is_never_wider_than_needed(radii: tuple[float, float, float]) -> None:
    axis, thin = capsule(np.array(radii))
    order = sorted(radii)
    assert thin == order[1] and np.isclose(np.linalg.norm(axis) + thin, order[2])


@given(st.tuples(angle, angle, angle).filter(lambda v: math.hypot(*v) > 0.1), angle)
def test_frames_are_rotations(direction: tuple[float, float, float], yaw: float) -> None:
    for turn in (aligned(direction), turned(yaw, yaw / 2, yaw / 3)):
        assert np.allclose(turn @ turn.T, np.eye(3)) and np.isclose(np.linalg.det(turn), 1.0)
    assert np.allclose(aligned(direction)[2], np.array(direction) / math.hypot(*direction))


def test_a_smooth_outline_goes_through_its_points() -> None:
    points = np.array([[0.0, 0.0], [0.5, 0.1], [0.4, 0.8], [0.0, 1.0]])
    fine = rounded(points)
    assert (fine[:, 0] >= 0).all()
    assert max(np.linalg.norm(fine - p, axis=1).min() for p in points) < 1e-12


def test_a_cut_takes_away_from_its_own_part_only() -> None:
    shape = Shape()
    material = shape.material(Material((1, 1, 1)))
    shape.ball((0, 0, 0), 1.0, material)
    shape.ellipsoid((1, 0, 0), (0.5, 0.5, 0.5), material, operation=CUT)
    shape.part()
    shape.ball((1, 0, 0), 0.2, material)
    arrays = shape.arrays()
    every = np.arange(len(arrays.primitives))

    def at(x: float) -> float:
        return distance(arrays.primitives, arrays.bounds, arrays.tables, every, 3, x, 0.0, 0.0, 0.0)[0]

    assert at(0.0) < 0 and at(0.6) > 0 and at(1.0) < 0


def test_arrays_are_frozen() -> None:
    arrays = one("ball", (0, 0, 0), 1.0)
    with pytest.raises(ValueError):
        arrays.primitives[0, 0] = 1.0
