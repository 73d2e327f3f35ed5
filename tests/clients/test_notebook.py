"""docs/notebook.ipynb does what it shows: its code runs against a real server and gives what is kept of it."""

import importlib.util
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from house_thread import house_thread

from wonderzoom.runtime.renderers.cpu import CpuRenderer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_notebook", ROOT / "tools" / "run_notebook.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(1) as made:
        yield made


def kinds(cell: dict[str, Any]) -> list[tuple[str, ...]]:
    """The outputs of a cell, by what they are."""
    return [(each["output_type"], *sorted(each.get("data", ()))) for each in cell["outputs"]]


def test_the_notebook_runs_and_shows_what_is_kept_of_it(
    tmp_path: Path, renderer: CpuRenderer, runner: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    notebook = json.loads((ROOT / "docs" / "notebook.ipynb").read_text(encoding="utf-8"))
    with house_thread(tmp_path / "garden", renderer) as served:
        monkeypatch.setenv("WONDERZOOM_LINK", served.link())
        cells = runner.run(notebook)
    code = [
        (before, after) for before, after in zip(notebook["cells"], cells, strict=True) if "outputs" in after
    ]
    assert len(code) >= 6
    for before, after in code:
        assert kinds(after) == kinds(before), before["source"]
    said = json.dumps([after["outputs"] for _, after in code])
    assert "data:image/jpeg;base64" in said and "committed after" in said and "a ladybug on a leaf" in said
    assert "wonderzoom.clients" in sys.modules


def test_the_notebook_is_small_and_whole(runner: ModuleType) -> None:
    path = ROOT / "docs" / "notebook.ipynb"
    assert path.stat().st_size < 600_000
    notebook = json.loads(path.read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    counts = [cell["execution_count"] for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert counts == list(range(1, len(counts) + 1))
