from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_pictures
import torch
from safetensors.torch import save_file
from tiny_models import SHA, published

from wonderzoom.generation.embedded.consistency import observed, seen
from wonderzoom.generation.models.chain_of_zoom_weights import layers_of, named_lora
from wonderzoom.generation.models.errors import ModelUnavailable
from wonderzoom.generation.models.lora import FILE
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.upscale_chain_of_zoom import PIPELINE, ChainOfZoomUpscaler
from wonderzoom.scene_graph.ports import Cancelled, Control

WORDS = ("moss", "bark")
Options = ChainOfZoomUpscaler.Options


def write_lora(sd3: Path, folder: Path) -> None:
    from diffusers import SD3Transformer2DModel

    transformer: Any = SD3Transformer2DModel.from_pretrained(sd3 / "transformer")
    generator = torch.Generator().manual_seed(5)
    tensors: list[torch.Tensor] = []
    for _, layer in layers_of(transformer):
        tensors.append(0.3 * torch.randn(layer.out_features, 4, generator=generator))
        tensors.append(0.3 * torch.randn(4, layer.in_features, generator=generator))
    folder.mkdir()
    save_file(named_lora(transformer, tensors), folder / FILE)


@pytest.fixture
def options(tmp_path_factory: pytest.TempPathFactory) -> Options:
    sd3 = tiny_pictures.kept(tmp_path_factory, "sd3", tiny_pictures.sd3)
    lora = tiny_pictures.kept(tmp_path_factory, "sd3_lora", lambda folder: write_lora(sd3, folder))
    return Options(
        model=ModelReference(path=str(sd3), dtype="float32"),
        lora=ModelReference(path=str(lora)),
        tile=64,
        overlap=16,
    )


@pytest.mark.parametrize("factor", [3.0, 13.0])
def test_it_looks_like_the_observation_through_coarse_pixels_and_is_finer(
    options: Options, tmp_path: Path, factor: float
) -> None:
    context = tiny_pictures.zoom(factor, side=48)
    upscaler = ChainOfZoomUpscaler(tiny_pictures.bench(tmp_path), options)
    told: list[float] = []
    image = upscaler.upscale(context, WORDS, Control(progress=told.append))
    observation = context.observation
    assert image.shape == observation.color.shape and 0 <= image.min() and image.max() <= 1
    wrong = seen(image, factor) - observed(observation.color, factor)
    assert -10 * np.log10((wrong**2).mean()) >= 40.0
    assert np.std(image - observation.color) > 0.01
    assert told == sorted(told) and told[-1] == pytest.approx(1.0)
    assert np.array_equal(upscaler.upscale(context, WORDS, Control()), image)


def test_one_step_is_what_diffusers_own_lora_makes_of_it(options: Options, tmp_path: Path) -> None:
    """The same LoRA through ``load_lora_weights`` and the formula written out."""
    from diffusers import StableDiffusion3Pipeline

    tile = tiny_pictures.zoom(2.0).observation.color
    ours = ChainOfZoomUpscaler(tiny_pictures.bench(tmp_path), options)._tile(tile, "moss", 7, Control())
    pipeline: Any = StableDiffusion3Pipeline.from_pretrained(options.model.path, dtype=torch.float32)
    pipeline.load_lora_weights(options.lora.path, weight_name=FILE)
    with torch.no_grad():
        x = torch.from_numpy(tile.transpose(2, 0, 1).copy())[None] * 2 - 1
        scale, shift = pipeline.vae.config.scaling_factor, pipeline.vae.config.shift_factor
        z = pipeline.vae.encode(x).latent_dist.sample(torch.Generator().manual_seed(7)) * scale
        embeds, _, pooled, _ = pipeline.encode_prompt(
            "moss", None, None, do_classifier_free_guidance=False, max_sequence_length=512
        )
        pipeline.scheduler.set_timesteps(1)
        v = pipeline.transformer(
            hidden_states=z, timestep=pipeline.scheduler.timesteps[:1], encoder_hidden_states=embeds,
            pooled_projections=pooled, return_dict=False,
        )[0]  # fmt: skip
        made = pipeline.vae.decode((z - v) / scale + shift, return_dict=False)[0][0]
    theirs = (made.numpy().transpose(1, 2, 0) / 2 + 0.5).clip(0, 1)
    assert np.abs(ours - theirs).max() < 1e-4


def test_the_lora_counts_and_the_shared_weights_stay(options: Options, tmp_path: Path) -> None:
    bench = tiny_pictures.bench(tmp_path)
    transformer = bench.shelf.pipeline("upscale", options.model, PIPELINE).transformer
    before = {key: tensor.clone() for key, tensor in transformer.state_dict().items()}
    tile = tiny_pictures.zoom(2.0).observation.color
    pictures = [
        ChainOfZoomUpscaler(bench, Options(model=options.model, lora=options.lora, strength=strength))._tile(
            tile, "moss", 7, Control()
        )
        for strength in (0.0, 1.0)
    ]
    assert np.abs(pictures[0] - pictures[1]).max() > 1e-3
    assert all(torch.equal(tensor, before[key]) for key, tensor in transformer.state_dict().items())


def test_called_off_at_every_point_and_the_same_afterwards(options: Options, tmp_path: Path) -> None:
    context = tiny_pictures.zoom(2.0, side=48)
    upscaler = ChainOfZoomUpscaler(tiny_pictures.bench(tmp_path), options)
    asked: list[int] = []

    def counting() -> bool:
        asked.append(1)
        return False

    before = upscaler.upscale(context, WORDS, Control(counting))
    points = len(asked)
    assert points >= 5
    for point in range(1, min(points, 6)):
        asked.clear()

        def late(point: int = point) -> bool:
            asked.append(1)
            return len(asked) >= point

        with pytest.raises(Cancelled):
            upscaler.upscale(context, WORDS, Control(late))
    assert np.array_equal(upscaler.upscale(context, WORDS, Control()), before)


def test_from_a_hubs_cache_without_t5_and_with_another_vae(options: Options, tmp_path: Path) -> None:
    published(Path(options.model.path), "acme/sd3", tmp_path / "cache")
    there = ModelReference(repo="acme/sd3", revision=SHA, dtype="float32")
    vae = ModelReference(repo="acme/sd3", revision=SHA, subfolder="vae", dtype="float32")
    found = Options(model=there, lora=options.lora, vae=vae, t5=False, tile=64, overlap=16)
    bench = tiny_pictures.bench(tmp_path)
    context = tiny_pictures.zoom(4.0, side=48)
    assert ChainOfZoomUpscaler(bench, found).upscale(context, (), Control()).shape == (48, 48, 3)
    assert bench.shelf.pipeline("upscale", there, PIPELINE).text_encoder_3 is None


def test_a_lora_that_is_not_there_is_said(options: Options, tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("no weights")
    found = Options(model=options.model, lora=ModelReference(path=str(tmp_path)))
    upscaler = ChainOfZoomUpscaler(tiny_pictures.bench(tmp_path), found)
    with pytest.raises(ModelUnavailable, match=f"has no {FILE}.*chain_of_zoom_weights"):
        upscaler.upscale(tiny_pictures.zoom(4.0), (), Control())
