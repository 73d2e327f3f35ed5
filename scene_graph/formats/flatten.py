"""A world as one flat list of splats: which of its layers go into a file, and in which frame.

A file has no Eq. 3: every splat in it is always drawn, so of two layers of one surface only one may be written. The
cut is that of Eq. 3 at a render scale r(p), made hard: a surfel goes in when r lies between the middle (in ln s) of
it and its child and the middle of it and its parent. Along every stack of scales exactly one does. r is

* the finest of all (the default): what a viewer sees who goes as near as there is anything to see;
* or the scale at which a camera shows p, such as the root's frame zoomed M times (``detail``);
* and never finer than what the format can place at p: float32 resolves a 2**-24th of the distance from the
  origin, fixed point a fixed step. What would be finer is written coarser instead, and counted.

So one file holds some seven thousandfold of zoom around its origin, and a world 10^60 deep becomes one file for each
place that is of interest: the frame of a node puts the origin there and cuts off what lies outside of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import Camera, bounded_exp, multiply_quats
from wonderzoom.scene_graph.cells import Position
from wonderzoom.scene_graph.formats.cloud import F32, Cloud, FormatError, joined
from wonderzoom.scene_graph.surfels import THICKNESS, Block
from wonderzoom.scene_graph.world import World

Array = NDArray[np.float64]

# A surfel is placed well when this many steps of the format make one of its pixels.
STEPS_PER_PIXEL = 4.0
# Beyond this many frames of a node things have no parallax in it and would only spoil the extent of the file.
FAR = 2.0**16
# The middle of a whole world lies so many units from the eye, whatever its depth map was in: the size that viewers
# expect of a scene, and well inside what SPZ can say.
UNITS_TO_PIVOT = 10.0
# A frame is written with this much around it, as a share of its sides.
RIM = 0.1
_LN_FLOAT32 = math.log(2.0**-24)


@dataclass(frozen=True, slots=True)
class Frame:
    """The axes of a file: where its numbers count from, and in what."""

    camera: Camera  # its view axes are the file's axes
    origin: Position
    ln_unit: float  # ln root edges per unit of the file
    cut: bool  # whether only what the camera's picture shows goes in

    @property
    def eye_depth(self) -> float:
        """How far the camera's eye is before the origin, in units of the file."""
        return bounded_exp(self.camera.ln_distance - self.ln_unit) if self.cut else 0.0

    @staticmethod
    def of_picture(camera: Camera) -> Frame:
        """A tenth of the pivot's depth from the eye of a camera: the frame of a whole world."""
        eye = camera.position(np.array([0.0, 0.0, -bounded_exp(camera.ln_f)]))
        return Frame(camera, eye, camera.ln_distance - math.log(UNITS_TO_PIVOT), False)

    @staticmethod
    def of_place(camera: Camera) -> Frame:
        """Short sides of a camera's picture from its pivot: the frame of one place, at any depth."""
        short = math.log(min(camera.width, camera.height))
        return Frame(camera, camera.pivot.rebased(camera.fitting_level), camera.ln_scale + short, True)


class LeftOut(NamedTuple):
    """How many surfels do not go into a file."""

    other_layers: int  # coarser or finer layers of what is written
    too_fine: int  # of those, surfels that the format can't place
    outside: int  # outside of the frame that was asked for


@dataclass(frozen=True, slots=True)
class Flat:
    """What goes into a file, and what does not (``LeftOut``)."""

    cloud: Cloud
    other_layers: int
    too_fine: int
    outside: int


def flatten(
    world: World,
    frame: Frame,
    ln_step: float = -math.inf,
    detail: Camera | None = None,
    done: Callable[[int], None] = lambda _count: None,
) -> Flat:
    """The surfels of a world that make one flat file, in memory; see ``gather``."""
    parts: list[Cloud] = []
    left = gather(world, frame, parts.append, ln_step, detail, done)
    return Flat(joined(parts), *left)


def gather(
    world: World,
    frame: Frame,
    keep: Callable[[Cloud], None],
    ln_step: float = -math.inf,
    detail: Camera | None = None,
    done: Callable[[int], None] = lambda _count: None,
) -> LeftOut:
    """Hand the surfels of a world that make one flat file to ``keep``, block by block; the others are counted.

    ``ln_step``: ln of the fixed distance of neighbouring positions in the format, in units of the file (-inf for
    float32 alone). ``detail``: nothing finer than this camera's pixels. ``done`` is told the blocks that are done.
    Raises FormatError when nothing is left, BlockLost.
    """
    camera = frame.camera.widened(_rim(frame.camera)) if frame.cut else frame.camera
    blocks = world.octree.touching(camera) if frame.cut else world.blocks
    root = world.root
    other = fine = kept = 0
    outside = sum(block.count for block in world.blocks) - sum(block.count for block in blocks)
    floor = ln_step + math.log(STEPS_PER_PIXEL)
    for number, each in enumerate(blocks):
        block = each.held()
        means = _means(block, frame)
        inside = _inside(means, block, camera, frame)
        outside += len(inside) - int(inside.sum())
        distance = np.sqrt(np.einsum("ij,ij->i", means, means))
        with np.errstate(divide="ignore"):
            placed = np.maximum(np.log(distance) + _LN_FLOAT32 + math.log(STEPS_PER_PIXEL), floor)
        wanted = _detail(block, detail, world, frame)
        shown, could = _shown(block, frame, np.maximum(wanted, placed)), _shown(block, frame, wanted)
        # New structures have nothing coarser to stand for them, and are no use as grains of dust.
        if root is None or block.node != root.id:
            shown &= _native(block, frame) > placed - math.log(STEPS_PER_PIXEL)
        fine += int((inside & could & ~shown).sum())
        other += int((inside & ~shown).sum())
        if (rows := inside & shown).any():
            kept += int(rows.sum())
            keep(_cloud(block, frame, means, rows))
        done(number + 1)
    if not kept:
        raise FormatError("nothing is left to write: no surfel lies in that frame at that detail")
    return LeftOut(other, fine, outside)


def drawn_nearer(cloud: Cloud, far: float, eye_depth: float = 0.0) -> Cloud:
    """What is beyond ``far`` from the origin, moved towards the eye and shrunk as much: the same from there.

    The eye is ``eye_depth`` before the origin; where it is the origin, all distances count, else those behind it.
    Distance d becomes far (1 + ln(d / far)), so that nothing changes places. A grid of fixed steps has none left for
    what is near when the sky is a thousand times as far.
    """
    means = cloud.means.astype(np.float64)
    distance = np.maximum(means[:, 2], 0.0) if eye_depth else np.sqrt((means**2).sum(1))
    nearer = shortened(distance, far)
    beyond = nearer < distance
    shrink = np.ones(len(cloud))
    shrink[beyond] = (eye_depth + nearer[beyond]) / (eye_depth + distance[beyond])
    means *= shrink[:, None]
    means[beyond, 2] -= (distance - nearer)[beyond] * (eye_depth / (eye_depth + distance[beyond]))
    sizes = cloud.log_scales + np.log(shrink)[:, None]
    return replace(cloud, means=means.astype(np.float32), log_scales=sizes.astype(np.float32))


def shortened(distance: Array, far: float) -> Array:
    """Distances, those beyond ``far`` by their logarithm."""
    return np.where(distance > far, far * (1.0 + np.log(np.maximum(distance / far, 1.0))), distance)


def extent(world: World, frame: Frame) -> float:
    """The greatest coordinate that a file of this frame can have, in its units. Raises BlockLost."""
    camera = frame.camera.widened(_rim(frame.camera)) if frame.cut else frame.camera
    greatest = 0.0
    for each in world.octree.touching(camera) if frame.cut else world.blocks:
        block = each.held()
        means = _means(block, frame)
        inside = _inside(means, block, camera, frame)
        greatest = max(greatest, float(np.abs(means[inside]).max(initial=0.0)))
    return greatest


def _rim(camera: Camera) -> int:
    return math.ceil(RIM * min(camera.width, camera.height))


def _means(block: Block, frame: Frame) -> Array:
    """Positions [N, 3] in the file's axes and units."""
    origin = frame.origin
    centre = block.cell.centre_from(origin.cell) - np.asarray(origin.offset)
    local = block.surfels.means.astype(np.float64) * block.cell.edge_in(origin.cell) + centre
    return local @ frame.camera.rotation.T * bounded_exp(origin.cell.ln_edge - frame.ln_unit)


def _inside(means: Array, block: Block, camera: Camera, frame: Frame) -> NDArray[np.bool_]:
    """Which surfels have their centre in the camera's picture, and not too far behind."""
    if not frame.cut:
        return np.ones(len(means), np.bool_)
    local = camera.cell_frame(block.cell)
    points = block.surfels.means.astype(np.float64) @ local.matrix.T + local.origin
    uv, depth = camera.project(points)
    on = ((uv >= 0.0) & (uv <= [camera.width, camera.height])).all(1) & (depth > 0.0)
    return on & (np.abs(means) < FAR).all(1)


def _native(block: Block, frame: Frame) -> Array:
    """ln of the native pixel, in units of the file."""
    return block.surfels.native.astype(np.float64) + (block.cell.ln_edge - frame.ln_unit)


def _detail(block: Block, detail: Camera | None, world: World, frame: Frame) -> Array:
    """ln r at each surfel, in units of the file; -inf where the finest is wanted."""
    if detail is None:
        return np.full(block.count, -np.inf)
    local = detail.cell_frame(block.cell)
    points = block.surfels.means.astype(np.float64) @ local.matrix.T + local.origin
    reference = math.log(min(detail.width, detail.height) / world.header.h_ref)
    return detail.ln_scale_at(points, world.header.metric == "radial") + (reference - frame.ln_unit)


def _shown(block: Block, frame: Frame, r: Array) -> NDArray[np.bool_]:
    """The hard cut of Eq. 3 at r."""
    shift = block.cell.ln_edge - frame.ln_unit
    native, bounds = block.surfels.native.astype(np.float64), block.bounds
    to_child = 0.5 * (native + bounds.child) + shift
    to_parent = 0.5 * (native + bounds.parent) + shift
    return (r >= to_child) & (r < to_parent)


def _cloud(block: Block, frame: Frame, means: Array, rows: NDArray[np.bool_]) -> Cloud:
    surfels = block.surfels
    shift = block.cell.ln_edge - frame.ln_unit
    thin = surfels.native[rows, None] + math.log(THICKNESS)
    sizes = np.concatenate([surfels.log_scales[rows], thin], 1).astype(np.float64) + shift
    quats: F32 = multiply_quats(np.asarray(frame.camera.quat), surfels.quats[rows]).astype(np.float32)
    return Cloud(
        means[rows].astype(np.float32),
        quats,
        sizes.astype(np.float32),
        surfels.opacities[rows],
        surfels.colors[rows].astype(np.float32) / np.float32(255.0),
    )
