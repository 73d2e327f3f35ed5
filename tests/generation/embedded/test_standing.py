"""Things in the world: exact at any magnification and from any camera, hidden and shaded as they should."""

import math
from dataclasses import replace

import numpy as np
import pytest
from worlds import facing, first_camera

from wonderzoom.generation.embedded.memory import Place, PlacedThing
from wonderzoom.generation.embedded.standing import FINEST_UNITS, Drawn, Standing, draw_things
from wonderzoom.scene_graph.camera import Camera, matrix_to_quat
from wonderzoom.scene_graph.ports import Cancelled

SIDE = 64
# Seen from above at an angle, as on a table.
TABLE = np.stack([np.array([0.0, 0.78, -0.62]), np.array([-1.0, 0.0, 0.0]), np.array([0.0, -0.62, -0.78])], 1)


def view(side: int = SIDE, focal: float = 60.0) -> Camera:
    return first_camera(side, side, focal)


def ladybug(camera: Camera, pixels: float = 18.0, offset: tuple[float, float, float] = (0, 0, 0), turn=TABLE):
    """One at a point of the view, ``pixels`` long per unit."""
    quat = tuple(float(q) for q in matrix_to_quat(camera.rotation.T @ turn))
    light = ((1.2, 1.15, 1.0), (0.4, 0.45, 0.5), (0.3, 0.3, 0.25))
    place = Place.of(camera.position(np.array(offset)))
    return PlacedThing("ladybug", 3, place, quat, camera.ln_scale + math.log(pixels), *light)  # type: ignore[arg-type]


def grey(camera: Camera) -> np.ndarray:
    return np.full((camera.height, camera.width, 3), 0.5, np.float32)


def draw(things: list[PlacedThing], camera: Camera, **options: object) -> Drawn:
    return draw_things(things, camera, grey(camera), 1, **options)  # type: ignore[arg-type]


def spot(drawn: Drawn) -> tuple[int, int]:
    """A pixel well inside the ladybug that faces the camera."""
    solid = (drawn.alpha == 1.0) & (drawn.normals[..., 2] < -0.8)
    rows, columns = np.nonzero(solid)
    k = len(rows) // 2
    return int(rows[k]), int(columns[k])


def test_a_thing_fills_its_pixels_with_its_own_depth_and_normals() -> None:
    camera = view()
    drawn = draw([ladybug(camera)], camera)
    shown = drawn.owner == 0
    assert 0.1 < shown.mean() < 0.6
    assert np.isfinite(drawn.zeta[shown]).all() and np.isnan(drawn.zeta[~shown]).all()
    assert np.abs(drawn.zeta[shown]).max() < 40.0
    assert np.allclose(np.linalg.norm(drawn.normals[shown], axis=-1), 1.0, atol=1e-3)
    assert (np.linalg.norm(drawn.normals[~shown], axis=-1) == 0).all()
    untouched = drawn.alpha == 0
    assert np.allclose(drawn.image[untouched], 0.5, atol=1e-3)
    red = drawn.image[shown].mean(0)
    assert red[0] > 1.5 * red[2]


@pytest.mark.parametrize("magnification", [9.0, 1e3, 1e6, 1e9])
def test_at_any_magnification_the_surface_is_where_the_coarse_view_saw_it(magnification: float) -> None:
    """Aim at a point of the back as the coarse view has it, and find it in the middle of a billionfold zoom."""
    camera = view()
    thing = ladybug(camera)
    coarse = draw([thing], camera)
    row, column = spot(coarse)
    near = camera.looking_at(camera.unproject(np.array([column + 0.5, row + 0.5]), coarse.zeta[row, column]))
    for step in (magnification**0.5, magnification**0.5):  # aim again on the way, as a person who zooms does
        near = near.zoomed(step)
        near = replace(near, cx=SIDE / 2, cy=SIDE / 2)
        drawn = draw([thing], near)
        assert (drawn.alpha == 1.0).mean() > 0.9
        middle = float(drawn.zeta[SIDE // 2, SIDE // 2])
        near = near.looking_at(near.unproject(np.array([SIDE / 2, SIDE / 2]), np.array(middle)))
    final = draw([thing], near)
    assert abs(final.zeta[SIDE // 2, SIDE // 2]) < 1.0
    apart = final.normals[SIDE // 2, SIDE // 2] @ coarse.normals[row, column]
    assert apart > 0.9
    # The picture is not a blur: neighbouring pixels differ, at any depth.
    assert np.abs(np.diff(final.image, axis=1)).mean() > 2e-4


def test_the_same_zoom_reached_in_one_step_or_in_many_is_the_same() -> None:
    camera = view()
    thing = ladybug(camera)
    row, column = spot(draw([thing], camera))
    zeta = draw([thing], camera).zeta[row, column]
    aimed = camera.looking_at(camera.unproject(np.array([column + 0.5, row + 0.5]), zeta))
    one = draw([thing], aimed.zoomed(1e6))
    many = aimed
    for _ in range(6):
        many = many.zoomed(10.0)
    other = draw([thing], many)
    assert np.abs(one.zeta - other.zeta).max() < 0.05
    assert np.abs(one.image - other.image).mean() < 0.01


def test_two_cameras_see_the_same_points() -> None:
    camera = view()
    thing = ladybug(camera)
    front, side_camera = draw([thing], camera), camera.orbited(0.3, 0.1)
    side = draw([thing], side_camera)
    shown = (front.owner == 0) & (front.normals[..., 2] < -0.6)
    points = camera.unproject(camera.pixel_centres(), np.nan_to_num(front.zeta))[shown]
    matrix, origin = side_camera.map_from(camera)
    there = points @ matrix.T + origin
    uv, _ = side_camera.project(there)
    at = np.floor(uv).astype(int)
    inside = ((at >= 0) & (at < SIDE)).all(1)
    found = side.zeta[at[inside, 1], at[inside, 0]]
    close = np.abs(found - there[inside, 2]) < 3.0
    assert close.mean() > 0.9


def test_the_nearer_of_two_things_hides_the_other() -> None:
    camera = view()
    far, near = ladybug(camera, 18.0, (0, 0, 30)), ladybug(camera, 10.0, (0, 0, -15))
    for things, front in (([far, near], 1), ([near, far], 0)):
        drawn = draw(things, camera)
        both = draw([things[front]], camera).owner == 0
        inner = both & (drawn.alpha == 1.0)
        assert (drawn.owner[inner] == front).mean() > 0.98
        assert (drawn.owner == 1 - front).any()


def test_a_surface_in_front_hides_a_thing_and_its_own_ground_does_not() -> None:
    camera = view()
    thing = ladybug(camera)
    plane = facing(camera, math.acos(0.78)).zeta(camera)
    free = draw([thing], camera)
    ground = draw([thing], camera, surface=plane.astype(np.float32))
    assert (ground.owner == 0).sum() > 0.9 * (free.owner == 0).sum()
    wall = np.full(plane.shape, -80.0, np.float32)
    hidden = draw([thing], camera, surface=wall)
    assert (hidden.owner == -1).all() and hidden.alpha.max() == 0.0


def test_a_thing_shades_the_ground_beside_it_only() -> None:
    camera = view()
    thing = ladybug(camera, 10.0)
    plane = facing(camera, math.acos(0.78)).zeta(camera).astype(np.float32)
    drawn = draw([thing], camera, surface=plane)
    assert drawn.shade.min() < 0.7 and drawn.shade.max() <= 1.0
    corner = drawn.shade[:6, :6]
    assert corner.min() > 0.97
    dark = (drawn.shade < 0.8) & (drawn.alpha == 0.0)
    assert dark.any() and drawn.image[dark].mean() < 0.48
    assert draw([thing], camera).shade.min() == 1.0


def test_things_outside_the_view_and_too_small_ones_cost_nothing() -> None:
    camera = view()
    for thing in (
        ladybug(camera, 10.0, (4000, 0, 0)),
        ladybug(camera, 0.1),
        ladybug(camera, 5.0, (0, 0, -1e6)),
    ):
        assert Standing.of(thing, camera).window(camera) is None
        drawn = draw([thing], camera)
        assert np.array_equal(drawn.alpha, np.zeros_like(drawn.alpha))


def test_a_window_holds_all_that_is_drawn() -> None:
    camera = view()
    thing = ladybug(camera, 7.0, (12, -9, 5))
    left, top, right, bottom = Standing.of(thing, camera).window(camera)  # type: ignore[misc]
    drawn = draw([thing], camera)
    rows, columns = np.nonzero(drawn.alpha > 0)
    assert left <= columns.min() and columns.max() < right and top <= rows.min() and rows.max() < bottom
    assert (right - left) < SIDE


def test_pixels_finer_than_float64_are_left_to_others() -> None:
    camera = view()
    thing = ladybug(camera)
    deep = camera.zoomed(2.0 / FINEST_UNITS)
    assert not Standing.of(thing, deep).traceable
    assert draw([thing], deep).alpha.max() == 0.0


def test_any_number_of_threads_draws_the_same_bytes() -> None:
    camera = view()
    things = [ladybug(camera, 12.0, (-8, 0, 0)), ladybug(camera, 9.0, (10, 4, 3))]
    plane = facing(camera, 0.6).zeta(camera).astype(np.float32)
    one, two = (draw_things(things, camera, grey(camera), threads, surface=plane) for threads in (1, 2))
    for name in ("image", "alpha", "zeta", "normals", "owner", "shade"):
        assert np.array_equal(getattr(one, name), getattr(two, name), equal_nan=True), name


def test_a_cancelled_drawing_stops() -> None:
    camera = view()
    with pytest.raises(Cancelled):
        draw_things([ladybug(camera)], camera, grey(camera), 1, lambda: True)
