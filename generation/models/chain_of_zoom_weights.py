"""Converts the weights that the authors of Chain-of-Zoom published into files that this runtime reads.

    python -m wonderzoom.generation.models.chain_of_zoom_weights SD3_FOLDER MODEL.pkl OUT [--encoder VAE_ENCODER.pt]

The transformer's LoRA comes as a pickled list [up, down, up, down, ...] without names, in the order of the linear
layers in its AdaLayerNormZero modules; the VAE's encoder comes whole, with its LoRA beside each layer. Both are read
with ``weights_only=True``: tensors, never code. Written are ``OUT/pytorch_lora_weights.safetensors`` (``lora``) and,
with an encoder, ``OUT/vae`` (``vae``), the folder's own VAE with the encoder merged.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from wonderzoom.generation.models.lora import DOWN, FILE, PREFIX, UP

ANCESTOR = "AdaLayerNormZero"  # exactly this class: SD3.5 has others whose names begin with it
# peft's default: the encoder's LoRA counts alpha / rank times, with alpha = 8 whatever the rank.
ENCODER_ALPHA = 8.0
_BASE, _ADAPTER = ".base_layer.", "default_encoder"


class BadWeights(ValueError):
    """The file is not what its layout says."""


def layers_of(transformer: Any) -> list[tuple[str, Any]]:
    """(name, linear layer) of all that the LoRA changes, in the order of its file."""
    import torch

    found: list[tuple[str, Any]] = []
    for name, module in transformer.named_modules():
        if type(module).__name__ == ANCESTOR:
            found += [
                (f"{name}.{inner}", layer)
                for inner, layer in module.named_modules()
                if isinstance(layer, torch.nn.Linear)
            ]
    return found


def named_lora(transformer: Any, tensors: Sequence[Any]) -> dict[str, Any]:
    """The ordered list as named tensors, as diffusers names them. Raises BadWeights."""
    layers = layers_of(transformer)
    if len(tensors) != 2 * len(layers):
        raise BadWeights(f"the list has {len(tensors)} tensors, this transformer takes {2 * len(layers)}")
    named: dict[str, Any] = {}
    for index, (name, layer) in enumerate(layers):
        up, down = tensors[2 * index], tensors[2 * index + 1]
        if (up.shape[0], down.shape[1], up.shape[1]) != (
            layer.out_features,
            layer.in_features,
            down.shape[0],
        ):
            raise BadWeights(
                f"tensors {2 * index} and {2 * index + 1} are {tuple(up.shape)} and {tuple(down.shape)};"
                f" {name} takes [{layer.out_features}, r] and [r, {layer.in_features}]"
            )
        named[f"{PREFIX}{name}{UP}"] = up.float().contiguous()
        named[f"{PREFIX}{name}{DOWN}"] = down.float().contiguous()
    return named


def merged_encoder(tensors: Mapping[str, Any]) -> dict[str, Any]:
    """The encoder's plain tensors, each LoRA merged into its layer. Raises BadWeights."""
    import torch

    plain: dict[str, Any] = {}
    for key, tensor in tensors.items():
        if f".lora_A.{_ADAPTER}." in key or f".lora_B.{_ADAPTER}." in key:
            continue
        weight = tensor.float()
        name = key.replace(_BASE, ".")
        if name != key and name.endswith(".weight"):
            layer = name.removesuffix(".weight")
            down = tensors.get(f"{layer}.lora_A.{_ADAPTER}.weight")
            up = tensors.get(f"{layer}.lora_B.{_ADAPTER}.weight")
            if down is None or up is None:
                raise BadWeights(f"layer {layer} has no LoRA beside it")
            rank = down.shape[0]
            product = torch.einsum("or,ri->oi", up.float().flatten(1), down.float().flatten(1))
            if product.numel() != weight.numel():
                raise BadWeights(f"the LoRA of {layer} has another size than its weight")
            weight = weight + (ENCODER_ALPHA / rank) * product.reshape(weight.shape)
        plain[name] = weight.contiguous()
    return plain


def convert(sd3: Path, lora: Path, out: Path, encoder: Path | None = None) -> list[Path]:
    """Write what was said above; the paths that were written. Raises BadWeights, OSError."""
    import diffusers
    import torch
    from safetensors.torch import save_file

    library: Any = diffusers  # its lazy names are untyped
    out.mkdir(parents=True, exist_ok=True)
    config = library.SD3Transformer2DModel.load_config(sd3 / "transformer")
    with torch.device("meta"):  # names and sizes are all that is needed of it
        transformer = library.SD3Transformer2DModel.from_config(config)
    tensors = torch.load(lora, map_location="cpu", weights_only=True)
    if not isinstance(tensors, list) or not all(isinstance(tensor, torch.Tensor) for tensor in tensors):
        raise BadWeights(f"{lora} is not a list of tensors")
    save_file(named_lora(transformer, tensors), out / FILE)
    written = [out / FILE]
    if encoder is not None:
        vae = library.AutoencoderKL.from_pretrained(
            sd3 / "vae", dtype=torch.float32, local_files_only=True, use_safetensors=True
        )
        found = torch.load(encoder, map_location="cpu", weights_only=True)
        try:
            vae.encoder.load_state_dict(merged_encoder(found))
        except (RuntimeError, AttributeError) as error:
            raise BadWeights(f"{encoder} is not the encoder of this VAE: {error}") from error
        vae.save_pretrained(out / "vae")
        written.append(out / "vae")
    return written


def main(arguments: Sequence[str] | None = None) -> None:
    """The command."""
    parser = argparse.ArgumentParser(
        prog="python -m wonderzoom.generation.models.chain_of_zoom_weights",
        description="Convert the published weights of Chain-of-Zoom to safetensors.",
    )
    parser.add_argument("sd3", type=Path, help="folder of Stable Diffusion 3 medium in diffusers' layout")
    parser.add_argument("lora", type=Path, help="the transformer's LoRA: a pickled list of tensors")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--encoder", type=Path, default=None, help="the VAE's encoder with its LoRA")
    asked = parser.parse_args(arguments)
    try:
        for path in convert(asked.sd3, asked.lora, asked.out, asked.encoder):
            print(path)
    except (BadWeights, OSError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
