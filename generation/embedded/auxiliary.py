"""The auxiliary stage: what a view can't show of its new things, so that they are whole from the side.

Owns: what goes on behind edges, the layer behind new things (the picture without them), and views from around them
that keep only what no view before saw. Things are traced again, so their other sides are exact, not guessed. Does not
own: tracing.
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.depth_registration import fill_from_nearest
from wonderzoom.generation.embedded.editing import PROMPTED, Prompted
from wonderzoom.generation.embedded.hidden_layers import behind_edges
from wonderzoom.generation.embedded.memory import PlacedThing
from wonderzoom.generation.embedded.standing import SOLID, Standing, draw_things
from wonderzoom.generation.jobs import MIN_FACTOR
from wonderzoom.generation.stages import Edited, Layer, ZoomContext
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import Control
from wonderzoom.scene_graph.surfels import FILL, STRUCTURE

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Further views of a thing: turned around it by these angles (yaw, pitch), radians.
ORBITS = ((0.45, 0.0), (-0.45, 0.0), (0.0, 0.40), (0.0, -0.30))
COARSER = 1.5  # their pixels are this much larger than the main view's: hidden sides may be softer
LARGEST = 320  # pixels along a side
SLACK = 1.05  # of the bounding sphere
RIM = 2  # pixels that the layer behind a thing reaches out from under it
BEHIND = 2.0  # pixels: the least distance of that layer from the thing, in sight and
BLOT = 3  # pixels around it: surfels reach so far
# A point counts as seen when a view's depth there agrees within this many of the view's pixels.
AGREE = 2.0
# Surfels seen more obliquely than this by their view would be long and blurred; another view has them better.
MIN_FACING = 0.2


class AuxiliaryStage:
    """``stages.AuxiliaryViews`` of the embedded generator; holds no state between calls."""

    def synthesise(self, context: ZoomContext, edited: Edited, main: Layer, control: Control) -> list[Layer]:
        """What is behind edges and new things, and further views of these. Raises Cancelled."""
        prompted = context.shared.get(PROMPTED)
        finer = context.observation.factor >= MIN_FACTOR  # else no edge is sharper than it was
        if not isinstance(prompted, Prompted) or not prompted.things or not edited.structure.any():
            further = behind_edges(main, control) if finer else None
            return [] if further is None else [further]
        hidden = behind(context, edited, main)
        further = behind_edges(_without_things(edited, main, hidden), control) if finer else None
        layers = [layer for layer in (hidden, further) if layer is not None]
        seen = [_Seen(main.camera, np.where(edited.structure, main.zeta, np.nan))]
        total = len(prompted.things) * len(ORBITS)
        done = 0
        for index in range(len(prompted.things)):
            for yaw, pitch in ORBITS:
                layer = _around(prompted.things, index, main, yaw, pitch, seen, context.threads, control)
                if layer is not None:
                    layers.append(layer)
                done += 1
                control.progress(done / total)
        return layers


def behind(context: ZoomContext, edited: Edited, main: Layer) -> Layer | None:
    """The old surface under new things, with the picture as it was, in their shadow."""
    target = context.observation.zeta
    known = np.isfinite(target)
    if edited.under is None or not known.any():
        return None
    surface = fill_from_nearest(np.where(known, target, 0.0).astype(np.float32), known)
    # Where the main layer shows the surface, the layer behind continues it.
    free = known & ~edited.structure
    surface = np.where(free & np.isfinite(main.zeta), main.zeta, surface).astype(np.float32)
    smooth = cv2.GaussianBlur(surface, (0, 0), max(1.0, 0.5 * context.observation.factor))
    # A thing that reaches into the surface takes it along: there must be no gap beside its flank. And nothing that is
    # behind may show in front, nor next to it where the thing slopes.
    shown = np.where(edited.structure & np.isfinite(main.zeta), main.zeta, -np.inf).astype(np.float32)
    under = np.maximum(smooth, cv2.dilate(shown, np.ones((2 * BLOT + 1,) * 2, np.uint8)) + BEHIND)
    zeta = np.where(edited.structure, under, surface).astype(np.float32)
    rim = cv2.dilate(edited.structure.astype(np.uint8), np.ones((2 * RIM + 1,) * 2, np.uint8)) > 0
    mask = rim & known & main.mask
    if not mask.any():
        return None
    return Layer(main.camera, edited.under, zeta, mask, "fill", FILL)


def _without_things(edited: Edited, main: Layer, hidden: Layer | None) -> Layer:
    """The main layer with what is behind new things in their place; without a place where that is not known."""
    if hidden is None or edited.under is None:
        return replace(main, mask=main.mask & ~edited.structure)
    known = hidden.mask & edited.structure
    zeta = np.where(known, hidden.zeta, main.zeta)
    mask = main.mask & (known | ~edited.structure)
    return replace(main, image=edited.under, zeta=zeta, mask=mask, normals=None)


class _Seen:
    """A view that has shown things already: what it knows hides nothing new."""

    def __init__(self, camera: Camera, zeta: F32) -> None:
        self.camera, self.zeta = camera, zeta

    def shows(self, points: F64, of: Camera) -> tuple[Mask, Mask]:
        """(seen, inside) of view points [N, 3] of another camera: shown here, inside this picture at all."""
        matrix, origin = self.camera.map_from(of)
        local = points @ matrix.T + origin
        uv, depth = self.camera.project(local)
        x, y = np.floor(uv[:, 0]).astype(np.int64), np.floor(uv[:, 1]).astype(np.int64)
        inside = (x >= 0) & (y >= 0) & (x < self.camera.width) & (y < self.camera.height) & (depth > 0)
        x, y = np.clip(x, 0, self.camera.width - 1), np.clip(y, 0, self.camera.height - 1)
        seen = np.zeros(len(points), np.bool_)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                there = self.zeta[
                    np.clip(y + dy, 0, self.camera.height - 1), np.clip(x + dx, 0, self.camera.width - 1)
                ]
                with np.errstate(invalid="ignore"):
                    seen |= np.abs(local[:, 2] - there) <= AGREE
        return seen & inside, inside


def _camera_around(each: Standing, main: Camera, yaw: float, pitch: float) -> Camera | None:
    """A camera that looks at a thing's centre from the side, with pixels COARSER times the main view's."""
    try:
        camera = main.looking_at(each.centre)
    except ValueError:
        return None
    # The window: the bounding sphere, as far as the main view could show it.
    wide = 2 * SLACK * each.radius_px / math.exp(camera.ln_scale - main.ln_scale)
    limit = max(main.width, main.height)
    side = int(np.clip(math.ceil(min(wide, limit) / COARSER), 16, LARGEST))
    camera = camera.orbited(yaw, pitch)
    zoom = side / min(wide, limit)
    camera = camera.zoomed(zoom)
    return Camera(
        camera.pivot,
        camera.quat,
        camera.ln_distance,
        camera.ln_fx,
        camera.ln_fy,
        side / 2,
        side / 2,
        side,
        side,
    )


def _around(
    things: tuple[PlacedThing, ...], index: int, main: Layer, yaw: float, pitch: float, seen: list[_Seen],
    threads: int, control: Control,
) -> Layer | None:  # fmt: skip
    """What one camera around a thing adds; the view joins ``seen``."""
    each = Standing.of(things[index], main.camera)
    camera = _camera_around(each, main.camera, yaw, pitch) if each.traceable else None
    if camera is None:
        return None
    blank = np.zeros((camera.height, camera.width, 3), np.float32)
    drawn = draw_things(things, camera, blank, threads, control.cancelled)
    shown = (drawn.alpha > SOLID) & (drawn.owner == index)
    facing = -(drawn.normals * _rays(camera)).sum(-1) > MIN_FACING
    mask = shown & facing & np.isfinite(drawn.zeta)
    if not mask.any():
        return None
    uv = camera.pixel_centres()[mask]
    points = camera.unproject(uv, drawn.zeta[mask])
    fresh = np.ones(len(points), np.bool_)
    for k, view in enumerate(seen):
        known, inside = view.shows(points, camera)
        fresh &= ~known
        if k == 0:  # parts of a thing outside the frame that was asked for are another zoom's
            fresh &= inside
    seen.append(_Seen(camera, np.where(mask, drawn.zeta, np.nan)))
    chosen = np.zeros(mask.shape, np.bool_)
    chosen[mask] = fresh
    if not chosen.any():
        return None
    alpha = np.maximum(drawn.alpha, SOLID)[..., None]
    image = np.clip(drawn.image / np.power(alpha, 1 / 2.2), 0, 1).astype(
        np.float32
    )  # not mixed with the blank
    return Layer(camera, image, drawn.zeta, chosen, "auxiliary", STRUCTURE, drawn.normals)


def _rays(camera: Camera) -> F32:
    """Unit viewing directions [H, W, 3] in view axes."""
    ax, ay = camera.aspect
    uv = camera.pixel_centres()
    x = (uv[..., 0] - camera.cx) * camera.inverse_f / ax
    y = (uv[..., 1] - camera.cy) * camera.inverse_f / ay
    rays = np.stack([x, y, np.ones_like(x)], -1)
    return (rays / np.linalg.norm(rays, axis=-1, keepdims=True)).astype(np.float32)
