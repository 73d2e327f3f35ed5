"""The motions that films are made of, over a world's own frames; a ``CommandError`` for what can't be moved."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.frames import covered, frame_of
from wonderzoom.scene_graph.motions import CameraPath, MotionError, Pace, along
from wonderzoom.scene_graph.scale_node import ScaleNode
from wonderzoom.scene_graph.world import World


class PathError(CommandError):
    """A motion that can't be made of these cameras."""


@contextmanager
def path_errors() -> Generator[None]:
    """Tell the person at the keyboard of motions that can't be made."""
    try:
        yield
    except MotionError as error:
        raise PathError(str(error)) from error


def descent(world: World, node: ScaleNode, size: tuple[int, int], pace: Pace | None = None) -> CameraPath:
    """From the root's frame to that of ``node``, through the frames in between; pictures of ``size``."""
    frames = [covered(frame_of(each, world.header), *size) for each in world.path(node.id)]
    if len(frames) < 2:
        raise PathError(
            f"node {node.id} is the root, there is nothing to descend into: zoom in first, or take the path"
            " 'orbit'"
        )
    with path_errors():
        return along(frames, pace)
