"""What lies beside everything that exists, continued from what is seen: the outpainter without weights.

The view is unrolled into its panorama and quilted on from the world's own picture (``panorama``, ``quilting``):
sky goes on as sky, the horizon at its height, and everything stands where its like stands, so that the ground
recedes instead of becoming a wall. Above and below the picture is mirrored, and the ground below comes nearer.
Gaps inside the picture show what is farther, continued. Colours are brought to those at the rim. Owns the
picture, sky and depth of the holes; ``generation.extension`` joins them to the world.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from wonderzoom.generation.depth_registration import fill_from_nearest
from wonderzoom.generation.embedded.chart import places_on
from wonderzoom.generation.embedded.panorama import Panorama
from wonderzoom.generation.embedded.quilting import Move, quilt
from wonderzoom.generation.extension import seen_sky
from wonderzoom.generation.membrane import membrane
from wonderzoom.generation.observation import nodes_of_rows
from wonderzoom.generation.stages import Outpainted, ZoomContext
from wonderzoom.scene_graph.ports import Cancelled, Control

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Key of ``ZoomContext.shared``: True when so much is new that deeper zooms take their detail from this picture.
BESIDE = "beside"
CHART_SHARE = 0.05
# Pieces are chosen on a panorama of about this many rows.
ROWS = 128
# What is this much coarser than the typical pixel here is not copied: fills at the rim of a photo.
COARSE = 1.5
# A node's picture is taken instead of its rendering where they agree, and its pixels are about as large.
AGREE, AGREE_SIGMA = 0.08, 2.0
LIKE_SIZED = (0.6, 1.6)
# Pieces are blended over so many pixels, and toned to the rim over this share of the frame's long side.
FEATHER = 1.5
TONE_REACH, TONE_SIGMA, TONE_RIM = 0.12, 4.0, 10
# Weights of nearness and sky beside colour (Lab / 100) where pieces are compared.
NEAR_WEIGHT, SKY_WEIGHT = 0.5, 0.5
# A gap in the picture is filled from what is at most this much nearer than the farthest around it.
FARTHER, FARTHER_FLAT = 1.15, 4.0  # ratio of nearness; native pixels in a flat view
# Columns with less than this share of the fullest one's known rows say nothing of what is above and below.
WHOLE_COLUMN = 0.6
WINDOW = 24  # pixels: largest reach of that comparison
SKY_ROWS = 0.6  # of the sky's height: its clouds go on above, the skyline does not
SKY_SIGMA = 0.06  # of the long side: what the sky overhead is smoothed by
NEARER = 3.0  # new ground is at most so many times nearer than the nearest thing seen


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What there is to go on from, all of the frame; unknown pixels are like the nearest known one."""

    picture: F32  # [H, W, 3]
    nearness: F64  # [H, W] see ``Panorama``; 0 in the sky
    sky: Mask
    known: Mask
    sharp: Mask  # may be copied


class OutpaintingStage:
    """``stages.Outpainter`` of the embedded generator; holds no state between calls."""

    def outpaint(self, context: ZoomContext, holes: Mask, control: Control) -> Outpainted:
        """The holes filled. Raises Cancelled."""
        observation = context.observation
        root = context.world.root
        camera = observation.camera
        down = np.array([0.0, 1.0, 0.0])
        if root is not None:
            down = camera.rotation @ root.main.camera.rotation.T @ down
        panorama = Panorama.of(camera, down)
        seen = _seen(context, holes, panorama)
        context.shared[BESIDE] = float(holes.mean()) > CHART_SHARE
        control.progress(0.2)
        continued = _Continued.of(seen, panorama)
        if control.cancelled():
            raise Cancelled
        control.progress(0.6)
        image, nearness, sky = continued.painted(seen, panorama)
        inside = holes & continued.inside
        if inside.any():
            image, nearness, sky = _behind(seen, inside, panorama.flat, image, nearness, sky)
        image = np.where(holes[..., None], image, observation.color)
        nearest = nearness
        ground = seen.known & ~seen.sky
        if ground.any():
            low, high = float(seen.nearness[ground].min()), float(seen.nearness[ground].max())
            nearest = np.clip(nearness, low, high + (NEARER - 1.0) * abs(high))
        control.progress(1.0)
        return Outpainted(
            np.clip(image, 0.0, 1.0).astype(np.float32),
            holes & sky,
            panorama.zeta(nearest).astype(np.float32),
        )


def _seen(context: ZoomContext, holes: Mask, panorama: Panorama) -> _Seen:
    observation = context.observation
    known = ~holes & np.isfinite(observation.zeta)
    sky = seen_sky(context.world, observation) & known
    nearness = panorama.nearness(np.where(known, observation.zeta, 0.0))
    nearness = np.where(sky, 0.0, nearness)
    typical = max(1.0, float(np.median(observation.ratio[known])))
    sharp = known & (observation.ratio <= COARSE * typical)
    if not sharp.any():
        sharp = known
    picture = _pictures(context, sharp)

    def spread(values: NDArray[np.floating]) -> F32:
        return fill_from_nearest(np.where(known, values, 0.0).astype(np.float32), known)

    channels = [spread(picture[..., k]) for k in range(3)]
    return _Seen(
        np.stack(channels, -1),
        spread(nearness).astype(np.float64),
        spread(sky.astype(np.float32)) > 0.5,
        known,
        sharp,
    )


def _pictures(context: ZoomContext, sharp: Mask) -> F32:
    """The observation with the nodes' own pictures where they show the same: a rendering is a little softer."""
    observation = context.observation
    names, node = nodes_of_rows(observation.visible)
    owner = np.where(observation.surfel_ids >= 0, node[np.maximum(observation.surfel_ids, 0)], -1)
    result = observation.color.copy()
    zeta = np.nan_to_num(observation.zeta)
    soft = cv2.GaussianBlur(observation.color, (0, 0), AGREE_SIGMA)
    for index, name in enumerate(names):
        mine = sharp & (owner == index)
        view = context.world.node(name).main
        if not mine.any() or view.image is None:
            continue
        places, scale = places_on(view.camera, observation.camera, zeta)
        x, y = (places[..., k] for k in (0, 1))
        inside = (x >= 1) & (y >= 1) & (x < view.camera.width - 1) & (y < view.camera.height - 1)
        mine &= inside & (scale > LIKE_SIZED[0]) & (scale < LIKE_SIZED[1])
        sampled = _sampled(view.image.astype(np.float32) / 255.0, x, y, cv2.INTER_CUBIC)
        off = np.abs(cv2.GaussianBlur(sampled, (0, 0), AGREE_SIGMA) - soft).max(-1)
        result = np.where((mine & (off < AGREE))[..., None], np.clip(sampled, 0.0, 1.0), result)
    return result.astype(np.float32)


def _sampled(values: F32, x: F64, y: F64, method: int) -> F32:
    """``values`` at continuous pixels (centres at 0.5); the border goes on outside, NaN is the border."""
    u = np.nan_to_num(x - 0.5, nan=-1.0).clip(-1e4, 1e4).astype(np.float32)
    v = np.nan_to_num(y - 0.5, nan=-1.0).clip(-1e4, 1e4).astype(np.float32)
    return np.asarray(cv2.remap(values, u, v, method, borderMode=cv2.BORDER_REPLICATE), np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class _Continued:
    """Where every pixel of the frame takes its content from."""

    labels: NDArray[np.int32]  # [H, W] index into ``moves``; the last one leaves pixels where they are
    moves: list[Move]
    step: int  # panorama pixels per unit of the moves
    x: F64  # [H, W] panorama pixels
    y: F64
    inner_y: F64  # [H, W] y mirrored into what is seen above and below
    rise: float  # nearness of the ground per panorama pixel downward
    lean: float  # and sideways; 0 but in a flat view
    inside: Mask  # [H, W] the picture goes on at both sides
    above: F64  # [H, W] how far above the picture, in what is mirrored there

    @staticmethod
    def of(seen: _Seen, panorama: Panorama) -> _Continued:
        step = max(1, round(panorama.height / ROWS))
        width, height = math.ceil(panorama.width / step), math.ceil(panorama.height / step)
        v, u = (np.mgrid[:height, :width] + 0.5) * step
        frame_x, frame_y = panorama.to_frame(u, v)

        def unrolled(values: NDArray[np.floating], outside: float) -> F32:
            soft = np.asarray(cv2.blur(np.asarray(values, np.float32), (step, step)), np.float32)
            found = _sampled(soft, frame_x, frame_y, cv2.INTER_LINEAR)
            shape = seen.known.shape
            with np.errstate(invalid="ignore"):
                there = (frame_x >= 0) & (frame_x <= shape[1]) & (frame_y >= 0) & (frame_y <= shape[0])
            return np.where(there if found.ndim == 2 else there[..., None], found, outside).astype(np.float32)

        known = unrolled(seen.known.astype(np.float32), 0.0) > 0.9
        sharp = known & (unrolled(seen.sharp.astype(np.float32), 0.0) > 0.9)
        if not sharp.any():
            sharp = known
        nearness = unrolled(seen.nearness, 0.0)
        sky = unrolled(seen.sky.astype(np.float32), 0.0)
        lab = cv2.cvtColor(np.clip(unrolled(seen.picture, 0.0), 0.0, 1.0), cv2.COLOR_RGB2LAB) / 100.0
        span = float(np.quantile(np.abs(nearness[known]), 0.95)) if known.any() else 1.0
        others = [NEAR_WEIGHT * nearness / max(span, 1e-9), SKY_WEIGHT * sky]
        features = np.concatenate([lab, np.stack(others, -1)], -1).astype(np.float32)
        top, bottom = _extents(known)
        sky_bottom = _sky_below(known, sky > 0.5, top, bottom)
        rows = np.arange(height)[:, None]
        wanted = ~known & (rows >= np.floor(top)[None]) & (rows <= np.ceil(bottom)[None])
        found = quilt(features, known, sharp, wanted)
        stay = len(found.moves)
        labels = np.where(known, stay, found.labels)
        labels = fill_from_nearest(labels.astype(np.float32), labels >= 0).astype(np.int32)
        x, y = panorama.from_frame(panorama.camera.pixel_centres())
        column = np.clip(x / step - 0.5, 0.0, width - 1.0)
        first = np.interp(column, np.arange(width), top) * step
        last = (np.interp(column, np.arange(width), bottom) + 1.0) * step
        horizon = np.interp(column, np.arange(width), sky_bottom) * step
        inner_y = np.where(y < first, _mirrored(y, first, horizon), _mirrored(y, first, last))
        cell = (
            np.clip((inner_y / step).astype(np.int64), 0, height - 1),
            np.clip((x / step).astype(np.int64), 0, width - 1),
        )
        lean, rise = _slopes(nearness, known & (sky < 0.5), panorama.flat)
        gaps = ~known & (found.labels < 0) & wanted
        return _Continued(
            labels[cell], [*found.moves, Move(1, 0.0)], step, x, y, inner_y, rise / step, lean / step,
            gaps[cell] & (y == inner_y), np.clip((first - y) / np.maximum(horizon - first, 1.0), 0.0, 1.0),
        )  # fmt: skip

    def sources(self, move: Move) -> tuple[F64, F64]:
        """Where the frame's pixels would take their content from by one move, in panorama pixels."""
        return move.source(self.x, self.inner_y, self.step)

    def painted(self, seen: _Seen, panorama: Panorama) -> tuple[F32, F64, Mask]:
        """Picture, nearness and sky of the whole frame."""
        image = np.zeros_like(seen.picture)
        total = np.zeros(self.labels.shape, np.float32)
        nearness, sky = np.zeros(self.labels.shape), np.zeros(self.labels.shape, np.bool_)
        for label, move in enumerate(self.moves):
            here = self.labels == label
            if not here.any():
                continue
            x, y = self.sources(move)
            u, v = panorama.to_frame(x, y)
            weight = cv2.GaussianBlur(here.astype(np.float32), (0, 0), FEATHER)
            sampled = _sampled(seen.picture, u, v, cv2.INTER_CUBIC)
            tone = self._tone(seen, label, sampled, u, v)
            image += weight[..., None] * (sampled + tone)
            total += weight
            near = _sampled(seen.nearness.astype(np.float32), u, v, cv2.INTER_NEAREST).astype(np.float64)
            above = _sampled(seen.sky.astype(np.float32), u, v, cv2.INTER_NEAREST) > 0.5
            down = np.where(self.y > self.inner_y, self.y - y, self.inner_y - y)
            if panorama.flat:
                near = near + self.rise * (self.y - y) + self.lean * (self.x - x)
            else:
                near = near + self.rise * down
            nearness = np.where(here, near, nearness)
            sky = np.where(here, above, sky)
        image /= np.maximum(total, 1e-6)[..., None]
        heaven = seen.known & seen.sky
        if heaven.any():  # overhead there are no shapes that anyone would recognise below
            smooth = membrane(seen.picture, heaven)
            smooth = cv2.GaussianBlur(smooth, (0, 0), SKY_SIGMA * max(sky.shape))
            share = (self.above * sky)[..., None]
            image += share * share * (3.0 - 2.0 * share) * (smooth - image)
        return image.astype(np.float32), nearness, sky

    def _tone(self, seen: _Seen, label: int, sampled: F32, u: F64, v: F64) -> F32:
        """What a piece lacks in colour at the rim of what is seen; fades out away from it."""
        here = (self.labels == label) & ~seen.known
        window = np.ones((2 * TONE_RIM + 1,) * 2, np.uint8)
        there = _sampled(seen.known.astype(np.float32), u, v, cv2.INTER_NEAREST) > 0.5
        rim = seen.known & there & (cv2.dilate(here.astype(np.uint8), window) > 0)
        if label == len(self.moves) - 1 or not rim.any():
            return np.zeros_like(sampled)
        lacks = cv2.GaussianBlur((seen.picture - sampled) * rim[..., None], (0, 0), TONE_SIGMA)
        mass = cv2.GaussianBlur(rim.astype(np.float32), (0, 0), TONE_SIGMA)
        lacks = np.where(rim[..., None], lacks / np.maximum(mass, 1e-3)[..., None], 0.0)
        distance = cv2.distanceTransform((~rim).astype(np.uint8), cv2.DIST_L2, 5)
        fade = np.exp(-distance / (TONE_REACH * max(rim.shape)))[..., None]
        return (membrane(lacks, rim) * fade).astype(np.float32)


def _extents(known: Mask) -> tuple[F64, F64]:
    """First and last known row of every column, smooth; where nothing is known those of the nearest column."""
    height, width = known.shape
    rows = np.arange(height)[:, None]
    first = np.where(known, rows, height).min(0).astype(np.float64)
    last = np.where(known, rows, -1).max(0).astype(np.float64)
    count = known.sum(0)
    there = np.flatnonzero(count > WHOLE_COLUMN * count.max())
    if not len(there):
        return np.zeros(width), np.full(width, height - 1.0)
    nearest = there[np.abs(np.arange(width)[:, None] - there[None]).argmin(1)]
    size = max(3, width // 10)
    # Flowers that stand in the border and leaves that hang over it are no border.
    first = ndimage.percentile_filter(first[nearest], 75, size, mode="nearest")
    last = ndimage.percentile_filter(last[nearest], 25, size, mode="nearest")
    soft = 0.25 * size
    return (
        np.asarray(ndimage.gaussian_filter1d(first, soft, mode="nearest"), np.float64),
        np.asarray(ndimage.gaussian_filter1d(last, soft, mode="nearest"), np.float64),
    )


def _sky_below(known: Mask, sky: Mask, top: F64, bottom: F64) -> F64:
    """The row of every column down to which the upper border is mirrored: of the sky only, where it is on top."""
    columns = np.arange(len(top))
    row = np.clip(np.ceil(top).astype(np.int64) + 1, 0, len(known) - 1)
    if not (sky & known)[row, columns].mean() > 0.5:
        return bottom
    depth = np.argmin(np.where(np.arange(len(known))[:, None] < row[None], True, sky & known), 0)
    clear = depth[(sky & known)[row, columns]] - top[(sky & known)[row, columns]]
    return top + max(2.0, SKY_ROWS * float(np.median(clear)))


def _mirrored(y: F64, first: F64, last: F64) -> F64:
    """Rows mirrored into [first, last] as often as it takes."""
    span = np.maximum(last - first, 1.0)
    phase = np.mod(y - first, 2.0 * span)
    inner = first + np.minimum(phase, 2.0 * span - phase)
    return np.where((y >= first) & (y <= last), y, inner)


def _slopes(nearness: F32, ground: Mask, flat: bool) -> tuple[float, float]:
    """How nearness changes per pixel to the right and down: the trend of a flat view, the ground of another."""
    height = len(ground)
    if flat:
        rows, columns = np.nonzero(ground)
        if len(rows) < 16:
            return 0.0, 0.0
        plane = np.stack([columns, rows, np.ones(len(rows))], -1).astype(np.float64)
        values = nearness[rows, columns].astype(np.float64)
        weight = np.ones(len(rows))
        fit = np.zeros(3)
        for _ in range(4):
            fit = np.linalg.lstsq(plane * weight[:, None], values * weight, rcond=None)[0]
            off = np.abs(values - plane @ fit)
            weight = 1.0 / np.sqrt(1.0 + (off / max(float(np.median(off)), 1e-6)) ** 2)
        return float(fit[0]), float(fit[1])
    low = int(np.flatnonzero(ground.any(1))[-1]) + 1 if ground.any() else height
    part = np.s_[max(0, low - height // 4) : low]
    both = ground[part][1:] & ground[part][:-1]
    step = np.diff(nearness[part].astype(np.float64), axis=0)[both]
    return 0.0, max(0.0, float(np.median(step))) if len(step) else 0.0


def _behind(
    seen: _Seen, gaps: Mask, flat: bool, image: F32, nearness: F64, sky: Mask
) -> tuple[F32, F64, Mask]:
    """Gaps inside the picture: what is farther goes on behind what is nearer."""
    width = max(1.0, float(cv2.distanceTransform(gaps.astype(np.uint8), cv2.DIST_L2, 5).max()))
    reach = min(WINDOW, math.ceil(2.0 * width) + 2)
    window = np.ones((2 * reach + 1,) * 2, np.uint8)
    far = cv2.erode(np.where(seen.known, seen.nearness, 1e9).astype(np.float32), window)
    limit = far + FARTHER_FLAT if flat else FARTHER * far + 1e-6
    seeds = seen.known & (seen.nearness <= limit)
    both = np.concatenate([seen.picture, seen.nearness[..., None].astype(np.float32)], -1)
    filled = membrane(both, seeds)
    _, found = cv2.distanceTransformWithLabels(
        (~seeds).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    place = np.zeros((int(found.max()) + 1, 2), np.int64)
    place[np.asarray(found, np.int64)[seeds]] = np.argwhere(seeds)
    rows, columns = np.nonzero(gaps)
    nearest = place[np.asarray(found, np.int64)[rows, columns]]
    row = np.clip(2 * nearest[:, 0] - rows, 0, gaps.shape[0] - 1)
    column = np.clip(2 * nearest[:, 1] - columns, 0, gaps.shape[1] - 1)
    texture = seen.picture - cv2.GaussianBlur(seen.picture, (0, 0), TONE_SIGMA)
    fine = np.where(seeds[row, column][:, None], texture[row, column], 0.0)
    image, nearness, sky = image.copy(), nearness.copy(), sky.copy()
    image[rows, columns] = filled[rows, columns, :3] + fine
    nearness[rows, columns] = filled[rows, columns, 3]
    sky[rows, columns] = seen.sky[nearest[:, 0], nearest[:, 1]]
    return image, nearness, sky
