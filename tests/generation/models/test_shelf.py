from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import SHA, livened, published

from wonderzoom.generation.models.errors import ModelUnavailable
from wonderzoom.generation.models.locks import Locks
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.shelf import Shelf

CLIP = "transformers.CLIPVisionModel"


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
    from transformers import CLIPVisionConfig, CLIPVisionModel

    place = tmp_path_factory.mktemp("shelf")
    config = CLIPVisionConfig(
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=8,
        patch_size=4,
    )
    livened(CLIPVisionModel(config)).save_pretrained(place / "clip")
    unet = UNet2DModel(
        sample_size=8, block_out_channels=(8, 8), layers_per_block=1, norm_num_groups=4, attention_head_dim=4,
        down_block_types=("DownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "UpBlock2D"),
    )  # fmt: skip
    DDPMPipeline(unet, DDPMScheduler()).save_pretrained(place / "pipeline")
    return place


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    made = Shelf(Locks(tmp_path / "lock"), cache=tmp_path / "cache")
    yield made
    made.close()


def test_a_model_is_loaded_once_for_all_stages(shelf: Shelf, folder: Path) -> None:
    clip = ModelReference(path=str(folder / "clip"), dtype="float32")
    assert shelf.module("describe", clip, CLIP) is shelf.module("segment", clip, CLIP)
    pipeline = ModelReference(path=str(folder / "pipeline"), dtype="float32")
    name = "diffusers.DDPMPipeline"
    assert shelf.pipeline("upscale", pipeline, name) is shelf.pipeline("edit", pipeline, name)
    scheduler = ModelReference(path=str(folder / "pipeline"), subfolder="scheduler")
    one = shelf.part("edit", scheduler, "diffusers.DDPMScheduler")
    assert one is shelf.part("edit", scheduler, "diffusers.DDPMScheduler")


def test_a_repository_comes_from_the_cache(shelf: Shelf, folder: Path, tmp_path: Path) -> None:
    published(folder / "clip", "acme/eye", tmp_path / "cache")
    reference = ModelReference(repo="acme/eye", revision=SHA, dtype="float32")
    assert shelf.module("describe", reference, CLIP).config.hidden_size == 8


def test_another_pipeline_shares_the_weights(shelf: Shelf, folder: Path) -> None:
    from diffusers import DDIMPipeline

    reference = ModelReference(path=str(folder / "pipeline"), dtype="float32")

    def make(source: Any) -> Any:
        return DDIMPipeline(source.unet, source.scheduler)

    other = shelf.derived("edit", reference, "ddim", "diffusers.DDPMPipeline", make)
    assert other is shelf.derived("upscale", reference, "ddim", "diffusers.DDPMPipeline", make)
    assert other.unet is shelf.pipeline("edit", reference, "diffusers.DDPMPipeline").unet


def test_out_of_memory_is_tried_once_more_then_said(shelf: Shelf, folder: Path) -> None:
    reference = ModelReference(path=str(folder / "clip"), dtype="float32")
    shelf.module("describe", reference, CLIP)
    tries: list[int] = []

    def fits_the_second_time() -> str:
        tries.append(1)
        if len(tries) < 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return "made"

    def never() -> str:
        tries.append(1)
        raise torch.OutOfMemoryError("CUDA out of memory")

    assert shelf.run("describe", reference, fits_the_second_time) == "made"
    tries.clear()
    with pytest.raises(ModelUnavailable, match="does not fit") as caught:
        shelf.run("describe", reference, never)
    assert caught.value.reason == "memory" and len(tries) == 2


def test_other_errors_are_not_tried_again(shelf: Shelf, folder: Path) -> None:
    tries: list[int] = []

    def fails() -> None:
        tries.append(1)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        shelf.run("describe", ModelReference(path=str(folder)), fails)
    assert len(tries) == 1
