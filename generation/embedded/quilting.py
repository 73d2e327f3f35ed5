"""Where each pixel beside a picture takes its content from: pieces of the picture, moved sideways or mirrored.

Image quilting (Efros and Freeman 2001) in one direction: the piece that fits best what is there is laid beside
it, and where two laid pieces overlap they are cut along the path on which they differ least. Directly at a sharp
border the picture is mirrored, which no other piece can match there. Works on small pictures of features; owns
the choice of the pieces and the cuts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]
Labels = NDArray[np.int32]

# Shares of the panorama's width: what is compared, how wide a piece is, how far a sharp border is mirrored.
OVERLAP, PIECE, MIRROR = 0.09, 0.3, 0.13
NARROWEST = 3  # pixels of a piece
# Pieces may come from a little higher or lower (pixels), if they fit better by this much.
RISE, RISE_COST = 2, 0.1
# The same piece again is recognised, and so is a mirror image of the whole: only if there is no other, and
# mirrored pieces and others take turns as long as they can.
SAME = 0.06  # share of the width: moves that differ by less are the same piece
# Of a piece's pixels, those that the picture has to have.
THERE = 0.97
MOST_PIECES = 24


@dataclass(frozen=True, slots=True)
class Move:
    """Content at (x, y) comes from (sign x + across + slant y, y + rise); pixel centres at 0.5."""

    sign: int  # 1, or -1 mirrored
    across: float
    slant: float = 0.0
    rise: float = 0.0

    def source(self, x: NDArray[np.floating], y: NDArray[np.floating], scale: float = 1.0) -> tuple[F64, F64]:
        """Where content comes from, in pixels ``scale`` times smaller."""
        return (
            np.asarray(self.sign * x + scale * self.across + self.slant * y, np.float64),
            np.asarray(y + scale * self.rise, np.float64),
        )

    def flipped(self, width: int) -> Move:
        """The same in a picture that is mirrored as a whole."""
        return Move(self.sign, width * (1 - self.sign) - self.across, -self.slant, self.rise)


@dataclass(frozen=True, slots=True, eq=False)
class Quilt:
    """Pieces beside a picture."""

    labels: Labels  # [h, w] index into ``moves``; -1 where the picture itself is, or nothing
    moves: list[Move]


def quilt(features: F32, known: Mask, sharp: Mask, wanted: Mask) -> Quilt:
    """Pieces for ``wanted`` pixels [h, w] left and right of the known ones.

    ``features`` [h, w, K] of the known part; pieces are taken from its ``sharp`` part.
    """
    labels = np.full(known.shape, -1, np.int32)
    moves: list[Move] = []
    columns = np.arange(known.shape[1])
    last = np.asarray(np.where(known, columns, -1).max(1), np.int64)
    for mirrored in (False, True):
        if mirrored:
            first = np.where(known, columns, known.shape[1]).min(1)
            side = wanted & (columns[None] < first[:, None]) & known.any(1, keepdims=True)
        else:
            side = wanted & (columns[None] > last[:, None]) & (last[:, None] >= 0)
        if not side.any():
            continue
        arrays = [features, known, sharp, side]
        if mirrored:
            arrays = [np.ascontiguousarray(each[:, ::-1]) for each in arrays]
        found = _to_the_right(arrays[0], arrays[1], arrays[2], arrays[3])
        chosen = found.labels[:, ::-1] if mirrored else found.labels
        labels = np.where(chosen >= 0, chosen + len(moves), labels).astype(np.int32)
        moves += [move.flipped(known.shape[1]) if mirrored else move for move in found.moves]
    return Quilt(labels, moves)


def _to_the_right(features: F32, known: Mask, sharp: Mask, wanted: Mask) -> Quilt:
    height, width = known.shape
    pictured, filled = features.copy(), known.copy()
    labels = np.full(known.shape, -1, np.int32)
    moves: list[Move] = []
    columns = np.broadcast_to(np.arange(width), known.shape)
    overlap = max(NARROWEST, round(OVERLAP * width))
    while (wanted & ~filled).any() and len(moves) < MOST_PIECES:
        rows = np.flatnonzero((wanted & ~filled).any(1))
        front = np.where(filled, columns, -1).max(1) + 1
        border = filled & (columns >= (front - overlap)[:, None]) & (front > 0)[:, None]
        border[np.setdiff1d(np.arange(height), rows)] = False
        begin = int(np.median(front[rows]))
        at_picture = not moves
        if at_picture and float(sharp[border].mean()) > 0.5:
            move, piece = _mirror(front, rows), max(NARROWEST, round(MIRROR * width))
        else:
            move, piece = _best(pictured, features, sharp, wanted & ~filled, border, begin, moves)
        new = wanted & ~filled & (columns < max(begin + piece, int(front[rows].min()) + NARROWEST))
        taken, there = _taken(features, sharp, move)
        if not at_picture:
            new |= _cut(pictured, taken, there, border & (labels >= 0), front)
        labels[new] = len(moves)
        pictured[new], filled = taken[new], filled | new
        moves.append(move)
    return Quilt(labels, moves)


def _mirror(front: NDArray[np.int64], rows: NDArray[np.int64]) -> Move:
    """Reflection at the border, a straight line through it."""
    y = rows + 0.5
    slant, offset = np.polyfit(y, front[rows].astype(np.float64), 1) if len(rows) > 8 else (0.0, 0.0)
    if len(rows) <= 8 or abs(slant) > 1.0:
        slant, offset = 0.0, float(np.median(front[rows]))
    return Move(-1, 2.0 * float(offset), 2.0 * float(slant))


def _indices(move: Move, shape: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    y, x = np.mgrid[: shape[0], : shape[1]] + 0.5
    across, down = move.source(x, y)
    return np.floor(across).astype(np.int64), np.floor(down).astype(np.int64)


def _taken(features: F32, sharp: Mask, move: Move) -> tuple[F32, Mask]:
    """What a move brings everywhere, and where there is something to bring."""
    height, width = sharp.shape
    x, y = _indices(move, sharp.shape)
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    x, y = np.clip(x, 0, width - 1), np.clip(y, 0, height - 1)
    return features[y, x], inside & sharp[y, x]


def _best(
    pictured: F32, features: F32, sharp: Mask, wanted: Mask, border: Mask, begin: int, used: list[Move]
) -> tuple[Move, int]:
    """The move whose content fits the border best, and the width that it can fill."""
    height, width = sharp.shape
    at_row, at_column = np.nonzero(border)
    goal = pictured[at_row, at_column]
    piece = max(NARROWEST, round(PIECE * width))
    flat = features.reshape(height * width, -1)
    there_flat = sharp.ravel()
    before = [(m.sign, m.across + 0.5 * height * m.slant) for m in used]
    signs = (-used[-1].sign,) if used else (1, -1)
    while True:
        row, column = np.nonzero(wanted[:, : begin + piece])
        step = max(1, len(row) // 400)
        row, column = row[::step], column[::step]
        best: tuple[float, Move] | None = None
        for sign in signs:
            for across in range(1 - width, width) if sign > 0 else range(1, 2 * width):
                source = sign * column + (across if sign > 0 else across - 1)
                inside = (source >= 0) & (source < width)
                if len(row) and inside.mean() < THERE:
                    continue
                ok = there_flat[row * width + np.clip(source, 0, width - 1)] & inside
                if len(row) and ok.mean() < THERE:
                    continue
                near = sign * at_column + (across if sign > 0 else across - 1)
                good = (near >= 0) & (near < width)
                if any(s == sign and abs(a - across) < SAME * width for s, a in before):
                    continue
                for rise in range(-RISE, RISE + 1):
                    y = np.clip(at_row + rise, 0, height - 1)
                    index = y * width + np.clip(near, 0, width - 1)
                    valid = good & there_flat[index]
                    if valid.mean() < 0.6:
                        continue
                    off = flat[index] - goal
                    cost = float((np.minimum((off * off).sum(1), 1.0) * valid).sum() / valid.sum())
                    cost = (cost + 1e-4) * (1.0 + RISE_COST * abs(rise))
                    if best is None or cost < best[0]:
                        best = cost, Move(sign, float(across), 0.0, float(rise))
        if best is not None:
            return best[1], piece
        if len(signs) == 1:
            signs = (1, -1)
        elif before:
            before = before[1:]  # the oldest first: it is the farthest away
        elif piece <= NARROWEST:
            return Move(-1, 2.0 * begin), 4 * NARROWEST
        else:
            piece = max(NARROWEST, piece // 2)


def _cut(pictured: F32, taken: F32, there: Mask, over: Mask, front: NDArray[np.int64]) -> Mask:
    """What a new piece takes of the laid ones that it overlaps: right of the path on which both agree best."""
    result = np.zeros(over.shape, np.bool_)
    if not over.any():
        return result
    off = np.minimum(((pictured - taken) ** 2).sum(-1), 1.0) + np.where(there, 0.0, 2.0)
    columns = np.flatnonzero(over.any(0))
    first, last = int(columns[0]), int(columns[-1]) + 1
    off = np.where(over, off, 3.0)[:, first:last]
    cost = off.copy()
    for row in range(1, len(cost)):
        cost[row] += ndimage.minimum_filter1d(cost[row - 1], 3, mode="nearest")
    column = int(cost[-1].argmin())
    for row in range(len(cost) - 1, -1, -1):
        if row < len(cost) - 1:
            low = max(0, column - 1)
            column = low + int(cost[row, low : column + 2].argmin())
        result[row, first + column : front[row]] = over[row, first + column : front[row]]
    return result
