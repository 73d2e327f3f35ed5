"""Make the pictures of docs/: chains of ten zooms into photos, drawn from the stored surfels alone.

    python -m tools.make_contact_sheets [--only NAME] [--worlds FOLDER] [--output docs/sheets]

For each chain a world is built (or found, or completed) in the folder of worlds, opened again from disk, and
each node's frame on the way down is drawn by the renderer; no generated picture is copied. ``ladybug.jpg``
shows that a prompted thing stays: the frames that lead to it and away from it.
Needs scikit-image for its photos (extra ``dev``).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from wonderzoom.generation.jobs import CreateRequest
from wonderzoom.runtime.app import DEFAULT_GENERATOR, App
from wonderzoom.runtime.authoring import planned_request
from wonderzoom.runtime.build import build
from wonderzoom.runtime.frames import covered, frame_of, settings_of
from wonderzoom.runtime.pictures import SHORT_SIDE
from wonderzoom.runtime.plans import ROOT, Plan, PlannedZoom, read_plan
from wonderzoom.runtime.world_report import magnification
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.scale_node import ScaleNode
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

TILE = 384  # pixels
GAP = 6
CAPTION = 22
COLUMNS = 4
QUALITY = 88  # of the JPEG files


@dataclass(frozen=True, slots=True)
class Step:
    """One zoom of a chain."""

    at: tuple[float, float]
    factor: float
    prompt: str = ""


CENTRE = (0.5, 0.5)
CHAINS = {
    "astronaut": (
        Step((0.22, 0.78), 6.0),
        Step((0.5, 0.55), 6.0, "a ladybug"),
        Step((0.5, 0.47), 6.0),
        Step(CENTRE, 6.0),
        Step(CENTRE, 6.0),
        Step((0.45, 0.5), 5.0, "moss"),
        Step(CENTRE, 5.0, "a mushroom"),
        Step((0.5, 0.4), 5.0),
        Step(CENTRE, 5.0),
        Step(CENTRE, 5.0),
    ),
    "coffee": (
        Step((0.86, 0.45), 5.0),
        Step(CENTRE, 5.0, "an ant"),
        Step((0.5, 0.5), 5.0),
        Step(CENTRE, 6.0),
        Step(CENTRE, 6.0),
        Step(CENTRE, 5.0, "frost"),
        Step(CENTRE, 5.0, "a gem"),
        Step((0.5, 0.5), 5.0),
        Step(CENTRE, 5.0),
        Step(CENTRE, 5.0),
    ),
    "chelsea": (
        Step((0.30, 0.18), 5.0),
        Step(CENTRE, 5.0),
        Step(CENTRE, 5.0, "a dewdrop"),
        Step((0.45, 0.4), 6.0),
        Step(CENTRE, 6.0),
        Step(CENTRE, 5.0, "sand"),
        Step(CENTRE, 5.0, "a shell"),
        Step((0.5, 0.5), 5.0),
        Step(CENTRE, 5.0),
        Step(CENTRE, 5.0),
    ),
}
# The demo's own plan, and four zooms more: ten.
DEMO = "meadow"
FURTHER = (Step(CENTRE, 6.0), Step(CENTRE, 6.0), Step(CENTRE, 6.0), Step(CENTRE, 6.0))


def zooms_of(steps: Sequence[Step], before: Sequence[PlannedZoom] = ()) -> tuple[PlannedZoom, ...]:
    """The zooms of a chain, each into the one before it."""
    zooms = list(before)
    for number, step in enumerate(steps, len(zooms) + 1):
        name = f"zoom-{number}"
        parent = zooms[-1].name if zooms else ROOT
        zooms.append(
            PlannedZoom(name, parent, step.at, step.factor, None, step.prompt, number, "add", f"{name}: ")
        )
    return tuple(zooms)


def planned(name: str, folder: Path, app: App) -> tuple[Plan, CreateRequest]:
    """Plan and picture of a chain, read as the command line reads them."""
    if name == DEMO:
        with as_file(files("wonderzoom.runtime.demo")) as shipped:
            plan = read_plan(shipped / "demo.toml")
            request = planned_request(plan, app)
        return replace(plan, zooms=zooms_of(FURTHER, plan.zooms)), request
    from skimage import data

    photos = {"astronaut": data.astronaut, "coffee": data.coffee, "chelsea": data.chelsea}
    path = folder / f"{name}.png"
    Image.fromarray(photos[name]()).save(path)
    zooms = zooms_of(CHAINS[name])
    plan = Plan(path, path, None, None, None, "", 0, DEFAULT_GENERATOR, SHORT_SIDE, zooms)
    return plan, planned_request(plan, app)


def draw(app: App, world: World, camera: Camera) -> np.ndarray:
    """What the stored surfels show, [H, W, 3] bytes."""
    settings = settings_of(world.header)
    return app.renderer.render_color(visible_set(world, camera, settings), camera, settings)[..., :3]


def caption(world: World, node: ScaleNode) -> str:
    times = magnification(world, node)
    zoomed = f"{times:,.0f}x" if times < 1e6 else f"{times:.1e}x".replace("e+0", "e")
    return f"{zoomed}  {node.prompt}".rstrip()


def sheet(tiles: Sequence[tuple[np.ndarray, str]], columns: int) -> Image.Image:
    """Tiles with their captions below, row by row."""
    rows = -(-len(tiles) // columns)
    size = (columns * (TILE + GAP) + GAP, rows * (TILE + CAPTION + GAP) + GAP)
    picture = Image.new("RGB", size, (24, 24, 26))
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(15)
    for index, (tile, text) in enumerate(tiles):
        row, column = divmod(index, columns)
        left, top = GAP + column * (TILE + GAP), GAP + row * (TILE + CAPTION + GAP)
        picture.paste(Image.fromarray(np.ascontiguousarray(tile)), (left, top))
        pen.text((left + 4, top + TILE + 2), text, (225, 225, 220), font)
    return picture


def make(name: str, app: App, worlds: Path, output: Path) -> None:
    """Build, open again, draw."""
    built = build(*planned(name, worlds, app), worlds / name, app)
    with WorldStore.open(worlds / name) as store:
        world = store.load()
    nodes = [world.node(node) for node in built.nodes.values()]
    frames = [covered(frame_of(node, world.header), TILE, TILE) for node in nodes]
    tiles = [
        (draw(app, world, frame), caption(world, node)) for frame, node in zip(frames, nodes, strict=True)
    ]
    sheet(tiles, COLUMNS).save(output / f"{name}.jpg", quality=QUALITY)
    bug = next((i for i, node in enumerate(nodes) if "ladybug" in node.prompt), None)
    if bug is not None and name == DEMO:
        sheet(tiles[max(bug - 2, 0) : bug + 2], 4).save(output / "ladybug.jpg", quality=QUALITY)
    print(output / f"{name}.jpg", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", choices=sorted((DEMO, *CHAINS)), help="one chain")
    parser.add_argument("--worlds", type=Path, default=Path("world"), help="where the worlds are kept")
    parser.add_argument("--output", type=Path, default=Path("docs/sheets"))
    options = parser.parse_args()
    options.worlds.mkdir(parents=True, exist_ok=True)
    options.output.mkdir(parents=True, exist_ok=True)
    with App() as app:
        for name in (DEMO, *CHAINS):
            if options.only in (None, name):
                make(name, app, options.worlds, options.output)


if __name__ == "__main__":
    main()
