"""Depth maps that people have, fitted to their picture. Convention: linear, larger is farther.

Read are grey pictures (16-bit PNG; 8 bits and floating-point TIFF too), ``.npy`` and ``.npz``. A pixel
that is 0, negative or NaN has no depth: where such pixels reach the upper edge they are sky, elsewhere they
take the depth of the nearest pixel that has one. Infinity is sky. Depth never bleeds over an edge: resampled
values are mixed from neighbours of one surface only.
"""

from __future__ import annotations

import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.pictures import MAX_PIXELS, Framing, check_file, opened

# Depth models work on sides that are multiples of 14 or 32: their maps are off the picture's shape by this.
_SHAPE_TOLERANCE = 0.02
# Below this share of pixels with a depth there is nothing to fill the others from.
_LEAST_KNOWN = 0.05
# Neighbours further apart than this are two surfaces: a tenth of the distance.
_EDGE_RATIO = 1.1
# Less than this share of the picture at its upper edge is a hole rather than sky.
_LEAST_SKY = 0.005


class BadDepthMap(CommandError):
    """A file that makes no depth map for its picture."""


@dataclass(frozen=True, slots=True)
class DepthMap:
    """Depth of a picture, pixel by pixel."""

    depth: NDArray[np.float32]  # [H, W] units of the file, > 0 and finite everywhere
    sky: NDArray[np.bool_]  # [H, W]
    notes: tuple[str, ...]


def read_depth(path: Path, framing: Framing) -> DepthMap:
    """The depth map of the picture that was framed so. Raises BadDepthMap."""
    notes: list[str] = []
    values = _values(path, notes)
    _check_shape(path, values.shape, framing)
    return _completed(path, _resampled(values, framing), notes)


# ---- files --------------------------------------------------------------------------------------


def _values(path: Path, notes: list[str]) -> NDArray[np.float32]:
    """[H, W] of the file; NaN where it has no depth."""
    check_file(path)
    try:
        with path.open("rb") as file:
            head = file.read(6)
            file.seek(0)
            if head == b"\x93NUMPY":
                return _cleaned(_array(path, file))
            if head[:4] == b"PK\x03\x04":
                with _member(path, file) as member:
                    return _cleaned(_array(path, member))
    except OSError as error:
        raise BadDepthMap(f"{path}: could not read the depth map: {error.strerror or error}") from error
    with opened(path) as image:
        if image.mode not in ("L", "I", "F") and not image.mode.startswith("I;16"):
            raise BadDepthMap(
                f"{path}: a depth map is grey (16-bit PNG) or a NumPy array, this picture is {image.mode}"
            )
        if image.mode == "L":
            notes.append("the depth map has 8 bits: its 255 steps may show as terraces")
        return _cleaned(np.asarray(image))


@contextmanager
def _member(path: Path, file: IO[bytes]) -> Generator[IO[bytes]]:
    """The depth in a .npz: the array of that name, or the only one."""
    try:
        with zipfile.ZipFile(file) as archive:
            names = [name for name in archive.namelist() if name.endswith(".npy")]
            if "depth.npy" not in names and len(names) != 1:
                held = ", ".join(name.removesuffix(".npy") for name in names[:8]) or "none"
                raise BadDepthMap(f"{path}: of several arrays one must be named 'depth'; there is: {held}")
            with archive.open("depth.npy" if "depth.npy" in names else names[0]) as member:
                yield member
    except (zipfile.BadZipFile, EOFError, RuntimeError) as error:
        raise BadDepthMap(f"{path}: the file is damaged or cut off ({error})") from error


def _array(path: Path, file: IO[bytes]) -> NDArray[Any]:
    """The array of an open .npy: numbers only, of a size that is checked before it is read."""
    shape: tuple[int, ...]
    try:
        version = np.lib.format.read_magic(file)
        read_header: Any = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = read_header(file)
        if dtype.kind not in "fiu":
            raise BadDepthMap(f"{path}: a depth map holds numbers, this array is of {dtype}")
        if len(shape) > 2:
            shape = tuple(side for side in shape if side != 1)  # [1, H, W] and [H, W, 1]
        if len(shape) != 2 or not 0 < shape[0] * shape[1] <= MAX_PIXELS:
            raise BadDepthMap(f"{path}: a depth map is [height, width], this array is {list(shape)}")
        count = shape[0] * shape[1]
        data = file.read(count * dtype.itemsize)
        values = np.frombuffer(data, dtype, count)
    except ValueError as error:
        raise BadDepthMap(f"{path}: the file is damaged or cut off ({error})") from error
    return values.reshape(shape, order="F" if fortran else "C")


def _cleaned(values: NDArray[Any]) -> NDArray[np.float32]:
    """As float32; NaN where there is no depth, infinity where there is sky."""
    with np.errstate(over="ignore", invalid="ignore"):
        depth = values.astype(np.float32)
        return np.where(depth > 0.0, depth, np.float32(np.nan))


# ---- fitting it to the picture ------------------------------------------------------------------


def _check_shape(path: Path, shape: tuple[int, ...], framing: Framing) -> None:
    height, width = shape
    wanted = framing.source
    if abs(width * wanted[1] / (height * wanted[0]) - 1.0) > _SHAPE_TOLERANCE:
        turned = abs(height * wanted[1] / (width * wanted[0]) - 1.0) <= _SHAPE_TOLERANCE
        hint = "turn it, the picture is upright" if turned else "it must have the picture's shape"
        raise BadDepthMap(
            f"{path}: a depth map of {width} x {height} pixels for a picture of {wanted[0]} x {wanted[1]};"
            f" {hint}"
        )


def _resampled(values: NDArray[np.float32], framing: Framing) -> NDArray[np.float32]:
    """[H, W] of the framing: bilinear within a surface, the nearest value at edges and holes."""
    height, width = values.shape
    ratio = width / framing.source[0], height / framing.source[1]
    x = _samples(framing.box[0] * ratio[0], framing.box[2] * ratio[0], framing.size[0])
    y = _samples(framing.box[1] * ratio[1], framing.box[3] * ratio[1], framing.size[1])
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    u, v = (x - x0).astype(np.float32)[None, :], (y - y0).astype(np.float32)[:, None]
    left, right = np.clip(x0, 0, width - 1), np.clip(x0 + 1, 0, width - 1)
    upper, lower = np.clip(y0, 0, height - 1), np.clip(y0 + 1, 0, height - 1)
    corners = np.stack(
        [values[np.ix_(rows, columns)] for rows in (upper, lower) for columns in (left, right)]
    )
    with np.errstate(invalid="ignore", over="ignore"):
        mixed = (corners[0] * (1 - u) + corners[1] * u) * (1 - v) + (
            corners[2] * (1 - u) + corners[3] * u
        ) * v
        smooth = np.isfinite(corners).all(0) & (corners.max(0) <= _EDGE_RATIO * corners.min(0))
    nearest = np.where(v < 0.5, np.where(u < 0.5, *corners[:2]), np.where(u < 0.5, *corners[2:]))
    return np.where(smooth, mixed, nearest)


def _samples(begin: float, end: float, count: int) -> NDArray[np.float64]:
    """Centres of ``count`` pixels between two edges, in indices of the pixels that are read."""
    centres: NDArray[np.float64] = np.arange(count, dtype=np.float64) + 0.5
    return begin + centres * ((end - begin) / count) - 0.5


def _completed(path: Path, depth: NDArray[np.float32], notes: list[str]) -> DepthMap:
    """Sky found, holes filled."""
    import cv2

    known = np.isfinite(depth)
    if float(known.mean()) < _LEAST_KNOWN:
        raise BadDepthMap(
            f"{path}: only {known.mean():.1%} of the depth map are positive numbers, too few to go on"
        )
    _, labels = cv2.connectedComponents(np.isnan(depth).astype(np.uint8), connectivity=8)
    at_top = np.isin(labels, np.unique(labels[0][labels[0] > 0]))
    sky = np.isposinf(depth)
    if float(at_top.mean()) >= _LEAST_SKY:
        notes.append(f"no depth at the top of the picture ({at_top.mean():.0%} of it): taken as sky")
        sky |= at_top
    holes = ~known & ~sky
    if holes.any():
        notes.append(f"{holes.mean():.1%} of the depth map is empty: filled from around")
    return DepthMap(_filled(depth, known), sky, tuple(notes))


def _filled(depth: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Each unknown pixel takes the depth of the nearest known one."""
    import cv2

    # Labels of the nearest zero pixel, numbered as those pixels come; 5: OpenCV's most exact distance.
    _, nearest = cv2.distanceTransformWithLabels(
        (~known).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    return depth[known][nearest - 1]
