"""Tiny random networks that look at pictures: depth, segments, detection, labels; each saved as a checkpoint."""

from pathlib import Path
from typing import Any

import numpy as np
from tiny_models import bert_tokenizer, livened

_DINO: dict[str, Any] = {
    "model_type": "dinov2", "image_size": 70, "patch_size": 14, "hidden_size": 32, "num_hidden_layers": 4,
    "num_attention_heads": 4, "mlp_ratio": 2, "out_indices": [1, 2, 3, 4], "reshape_hidden_states": False,
    "apply_layernorm": True,
}  # fmt: skip
_NECK: dict[str, Any] = {
    "reassemble_hidden_size": 32, "patch_size": 14, "neck_hidden_sizes": [16, 16, 32, 32],
    "fusion_hidden_size": 16, "head_hidden_size": 8,
}  # fmt: skip
SAM_SIDE = 64


# Seeds with which the tiny networks see slopes the right way round, so that Eq. 5 has something to tune.
AGREEING = {"relative": 3, "metric": 2}
CONTRARY = {"relative": 2, "metric": 3}


def save_depth_anything(
    folder: Path, kind: str = "relative", seed: int | None = None, prompted: bool = False
) -> Path:
    """Depth Anything V2 (``kind``: relative or metric), or with ``prompted`` PromptDepthAnything; the folder."""
    import torch
    from transformers import (
        DepthAnythingConfig,
        DepthAnythingForDepthEstimation,
        PromptDepthAnythingConfig,
        PromptDepthAnythingForDepthEstimation,
    )

    seed = AGREEING[kind] if seed is None else seed
    torch.manual_seed(seed)
    far: dict[str, Any] = {
        "depth_estimation_type": kind,
        "max_depth": 80 if kind == "metric" and not prompted else 1,
    }
    network: Any
    if prompted:
        network = PromptDepthAnythingForDepthEstimation(
            PromptDepthAnythingConfig(backbone_config=_DINO, **far, **_NECK)
        )
    else:
        network = DepthAnythingForDepthEstimation(DepthAnythingConfig(backbone_config=_DINO, **far, **_NECK))
    # Beyond a gain of 0.6 the sigmoid at the end of metric ones is saturated, and gives no gradient.
    livened(network, seed, gain=0.6)
    if kind == "relative":
        with torch.no_grad():  # away from the zero of the last ReLU
            network.head.conv3.bias.fill_(1.0)
    network.save_pretrained(folder)
    return folder


def save_sam(folder: Path, seed: int = 0) -> Path:
    """SAM 2 for squares of 64 pixels; the folder."""
    import torch
    from transformers import Sam2Config, Sam2Model

    side = SAM_SIDE
    backbone = {
        "model_type": "sam2_hiera_det_model", "hidden_size": 12, "num_attention_heads": 1,
        "image_size": [side, side], "window_positional_embedding_background_size": [2, 2],
        "blocks_per_stage": [1, 2, 2, 1], "embed_dim_per_stage": [12, 24, 48, 96],
        "num_attention_heads_per_stage": [1, 2, 4, 8], "window_size_per_stage": [8, 4, 2, 2],
        "global_attention_blocks": [4], "num_query_pool_stages": 3,
    }  # fmt: skip
    config = Sam2Config(
        vision_config={
            "backbone_config": backbone, "backbone_channel_list": [96, 48, 24, 12], "fpn_hidden_size": 32,
            "backbone_feature_sizes": [[side // 4] * 2, [side // 8] * 2, [side // 16] * 2],
        },
        prompt_encoder_config={
            "hidden_size": 32, "image_size": side, "patch_size": 16, "mask_input_channels": 4,
        },
        mask_decoder_config={
            "hidden_size": 32, "mlp_dim": 32, "num_attention_heads": 2, "iou_head_hidden_dim": 16,
        },
    )  # fmt: skip
    torch.manual_seed(seed)
    livened(Sam2Model(config), seed).save_pretrained(folder)
    return folder


def save_grounding_dino(folder: Path, seed: int = 0) -> Path:
    """GroundingDINO with its processor; the folder."""
    import torch
    from transformers import (
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        GroundingDinoImageProcessor,
        GroundingDinoProcessor,
    )

    tokenizer = bert_tokenizer()
    swin = {
        "model_type": "swin", "image_size": 64, "window_size": 2, "embed_dim": 16, "depths": [1, 1, 1, 1],
        "num_heads": [1, 1, 2, 2], "out_features": ["stage2", "stage3", "stage4"],
    }  # fmt: skip
    bert = {
        "model_type": "bert", "vocab_size": len(tokenizer), "hidden_size": 32, "num_hidden_layers": 1,
        "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 128,
    }  # fmt: skip
    config = GroundingDinoConfig(
        backbone_config=swin, text_config=bert, d_model=64, encoder_layers=1, encoder_ffn_dim=32,
        encoder_attention_heads=4, decoder_layers=2, decoder_ffn_dim=32, decoder_attention_heads=4,
        num_queries=10, max_text_len=64, num_feature_levels=4,
    )  # fmt: skip
    torch.manual_seed(seed)
    livened(GroundingDinoForObjectDetection(config), seed).save_pretrained(folder)
    pictures = GroundingDinoImageProcessor(size={"shortest_edge": 128, "longest_edge": 128})
    GroundingDinoProcessor(image_processor=pictures, tokenizer=tokenizer).save_pretrained(folder)
    return folder


def save_segformer(folder: Path, sky: str = "sky", seed: int = 0) -> Path:
    """SegFormer with six labels, the third of which is ``sky``, and its processor; the folder."""
    import torch
    from transformers import SegformerConfig, SegformerForSemanticSegmentation, SegformerImageProcessor

    names = {i: sky if i == 2 else f"thing {i}" for i in range(6)}
    config = SegformerConfig(
        depths=[1] * 4, hidden_sizes=[8, 8, 16, 16], num_attention_heads=[1, 1, 2, 2], decoder_hidden_size=16,
        id2label=names, label2id={name: i for i, name in names.items()},
    )  # fmt: skip
    torch.manual_seed(seed)
    livened(SegformerForSemanticSegmentation(config), seed).save_pretrained(folder)
    SegformerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder)
    return folder


def disc(height: int, width: int, row: float, column: float, radius: float) -> np.ndarray:
    """[H, W] true within a circle."""
    rows, columns = np.mgrid[:height, :width]
    return np.hypot(rows + 0.5 - row, columns + 0.5 - column) < radius
