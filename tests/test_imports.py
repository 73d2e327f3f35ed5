"""Who may import whom, seen from outside: what a program really loads, and what renderers name.

import-linter checks the rules on the source (pyproject.toml); here a fresh interpreter imports the rooms
and tells what came along, so that a lazy or an indirect import can't hide.
"""

import ast
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import wonderzoom.runtime.renderers

REPORT_LOADED = """
import importlib, sys
before = set(sys.modules)
for name in sys.argv[1:]:
    importlib.import_module(name)
loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(loaded - {"wonderzoom"}))
"""


def rooms(package: str) -> list[str]:
    """The names of a package and all modules below it."""
    found = [package]
    path = list(__import__(package, fromlist=["__path__"]).__path__)
    for module in pkgutil.walk_packages(path, package + "."):
        found.append(module.name)
    return found


def loaded_by(modules: list[str]) -> set[str]:
    """Top-level names that a fresh interpreter holds after importing the modules."""
    result = subprocess.run(
        [sys.executable, "-c", REPORT_LOADED, *modules], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def third_parties(modules: list[str]) -> set[str]:
    return {name for name in loaded_by(modules) if name not in sys.stdlib_module_names}


def test_the_scene_graph_loads_numpy_and_safetensors_only() -> None:
    assert third_parties(rooms("wonderzoom.scene_graph")) <= {"numpy", "safetensors"}


def test_the_protocol_loads_no_sockets_and_no_event_loop() -> None:
    loaded = loaded_by(rooms("wonderzoom.protocol"))
    assert loaded.isdisjoint({"asyncio", "socket", "websockets", "torch", "numba"})


def test_the_core_install_runs_without_torch_and_gpu_libraries() -> None:
    every_room = rooms("wonderzoom.generation") + rooms("wonderzoom.runtime")
    loaded = loaded_by([name for name in every_room if not name.endswith("__main__")])
    assert loaded.isdisjoint({"torch", "gsplat", "diffusers", "transformers", "moderngl", "ray"})


def imported_names(source: str) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


RENDERER_FILES = sorted(Path(wonderzoom.runtime.renderers.__path__[0]).rglob("*.py"))


@pytest.mark.parametrize("file", RENDERER_FILES, ids=lambda file: file.name)
def test_a_renderer_imports_no_other_room_of_ours_than_the_scene_graph(file: Path) -> None:
    ours = {
        name for name in imported_names(file.read_text(encoding="utf-8")) if name.startswith("wonderzoom.")
    }
    allowed = ("wonderzoom.scene_graph.", "wonderzoom.runtime.renderers.")
    assert {name for name in ours if not f"{name}.".startswith(allowed)} == set()
