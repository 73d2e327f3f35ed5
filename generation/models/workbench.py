"""What adapters work with, and how they are made: a stage's adapter by its name, from a table of options.

An adapter is a class with an inner ``Options`` (a msgspec struct; its ``ModelReference`` fields are the models that
it needs) and ``__init__(bench, options)``. Making one loads nothing: weights are loaded by its first job.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from wonderzoom.generation.models.embeddings import Embeddings
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.shelf import Shelf
from wonderzoom.scene_graph.ports import Renderer

# Stage of a generator -> name in a recipe -> where its class is, below this package.
ADAPTERS: dict[str, dict[str, str]] = {
    "describe": {"qwen_vl": "describe:VisionLanguageDescriber"},
    "upscale": {
        "chain_of_zoom": "upscale_chain_of_zoom:ChainOfZoomUpscaler",
        "klein": "upscale_klein:KleinUpscaler",
        "sd_x4": "upscale_sd_x4:SdX4Upscaler",
    },
    "edit": {
        "instruct_pix2pix": "edit:InstructPix2PixEditor",
        "klein": "edit:KleinEditor",
        "qwen_edit": "edit_qwen:QwenEditor",
    },
    "initial_depth": {"depth_anything": "initial_depth:DepthAnythingEstimator"},
    "depth": {"prompt_da": "depth:PromptedRegistrar", "depth_anything": "depth:TunedRegistrar"},
    "segment": {"sam2": "segments:Sam2Segmenter"},
    "inpaint": {"klein_inpaint": "inpaint:KleinInpainter", "sd_inpaint": "inpaint:SdInpainter"},
    "auxiliary": {"wan_vace": "auxiliary:WanVaceViews"},
    "outpaint": {"klein_outpaint": "beside:KleinOutpainter", "sd_outpaint": "beside:SdOutpainter"},
    "text_to_image": {"klein_text": "text_to_image:KleinText", "sd_text": "text_to_image:SdText"},
}


class BadRecipe(ValueError):
    """A recipe asks for what there is not, or for something in a way that can't be."""


@dataclass(frozen=True, slots=True)
class Workbench:
    """What every adapter may use."""

    shelf: Shelf
    renderer: Renderer  # of partial worlds, for auxiliary views
    threads: int = 1
    embeddings: Embeddings = field(default_factory=Embeddings)  # of prompts


def adapter_class(stage: str, name: str) -> Any:
    """The class of an adapter. Raises BadRecipe where there is none of that name."""
    known = ADAPTERS.get(stage, {})
    if name not in known:
        raise BadRecipe(
            f"{stage}: there is no adapter {name!r}; there is: {', '.join(['embedded', *sorted(known)])}"
        )
    module, _, attribute = known[name].partition(":")
    return getattr(importlib.import_module(f"{__package__}.{module}"), attribute)


def read_options(stage: str, name: str, table: Mapping[str, Any]) -> Any:
    """The options of an adapter, read from a recipe's table. Raises BadRecipe."""
    kind = adapter_class(stage, name).Options
    try:
        return msgspec.convert(dict(table), kind)
    except msgspec.ValidationError as error:
        raise BadRecipe(f"{stage}, adapter {name}: {error}") from error


def references(options: Any) -> dict[str, ModelReference]:
    """The models that an adapter with these options needs, by the names of their fields."""
    values = {name: getattr(options, name) for name in options.__struct_fields__}
    return {name: value for name, value in values.items() if isinstance(value, ModelReference)}
