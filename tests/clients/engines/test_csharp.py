"""The C# core, compiled and run by mono: the conformance pack, and a live world that it looks into and zooms."""

import io
import shutil
import subprocess
from pathlib import Path

import msgspec
import numpy as np
import pytest
from engine_house import LINK, decibels, seen, visit
from numpy.typing import NDArray
from PIL import Image

from wonderzoom.clients.poses import camera_of
from wonderzoom.protocol.values import CameraPose
from wonderzoom.runtime.renderers.cpu import CpuRenderer

pytestmark = pytest.mark.system

SOURCES = ("WonderZoom.cs", "Conformance.cs", "Program.cs")
LEAST_DB = 40.0


def compiled(folder: Path, into: Path, *options: str, sources: tuple[str, ...] = SOURCES) -> Path:
    """The program, or a library, made of the sources with all warnings as errors."""
    if shutil.which("mcs") is None or shutil.which("mono") is None:
        pytest.fail("mono is not here: install it (Debian: `apt-get install mono-mcs mono-runtime`)")
    command = ["mcs", "-warn:4", "-warnaserror", "-r:System.Numerics.dll", f"-out:{into}", *options]
    done = subprocess.run(
        [*command, *(str(folder / name) for name in sources)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return into


@pytest.fixture(scope="module")
def folder(repository: Path) -> Path:
    return repository / "clients" / "engines" / "csharp"


@pytest.fixture(scope="module")
def program(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(folder, tmp_path_factory.mktemp("csharp") / "wonderzoom.exe")


def conformance(program: Path, repository: Path, *rest: str) -> subprocess.CompletedProcess[str]:
    pack, vectors = repository / "clients" / "engines" / "conformance", repository / "protocol" / "vectors"
    command = ["mono", str(program), "conformance", str(pack), str(vectors), *rest]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_every_step_of_the_conformance_pack_passes(program: Path, repository: Path) -> None:
    done = conformance(program, repository)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ok      ") == 9 and "FAILED" not in done.stdout


@pytest.mark.parametrize(
    ("was", "is_", "step"),
    [
        ("Blur = 0.1", "Blur = 0.3", "9 picture"),
        ("folded >> 1 ^ -(folded & 1)", "folded >> 1", "3 surfels"),
        ("new[] { 1, -1, 1 }, -1, 1.0", "new[] { 1, -1, 1 }, 1, 1.0", "7 axes"),
    ],
)
def test_a_wrong_client_fails(
    was: str, is_: str, step: str, folder: Path, repository: Path, tmp_path: Path
) -> None:
    for name in SOURCES:
        text = (folder / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace(was, is_), encoding="utf-8")
    assert is_ in (tmp_path / "WonderZoom.cs").read_text(encoding="utf-8")
    done = conformance(compiled(tmp_path, tmp_path / "wrong.exe"), repository)
    assert done.returncode == 1 and f"FAILED  {step}" in done.stdout, done.stdout + done.stderr


def test_the_core_is_one_file_that_needs_no_socket(folder: Path, tmp_path: Path) -> None:
    options = "-target:library", "-d:WONDERZOOM_NO_SOCKET"
    assert compiled(folder, tmp_path / "core.dll", *options, sources=("WonderZoom.cs",)).is_file()


def test_a_live_world_is_seen_and_zoomed(program: Path, tmp_path: Path) -> None:
    with CpuRenderer(1) as renderer:
        command = ["mono", str(program), "live", LINK, str(tmp_path)]
        visited = visit(command, tmp_path / "garden", renderer)
        assert "zoom committed" in visited.said
        pictures: list[NDArray[np.uint8]] = []
        for name, world in (("first", visited.before), ("zoomed", visited.after)):
            pose = msgspec.msgpack.decode((tmp_path / f"{name}.camera").read_bytes(), type=CameraPose)
            picture = np.asarray(Image.open(io.BytesIO((tmp_path / f"{name}.ppm").read_bytes())))
            assert decibels(picture, seen(world, camera_of(pose), renderer)) > LEAST_DB, visited.said
            pictures.append(picture)
        assert decibels(*pictures) < LEAST_DB, "the zoom looks like what was there before"
