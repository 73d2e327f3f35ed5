"""Nodes whose views stay on disk: a mask, a depth map or a picture is read when somebody asks for it.

A zoom looks at the views near it, a server that only draws at none. What is read goes through the ``PageCache`` of the
blocks, and is checked against its own key before anybody sees it: what fails is lost (``ViewLost``), and said once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.manifest import (
    ChangedBytes,
    Json,
    parse_camera,
    parse_node,
    parse_role,
    parse_text,
)
from wonderzoom.scene_graph.page_cache import PageCache
from wonderzoom.scene_graph.scale_node import ScaleNode, View, ViewLost
from wonderzoom.scene_graph.store_codec import packed_bytes, unpack_mask
from wonderzoom.scene_graph.store_damage import Losses, why
from wonderzoom.scene_graph.store_file import CommitFile
from wonderzoom.scene_graph.store_summary import bytes_key

Array = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where the arrays of one commit's nodes are, and through what they are read."""

    file: CommitFile
    pages: PageCache
    losses: Losses


@dataclass(frozen=True, slots=True, eq=False)
class DiskMaps:
    """Tensors of a commit's file that are one view's maps; see ``StoredMaps``."""

    shelf: Shelf
    node: str
    index: int  # of the view
    name: str  # that of the tensors, but for what they are
    shape: tuple[int, int]
    keys: dict[str, str]  # of mask, zeta, and image where there is one

    @property
    def mask(self) -> NDArray[np.bool_]:
        """See ``StoredMaps``."""
        return self._page("mask", self._mask)

    @property
    def zeta(self) -> NDArray[np.float32]:
        """See ``StoredMaps``."""
        return self._page("zeta", self._tensor)

    @property
    def image(self) -> NDArray[np.uint8] | None:
        """See ``StoredMaps``."""
        return self._page("image", self._tensor) if self.has_image else None

    @property
    def has_image(self) -> bool:
        """See ``StoredMaps``."""
        return "image" in self.keys

    def _page(self, what: str, read: Callable[[str], tuple[Array, Array]]) -> Any:
        name = f"{self.name}.{what}"

        def page() -> tuple[Array, int]:
            try:
                found, hashed = read(name)
                if bytes_key(np.ascontiguousarray(hashed).data) != self.keys[what]:
                    raise ValueError("its bytes have changed")
            except (OSError, ValueError) as error:
                lost = ViewLost(self.node, self.index, why(error), self.shelf.file.path.name)
                raise self.shelf.losses.lost(lost) from error
            return found, found.nbytes

        return self.shelf.pages.get((self.shelf.file.hash, name), page)

    def _tensor(self, name: str) -> tuple[Array, Array]:
        """A map, and what its key is of."""
        found = self.shelf.file.tensor(name)
        return found, found

    def _mask(self, name: str) -> tuple[Array, Array]:
        mask = unpack_mask(self.shelf.file.tensor(name), self.shape)
        return mask, np.packbits(mask)


def stored_nodes(shelf: Shelf, values: list[Json], arrays: NDArray[np.uint8]) -> Iterator[ScaleNode]:
    """The nodes that a manifest adds; their states are read, their views' maps are not. ``arrays``: of the summary.

    Raises OSError, and what ``decode_commit`` makes BadCommit of.
    """
    keys = iter([key.tobytes().hex() for key in arrays])
    for i, value in enumerate(values):
        state = f"state.{i}"
        data = shelf.file.tensor(state).tobytes() if state in shelf.file.places else b""
        if bytes_key(data) != next(keys, ""):
            raise ChangedBytes
        views = tuple(_view(shelf, f"view.{i}.{j}", value, j, keys) for j in range(len(value["views"])))
        yield parse_node(value, views, data)
    if next(keys, None) is not None:
        raise ValueError("its summary is of other nodes")


def _view(shelf: Shelf, name: str, node: Json, index: int, keys: Iterator[str]) -> View:
    """View ``index`` of a node, whose maps are the tensors of that name; takes their keys."""
    value = node["views"][index]
    camera = parse_camera(value["camera"])
    shape = (camera.height, camera.width)
    shelf.file.check_tensor(f"{name}.mask", np.uint8, packed_bytes(*shape))
    shelf.file.check_tensor(f"{name}.zeta", np.float32, *shape)
    if value["image"]:
        shelf.file.check_tensor(f"{name}.image", np.uint8, *shape, 3)
    there = ("mask", "zeta", "image") if value["image"] else ("mask", "zeta")
    maps = DiskMaps(
        shelf, parse_text(node["id"]), index, name, shape, {what: next(keys, "") for what in there}
    )
    return View.of(camera, maps, parse_role(value["role"]))
