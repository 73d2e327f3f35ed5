"""The oracle against closed forms: what one surfel, two surfels and a camera's derivative say by hand."""

import math

import numpy as np
import pytest
from clouds import a_camera, cloud
from hypothesis import given
from hypothesis import strategies as st

from wonderzoom.runtime.renderers.projection import (
    BLUR,
    KEY_SIGMAS,
    MAX_ALPHA,
    MIN_ALPHA,
    DrawnBlock,
    project_block,
)
from wonderzoom.runtime.renderers.reference import ReferenceRenderer
from wonderzoom.scene_graph import scales
from wonderzoom.scene_graph.camera import NEAR, Camera
from wonderzoom.scene_graph.placement import place
from wonderzoom.scene_graph.ports import RenderedView, RenderSettings, VisibleSet
from wonderzoom.scene_graph.surfels import Block, Bounds

WHITE, BLACK = (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
CAMERA = a_camera(33, 25, focal=1e6)
IDENTITY = (1.0, 0.0, 0.0, 0.0)


def surfel(
    camera: Camera = CAMERA,
    point: tuple[float, float, float] = (0.0, 0.0, 0.0),
    sigma: tuple[float, float] = (2.0, 2.0),
    opacity: float = 0.8,
    color: tuple[int, int, int] = (255, 0, 0),
    octaves: float = 0.0,
    quat: tuple[float, float, float, float] = IDENTITY,
    bounds: tuple[float, float] = (scales.NO_PARENT, scales.NO_CHILD),
) -> Block:
    """A block of one surfel in view coordinates.

    Its native scale is the pivot's, ``octaves`` coarser; ``bounds`` are relative to that.
    """
    placed = place(
        camera,
        np.array([point]),
        np.array([quat]),
        np.log(np.array([sigma])),
        np.array([opacity]),
        np.array([color], np.uint8),
        np.array([camera.ln_scale + octaves * math.log(2.0)]),
        np.zeros(1, np.uint16),
        np.zeros(1, np.uint8),
    )
    ((cell, surfels),) = placed.items()
    parent, child = surfels.native + np.float32(bounds[0]), surfels.native + np.float32(bounds[1])
    owner = np.zeros(1, np.int16)
    return Block(cell, "one", surfels, Bounds(parent, child, owner, owner.copy(), ("other",)))


def shown(
    *blocks: Block, camera: Camera = CAMERA, residencies: tuple[float, ...] | None = None, **settings: object
) -> RenderedView:
    count = len(blocks)
    visible = VisibleSet(blocks, (0,) * count, residencies or (1.0,) * count, 1)
    chosen = RenderSettings(h_ref=min(camera.width, camera.height), **settings)  # type: ignore[arg-type]
    return ReferenceRenderer().render(visible, camera, chosen)


def test_one_surfel_is_a_blurred_gaussian_of_the_same_mass() -> None:
    """Opacity o g, with g = exp(-r^2 / 2 (sigma^2 + blur)) and o scaled by sigma^2 / (sigma^2 + blur)."""
    view = shown(surfel(sigma=(2.0, 3.0)), background=BLACK)
    y, x = np.mgrid[0:25, 0:33] + 0.5
    var_x, var_y = 4.0 + BLUR, 9.0 + BLUR
    peak = 0.8 * math.sqrt(4.0 * 9.0 / (var_x * var_y))
    alpha = peak * np.exp(-0.5 * ((x - 16.5) ** 2 / var_x + (y - 12.5) ** 2 / var_y))
    alpha[alpha < MIN_ALPHA] = 0.0
    np.testing.assert_allclose(view.alpha, alpha, atol=2e-4)  # the thickness adds a little
    np.testing.assert_allclose(view.color[..., 0], alpha, atol=2e-4)
    assert not view.color[..., 1:].any()
    np.testing.assert_array_equal(view.surfel_ids, np.where(alpha > 0, 0, -1))
    assert view.drawn == 1


def test_the_nearer_surfel_is_in_front_whatever_the_order_of_the_blocks() -> None:
    near = surfel(point=(0.0, 0.0, -5.0), color=(255, 0, 0))
    far = surfel(point=(0.0, 0.0, 5.0), color=(0, 255, 0))
    for blocks in ((near, far), (far, near)):
        view = shown(*blocks, background=WHITE)
        peak = view.color[12, 16]
        front = 0.8 * 4.0 / (4.0 + BLUR)
        behind = (1.0 - front) * front
        rest = (1.0 - front) ** 2
        np.testing.assert_allclose(peak, [front + rest, behind + rest, rest], atol=1e-3)
        assert view.alpha[12, 16] == pytest.approx(1.0 - rest, abs=1e-3)
        assert view.surfel_ids[12, 16] == (0 if blocks[0] is near else 1)
        assert view.zeta[12, 16] == pytest.approx(5.0 * (behind - front) / (behind + front), abs=1e-2)


def test_of_two_layers_on_one_surface_the_finer_is_in_front() -> None:
    """The sort key is the depth and three sigmas more."""
    fine, coarse = surfel(sigma=(1.0, 1.0)), surfel(sigma=(2.0, 2.0), octaves=1.0)
    (key,) = project_block(DrawnBlock(coarse), CAMERA, RenderSettings(h_ref=25)).keys
    assert key == pytest.approx(KEY_SIGMAS * 2.0, abs=1e-3)
    assert shown(coarse, fine).surfel_ids[12, 16] == 1
    assert shown(fine, coarse).surfel_ids[12, 16] == 0
    behind = surfel(point=(0.0, 0.0, KEY_SIGMAS * 1.01), sigma=(1.0, 1.0))
    assert shown(behind, coarse).surfel_ids[12, 16] == 1


def test_equal_keys_go_by_block_and_row() -> None:
    red, green = surfel(color=(255, 0, 0)), surfel(color=(0, 255, 0))
    assert shown(red, green).color[12, 16, 0] > 0.5
    assert shown(green, red).color[12, 16, 1] > 0.5


@given(st.floats(-2.0, 2.0), st.floats(0.4, 2.0), st.floats(0.4, 2.0), st.floats(0.0, 1.0))
def test_the_peak_follows_eq_3_and_the_modulation(
    octaves: float, up: float, down: float, residency: float
) -> None:
    one = surfel(octaves=octaves, bounds=(up, -down), opacity=0.9)
    weight = scales.weight(
        0.0, octaves * math.log(2.0), octaves * math.log(2.0) + up, octaves * math.log(2.0) - down
    )
    sharp = 4.0 / (4.0 + BLUR)
    for modulation in ("optical_mass", "paper"):
        peak = scales.modulate(0.9, residency * weight, modulation) * sharp
        view = shown(one, residencies=(residency,), modulation=modulation)
        assert view.alpha[12, 16] == pytest.approx(float(peak) if peak > MIN_ALPHA else 0.0, abs=2e-3)
    view = shown(one, residencies=(residency,), modulation="none")
    assert view.alpha[12, 16] == pytest.approx(residency * 0.9 * sharp, abs=2e-3) or residency < 0.01


def test_something_always_shines_through() -> None:
    view = shown(surfel(opacity=1.0, sigma=(200.0, 200.0), octaves=6.0))
    assert view.alpha.max() == pytest.approx(MAX_ALPHA, abs=1e-6)


def test_what_is_behind_or_too_near_the_eye_is_not_drawn() -> None:
    camera = a_camera(33, 25, focal=100.0)
    too_near = -100.0 * (1.0 - 0.9 * NEAR)
    assert shown(surfel(camera, (0.0, 0.0, too_near), (1e-3, 1e-3), octaves=-6.0), camera=camera).drawn == 0
    assert shown(surfel(camera, (0.0, 0.0, -150.0)), camera=camera).drawn == 0
    assert shown(surfel(camera, sigma=(40.0, 1.0)), camera=camera).drawn == 0  # 3 sigma = 1.2 D
    assert shown(surfel(camera, sigma=(30.0, 1.0)), camera=camera).drawn == 1


@given(st.integers(0, 1000), st.sampled_from([16.0, 60.0, 1e5]))
def test_a_splat_is_the_derivative_of_the_projection(seed: int, focal: float) -> None:
    """Its covariance is J S J^T by finite differences of the camera, for any turn of surfel and camera."""
    rng = np.random.default_rng(seed)
    quat = rng.normal(size=4)
    norm = np.linalg.norm(quat)
    camera = a_camera(focal=focal, quat=tuple((quat / norm).tolist()), squeeze=0.2, off_centre=(3.0, -2.0))
    visible = cloud(camera, 1, seed, margin=0.0, bounded=False, sigma=0.2)
    (block,) = visible.blocks
    splats = project_block(DrawnBlock(block), camera, RenderSettings(h_ref=48))
    if not len(splats.rows):
        return  # nearer than 3 sigma
    frame, s = camera.cell_frame(block.cell), block.surfels
    mean = s.means[0].astype(np.float64)
    lengths = np.append(np.exp(s.log_scales[0].astype(np.float64)), 0.02 * math.exp(s.native[0]))
    w, x, y, z = s.quats[0].astype(np.float64) / np.linalg.norm(s.quats[0].astype(np.float64))
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    step = 1e-6
    spread = []  # of the three axes, pixels
    for axis in (turn * lengths).T:
        ahead, _ = camera.project(frame.matrix @ (mean + step * axis) + frame.origin)
        back, _ = camera.project(frame.matrix @ (mean - step * axis) + frame.origin)
        spread.append((ahead - back) / (2.0 * step))
    covariance = sum(np.outer(e, e) for e in spread) + BLUR * np.eye(2)
    xx, xy, yy = splats.conics[0] / splats.units[0] ** 2
    np.testing.assert_allclose(np.array([[xx, xy], [xy, yy]]) @ covariance, np.eye(2), atol=2e-3)
    uv, _ = camera.project(frame.matrix @ mean + frame.origin)
    np.testing.assert_allclose(splats.means[0], uv, atol=1e-6)


def test_margins_tell_how_clear_an_id_is() -> None:
    same = surfel(opacity=0.5), surfel(opacity=0.99, point=(0.0, 0.0, 1.0))
    visible = VisibleSet(same, (0, 0), (1.0, 1.0), 1)
    view, margins = ReferenceRenderer().render_with_margins(visible, CAMERA, RenderSettings(h_ref=25))
    sharp = 4.0 / (4.0 + BLUR)
    first, second = 0.5 * sharp, (1.0 - 0.5 * sharp) * 0.99 * sharp
    assert margins[12, 16] == pytest.approx(abs(first - second), abs=2e-3)
    assert view.surfel_ids[12, 16] == (0 if first > second else 1)


def test_a_bias_shifts_render_scales_by_octaves() -> None:
    one = surfel(octaves=0.0, bounds=(2.0, -2.0))
    shifted = shown(one, lod_bias=1.0).alpha.max()
    weight = scales.weight(math.log(2.0), 0.0, 2.0, -2.0)
    assert shifted == pytest.approx(float(scales.modulate(0.8, weight)) * 4.0 / (4.0 + BLUR), abs=2e-3)
