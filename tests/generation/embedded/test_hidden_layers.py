"""What a photo hides: behind every edge there is something, at the depth of what is beside the thing."""

import math

import cv2
import numpy as np
import pytest
from skimage import data
from worlds import first_camera

from wonderzoom.generation.embedded.hidden_layers import ANGLE, ZOOMS_ANGLE, HiddenLayersStage, behind_edges
from wonderzoom.generation.embedded.initial_depth import InitialDepthStage
from wonderzoom.generation.initial_scene import Framed, frame_scene
from wonderzoom.generation.jobs import CreateRequest
from wonderzoom.generation.stages import Layer
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import Cancelled, Control
from wonderzoom.scene_graph.surfels import FILL

HEIGHT, WIDTH, FOCAL = 96, 144, 130.0
BOX = np.s_[30:70, 50:95]  # of the near card


def framed(
    picture: np.ndarray, depth: np.ndarray | None = None, focal: float = FOCAL
) -> tuple[CreateRequest, Framed]:
    request = CreateRequest(picture, depth, metres_per_unit=1.0 if depth is not None else None)
    return request, frame_scene(request, InitialDepthStage(1).estimate(request, focal, Control()), focal)


def cards(near: float = 2.0, far: float = 4.0) -> tuple[CreateRequest, Framed]:
    """A red card in front of a striped wall."""
    picture = np.full((HEIGHT, WIDTH, 3), 60, np.uint8)
    picture[:, ::6, 1] = 140
    depth = np.full((HEIGHT, WIDTH), far, np.float32)
    picture[BOX], depth[BOX] = (200, 30, 30), near
    return framed(picture, depth)


def completed(request: CreateRequest, scene: Framed) -> list[Layer]:
    return HiddenLayersStage(1).complete(request, scene.main, scene.sky, Control())


def holes(camera: Camera, layers: list[Layer]) -> float:
    """Share of the frame where no pixel of any layer lands, each drawn as large as it is and a little more."""
    seen = np.zeros((camera.height, camera.width), np.uint8)
    for layer in layers:
        matrix, origin = camera.map_from(layer.camera)
        mask = layer.mask & np.isfinite(layer.zeta)
        points = layer.camera.unproject(layer.camera.pixel_centres(), np.where(mask, layer.zeta, 0.0))[mask]
        uv, w = camera.project(points @ matrix.T + origin)
        reach = 1 + math.ceil(math.exp(camera.ln_f - layer.camera.ln_f) / 2)
        inside = (w > 0.01) & (np.abs(uv - [camera.cx, camera.cy]) < [camera.width, camera.height]).all(1)
        for u, v in np.floor(uv[inside]).astype(int):
            seen[max(0, v - reach + 1) : max(0, v + reach), max(0, u - reach + 1) : max(0, u + reach)] = 1
    return 1.0 - float(seen.mean())


def test_the_wall_goes_on_behind_the_card_at_its_own_depth_and_color() -> None:
    request, scene = cards()
    layers = [layer for layer in completed(request, scene) if layer.camera == scene.camera]
    assert layers and all(layer.role == "fill" and layer.kind == FILL for layer in layers)
    hidden = np.any([layer.mask for layer in layers], axis=0)
    card = np.zeros_like(hidden)
    card[BOX] = True
    assert not (hidden & ~card).any()  # nothing is added to what is seen
    rim = card & (cv2.erode(card.astype(np.uint8), np.ones((7, 7), np.uint8)) == 0)
    assert hidden[rim].all()
    wall = scene.main.zeta[0, 0]
    for layer in layers:
        assert np.abs(layer.zeta[layer.mask] - wall).max() < 0.5
        assert layer.image[layer.mask][:, 0].max() < 0.35  # no red of the card
        assert layer.image[layer.mask][:, 1].std() > 0.03  # the wall's stripes go on


def test_the_fill_reaches_as_far_as_the_orbit_uncovers_and_no_farther() -> None:
    # Parallax of two depths in an orbit by ANGLE about the pivot: f tan(ANGLE) D (1 / near - 1 / far).
    request, scene = cards(near=2.0, far=2.4)
    pivot = math.exp(scene.camera.ln_distance) * scene.header.root_edge
    uncovered = FOCAL * math.tan(ANGLE) * pivot * (1 / 2.0 - 1 / 2.4)
    hidden = np.any([la.mask for la in completed(request, scene) if la.camera == scene.camera], axis=0)
    columns = np.flatnonzero(hidden[50])
    from_left = columns[columns < 70] - 50
    assert uncovered - 1 <= from_left.max() <= uncovered + 4


@pytest.mark.parametrize("yaw", [-10.0, 10.0])
@pytest.mark.parametrize("near", [1.2, 2.0, 3.3])
def test_an_orbit_of_ten_degrees_shows_no_hole(near: float, yaw: float) -> None:
    request, scene = cards(near=near)
    moved = scene.camera.orbited(math.radians(yaw), 0.0)
    assert holes(moved, [scene.main]) > 0.01
    assert holes(moved, [scene.main, *completed(request, scene)]) < 0.002


@pytest.mark.slow
@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket"])
def test_photos_have_hardly_a_hole_ten_degrees_around(name: str) -> None:
    picture = getattr(data, name)()
    short = min(picture.shape[:2])
    size = (round(picture.shape[1] * 256 / short), round(picture.shape[0] * 256 / short))
    request, scene = framed(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), focal=0.8 * max(size))
    layers = [scene.main, *([scene.sky] if scene.sky else []), *completed(request, scene)]
    for yaw, pitch in ((-10, 0), (10, 0), (0, 10), (0, -10)):
        moved = scene.camera.orbited(math.radians(yaw), math.radians(pitch))
        assert holes(moved, layers) < 0.005


def test_a_flat_picture_hides_nothing_but_goes_on_past_the_frame() -> None:
    picture = np.random.default_rng(1).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    request, scene = framed(picture, np.full((HEIGHT, WIDTH), 3.0, np.float32))
    layers = completed(request, scene)
    assert len(layers) == 1 and layers[0].camera != scene.camera
    # Its coarser pixels see the same scene: the middle of one lies on the plane, three of the picture's wide.
    assert layers[0].camera.ln_scale == pytest.approx(scene.camera.ln_scale + math.log(3.0))
    assert np.abs(layers[0].zeta[layers[0].mask]).max() < 1e-3


def past(layers: list[Layer], scene: Framed) -> list[Layer]:
    return [layer for layer in layers if layer.camera != scene.camera]


@pytest.mark.parametrize("size", [(95, 143), (96, 144), (97, 145), (64, 200)])
def test_what_lies_past_the_frame_begins_where_the_picture_ends(size: tuple[int, int]) -> None:
    depth = np.full(size, 3.0, np.float32)
    depth[: size[0] // 3] = np.inf
    request, scene = framed(np.zeros((*size, 3), np.uint8), depth)
    layers = past(completed(request, scene), scene)
    assert len(layers) == 2  # scene and sky
    for layer in layers:
        points = layer.camera.unproject(layer.camera.pixel_centres(), layer.zeta)[layer.mask]
        matrix, origin = scene.camera.map_from(layer.camera)
        uv, _ = scene.camera.project(points @ matrix.T + origin)
        inside = (uv > 4.5).all(1) & (uv < np.array([size[1], size[0]]) - 4.5).all(1)
        assert not inside.any()  # no more than the overlap lies under the picture
    assert holes(scene.camera.widened(6), [scene.main, scene.sky, *layers]) == 0.0  # type: ignore[list-item]


def test_the_sky_goes_on_past_the_frame_too() -> None:
    picture = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    picture[:40], picture[40:] = (120, 170, 240), (60, 110, 40)
    depth = np.full((HEIGHT, WIDTH), 9.0, np.float32)
    depth[:40] = np.inf
    request, scene = framed(picture, depth)
    assert scene.sky is not None
    sky = next(la for la in past(completed(request, scene), scene) if la.normals is not None)
    assert np.abs(sky.image[sky.mask] - np.array([120, 170, 240]) / 255).max() < 0.25
    moved = scene.camera.orbited(0.0, math.radians(-8.0))
    assert holes(moved, [scene.main, scene.sky, *completed(request, scene)]) < 0.002


def test_a_cancelled_completion_ends_and_the_same_scene_gives_the_same_layers() -> None:
    request, scene = cards()
    with pytest.raises(Cancelled):
        HiddenLayersStage(1).complete(request, scene.main, None, Control(cancelled=lambda: True))
    first, second = (
        completed(request, scene),
        HiddenLayersStage(4).complete(request, scene.main, None, Control()),
    )
    for a, b in zip(first, second, strict=True):
        assert a.image.tobytes() == b.image.tobytes() and a.zeta.tobytes() == b.zeta.tobytes()
        assert a.mask.tobytes() == b.mask.tobytes()


@pytest.mark.parametrize("zoom", [1.0, 1e3, 1e12, 1e200])
def test_an_edge_of_a_zoom_goes_on_behind_itself_at_any_depth(zoom: float) -> None:
    """A card 30 pixels in front of a wall that leans by a tenth; deep down all depths are one number."""
    camera = first_camera(WIDTH, HEIGHT, FOCAL).zoomed(zoom)
    wall = np.tile(15.0 + 0.1 * np.arange(WIDTH, dtype=np.float32), (HEIGHT, 1))
    zeta = wall.copy()
    zeta[BOX] = -15.0
    image = np.full((HEIGHT, WIDTH, 3), 0.25, np.float32)
    image[BOX] = (0.8, 0.1, 0.1)
    everywhere = np.ones((HEIGHT, WIDTH), np.bool_)
    fill = behind_edges(Layer(camera, image, zeta, everywhere), Control())
    assert fill is not None and fill.role == "fill" and fill.kind == FILL
    rows, columns = np.nonzero(fill.mask)
    assert fill.mask[BOX][1:-1, 1:8].all() and not fill.mask[:, :50].any()
    deepest = np.minimum(np.minimum(rows - 30, 69 - rows), np.minimum(columns - 50, 94 - columns)).max()
    assert deepest <= 40.0 * math.tan(ZOOMS_ANGLE) * 1.3 + 3
    near_rim = fill.mask & (np.arange(WIDTH) < 55)
    assert np.abs(fill.zeta - wall)[near_rim].max() < 3.0
    assert np.abs(fill.image - 0.25)[near_rim].max() < 0.12  # the card's own colour is 0.55 off
    assert behind_edges(Layer(camera, image, wall, everywhere), Control()) is None
