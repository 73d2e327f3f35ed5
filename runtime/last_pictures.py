"""The last picture of each viewer: what stands still is shown sharply without being drawn again."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Generic, Protocol, TypeVar

from wonderzoom.scene_graph.camera import Camera


class Picture(Protocol):
    """What is kept: a picture that a renderer made, or one for each eye."""

    @property
    def nbytes(self) -> int: ...

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """That it was drawn with, in the resolution of the picture."""
        ...

    @property
    def revision(self) -> int:
        """Of the world."""
        ...


P = TypeVar("P", bound=Picture)


class LastPictures(Generic[P]):
    """By viewer, within ``max_bytes`` of pixels; those kept longest go first. Any thread may ask."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.nbytes = 0
        self._lock = threading.Lock()
        self._pictures: OrderedDict[str, P] = OrderedDict()

    def keep(self, viewer: str, picture: P) -> None:
        """In the place of the viewer's last one."""
        with self._lock:
            self._drop(viewer)
            self._pictures[viewer] = picture
            self.nbytes += picture.nbytes
            while self.nbytes > self.max_bytes:
                self._drop(next(iter(self._pictures)))

    def take(self, viewer: str, cameras: tuple[Camera, ...], revision: int) -> P | None:
        """The viewer's last picture if it shows what those cameras see of that revision. It is kept no longer."""
        with self._lock:
            picture = self._drop(viewer)
        if picture is None or picture.cameras != cameras or picture.revision != revision:
            return None
        return picture

    def _drop(self, viewer: str) -> P | None:
        picture = self._pictures.pop(viewer, None)
        self.nbytes -= 0 if picture is None else picture.nbytes
        return picture
