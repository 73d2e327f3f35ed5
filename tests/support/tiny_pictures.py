"""Tiny random pipelines of the picture stages (describe, upscale, edit), and zooms to run them on.

Each is built from configs and saved in the layout of its repository, once a run (``kept``).
"""

# The libraries' annotations of their configs are narrower than what they take.
# pyright: reportArgumentType=false, reportCallIssue=false

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from photo_world import PhotoWorld
from photo_world import photo as photo_bytes
from tiny_models import clip_tokenizer, livened, qwen_tokenizer, t5_tokenizer

from wonderzoom.generation.jobs import ZoomRequest
from wonderzoom.generation.models.locks import Locks
from wonderzoom.generation.models.shelf import Shelf
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.generation.stages import ZoomContext


def kept(factory: Any, name: str, build: Callable[[Path], None]) -> Path:
    """The folder that ``build`` fills, made by the first test that asks; ``factory``: tmp_path_factory."""
    folder = factory.getbasetemp() / f"tiny_{name}"
    if not folder.exists():
        build(folder)
    return folder


def bench(folder: Path) -> Workbench:
    """A workbench that renders nothing, with its locks and its hub's cache in ``folder``."""
    unused: Any = None
    return Workbench(Shelf(Locks(folder / "lock"), cache=folder / "cache"), unused)


def zoom(factor: float, prompt: str = "", side: int = 64, seed: int = 3, tilt: float = 0.0) -> ZoomContext:
    """A zoom ``factor`` times into the middle of a photo of 96 x 72 pixels."""
    world = PhotoWorld.of(photo_bytes(), tilt)
    camera = world.zoomed(factor, side=side)
    context = world.context(world.observed(camera, factor))
    return replace(context, request=ZoomRequest(camera, prompt, seed))


def empty_at(context: ZoomContext, rows: slice, columns: slice) -> ZoomContext:
    """The same zoom with a hole in the world: black there, nothing behind it."""
    seen = context.observation
    color, alpha, zeta = seen.color.copy(), seen.alpha.copy(), seen.zeta.copy()
    color[rows, columns], alpha[rows, columns], zeta[rows, columns] = 0.0, 0.0, np.nan
    return replace(context, observation=replace(seen, color=color, alpha=alpha, zeta=zeta))


# ---- pipelines ---------------------------------------------------------------------------------------
def _clip(projection: bool) -> tuple[Any, Any]:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    tokenizer = clip_tokenizer()
    config = CLIPTextConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id, hidden_size=32, intermediate_size=37, num_attention_heads=4,
        num_hidden_layers=2, vocab_size=len(tokenizer), projection_dim=32, hidden_act="gelu",
    )  # fmt: skip
    return livened((CLIPTextModelWithProjection if projection else CLIPTextModel)(config)), tokenizer


def sd_x4(folder: Path) -> None:
    """The x4 upscaler."""
    from diffusers import (
        AutoencoderKL,
        DDIMScheduler,
        DDPMScheduler,
        StableDiffusionUpscalePipeline,
        UNet2DConditionModel,
    )

    text_encoder, tokenizer = _clip(projection=False)
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16), layers_per_block=1, sample_size=32, in_channels=7, out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), norm_num_groups=4,
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=32, attention_head_dim=8,
        use_linear_projection=True, num_class_embeds=1000,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=[8, 8, 8], norm_num_groups=4, down_block_types=["DownEncoderBlock2D"] * 3,
        up_block_types=["UpDecoderBlock2D"] * 3, latent_channels=4, scaling_factor=0.08333,
    )  # fmt: skip
    StableDiffusionUpscalePipeline(
        unet=livened(unet), vae=livened(vae), text_encoder=text_encoder, tokenizer=tokenizer,
        max_noise_level=350, low_res_scheduler=DDPMScheduler(),
        scheduler=DDIMScheduler(prediction_type="v_prediction"),
    ).save_pretrained(folder)  # fmt: skip


def sd3(folder: Path) -> None:
    """Stable Diffusion 3."""
    from diffusers import (
        AutoencoderKL,
        FlowMatchEulerDiscreteScheduler,
        SD3Transformer2DModel,
        StableDiffusion3Pipeline,
    )
    from transformers import T5Config, T5EncoderModel

    first, first_tokenizer = _clip(projection=True)
    second, second_tokenizer = _clip(projection=True)
    tokenizer = t5_tokenizer()
    third = T5Config(
        vocab_size=len(tokenizer), d_model=64, d_kv=8, d_ff=37, num_layers=1, num_heads=4, pad_token_id=0,
        eos_token_id=1, decoder_start_token_id=0,
    )  # fmt: skip
    transformer = SD3Transformer2DModel(
        sample_size=32, patch_size=2, in_channels=16, num_layers=2, attention_head_dim=8, num_attention_heads=4,
        joint_attention_dim=64, caption_projection_dim=32, pooled_projection_dim=64, out_channels=16,
        pos_embed_max_size=64,
    )  # fmt: skip
    vae = AutoencoderKL(
        sample_size=32, block_out_channels=(8,) * 4, layers_per_block=1, latent_channels=16, norm_num_groups=4,
        down_block_types=["DownEncoderBlock2D"] * 4, up_block_types=["UpDecoderBlock2D"] * 4,
        use_quant_conv=False, use_post_quant_conv=False, shift_factor=0.0609, scaling_factor=1.5305,
    )  # fmt: skip
    StableDiffusion3Pipeline(
        transformer=livened(transformer), vae=livened(vae), text_encoder=first, tokenizer=first_tokenizer,
        text_encoder_2=second, tokenizer_2=second_tokenizer, text_encoder_3=livened(T5EncoderModel(third)),
        tokenizer_3=tokenizer, scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0), image_encoder=None,
        feature_extractor=None,
    ).save_pretrained(folder)  # fmt: skip


def instruct_pix2pix(folder: Path) -> None:
    """InstructPix2Pix, its index naming the parts that its repository names."""
    from diffusers import (
        AutoencoderKL,
        EulerAncestralDiscreteScheduler,
        StableDiffusionInstructPix2PixPipeline,
        UNet2DConditionModel,
    )

    text_encoder, tokenizer = _clip(projection=False)
    unet = UNet2DConditionModel(
        block_out_channels=(8, 16), layers_per_block=1, sample_size=8, in_channels=8, out_channels=4,
        attention_head_dim=8, norm_num_groups=4, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=32,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=[8] * 4, norm_num_groups=4, down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4, latent_channels=4,
    )  # fmt: skip
    StableDiffusionInstructPix2PixPipeline(
        unet=livened(unet), vae=livened(vae), text_encoder=text_encoder, tokenizer=tokenizer,
        scheduler=EulerAncestralDiscreteScheduler(prediction_type="epsilon"), safety_checker=None,
        feature_extractor=None, requires_safety_checker=False,
    ).save_pretrained(folder)  # fmt: skip
    for part in ("feature_extractor", "safety_checker"):
        (folder / part).mkdir()
        (folder / part / "preprocessor_config.json").write_text("{}")
    index = folder / "model_index.json"
    table = json.loads(index.read_text())
    table["feature_extractor"] = ["transformers", "CLIPFeatureExtractor"]
    table["safety_checker"] = ["stable_diffusion", "StableDiffusionSafetyChecker"]
    index.write_text(json.dumps(table))


def qwen_vl(folder: Path) -> None:
    """Qwen3-VL as its repository lays it out: the stock processor's name in its config."""
    from transformers import Qwen2VLImageProcessorPil, Qwen3VLConfig, Qwen3VLForConditionalGeneration

    tokenizer = qwen_tokenizer()
    number = tokenizer.convert_tokens_to_ids
    config = Qwen3VLConfig(
        text_config=dict(
            hidden_size=32, intermediate_size=32, num_hidden_layers=2, num_attention_heads=4,
            num_key_value_heads=2, head_dim=8, vocab_size=len(tokenizer), eos_token_id=number("<|im_end|>"),
            rope_parameters=dict(
                rope_type="default", mrope_section=[2, 1, 1], rope_theta=1e6, mrope_interleaved=True
            ),
        ),
        vision_config=dict(
            depth=2, hidden_size=32, intermediate_size=32, num_heads=4, out_hidden_size=32, patch_size=16,
            deepstack_visual_indexes=[0, 1], num_position_embeddings=64,
        ),
        image_token_id=number("<|image_pad|>"), video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"), vision_end_token_id=number("<|vision_end|>"),
    )  # fmt: skip
    livened(Qwen3VLForConditionalGeneration(config)).save_pretrained(folder)
    size = dict(shortest_edge=32 * 32 * 4, longest_edge=32 * 32 * 16)
    Qwen2VLImageProcessorPil(patch_size=16, size=size).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    path = folder / "preprocessor_config.json"
    table = json.loads(path.read_text())
    table |= {"processor_class": "Qwen3VLProcessor", "image_processor_type": "Qwen2VLImageProcessorFast"}
    path.write_text(json.dumps(table))


def qwen_edit(folder: Path) -> None:
    """Qwen-Image-Edit, its index naming the stock processor as its repository does."""
    import torch
    from diffusers import (
        AutoencoderKLQwenImage,
        FlowMatchEulerDiscreteScheduler,
        QwenImageEditPlusPipeline,
        QwenImageTransformer2DModel,
    )
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2VLImageProcessorPil

    from wonderzoom.generation.models.qwen_processor import still_processor

    torch.manual_seed(0)
    tokenizer = qwen_tokenizer()
    number = tokenizer.convert_tokens_to_ids
    config = Qwen2_5_VLConfig(
        text_config=dict(
            hidden_size=16, intermediate_size=16, num_hidden_layers=2, num_attention_heads=2,
            num_key_value_heads=2, vocab_size=len(tokenizer), max_position_embeddings=4096,
            rope_parameters=dict(rope_type="default", mrope_section=[1, 1, 2], rope_theta=1e6),
            bos_token_id=None, eos_token_id=number("<|im_end|>"), pad_token_id=tokenizer.pad_token_id,
        ),
        vision_config=dict(
            depth=2, hidden_size=16, intermediate_size=16, num_heads=2, out_hidden_size=16,
            fullatt_block_indexes=[1], patch_size=14, spatial_merge_size=2, temporal_patch_size=2,
            window_size=112,
        ),
        image_token_id=number("<|image_pad|>"), video_token_id=number("<|video_pad|>"),
        vision_start_token_id=number("<|vision_start|>"), vision_end_token_id=number("<|vision_end|>"),
    )  # fmt: skip
    images = Qwen2VLImageProcessorPil(size=dict(shortest_edge=28 * 28, longest_edge=56 * 56 * 4))
    transformer = QwenImageTransformer2DModel(
        patch_size=2, in_channels=16, out_channels=4, num_layers=2, attention_head_dim=16,
        num_attention_heads=3, joint_attention_dim=16, guidance_embeds=False, axes_dims_rope=(8, 4, 4),
    )  # fmt: skip
    vae = AutoencoderKLQwenImage(
        base_dim=16, z_dim=4, dim_mult=[1, 2, 4], num_res_blocks=1, temperal_downsample=[False, True],
        latents_mean=[0.0] * 4, latents_std=[1.0] * 4,
    )  # fmt: skip
    QwenImageEditPlusPipeline(
        transformer=livened(transformer), vae=livened(vae), scheduler=FlowMatchEulerDiscreteScheduler(),
        text_encoder=livened(Qwen2_5_VLForConditionalGeneration(config)), tokenizer=tokenizer,
        processor=still_processor()(images, tokenizer),
    ).save_pretrained(folder)  # fmt: skip
    index = folder / "model_index.json"
    table = json.loads(index.read_text())
    table["processor"] = ["transformers", "Qwen2VLProcessor"]
    index.write_text(json.dumps(table))
