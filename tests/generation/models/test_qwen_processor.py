from pathlib import Path
from typing import Any

import pytest
import tiny_pictures
import torch
from tiny_models import photo

from wonderzoom.generation.models import qwen_processor
from wonderzoom.generation.models.images import to_pil
from wonderzoom.generation.models.references import ModelReference


def test_a_picture_takes_as_many_tokens_as_it_has_merged_patches(
    tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    from transformers import ProcessorMixin

    folder = tiny_pictures.kept(tmp_path_factory, "qwen_vl", tiny_pictures.qwen_vl)
    bench = tiny_pictures.bench(tmp_path)
    processor: Any = bench.shelf.part("describe", ModelReference(path=str(folder)), qwen_processor.NAME)
    assert type(processor) is qwen_processor.still_processor()
    assert issubclass(type(processor), ProcessorMixin)  # diffusers asks
    content = [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "What is it?"}]
    asked = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    assert asked.count("<|image_pad|>") == 2
    pictures = [to_pil(photo(64, 96)), to_pil(photo(128, 64))]
    inputs = processor(text=[asked], images=pictures, return_tensors="pt")
    grid = inputs["image_grid_thw"]
    assert grid.tolist() == [[1, 6, 4], [1, 4, 8]]
    pad = processor.tokenizer.convert_tokens_to_ids("<|image_pad|>")
    assert int((inputs["input_ids"] == pad).sum()) == int(grid.prod(-1).sum()) // 4
    assert inputs["pixel_values"].shape[0] == int(grid.prod(-1).sum())
    assert float(inputs["pixel_values"].abs().max()) < 3.0 and not torch.isnan(inputs["pixel_values"]).any()


def test_nothing_else_is_in_the_module() -> None:
    with pytest.raises(AttributeError, match="no attribute 'Other'"):
        qwen_processor.Other  # noqa: B018
