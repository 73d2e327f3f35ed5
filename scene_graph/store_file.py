"""Where commits' files are, and one of them in parts: its header and manifest, whole tensors, or some rows of columns.

Owns offsets and their checks: nothing is allocated that the file, by its size in the record, can't hold.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.commit import FORMAT
from wonderzoom.scene_graph.manifest import BadCommit, ChangedBytes, Json, NewerFormat, parse_int
from wonderzoom.scene_graph.store_codec import MAX_TENSOR_HEADER, file_format
from wonderzoom.scene_graph.store_errors import WorldDamaged, WorldMissing
from wonderzoom.scene_graph.store_record import DATABASE, HASH_BYTES, Row, content_hash
from wonderzoom.scene_graph.store_summary import head_digest

Array = NDArray[np.generic]
COMMITS = "commits"  # the folder of them in a world
_WIDTHS = {"means": (3,), "quats": (4,), "log_scales": (2,), "colors": (3,)}
_KINDS = {"F32": np.float32, "U8": np.uint8, "U16": np.uint16, "I16": np.int16}


def commit_file(world: Path, row: Row) -> Path:
    """Where the file of a commit is."""
    return world / COMMITS / row.name


def foreign_files(world: Path, rows: Iterable[Row]) -> list[str]:
    """Names beside the files of the rows: left by unfinished appends, or put there by someone else."""
    named = {row.name for row in rows}
    return sorted(entry.name for entry in (world / COMMITS).iterdir() if entry.name not in named)


def require_world(path: Path) -> None:
    """Raise WorldMissing where no world is, and WorldDamaged where one has lost its record."""
    if not path.is_dir():
        what = "this is a file, a world is a directory" if path.exists() else "there is no such directory"
        raise WorldMissing(path, what, "check the path, or create a world first")
    if not (path / DATABASE).is_file():
        if any((path / COMMITS).glob("*.safetensors")):
            hint = "restore it from a backup; the commit files are untouched"
            raise WorldDamaged(path, f"{DATABASE} is missing", hint)
        what = f"this directory is no world (it has no {DATABASE})"
        raise WorldMissing(path, what, "check the path, or create a world first")


class OlderFile(Exception):
    """A file of an older format: it is read whole and brought up to date."""


@dataclass(frozen=True, slots=True)
class CommitFile:
    """One commit's file: where its tensors begin. Holds no descriptor, and outlives the store that made it."""

    path: Path
    hash: str  # of the whole file, as the record has it: names its pages in a cache
    places: dict[str, tuple[int, tuple[int, ...], type]]  # tensor -> offset in the file, shape, type

    @staticmethod
    def open(path: Path, size: int, digest: str, head: str) -> tuple[CommitFile, Json]:
        """The file, of ``size`` bytes, and its manifest, without its arrays; ``head``: what these hash to.

        Raises BadCommit, NewerFormat, OlderFile, OSError.
        """
        with path.open("rb", buffering=0) as file:
            start = _exactly(file, 8)
            (length,) = struct.unpack("<Q", start)
            if length > MAX_TENSOR_HEADER:
                raise BadCommit(f"a header of {length} bytes")
            text = _exactly(file, length)
            try:
                header: Json = json.loads(text)
                if file_format(header) < FORMAT:
                    raise OlderFile
                places = {
                    name: _place(said, 8 + length, size)
                    for name, said in header.items()
                    if name != "__metadata__"
                }
                offset, (long,), _ = places["manifest"]
                file.seek(offset)
                manifest = _exactly(file, long)
                if head_digest(start + text, manifest) != head:
                    raise ChangedBytes
                return CommitFile(path, digest, places), json.loads(manifest)
            except (ValueError, TypeError, LookupError, RecursionError) as error:
                if isinstance(error, (BadCommit, NewerFormat)):
                    raise
                raise BadCommit(f"{type(error).__name__}: {error}") from error

    def tensor(self, name: str) -> Array:
        """A whole tensor. Raises OSError and ValueError."""
        with self.path.open("rb", buffering=0) as file:
            return self._rows(file, name)

    def check_tensor(self, name: str, dtype: type, *shape: int) -> None:
        """Raise ValueError or LookupError unless there is such a tensor."""
        _, found, kind = self.places[name]
        if kind != dtype or found != shape:
            raise ValueError(f"tensor {name} is {np.dtype(kind)} {found}, expected {np.dtype(dtype)} {shape}")

    def columns(
        self, prefix: str, dtypes: dict[str, np.dtype[Any]], start: int, count: int
    ) -> dict[str, Array]:
        """Some rows of the columns of blocks or bounds. Raises OSError and ValueError."""
        with self.path.open("rb", buffering=0) as file:
            return {name: self._rows(file, f"{prefix}.{name}", start, count) for name in dtypes}

    def check_rows(self, prefix: str, dtypes: dict[str, np.dtype[Any]], rows: int) -> None:
        """Raise ValueError unless the columns are there, and have so many rows."""
        for name, dtype in dtypes.items():
            _, shape, kind = self.places[f"{prefix}.{name}"]
            if np.dtype(kind) != dtype or shape != (
                rows,
                *(_WIDTHS.get(name, ()) if prefix == "surfels" else ()),
            ):
                raise ValueError(f"tensor {prefix}.{name} is {np.dtype(kind)} {shape} for {rows} rows")

    def _rows(self, file: Any, name: str, start: int = 0, count: int | None = None) -> Array:
        offset, shape, kind = self.places[name]
        array = np.empty(((shape[0] if count is None else count), *shape[1:]), kind)
        step = array.itemsize * math.prod(shape[1:])
        file.seek(offset + start * step)
        return _filled(file, array)


def _place(said: Json, base: int, size: int) -> tuple[int, tuple[int, ...], type]:
    """Where a tensor is. Raises ValueError for one that is not in the file."""
    start, stop = (base + parse_int(at) for at in said["data_offsets"])
    shape, kind = tuple(parse_int(side) for side in said["shape"]), _KINDS[said["dtype"]]
    if not (base <= start <= stop <= size and stop - start == math.prod(shape) * np.dtype(kind).itemsize):
        raise ValueError(f"a tensor of shape {shape} at {start} to {stop} of {size} bytes")
    return start, shape, kind


@dataclass(frozen=True, slots=True)
class Contents:
    """A commit's file in memory: each tensor has memory of its own, so that any of them can go."""

    header: Json
    tensors: dict[str, Array]
    head: str  # ``head_digest``


def read_contents(path: Path, row: Row) -> Contents | None:
    """All of a commit's file, as it was written; read where it stays, and hashed on the way.

    None where it is not: then ``whole_file`` and ``decode_commit`` say what is wrong. Raises OSError.
    """
    digest, tensors = hashlib.blake2b(digest_size=HASH_BYTES), dict[str, Array]()
    try:
        with path.open("rb", buffering=0) as file:
            start = _exactly(file, 8)
            (length,) = struct.unpack("<Q", start)
            if length > min(MAX_TENSOR_HEADER, row.size - 8):
                return None
            text = _exactly(file, length)
            digest.update(start + text)
            header: Json = json.loads(text)
            places = {
                name: _place(said, 8 + length, row.size)
                for name, said in header.items()
                if name != "__metadata__"
            }
            end = 8 + length
            for name, (offset, shape, kind) in sorted(places.items(), key=lambda item: item[1][0]):
                if offset != end:
                    return None  # something lies between them, or in two
                tensors[name] = _filled(file, np.empty(shape, kind))
                digest.update(tensors[name].reshape(-1).view(np.uint8).data)
                end += tensors[name].nbytes
        if end != row.size or digest.hexdigest() != row.hash:
            return None
        return Contents(header, tensors, head_digest(start + text, tensors["manifest"].tobytes()))
    except (ValueError, TypeError, LookupError, RecursionError, AttributeError):
        return None


def _filled(file: Any, array: Array) -> Array:
    """An array with what comes next in a file, from now on read-only. Raises ValueError where that ends."""
    view = array.reshape(-1).view(np.uint8).data
    while view:
        got = file.readinto(view)
        if not got:
            raise ValueError("its file ends too early")
        view = view[got:]
    array.flags.writeable = False
    return array


def whole_file(path: Path, row: Row) -> bytes:
    """All bytes of a commit's file, as they were written. Raises ChangedBytes, OSError."""
    data = path.read_bytes()
    if content_hash(data) != row.hash:
        raise ChangedBytes
    return data


def _exactly(file: Any, size: int) -> bytes:
    data = file.read(size)
    if len(data) != size:
        raise BadCommit("its file ends too early")
    return data
