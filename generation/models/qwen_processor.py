"""A processor of Qwen's vision-language models for still pictures, that needs no torchvision.

The libraries' own owns a processor of videos, which can't be made without torchvision; there is none for a CPU
beside the torch that is pinned. The tokens are those of the stock processor. Its class is made on first use, since
its base is transformers'; it derives from that base because diffusers checks what it is given.
"""

from __future__ import annotations

from functools import cache
from typing import Any

# Where ``loading`` finds the class.
NAME = "wonderzoom.generation.models.qwen_processor.StillQwenProcessor"
_IMAGE_TOKEN = "<|image_pad|>"


@cache
def still_processor() -> Any:
    """The class: ``from_pretrained`` reads the files of any Qwen2-VL, Qwen2.5-VL or Qwen3-VL."""
    from transformers import ProcessorMixin

    class StillQwenProcessor(ProcessorMixin):
        """Pictures and text as a model's inputs; no videos."""

        return_mm_token_type_ids = True

        def __init__(
            self,
            image_processor: Any = None,
            tokenizer: Any = None,
            chat_template: str | None = None,
            **_others: Any,
        ) -> None:
            self.image_token = getattr(tokenizer, "image_token", None) or _IMAGE_TOKEN
            self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
            super().__init__(
                image_processor, tokenizer, chat_template=chat_template or tokenizer.chat_template
            )

        def replace_image_token(self, image_inputs: Any, image_idx: int, **_others: Any) -> str:
            """As many tokens as the picture has patches after merging."""
            patches = int(image_inputs["image_grid_thw"][image_idx].prod())
            return self.image_token * (patches // self.image_processor.merge_size**2)

    return StillQwenProcessor


def __getattr__(name: str) -> Any:
    if name == "StillQwenProcessor":
        return still_processor()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
