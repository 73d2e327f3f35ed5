"""Frames: what a node shows, and the camera of a zoom that is aimed at a point in it.

The frame of a node is the view that was asked for, without the overscan that generation adds around it; its
short side has ``H_ref`` pixels, like every generated picture. People and plans point in fractions of a
frame: (0, 0) is its top left corner, (1, 1) its bottom right one.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wonderzoom.generation.jobs import FINER_KEY
from wonderzoom.runtime.errors import CommandError
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.picking import Pick, pick
from wonderzoom.scene_graph.ports import Renderer, RenderSettings
from wonderzoom.scene_graph.scale_node import ScaleNode
from wonderzoom.scene_graph.scales import Modulation
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import UnknownNode, World


class NothingThere(CommandError):
    """A point that shows no surface can't be zoomed into."""


class NoSuchNode(CommandError):
    """A node that is not in the world."""


@dataclass(frozen=True, slots=True)
class Aim:
    """A zoom's camera and what it points at."""

    camera: Camera
    picked: Pick


def settings_of(
    header: WorldHeader,
    modulation: Modulation = "optical_mass",
    mips: bool = True,
    budget: int | None = None,
) -> RenderSettings:
    """How the pictures of a world are drawn for people, of ``budget`` surfels at most.

    Without ``mips``, and with modulation ``none``, every surfel is drawn by itself.
    """
    mips = mips and modulation != "none"
    return RenderSettings(
        header.h_ref, header.metric, header.background, modulation, mips=mips, budget=budget if mips else None
    )


def frame_of(node: ScaleNode, header: WorldHeader) -> Camera:
    """The camera of a node's own frame: its main view without overscan, H_ref pixels on its short side."""
    camera = node.main.camera
    side = round(header.h_ref * float(dict(node.provenance).get(FINER_KEY, "1")))
    margin = (min(camera.width, camera.height) - side) // 2
    frame = camera.widened(-margin) if margin > 0 else camera
    return frame if side == header.h_ref else at_reference(frame, header)


def at_reference(camera: Camera, header: WorldHeader) -> Camera:
    """The same view with H_ref pixels on its short side, as pictures are generated.

    A frame longer than 2 : 1 is cut at its ends: a generated picture has 2 H_ref pixels at most.
    """
    short, long = sorted((camera.width, camera.height))
    long = min(round(long * header.h_ref / short), 2 * header.h_ref)
    wide = camera.width >= camera.height
    return camera.resized(*((long, header.h_ref) if wide else (header.h_ref, long)))


def panned(frame: Camera, across: float, down: float) -> Camera:
    """A frame moved by fractions of itself: the same eye, turned, at the same scale at the pivot's depth."""
    middle = np.array([frame.cx + across * frame.width, frame.cy + down * frame.height])
    return frame.looking_at(frame.unproject(middle, np.zeros(())))


def covered(camera: Camera, width: int, height: int) -> Camera:
    """The largest part of a frame that has the shape width : height, in that resolution, centred.

    Unlike ``Camera.resized`` it never shows anything outside the frame.
    """
    ratio = max(width / camera.width, height / camera.height)
    return replace(
        camera,
        ln_fx=camera.ln_fx + math.log(ratio),
        ln_fy=camera.ln_fy + math.log(ratio),
        cx=width / 2 + (camera.cx - camera.width / 2) * ratio,
        cy=height / 2 + (camera.cy - camera.height / 2) * ratio,
        width=width,
        height=height,
    )


def node_of(world: World, name: str, place: Path) -> ScaleNode:
    """The node of that name in the world at ``place``. Raises NoSuchNode."""
    try:
        return world.node(name)
    except UnknownNode:
        raise NoSuchNode(
            f"{place}: there is no node {name[:40]!r}; wonderzoom info {place} shows those that there are"
        ) from None


def newest(world: World) -> ScaleNode:
    """The node that was added last."""
    if not world.nodes:
        raise NothingThere("this world is empty: create one from a picture first")
    return next(reversed(world.nodes.values()))  # nodes are kept in the order of their commits


def deepest(world: World) -> ScaleNode:
    """The node with the finest frame; of equals, the one that was added first."""
    if not world.nodes:
        raise NothingThere("this world is empty: create one from a picture first")
    return min(world.nodes.values(), key=lambda node: frame_of(node, world.header).ln_scale)


def aim(world: World, renderer: Renderer, node: ScaleNode, at: tuple[float, float], factor: float) -> Aim:
    """The camera that zooms ``factor`` times at a point of a node's frame; its pivot is the surface there."""
    frame = frame_of(node, world.header)
    settings = settings_of(world.header, mips=False)  # where one points is a surfel's own place
    visible = visible_set(world, frame, settings)
    rendered = renderer.render(visible, frame, settings)
    # The right and lower rim belong to the last pixel.
    u = min(at[0] * frame.width, math.nextafter(frame.width, 0.0))
    v = min(at[1] * frame.height, math.nextafter(frame.height, 0.0))
    picked = pick(rendered, visible, frame, u, v)
    if picked is None:
        raise NothingThere(
            f"there is nothing at {at[0]:g},{at[1]:g} in the frame of node {node.id}: point at what it shows"
        )
    return Aim(frame.looking_at(frame.view_point(picked.position)).zoomed(factor), picked)
