"""Levels of one scene become a chain of nodes: the coarsest is the root, each finer one a child.

What a level covers is drawn: its own splats, from its own camera. Levels without one camera of their own (from
camera moves, auxiliary views) go to the root, which is drawn at every scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.importers.released import F64, Level
from wonderzoom.runtime.importers.roots import (
    FAINTEST,
    first_view,
    node_of,
    placed,
    rows_of,
    seen,
)
from wonderzoom.runtime.importers.standing import Standing, near_enough, seen_by, stand_before
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.commit import Commit, WorldHeader
from wonderzoom.scene_graph.formats.cloud import Cloud, FormatError, joined
from wonderzoom.scene_graph.ports import Renderer
from wonderzoom.scene_graph.surfels import STRUCTURE, SURFACE
from wonderzoom.scene_graph.world import World

_KIND = "WonderZoom pth"
# Only so much finer than the one before is a level of its own: the bounds of Eq. 3 need it.
_LEAST_FACTOR = math.sqrt(2.0) * 1.001


@dataclass(frozen=True, slots=True)
class Chain:
    """A world as its commits, in order."""

    header: WorldHeader
    commits: tuple[Commit, ...]
    root: str
    notes: tuple[str, ...]


def chain_of(levels: list[Level], source: str, renderer: Renderer) -> Chain:
    """The commits of a world of these levels, coarsest first. Raises CommandError."""
    notes: list[str] = []
    levels = [_visible(level, notes) for level in levels]
    first, own, homeless = _sorted(levels)
    if homeless:
        count = sum(len(level.cloud) for level in homeless)
        notes.append(f"{count:,} splats that no one zoom made are always drawn, as part of the root")
    cloud = joined([level.cloud for level in (first, *homeless)])
    native = np.concatenate([level.native for level in (first, *homeless)])
    try:
        whole = joined([level.cloud for level in levels])
        standing = stand_before(first.cloud, first.focal, whole)
    except FormatError as error:
        raise CommandError(f"{source}: {error}") from error
    native, finer = seen_by(cloud, standing, standing.camera, native)
    near = near_enough(cloud, standing, native)
    kept = rows_of(cloud, near, "are too far away for their size", notes)
    blocks = placed(kept, standing, native[near], np.where(finer[near], STRUCTURE, SURFACE))
    node = node_of(None, standing.camera, kept, source, _KIND)
    header, view = first_view(standing, node, blocks, renderer)
    world = World(header)
    commits = [world.propose(replace(node, views=(view,)), blocks)]
    world.apply(commits[0])
    parent = node.id
    for level in own:
        camera = _camera(level, first, standing)
        native, _ = seen_by(level.cloud, standing, camera, level.native)
        near = near_enough(level.cloud, standing, native)
        kept = rows_of(level.cloud, near, "are too far away for their size", notes)
        blocks = placed(kept, standing, native[near], np.full(len(kept), SURFACE))
        child = node_of(parent, camera, kept, source, _KIND)
        child = replace(child, views=(seen(header, child, blocks, renderer),))
        commits.append(world.propose(child, blocks))
        world.apply(commits[-1])
        parent = child.id
    return Chain(header, tuple(commits), node.id, tuple(notes))


def _visible(level: Level, notes: list[str]) -> Level:
    rows = level.cloud.opacities >= FAINTEST
    return replace(
        level,
        cloud=rows_of(level.cloud, rows, f"of focal length {level.focal:g} are too faint to be seen", notes),
        native=level.native[rows],
    )


def _sorted(levels: list[Level]) -> tuple[Level, list[Level], list[Level]]:
    """The root's level, those that become nodes, and those that no one camera saw."""
    first = levels[0]
    own: list[Level] = []
    homeless: list[Level] = []
    finest = first.focal
    for level in levels[1:]:
        if level.axis is not None and level.focal > finest * _LEAST_FACTOR:
            own.append(level)
            finest = level.focal
        else:
            homeless.append(level)
    return first, own, homeless


def _camera(level: Level, first: Level, standing: Standing) -> Camera:
    """The level's own camera: the eye of the root, its axis, and as much longer a lens; turned the least."""
    assert level.axis is not None
    root = standing.camera
    depth = float(np.median(_depths(level.cloud, level.axis))) / standing.root_edge
    point = level.axis * (depth / math.exp(root.ln_distance)) - [0.0, 0.0, 1.0]
    turned = root.looking_at(point * math.exp(root.ln_f))
    longer = math.log(level.focal / first.focal)
    return replace(
        turned,
        ln_distance=math.log(depth),
        ln_fx=root.ln_fx + longer,
        ln_fy=root.ln_fy + longer,
    ).rebased()


def _depths(cloud: Cloud, axis: F64) -> F64:
    return cloud.means.astype(np.float64) @ axis
