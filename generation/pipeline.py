"""The paper's control loop: ``create`` makes E_0, ``zoom`` makes E_i and never touches older surfels.

Owns the order of the stages and what becomes surfels; knows no generator in particular, no store and no
clock. The answer is a proposal: the writer of the world commits it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.ablations import Ablations, unregistered_zeta
from wonderzoom.generation.arithmetic import sums_in_order
from wonderzoom.generation.card_memory import Meter, StagePeaks, card_peak
from wonderzoom.generation.extension import (
    Beside,
    completed,
    holes_of,
    is_empty,
    joined,
    seen_sky,
    sky_behind,
)
from wonderzoom.generation.fitting import FILLED_IN_BY_THE_WORLD, fit_layers, place_layers, view_of
from wonderzoom.generation.initial_scene import focal_of, frame_scene
from wonderzoom.generation.jobs import (
    FINER_EDIT,
    FINER_KEY,
    MAX_FACTOR,
    MIN_FACTOR,
    AlreadyCovered,
    AlreadyMade,
    Created,
    CreateRequest,
    GenerationError,
    Mode,
    Stage,
    StageEvent,
    Watch,
    Zoomed,
    ZoomRequest,
)
from wonderzoom.generation.lifting import lift
from wonderzoom.generation.observation import dominant_node, observe
from wonderzoom.generation.segment_alignment import align_segments
from wonderzoom.generation.stages import Edited, Generator, Layer, Observation, ZoomContext
from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.ports import (
    Cancelled,
    FitSettings,
    Fitter,
    Metric,
    Renderer,
)
from wonderzoom.scene_graph.scale_node import ScaleNode, node_id
from wonderzoom.scene_graph.surfels import STRUCTURE, SURFACE, Surfels
from wonderzoom.scene_graph.world import World, WorldError

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]

# Fewer new pixels than this are not worth a node (0.02 % of 512 x 512).
MIN_NEW_PIXELS = 64
# More than this share of the frame already as fine as asked: nothing to generate without a prompt.
COVERED_SHARE = 0.98
# Steps of at most MAX_FACTOR over what exists, with room for slanted surfaces.
FACTOR_SLACK = 1.5
# A material laid over content of the same scale stands this much in front of it, in native pixels.
LAID_ABOVE = 1.0


class Pipeline:
    """Runs one generator's stages with a renderer and a fitter; safe to call from one thread at a time."""

    def __init__(
        self,
        generator: Generator,
        renderer: Renderer,
        fitter: Fitter,
        threads: int,
        fit_settings: FitSettings | None = None,
        ablations: Ablations | None = None,
        meter: Meter = card_peak,
    ) -> None:
        self.generator = generator
        self._renderer = renderer
        self._fitter = fitter
        self._threads = threads
        self._fit_settings = fit_settings or FitSettings()
        self._ablations = ablations or Ablations()
        self._meter = meter

    # ---- E_0 ------------------------------------------------------------------------------------
    def create(self, request: CreateRequest, watch: Watch | None = None) -> Created:
        """E_0 from a picture: depth, sky, layers behind depth edges, surfels, fit."""
        with sums_in_order():
            peaks = StagePeaks(self._meter)
            return self._create(request, peaks.watched(watch or Watch()), peaks)

    def _create(self, request: CreateRequest, watch: Watch, peaks: StagePeaks) -> Created:
        said: list[str] = []
        watch = replace(watch, note=said.append)
        generator = self.generator
        focal, note = focal_of(request)
        estimate = generator.initial_depth.estimate(request, focal, watch.control("depth"))
        framed = frame_scene(request, estimate, focal)
        hidden: list[Layer] = []
        if self._ablations.auxiliary:
            hidden = generator.inpaint.complete(request, framed.main, framed.sky, watch.control("auxiliary"))
        layers = [framed.main, *([framed.sky] if framed.sky is not None else []), *hidden]
        state = generator.memory.initial(request, estimate, framed.main)
        notes = (*((note,) if note else ()), *estimate.notes, *said)
        picture = hashlib.blake2b(request.image.tobytes(), digest_size=8).hexdigest()
        blocks = self._surfels(layers, framed.main, framed.header.metric, request.seed, watch)
        watch.event(StageEvent("commit", 0.0))
        made_of = {"picture": picture, **dict(generator.made_with), **dict(self._left_out())}
        node = ScaleNode(
            id=node_id(None, framed.camera, f"{picture} {request.prompt}", request.seed, generator.name),
            parent=None,
            children=(),
            prompt=request.prompt,
            seed=request.seed,
            generator=generator.name,
            views=tuple(view_of(layer, request.image if layer is framed.main else None) for layer in layers),
            generator_state=state,
            provenance=tuple(sorted({**made_of, **peaks.provenance()}.items())),
            **FILLED_IN_BY_THE_WORLD,
        )
        commit = World(framed.header).propose(node, blocks)
        return Created(framed.header, commit, node.id, notes)

    # ---- E_i ------------------------------------------------------------------------------------
    def zoom(self, world: World, request: ZoomRequest, watch: Watch | None = None) -> Zoomed:
        """E_i at the requested camera; ``world`` is only read.

        Raises GenerationError, AlreadyCovered, AlreadyMade, Cancelled, and UnknownNode or RootRemoval for a
        node that can't be a parent or be replaced. What is there already is found before a stage has run.
        """
        watch = watch or Watch()
        try:
            with sums_in_order():
                peaks = StagePeaks(self._meter)
                return self._zoom(world, request, peaks.watched(watch), peaks)
        except (GenerationError, AlreadyCovered, Cancelled, WorldError):
            raise
        except MemoryError as error:
            raise GenerationError("lift", "out of memory; close other programs or free some", True) from error

    def _zoom(self, world: World, request: ZoomRequest, watch: Watch, peaks: StagePeaks) -> Zoomed:
        notes: list[str] = []
        watch = replace(watch, note=notes.append)
        generator = self.generator
        self._begin("observe", watch)
        base, parent_id, replaced = _without_replaced(world, request)
        if request.prompt and (made := _made_before(base, request, generator.name)) is not None:
            raise AlreadyMade(made)
        observation, edit_only = self._observe(base, request)
        parent = base.node(parent_id if parent_id is not None else dominant_node(observation))
        name = node_id(parent.id, request.camera, request.prompt, request.seed, generator.name, request.mode)
        if name in base.nodes:
            raise AlreadyMade(name)
        context = ZoomContext(base, request, observation, parent, self._threads)
        beside = None if edit_only else self._outpaint(context, watch)
        self._begin("describe", watch)
        context.words = words = generator.describe.describe(context, watch.control("describe"))
        self._begin("upscale", watch)
        image = generator.upscale.upscale(context, words, watch.control("upscale"))
        if beside is not None and context.observation.factor < MIN_FACTOR:
            # Painted at the scale that was asked for: nothing of it is coarse.
            fine = context.observation.color
            image = np.where(observation.covered[..., None], image, fine).astype(np.float32)
        self._begin("edit", watch)
        edited = generator.edit.edit(context, image, watch.control("edit"))
        watch.event(StageEvent("edit", 1.0, _to_bytes(edited.image)))
        zeta = self._depth(context, edited, watch)
        if beside is not None:
            zeta = _joined(context, observation, edited, zeta, beside)
        main = _main_layer(context.observation, edited, zeta, edit_only, beside)
        self._begin("auxiliary", watch)
        further: list[Layer] = []
        if self._ablations.auxiliary:
            further = generator.auxiliary.synthesise(context, edited, main, watch.control("auxiliary"))
        sky = None if beside is None else sky_behind(main.camera, edited, beside)
        layers = [main, *([] if sky is None else [sky]), *further]
        provenance = {
            "ignored": " ".join(edited.ignored),
            "words": " ".join(words),
            **dict(generator.made_with),
            **dict(self._left_out()),
        }
        if notes:
            provenance["notes"] = "; ".join(notes)
        if edit_only:
            provenance[FINER_KEY] = str(FINER_EDIT)
        state = generator.memory.after_zoom(context, edited)
        blocks = self._surfels(layers, main, base.header.metric, request.seed, watch)
        self._begin("commit", watch)
        provenance.update(peaks.provenance())
        node = ScaleNode(
            id=name,
            parent=parent.id,
            children=(),
            prompt=request.prompt,
            seed=request.seed,
            generator=generator.name,
            views=tuple(
                view_of(layer, _to_bytes(layer.image) if layer is main else None) for layer in layers
            ),
            generator_state=state,
            provenance=tuple(sorted(provenance.items())),
            **FILLED_IN_BY_THE_WORLD,
        )
        commit = world.propose(node, blocks, replaced)
        if watch.cancelled():
            raise Cancelled
        return Zoomed(commit, node.id, edited.ignored, edited.placed, tuple(notes), memory=dict(peaks.bytes))

    def _observe(self, world: World, request: ZoomRequest) -> tuple[Observation, bool]:
        """O_i, and whether all of it is there at this scale already, so that only an edit can add to it."""
        observation = observe(world, request.camera, self._renderer)
        if observation.factor > MAX_FACTOR * FACTOR_SLACK:
            raise GenerationError(
                "observe",
                f"this view is {observation.factor:.0f}x finer than what exists here;"
                f" zoom in steps of at most {MAX_FACTOR:.0f}x",
            )
        if float(observation.covered.mean()) <= COVERED_SHARE or (
            self.generator.outpaint is not None and is_empty(holes_of(world, observation))
        ):
            return observation, False
        if not request.prompt:
            raise AlreadyCovered(dominant_node(observation))
        camera = request.camera
        size = (round(camera.width * FINER_EDIT), round(camera.height * FINER_EDIT))
        return observe(world, camera.resized(*size), self._renderer), True

    def _outpaint(self, context: ZoomContext, watch: Watch) -> Beside | None:
        """Complete the observation of a zoom that looks beside what exists; None where it does not."""
        outpainter, observation = self.generator.outpaint, context.observation
        holes = holes_of(context.world, observation)
        if outpainter is None or not is_empty(holes):
            return None
        painted = outpainter.outpaint(context, holes, watch.control("observe"))
        context.observation, beside = completed(context.world, observation, holes, painted)
        return beside

    def _depth(self, context: ZoomContext, edited: Edited, watch: Watch) -> F32:
        """D_i: registered to the target and aligned to it segment by segment, unless that is left out."""
        generator, observation = self.generator, context.observation
        self._begin("depth", watch)
        if not self._ablations.registration:
            control = watch.control("depth")
            return unregistered_zeta(generator.initial_depth, edited.image, context.request.seed, control)
        zeta = generator.depth.register(context, edited, watch.control("depth"))
        self._begin("segment", watch)
        segments = generator.segment.segment(context, edited, watch.control("segment"))
        return align_segments(zeta, observation.zeta, segments, edited.structure, observation.factor)

    def _left_out(self) -> tuple[tuple[str, str], ...]:
        """What a node's provenance says of ablations: nothing where there are none."""
        without = self._ablations.without
        return (("without", without),) if without else ()

    def _surfels(
        self, layers: Sequence[Layer], main: Layer, metric: Metric, seed: int, watch: Watch
    ) -> list[tuple[Cell, Surfels]]:
        """Lift all layers, fit what the pictures show, and place the result in cells."""
        self._begin("lift", watch)
        lifted = [lift(layer, metric) for layer in layers]
        self._begin("optimise", watch)
        control = watch.control("optimise")
        fitted = fit_layers(layers, lifted, main, self._fitter, self._fit_settings, seed, control)
        return place_layers(fitted, main.camera)

    def _begin(self, stage: Stage, watch: Watch) -> None:
        """Say that a stage begins, unless the job is cancelled."""
        if watch.cancelled():
            raise Cancelled
        watch.event(StageEvent(stage, 0.0))


def _without_replaced(world: World, request: ZoomRequest) -> tuple[World, str | None, str | None]:
    """The world to look at, the parent's id if it is settled, and the id of the node to be replaced."""
    if request.mode == "add":
        return world, None if request.node is None else world.node(request.node).id, None
    if request.node is None:
        raise GenerationError("observe", "say which node to replace")
    removal = world.propose_removal(request.node)  # raises for the root
    parent = world.node(request.node).parent
    rest = world.copy()
    rest.apply(removal)
    return rest, parent, request.node


def _made_before(world: World, request: ZoomRequest, generator: str) -> str | None:
    """The live node that is what a request with words asks for, on whatever parent; None where there is none.

    Looking by id alone is not enough: what was made may now be the finest there, and would become its own parent,
    with the same thing once more on top.
    """
    asked = (request.camera, request.prompt, request.seed, generator)
    for node in world.nodes.values():
        if (node.prompt, node.seed, node.generator) == asked[1:] and node.parent is not None:
            if node.id in (node_id(node.parent, *asked, mode) for mode in get_args(Mode)):
                return node.id
    return None


def _joined(context: ZoomContext, seen: Observation, edited: Edited, zeta: F32, beside: Beside) -> F32:
    """The registered depth, joined to what exists at the rim of the holes; new things keep theirs."""
    found = joined(seen.camera, zeta, seen.zeta, beside, seen_sky(context.world, seen))
    return np.where(edited.structure, zeta, found).astype(np.float32)


def _main_layer(
    observation: Observation, edited: Edited, zeta: F32, edit_only: bool, beside: Beside | None
) -> Layer:
    """What C_i shows as surfels: only where nothing as fine exists, or where the edit changed it."""
    seen = np.isfinite(observation.zeta) | edited.structure
    wanted = edited.new if edit_only else ~observation.covered | edited.new
    alone = edited.structure
    if beside is not None:
        seen |= beside.holes
        wanted = (wanted | beside.holes) & ~(beside.sky & ~edited.structure)
        # Nothing coarser stands for what lies beside all that exists.
        alone = alone | beside.holes
    fresh = seen & wanted
    if int(fresh.sum()) < MIN_NEW_PIXELS and beside is None:
        raise AlreadyCovered(dominant_node(observation))
    # What is laid over content that no finer view will replace stands for itself, at every scale.
    laid = edited.new & ~edited.structure & (observation.covered | edit_only)
    kind = np.where(alone | laid, np.uint8(STRUCTURE), np.uint8(SURFACE)).astype(np.uint8)
    zeta = np.where(laid, zeta - LAID_ABOVE, zeta).astype(np.float32)
    return Layer(observation.camera, edited.image, zeta, fresh, "main", kind)


def _to_bytes(image: F32) -> U8:
    """sRGB floats in [0, 1] as bytes."""
    return np.clip(image * 255.0 + 0.5, 0, 255).astype(np.uint8)
