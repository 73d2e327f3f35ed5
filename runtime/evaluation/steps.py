"""A finished world taken apart again: what it was before and after each of its zooms.

Owns no score. Nodes are taken away in the opposite order of their commits, so that O_i is what generation saw,
whatever was added elsewhere later; bounds follow from what is live (scale semantics, section 5).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.jobs import FINER_KEY
from wonderzoom.generation.observation import plane_zeta
from wonderzoom.runtime.evaluation.scores import HOLE, Shown
from wonderzoom.runtime.frames import frame_of, settings_of
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.hops import zoom_ln
from wonderzoom.scene_graph.ports import RenderedView, Renderer, VisibleSet
from wonderzoom.scene_graph.scale_node import ScaleNode
from wonderzoom.scene_graph.scales import Modulation
from wonderzoom.scene_graph.surfels import STRUCTURE
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Step:
    """One zoom of a world: E_{i-1} and E_i."""

    node: ScaleNode
    before: World
    after: World

    @property
    def parent(self) -> ScaleNode:
        """The node that was zoomed into."""
        assert self.node.parent is not None
        return self.after.node(self.node.parent)


def steps(world: World) -> dict[str, Step]:
    """Node -> its step, of every node but the root, in the order of their commits."""
    found: dict[str, Step] = {}
    now = world
    for node in reversed(list(world.nodes.values())):
        if node.parent is None:
            break
        before = now.copy()
        before.apply(before.propose_removal(node.id))
        found[node.id] = Step(node, before, now)
        now = before
    return dict(reversed(found.items()))


def factor_of(parent: Camera, frame: Camera) -> float:
    """How many times ``frame`` enlarges what it shows of ``parent``."""
    return math.exp(zoom_ln(parent, frame))


def drawn(
    world: World, camera: Camera, renderer: Renderer, modulation: Modulation = "optical_mass"
) -> tuple[Shown, RenderedView, VisibleSet]:
    """The stored surfels at a camera, by the renderer, each by itself."""
    settings = settings_of(world.header, modulation, mips=False)
    visible = visible_set(world, camera, settings)
    view = renderer.render(visible, camera, settings)
    return Shown(camera, view.color, view.alpha, view.zeta), view, visible


def with_surface(shown: Shown, view: RenderedView, visible: VisibleSet) -> Shown:
    """The same view with the depth of the surface that is seen, where most of the light is from surfels.

    A renderer's own depth is a mean of what a pixel's light is from: deep in a world a hundredth of it, through a
    gap, may come from something a thousand pictures further off.
    """
    zeta = plane_zeta(visible, shown.camera, view.surfel_ids, view.zeta)
    seen = (view.surfel_ids >= 0) & (view.alpha > HOLE)
    return replace(shown, zeta=np.where(seen, zeta, np.nan).astype(np.float32))


def edited(view: RenderedView, visible: VisibleSet, node: str) -> Mask:
    """[H, W] pixels that show a new thing of ``node``: surfels without anything coarser to stand for them.

    A material that was laid is a surface like any other and not known afterwards to be new.
    """
    kinds = [
        (block.surfels.kind == STRUCTURE) & (block.node == node) for block in visible.blocks if block.count
    ]
    if not kinds:
        return np.zeros(view.alpha.shape, np.bool_)
    return np.concatenate(kinds)[np.maximum(view.surfel_ids, 0)] & (view.surfel_ids >= 0)


def picture_of(node: ScaleNode, h_ref: int) -> tuple[Camera, NDArray[np.float32], Mask] | None:
    """(C_i, I_i, what of it became surfels) without overscan; None where a node keeps no picture.

    Sizes are those in which the picture was generated.
    """
    image = node.main.image
    if image is None:
        return None
    camera = node.main.camera
    side = round(h_ref * float(dict(node.provenance).get(FINER_KEY, "1")))
    margin = max(0, (min(camera.width, camera.height) - side) // 2)
    made = np.zeros(node.main.mask.shape, np.bool_)
    for view in node.views:
        if view.camera == camera and view.role in ("main", "sky"):
            made |= view.mask
    rows, columns = slice(margin, camera.height - margin), slice(margin, camera.width - margin)
    native = camera.widened(-margin) if margin else camera
    return native, image[rows, columns].astype(np.float32) / 255.0, made[rows, columns]


def frames_of(world: World, zooms: Mapping[str, str]) -> dict[str, tuple[Camera, Camera]]:
    """Name -> (the parent's frame, C_i) of zooms that are given as name -> node."""
    found: dict[str, tuple[Camera, Camera]] = {}
    for name, node_id in zooms.items():
        node = world.node(node_id)
        assert node.parent is not None
        found[name] = frame_of(world.node(node.parent), world.header), frame_of(node, world.header)
    return found
