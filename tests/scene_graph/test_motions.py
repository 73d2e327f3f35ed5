"""Laws of camera motions: what is zoomed at stays, speeds are constant, ends exact; the same at any depth."""

import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from laws import law
from scene_strategies import cameras
from worlds import facing, first_camera, look_and_zoom, nested_world, plane_view

from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.flight import fly
from wonderzoom.scene_graph.motions import (
    FRAME_MARGIN,
    CameraPath,
    MotionError,
    along,
    framed,
    orbit,
    through,
    zoom_in,
    zoomed_at,
)

LN2 = math.log(2.0)
shares = st.floats(0.0, 1.0)


def moved_by(a: Camera, b: Camera, points: np.ndarray) -> np.ndarray:
    """Pixels [N, 2] of the second camera where view points [N, 3] of the first are."""
    matrix, origin = b.map_from(a)
    return b.project(points @ matrix.T + origin)[0]


# ---- steps --------------------------------------------------------------------------------------------
@law(cameras(), shares, shares, st.floats(0.05, 8.0), st.floats(-0.5, 1.0), st.floats(-0.5, 1.0))
def test_what_is_zoomed_at_stays_under_the_pixel_near_and_far(
    camera: Camera, across: float, down: float, factor: float, near: float, depth: float
) -> None:
    u, v = across * camera.width, down * camera.height
    # Relief of the size of the picture, less where the eye is that near.
    relief = min(camera.width, math.exp(min(camera.ln_f, 600.0)))
    zoomed = zoomed_at(camera, factor, u, v, depth * relief)
    points = camera.unproject(np.array([[u, v]] * 3), np.array([0.0, near * relief, depth * relief]))
    seen = moved_by(camera, zoomed, points)
    assert np.abs(seen - [u, v]).max() < 1e-5
    assert zoomed.ln_f == pytest.approx(camera.ln_f + math.log(factor), abs=1e-9)


@law(st.integers(0, 900), shares, shares, st.lists(st.floats(1.1, 8.0), min_size=1, max_size=300), examples=8)
def test_a_point_zoomed_at_again_and_again_stays_within_half_a_pixel(
    down: int, across: float, lower: float, factors: list[float]
) -> None:
    """By up to 300 zooms of 8x: what is under the finger at the last is what was there at the first."""
    first = camera = first_camera(96, 64, 80.0, down)
    u, v = 96 * across, 64 * lower
    place = first.position(first.unproject(np.array([u, v]), np.array(0.0)))
    for factor in factors:
        camera = zoomed_at(camera, factor, u, v, float(camera.view_point(place)[2]))
        # A finger points at what it sees now: a place is known to float64 of the scale at which it was pointed at.
        seen, _ = camera.project(camera.view_point(place))
        assert np.abs(seen - [u, v]).max() < 0.5
        place = camera.position(camera.unproject(np.array([u, v]), camera.view_point(place)[2]))


def test_zooms_out_of_reach_are_refused() -> None:
    camera = first_camera()
    for factor in (0.0, -1.0, math.nan, math.inf):
        with pytest.raises(MotionError, match="positive"):
            zoomed_at(camera, factor, 3.0, 3.0)
        with pytest.raises(MotionError, match="positive"):
            zoom_in(camera, factor)
    with pytest.raises(MotionError, match="behind"):
        zoomed_at(camera, 2.0, 3.0, 3.0, -math.exp(camera.ln_f))


@law(
    st.integers(0, 900),
    st.floats(-0.9, 0.9),
    st.tuples(shares, shares),
    st.tuples(shares, shares),
    st.tuples(st.integers(8, 300), st.integers(8, 300)),
)
def test_a_framed_node_shows_its_whole_footprint(
    down: int, tilt: float, one: tuple[float, float], other: tuple[float, float], size: tuple[int, int]
) -> None:
    camera = first_camera(48, 36, 40.0, down)
    (left, right), (top, bottom) = (sorted(pair) for pair in zip(one, other, strict=True))
    u, v = np.moveaxis(camera.pixel_centres() / [48, 36], -1, 0)
    mask = (u >= left) & (u <= right) & (v >= top) & (v <= bottom)
    assume(mask.any())
    view = plane_view(camera, facing(camera, tilt), mask)
    frame = framed(view, *size)
    assert (frame.width, frame.height) == size
    rows, columns = np.nonzero(view.mask)
    corners = np.concatenate([np.stack([columns + a, rows + b], -1) for a in (0, 1) for b in (0, 1)]).astype(
        float
    )
    seen = moved_by(camera, frame, camera.unproject(corners, np.tile(view.zeta[view.mask], 4)))
    margin = FRAME_MARGIN * np.array(size)
    assert (seen >= margin - 1e-6).all() and (seen <= np.array(size) - margin + 1e-6).all()
    # And as large as can be: along one side the footprint touches the margin.
    assert min(np.abs(seen.min(0) - margin).min(), np.abs(seen.max(0) - (size - margin)).min()) < 0.01 * max(
        size
    )


def test_a_view_of_nothing_has_no_frame() -> None:
    camera = first_camera()
    view = plane_view(camera, facing(camera), np.zeros((camera.height, camera.width), np.bool_))
    with pytest.raises(MotionError, match="nothing"):
        framed(view, 48, 36)


@law(cameras(), st.integers(-40, 40), examples=100)
def test_a_camera_re_bases_itself_unseen(camera: Camera, levels: int) -> None:
    """The same picture to 1e-9 pixels, whichever cell the pivot is said to be in."""
    there = Camera(
        camera.pivot.rebased(camera.pivot.cell.level + levels),
        camera.quat,
        camera.ln_distance,
        camera.ln_fx,
        camera.ln_fy,
        camera.cx,
        camera.cy,
        camera.width,
        camera.height,
    )
    # A coarser cell holds the pivot to float64 of its own edge; what is lost is below these pixels.
    lost = 2.0 ** (max(-levels, 0) - 53 + 7)
    cell = camera.pivot.cell
    for at in (cell, cell.ancestor(3)):
        mine, theirs = camera.cell_frame(at), there.cell_frame(at)
        scale = max(1.0, np.abs(mine.origin).max())
        assert np.abs(mine.origin - theirs.origin).max() <= 1e-12 * scale + lost
        assert mine.edge_px == pytest.approx(theirs.edge_px, rel=1e-12)
    if levels >= 0 or levels > -15:
        again = there.rebased()
        pixels = np.array([[0.0, 0.0], [camera.width, camera.height], [camera.cx, camera.cy]])
        assert (
            np.abs(moved_by(camera, again, camera.unproject(pixels, np.zeros(3))) - pixels).max()
            < 1e-9 + lost
        )


# ---- whole motions ------------------------------------------------------------------------------------
@law(
    cameras(),
    shares,
    shares,
    st.floats(1.2, 1e6) | st.floats(0.05, 0.8),
    st.lists(shares, min_size=3, max_size=9),
)
def test_a_zoom_has_a_constant_perceived_speed_and_holds_its_pixel(
    camera: Camera, across: float, down: float, factor: float, moments: list[float]
) -> None:
    u, v = across * camera.width, down * camera.height
    path = zoom_in(camera, factor, (u, v), octaves_per_second=1.5)
    assert path.seconds == pytest.approx(abs(math.log2(factor)) / 1.5)
    assert path.camera(0.0) is camera
    place = camera.position(camera.unproject(np.array([u, v]), np.array(0.0)))
    sign = math.copysign(1.0, math.log(factor))
    for share in moments:
        here = path.camera(share * path.seconds)
        assert here.ln_f - camera.ln_f == pytest.approx(sign * share * path.seconds * 1.5 * LN2, abs=1e-9)
        seen, _ = here.project(here.view_point(place))
        assert np.abs(seen - [u, v]).max() < 1e-5 * max(1.0, factor)


def speeds(path: CameraPath, count: int) -> tuple[np.ndarray, list[Camera]]:
    """[count] how fast the pixels of a grid move at most, in short sides per flight; and the cameras there."""
    step = 1e-6 * path.seconds
    here = [path.camera(path.seconds * (i + 0.5) / count) for i in range(count)]
    soon = [path.camera(path.seconds * (i + 0.5) / count + step) for i in range(count)]
    size = np.array([here[-1].width, here[-1].height])
    grid = size * np.array([(u, v) for u in (0.0, 0.5, 1.0) for v in (0.0, 0.5, 1.0)])
    moved = [moved_by(a, b, a.unproject(grid, np.zeros(9))) - grid for a, b in zip(here, soon, strict=True)]
    return np.abs(moved).max((1, 2)) / size.min() / 1e-6, here


def dive(camera: Camera, zooms: list[tuple[float, float]], ratio: float) -> Camera:
    """The last of a chain of zooms into one plane, at shares of the picture."""
    plane = facing(camera, 0.3)
    for u, v in zooms:
        camera = look_and_zoom(camera, plane, u * camera.width, v * camera.height, ratio)
        plane = type(plane)(camera.pivot, plane.normal)
    return camera


places = st.lists(st.tuples(st.floats(0.2, 0.8), st.floats(0.2, 0.8)), max_size=12)


@law(st.integers(0, 900), places, places, st.floats(1.5, 8.0), examples=15)
def test_a_flight_between_cousins_shows_no_jump_and_keeps_their_eye(
    down: int, one: list[tuple[float, float]], other: list[tuple[float, float]], ratio: float
) -> None:
    start = first_camera(96, 72, 80.0, down)
    a, b = dive(start, one, ratio), dive(start, other, ratio)
    path = fly(a, b)
    assert path.camera(0.0) is a and path.camera(path.seconds) is b and path.camera(-1.0) is a
    folds = abs(a.ln_scale - start.ln_scale) + abs(b.ln_scale - start.ln_scale)
    moving, here = speeds(path, 60)
    # A zoom by e moves the rim of a wide picture by its diagonal; the smooth start makes the middle half as fast again.
    assert moving.max() < 1.6 * (folds + 3.0)
    for camera in here[::6]:
        eye = camera.position(np.array([0.0, 0.0, -math.exp(camera.ln_f)]))
        away = eye.from_(start.position(np.array([0.0, 0.0, -math.exp(start.ln_f)])))
        assert np.linalg.norm(away) * 2.0 ** (down - eye.cell.level) < 1e-7


@law(cameras(st.integers(0, 6), (30.0, 1e4)), cameras(st.integers(0, 6), (30.0, 1e4)), examples=25)
def test_any_two_cameras_have_a_flight_without_a_jump(a: Camera, b: Camera) -> None:
    path = fly(a, b)
    assert 0.0 < path.seconds <= 5.0
    for share in (1e-7, 0.3, 0.5, 0.9, 1.0 - 1e-7):
        here, there = path.camera(share * path.seconds), path.camera((share + 1e-9) * path.seconds)
        assert (here.width, here.height) == (b.width, b.height)
        pixels = np.array([[0.3 * b.width, 0.4 * b.height], [here.cx, here.cy]])
        seen = moved_by(here, there, here.unproject(pixels, np.zeros(2)))
        assert np.abs(seen - pixels).max() < 1e-3 * max(b.width, b.height)


@given(cameras(st.integers(0, 900), (30.0, 1e4)), st.floats(-3.0, 3.0), st.floats(-1.0, 1.0))
def test_a_flight_to_another_side_of_one_thing_keeps_it_in_the_middle(
    camera: Camera, yaw: float, pitch: float
) -> None:
    path = fly(camera, camera.orbited(yaw, pitch))
    for share in (0.2, 0.5, 0.8):
        here = path.camera(share * path.seconds)
        seen, _ = here.project(here.view_point(camera.pivot))
        assert seen == pytest.approx([camera.cx, camera.cy], abs=1e-6)
        assert here.ln_distance == pytest.approx(camera.ln_distance, abs=1e-9)


@pytest.mark.parametrize("back", [False, True])
def test_a_flight_through_three_hundred_zooms_never_stops_and_never_jumps(back: bool) -> None:
    start = first_camera(96, 72, 80.0)
    a = dive(start, [(0.3, 0.4)] * 300, 8.0)
    b = dive(start, [(0.6, 0.5)] * 300, 8.0) if back else start
    path = fly(a, b)
    moving, here = speeds(path, 400)
    folds = abs(a.ln_scale - start.ln_scale) * (2 if back else 1)
    assert moving.max() < 1.6 * folds and moving[100:-100].min() > 0.3 * folds
    assert min(camera.ln_scale for camera in here) < -600.0


def test_a_path_through_one_camera_twice_is_no_path() -> None:
    camera = first_camera()
    with pytest.raises(MotionError, match="differ"):
        along([camera, camera])


@given(cameras(), st.floats(0.5, 45.0))
def test_an_orbit_starts_and_ends_at_the_camera_and_keeps_the_pivot_in_place(
    camera: Camera, degrees: float
) -> None:
    path = orbit(camera, degrees)
    assert path.camera(0.0) == path.camera(path.seconds) == camera
    for t in path.frames(5.0):
        here = path.camera(t)
        assert here.pivot == camera.pivot
        assert here.ln_scale == camera.ln_scale
        turned = math.acos(min(1.0, max(-1.0, float((np.trace(here.rotation @ camera.rotation.T) - 1) / 2))))
        assert turned <= math.radians(degrees) * 1.1 + 1e-6


@pytest.mark.parametrize("degrees", [0.0, -3.0, 181.0, math.nan])
def test_an_impossible_orbit_is_refused(degrees: float) -> None:
    with pytest.raises(MotionError, match="degrees"):
        orbit(first_camera(), degrees)


def test_a_path_of_ones_own_passes_each_camera_at_its_time() -> None:
    _, made = nested_world(2)
    path = through([(made[0], 1.0), (made[2], 2.0), (made[1], 0.5)])
    assert path.seconds == 3.5
    assert path.camera(0.0) == path.camera(1.0) == made[0]
    assert path.camera(3.0) == made[2]
    assert path.camera(3.5) == path.camera(99.0) == made[1]


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf, 4000.0])
def test_impossible_times_are_refused(seconds: float) -> None:
    with pytest.raises(MotionError, match="seconds"):
        through([(first_camera(), 0.0), (first_camera(), seconds)])


@given(cameras(), st.floats(0.5, 45.0), st.floats(0.0, 6.0))
def test_an_orbit_keeps_its_distance(camera: Camera, degrees: float, now: float) -> None:
    here = orbit(camera, degrees).camera(now)
    assert here.ln_distance == camera.ln_distance
    seen, depth = here.project(here.view_point(camera.pivot))
    assert seen == pytest.approx([camera.cx, camera.cy], abs=1e-9) and depth == pytest.approx(1.0, abs=1e-12)
