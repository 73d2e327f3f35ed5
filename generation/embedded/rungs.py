"""One rung of a detail ladder: what kind of element it draws, how large and how it looks.

Owns: the kinds, the readable record (``Rung``) and its flat form that the kernels read. A ladder is a
sequence of rungs from coarse to fine; every element of a rung is the ground on which the next rung draws.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class Kind(IntEnum):
    """Shapes of elements. Those with a frame of their own carry the finer rungs in it."""

    BLADES = 1  # long tapered strips along the orientation, overlapping: grass, hair, threads, needles
    LEAVES = 2  # pointed ovals in any direction, overlapping, with optional side veins
    PEBBLES = 3  # rounded irregular cells with deep gaps: stones, cushions, crowns of trees
    CELLS = 4  # living cells: wall, bulge, nucleus
    SCALES = 5  # rows of overlapping rounded plates
    WEAVE = 6  # over-and-under yarns
    RIPPLES = 7  # crests of waves (no frame)
    CLOUDS = 8  # fractal mottling (no frame)
    PITS = 9  # scattered holes with a rim (no frame)
    CRACKS = 10  # plates between narrow dark lines
    FACETS = 11  # flat tilted crystal faces
    DROPS = 12  # scattered domes with a highlight; a frame on the drop, none between
    VEINS = 13  # a net of ridges (no frame)
    STREAKS = 14  # bands along the orientation (no frame)
    GRAINS = 15  # packed tilted grains
    BEADS = 16  # close-packed spheres with faults


RGB = tuple[float, float, float]
WHITE: RGB = (1.0, 1.0, 1.0)

# Columns of the flat form.
KIND, SIZE, ASPECT, JITTER, LIGHT, HUE, HEIGHT, SHADE, DENSITY, SAMPLE = range(10)
TINT, ACCENT, ACCENT_TINT, TURN, VEIN, COLUMNS = 10, 13, 14, 17, 18, 19

# Entries of what a kernel finds at a point: the element has a frame of its own; its centre (incoming frame);
# the point in the element's frame and the angle of that frame; ln brightness; hue; height (m); share of light
# that reaches the spot; the accent holds; an element covers the spot.
OWN, CX, CY, LX, LY, ANGLE, BRIGHT, SHIFT, RISE, OPEN, ACCENTED, COVERED, RESULT = range(13)


@dataclass(frozen=True, slots=True)
class Rung:
    """One kind of element at one size. Amplitudes are what a fully resolved element shows."""

    kind: Kind
    size: float  # metres: width of a blade, length of a leaf, pitch of a lattice
    aspect: float = 1.0  # length over width, >= 1
    jitter: float = 0.3  # radians of angle to either side
    light: float = 0.15  # natural log of brightness, to either side
    hue: float = 0.04  # relative red-blue shift, to either side
    height: float = 0.6  # relief in units of size
    shade: float = 0.5  # how dark gaps are: 0 not at all, 1 black
    density: float = 1.0  # share of lattice places that hold an element
    sample: float = 0.0  # > 0: an element takes the base colour at its centre, moved by up to this many sizes
    tint: RGB = WHITE  # factor on the colour
    accent: float = 0.0  # probability that an element has the accent tint
    accent_tint: RGB = WHITE
    turn: bool = False  # leaves: any direction instead of along the orientation
    vein: float = 0.0  # leaves: number of side veins; cells: strength of the nucleus

    def row(self) -> NDArray[np.float64]:
        """Flat form, [COLUMNS]."""
        if not (self.size > 0 and self.aspect >= 1):
            raise ValueError(f"a rung needs size > 0 and aspect >= 1, got {self.size} and {self.aspect}")
        row = np.empty(COLUMNS)
        row[:TINT] = (
            self.kind, self.size, self.aspect, self.jitter, self.light, self.hue, self.height, self.shade,
            self.density, self.sample,
        )  # fmt: skip
        row[TINT:ACCENT] = self.tint
        row[ACCENT] = self.accent
        row[ACCENT_TINT:TURN] = self.accent_tint
        row[TURN], row[VEIN] = float(self.turn), self.vein
        return row
