"""The edit stage: what a prompt asks for becomes things and materials in the picture (I_i from I'_i and U_i).

Owns: the order of the edit and its honest account: what was placed, what was ignored, which pixels are new. Does
not own: words (``lexicon``), places and sizes (``placing``), drawing (``standing``, ``laying``).
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.embedded.chart import ChartView, chart_node, places_on
from wonderzoom.generation.embedded.laying import lay
from wonderzoom.generation.embedded.lexicon import Parsed, Placement, PromptTooLong, parse
from wonderzoom.generation.embedded.lighting import Light, light_of
from wonderzoom.generation.embedded.memory import LaidMaterial, PlacedThing, metres_per_pixel
from wonderzoom.generation.embedded.placing import LEAST_SHARE, MOST_SHARE, Ground, place_things
from wonderzoom.generation.embedded.standing import SOLID, Drawn, draw_things
from wonderzoom.generation.embedded.upscaling import CHART
from wonderzoom.generation.jobs import GenerationError
from wonderzoom.generation.stages import Edited, ZoomContext
from wonderzoom.scene_graph.ports import Control

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

PROMPTED = "embedded.prompted"  # key of ZoomContext.shared: the Prompted of this zoom
PATCH_RADIUS = 0.42  # of the frame's width: a patch of material covers about half of it
# A pixel is new when more of it than this is thing or patch, or when it lost more than this of its light.
NEW_COVER, NEW_SHADE = 0.05, 0.04
# One correction of the size where perspective or what stands in front made a thing miss its share.
AIM = 0.30


@dataclass(frozen=True, slots=True)
class Prompted:
    """What one zoom added to the world."""

    things: tuple[PlacedThing, ...] = ()
    materials: tuple[LaidMaterial, ...] = ()


class EditorStage:
    """``stages.Editor`` of the embedded generator; holds no state between calls."""

    def edit(self, context: ZoomContext, image: F32, control: Control) -> Edited:
        """I_i and what is new in it. Raises GenerationError for a prompt that is too long, Cancelled."""
        try:
            asked = parse(context.request.prompt)
        except PromptTooLong as error:
            raise GenerationError("edit", str(error)) from error
        ground = Ground.of(context.observation)
        shape = image.shape[:2]
        new = np.zeros(shape, np.bool_)
        image, materials, cover = _lay_materials(context, asked, ground, image, control)
        if cover is not None:
            new |= cover > NEW_COVER
        control.progress(0.4)
        things: list[PlacedThing] = []
        if not asked.things:
            context.shared[PROMPTED] = Prompted((), tuple(materials))
            return Edited(image, new, np.zeros(shape, np.bool_), placed=account(asked), ignored=asked.ignored)
        light = _light(context, image)
        things, drawn = _draw(context, asked, ground, light, image, control)
        context.shared[PROMPTED] = Prompted(tuple(things), tuple(materials))
        structure = drawn.alpha > SOLID
        new |= (drawn.alpha > NEW_COVER) | (drawn.shade < 1.0 - NEW_SHADE)
        under = shaded(image, drawn.shade)
        control.progress(1.0)
        return Edited(
            drawn.image, new, structure, np.where(structure, drawn.zeta, np.nan).astype(np.float32), under,
            account(asked), asked.ignored,
        )  # fmt: skip


def shaded(image: F32, shade: F32) -> F32:
    """A picture whose linear light is multiplied by ``shade`` [H, W]."""
    return (image * np.power(shade, 1 / 2.2, dtype=np.float32)[..., None]).astype(np.float32)


def account(asked: Parsed) -> tuple[str, ...]:
    """What was made, in words: "2 ladybug", "bee (for wasp)", "moss"."""
    stand_ins = {kind: word for word, kind in asked.substituted}
    said: list[str] = []
    for placement in asked.things:
        name = placement.kind if placement.count == 1 else f"{placement.count} {placement.kind}"
        if placement.kind in stand_ins:
            name += f" (for {stand_ins[placement.kind]})"
        said.append(name)
    return (*said, *asked.materials)


def _light(context: ZoomContext, image: F32) -> Light:
    """The light of this world, as its first picture and this view tell."""
    root = context.world.root
    first = None if root is None else root.main.image
    whole = image if first is None else first.astype(np.float32) / 255.0
    return light_of(whole, image)


def _random(context: ZoomContext) -> np.random.Generator:
    """Draws of this request: the same prompt and seed give the same things."""
    return np.random.default_rng([context.request.seed, zlib.crc32(context.request.prompt.encode())])


def _lay_materials(
    context: ZoomContext, asked: Parsed, ground: Ground, image: F32, control: Control
) -> tuple[F32, list[LaidMaterial], F32 | None]:
    """The picture with the prompt's materials, their records and where they lie."""
    if not asked.materials:
        return image, [], None
    chart, places, pixel, metres = _chart(context, ground)
    u, v = ground.middle
    row, column = min(int(v), pixel.shape[0] - 1), min(int(u), pixel.shape[1] - 1)
    center = (float(places[row, column, 0]), float(places[row, column, 1]))
    radius = PATCH_RADIUS * ground.size[0] * float(pixel[row, column])
    covers: list[F32] = []
    laid: list[LaidMaterial] = []
    for index, material in enumerate(asked.materials):
        seed = int(np.random.SeedSequence([context.request.seed, index]).generate_state(1)[0])
        record = LaidMaterial(material, center, radius, seed, chart)
        painted = lay(record, image, places, pixel, metres, context.threads, control.cancelled)
        laid.append(record)
        if painted is not None:
            image = painted.image
            covers.append(painted.cover)
    return image, laid, np.max(covers, 0) if covers else None


def _chart(context: ZoomContext, ground: Ground) -> tuple[str, F64, F64, float]:
    """(name, places, chart pixels per pixel, metres of a chart pixel) of what the view shows."""
    chart = context.shared.get(CHART)
    if isinstance(chart, ChartView):
        return "" if chart.is_root else chart.node, chart.places, chart.scale, chart.metres
    node = chart_node(context.world, context.parent.id)  # another generator's upscaler ran
    places, pixel = places_on(node.main.camera, ground.camera, ground.zeta)
    name = "" if node.parent is None else node.id
    return name, places, pixel, metres_per_pixel(context.world, context.parent)


def _draw(
    context: ZoomContext, asked: Parsed, ground: Ground, light: Light, image: F32, control: Control
) -> tuple[list[PlacedThing], Drawn]:
    """Place and draw; once more at another size when together they fill too little or too much of the frame."""
    left, top, right, bottom = ground.frame
    frame = np.s_[top:bottom, left:right]
    surface = context.observation.zeta
    things = place_things(asked.things, ground, light, _random(context))
    drawn = draw_things(things, ground.camera, image, context.threads, control.cancelled, surface)
    share = float(drawn.alpha[frame].mean())
    if sized(asked.things) or LEAST_SHARE - 0.02 <= share <= MOST_SHARE + 0.05:
        return things, drawn
    scale = float(np.clip(np.sqrt(AIM / max(share, 1e-3)), 0.5, 2.0))
    things = place_things(asked.things, ground, light, _random(context), scale)
    drawn = draw_things(things, ground.camera, image, context.threads, control.cancelled, surface)
    return things, drawn


def sized(placements: tuple[Placement, ...]) -> bool:
    """Whether words say how large the things are."""
    return any(placement.size != 1.0 for placement in placements)
