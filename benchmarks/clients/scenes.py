"""The world that is compared: one picture, and the zoom that is committed while people look.

As a world for our server, and as flat splats of the same surfels for the others: those of the picture alone, those with
the zoom, and those that the zoom brings.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wonderzoom.runtime.frames import frame_of
from wonderzoom.scene_graph.camera import quat_to_matrix
from wonderzoom.scene_graph.formats.cloud import Cloud
from wonderzoom.scene_graph.formats.flatten import UNITS_TO_PIVOT, Frame, flatten
from wonderzoom.scene_graph.store import WorldStore

ROOT = Path(__file__).parents[2]
_DEMO = ROOT / "runtime" / "demo"


@dataclass(frozen=True, slots=True)
class Scenes:
    """Where they lie."""

    world: Path  # without the zoom, which can be brought back
    node: str  # the zoom
    splats: Path  # for ``viser_splats``
    files: dict[str, Path]  # for any web server
    surfels: dict[str, int]  # of each part


def wonderzoom(*words: str | Path) -> str:
    """What a command prints."""
    command = [sys.executable, "-m", "wonderzoom.runtime.cli", *map(str, words)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT).stdout


def make_world(path: Path) -> None:
    """The picture of the demo, and a zoom into it."""
    wonderzoom(
        "create", _DEMO / "meadow.png", "--depth", _DEMO / "meadow_depth.png", "-o", path
    )  # fmt: skip
    wonderzoom("zoom", path, "--at", "0.5,0.6", "--factor", "4", "--prompt", "moss")


def prepare(world: Path, folder: Path) -> Scenes:
    """All of it, of a world with one zoom at least; the newest is what will be committed."""
    mine = folder / "world"
    shutil.copytree(world, mine)
    after, pose = _splats(mine)
    node = json.loads(wonderzoom("info", mine, "--json"))["nodes"][-1]["id"]
    wonderzoom("remove", mine, node)
    before, _ = _splats(mine)
    known = {row.tobytes() for row in before.means}
    more = after.take(np.array([row.tobytes() not in known for row in after.means]))
    parts = {"before": before, "after": after, "more": more}
    columns = {
        f"{part}_{name}": values for part, cloud in parts.items() for name, values in _columns(cloud).items()
    }
    splats = folder / "splats.npz"
    np.savez(splats, allow_pickle=False, **columns, **pose)
    files = {name: folder / name for name in ("scene.ply", "scene.spz")}
    for file in files.values():
        wonderzoom("export", mine, "-o", file)
    return Scenes(mine, node, splats, files, {part: len(cloud) for part, cloud in parts.items()})


def _splats(path: Path) -> tuple[Cloud, dict[str, np.ndarray]]:
    """The finest of each place, and where the camera of the first picture looks."""
    with WorldStore.open(path) as store:
        world = store.load()
        assert world.root is not None
        camera = frame_of(world.root, world.header)
        fov = 2.0 * math.atan(0.5 * camera.height / math.exp(camera.ln_fy))
        pose = {"look_at": np.array([0.0, 0.0, UNITS_TO_PIVOT]), "fov": np.array(fov)}
        return flatten(world, Frame.of_picture(camera)).cloud, pose


def _columns(cloud: Cloud) -> dict[str, np.ndarray]:
    """As viser takes them."""
    scaled = quat_to_matrix(cloud.quats) * np.exp(cloud.log_scales)[:, None, :]
    return {
        "centers": cloud.means,
        "covariances": (scaled @ scaled.transpose(0, 2, 1)).astype(np.float32),
        "rgbs": cloud.colors,
        "opacities": cloud.opacities[:, None],
    }
