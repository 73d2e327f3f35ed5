"""Panda3D without a window: the conformance pack's scene, a live world, and the arrays that the shaders read."""

import importlib.util
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_house import LINK, decibels, seen, visit
from engine_scene import Scene
from numpy.typing import NDArray
from PIL import Image
from x_display import display
from zoom_garden import ROOT

from wonderzoom.clients.engines.panda3d.packing import draw_of, panda_camera, surfel_texels
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.renderers.projection import project_block
from wonderzoom.scene_graph.camera import quat_to_matrix

MODULE = ("-m", "wonderzoom.clients.engines.panda3d")
LEAST_DB = 40.0


@pytest.fixture(scope="module")
def told(repository: Path) -> Any:
    pack = repository / "clients" / "engines" / "conformance" / "scene.json"
    return json.loads(pack.read_text(encoding="utf-8"))


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Panda3D is here, or where PANDA3D says (`pip install --target`)."""
    folder = os.environ.get("PANDA3D")
    if folder is not None:
        monkeypatch.setenv("PYTHONPATH", folder, prepend=os.pathsep)
    elif importlib.util.find_spec("panda3d") is None:
        pytest.skip("Panda3D is not here: pip install --target FOLDER panda3d, and FOLDER in PANDA3D")


def pixels(path: Path) -> NDArray[np.uint8]:
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.mark.system
@pytest.mark.usefixtures("installed")
def test_the_conformance_scene_is_drawn(repository: Path, told: Any, tmp_path: Path) -> None:
    pack, drawn = repository / "clients" / "engines" / "conformance", tmp_path / "drawn.png"
    command = [sys.executable, *MODULE, "conformance", str(pack / "scene.json"), str(drawn)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    wanted = told["picture"]
    assert decibels(pixels(drawn), pixels(pack / wanted["file"])) >= wanted["least_db"], done.stdout


@pytest.mark.system
@pytest.mark.usefixtures("installed")
def test_a_live_world_is_seen_and_zoomed(tmp_path: Path) -> None:
    camera = ROOT.resized(96, 72)
    command = [sys.executable, *MODULE, "pictures", LINK, str(tmp_path), "--size", "96", "72"]
    with CpuRenderer(1) as renderer:
        visited = visit(command, tmp_path / "garden", renderer)
        first, zoomed = pixels(tmp_path / "first.png"), pixels(tmp_path / "zoomed.png")
        assert decibels(first, seen(visited.before, camera, renderer)) > LEAST_DB, visited.said
        assert decibels(zoomed, seen(visited.after, camera.zoomed(4.0), renderer)) > LEAST_DB, visited.said
        assert decibels(first, zoomed) < LEAST_DB, "the zoom looks like what was there before"


@pytest.mark.system
@pytest.mark.usefixtures("installed")
def test_a_window_is_zoomed_by_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = """
        "$0" -m wonderzoom.clients.engines.panda3d view "$1" --size 160 120 & window=$!
        xdotool search --sync --onlyvisible --name '^WonderZoom$' mousemove --window %1 80 60 click 4 click 4 key z
        xdotool search --sync --onlyvisible --name 'WonderZoom: committed' key Escape
        wait $window
    """
    with CpuRenderer(1) as renderer, display(640, 480) as environment:
        monkeypatch.setenv("DISPLAY", environment["DISPLAY"])
        visited = visit(["bash", "-c", script, sys.executable, LINK], tmp_path / "garden", renderer)
    (made,) = set(visited.after.nodes) - set(visited.before.nodes)
    asked = visited.after.node(made).views[0].camera
    root = ROOT.resized(asked.width, asked.height)
    assert math.exp(asked.ln_f - root.ln_f) == pytest.approx(1.15**2, rel=0.02)  # the wheel came first


def test_texels_and_order_are_those_of_the_definition(told: Any) -> None:
    """What the shaders begin with, against splats of the reference."""
    scene = Scene.read(told["messages"])
    visible, camera, settings = scene.visible, scene.camera, scene.settings
    firsts = np.cumsum([0, *(block.count for block in visible.blocks)])[:-1].tolist()
    draw = draw_of(visible, firsts, camera, settings)
    keys: dict[tuple[int, int], float] = {}
    for i, (_, how) in enumerate(scene.drawn):
        splats = project_block(how, camera, settings)
        keys |= {
            (firsts[i] + int(row), i): float(key) for row, key in zip(splats.rows, splats.keys, strict=True)
        }
    order = [tuple(pair) for pair in draw.order.tolist()]
    assert len(set(order)) == len(order) and keys.keys() <= set(order)
    sorted_by = [keys[pair] for pair in order if pair in keys]
    assert all(far >= near - 1e-3 for far, near in zip(sorted_by, sorted_by[1:], strict=False))
    block = visible.blocks[0]
    texels = surfel_texels(block)
    color = texels[:, 14].astype(np.int64)
    np.testing.assert_array_equal(
        np.stack([color & 255, color >> 8 & 255, color >> 16], -1), block.surfels.colors
    )
    has_parent = np.isfinite(block.bounds.parent)
    assert (texels[~has_parent, 12] == 0.0).all()
    np.testing.assert_allclose(
        1.0 / texels[has_parent, 12], (block.bounds.parent - block.surfels.native)[has_parent], rtol=1e-5
    )


def test_pandas_own_camera_is_where_axes_say(repository: Path, told: Any) -> None:
    pack = repository / "clients" / "engines" / "conformance" / "axes.json"
    camera = Scene.read(told["messages"]).camera
    for turned in json.loads(pack.read_text(encoding="utf-8"))["panda3d"]["cameras"]:
        quat, eye, fov = panda_camera(replace(camera, quat=tuple(turned["wire"])))
        np.testing.assert_allclose(quat, turned["engine"], atol=1e-5)
        np.testing.assert_allclose(
            quat_to_matrix(quat) @ [0.0, 1.0, 0.0], np.negative(eye), atol=1e-9
        )  # looks at the pivot
        assert math.tan(math.radians(fov / 2)) == pytest.approx(0.5 * camera.height * math.exp(-camera.ln_fy))


def test_blocks_that_float32_can_not_hold_are_left_out(told: Any) -> None:
    scene = Scene.read(told["messages"])
    closer = scene.camera.zoomed(2.0**60)
    draw = draw_of(scene.visible, [0] * len(scene.visible.blocks), closer, scene.settings)
    assert np.isfinite(draw.blocks).all() and len(draw.order) == 0
    assert math.log(closer.cell_frame(scene.visible.blocks[0].cell).edge_px) > math.log(1e15)
