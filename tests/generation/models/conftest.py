"""Models of kilobytes for all tests of adapters: one thread, no network, no chatter; made once a run."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before any import: a try to reach a hub is an error, not a wait
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import tiny_painters
from tiny_models import livened, quiet

from wonderzoom.generation.models.locks import Locks
from wonderzoom.generation.models.shelf import Shelf
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.ports import Renderer

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What loads checkpoints takes a minute to import and make: the whole folder is a run of its own."""
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker("models")


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


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workbench]:
    """A shelf with an empty cache, and nothing to draw with."""
    place = tmp_path_factory.mktemp("bench")
    shelf, no_renderer = Shelf(Locks(place / "lock"), cache=place / "cache"), cast(Renderer, None)
    yield Workbench(shelf, no_renderer)
    shelf.close()


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline of diffusers and a network of transformers, for whatever loads them."""
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
    from transformers import CLIPVisionConfig, CLIPVisionModel

    folder = tmp_path_factory.mktemp("saved")
    unet = UNet2DModel(
        sample_size=8, block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=4, attention_head_dim=4,
        down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    DDPMPipeline(livened(unet), DDPMScheduler()).save_pretrained(folder / "pipeline")
    config = CLIPVisionConfig(
        hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=2, image_size=8, patch_size=4
    )  # fmt: skip
    livened(CLIPVisionModel(config)).save_pretrained(folder / "clip")
    return folder
