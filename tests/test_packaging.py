"""What is installed is what is in the tree, data included, and the pins are the tested versions."""

import importlib.metadata
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import wonderzoom.scene_graph

DISTRIBUTION = "wonderzoom-runtime"
FOLDERS = ("runtime", "scene_graph", "generation", "protocol", "clients")


def is_source(path: Path) -> bool:
    """Not bytecode, not numba's compiled kernels (both in __pycache__), not a tool's hidden cache."""
    return not any(part == "__pycache__" or part.startswith(".") for part in path.parts)


@pytest.fixture(scope="module")
def project(repository: Path) -> dict[str, Any]:
    return tomllib.loads((repository / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def tree(repository: Path) -> dict[str, bytes]:
    """Every source file under the name it has once installed."""
    return {
        f"wonderzoom/{path.relative_to(repository).as_posix()}": path.read_bytes()
        for folder in FOLDERS
        for path in (repository / folder).rglob("*")
        if is_source(path.relative_to(repository)) and path.is_file()
    }


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The wheel as a user gets it: built from the sdist, which is built from the tree."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(repository)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    (built,) = out.glob("*.whl")
    with zipfile.ZipFile(built) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_wheel_holds_the_tree_and_nothing_else(wheel: dict[str, bytes], tree: dict[str, bytes]) -> None:
    packaged = {name: data for name, data in wheel.items() if ".dist-info/" not in name}
    assert packaged.keys() == tree.keys()
    assert [name for name in tree if packaged[name] != tree[name]] == []


def test_every_package_folder_is_typed(tree: dict[str, bytes]) -> None:
    assert {f"wonderzoom/{folder}/py.typed" for folder in FOLDERS} <= tree.keys()


def test_the_wheel_carries_the_command_and_the_licence(wheel: dict[str, bytes]) -> None:
    metadata = {
        name.partition(".dist-info/")[2]: data for name, data in wheel.items() if ".dist-info/" in name
    }
    assert b"wonderzoom = wonderzoom.runtime.cli:main" in metadata["entry_points.txt"]
    assert b"[wonderzoom.commands]\nload = wonderzoom.clients.load:main" in metadata["entry_points.txt"]
    assert b"\nview = wonderzoom.clients.desktop.view:main" in metadata["entry_points.txt"]
    assert b"Apache License" in metadata["licenses/LICENSE"]


def test_the_tests_run_on_this_tree(tree: dict[str, bytes]) -> None:
    """An environment that was installed before the last change would test yesterday's package."""
    installed = Path(wonderzoom.scene_graph.__path__[0]).parent
    stale = [name for name in tree if (installed.parent / name).read_bytes() != tree[name]]
    assert stale == []


def test_the_dev_extra_and_the_dev_group_are_equal(project: dict[str, Any]) -> None:
    extras = project["project"]["optional-dependencies"]
    assert extras["dev"] == project["dependency-groups"]["dev"]
    assert set(extras["test"]) < set(extras["dev"])


def pins(repository: Path) -> dict[str, str]:
    lines = (repository / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in pairs}


def needed_by(names: set[str]) -> set[str]:
    """The names and everything that they need, here, directly or not."""
    needed: set[str] = set()
    waiting = [(name, frozenset[str]()) for name in names]
    while waiting:
        name, extras = waiting.pop()
        if name in needed:
            continue
        needed.add(name)
        for text in importlib.metadata.requires(name) or []:
            requirement = Requirement(text)
            environments = [{"extra": extra} for extra in extras or {""}]
            if requirement.marker is None or any(requirement.marker.evaluate(e) for e in environments):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return needed


def test_everything_that_the_tests_install_is_pinned_at_the_tested_version(
    repository: Path, project: dict[str, Any]
) -> None:
    core, extras = project["project"]["dependencies"], project["project"]["optional-dependencies"]
    everything, some = (
        {str(canonicalize_name(Requirement(text).name)) for text in core + extras[extra]}
        for extra in ("dev", "test")
    )
    here = {canonicalize_name(each.name) for each in importlib.metadata.distributions()}
    needed = needed_by(everything if everything <= here else some)
    # A local label ("+cpu") tells builds of one version apart: the pin fits them all.
    tested = {name: importlib.metadata.version(name).partition("+")[0] for name in needed}
    pinned = pins(repository)
    assert {name: pinned.get(name) for name in tested} == tested


def test_pins_satisfy_the_requirements(repository: Path, project: dict[str, Any]) -> None:
    pinned = pins(repository)
    extras = project["project"]["optional-dependencies"].values()
    for text in [*project["project"]["dependencies"], *(text for extra in extras for text in extra)]:
        requirement = Requirement(text)
        version = pinned.get(canonicalize_name(requirement.name))
        assert version is None or version in requirement.specifier, text


@pytest.mark.parametrize("name", ["pyproject.toml", "constraints.txt", "run.py", ".ci/run"])
def test_set_up_names_no_place_on_the_network(repository: Path, name: str) -> None:
    """Where packages come from is the user's choice (pip's and uv's settings), never ours."""
    assert "://" not in (repository / name).read_text(encoding="utf-8")
