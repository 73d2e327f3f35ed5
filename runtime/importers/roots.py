"""A cloud becomes the root of a world: surfels in its octree, and a view that says what is there.

Each splat keeps its two larger axes, its colour and its opacity, bit for bit as far as the columns of a surfel hold
them; its native scale follows from its size. The view is drawn: its picture, its depth and where it covers are what
the renderer shows from where ``standing`` stands, so that zooms and other views find what a photo would have left.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.jobs import Created
from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.importers.standing import (
    MAX_LN_ASPECT,
    Standing,
    ln_native,
    near_enough,
    seen_by,
    stand_before,
)
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import ORIGIN_CELL
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.formats.cloud import Cloud
from wonderzoom.scene_graph.placement import place
from wonderzoom.scene_graph.ports import RenderedView, Renderer, RenderSettings
from wonderzoom.scene_graph.scale_node import ScaleNode, View, node_id
from wonderzoom.scene_graph.surfels import STRUCTURE, SURFACE
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

if TYPE_CHECKING:
    from wonderzoom.scene_graph.world import Placed

F64 = NDArray[np.float64]

GENERATOR = "import/1"
# Fainter splats than half a step of a byte show in no picture.
FAINTEST = 0.5 / 255.0
# A pixel belongs to the view where it is more there than not.
COVERED = 0.5
# What the world works out itself when a node is proposed.
_FILLED_IN: dict[str, Any] = {
    "cell": ORIGIN_CELL,
    "bounds": ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    "native_scale": (0.0, 0.0),
    "parent_scale": (0.0, 0.0),
    "child_scale": (0.0, 0.0),
}


def root_of(cloud: Cloud, source: str, kind: str, renderer: Renderer) -> Created:
    """The first commit of a world that holds a cloud; ``source`` and ``kind`` are remembered in its provenance.

    Raises CommandError when nothing of it can be seen.
    """
    notes = list(cloud.notes)
    cloud = cloud.flattened()
    cloud = rows_of(cloud, cloud.opacities >= FAINTEST, "are too faint to be seen", notes)
    standing = stand_before(cloud)
    native, finer = seen_by(cloud, standing, standing.camera, ln_native(cloud))
    near = near_enough(cloud, standing, native)
    cloud = rows_of(cloud, near, "are too far away for their size", notes)
    blocks = placed(cloud, standing, native[near], np.where(finer[near], STRUCTURE, SURFACE))
    node = node_of(None, standing.camera, cloud, source, kind)
    header, view = first_view(standing, node, blocks, renderer)
    commit = World(header).propose(replace(node, views=(view,)), blocks)
    return Created(header, commit, node.id, tuple(notes))


def first_view(
    standing: Standing, node: ScaleNode, blocks: list[Placed], renderer: Renderer
) -> tuple[WorldHeader, View]:
    """The header of a world with this root, and the root's view, drawn."""
    header = WorldHeader(h_ref=standing.short_side, root_edge=standing.root_edge, background=(0.0, 0.0, 0.0))
    drawn = _drawn(header, node, blocks, renderer)
    header = replace(header, background=_border(drawn.color, drawn.alpha))
    return header, _view(node.main.camera, drawn, header)


def seen(header: WorldHeader, node: ScaleNode, blocks: list[Placed], renderer: Renderer) -> View:
    """What a node's camera shows of the node's own blocks."""
    black = replace(header, background=(0.0, 0.0, 0.0))
    return _view(node.main.camera, _drawn(black, replace(node, parent=None), blocks, renderer), header)


def node_of(parent: str | None, camera: Camera, cloud: Cloud, source: str, kind: str) -> ScaleNode:
    """A node of a cloud, with a view that covers nothing yet."""
    shape = (camera.height, camera.width)
    blind = View(camera, np.zeros(shape, np.bool_), np.full(shape, np.nan, np.float32))
    return ScaleNode(
        id=node_id(parent, camera, f"{digest(cloud)} {kind}", 0, GENERATOR),
        parent=parent,
        children=(),
        prompt="",
        seed=0,
        generator=GENERATOR,
        views=(blind,),
        provenance=(("file", source), ("format", kind)),
        **_FILLED_IN,
    )


def rows_of(cloud: Cloud, rows: NDArray[np.bool_], why: str, notes: list[str]) -> Cloud:
    """Some rows of a cloud; how many others ``why`` were left out is noted. Raises CommandError for none."""
    if left := len(cloud) - int(rows.sum()):
        notes.append(f"{left:,} of {len(cloud):,} splats {why}: left out")
    if left == len(cloud):
        raise CommandError(f"nothing is left of it: all of its {left:,} splats {why}")
    return cloud.take(rows) if left else cloud


def digest(cloud: Cloud) -> str:
    """What tells two clouds apart."""
    found = hashlib.blake2b(digest_size=8)
    for column in (cloud.means, cloud.quats, cloud.log_scales, cloud.opacities, cloud.colors):
        found.update(np.ascontiguousarray(column).tobytes())
    return found.hexdigest()


def placed(cloud: Cloud, standing: Standing, native: F64, kind: NDArray[np.intp]) -> list[Placed]:
    """The octree blocks of a flattened cloud.

    ``native``: ln of each one's pixel, in the cloud's units. ``kind``: SURFACE or STRUCTURE.
    """
    camera = standing.camera
    pivot = standing.eye + [0.0, 0.0, math.exp(camera.ln_distance) * standing.root_edge]
    ln_pixel = camera.ln_scale + math.log(standing.root_edge)  # of a pixel at the pivot, in the cloud's units
    sizes = cloud.log_scales[:, :2].astype(np.float64)
    sizes = np.maximum(sizes, sizes.max(1, keepdims=True) - MAX_LN_ASPECT)
    n = len(cloud)
    blocks = place(
        camera,
        (cloud.means.astype(np.float64) - pivot) * math.exp(-ln_pixel),
        cloud.quats,
        sizes - ln_pixel,
        cloud.opacities,
        np.clip(np.rint(255.0 * cloud.colors), 0, 255).astype(np.uint8),
        native - math.log(standing.root_edge),
        np.zeros(n, np.uint16),
        kind.astype(np.uint8),
    )
    return list(blocks.items())


def _drawn(header: WorldHeader, node: ScaleNode, blocks: list[Placed], renderer: Renderer) -> RenderedView:
    """A node alone, all of it, seen by its own camera."""
    world = World(header)
    world.apply(world.propose(node, blocks))
    settings = RenderSettings(header.h_ref, header.metric, header.background, "none")
    return renderer.render(visible_set(world, node.main.camera, settings), node.main.camera, settings)


def _view(camera: Camera, drawn: RenderedView, header: WorldHeader) -> View:
    """A view of what was drawn over black."""
    mask = (drawn.alpha > COVERED) & np.isfinite(drawn.zeta)
    if not mask.any():
        raise CommandError("nothing of it can be seen: its splats are too faint to cover a single pixel")
    color = drawn.color + (1.0 - drawn.alpha[..., None]) * np.asarray(header.background, np.float32)
    image = np.clip(np.rint(255.0 * color), 0, 255).astype(np.uint8)
    return View(camera, mask, np.where(mask, drawn.zeta, np.nan).astype(np.float32), "main", image)


def _border(color: NDArray[np.float32], alpha: NDArray[np.float32]) -> tuple[float, float, float]:
    """The mean colour of what is at the border of a picture over black; black where hardly anything is."""
    edge = [np.concatenate([of[0], of[-1], of[:, 0], of[:, -1]]).astype(np.float64) for of in (color, alpha)]
    there = edge[1].mean()
    if there < COVERED:
        return (0.0, 0.0, 0.0)
    r, g, b = (float(v) for v in np.clip(edge[0].mean(0) / there, 0.0, 1.0))
    return (round(r, 4), round(g, 4), round(b, 4))
