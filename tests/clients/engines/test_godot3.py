"""Godot 3 on a display that nobody sees: the conformance pack's scene, and a live world that it zooms."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from engine_house import LINK, decibels, seen, visit
from PIL import Image
from x_display import display
from zoom_garden import ROOT

from wonderzoom.runtime.renderers.cpu import CpuRenderer

pytestmark = pytest.mark.system

LEAST_DB = 40.0


@pytest.fixture
def project(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the project, as Godot keeps what it imports beside the sources; and a display."""
    if shutil.which("godot3") is None:
        pytest.fail("Godot 3 is not here: install it (Debian: `apt-get install godot3`)")
    with display(640, 480) as environment:
        monkeypatch.setenv("DISPLAY", environment["DISPLAY"])
        yield shutil.copytree(repository / "clients" / "engines" / "godot3", tmp_path / "project")


def command(project: Path, size: tuple[int, int], home: Path, **variables: str) -> list[str]:
    """Godot with environment variables; the word behind it is the link."""
    told = " ".join(f'{name}="{value}"' for name, value in variables.items())
    script = f'WONDERZOOM_LINK="$0" {told} HOME="{home}" exec godot3 --path "{project}" --audio-driver Dummy'
    script += f" --video-driver GLES3 --resolution {size[0]}x{size[1]} 2>&1"
    return ["bash", "-c", script]


def test_a_live_world_is_seen_and_zoomed(project: Path, tmp_path: Path) -> None:
    drawn = tmp_path / "drawn.png"
    words = command(project, (96, 72), tmp_path, WONDERZOOM_FACTOR="4", WONDERZOOM_PICTURE=str(drawn))
    with CpuRenderer(1) as renderer:
        visited = visit([*words, LINK], tmp_path / "garden", renderer)
        picture = np.asarray(Image.open(drawn).convert("RGB"))
        camera = ROOT.resized(96, 72).zoomed(4.0)
        assert "zoom committed" in visited.said and "SCRIPT ERROR" not in visited.said
        assert decibels(picture, seen(visited.after, camera, renderer)) > LEAST_DB, visited.said
        assert decibels(picture, seen(visited.before, camera, renderer)) < LEAST_DB, (
            "nothing came of the zoom"
        )


def test_the_conformance_scene_is_drawn(project: Path, repository: Path, tmp_path: Path) -> None:
    pack, drawn = repository / "clients" / "engines" / "conformance", tmp_path / "drawn.png"
    wanted = json.loads((pack / "scene.json").read_text(encoding="utf-8"))["picture"]
    size = wanted["width"], wanted["height"]
    scene = str(pack / "scene.json")
    words = command(project, size, tmp_path, WONDERZOOM_SCENE=scene, WONDERZOOM_PICTURE=str(drawn))
    done = subprocess.run([*words, ""], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "SCRIPT ERROR" not in done.stdout, done.stdout + done.stderr
    picture, right = (np.asarray(Image.open(path).convert("RGB")) for path in (drawn, pack / wanted["file"]))
    assert decibels(picture, right) >= wanted["least_db"], done.stdout
