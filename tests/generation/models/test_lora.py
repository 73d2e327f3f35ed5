from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from wonderzoom.generation.models.errors import ModelUnavailable
from wonderzoom.generation.models.lora import FILE, applied, read_lora
from wonderzoom.generation.models.references import ModelReference


def network() -> Any:
    torch.manual_seed(0)
    inner = torch.nn.Sequential(torch.nn.Linear(6, 4), torch.nn.ReLU(), torch.nn.Linear(4, 3))
    return torch.nn.ModuleDict({"block": inner})


def written(folder: Path, **changed: torch.Tensor | None) -> ModelReference:
    generator = torch.Generator().manual_seed(1)
    tensors = {
        "transformer.block.0.lora_A.weight": torch.randn(2, 6, generator=generator),
        "transformer.block.0.lora_B.weight": torch.randn(4, 2, generator=generator),
    }
    for key, tensor in changed.items():
        name = f"transformer.{key.replace('__', '.')}"
        tensors.pop(name, None)
        if tensor is not None:
            tensors[name] = tensor
    folder.mkdir(exist_ok=True)
    save_file(tensors, folder / FILE)
    return ModelReference(path=str(folder))


def test_it_counts_as_if_it_were_merged_while_applied_and_not_at_all_afterwards(tmp_path: Path) -> None:
    reference = written(tmp_path)
    lora = read_lora("upscale", reference, tmp_path)
    assert list(lora) == ["block.0"]
    net, x = network(), torch.randn(5, 6, generator=torch.Generator().manual_seed(2))
    run, first = net["block"], net["block"][0]
    plain, weight = run(x), first.weight.detach().clone()
    for strength in (0.0, 1.0, 0.3):
        with applied("upscale", reference, net, lora, strength):
            with_it = run(x)
        merged = network()
        with torch.no_grad():
            merged["block"][0].weight += strength * lora["block.0"].up @ lora["block.0"].down
        assert torch.allclose(with_it, merged["block"](x), atol=1e-5)
    assert torch.equal(run(x), plain) and torch.equal(first.weight, weight)
    with pytest.raises(RuntimeError, match="stop"):
        with applied("upscale", reference, net, lora):
            raise RuntimeError("stop")
    assert torch.equal(run(x), plain)


def test_a_network_of_half_precision_keeps_it(tmp_path: Path) -> None:
    reference = written(tmp_path)
    net = network().to(torch.bfloat16)
    with applied("upscale", reference, net, read_lora("upscale", reference, tmp_path)):
        assert net["block"](torch.ones(1, 6, dtype=torch.bfloat16)).dtype == torch.bfloat16


def test_one_that_does_not_fit_is_refused_with_the_layer(tmp_path: Path) -> None:
    for name, changed, said in (
        ("rank", {"block__0__lora_B__weight": torch.zeros(4, 3)}, "layer block.0 is"),
        ("size", {"block__0__lora_A__weight": torch.zeros(2, 5)}, "layer block.0 is"),
        ("where", {"block__1__lora_A__weight": torch.zeros(2, 6), "block__1__lora_B__weight": torch.zeros(4, 2)},
         "no linear layer block.1"),
    ):  # fmt: skip
        reference = written(tmp_path / name, **changed)
        lora = read_lora("upscale", reference, tmp_path / name)
        with pytest.raises(ModelUnavailable, match=said) as caught:
            with applied("upscale", reference, network(), lora):
                pytest.fail("it was applied")
        assert caught.value.reason == "wrong_kind"


def test_a_file_that_is_no_lora_is_refused(tmp_path: Path) -> None:
    half = written(tmp_path / "half", block__0__lora_B__weight=None)
    with pytest.raises(ModelUnavailable, match="is not a LoRA.*block.0.lora_B"):
        read_lora("upscale", half, tmp_path / "half")
    with pytest.raises(ModelUnavailable, match=f"has no {FILE}"):
        read_lora("upscale", half, tmp_path)
    cut = written(tmp_path / "cut")
    path = tmp_path / "cut" / FILE
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(ModelUnavailable) as caught:
        read_lora("upscale", cut, tmp_path / "cut")
    assert caught.value.reason == "damaged"
