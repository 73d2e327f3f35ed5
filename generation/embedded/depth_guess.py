"""Depth of a photo from what pictures have in common, where no model and no map is at hand.

Two kinds of picture. *Landscape* (there is sky): the ground is a plane below a standing person's eye, which
gives metres, and what stands on it has the depth of its foot. *Object* (no sky): what is lower, and what the
picture's border does not lead to, is nearer; the range is small, since most such pictures are of things at
arm's length. Both answers are smooth inside surfaces and step at their outlines. Owns these rules; it is a
guess that gives a convincing, gentle parallax and claims no more.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse import csgraph

from wonderzoom.generation.depth_registration import fill_from_nearest, guided_filter
from wonderzoom.generation.embedded.features import Features, blurred
from wonderzoom.generation.embedded.segments import Segments, segments_of

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

# ---- landscape: metres
EYE_HEIGHT = 1.6  # of a standing person's camera
FARTHEST = 400.0  # beyond, nothing moves visibly when a person does
HORIZON_RANGE = (0.12, 0.75)  # of the height; a horizon outside of it is a mistake of the sky
SKYLINE_SHARE = 0.7  # quantile over columns of the sky's lower end: above it stand trees and hills
STANDING = 0.85  # how far a standing piece leaves the ground plane
SKYLINE = 0.012  # inverse depth, of the nearest, of what stands against the sky far away
LOFTY_WIDTH = 0.3  # of the picture: wider pieces above the horizon are hills
STACKED = 4  # pieces that may stand on each other: crown, branch, trunk
PART = 0.04  # of a thing's pixels from which a piece is part of it
BIG = 0.12  # share of the picture from which a piece is ground or wall rather than a thing
# ---- object: metres
ARM_LENGTH = 0.5  # median depth
NEAR_TO_FAR = 2.4  # ratio of depths over the picture
LOWER, SALIENT, ROUND, CRISP, BRIGHT = 0.38, 0.34, 0.12, 0.05, 0.04  # weights of the cues
SALIENCY_SIDE = 180  # pixels: long side of the grid that paths from the border are found on
ISLANDS = 15  # of those pixels: window of a median, twice the width of the largest island it takes away
# ---- both
RELIEF = 0.012  # of depth: bright bumps stand out by this much
STEP = 0.015  # of the nearest inverse depth: what rises more within three pixels is an edge ...
PLANE_STEP = 5.0  # ... or this many rows of the ground plane, in small pictures
SLOPE_WIDTH = 9  # pixels: filters make slopes of about six


@dataclass(frozen=True, slots=True)
class Guess:
    """Depth in metres along the optical axis (the sky's own value means nothing), and how it was found."""

    depth: F32  # [H, W] > 0
    mode: str  # "landscape" or "object"


def guess_depth(image: F32, features: Features, sky: Mask, focal: float) -> Guess:
    """Depth of a picture [H, W, 3] taken with a focal length in pixels."""
    if sky.any():
        depth, mode = _landscape(image, features, sky, focal), "landscape"
    else:
        depth, mode = _object(image, features), "object"
    bumps = blurred(features.luminance, 1.0) - blurred(features.luminance, 6.0)
    depth = depth * (1.0 - RELIEF * np.clip(3.0 * bumps, -1.0, 1.0))
    return Guess(depth.astype(np.float32), mode)


def stepped(nearness: F32, step: float = STEP) -> F32:
    """Steep slopes turned into steps: every pixel of one takes the nearer in value of its two ends.

    ``nearness`` is inverse depth over its largest value. A slope would become a rubber sheet when the camera
    moves; a step is filled by what lies behind it. Inverse depth is what the eye sees move: a ground plane is
    linear in it, so no plane is taken for a slope, however near the horizon.
    """
    small, large = np.ones((3, 3), np.uint8), np.ones((SLOPE_WIDTH, SLOPE_WIDTH), np.uint8)
    steep = cv2.dilate(nearness, small) - cv2.erode(nearness, small) > step
    near, far = cv2.dilate(nearness, large), cv2.erode(nearness, large)
    return np.where(steep, np.where(near - nearness < nearness - far, near, far), nearness)


# ---- landscape ----------------------------------------------------------------------------------
def horizon_of(sky: Mask) -> float:
    """Row of the horizon: where most columns' sky ends."""
    height = sky.shape[0]
    ends = height - np.argmax(sky[::-1], 0).astype(np.float64)
    ends = ends[sky.any(0)]
    low, high = HORIZON_RANGE
    return float(np.clip(np.quantile(ends, SKYLINE_SHARE), low * height, high * height))


def _landscape(image: F32, features: Features, sky: Mask, focal: float) -> F64:
    height, width = sky.shape
    horizon = horizon_of(sky)
    nearest = EYE_HEIGHT * focal / (height - horizon)
    rows = np.broadcast_to(np.arange(height)[:, None] + 0.5, sky.shape)
    # Inverse depth of a plane is linear in the row: 0 at the horizon, 1 at the lower edge.
    plane = np.clip((rows - horizon) / (height - horizon), 0.0, 1.0)
    standing, target = _standing(segments_of(image), plane, sky, horizon)
    inverse = plane * (1.0 - standing) + target * standing
    # What stands against the sky is a little nearer than the horizon behind it.
    inverse = np.where(~sky & (rows < horizon), np.maximum(inverse, SKYLINE), inverse)
    # The sky takes no part: filters would pull the depth of thin things toward it.
    inverse = fill_from_nearest(inverse.astype(np.float32), ~sky)
    smooth = guided_filter(features.luminance, inverse, max(3, width // 110), 2e-4)
    step = max(STEP, PLANE_STEP / (height - horizon))
    nearness = stepped(np.clip(smooth, 0.0, 1.2).astype(np.float32), step)
    return 1.0 / (nearness / nearest + 1.0 / FARTHEST)


def _standing(pieces: Segments, plane: F64, sky: Mask, horizon: float) -> tuple[F64, F64]:
    """How much each pixel belongs to a thing that stands up, and that thing's inverse depth: [H, W] both."""
    height, width = sky.shape
    labels, count = pieces.labels, len(pieces.area)
    tall = (pieces.bottom - pieces.top).astype(np.float64)
    compact = pieces.area / np.maximum(tall * pieces.width, 1.0)
    stands = np.clip(0.8 * tall / np.maximum(pieces.width, 1) - 0.2, 0.0, 1.0)
    stands *= np.clip(2.0 * compact - 0.3, 0.0, 1.0) * np.where(pieces.area > BIG * sky.size, 0.2, 1.0)
    foot = np.clip((pieces.bottom - horizon) / (height - horizon), 0.0, 1.0)
    middle = np.bincount(labels.ravel(), plane.ravel(), count) / np.maximum(pieces.area, 1.0)
    target = 0.55 * foot + 0.45 * middle  # the foot may be a shadow or a neighbour: meet it half way
    # Against the sky a thing's upper parts have no foot of their own: they stand on the part below.
    above = np.bincount(labels.ravel(), sky.ravel(), count) > 0.5 * pieces.area
    lofty = (pieces.top < horizon) & (pieces.width < LOFTY_WIDTH * width) & ~above
    upper, lower = labels[:-1], labels[1:]
    touch = upper != lower
    pairs = np.unique(np.stack([upper[touch], lower[touch]], -1), axis=0)
    for _ in range(STACKED):
        carried = (
            (stands[pairs[:, 1]] > 0.3) & lofty[pairs[:, 0]] & (target[pairs[:, 1]] > target[pairs[:, 0]])
        )
        up, down = pairs[carried, 0], pairs[carried, 1]
        best = np.zeros(count)
        np.maximum.at(best, up, target[down])
        taken = best > 0
        target = np.where(taken, best, target)
        stands = np.where(taken, np.maximum(stands, 0.9), stands)
    weight, depth = (STANDING * stands)[labels], target[labels]
    return _upright(pieces, stands, weight, depth, sky, horizon)


def _upright(
    pieces: Segments, stands: F64, weight: F64, depth: F64, sky: Mask, horizon: float
) -> tuple[F64, F64]:
    """Narrow things against the sky (masts, trees) in one depth: that of their nearest part that stands."""
    above = ~sky
    above[round(horizon) :] = False
    count, things, boxes, _ = cv2.connectedComponentsWithStats(above.astype(np.uint8))
    narrow = boxes[:, cv2.CC_STAT_WIDTH] < LOFTY_WIDTH * sky.shape[1]
    narrow[0] = False
    # Parts of a thing: pieces of which it has enough pixels; rows of (thing, piece).
    shared = np.bincount((things * len(stands) + pieces.labels).ravel(), minlength=count * len(stands))
    part = shared.reshape(count, len(stands)) > PART * np.maximum(boxes[:, cv2.CC_STAT_AREA], 1)[:, None]
    foot = np.bincount(pieces.labels.ravel(), depth.ravel(), len(stands)) / np.maximum(pieces.area, 1.0)
    nearest = np.where(part & (stands > 0.3), foot, 0.0).max(1)
    nearest = np.where(narrow, nearest, 0.0)
    # What their parts have below the horizon belongs to them too.
    below = np.where(part & (stands > 0.3), nearest[:, None], 0.0).max(0)[pieces.labels]
    found = np.maximum(nearest[np.asarray(things, np.int64)], below)
    return np.where(found > 0, 1.0, weight), np.where(found > 0, found, depth)


# ---- object -------------------------------------------------------------------------------------
def _object(image: F32, features: Features) -> F64:
    height, width = features.luminance.shape
    rows = np.broadcast_to((np.arange(height)[:, None] + 0.5) / height, (height, width))
    salient = guided_filter(features.luminance, _saliency(image), max(3, width // 60), 1e-3)
    salient = np.clip(salient, 0.0, 1.0)
    inside = (salient > np.clip(1.15 * salient.mean(), 0.2, 0.7)).astype(np.uint8)
    depth_inside = cv2.distanceTransform(np.pad(inside, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    dome = np.sqrt(np.clip(depth_inside / max(float(depth_inside.max()), 1.0), 0.0, 1.0))
    dome = blurred(dome.astype(np.float32), width / 60)
    sharp = blurred(features.sharpness, width / 25)  # of whole things: a printed badge is no bump
    sharp = np.clip((sharp - sharp.mean()) / (sharp.std() + 1e-6), -2.0, 2.0) / 2.0
    nearness = (
        LOWER * rows**1.2
        + SALIENT * salient
        + ROUND * dome
        + CRISP * sharp
        + BRIGHT * (blurred(features.luminance, width / 50) - 0.5)
    )
    nearness = guided_filter(features.luminance, nearness.astype(np.float32), max(3, width // 45), 1e-3)
    low, high = np.percentile(nearness, [1.0, 99.5])
    share = np.clip((nearness - low) / max(float(high - low), 1e-6), 0.0, 1.1)
    far = 1.0 / NEAR_TO_FAR
    depth = 1.0 / stepped((far + (1.0 - far) * share).astype(np.float32))
    return np.asarray(depth * (ARM_LENGTH / float(np.median(depth))), np.float64)


def _saliency(image: F32) -> F32:
    """How hard it is to get to a pixel from the picture's border without crossing outlines: 0..1, [H, W]."""
    height, width = image.shape[:2]
    ratio = min(1.0, SALIENCY_SIDE / max(height, width))
    size = (max(2, round(width * ratio)), max(2, round(height * ratio)))
    small = cv2.resize(np.ascontiguousarray(image, np.float32), size, interpolation=cv2.INTER_AREA)
    lab = np.asarray(
        cv2.cvtColor(cv2.bilateralFilter(small, 7, 0.12, 5.0), cv2.COLOR_RGB2LAB) / 100.0, np.float32
    )
    gx, gy = cv2.Sobel(lab, cv2.CV_32F, 1, 0), cv2.Sobel(lab, cv2.CV_32F, 0, 1)
    slope = np.sqrt((gx * gx + gy * gy).sum(-1)) / 8.0
    cost = np.maximum(slope - np.percentile(slope, 30), 0.0) + 0.002
    distance = _distances(cost.astype(np.float64))
    distance = np.clip(distance / max(float(np.percentile(distance, 98)), 1e-9), 0.0, 1.0)
    # An island inside a thing (a button, an eye) is enclosed once more than the thing, but not nearer.
    distance = np.asarray(cv2.medianBlur((distance * 255.0).astype(np.uint8), ISLANDS), np.float32) / 255.0
    return np.asarray(cv2.resize(distance, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _distances(cost: F64) -> F64:
    """Least cost [h, w] of a path to each pixel from the upper edge or the upper four fifths of the sides."""
    height, width = cost.shape
    index = np.arange(height * width).reshape(height, width)
    starts, ends, weights = [], [], []
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        here = np.s_[: height - dy, max(0, -dx) : width - max(0, dx)]
        there = np.s_[dy:, max(0, dx) : width + min(0, dx)]
        starts.append(index[here].ravel())
        ends.append(index[there].ravel())
        weights.append((0.5 * np.hypot(dy, dx) * (cost[here] + cost[there])).ravel())
    graph = sparse.coo_matrix(
        (np.concatenate(weights), (np.concatenate(starts), np.concatenate(ends))),
        shape=(index.size, index.size),
    ).tocsr()
    sides = index[: max(1, int(0.8 * height))]
    border = np.unique(np.concatenate([index[0], sides[:, 0], sides[:, -1]]))
    found = csgraph.dijkstra(graph, directed=False, indices=border, min_only=True)
    return np.asarray(found, np.float64).reshape(height, width)
