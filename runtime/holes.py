"""Law 4 (c) of the scale semantics on a world as it is: a node lets nothing through that was hidden before it.

The validator (``World.check``) knows that weights sum to one wherever a view covers; whether surfels are there to carry
them shows in a picture alone. So each node's own frame is drawn with it and without it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy.ndimage import gaussian_filter

from wonderzoom.runtime.frames import frame_of, settings_of
from wonderzoom.scene_graph.hops import zoom_ln
from wonderzoom.scene_graph.ports import Renderer
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

MOST_LOST = 0.01  # of opacity, in the mean over a pixel of what the node refines


def holes(world: World, renderer: Renderer, done: Callable[[int], None]) -> list[str]:
    """The nodes that open a hole in their own frame, a line each; empty where none does.

    ``done`` is told how many of the world's nodes have been looked at: two pictures each. The world stays as it is.
    """
    rest, settings = world.copy(), settings_of(world.header, mips=False)
    found: list[str] = []
    for number, node in enumerate(reversed(world.nodes.values()), 1):  # children come after their parents
        if node.parent is not None:
            camera = frame_of(node, world.header)
            shown = renderer.render(visible_set(rest, camera, settings), camera, settings).alpha
            rest.apply(rest.propose_removal(node.id))
            before = renderer.render(visible_set(rest, camera, settings), camera, settings).alpha
            # Lattices have dips between their points: a coarse pixel's mean is looked at.
            factor = math.exp(zoom_ln(frame_of(world.node(node.parent), world.header), camera))
            lost = gaussian_filter(before - shown, 0.5 * factor)
            row, column = np.unravel_index(int(lost.argmax()), lost.shape)
            if lost[row, column] > MOST_LOST:
                at = f"{(column + 0.5) / camera.width:.2f},{(row + 0.5) / camera.height:.2f}"
                found.append(
                    f"node {node.id!r}: it opens a hole: at {at} of its frame {lost[row, column]:.0%} more shows"
                    " through than without it"
                )
        done(number)
    return found[::-1]
