"""Hypothesis strategies for cells, positions and cameras at any depth of the octree."""

import math

import numpy as np
from hypothesis import strategies as st

from wonderzoom.scene_graph.camera import Camera, level_of_scale
from wonderzoom.scene_graph.cells import Cell, Position

# Deep enough for 300 zooms of 8x, and levels coarser than the first view's.
levels = st.integers(-60, 900)
# The multiples of float64's step at the rim of a cell: exact in every finer frame.
offsets = st.integers(-(1 << 52), (1 << 52) - 1).map(lambda i: i * 2.0**-53)


@st.composite
def cells(draw: st.DrawFn, level: st.SearchStrategy[int] = levels) -> Cell:
    """A cell of any level, with indices of any size around the start of the world."""
    chosen = draw(level)
    bits = max(16, 16 + chosen)
    index = st.integers(0, (1 << bits) - 1)
    return Cell(chosen, draw(index), draw(index), draw(index))


@st.composite
def positions(draw: st.DrawFn, level: st.SearchStrategy[int] = levels) -> Position:
    """A point in such a cell."""
    return Position(draw(cells(level)), (draw(offsets), draw(offsets), draw(offsets)))


@st.composite
def quats(draw: st.DrawFn) -> tuple[float, float, float, float]:
    """A rotation: wxyz, unit."""
    part = st.floats(-1.0, 1.0)
    q = np.array([draw(part), draw(part), draw(part), draw(part)])
    norm = float(np.linalg.norm(q))
    q = q / norm if norm > 1e-3 else np.array([1.0, 0.0, 0.0, 0.0])
    return (float(q[0]), float(q[1]), float(q[2]), float(q[3]))


@st.composite
def cameras(
    draw: st.DrawFn,
    level: st.SearchStrategy[int] = levels,
    focals: tuple[float, float] = (30.0, 1e12),
) -> Camera:
    """A camera whose pivot's cell fits its scale; ``focals`` in pixels: from wide angle to orthographic."""
    chosen = draw(level)
    pivot = draw(positions(st.just(chosen)))
    ln_focal = draw(st.floats(math.log(focals[0]), math.log(focals[1])))
    ln_scale = -(chosen * math.log(2.0)) - math.log(64.0) + draw(st.floats(-0.3, 0.3))
    squeeze = draw(st.floats(-0.3, 0.3))
    width, height = draw(st.integers(16, 1920)), draw(st.integers(16, 1080))
    centre = st.floats(0.3, 0.7)
    camera = Camera(
        pivot,
        draw(quats()),
        ln_scale + ln_focal,
        ln_focal + squeeze,
        ln_focal - squeeze,
        width * draw(centre),
        height * draw(centre),
        width,
        height,
    )
    assert level_of_scale(camera.ln_scale) == chosen
    return camera


@st.composite
def view_points(draw: st.DrawFn, camera: Camera) -> np.ndarray:
    """View coordinates [3] of a point in the image and in front of the eye."""
    u = draw(st.floats(0.0, camera.width))
    v = draw(st.floats(0.0, camera.height))
    # Depth from half to three times D, and no more relief than a hundred image widths.
    zeta = draw(st.floats(-0.5, 2.0)) * min(math.exp(min(camera.ln_f, 600.0)), 100.0 * camera.width)
    return camera.unproject(np.array([u, v]), np.array(zeta))
