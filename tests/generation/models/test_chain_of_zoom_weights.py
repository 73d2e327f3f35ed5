from pathlib import Path
from typing import Any

import pytest
import tiny_pictures
import torch
from safetensors.torch import load_file

from wonderzoom.generation.models.chain_of_zoom_weights import (
    ENCODER_ALPHA,
    BadWeights,
    convert,
    layers_of,
    main,
    merged_encoder,
)
from wonderzoom.generation.models.lora import FILE, read_lora
from wonderzoom.generation.models.references import ModelReference

RANK = 4


@pytest.fixture
def sd3(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_pictures.kept(tmp_path_factory, "sd3", tiny_pictures.sd3)


def transformer_of(sd3: Path) -> Any:
    from diffusers import SD3Transformer2DModel

    return SD3Transformer2DModel.from_pretrained(sd3 / "transformer")


def ordered_list(transformer: Any) -> list[torch.Tensor]:
    """The layout of the authors' file: up, down for each layer in the order of the network."""
    generator = torch.Generator().manual_seed(3)
    tensors: list[torch.Tensor] = []
    for _, layer in layers_of(transformer):
        tensors.append(torch.randn(layer.out_features, RANK, generator=generator))
        tensors.append(torch.randn(RANK, layer.in_features, generator=generator))
    return tensors


def test_the_ordered_list_becomes_a_lora_of_named_layers(sd3: Path, tmp_path: Path) -> None:
    transformer = transformer_of(sd3)
    tensors = ordered_list(transformer)
    torch.save(tensors, tmp_path / "model.pkl")
    assert convert(sd3, tmp_path / "model.pkl", tmp_path / "out") == [tmp_path / "out" / FILE]
    lora = read_lora("upscale", ModelReference(path=str(tmp_path)), tmp_path / "out")
    names = [name for name, _ in layers_of(transformer)]
    # both norms of each block; the last block's context has a norm of another kind
    assert names == [
        "transformer_blocks.0.norm1.linear",
        "transformer_blocks.0.norm1_context.linear",
        "transformer_blocks.1.norm1.linear",
    ]
    for index, name in enumerate(names):
        assert torch.equal(lora[name].up, tensors[2 * index])
        assert torch.equal(lora[name].down, tensors[2 * index + 1])


def encoder_with_lora(encoder: Any) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """(as the authors' file names it, what it should become)."""
    generator = torch.Generator().manual_seed(4)
    stored: dict[str, torch.Tensor] = {}
    merged: dict[str, torch.Tensor] = {}
    for key, tensor in encoder.state_dict().items():
        layer, _, end = key.rpartition(".")
        if "norm" in layer:
            stored[key] = merged[key] = tensor
            continue
        stored[f"{layer}.base_layer.{end}"] = merged[key] = tensor
        if end == "weight":
            down = torch.randn(RANK, *tensor.shape[1:], generator=generator)
            up = torch.randn(tensor.shape[0], RANK, *([1] * (tensor.dim() - 2)), generator=generator)
            stored[f"{layer}.lora_A.default_encoder.weight"] = down
            stored[f"{layer}.lora_B.default_encoder.weight"] = up
            product = (up.reshape(len(up), RANK) @ down.reshape(RANK, -1)).reshape(tensor.shape)
            merged[key] = tensor + ENCODER_ALPHA / RANK * product
    return stored, merged


def test_the_encoder_is_merged_into_the_vae(sd3: Path, tmp_path: Path) -> None:
    from diffusers import AutoencoderKL

    vae: Any = AutoencoderKL.from_pretrained(sd3 / "vae")
    stored, merged = encoder_with_lora(vae.encoder)
    torch.save(ordered_list(transformer_of(sd3)), tmp_path / "model.pkl")
    torch.save(stored, tmp_path / "encoder.pkl")
    written = convert(sd3, tmp_path / "model.pkl", tmp_path / "out", tmp_path / "encoder.pkl")
    assert written == [tmp_path / "out" / FILE, tmp_path / "out" / "vae"]
    found: Any = AutoencoderKL.from_pretrained(tmp_path / "out" / "vae", use_safetensors=True)
    for key, tensor in found.encoder.state_dict().items():
        assert torch.allclose(tensor, merged[key], atol=1e-5), key
    for key, tensor in found.decoder.state_dict().items():
        assert torch.equal(tensor, vae.decoder.state_dict()[key])


def test_what_is_not_of_that_layout_is_refused(sd3: Path, tmp_path: Path) -> None:
    tensors = ordered_list(transformer_of(sd3))
    for name, stored, said in (
        ("short", tensors[:-1], "has 5 tensors, this transformer takes 6"),
        ("swapped", [tensors[1], tensors[0], *tensors[2:]], "tensors 0 and 1 are"),
        ("other", {"a": tensors[0]}, "is not a list of tensors"),
    ):
        torch.save(stored, tmp_path / name)
        with pytest.raises(BadWeights, match=said):
            convert(sd3, tmp_path / name, tmp_path / "out")
    assert not (tmp_path / "out" / FILE).exists()
    with pytest.raises(BadWeights, match="conv_in has no LoRA"):
        merged_encoder({"conv_in.base_layer.weight": torch.zeros(2, 3, 3, 3)})


def test_a_pickle_that_would_run_code_does_not(
    sd3: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import pickle

    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "ran",))

    torch.save([Evil()], tmp_path / "evil.pkl")
    with pytest.raises(pickle.UnpicklingError):
        convert(sd3, tmp_path / "evil.pkl", tmp_path / "out")
    assert not (tmp_path / "ran").exists()


def test_the_command_writes_and_says_what(
    sd3: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(ordered_list(transformer_of(sd3)), tmp_path / "model.pkl")
    main([str(sd3), str(tmp_path / "model.pkl"), str(tmp_path / "out")])
    assert capsys.readouterr().out == f"{tmp_path / 'out' / FILE}\n"
    assert len(load_file(tmp_path / "out" / FILE)) == 6
    torch.save([], tmp_path / "empty.pkl")
    with pytest.raises(SystemExit):
        main([str(sd3), str(tmp_path / "empty.pkl"), str(tmp_path / "out")])
    assert "the list has 0 tensors" in capsys.readouterr().err
