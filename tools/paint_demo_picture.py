"""Paint the demo picture: an evening meadow above a mountain lake, with its exact depth.

    python -m tools.paint_demo_picture --out runtime/demo           # the shipped files: ten minutes of two free cores
    python -m tools.paint_demo_picture --out SOMEWHERE --preview    # smaller and coarser: two minutes

Everything is a formula or a thing of the embedded generator; no photograph is used, and the same command
gives the same picture. Files: ``meadow.png``, ``meadow_depth.png`` (16 bit, larger is farther) and
``meadow.json`` (metres per depth step, focal length in pixels, how it was made).
"""

# pyright: basic
from __future__ import annotations

import argparse
import json
import math
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tools.demo_picture import flowers, plants, standing
from tools.demo_picture.light import SUN_DIRECTION
from tools.demo_picture.raster import ShadowMap, Triangles, fill, shade_rows
from tools.demo_picture.terrain import land_rows
from tools.demo_picture.view import LENS, View
from wonderzoom.generation.embedded.things import Thing

Array = NDArray[np.float64]
SEED = 7
WIDTH = 768  # what a picture of short side 512 has: larger would be made smaller before it is used
SAMPLES = 3  # along each axis of a pixel, for plants: grass is thinner than a pixel
LAND_SAMPLES = 2  # for what lies behind them
BARE = 100.0  # metres: beyond, the land shows its own colours, before it is under grass
STEP = 0.01  # metres per depth step: 65535 of them reach 655 m
TRUE_TO = 150.0  # metres: farther depth is squeezed (logarithmically) so that mountains fit into 16 bits
FARTHEST = 14000.0


def land_of(view: View, threads: int, samples: int) -> tuple[Array, Array]:
    """Sky, mountains, lake and bare ground: linear colour and depth.

    One look per pixel, then ``samples`` along each axis where one is not enough: at outlines and far away.
    """
    color, depth = np.zeros((view.height, view.width, 3)), np.zeros((view.height, view.width))
    right, down, _ = view.axes / view.focal

    def look(chosen: NDArray[np.bool_], count: int) -> None:
        def work(first: int) -> None:
            land_rows(
                first, min(first + 8, view.height), view.eye, view.corner(), right, down, count, chosen,
                SUN_DIRECTION, color, depth,
            )  # fmt: skip

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, range(0, view.height, 8)))

    look(np.ones(depth.shape, np.bool_), 1)
    if samples > 1:
        near = np.where(np.isfinite(depth), depth, 1e6)
        window = np.ones((3, 3), np.uint8)
        outline = cv2.dilate(near, window) > 1.1 * cv2.erode(near, window)
        look(outline | ((depth > BARE) & np.isfinite(depth)), samples)
    return color, depth


def vegetation(view: View) -> Triangles:
    rng = np.random.default_rng(SEED)
    pixel = 1.0 / view.focal
    made = Triangles.joined([
        plants.grass(rng, 300000, pixel), flowers.flowers(rng, pixel), plants.seed_heads(rng, 1500, pixel),
        plants.pebbles(rng, 700),
    ])  # fmt: skip
    _, depth = view.project(made.corners.astype(np.float64))
    keep = (depth > 0.3).all(1)
    return Triangles(made.corners[keep], made.color[keep], made.open_[keep], made.through[keep])


def scenery(view: View, land: Array, land_depth: Array, threads: int) -> standing.Canvas:
    """Woods painted into the land; near things on a canvas of their own, far to near."""
    rng = np.random.default_rng(SEED + 1)
    standing.forest(view, land, land_depth, rng, threads)
    canvas = standing.Canvas.blank(view)
    standing.stand_thing(view, canvas, Thing("house", 3), -13.0, 118.0, 1.0, 0.35, threads)
    standing.stand_thing(view, canvas, Thing("tree", 5, LEAVES), -22.0, 122.0, 1.15, 0.4, threads)
    standing.stand_thing(view, canvas, Thing("tree", 8, LEAVES), *TREE, 1.25, 1.9, threads)
    for x, y, tall, radius, seed, facing in SUNFLOWERS:
        ground = standing.height(x, y)
        shape = standing.sunflower_plant(seed, (tall - 0.35 * radius) / radius, facing)
        standing.stand(view, canvas, shape, (x, y, ground), radius, 0.0, seed, threads)
    for x, y, above, turn, seed in BUTTERFLIES:
        standing.stand_thing(view, canvas, Thing("butterfly", seed), x, y, 1.3, turn, threads, above)
    return canvas


TREE = (-14.5, 27.0)
LEAVES = (0.05, 0.13, 0.012)  # late summer
# x, y, above the ground (metres), turn, seed
BUTTERFLIES = ((-0.16, 1.55, 0.62, 0.7, 4), (0.30, 1.40, 0.52, 2.6, 9))
# x, y, height, head radius (metres), seed, where the head looks
SUNFLOWERS = (
    (1.62, 2.75, 1.26, 0.125, 33, (-0.55, -1.0, 0.22)),
    (1.02, 2.05, 1.10, 0.130, 32, (-0.30, -1.0, 0.30)),
    (0.66, 1.45, 0.86, 0.128, 31, (-0.42, -1.0, 0.42)),
)


def finished(color: Array) -> NDArray[np.uint8]:
    """Linear radiance to sRGB bytes: a soft shoulder, a little more colour."""
    c = np.clip(color, 0, None) * 0.92
    c = c * (1 + c * 0.05) / (1 + c * 0.55) * 1.25
    grey = c @ np.array([0.2126, 0.7152, 0.0722])
    c = np.clip(grey[..., None] + (c - grey[..., None]) * 1.10, 0, 1)
    return (c ** (1 / 2.2) * 255 + 0.5).astype(np.uint8)


def squeezed(depth: Array) -> NDArray[np.uint16]:
    """Depth in steps; 0 for the sky, as depth maps have it, where it reaches the upper edge."""
    room = 65535 * STEP - TRUE_TO
    far = TRUE_TO + room * np.log(np.maximum(depth, TRUE_TO) / TRUE_TO) / math.log(FARTHEST / TRUE_TO)
    metres = np.where(depth > TRUE_TO, np.minimum(far, 65535 * STEP), depth)
    steps = np.where(np.isfinite(depth), np.rint(metres / STEP), 65535).astype(np.uint16)
    # Sky between leaves is cut off from the rest: a hole to a reader of the file. It stays at the far end.
    _, labels = cv2.connectedComponents((~np.isfinite(depth)).astype(np.uint8))
    open_sky = np.isin(labels, np.unique(labels[0][labels[0] > 0]))
    return np.where(open_sky, 0, steps).astype(np.uint16)


def paint(width: int, threads: int, samples: int) -> tuple[Array, Array, View]:
    """Linear colour, depth in metres (inf: sky) and the view."""
    view = View.of(width, round(width * 2 / 3), plants.eye_level())
    land, land_depth = land_of(view, threads, min(samples, LAND_SAMPLES))
    canvas = scenery(view, land, land_depth, threads)
    grown = vegetation(view)
    uv, depth = view.project(grown.corners.astype(np.float64))
    screen = np.concatenate([uv * samples, 1.0 / depth[..., None]], -1).astype(np.float32)
    key, owner = fill(screen, view.height * samples, view.width * samples, threads)
    shade = plants.tree_shade(np.random.default_rng(SEED + 2), *TREE, 9.0)
    shadow = ShadowMap.of(Triangles.joined([grown, shade]), SUN_DIRECTION, 36.0, 0.01, threads)
    picture, result = np.zeros_like(land), np.zeros_like(land_depth)
    right, down, _ = view.axes / view.focal

    def work(first: int) -> None:
        shade_rows(
            first, min(first + 16, view.height), samples, screen, grown.corners, grown.color, grown.open_,
            grown.through, key, owner, view.eye, view.corner(), right, down, SUN_DIRECTION, shadow.axes,
            *shadow.origin, shadow.cell, shadow.key, land, land_depth, canvas.color, canvas.alpha, canvas.depth,
            picture, result,
        )  # fmt: skip

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, range(0, view.height, 16)))
    return picture, result, view


def write(folder: Path, picture: Array, depth: Array, view: View) -> None:
    """The three files."""
    folder.mkdir(parents=True, exist_ok=True)
    best = [cv2.IMWRITE_PNG_COMPRESSION, 9]
    cv2.imwrite(str(folder / "meadow.png"), np.ascontiguousarray(finished(picture)[..., ::-1]), best)
    cv2.imwrite(str(folder / "meadow_depth.png"), squeezed(depth), best)
    about = {
        "made_by": "python -m tools.paint_demo_picture",
        "width": view.width,
        "height": view.height,
        "focal_pixels": round(view.focal, 3),
        "focal_mm": LENS,
        "metres_per_step": STEP,
        "exact_to_metres": TRUE_TO,
        "about": (
            "Depth along the optical axis in steps; 0 is sky. Beyond exact_to_metres it grows with the"
            " logarithm of the real depth, so that mountains fit into 16 bits."
        ),
    }
    (folder / "meadow.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for the three files")
    parser.add_argument(
        "--size", type=int, default=WIDTH, help="width in pixels; the height is two thirds of it"
    )
    parser.add_argument("--preview", action="store_true", help="small and coarse, to look at the composition")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    width, samples = (asked.size * 3 // 4, 1) if asked.preview else (asked.size, SAMPLES)
    picture, depth, view = paint(width, asked.threads, samples)
    write(asked.out, picture, depth, view)


if __name__ == "__main__":
    main()
