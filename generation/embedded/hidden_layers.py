"""What a photo hides: the continuation of every surface behind what stands before it, and past the frame.

A camera that moves looks behind depth edges and beyond the border. The scene is cut into slabs by inverse
depth; everything farther than a cut goes on under everything nearer, as far as a moving camera can uncover it
and no farther. Colour is what a smooth membrane between the known parts gives, plus their texture mirrored
at the edge; inverse depth is a membrane too, since a plane is linear in it. Past the frame, picture and depth
are mirrored, and the ground goes on rising toward the eye. It is believable for a step to the side, not
knowledge. Owns the cuts, the reach and the fill; the sky's own band is made in ``initial_scene``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.jobs import CreateRequest
from wonderzoom.generation.membrane import membrane
from wonderzoom.generation.stages import Layer
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import Cancelled, Control
from wonderzoom.scene_graph.surfels import FILL

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

# The motion that must not show holes: an orbit of ten degrees around the pivot of a photo, of twenty around a zoom's.
ANGLE, ZOOMS_ANGLE = math.radians(10.0), math.radians(20.0)
# Pixels that would move apart by more than this in that orbit are torn apart: an edge. Below it the soft
# outlines of the surfels (sigma 0.7) still touch.
TEAR = 1.5
# Cuts are placed where they part the most edges; more of them, truer layers behind layers.
MAX_CUTS, ZOOMS_CUTS = 10, 4
WIDE_OPEN = 16.0  # pixels: a wider tear is no more of a fault
CUT_LEVELS = 256  # candidates, evenly over the range of parallax
ENOUGH = 0.995  # share of all torn edges (weighed by how far they open) after which no cut is added
# No continuation is longer than this share of the picture's long side: nobody believes it beyond.
LONGEST = 0.15
# The continuation starts this far under the edge, so that soft outlines show no crack.
UNDERLAP = 2  # pixels
# A fill that moves less than this against one in front of it adds nothing.
APART = 4.0  # pixels
# Fills behind one pixel. In a meadow ten would find a place, each hardly ever seen.
DEEPEST = 2
# Texture is what a blur of this many pixels takes away.
TEXTURE_SIGMA = 4.0
# Past the frame everything is seen obliquely and briefly: pixels three times as large are enough.
MARGIN_SHRINK = 3
OVERLAP = 1  # its pixels that lie under the picture's border, so that no seam shows


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """A picture in the units of this room."""

    camera: Camera
    image: F32  # [H, W, 3]
    fine: F32  # [H, W, 3] its texture
    near: F32  # [H, W] inverse depth, in pixels of parallax of the orbit against ``rest``; 0 in the sky
    scene: Mask  # [H, W] what has a depth
    wanted: Mask  # [H, W] where fills may be made
    farthest: float  # zeta beyond which there is nothing
    tangent: float  # of the orbit's angle
    rest: float = math.inf  # zeta of what has no parallax


class HiddenLayersStage:
    """``stages.Inpainter`` of the embedded generator; holds no state between calls."""

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads

    def complete(
        self, request: CreateRequest, main: Layer, sky: Layer | None, control: Control
    ) -> list[Layer]:
        """Fill layers behind the main layer and past the frame. Raises Cancelled."""
        del request  # nothing is hidden from whoever sees the layers
        scene = _scene_of(main)
        layers = _behind_edges(scene, control)
        beside = _past_the_frame(scene)
        if beside is not None:
            if beside.wanted.any():
                zeta = _zeta_of(beside, beside.near)
                layers.append(Layer(beside.camera, beside.image, zeta, beside.wanted, "fill", FILL))
            if sky is not None:
                layers.append(_sky_beside(beside, main.camera, sky))
            layers += _behind_edges(beside, control)
        control.progress(1.0)
        return layers


def behind_edges(main: Layer, control: Control) -> Layer | None:
    """What goes on behind the edges of a zoom's view, one fill a pixel, within its frame; None where nothing does.

    What was hidden before is there already: this is for edges that were slopes as long as they were coarse. Raises
    Cancelled.
    """
    fills = _behind_edges(_scene_of(main, ZOOMS_ANGLE, within=True), control, ZOOMS_CUTS, deepest=1)
    if not fills:
        return None
    joined = fills[0]
    for each in fills[1:]:
        image = np.where(each.mask[..., None], each.image, joined.image)
        zeta = np.where(each.mask, each.zeta, joined.zeta)
        joined = replace(joined, image=image, zeta=zeta, mask=joined.mask | each.mask)
    # Along a slope they would be long, and reach out from behind the edge.
    facing = np.zeros((*joined.mask.shape, 3), np.float32)
    facing[..., 2] = -1.0
    return replace(joined, normals=facing)


def _scene_of(main: Layer, angle: float = ANGLE, within: bool = False) -> _Scene:
    """``within``: parallax is counted against the farthest point, as deep down depths hardly differ."""
    mask = main.mask & np.isfinite(main.zeta)
    zeta, inverse_f = np.where(mask, main.zeta, 0.0).astype(np.float64), main.camera.inverse_f
    depth, tangent = 1.0 + zeta * inverse_f, math.tan(angle)  # depth in units of the pivot's
    farthest = float(zeta[mask].max()) if mask.any() else 0.0
    if within:
        near = tangent * (farthest - zeta) / (depth * (1.0 + farthest * inverse_f))
    else:
        near = tangent / max(inverse_f, 1e-12) / depth
    near = np.where(mask, near, 0.0).astype(np.float32)
    rest = farthest if within else math.inf
    return _Scene(main.camera, main.image, _texture(main.image), near, mask, mask, farthest, tangent, rest)


def _texture(image: F32) -> F32:
    return image - cv2.GaussianBlur(image, (0, 0), TEXTURE_SIGMA)


def _zeta_of(scene: _Scene, parallax: F32) -> F32:
    """Native pixels relative to the pivot."""
    inverse_f = scene.camera.inverse_f
    if math.isinf(scene.rest):
        zeta = (scene.tangent / max(inverse_f, 1e-12) / np.maximum(parallax, 1e-3) - 1.0) / inverse_f
        return np.minimum(zeta, scene.farthest).astype(np.float32)
    # The same from rest: 1 / w = 1 / w_rest + parallax / (f tangent).
    w_rest = 1.0 + scene.rest * inverse_f
    turned = np.maximum(parallax, 0.0).astype(np.float64) / scene.tangent * w_rest
    return (scene.rest - turned * w_rest / (1.0 + turned * inverse_f)).astype(np.float32)


# ---- behind depth edges -------------------------------------------------------------------------
def _behind_edges(
    scene: _Scene, control: Control, cuts: int = MAX_CUTS, deepest: int = DEEPEST
) -> list[Layer]:
    """The fills behind everything that is torn off what is behind it, near ones first."""
    layers: list[Layer] = []
    filled = _Filled(np.full(scene.near.shape, np.inf, np.float32), np.zeros(scene.near.shape, np.int32))
    for number, (far, close) in enumerate(_slabs(scene, cuts)):
        if control.cancelled():
            raise Cancelled
        control.progress(number / (cuts + 1))
        layer = _behind(scene, far, close, filled, deepest)
        if layer is not None:
            layers.append(layer)
    return layers


@dataclass(frozen=True, slots=True, eq=False)
class _Filled:
    """What lies behind each pixel so far; changed in place."""

    parallax: F32  # [H, W] of the farthest fill, inf for none
    count: NDArray[np.int32]  # [H, W]


def _slabs(scene: _Scene, most: int) -> list[tuple[float, float]]:
    """(far, close) parallax of each cut, nearest first: what is below ``far`` goes on under what is above.

    Every torn edge should lie astride a cut, so cuts are chosen greedily: each where it parts the most.
    """
    near = scene.near
    ends: list[NDArray[np.float64]] = []
    for axis in (0, 1):
        a, b = (near[:-1], near[1:]) if axis == 0 else (near[:, :-1], near[:, 1:])
        inside = (
            (scene.scene[:-1] & scene.scene[1:]) if axis == 0 else (scene.scene[:, :-1] & scene.scene[:, 1:])
        )
        torn = inside & (np.abs(a - b) > TEAR)
        ends.append(np.stack([np.minimum(a, b)[torn], np.maximum(a, b)[torn]], -1).astype(np.float64))
    edges = np.concatenate(ends)
    if not len(edges):
        return []
    low, high = float(edges[:, 0].min()), float(edges[:, 1].max())
    step = (high - low) / CUT_LEVELS
    first = np.floor((edges[:, 0] - low) / step).astype(np.int64) + 1
    last = np.clip(np.floor((edges[:, 1] - low) / step).astype(np.int64), 0, CUT_LEVELS - 1)
    weight = np.minimum(edges[:, 1] - edges[:, 0], WIDE_OPEN)
    cuts: list[float] = []
    left, total = weight.copy(), float(weight.sum())
    while len(cuts) < most and left.sum() > (1.0 - ENOUGH) * total:
        parted = np.zeros(CUT_LEVELS + 1)
        real = last >= first
        np.add.at(parted, first[real], left[real])
        np.add.at(parted, last[real] + 1, -left[real])
        parted = np.cumsum(parted)[:CUT_LEVELS]
        best = int(parted.argmax())
        if parted[best] <= 1e-6 * total:
            break
        cuts.append(low + best * step)
        left[(first <= best) & (best <= last)] = 0.0
    cuts.sort(reverse=True)
    return list(zip(cuts, [math.inf, *cuts[:-1]], strict=True))


def _behind(scene: _Scene, cut: float, close: float, filled: _Filled, deepest: int) -> Layer | None:
    """The continuation of what is farther than a cut, under what is nearer; None where nothing is torn."""
    near = scene.near
    known = scene.scene & (near < cut)
    hiding = scene.scene & (near >= cut)
    window = np.ones((3, 3), np.uint8)
    torn = known & (cv2.dilate(np.where(hiding, near, 0), window) - near > TEAR)
    # Colours beside an outline are mixed with the thing in front: the membrane starts a pixel behind them.
    clean = known & (cv2.dilate(hiding.astype(np.uint8), window) == 0)
    if not (torn.any() and clean.any()):
        return None
    distance = cv2.distanceTransform((~torn).astype(np.uint8), cv2.DIST_L2, 5)
    longest = LONGEST * max(near.shape)
    possible = hiding & scene.wanted & (distance <= longest) & (filled.count < deepest)
    if not possible.any():
        return None
    color, parallax = _continued(scene, clean, possible)
    parallax = np.minimum(parallax, cut)
    uncovered = np.minimum(near, close) - parallax
    mask = possible & (distance <= np.clip(uncovered, 0.0, longest) + UNDERLAP) & (near - parallax > TEAR)
    mask &= filled.parallax - parallax > APART
    if not mask.any():
        return None
    filled.parallax[mask] = parallax[mask]
    filled.count[mask] += 1
    return Layer(scene.camera, color, _zeta_of(scene, parallax), mask, "fill", FILL)


def _continued(scene: _Scene, known: Mask, wanted: Mask) -> tuple[F32, F32]:
    """Colour [H, W, 3] and parallax [H, W] of the known part, continued over the wanted one."""
    smooth = membrane(np.concatenate([scene.image, scene.near[..., None]], -1), known)
    rows, columns = np.nonzero(wanted)
    # The nearest known pixel of each wanted one, and the point beyond it at the same distance.
    _, found = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    label = np.asarray(found, np.int64)
    place = np.zeros((int(label.max()) + 1, 2), np.int64)
    place[label[known]] = np.argwhere(known)
    nearest = place[label[rows, columns]]
    mirror_row = np.clip(2 * nearest[:, 0] - rows, 0, known.shape[0] - 1)
    mirror_column = np.clip(2 * nearest[:, 1] - columns, 0, known.shape[1] - 1)
    fine = np.where(known[mirror_row, mirror_column][:, None], scene.fine[mirror_row, mirror_column], 0.0)
    color = smooth[..., :3]
    color[rows, columns] = np.clip(color[rows, columns] + fine, 0.0, 1.0)
    return np.ascontiguousarray(color), np.ascontiguousarray(smooth[..., 3])


# ---- past the frame -----------------------------------------------------------------------------
def _past_the_frame(scene: _Scene) -> _Scene | None:
    """What an orbit shows beside the picture: the scene mirrored at its border, in coarser pixels."""
    camera = scene.camera
    margin = _margin(camera)
    if margin < 4:
        return None
    padding = _padding(camera, margin)
    wide = replace(
        camera.widened(margin),
        width=camera.width + padding[2] + padding[3],
        height=camera.height + padding[0] + padding[1],
    )
    wide = _shrunk(wide, MARGIN_SHRINK)
    image = _mirrored(scene.image, padding)
    near = _mirrored(scene.near, padding, cv2.INTER_NEAREST) + _rise(scene, padding)  # no mean of two depths
    near = (near / MARGIN_SHRINK).astype(np.float32)
    there = _mirrored(scene.scene.astype(np.float32), padding) > 0.5
    return _Scene(
        wide,
        image,
        _texture(image),
        near,
        there,
        there & _outside(wide, camera, margin),
        scene.farthest / MARGIN_SHRINK,
        scene.tangent,
    )


def _sky_beside(beside: _Scene, camera: Camera, sky: Layer) -> Layer:
    """The sky past the frame, as far down as the sky layer reaches."""
    margin = _margin(camera)
    padding = _padding(camera, margin)
    mask = _mirrored(sky.mask.astype(np.float32), padding) > 0.5
    mask &= _outside(beside.camera, camera, margin)
    zeta = np.full(mask.shape, float(np.nanmax(sky.zeta)) / MARGIN_SHRINK, np.float32)
    normals = np.zeros((*mask.shape, 3), np.float32)
    normals[..., 2] = -1.0
    return Layer(beside.camera, _mirrored(sky.image, padding), zeta, mask, "fill", FILL, normals)


def _padding(camera: Camera, margin: int) -> tuple[int, int, int, int]:
    """Pixels above, below, left, right; the far sides get a few more, so that large pixels come out even."""
    odd_x, odd_y = -camera.width % MARGIN_SHRINK, -camera.height % MARGIN_SHRINK
    return (margin, margin + odd_y, margin, margin + odd_x)


def _margin(camera: Camera) -> int:
    """Pixels past the border that the orbit turns into view at infinity: whole large ones."""
    half = math.atan(0.5 * max(camera.width, camera.height) * camera.inverse_f)
    edge = math.tan(min(half + ANGLE, math.radians(75.0))) - math.tan(half)
    margin = min(math.ceil(edge / max(camera.inverse_f, 1e-12)), min(camera.width, camera.height) - 2)
    return margin // MARGIN_SHRINK * MARGIN_SHRINK


def _outside(wide: Camera, camera: Camera, margin: int) -> Mask:
    """Large pixels that lie past the frame, and those of the overlap."""
    begin = margin // MARGIN_SHRINK + OVERLAP
    end = [begin - 2 * OVERLAP + side // MARGIN_SHRINK for side in (camera.height, camera.width)]
    outside = np.ones((wide.height, wide.width), np.bool_)
    outside[begin : end[0], begin : end[1]] = False
    return outside


def _shrunk(camera: Camera, factor: int) -> Camera:
    """The same view with pixels ``factor`` times larger."""
    ln = math.log(factor)
    return replace(
        camera,
        ln_fx=camera.ln_fx - ln,
        ln_fy=camera.ln_fy - ln,
        cx=camera.cx / factor,
        cy=camera.cy / factor,
        width=camera.width // factor,
        height=camera.height // factor,
    )


def _mirrored(values: F32, padding: tuple[int, int, int, int], method: int = cv2.INTER_AREA) -> F32:
    """Mirrored at the border by (above, below, left, right) pixels, at the margin's resolution."""
    wide = cv2.copyMakeBorder(values, *padding, cv2.BORDER_REFLECT)
    size = (wide.shape[1] // MARGIN_SHRINK, wide.shape[0] // MARGIN_SHRINK)
    return np.asarray(cv2.resize(wide, size, interpolation=method), np.float32)


def _rise(scene: _Scene, padding: tuple[int, int, int, int]) -> F32:
    """How much nearer than its mirror image the ground is below the lower border: [h, 1] parallax."""
    height = scene.near.shape[0]
    part = scene.near[height - height // 6 :]
    slope = float(np.median(np.diff(part, axis=0))) if len(part) > 1 else 0.0
    count = (height + padding[0] + padding[1]) // MARGIN_SHRINK
    rows = (np.arange(count) + 0.5) * MARGIN_SHRINK - padding[0]
    return (2.0 * max(slope, 0.0) * np.maximum(rows - height, 0.0)).astype(np.float32)[:, None]
