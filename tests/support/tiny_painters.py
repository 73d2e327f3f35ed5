"""Random models of kilobytes that paint pictures, films and depth, saved as their real ones are."""

from pathlib import Path
from typing import Any

from tiny_models import clip_tokenizer, livened, qwen_tokenizer, t5_tokenizer


# The libraries annotate tuples of any length as tuples of one, and one scheduler for all: their types are not used.
def _made(kind: Any, *parts: Any, **named: Any) -> Any:
    return kind(*parts, **named)


def save_klein(folder: Path) -> Path:
    """FLUX.2-klein: four layers of text encoder, so that (1, 2, 3) are read."""
    import torch
    from diffusers import (
        AutoencoderKLFlux2,
        FlowMatchEulerDiscreteScheduler,
        Flux2KleinPipeline,
        Flux2Transformer2DModel,
    )
    from transformers import Qwen3Config, Qwen3ForCausalLM

    torch.manual_seed(0)
    tokenizer = qwen_tokenizer()
    config = Qwen3Config(
        hidden_size=16, intermediate_size=16, num_hidden_layers=4, num_attention_heads=2, num_key_value_heads=2,
        head_dim=8, vocab_size=len(tokenizer), max_position_embeddings=512,
    )  # fmt: skip
    transformer = Flux2Transformer2DModel(
        patch_size=1, in_channels=16, num_layers=1, num_single_layers=1, attention_head_dim=16,
        num_attention_heads=2, joint_attention_dim=48, timestep_guidance_channels=256,
        axes_dims_rope=(4, 4, 4, 4), guidance_embeds=False,
    )  # fmt: skip
    vae = AutoencoderKLFlux2(
        sample_size=32, down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(8,) * 4, layers_per_block=1, latent_channels=4, norm_num_groups=4,
        use_quant_conv=False, use_post_quant_conv=False,
    )  # fmt: skip
    Flux2KleinPipeline(
        transformer=livened(transformer),
        vae=livened(vae),
        scheduler=FlowMatchEulerDiscreteScheduler(),
        text_encoder=livened(Qwen3ForCausalLM(config)),
        tokenizer=tokenizer,
        is_distilled=True,
    ).save_pretrained(folder)
    return folder


def _sd_parts(channels: int) -> dict[str, Any]:
    import torch
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(0)
    tokenizer = clip_tokenizer()
    text = CLIPTextConfig(
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id, hidden_size=32, intermediate_size=37, num_attention_heads=4,
        num_hidden_layers=2, vocab_size=len(tokenizer),
    )  # fmt: skip
    unet = UNet2DConditionModel(
        block_out_channels=(32, 64), layers_per_block=1, sample_size=8, in_channels=channels, out_channels=4,
        attention_head_dim=8, down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"), cross_attention_dim=32,
    )  # fmt: skip
    vae = _made(
        AutoencoderKL,
        block_out_channels=(8,) * 4, norm_num_groups=4, down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, latent_channels=4,
    )  # fmt: skip
    return {
        "unet": livened(unet),
        "vae": livened(vae),
        "text_encoder": livened(CLIPTextModel(text)),
        "tokenizer": tokenizer,
        "scheduler": DDIMScheduler(clip_sample=False, steps_offset=1),
        "safety_checker": None,
        "feature_extractor": None,
        "requires_safety_checker": False,
    }


def save_sd_inpaint(folder: Path) -> Path:
    """An inpainting model of Stable Diffusion: nine channels in."""
    from diffusers import StableDiffusionInpaintPipeline

    StableDiffusionInpaintPipeline(**_sd_parts(9)).save_pretrained(folder)
    return folder


def save_sd_text(folder: Path) -> Path:
    """A text-to-image model of Stable Diffusion."""
    from diffusers import StableDiffusionPipeline

    StableDiffusionPipeline(**_sd_parts(4)).save_pretrained(folder)
    return folder


def save_vace(folder: Path) -> Path:
    """Wan 2.1 VACE."""
    import torch
    from diffusers import (
        AutoencoderKLWan,
        UniPCMultistepScheduler,
        WanVACEPipeline,
        WanVACETransformer3DModel,
    )
    from transformers import UMT5Config, UMT5EncoderModel

    torch.manual_seed(0)
    tokenizer = t5_tokenizer()
    text = UMT5Config(
        vocab_size=len(tokenizer), d_model=32, d_kv=8, d_ff=37, num_layers=2, num_heads=4, pad_token_id=0,
        eos_token_id=1, decoder_start_token_id=0,
    )  # fmt: skip
    vae = AutoencoderKLWan(
        base_dim=4,
        z_dim=16,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
    )
    transformer = WanVACETransformer3DModel(
        patch_size=(1, 2, 2), num_attention_heads=2, attention_head_dim=12, in_channels=16, out_channels=16,
        text_dim=32, freq_dim=32, ffn_dim=32, num_layers=3, cross_attn_norm=True,
        qk_norm="rms_norm_across_heads", rope_max_seq_len=32, vace_layers=[0, 2], vace_in_channels=96,
    )  # fmt: skip
    scheduler = UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=5.0
    )
    _made(
        WanVACEPipeline,
        transformer=livened(transformer),
        vae=livened(vae, gain=0.7),
        scheduler=scheduler,
        text_encoder=livened(UMT5EncoderModel(text)),
        tokenizer=tokenizer,
    ).save_pretrained(folder)
    return folder


def save_prompted_depth(folder: Path) -> Path:
    """PromptDepthAnything on a DINOv2 of four layers."""
    import torch
    from transformers import PromptDepthAnythingConfig, PromptDepthAnythingForDepthEstimation

    torch.manual_seed(0)
    backbone = dict(
        model_type="dinov2", image_size=70, patch_size=14, hidden_size=32, num_hidden_layers=4,
        num_attention_heads=4, mlp_ratio=2, out_indices=[1, 2, 3, 4], reshape_hidden_states=False,
        apply_layernorm=True,
    )  # fmt: skip
    config = PromptDepthAnythingConfig(
        backbone_config=backbone, depth_estimation_type="metric", max_depth=1, patch_size=14,
        reassemble_hidden_size=32, neck_hidden_sizes=[16, 16, 32, 32], fusion_hidden_size=16,
        head_hidden_size=8,
    )  # fmt: skip
    livened(PromptDepthAnythingForDepthEstimation(config), gain=0.6).save_pretrained(folder)
    return folder
