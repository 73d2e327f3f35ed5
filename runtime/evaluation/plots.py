"""Plots of scores over the depth of a zoom, drawn with Pillow: a panel a score, a line a world or a variant.

Owns axes, ticks and colours; knows nothing of what the numbers mean. Everything is drawn twice as large and reduced,
for Pillow's lines have jagged edges.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

LARGER = 2
PANEL = (400, 262)  # pixels of what comes out
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 34, 42  # around the axes
LEGEND, TEXT = 28, 13
Point = tuple[float, float]
Color = tuple[int, int, int]
PAPER, INK, GRID, LAW = (255, 255, 255), (40, 40, 44), (226, 226, 228), (196, 60, 50)
# Told apart by people with any colour vision (Okabe and Ito 2008).
COLORS: tuple[Color, ...] = (
    (0, 114, 178),
    (230, 159, 0),
    (0, 158, 115),
    (204, 121, 167),
    (86, 180, 233),
    (213, 94, 0),
    (0, 0, 0),
)
TICKS = 5


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot: name of a line -> its points (x, y)."""

    title: str
    lines: Mapping[str, Sequence[Point]]
    law: tuple[float, float] | None = None  # bounds that are drawn where they are within the axes


def plot(panels: Sequence[Panel], across: str, columns: int = 2) -> Image.Image:
    """All panels over what ``across`` names, and one legend of the names of lines below them."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    rows = -(-len(panels) // columns)
    size = (columns * PANEL[0], rows * PANEL[1] + LEGEND)
    pen = _Pen(size)
    colors = {name: COLORS[i % len(COLORS)] for i, name in enumerate(names)}
    for index, panel in enumerate(panels):
        row, column = divmod(index, columns)
        _panel(pen, panel, (column * PANEL[0], row * PANEL[1]), colors, across)
    left, middle = float(LEFT), rows * PANEL[1] + LEGEND // 2
    for name in names:
        pen.line([(left, middle), (left + 18, middle)], colors[name], 3)
        pen.text((left + 24, middle - 8), name)
        left += 40 + pen.width(name)
    return pen.picture.reduce(LARGER)


class _Pen:
    """Draws in pixels of what comes out."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.picture = Image.new("RGB", (size[0] * LARGER, size[1] * LARGER), PAPER)
        self._draw = ImageDraw.Draw(self.picture)
        self._font = ImageFont.load_default(TEXT * LARGER)

    def width(self, text: str) -> float:
        return self._font.getlength(text) / LARGER

    def text(self, corner: Point, text: str) -> None:
        self._draw.text((corner[0] * LARGER, corner[1] * LARGER), text, INK, self._font)

    def line(self, points: Sequence[Point], color: Color, width: int) -> None:
        large = [(x * LARGER, y * LARGER) for x, y in points]
        self._draw.line(large, color, width * LARGER, joint="curve")

    def dot(self, point: Point, color: Color) -> None:
        self._draw.circle((point[0] * LARGER, point[1] * LARGER), 3.5 * LARGER, color)


def ticks(low: float, high: float) -> list[float]:
    """Round numbers, about five, that reach from ``low`` to ``high`` at least."""
    if high - low < 1e-9:
        low, high = low - 0.5, high + 0.5
    raw = (high - low) / (TICKS - 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1.0, 2.0, 2.5, 5.0, 10.0) if m * power >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [i * step for i in range(first, last + 1)]


def _panel(
    pen: _Pen, panel: Panel, corner: tuple[int, int], colors: Mapping[str, Color], across: str
) -> None:
    x0, y0 = corner[0] + LEFT, corner[1] + TOP
    x1, y1 = corner[0] + PANEL[0] - RIGHT, corner[1] + PANEL[1] - BOTTOM
    pen.text((x0, corner[1] + 10), panel.title)
    points = [point for line in panel.lines.values() for point in line]
    if not points:
        pen.text((x0, y0 + 10), "nothing scored")
        return
    marks = ticks(min(y for _, y in points), max(y for _, y in points))
    columns = sorted({x for x, _ in points})
    low, high = columns[0], max(columns[-1], columns[0] + 1e-9)

    def at(x: float, y: float) -> Point:
        along = 0.5 if len(columns) == 1 else 0.04 + 0.92 * (x - low) / (high - low)
        return x0 + along * (x1 - x0), y1 - (y - marks[0]) / (marks[-1] - marks[0]) * (y1 - y0)

    for mark in marks:
        _, y = at(low, mark)
        pen.line([(x0, y), (x1, y)], GRID, 1)
        text = f"{mark:g}"
        pen.text((x0 - 6 - pen.width(text), y - 8), text)
    for x in columns:
        text = f"{x:g}"
        pen.text((at(x, marks[0])[0] - 0.5 * pen.width(text), y1 + 4), text)
    pen.text((0.5 * (x0 + x1 - pen.width(across)), y1 + 19), across)
    for bound in panel.law or ():
        if marks[0] < bound < marks[-1]:
            _, y = at(low, bound)
            for dash in range(x0, x1, 10):
                pen.line([(dash, y), (min(dash + 5, x1), y)], LAW, 1)
    pen.line([(x0, y0), (x1, y0), (x1, y1), (x0, y1), (x0, y0)], INK, 1)
    for name, line in panel.lines.items():
        path = [at(x, y) for x, y in sorted(line)]
        if len(path) > 1:
            pen.line(path, colors[name], 2)
        for point in path:
            pen.dot(point, colors[name])
