"""Models of kilobytes for all tests of adapters: one thread, no network, no chatter; made once a run."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before any import: a try to reach a hub is an error, not a wait
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

from collections.abc import Iterator
from pathlib import Path

import pytest
import tiny_painters
from tiny_models import quiet

from wonderzoom.generation.models.locks import Locks
from wonderzoom.generation.models.shelf import Shelf
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.runtime.renderers.cpu import CpuRenderer


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> None:
    quiet()


@pytest.fixture(scope="session")
def klein_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_painters.save_klein(tmp_path_factory.mktemp("klein"))


@pytest.fixture(scope="session")
def sd_inpaint_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_painters.save_sd_inpaint(tmp_path_factory.mktemp("sd_inpaint"))


@pytest.fixture(scope="session")
def sd_text_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_painters.save_sd_text(tmp_path_factory.mktemp("sd_text"))


@pytest.fixture(scope="session")
def vace_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_painters.save_vace(tmp_path_factory.mktemp("vace"))


@pytest.fixture(scope="session")
def prompted_depth_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_painters.save_prompted_depth(tmp_path_factory.mktemp("prompted_depth"))


@pytest.fixture(scope="module")
def painting_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """A shelf with an empty cache, and a renderer."""
    place = tmp_path_factory.mktemp("bench")
    shelf = Shelf(Locks(place / "lock"), cache=place / "cache")
    with CpuRenderer(1) as renderer:
        yield Workbench(shelf, renderer)
    shelf.close()
