"""Loading on tiny checkpoints: whole or an error within a second, by folder and by repository at a commit."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import SHA, published

from wonderzoom.generation.models.errors import ModelUnavailable, Reason
from wonderzoom.generation.models.loading import (
    imported,
    load_module,
    load_part,
    load_pipeline,
    locate,
)
from wonderzoom.generation.models.locks import Locks
from wonderzoom.generation.models.references import ModelReference

PIPELINE, UNET = "diffusers.DDPMPipeline", "diffusers.UNet2DModel"
CLIP = "transformers.CLIPVisionModel"
UNET_FILE, CLIP_FILE = "diffusion_pytorch_model.safetensors", "model.safetensors"


def at(folder: Path) -> ModelReference:
    return ModelReference(path=str(folder), dtype="float32")


def copied(saved: Path, name: str, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved / name, tmp_path / name))


def refused(reason: Reason, call: Any, said: str = "") -> ModelUnavailable:
    with pytest.raises(ModelUnavailable, match=said or ": ") as caught:
        call()
    assert caught.value.reason == reason
    assert caught.value.stage == "upscale" and not caught.value.retryable
    assert str(caught.value).endswith(caught.value.hint) and caught.value.hint
    return caught.value


# ---- whole models -------------------------------------------------------------------------------


def test_a_pipeline_in_a_folder_is_loaded_whole_and_ready(saved: Path) -> None:
    pipeline = load_pipeline("upscale", at(saved / "pipeline"), saved / "pipeline", PIPELINE)
    assert not pipeline.unet.training
    stored = load_file(saved / "pipeline" / "unet" / UNET_FILE)
    assert all(torch.equal(tensor, stored[name]) for name, tensor in pipeline.unet.state_dict().items())


def test_a_number_format_is_kept(saved: Path) -> None:
    for dtype in ("float32", "bfloat16"):
        reference = ModelReference(path=str(saved / "clip"), dtype=dtype)
        module = load_module("upscale", reference, saved / "clip", CLIP)
        assert {tensor.dtype for tensor in module.parameters()} == {getattr(torch, dtype)}
        assert not module.training


def test_a_part_is_replaced_by_what_is_given_or_left_out(saved: Path) -> None:
    from diffusers import DDIMScheduler

    other = DDIMScheduler()
    pipeline = load_pipeline("upscale", at(saved), saved / "pipeline", PIPELINE, {"scheduler": other})
    assert pipeline.scheduler is other


def test_a_part_without_tensors_is_loaded(saved: Path) -> None:
    folder = saved / "pipeline" / "scheduler"
    scheduler = load_part("upscale", at(folder), folder, "diffusers.DDPMScheduler")
    assert scheduler.config.num_train_timesteps == 1000


# ---- where they are -----------------------------------------------------------------------------


def test_a_repository_at_a_commit_is_found_in_the_cache_without_a_network(
    saved: Path, tmp_path: Path
) -> None:
    published(saved / "clip", "acme/eye", tmp_path)
    reference = ModelReference(repo="acme/eye", revision=SHA, dtype="float32")
    folder = locate("upscale", reference, Locks(tmp_path / "lock"), tmp_path)
    assert load_module("upscale", reference, folder, CLIP).config.hidden_size == 8


def test_without_a_revision_the_settled_one_counts_and_never_a_branch(saved: Path, tmp_path: Path) -> None:
    published(saved / "clip", "acme/eye", tmp_path)
    reference, locks = ModelReference(repo="acme/eye"), Locks(tmp_path / "lock")
    said = refused("not_here", lambda: locate("upscale", reference, locks, tmp_path), "no revision").hint
    assert "wonderzoom models download" in said
    locks.settle("acme/eye", SHA)
    assert locate("upscale", reference, locks, tmp_path).name == SHA


def test_what_is_not_in_the_cache_is_said_to_be_missing_and_how_to_get_it(tmp_path: Path) -> None:
    locks = Locks(tmp_path / "lock")
    reference = ModelReference(repo="acme/eye", revision=SHA, gated=True)
    error = refused("not_here", lambda: locate("upscale", reference, locks, tmp_path))
    assert "accept its licence at https://huggingface.co/acme/eye" in error.hint
    assert error.revision == SHA and error.model == "acme/eye"
    refused("not_here", lambda: locate("upscale", at(tmp_path / "none"), locks), "there is no folder")


def test_a_damaged_lock_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("{")
    reference = ModelReference(repo="acme/eye")
    refused("damaged", lambda: locate("upscale", reference, Locks(tmp_path / "lock"), tmp_path), "lock")


# ---- what is not whole --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["transformers", "diffusers"])
def test_a_missing_tensor_is_an_error_as_the_libraries_would_leave_random_numbers(
    saved: Path, tmp_path: Path, kind: str
) -> None:
    if kind == "transformers":
        folder, file, name = copied(saved, "clip", tmp_path), CLIP_FILE, CLIP
    else:
        folder, file, name = copied(saved, "pipeline", tmp_path) / "unet", UNET_FILE, UNET
    tensors = load_file(folder / file)
    gone = sorted(tensors)[-1]
    tensors.pop(gone)
    save_file(tensors, folder / file, metadata={"format": "pt"})
    refused("incomplete", lambda: load_module("upscale", at(folder), folder, name), "1 of its tensors")


def test_a_truncated_file_is_damaged(saved: Path, tmp_path: Path) -> None:
    folder = copied(saved, "clip", tmp_path)
    with (folder / CLIP_FILE).open("r+b") as file:
        file.truncate(500)
    refused("damaged", lambda: load_module("upscale", at(folder), folder, CLIP))


def test_pickles_are_never_read(saved: Path, tmp_path: Path) -> None:
    folder = copied(saved, "clip", tmp_path)
    (folder / CLIP_FILE).unlink()
    torch.save({}, folder / "pytorch_model.bin")
    refused("incomplete", lambda: load_module("upscale", at(folder), folder, CLIP))


def test_tensors_of_other_sizes_are_another_model(saved: Path, tmp_path: Path) -> None:
    folder = copied(saved, "clip", tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "intermediate_size": 16}))
    with pytest.raises(ModelUnavailable) as caught:
        load_module("upscale", at(folder), folder, CLIP)
    assert caught.value.reason in ("wrong_kind", "incomplete")


def test_a_pipeline_without_one_of_its_folders_is_incomplete(saved: Path, tmp_path: Path) -> None:
    folder = copied(saved, "pipeline", tmp_path)
    shutil.rmtree(folder / "unet")
    refused(
        "incomplete", lambda: load_pipeline("upscale", at(folder), folder, PIPELINE), "part unet is missing"
    )


def test_a_folder_that_is_no_pipeline_is_said_to_be_none(saved: Path) -> None:
    refused(
        "wrong_kind", lambda: load_pipeline("upscale", at(saved), saved / "clip", PIPELINE), "no pipeline"
    )


@pytest.mark.parametrize("text", ["", "{", "[]x"])
def test_a_damaged_index_is_said(saved: Path, tmp_path: Path, text: str) -> None:
    folder = copied(saved, "pipeline", tmp_path)
    (folder / "model_index.json").write_text(text)
    refused("damaged", lambda: load_pipeline("upscale", at(folder), folder, PIPELINE))


# ---- what would run code ------------------------------------------------------------------------


def test_code_of_a_repository_is_never_run(saved: Path, tmp_path: Path) -> None:
    folder = copied(saved, "pipeline", tmp_path)
    (folder / "evil.py").write_text("raise SystemExit('RAN')")
    index = json.loads((folder / "model_index.json").read_text())
    (folder / "model_index.json").write_text(json.dumps({**index, "unet": ["evil", "Evil"]}))
    refused("unsafe", lambda: load_pipeline("upscale", at(folder), folder, PIPELINE), "evil.Evil")

    own = tmp_path / "own"
    own.mkdir()
    (own / "evil.py").write_text("raise SystemExit('RAN')")
    auto = {"AutoConfig": "evil.EvilConfig", "AutoModel": "evil.Evil"}
    (own / "config.json").write_text(json.dumps({"model_type": "evil", "auto_map": auto}))
    with pytest.raises(ModelUnavailable) as caught:
        load_module("upscale", at(own), own, "transformers.AutoModel")
    assert caught.value.reason in ("unsafe", "wrong_kind")


# ---- libraries ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["nowhere_to_be_found", "nowhere_to_be_found.Eye", "diffusers.NoSuchPipeline"]
)
def test_a_library_or_class_that_is_not_there_is_said_with_what_to_install(name: str) -> None:
    error = refused("not_installed", lambda: imported("upscale", name))
    assert "pip install" in error.hint and name.partition(".")[0] in str(error)
