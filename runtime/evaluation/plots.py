"""Plots of scores over the depth of a zoom, drawn with Pillow: a panel a score, a line a world.

Owns axes, ticks and colours; knows nothing of what the numbers mean.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

PANEL = (400, 250)
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 34, 30  # pixels around the axes
PAPER, INK, GRID, LAW = (255, 255, 255), (40, 40, 44), (226, 226, 228), (196, 60, 50)
# Told apart by people with any colour vision (Okabe and Ito 2008).
COLORS = (
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
    lines: Mapping[str, Sequence[tuple[float, float]]]
    law: tuple[float, float] | None = None  # bounds that are drawn where they are within the axes


def plot(panels: Sequence[Panel], columns: int = 2) -> Image.Image:
    """All panels, and one legend of the names below them."""
    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    rows = -(-len(panels) // columns)
    picture = Image.new("RGB", (columns * PANEL[0], rows * PANEL[1] + 28), PAPER)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(13)
    colors = {name: COLORS[i % len(COLORS)] for i, name in enumerate(names)}
    for index, panel in enumerate(panels):
        row, column = divmod(index, columns)
        _panel(pen, font, panel, (column * PANEL[0], row * PANEL[1]), colors)
    left = LEFT
    for name in names:
        pen.line([(left, rows * PANEL[1] + 14), (left + 18, rows * PANEL[1] + 14)], colors[name], 3)
        pen.text((left + 24, rows * PANEL[1] + 6), name, INK, font)
        left += 40 + round(font.getlength(name))
    return picture


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
    pen: ImageDraw.ImageDraw,
    font: ImageFont.FreeTypeFont | ImageFont.ImageFont,
    panel: Panel,
    corner: tuple[int, int],
    colors: Mapping[str, tuple[int, int, int]],
) -> None:
    x0, y0 = corner[0] + LEFT, corner[1] + TOP
    x1, y1 = corner[0] + PANEL[0] - RIGHT, corner[1] + PANEL[1] - BOTTOM
    pen.text((x0, corner[1] + 10), panel.title, INK, font)
    points = [point for line in panel.lines.values() for point in line]
    if not points:
        pen.text((x0, y0 + 10), "nothing scored", INK, font)
        return
    marks = ticks(min(y for _, y in points), max(y for _, y in points))
    columns = sorted({x for x, _ in points})
    low, high = columns[0], max(columns[-1], columns[0] + 1e-9)

    def at(x: float, y: float) -> tuple[float, float]:
        across = 0.5 if len(columns) == 1 else 0.04 + 0.92 * (x - low) / (high - low)
        return x0 + across * (x1 - x0), y1 - (y - marks[0]) / (marks[-1] - marks[0]) * (y1 - y0)

    for mark in marks:
        _, y = at(low, mark)
        pen.line([(x0, y), (x1, y)], GRID, 1)
        text = f"{mark:g}"
        pen.text((x0 - 6 - font.getlength(text), y - 8), text, INK, font)
    for x in columns:
        text = f"{x:g}"
        pen.text((at(x, marks[0])[0] - 0.5 * font.getlength(text), y1 + 6), text, INK, font)
    for bound in panel.law or ():
        if marks[0] < bound < marks[-1]:
            _, y = at(low, bound)
            for dash in range(x0, x1, 10):
                pen.line([(dash, y), (min(dash + 5, x1), y)], LAW, 1)
    pen.rectangle([x0, y0, x1, y1], outline=INK)
    for name, line in panel.lines.items():
        path = [at(x, y) for x, y in sorted(line)]
        if len(path) > 1:
            pen.line(path, colors[name], 2)
        for x, y in path:
            pen.ellipse([x - 3, y - 3, x + 3, y + 3], fill=colors[name])
