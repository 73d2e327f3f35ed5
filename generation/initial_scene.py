"""E_0: one picture with depth becomes the root of a world (Sec. 3.2, last sentence; design, section "E_0").

Owns the frame of the whole world: focal length, the clamp of depth, where the sky stands, the root edge.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.jobs import CreateRequest
from wonderzoom.generation.membrane import membrane
from wonderzoom.generation.stages import InitialDepth, Layer
from wonderzoom.scene_graph.camera import Camera, initial_camera
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.surfels import FILL, SURFACE

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Without any hint: a 64-degree horizontal field of view, between a phone (70) and a 50 mm lens (40).
DEFAULT_FOCAL = 0.8  # of the long side
# Depth beyond a thousand times the nearest carries no parallax that a person could see.
MAX_DEPTH_RATIO = 1000.0
# The sky stands at eight times the farthest scene point: far enough not to move, no infinity anywhere.
SKY_DEPTH = 8.0
# The sky goes on behind the skyline as far as an orbit of ten degrees can uncover it, but at least and at
# most so far: outlines are soft, and nobody looks behind a hill.
SKY_BAND = 12  # pixels
LONGEST_SKY_BAND = 0.25  # of the long side
ORBIT = math.tan(math.radians(10.0))


@dataclass(frozen=True, slots=True)
class Framed:
    """The picture placed in a world that does not exist yet."""

    header: WorldHeader
    camera: Camera  # C_0
    main: Layer
    sky: Layer | None


def border_mean(image: NDArray[np.uint8]) -> tuple[float, float, float]:
    """Mean sRGB colour in [0, 1] of a picture's outermost pixels: the background of every render."""
    edge = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]]).astype(np.float64)
    r, g, b = (float(v) for v in edge.mean(0) / 255.0)
    return (round(r, 4), round(g, 4), round(b, 4))


def focal_of(request: CreateRequest) -> tuple[float, str | None]:
    """Focal length in pixels and what to say when it is an estimate."""
    if request.focal is not None:
        if not (math.isfinite(request.focal) and request.focal > 0):
            raise ValueError(f"the focal length must be a positive number of pixels, got {request.focal}")
        return request.focal, None
    focal = DEFAULT_FOCAL * max(request.image.shape[:2])
    return focal, f"focal length not known: estimated {focal:.0f} px (a 64 degree view)"


def frame_scene(request: CreateRequest, estimate: InitialDepth, focal: float) -> Framed:
    """Clamp the depth, put the sky behind it, choose the root edge and the pivot, and cut the layers."""
    height, width = request.image.shape[:2]
    depth, sky = estimate.depth.astype(np.float64), estimate.sky
    ground = ~sky
    if not ground.any():  # a picture of nothing but sky is a flat scene
        sky, ground = np.zeros_like(sky), np.ones_like(sky)
    near = float(depth[ground].min())
    depth = np.where(ground, np.clip(depth, near, near * MAX_DEPTH_RATIO), np.nan)
    far = float(np.nanmax(depth))
    limit = far * (SKY_DEPTH if sky.any() else 1.0)
    root_edge = 2.0 ** math.ceil(math.log2(4.0 * limit))
    header = WorldHeader(
        h_ref=min(height, width),
        metric="depth",
        root_edge=root_edge,
        metres_per_unit=estimate.metres_per_unit,
        background=border_mean(request.image),
    )
    pivot_depth = float(np.median(depth[ground]))
    camera = initial_camera(focal, width, height, math.log(pivot_depth / root_edge))
    picture = request.image.astype(np.float32) / 255.0
    zeta = ((depth / pivot_depth - 1.0) * focal).astype(np.float32)
    main = Layer(camera, picture, zeta, ground)
    if not sky.any():
        return Framed(header, camera, main, None)
    sky_zeta = np.full(depth.shape, (limit / pivot_depth - 1.0) * focal, np.float32)
    uncovered = np.where(ground, ORBIT * focal * pivot_depth / np.where(ground, depth, 1.0), 0.0)
    reach = np.clip(uncovered, SKY_BAND, LONGEST_SKY_BAND * max(height, width))
    return Framed(header, camera, main, sky_layer(camera, picture, sky, sky_zeta, reach))


def sky_layer(camera: Camera, picture: F32, sky: Mask, zeta: F32, reach: NDArray[np.floating]) -> Layer:
    """The sky, and behind the scene as much of it as lies within ``reach`` [H, W] pixels of the skyline."""
    distance = cv2.distanceTransform((~sky).astype(np.uint8), cv2.DIST_L2, 5)
    # Colours at the skyline are mixed with what stands there: the continuation starts two pixels above.
    clean = cv2.erode(sky.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    filled = membrane(picture, clean if clean.any() else sky)
    image = np.where(sky[..., None], picture, filled).astype(np.float32)
    kind = np.where(sky, SURFACE, FILL).astype(np.uint8)
    normals = np.zeros((*sky.shape, 3), np.float32)
    normals[..., 2] = -1.0
    return Layer(camera, image, zeta, sky | (distance <= reach), "sky", kind, normals)
