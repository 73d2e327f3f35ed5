"""Small synthetic worlds for tests: planes seen by pinhole cameras, with everything known in closed form.

Nodes are made the way generation makes them (view, depth, lift, place, propose), without pictures to fit.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import Camera, initial_camera, matrix_to_quat
from wonderzoom.scene_graph.cells import LN2, ORIGIN_CELL, Cell, Position
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.joining import concatenate
from wonderzoom.scene_graph.placement import place
from wonderzoom.scene_graph.scale_node import Role, ScaleNode, View, node_id
from wonderzoom.scene_graph.surfels import SURFACE, Surfels
from wonderzoom.scene_graph.world import World

SIGMA = 0.7  # standard deviation in native pixels
Placed = tuple[Cell, Surfels]
Bool = NDArray[np.bool_]


@dataclass(frozen=True)
class Plane:
    """An endless plane: a point on it and its normal in world axes."""

    point: Position
    normal: tuple[float, float, float]

    def zeta(self, camera: Camera) -> NDArray[np.float64]:
        """[H, W] zeta where the pixels' rays meet the plane; NaN where they don't, in front of the eye."""
        uv = camera.pixel_centres()
        start = camera.unproject(uv, np.zeros(uv.shape[:2]))
        step = camera.unproject(uv, np.ones(uv.shape[:2])) - start
        normal = self.seen(camera)
        with np.errstate(divide="ignore", invalid="ignore"):
            zeta = (camera.view_point(self.point) - start) @ normal / (step @ normal)
        depth = 1.0 + zeta * camera.inverse_f
        return np.where((depth > 0.02) & (depth < 1e3), zeta, np.nan)

    def seen(self, camera: Camera) -> NDArray[np.float64]:
        """The normal in view axes, [3]."""
        normal = np.asarray(self.normal)
        return camera.rotation @ (normal / np.linalg.norm(normal))


def facing(camera: Camera, tilt: float = 0.0, turn: float = 0.0) -> Plane:
    """The plane through a camera's pivot, tilted from facing it (radians) around an axis at ``turn``."""
    axis = np.array([math.cos(turn), math.sin(turn), 0.0])
    normal = np.array([0.0, 0.0, -1.0]) * math.cos(tilt) + np.cross(axis, [0.0, 0.0, -1.0]) * math.sin(tilt)
    x, y, z = camera.rotation.T @ normal
    return Plane(camera.pivot, (float(x), float(y), float(z)))


def first_camera(width: int = 48, height: int = 36, focal: float = 40.0, levels_down: int = 0) -> Camera:
    """C_0 with its pivot 0.2 root edges away, or that many octree levels deeper."""
    return initial_camera(focal, width, height, math.log(0.2) - levels_down * LN2)


def plane_view(camera: Camera, plane: Plane, mask: Bool | None = None, role: Role = "main") -> View:
    """What a camera sees of a plane, where ``mask`` (default: everywhere)."""
    zeta = plane.zeta(camera)
    seen = np.isfinite(zeta) if mask is None else np.isfinite(zeta) & mask
    return View(camera, seen, np.where(seen, zeta, np.nan).astype(np.float32), role, _picture(camera))


def pictured(view: View, image: NDArray[np.uint8] | None) -> View:
    """The same view with another picture, or with none."""
    return View(view.camera, view.mask, view.zeta, view.role, image)


def _picture(camera: Camera) -> NDArray[np.uint8]:
    """Smooth colours that differ from camera to camera."""
    uv = camera.pixel_centres() / [camera.width, camera.height]
    phase = camera.ln_scale
    waves = [np.sin(6.0 * uv[..., 0] + phase), np.cos(5.0 * uv[..., 1] - phase), np.sin(4.0 * uv.sum(-1))]
    return np.clip(127.5 + 110.0 * np.stack(waves, -1), 0, 255).astype(np.uint8)


def lift(
    view: View,
    plane: Plane,
    number: int = 0,
    kind: int = SURFACE,
    sigma: float = SIGMA,
    opacity: float = 0.9,
    radial: bool = False,
) -> dict[Cell, Surfels]:
    """One surfel a pixel of the view's mask, on the plane, Nyquist scales along and across the slope."""
    camera = view.camera
    rows, columns = np.nonzero(view.mask)
    uv = camera.pixel_centres()[rows, columns]
    zeta = plane.zeta(camera)[rows, columns]
    points = camera.unproject(uv, zeta)
    depth = 1.0 + zeta * camera.inverse_f
    rays = camera.unproject(uv, np.ones(len(uv))) - camera.unproject(uv, np.zeros(len(uv)))
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    normal = plane.seen(camera)
    normal = -normal if normal[2] > 0 else normal
    cosine = np.abs(rays @ normal)
    slope = rays - (rays @ normal)[:, None] * normal
    length = np.linalg.norm(slope, axis=1, keepdims=True)
    flat = np.array([1.0, 0.0, 0.0]) - normal[0] * normal
    slope = np.where(length > 1e-6, slope / np.maximum(length, 1e-12), flat / np.linalg.norm(flat))
    across = np.asarray(np.cross(slope, normal), np.float64)
    axes: NDArray[np.float64] = np.stack([across, slope, np.broadcast_to(normal, slope.shape)], -1)
    axes[..., 0] *= np.sign(np.linalg.det(axes))[:, None]
    size = sigma * depth
    scales = np.stack([size, size / np.maximum(cosine, 0.1)], -1)
    assert view.image is not None
    return place(
        camera,
        points,
        matrix_to_quat(axes),
        np.log(scales),
        np.full(len(points), opacity),
        view.image[rows, columns],
        camera.ln_scale_at(points, radial),
        np.full(len(points), number, np.uint16),
        np.full(len(points), kind, np.uint8),
    )


def joined(parts: Iterable[dict[Cell, Surfels]]) -> list[Placed]:
    """The blocks of several views of one node, one a cell."""
    cells: dict[Cell, list[Surfels]] = {}
    for part in parts:
        for cell, surfels in part.items():
            cells.setdefault(cell, []).append(surfels)
    return [(cell, concatenate(columns)) for cell, columns in sorted(cells.items())]


def make_node(views: Sequence[View], parent: str | None = None, prompt: str = "", seed: int = 0) -> ScaleNode:
    """A node before the world has worked out its cell and scales."""
    name = node_id(parent, views[0].camera, prompt, seed, "test/1")
    box = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    none = (0.0, 0.0)
    return ScaleNode(
        name, parent, (), ORIGIN_CELL, box, none, none, none, prompt, seed, "test/1", tuple(views)
    )


def plane_node(
    camera: Camera,
    plane: Plane,
    parent: str | None = None,
    mask: Bool | None = None,
    seed: int = 0,
    kind: int = SURFACE,
    sigma: float = SIGMA,
    opacity: float = 0.9,
    radial: bool = False,
) -> tuple[ScaleNode, list[Placed]]:
    """A node with one view of a plane and its surfels: what ``World.propose`` takes."""
    view = plane_view(camera, plane, mask)
    node = make_node([view], parent, seed=seed)
    return node, joined([lift(view, plane, kind=kind, sigma=sigma, opacity=opacity, radial=radial)])


def insert(world: World, node: ScaleNode, blocks: list[Placed]) -> str:
    """Propose and apply; the node's id."""
    world.apply(world.propose(node, blocks))
    return node.id


def look_and_zoom(camera: Camera, plane: Plane, u: float, v: float, factor: float) -> Camera:
    """The generation camera of a click at pixel (u, v): the same eye, turned to the point, focal zoom."""
    start, step = (camera.unproject(np.array([u, v]), np.array(z)) for z in (0.0, 1.0))
    step = step - start
    normal = plane.seen(camera)
    zeta = (camera.view_point(plane.point) - start) @ normal / (step @ normal)
    return camera.looking_at(start + zeta * step).zoomed(factor)


def plane_world(
    width: int = 48,
    height: int = 36,
    focal: float = 40.0,
    tilt: float = 0.0,
    sigma: float = SIGMA,
    opacity: float = 0.9,
    levels_down: int = 0,
    metric: str = "depth",
) -> tuple[World, list[Camera]]:
    """One view of a plane. Native scales refer to the picture's own short side: pass ``h_ref=height``."""
    camera = first_camera(width, height, focal, levels_down)
    world = World(WorldHeader(metric="radial" if metric == "radial" else "depth"))
    insert(
        world,
        *plane_node(camera, facing(camera, tilt), sigma=sigma, opacity=opacity, radial=metric == "radial"),
    )
    return world, [camera]


def nested_world(
    depth: int,
    ratio: float = 4.0,
    width: int = 48,
    height: int = 36,
    tilt: float = 0.0,
    sigma: float = SIGMA,
    opacity: float = 0.9,
    levels_down: int = 0,
    at: tuple[float, float] = (0.45, 0.55),
) -> tuple[World, list[Camera]]:
    """A chain of zooms into a plane: cameras[k] made node k; each zoom at ``at`` of the previous picture."""
    world, cameras = plane_world(
        width, height, tilt=tilt, sigma=sigma, opacity=opacity, levels_down=levels_down
    )
    plane = facing(cameras[0], tilt)
    parent = next(iter(world.nodes))
    for _ in range(depth):
        cameras.append(look_and_zoom(cameras[-1], plane, at[0] * width, at[1] * height, ratio))
        # The plane is given near the camera: far away its distance would be all rounding error.
        plane = replace(plane, point=cameras[-1].pivot)
        parent = insert(world, *plane_node(cameras[-1], plane, parent, sigma=sigma, opacity=opacity))
    return world, cameras


def branching_world(
    clicks: Sequence[tuple[float, float, float]] = ((0.3, 0.4, 4.0), (0.4, 0.5, 10.0), (0.8, 0.7, 4.0)),
    grandchildren: int = 1,
    width: int = 48,
    height: int = 36,
    tilt: float = 0.3,
    levels_down: int = 0,
) -> tuple[World, list[Camera]]:
    """Siblings (u share, v share, ratio) under one root, with a chain of 3x zooms below each."""
    world, cameras = plane_world(width, height, tilt=tilt, levels_down=levels_down)
    plane = facing(cameras[0], tilt)
    root = next(iter(world.nodes))
    for seed, (u, v, ratio) in enumerate(clicks):
        camera, parent = look_and_zoom(cameras[0], plane, u * width, v * height, ratio), root
        for _ in range(grandchildren + 1):
            here = replace(plane, point=camera.pivot)
            cameras.append(camera)
            parent = insert(world, *plane_node(camera, here, parent, seed=seed))
            camera = look_and_zoom(camera, here, 0.6 * width, 0.4 * height, 3.0)
    return world, cameras
