"""Pictures to look at: nine views as a grid, one view with and without a part of the method, many of those pairs.

Owns layout and captions. Tiles are sRGB bytes [H, W, 3].
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from wonderzoom.runtime.film import replacing

U8 = NDArray[np.uint8]
PAPER, INK = (24, 24, 26), (225, 225, 220)
GAP, CAPTION, TEXT = 6, 22, 15  # pixels
PAIR_WIDTH = 480  # of each of two pictures side by side
QUALITY = 85  # of JPEG


def sheet(tiles: Sequence[tuple[U8, str]], columns: int, width: int) -> Image.Image:
    """Tiles with their captions below, row by row, each in a box ``width`` wide and of the first one's shape.

    A tile of another shape is shown whole, in the middle of its box.
    """
    first = tiles[0][0]
    height = round(first.shape[0] * width / first.shape[1])
    rows = -(-len(tiles) // columns)
    below = CAPTION if any(text for _, text in tiles) else 0
    size = (columns * (width + GAP) + GAP, rows * (height + below + GAP) + GAP)
    picture = Image.new("RGB", size, PAPER)
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(TEXT)
    for index, (tile, text) in enumerate(tiles):
        row, column = divmod(index, columns)
        left, top = GAP + column * (width + GAP), GAP + row * (height + below + GAP)
        scale = min(width / tile.shape[1], height / tile.shape[0])
        inner = (max(1, round(tile.shape[1] * scale)), max(1, round(tile.shape[0] * scale)))
        small = cv2.resize(np.ascontiguousarray(tile), inner, interpolation=cv2.INTER_AREA)
        corner = (left + (width - inner[0]) // 2, top + (height - inner[1]) // 2)
        picture.paste(Image.fromarray(np.asarray(small, np.uint8)), corner)
        pen.text((left + 2, top + height + 2), text, INK, font)
    return picture


def grid(views: Sequence[U8], width: int = 320) -> Image.Image:
    """The nine views as they stand round the scene."""
    return sheet([(view, "") for view in views], 3, width)


def most_different(ones: Sequence[U8], others: Sequence[U8]) -> int:
    """The index of the view that differs most, in the mean of absolute differences; of equals the first."""
    gaps = [float(np.abs(a.astype(np.int16) - b).mean()) for a, b in zip(ones, others, strict=True)]
    return int(np.argmax(gaps))


def side_by_side(without: U8, all_of_it: U8, name: str, width: int = PAIR_WIDTH) -> Image.Image:
    """One view without a part of the method, and with all of it."""
    return sheet([(without, f"without {name}"), (all_of_it, "all of it")], 2, width)


def pair(path: Path) -> tuple[U8, U8]:
    """The two pictures of a ``side_by_side`` that was saved."""
    with Image.open(path) as image:
        picture = np.asarray(image.convert("RGB"), np.uint8)
    rows, second = slice(GAP, picture.shape[0] - CAPTION - GAP), 2 * GAP + PAIR_WIDTH
    return picture[rows, GAP : GAP + PAIR_WIDTH], picture[rows, second : second + PAIR_WIDTH]


def contact(pairs: Sequence[tuple[U8, U8, str]], name: str, width: int = 240) -> Image.Image:
    """Pairs (without, all of it, caption) side by side: above without a part of the method, below with it."""
    above = [(without, f"without {name}") for without, _, _ in pairs]
    below = [(whole, f"{text}, all of it") for _, whole, text in pairs]
    return sheet([*above, *below], len(pairs), width)


def save(picture: Image.Image, path: Path) -> None:
    """As PNG or JPEG, by the name; whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished:
        if path.suffix == ".png":
            picture.save(unfinished, "PNG")
        else:
            picture.save(unfinished, "JPEG", quality=QUALITY)
