"""The stages of the paper's control loop as small protocols, and the values that flow between them.

A *generator* is a named set of stages; the one pipeline runs any set, and mixing is normal (an embedded
upscaler with a model editor). Every stage takes a context, values and a ``Control`` and returns values;
it draws randomness from the context's seed only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.jobs import CreateRequest, ZoomRequest
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import Control, VisibleSet
from wonderzoom.scene_graph.scale_node import Role, ScaleNode
from wonderzoom.scene_graph.surfels import SURFACE
from wonderzoom.scene_graph.world import World

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Observation:
    """O_i: what the world shows at C_i before anything is generated; [H, W], overscan included."""

    camera: Camera  # C_i, widened by ``margin`` pixels on every side
    margin: int
    color: F32  # [H, W, 3] sRGB in [0, 1]
    alpha: F32
    zeta: F32  # D_target: NaN where undefined (the m = 0 of Eq. 5)
    ratio: F32  # native scale of the dominant surfel over this view's own; 1 is "as fine as asked"
    covered: Mask  # something within sqrt 2 of the asked scale exists here
    surfel_ids: NDArray[np.int64]  # rows of ``visible``; -1 where nothing
    visible: VisibleSet
    factor: float  # median of ``ratio``: the zoom over what exists


@dataclass(slots=True)
class ZoomContext:
    """What every stage of one zoom may read; ``shared`` is where stages of a family keep results."""

    world: World
    request: ZoomRequest
    observation: Observation
    parent: ScaleNode
    threads: int
    words: tuple[str, ...] = ()  # S, what the describer said of this view; none before it has spoken
    shared: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layer:
    """One picture with depth that becomes surfels: what a view shows, or what it hides."""

    camera: Camera
    image: F32  # [H, W, 3] sRGB in [0, 1]
    zeta: F32  # [H, W] native pixels relative to the pivot
    mask: Mask  # [H, W] pixels that become surfels
    role: Role = "main"
    kind: NDArray[np.uint8] | int = SURFACE  # [H, W] or one value: SURFACE, FILL or STRUCTURE
    normals: F32 | None = None  # [H, W, 3] view axes, facing the camera; None: from depth


@dataclass(frozen=True, slots=True)
class Edited:
    """I_i and what is new in it."""

    image: F32  # [H, W, 3]
    new: Mask  # [H, W] what the prompt changed
    structure: Mask  # [H, W] pixels of new things that stand off the old surface
    structure_zeta: F32 | None = None  # [H, W] their depth where the editor knows it; NaN elsewhere
    under: F32 | None = None  # [H, W, 3] the picture without the new things, where they hide something
    placed: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class InitialDepth:
    """Depth of a photo."""

    depth: F32  # [H, W] scene units along the optical axis, > 0
    sky: Mask  # [H, W]
    metres_per_unit: float
    notes: tuple[str, ...] = ()


class DepthEstimator(Protocol):
    """E_0: depth and sky of one photo."""

    def estimate(self, request: CreateRequest, focal: float, control: Control) -> InitialDepth: ...


@dataclass(frozen=True, slots=True)
class Outpainted:
    """What a frame shows where the world shows nothing, as fine as what is seen beside it."""

    image: F32  # [H, W, 3] sRGB in [0, 1]; what is covered is as it was
    sky: Mask  # [H, W] holes that nothing stands in
    zeta: F32 | None = None  # [H, W] of the holes, native pixels; None: the depth registrar says it


class Outpainter(Protocol):
    """O_i completed where the camera looks beside everything: an image with a hole mask becomes a whole one.

    Runs before the upscaler. The pipeline joins the depth to what exists at the rim of the holes.
    """

    def outpaint(self, context: ZoomContext, holes: Mask, control: Control) -> Outpainted: ...


class TextToImage(Protocol):
    """E_0 from words: a picture where a person gives none."""

    def imagine(
        self, prompt: str, width: int, height: int, seed: int, control: Control
    ) -> NDArray[np.uint8]: ...


class Inpainter(Protocol):
    """E_0: what lies behind depth edges, as further layers (role fill or sky, kind FILL)."""

    def complete(
        self, request: CreateRequest, main: Layer, sky: Layer | None, control: Control
    ) -> list[Layer]: ...


class Describer(Protocol):
    """S = VLM(O_{i-1}, O_i): words for the upscaler."""

    def describe(self, context: ZoomContext, control: Control) -> tuple[str, ...]: ...


class Upscaler(Protocol):
    """I'_i = SR(O_i, S); low-passed and downsampled it equals O_i."""

    def upscale(self, context: ZoomContext, words: tuple[str, ...], control: Control) -> F32: ...


class Editor(Protocol):
    """I_i = Edit(I'_i, U_i)."""

    def edit(self, context: ZoomContext, image: F32, control: Control) -> Edited: ...


class DepthRegistrar(Protocol):
    """D_i, registered to D_target (Eq. 5)."""

    def register(self, context: ZoomContext, edited: Edited, control: Control) -> F32: ...


class Segmenter(Protocol):
    """Labels [H, W] int32 of I_i (0 and up) for segment-wise alignment."""

    def segment(self, context: ZoomContext, edited: Edited, control: Control) -> NDArray[np.int32]: ...


class AuxiliaryViews(Protocol):
    """Further views around C_i that complete E_i."""

    def synthesise(
        self, context: ZoomContext, edited: Edited, main: Layer, control: Control
    ) -> list[Layer]: ...


class Memory(Protocol):
    """What a generator keeps with a node so that deeper zooms go on from it (versioned bytes, <= 1 MiB)."""

    def initial(self, request: CreateRequest, depth: InitialDepth, main: Layer) -> bytes: ...

    def after_zoom(self, context: ZoomContext, edited: Edited) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Generator:
    """A named set of stages."""

    name: str  # "embedded/1": name and version, recorded in every node
    initial_depth: DepthEstimator
    inpaint: Inpainter
    describe: Describer
    upscale: Upscaler
    edit: Editor
    depth: DepthRegistrar
    segment: Segmenter
    auxiliary: AuxiliaryViews
    memory: Memory
    outpaint: Outpainter | None = None  # None: what the world does not show stays empty
    text_to_image: TextToImage | None = None  # None: a world begins with a picture
    made_with: tuple[tuple[str, str], ...] = ()  # of every node's provenance: models and their revisions
