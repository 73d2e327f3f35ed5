import math
from pathlib import Path

import numpy as np
import pytest
from tiny_models import SHA, photo, published
from worlds import first_camera

from wonderzoom.generation.models.errors import ModelUnavailable
from wonderzoom.generation.models.locks import Locks
from wonderzoom.generation.models.orbits import orbit
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.shelf import Shelf
from wonderzoom.generation.models.video_depth import (
    aligned,
    behind_filled,
    disagreement,
    registered,
    video_depth,
)
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import Cancelled, Control

CAMERAS = orbit(first_camera(96, 72, focal=90.0), math.radians(8.0), 9)


def bumpy(camera: Camera) -> np.ndarray:
    """Zeta [H, W] of a surface with hills, traced: z = 6 sin(x / 14) cos(y / 11) in the first camera's view."""
    matrix, origin = CAMERAS[0].map_from(camera)
    zeta = np.zeros((camera.height, camera.width))
    for _ in range(40):
        points = camera.unproject(camera.pixel_centres(), zeta) @ matrix.T + origin
        height = 6.0 * np.sin(points[..., 0] / 14.0) * np.cos(points[..., 1] / 11.0)
        zeta -= 0.7 * (points[..., 2] - height)
    return zeta.astype(np.float32)


@pytest.fixture(scope="module")
def surfaces() -> list[np.ndarray]:
    return [bumpy(camera) for camera in CAMERAS]


def with_holes(zeta: np.ndarray, k: int) -> np.ndarray:
    out = zeta.copy()
    out[:, 96 - 5 * (k + 1) :] = np.nan
    return out


def test_all_frames_get_the_scale_and_shift_that_make_them_one_surface(surfaces: list[np.ndarray]) -> None:
    rng = np.random.default_rng(0)
    scales, shifts = rng.uniform(0.4, 2.5, 9), rng.uniform(-30, 30, 9)
    predictions = [(z - b) / a for z, a, b in zip(surfaces, scales, shifts, strict=True)]
    targets = [with_holes(zeta, k) for k, zeta in enumerate(surfaces)]
    # Frame 4 has nothing rendered at all: only its neighbours know where it is.
    targets[4] = np.full_like(surfaces[4], np.nan)
    # In frame 2 a tenth of what is rendered is far off.
    wrong = rng.random(targets[2].shape) < 0.1
    targets[2] = np.where(wrong, targets[2] + 40.0, targets[2])
    before = disagreement(predictions, CAMERAS)
    found = aligned(predictions, targets, CAMERAS)
    for k, (zeta, truth) in enumerate(zip(found, surfaces, strict=True)):
        assert np.median(np.abs(zeta - truth)) < (0.5 if k == 4 else 0.1), k
    assert disagreement(found, CAMERAS) < 0.002 < 0.02 < before


def test_relief_is_never_turned_inside_out(surfaces: list[np.ndarray]) -> None:
    targets = [with_holes(zeta, 0) for zeta in surfaces[:3]]
    found = aligned([-zeta for zeta in surfaces[:3]], targets, CAMERAS[:3])
    for zeta, target in zip(found, targets, strict=True):
        assert zeta.std() < 1e-3
        assert abs(float(np.median(zeta)) - float(np.nanmedian(target))) < 1.0


def test_constant_frames_are_shifted_only(surfaces: list[np.ndarray]) -> None:
    flat = [np.full_like(zeta, 3.0) for zeta in surfaces[:2]]
    targets = [np.full_like(zeta, 11.0) for zeta in surfaces[:2]]
    targets[1][:] = np.nan
    found = aligned(flat, targets, (CAMERAS[0], CAMERAS[0]))
    assert np.allclose(found[0], 11.0, atol=1e-2) and np.allclose(found[1], 11.0, atol=0.2)


def test_known_depth_comes_out_as_it_is_and_holes_join_it(surfaces: list[np.ndarray]) -> None:
    target = with_holes(surfaces[0], 5)
    drift = np.linspace(2.0, 4.0, 72)[:, None].astype(np.float32)
    zeta = registered(surfaces[0] + drift, target)
    known = np.isfinite(target)
    assert np.array_equal(zeta[known], target[known])
    first_unknown = int(np.argmin(known[0]))
    assert np.abs(zeta - surfaces[0])[:, first_unknown : first_unknown + 4].max() < 0.5
    nothing = np.full_like(target, np.nan)
    assert registered(surfaces[0], nothing) is surfaces[0]


def test_a_hole_behind_an_outline_belongs_to_what_is_farther() -> None:
    zeta = np.full((40, 60), 50.0, np.float32)
    zeta[10:30, 10:30] = 0.0  # a box
    zeta[10:30, 30:40] = np.nan  # what it hid
    filled = behind_filled(zeta)
    assert np.array_equal(filled[10:30, 30:40], np.full((20, 10), 50.0, np.float32))
    # Through the whole picture, and however wide.
    zeta[:] = 50.0
    zeta[:, :20] = -150.0
    zeta[:, 20:50] = np.nan
    assert np.array_equal(behind_filled(zeta)[:, 20:50], np.full((40, 30), 50.0, np.float32))
    # A floor cut off by the frame goes on row by row, near rows near.
    floor = np.repeat(np.linspace(100.0, 0.0, 40, dtype=np.float32)[:, None], 60, 1)
    cut = floor.copy()
    cut[:, 50:] = np.nan
    assert np.abs(behind_filled(cut) - floor).max() < 1e-5
    cut[30:] = np.nan
    assert np.abs(behind_filled(cut) - floor)[:30].max() < 1e-5 and behind_filled(cut)[30:].max() < 26.0
    assert np.array_equal(behind_filled(floor), floor)
    assert np.array_equal(behind_filled(np.full((4, 4), np.nan, np.float32)), np.zeros((4, 4), np.float32))


def test_nobody_disagrees_where_nothing_is_seen_twice(surfaces: list[np.ndarray]) -> None:
    assert disagreement(surfaces[:1], CAMERAS[:1]) == 0.0
    assert disagreement(surfaces, CAMERAS) < 0.002


def test_a_model_gives_depth_that_keeps_what_is_rendered(
    painting_bench: Workbench, prompted_depth_folder: Path, surfaces: list[np.ndarray]
) -> None:
    model = ModelReference(path=str(prompted_depth_folder), dtype="float32")
    frames = range(3, 6)
    cameras = [CAMERAS[k] for k in frames]
    images = [photo(96, 72, k) for k in frames]
    targets = [with_holes(surfaces[k], k) for k in frames]
    told: list[float] = []

    def depth(control: Control, images: list[np.ndarray] = images) -> list[np.ndarray]:
        return video_depth(painting_bench, model, "auxiliary", cameras, images, targets, 70 * 70, control)

    zetas = depth(Control(progress=told.append))
    assert told == sorted(told) and told[-1] == 1.0
    for zeta, target in zip(zetas, targets, strict=True):
        known = np.isfinite(target)
        assert zeta.dtype == np.float32 and np.isfinite(zeta).all()
        assert np.array_equal(zeta[known], target[known])
    assert disagreement(zetas, cameras) < 0.02  # the bound of the design
    other = depth(Control(), [photo(96, 72, 90 + k) for k in frames])
    assert not np.array_equal(other[0], zetas[0])  # it looks at the pictures
    asked: list[float] = []
    with pytest.raises(Cancelled):
        depth(Control(lambda: len(asked) >= 1, asked.append))
    assert len(asked) == 1
    assert all(np.array_equal(a, b) for a, b in zip(depth(Control()), zetas, strict=True))


def test_flat_rendered_depth_asks_no_model(painting_bench: Workbench) -> None:
    nowhere = ModelReference(path="/nowhere")
    flat = np.full((72, 96), 4.0, np.float32)
    flat[:, 60:] = np.nan
    arguments = (CAMERAS[:1], [photo(96, 72)])
    (zeta,) = video_depth(painting_bench, nowhere, "auxiliary", *arguments, [flat], 4900, Control())
    assert np.allclose(zeta, 4.0, atol=1e-3)
    with pytest.raises(ModelUnavailable, match="nowhere"):
        video_depth(painting_bench, nowhere, "auxiliary", *arguments, [bumpy(CAMERAS[0])], 4900, Control())


def test_a_repository_serves_from_the_cache(
    prompted_depth_folder: Path, tmp_path: Path, painting_bench: Workbench, surfaces: list[np.ndarray]
) -> None:
    published(prompted_depth_folder, "acme/depth", tmp_path / "cache")
    shelf = Shelf(Locks(tmp_path / "lock"), cache=tmp_path / "cache")
    bench = Workbench(shelf, painting_bench.renderer)
    model = ModelReference(repo="acme/depth", revision=SHA, dtype="float32")
    (zeta,) = video_depth(
        bench, model, "auxiliary", CAMERAS[:1], [photo(96, 72)], [surfaces[0]], 4900, Control()
    )
    assert np.array_equal(zeta, surfaces[0])
    shelf.close()
