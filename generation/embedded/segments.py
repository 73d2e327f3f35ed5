"""Pieces of a photo that look like one thing: watershed basins, merged as Felzenszwalb and Huttenlocher do.

Owns: the pieces and their boxes. Does not own: what a piece is. The watershed makes a few thousand seeds of a
hundred pixels, so that the merging, whose rule adapts to how varied each piece is inside, has little to do.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.depth_registration import fill_from_nearest

F32 = NDArray[np.float32]

# Long side of the copy that pieces are found on: what matters for depth is larger than a few of its pixels.
WORKING_SIDE = 384
SMOOTHING = 0.8  # pixels: sensor noise is no border
# A border must exceed the inner variation of both pieces by SCALE / size (Lab units over pixels).
SCALE = 900.0
SMALLEST = 40  # pixels: smaller ones join their most similar neighbour


@dataclass(frozen=True, slots=True, eq=False)
class Segments:
    """P pieces of a picture [H, W]; rows and columns in its pixels."""

    labels: NDArray[np.int32]  # [H, W] 0 .. P - 1
    area: NDArray[np.float64]  # [P]
    top: NDArray[np.int64]  # [P] first row
    bottom: NDArray[np.int64]  # [P] row after the last one
    width: NDArray[np.int64]  # [P] columns of the box


def segments_of(image: F32) -> Segments:
    """The pieces of an sRGB picture [H, W, 3] in [0, 1]."""
    height, width = image.shape[:2]
    ratio = min(1.0, WORKING_SIDE / max(height, width))
    size = (max(2, round(width * ratio)), max(2, round(height * ratio)))
    small = cv2.resize(np.ascontiguousarray(image, np.float32), size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), SMOOTHING)
    lab = np.asarray(cv2.cvtColor(np.clip(small, 0.0, 1.0), cv2.COLOR_RGB2LAB), np.float32)
    slope = _slope(lab)
    pieces = _merged(lab, slope, _superpixels(slope))
    labels = cv2.resize(pieces.astype(np.float32), (width, height), interpolation=cv2.INTER_NEAREST).astype(
        np.int32
    )
    names, labels = np.unique(labels, return_inverse=True)
    labels = labels.reshape(height, width).astype(np.int32)
    return _measured(labels, len(names))


def _measured(labels: NDArray[np.int32], count: int) -> Segments:
    rows, columns = np.indices(labels.shape)
    flat = labels.ravel()
    top, left = np.full(count, labels.shape[0]), np.full(count, labels.shape[1])
    bottom, right = np.zeros(count, np.int64), np.zeros(count, np.int64)
    np.minimum.at(top, flat, rows.ravel())
    np.maximum.at(bottom, flat, rows.ravel() + 1)
    np.minimum.at(left, flat, columns.ravel())
    np.maximum.at(right, flat, columns.ravel() + 1)
    return Segments(labels, np.bincount(flat, minlength=count).astype(np.float64), top, bottom, right - left)


def _slope(lab: F32) -> F32:
    """Colour gradient [h, w]."""
    gx = cv2.Sobel(lab, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    gy = cv2.Sobel(lab, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    return cv2.GaussianBlur(np.sqrt((gx * gx + gy * gy).sum(-1)), (0, 0), 1.0)


def _superpixels(slope: F32) -> NDArray[np.int64]:
    """Basins of the colour gradient: labels [h, w] 0 and up."""
    # Rounded, so that plateaus are one minimum; a sixteenth of a Lab step is not visible.
    rounded = np.rint(slope * 16.0).astype(np.float32)
    lowest = (cv2.erode(rounded, np.ones((5, 5), np.uint8)) >= rounded).astype(np.uint8)
    _, markers = cv2.connectedComponents(lowest)
    picture = cv2.cvtColor(np.clip(slope * 16.0, 0, 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
    basins = cv2.watershed(picture, markers.astype(np.int32))
    # Watershed leaves lines of -1 between basins and along the border.
    basins = fill_from_nearest(basins.astype(np.float32), basins > 0)
    _, labels = np.unique(basins, return_inverse=True)
    return labels.reshape(basins.shape)


def _merged(lab: F32, slope: F32, labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Superpixels joined while the step between them is no larger than what each contains already."""
    count = int(labels.max()) + 1
    size = np.bincount(labels.ravel(), minlength=count).astype(np.float64)
    # Colours at an outline are mixed: a piece is what it is away from them.
    pure = 1.0 / (0.2 + slope.astype(np.float64) ** 2)
    total = np.bincount(labels.ravel(), pure.ravel(), count)
    mean = np.stack(
        [np.bincount(labels.ravel(), (lab[..., c] * pure).ravel(), count) / total for c in range(3)], -1
    )
    pairs = np.concatenate(
        [
            np.stack([labels[:, :-1].ravel(), labels[:, 1:].ravel()], -1),
            np.stack([labels[:-1].ravel(), labels[1:].ravel()], -1),
        ]
    )
    pairs = np.unique(np.sort(pairs[pairs[:, 0] != pairs[:, 1]], 1), axis=0)
    step = np.linalg.norm(mean[pairs[:, 0]] - mean[pairs[:, 1]], axis=1)
    order = np.argsort(step, kind="stable")
    parent = list(range(count))
    limit = [SCALE / s for s in size.tolist()]
    area = size.tolist()

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    edges = [(int(pairs[k, 0]), int(pairs[k, 1]), float(step[k])) for k in order.tolist()]
    for a, b, weight in edges:
        a, b = root(a), root(b)
        if a != b and weight <= limit[a] and weight <= limit[b]:
            parent[b] = a
            area[a] += area[b]
            limit[a] = weight + SCALE / area[a]
    for a, b, _ in edges:
        a, b = root(a), root(b)
        if a != b and min(area[a], area[b]) < SMALLEST:
            parent[b] = a
            area[a] += area[b]
    roots = np.array([root(i) for i in range(count)])
    return roots[labels]
