import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from wonderzoom.generation.models.checking import faults, weight_bytes


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A pipeline with a network in two shards, a small network and a scheduler."""
    folder = tmp_path / "pipeline"
    for part in ("unet", "vae", "scheduler"):
        (folder / part).mkdir(parents=True)
    for part in ("unet", "vae"):
        (folder / part / "config.json").write_text("{}")
    save_file({"a": np.zeros(3, np.float32)}, folder / "unet" / "model-1.safetensors")
    save_file({"b": np.zeros(5, np.float32)}, folder / "unet" / "model-2.safetensors")
    shards = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "unet" / "model.safetensors.index.json").write_text(json.dumps(shards))
    save_file({"c": np.zeros(2, np.float32)}, folder / "vae" / "model.safetensors", metadata={"format": "pt"})
    (folder / "scheduler" / "scheduler_config.json").write_text("{}")
    index = {"_class_name": "P", "unet": ["diffusers", "U"], "vae": ["diffusers", "V"], "size": 8}
    index |= {"scheduler": ["diffusers", "S"], "safety_checker": [None, None]}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def test_a_whole_pipeline_and_a_whole_network_have_no_faults(pipeline: Path) -> None:
    assert faults(pipeline) == []
    assert faults(pipeline / "unet") == []
    assert weight_bytes(pipeline) == sum(path.stat().st_size for path in pipeline.rglob("*.safetensors"))


@pytest.mark.parametrize("bytes_left", [0, 7, 20, -1])
def test_a_truncated_file_is_found(pipeline: Path, bytes_left: int) -> None:
    path = pipeline / "vae" / "model.safetensors"
    with path.open("r+b") as file:
        file.truncate(bytes_left if bytes_left >= 0 else path.stat().st_size - 1)
    (fault,) = faults(pipeline)
    assert fault.startswith("vae/model.safetensors is damaged")


def test_a_file_with_bytes_behind_its_end_is_found(pipeline: Path) -> None:
    with (pipeline / "vae" / "model.safetensors").open("ab") as file:
        file.write(b"x")
    assert "bytes instead of" in faults(pipeline)[0]


def test_a_header_that_is_no_json_is_found(pipeline: Path) -> None:
    (pipeline / "vae" / "model.safetensors").write_bytes((4).to_bytes(8, "little") + b"{[}]")
    assert faults(pipeline) == ["vae/model.safetensors is damaged: its header can't be read"]


def test_a_missing_shard_is_found_once(pipeline: Path) -> None:
    (pipeline / "unet" / "model-2.safetensors").unlink()
    assert faults(pipeline) == ["unet/model-2.safetensors is missing"]


def test_a_shard_without_its_tensor_is_found(pipeline: Path) -> None:
    save_file({"z": np.zeros(5, np.float32)}, pipeline / "unet" / "model-2.safetensors")
    assert faults(pipeline) == ["unet/model-2.safetensors lacks the tensor b"]


def test_a_missing_part_and_missing_weights_are_found(pipeline: Path) -> None:
    (pipeline / "vae" / "model.safetensors").unlink()
    (pipeline / "scheduler" / "scheduler_config.json").unlink()
    (pipeline / "scheduler").rmdir()
    assert faults(pipeline) == ["scheduler/ is missing", "pipeline/vae has no safetensors file"]


def test_a_folder_without_weights_is_no_model(tmp_path: Path) -> None:
    assert faults(tmp_path) != []
    (tmp_path / "model_index.json").write_text("[]")
    assert "is no JSON object" in faults(tmp_path)[0]
