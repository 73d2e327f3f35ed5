from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import SHA, published

from wonderzoom.generation.models.errors import ModelUnavailable
from wonderzoom.generation.models.locks import Locks
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.shelf import Shelf

CLIP = "transformers.CLIPVisionModel"


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    made = Shelf(Locks(tmp_path / "lock"), cache=tmp_path / "cache")
    yield made
    made.close()


def test_a_model_is_loaded_once_for_all_stages(shelf: Shelf, saved: Path) -> None:
    clip = ModelReference(path=str(saved / "clip"), dtype="float32")
    assert shelf.module("describe", clip, CLIP) is shelf.module("segment", clip, CLIP)
    pipeline = ModelReference(path=str(saved / "pipeline"), dtype="float32")
    name = "diffusers.DDPMPipeline"
    assert shelf.pipeline("upscale", pipeline, name) is shelf.pipeline("edit", pipeline, name)
    scheduler = ModelReference(path=str(saved / "pipeline"), subfolder="scheduler")
    one = shelf.part("edit", scheduler, "diffusers.DDPMScheduler")
    assert one is shelf.part("edit", scheduler, "diffusers.DDPMScheduler")


def test_a_repository_comes_from_the_cache(shelf: Shelf, saved: Path, tmp_path: Path) -> None:
    published(saved / "clip", "acme/eye", tmp_path / "cache")
    reference = ModelReference(repo="acme/eye", revision=SHA, dtype="float32")
    assert shelf.module("describe", reference, CLIP).config.hidden_size == 8


def test_another_pipeline_shares_the_weights(shelf: Shelf, saved: Path) -> None:
    from diffusers import DDIMPipeline

    reference = ModelReference(path=str(saved / "pipeline"), dtype="float32")

    def make(source: Any) -> Any:
        return DDIMPipeline(source.unet, source.scheduler)

    other = shelf.derived("edit", reference, "ddim", "diffusers.DDPMPipeline", make)
    assert other is shelf.derived("upscale", reference, "ddim", "diffusers.DDPMPipeline", make)
    assert other.unet is shelf.pipeline("edit", reference, "diffusers.DDPMPipeline").unet


def test_out_of_memory_is_tried_once_more_then_said(shelf: Shelf, saved: Path) -> None:
    reference = ModelReference(path=str(saved / "clip"), dtype="float32")
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


def test_other_errors_are_not_tried_again(shelf: Shelf, saved: Path) -> None:
    tries: list[int] = []

    def fails() -> None:
        tries.append(1)
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        shelf.run("describe", ModelReference(path=str(saved)), fails)
    assert len(tries) == 1
