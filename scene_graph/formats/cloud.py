"""A cloud: splats of one flat list in one float32 frame, which is all that files of other programs hold.

Owns the conventions that every format here converts from and to:

* lengths in units of the file, axes x right, y down, z forward (RDF: what 3DGS and 2DGS train in);
* rotations wxyz, splat -> file axes; of a flat splat the third axis is the normal;
* standard deviations as natural logarithms, -inf for an axis without extent;
* opacities in [0, 1]; colours are sRGB in [0, 1], blended as sRGB, the same from every side.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import matrix_to_quat, quat_to_matrix

F32 = NDArray[np.float32]

# rgb = 0.5 + SH_C0 * f_dc: the constant band of the spherical harmonics.
SH_C0 = 0.28209479177387814
# Beyond this no float32 arithmetic on a size stays finite.
MAX_LN_SIZE = 80.0
MAX_COORDINATE = 1e30


ROWS = 1 << 17  # splats that are worked on at a time


class FormatError(Exception):
    """A file that is not what its name says, or is cut or damaged: what, and where in it."""


@dataclass(frozen=True, slots=True)
class Cloud:
    """N splats; see the module docstring. All columns float32, row-aligned."""

    means: F32  # [N, 3]
    quats: F32  # [N, 4] wxyz, of any length but zero
    log_scales: F32  # [N, 3]
    opacities: F32  # [N] in [0, 1]
    colors: F32  # [N, 3] sRGB in [0, 1]
    notes: tuple[str, ...] = ()  # what the reader left out, for people

    def __post_init__(self) -> None:
        n = len(self.means)
        shapes = {"means": (n, 3), "quats": (n, 4), "log_scales": (n, 3), "opacities": (n,), "colors": (n, 3)}
        for name, shape in shapes.items():
            column = getattr(self, name)
            if column.shape != shape or column.dtype != np.float32:
                raise ValueError(f"column {name}: {column.shape} {column.dtype}, expected {shape} float32")

    def __len__(self) -> int:
        return len(self.means)

    def parts(self) -> Iterator[Cloud]:
        """See ``Splats``."""
        for start in range(0, len(self), ROWS):
            yield self.take(slice(start, start + ROWS))

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Cloud:
        """The rows selected by an index array, a mask or a slice."""
        return Cloud(
            self.means[index],
            self.quats[index],
            self.log_scales[index],
            self.opacities[index],
            self.colors[index],
            self.notes,
        )

    def checked(self) -> Cloud:
        """The same cloud; FormatError with the first row that holds no number, or one out of its range."""
        if not len(self):
            raise FormatError("it holds no splats")
        wrong = {
            "a position that is not finite, or beyond 1e30": ~(np.abs(self.means) <= MAX_COORDINATE).all(1),
            "a rotation of zeros or not finite": ~_has_length(self.quats),
            "a size that is not finite": _bad_sizes(self.log_scales),
            "an opacity outside 0 to 1": ~((self.opacities >= 0.0) & (self.opacities <= 1.0)),
            "a colour that is not finite": ~np.isfinite(self.colors).all(1),
        }
        for what, rows in wrong.items():
            if rows.any():
                raise FormatError(f"splat {int(np.argmax(rows))} of {len(self)} has {what}")
        return self

    def flattened(self) -> Cloud:
        """The same splats with the thinnest axis third, the others in order, rotations of length 1.

        What a surfel keeps of a splat is the first two axes.
        """
        third = np.argmin(self.log_scales, 1)
        third = np.where(self.log_scales[:, 2] <= self.log_scales.min(1), 2, third)  # of equals, as it was
        quats = self.quats.astype(np.float64)
        quats /= np.sqrt(np.einsum("ij,ij->i", quats, quats))[:, None]
        scales = self.log_scales.copy()
        turned = np.flatnonzero(third != 2)
        if len(turned):
            # Cyclic, so that it stays a rotation: axis 0 third is (1, 2, 0), axis 1 third is (2, 0, 1).
            order = np.where((third[turned] == 0)[:, None], [1, 2, 0], [2, 0, 1])
            matrices = np.take_along_axis(quat_to_matrix(quats[turned]), order[:, None, :], 2)
            quats[turned] = matrix_to_quat(matrices)
            scales[turned] = np.take_along_axis(scales[turned], order, 1)
        return replace(self, quats=quats.astype(np.float32), log_scales=scales)

    def turned_over(self) -> Cloud:
        """Half a turn around x: from RDF to RUB (x right, y up, z backward) or back."""
        w, x, y, z = self.quats.T
        return replace(
            self,
            means=self.means * np.array([1.0, -1.0, -1.0], np.float32),
            quats=np.stack([-x, w, -z, y], 1),
        )


class Splats(Protocol):
    """Splats of one frame, in memory or not: what writers take. A ``Cloud`` is some."""

    def __len__(self) -> int: ...

    def parts(self) -> Iterator[Cloud]:
        """All of them in order, ``ROWS`` at a time, as often as one asks."""
        ...


def _has_length(quats: F32) -> NDArray[np.bool_]:
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("ij,ij->i", quats, quats, dtype=np.float64)
    return (squares > 1e-12) & (squares < 1e12)


def _bad_sizes(log_scales: F32) -> NDArray[np.bool_]:
    """Two axes at least have an extent, and none is beyond all measure."""
    extended = (np.abs(log_scales) <= MAX_LN_SIZE).sum(1)
    none = (log_scales < -MAX_LN_SIZE).sum(1)
    return ~((extended >= 2) & (extended + none == 3))


def joined(parts: list[Cloud]) -> Cloud:
    """All rows of some clouds of one frame, in order."""
    return Cloud(
        np.concatenate([part.means for part in parts]),
        np.concatenate([part.quats for part in parts]),
        np.concatenate([part.log_scales for part in parts]),
        np.concatenate([part.opacities for part in parts]),
        np.concatenate([part.colors for part in parts]),
        tuple(dict.fromkeys(note for part in parts for note in part.notes)),
    )


def colors_of_dc(dc: NDArray[np.floating]) -> F32:
    """sRGB in [0, 1] of the constant band of the spherical harmonics, cut to what a screen shows."""
    return np.clip(0.5 + SH_C0 * np.asarray(dc, np.float64), 0.0, 1.0).astype(np.float32)


def dc_of_colors(colors: F32) -> F32:
    """The constant band of the spherical harmonics of sRGB colours."""
    return ((np.asarray(colors, np.float64) - 0.5) / SH_C0).astype(np.float32)


# The largest float32 below 1: a logit of 1 would be infinite, which not every reader takes.
_MOST = 1.0 - 2.0**-24
_LEAST = 2.0**-24


def logits(opacities: F32) -> F32:
    """ln(o / (1 - o)), of 0 and 1 that of the nearest float32 inside."""
    o = np.clip(np.asarray(opacities, np.float64), _LEAST, _MOST)
    return (np.log(o) - np.log1p(-o)).astype(np.float32)


def opacities_of(logit: NDArray[np.floating]) -> F32:
    """1 / (1 + exp(-logit)); infinities are 0 and 1, NaN stays."""
    values = np.clip(np.asarray(logit, np.float64), -700.0, 700.0)
    return (1.0 / (1.0 + np.exp(-values))).astype(np.float32)


def bytes_of(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Numbers as the nearest byte, cut to 0 to 255."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def normalised(quats: F32) -> NDArray[np.float64]:
    """Rotations of length 1 with w >= 0: [N, 4] float64."""
    q = quats.astype(np.float64)
    q /= np.sqrt(np.einsum("ij,ij->i", q, q))[:, None]
    return np.where(q[:, :1] < 0, -q, q)


def largest_coordinate(splats: Splats) -> float:
    """The greatest absolute coordinate of some splats; 0 of none."""
    return max((float(np.abs(part.means).max()) for part in splats.parts()), default=0.0)
