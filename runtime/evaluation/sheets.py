"""Pictures to look at: the nine views of a scene as a grid, and one view with and without a part of the method.

Owns layout and captions. Tiles are sRGB bytes [H, W, 3] of one size.
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
QUALITY = 85  # of JPEG


def sheet(tiles: Sequence[tuple[U8, str]], columns: int, width: int) -> Image.Image:
    """Tiles, each ``width`` pixels wide, with their captions below, row by row."""
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
        small = cv2.resize(np.ascontiguousarray(tile), (width, height), interpolation=cv2.INTER_AREA)
        picture.paste(Image.fromarray(np.asarray(small, np.uint8)), (left, top))
        pen.text((left + 2, top + height + 2), text, INK, font)
    return picture


def grid(views: Sequence[U8], width: int = 320) -> Image.Image:
    """The nine views as they stand round the scene."""
    return sheet([(view, "") for view in views], 3, width)


def most_different(ones: Sequence[U8], others: Sequence[U8]) -> int:
    """The index of the view that differs most, in the mean of absolute differences; of equals the first."""
    gaps = [float(np.abs(a.astype(np.int16) - b).mean()) for a, b in zip(ones, others, strict=True)]
    return int(np.argmax(gaps))


def side_by_side(without: U8, all_of_it: U8, name: str, width: int = 480) -> Image.Image:
    """One view without a part of the method, and with all of it."""
    return sheet([(without, f"without {name}"), (all_of_it, "all of it")], 2, width)


def save(picture: Image.Image, path: Path) -> None:
    """As PNG or JPEG, by the name; whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished:
        if path.suffix == ".png":
            picture.save(unfinished, "PNG")
        else:
            picture.save(unfinished, "JPEG", quality=QUALITY)
