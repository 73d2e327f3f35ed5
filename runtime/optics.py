"""Focal lengths as photographers say them: 35 mm equivalents, by the diagonal of the picture."""

from __future__ import annotations

import math

# The diagonal of 24 x 36 mm film.
FILM_DIAGONAL_MM = math.hypot(36.0, 24.0)
# Equivalents that lenses have, from fisheyes to telescopes; others are a mistake.
FOCAL_RANGE_MM = (4.0, 4000.0)


def focal_pixels(mm: float, width: float, height: float) -> float:
    """A 35 mm equivalent in pixels of a picture of that size."""
    return mm / FILM_DIAGONAL_MM * math.hypot(width, height)


def focal_mm(pixels: float, width: float, height: float) -> float:
    """The inverse of ``focal_pixels``."""
    return pixels * FILM_DIAGONAL_MM / math.hypot(width, height)
