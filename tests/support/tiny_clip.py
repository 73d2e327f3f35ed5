"""A CLIP of a few kilobytes with random weights, and what transformers itself makes of a picture for one."""

from pathlib import Path
from typing import Any

import numpy as np
from tiny_models import SHA, clip_tokenizer, livened, published, quiet

from wonderzoom.generation.models.locks import Locks
from wonderzoom.generation.models.references import ModelReference

SIDE = 32


def tiny_clip(seed: int) -> Any:
    import torch
    from transformers import CLIPConfig, CLIPModel

    quiet()
    layers = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {"vocab_size": 514, "bos_token_id": 512, "eos_token_id": 513, "pad_token_id": 513} | layers
    vision = {"image_size": SIDE, "patch_size": 8} | layers
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # the class embedding is drawn where the model is made
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8))
    return livened(model, seed)


def in_a_hub(model: Any, reference: ModelReference, folder: Path, **saving: Any) -> tuple[Locks, Path]:
    """A user's locks and a hub's cache in ``folder``, with the model in both as a download leaves it."""
    model.save_pretrained(folder / "saved", **saving)
    clip_tokenizer().save_pretrained(folder / "saved")
    published(folder / "saved", reference.repo, folder / "cache")
    locks = Locks(folder / "locks.json")
    locks.settle(reference.repo, SHA)
    return locks, folder / "cache"


def prepared(picture: np.ndarray) -> np.ndarray:
    """[3, SIDE, SIDE] of [H, W, 3], by transformers' own processor."""
    from transformers import CLIPImageProcessor

    square = {"height": SIDE, "width": SIDE}
    processor = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size=square)
    return np.asarray(processor(images=picture, return_tensors="np")["pixel_values"][0])
