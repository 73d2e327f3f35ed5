"""Values of the wire and values of ours, each as the other: cameras, previews, words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from wonderzoom.protocol import limits, values
from wonderzoom.runtime.encoders import encode_jpeg
from wonderzoom.runtime.orders import Shown
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import Position
from wonderzoom.scene_graph.formats.wire_pose import camera_in, camera_out, place_out

PREVIEW_WIDTH = 320  # pixels
_PREVIEW_QUALITY = 70
_Value = TypeVar("_Value", values.CameraPose, values.Place)
_NODES_BYTES = limits.MAX_FROM_SERVER // 2  # of a message: the rest is for what else it says


def pose(camera: Camera) -> values.CameraPose:
    """A camera as it goes over the wire. Raises ValueError where the protocol has no room for it."""
    return _within(camera_out(camera), values.CameraPose, "view")


def place_of(position: Position) -> values.Place:
    """An exact position as it goes over the wire. Raises ValueError where it is too deep for that."""
    return _within(place_out(position), values.Place, "place")


def _within(plain: dict[str, Any], kind: type[_Value], name: str) -> _Value:
    try:
        return msgspec.convert(plain, kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"this {name} is beyond what the protocol can say: {error}") from None


def camera_of(pose: values.CameraPose) -> Camera:
    """The camera that a pose describes. Raises ValueError for one that can't be."""
    return camera_in(msgspec.to_builtins(pose, builtin_types=(bytes,)))


def view_of(shown: Shown) -> values.View:
    """A picture as a frame has it."""
    return values.View(camera=pose(shown.camera), payload=shown.payload, depth=shown.depth)


def preview_of(picture: NDArray[np.uint8]) -> bytes:
    """I_i [h, w, 3] as a JPEG of a few kilobytes."""
    height, width = picture.shape[:2]
    if width > PREVIEW_WIDTH:
        size = (PREVIEW_WIDTH, max(1, round(height * PREVIEW_WIDTH / width)))
        picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    opaque = np.dstack([picture, np.full(picture.shape[:2], 255, np.uint8)])
    return encode_jpeg(opaque, _PREVIEW_QUALITY)


def portions(nodes: Sequence[values.NodeSummary]) -> list[list[values.NodeSummary]]:
    """Nodes in lists that fit a message each; at least one list."""
    parts: list[list[values.NodeSummary]] = [[]]
    size = 0
    for node in nodes:
        grown = len(msgspec.msgpack.encode(node))
        if size + grown > _NODES_BYTES or len(parts[-1]) == limits.MAX_NODES:
            parts.append([])
            size = 0
        parts[-1].append(node)
        size += grown
    return parts


def commit_parts(
    added: Sequence[values.NodeSummary], removed: Sequence[str]
) -> list[tuple[list[values.NodeSummary], list[str]]]:
    """What comes and goes with a revision, in lists that fit a message each; at least one pair.

    All that goes is told before what comes: a node that has made way for another may have had its name.
    """
    most = limits.MAX_NODES
    going = [list(removed[start : start + most]) for start in range(0, len(removed), most)] or [[]]
    coming = portions(added)
    pairs = [([], part) for part in going[:-1]]
    return [*pairs, (coming[0], going[-1]), *((part, []) for part in coming[1:])]


def words_of(words: tuple[str, ...]) -> list[str]:
    """Words of a result, as many and as long as a message has room for."""
    return [word[: limits.MAX_NAME] for word in words[: limits.MAX_WORDS]]
