"""Which file is what: readers by the end of a name, each within the bounds of its file's size.

Owns the names of formats, and that whatever is wrong with a file is one CommandError with its path.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from wonderzoom.runtime.errors import CommandError, UsageError
from wonderzoom.scene_graph.formats.cloud import Cloud, FormatError
from wonderzoom.scene_graph.formats.ply import read_ply
from wonderzoom.scene_graph.formats.splat import read_splat
from wonderzoom.scene_graph.formats.spz import read_spz

CLOUDS: dict[str, tuple[str, Callable[[BinaryIO, int], Cloud]]] = {
    ".ply": ("PLY", read_ply),
    ".splat": ("splat", read_splat),
    ".spz": ("SPZ", read_spz),
}
RELEASED = ".pth"


def check_readable(path: Path) -> str:
    """The end of a file's name, if it is one that is read and the file is there. Raises UsageError, CommandError."""
    suffix = path.suffix.lower()
    if suffix not in (*CLOUDS, RELEASED):
        raise UsageError(f"{path}: files that end with {', '.join((*CLOUDS, RELEASED))} are read")
    if not path.is_file():
        what = "this is a folder" if path.is_dir() else "there is no such file"
        raise CommandError(f"{path}: {what}; check the path")
    return suffix


def read_cloud(path: Path) -> tuple[Cloud, str]:
    """The splats of a file and the name of its format. Raises CommandError."""
    name, read = CLOUDS[check_readable(path)]
    with path.open("rb") as stream:
        try:
            return read(stream, os.fstat(stream.fileno()).st_size), name
        except FormatError as error:
            raise CommandError(f"{path}: {error}") from error
