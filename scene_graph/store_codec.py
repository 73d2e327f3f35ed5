"""Commits as bytes: one safetensors file a commit, and the JSON outline of its nodes.

The file holds few tensors however many blocks a commit has: each column of all its blocks is one array,
cut up again by the row counts in the manifest (a JSON text in a tensor of its own, because a header is
capped and a prompt is not). No clock, no random number and no dictionary order: equal commits give equal
bytes.

Nothing is trusted on the way in, as worlds are shared: a file decodes to a valid Commit or raises BadCommit.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import safetensors
from numpy.typing import NDArray
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from wonderzoom.scene_graph.admission import look_together
from wonderzoom.scene_graph.commit import FORMAT, BoundsPatch, Commit, LogEntry
from wonderzoom.scene_graph.joining import concatenate
from wonderzoom.scene_graph.manifest import (
    BadCommit,
    Json,
    NewerFormat,
    cell_json,
    json_text,
    outline_json,
    parse_camera,
    parse_cell,
    parse_entry,
    parse_int,
    parse_node,
    parse_reverts,
    parse_role,
    parse_text,
)
from wonderzoom.scene_graph.scale_node import ScaleNode, View
from wonderzoom.scene_graph.store_migration import upgraded
from wonderzoom.scene_graph.surfels import DTYPES, Block, Bounds, Surfels

# About 100 bytes a tensor, three tensors a view: room for fifty thousand views.
MAX_TENSOR_HEADER = 16 * 2**20  # bytes
MAX_GENERATOR_STATE = 2**20  # bytes, the contract of ScaleNode

Array = NDArray[np.generic]
Tensors = dict[str, Array]
BOUNDS_DTYPES: dict[str, np.dtype[Any]] = {
    "parent": np.dtype(np.float32),
    "child": np.dtype(np.float32),
    "parent_owner": np.dtype(np.int16),
    "child_owner": np.dtype(np.int16),
}
# One entry only: safetensors writes its metadata in no particular order.
_METADATA = "wonderzoom-commit"
_UNITS = "lengths in cell edges, scales as natural logarithms, colours in sRGB"


# ---- views ----------------------------------------------------------------------------------------
def _pack_view(view: View, name: str) -> Tensors:
    tensors: Tensors = {
        f"{name}.mask": np.packbits(np.asarray(view.mask, np.bool_)),  # row by row, 8 pixels a byte
        f"{name}.zeta": np.ascontiguousarray(view.zeta, np.float32),
    }
    if view.image is not None:
        tensors[f"{name}.image"] = np.ascontiguousarray(view.image, np.uint8)
    return tensors


def packed_bytes(height: int, width: int) -> int:
    """The size of a packed mask."""
    return (height * width + 7) // 8


def unpack_mask(packed: Array, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """A mask [H, W] from its bits."""
    mask = np.unpackbits(packed.view(np.uint8), count=shape[0] * shape[1]).view(np.bool_).reshape(shape)
    mask.flags.writeable = False
    return mask


def unpack_view(value: Json, tensors: Tensors, name: str) -> View:
    """The view that ``value`` says, with its arrays. Raises what ``decode_commit`` makes BadCommit of."""
    camera = parse_camera(value["camera"])
    shape = (camera.height, camera.width)
    packed = _typed(tensors, f"{name}.mask", np.dtype(np.uint8))
    if packed.shape != (packed_bytes(*shape),):
        raise ValueError(f"a mask of {packed.shape} bytes for {shape} pixels")
    mask = unpack_mask(packed, shape)
    zeta = _typed(tensors, f"{name}.zeta", np.dtype(np.float32))
    image = _typed(tensors, f"{name}.image", np.dtype(np.uint8)) if value["image"] else None
    return View(camera, mask, zeta, parse_role(value["role"]), image)  # type: ignore[arg-type]


def _empty_view(value: Json) -> View:
    """A view whose arrays are lost: its camera stands, it covers nothing. It takes no memory."""
    camera = parse_camera(value["camera"])
    shape = (camera.height, camera.width)
    nowhere = np.broadcast_to(np.asarray(np.nan, np.float32), shape)
    return View(camera, np.broadcast_to(np.asarray(False), shape), nowhere, parse_role(value["role"]))


# ---- columns ----------------------------------------------------------------------------------------
def _joined(columns: Sequence[Array], dtype: np.dtype[Any]) -> Array:
    return np.ascontiguousarray(np.concatenate(columns), dtype)


def _typed(tensors: Tensors, name: str, dtype: np.dtype[Any]) -> Array:
    array = tensors[name]
    if array.dtype != dtype:
        raise ValueError(f"tensor {name} is {array.dtype}, expected {dtype}")
    return array


def _cut(
    tensors: Tensors, prefix: str, dtypes: dict[str, np.dtype[Any]], rows: list[int]
) -> Iterator[Tensors]:
    """The columns of each block, as views of the joined arrays."""
    if min(rows) < 0:
        raise ValueError("a block has no negative number of rows")
    joined = {name: _typed(tensors, f"{prefix}.{name}", dtype) for name, dtype in dtypes.items()}
    if wrong := [name for name, array in joined.items() if array.ndim == 0 or len(array) != sum(rows)]:
        raise ValueError(f"column {wrong[0]} of the {prefix} has not the {sum(rows)} rows of its blocks")
    start = 0
    for count in rows:
        yield {name: array[start : start + count] for name, array in joined.items()}
        start += count


def _bounds(bounds: Bounds) -> Json:
    return {"owners": list(bounds.owners), "revision": int(bounds.revision), "rows": len(bounds.parent)}


def _pack_bounds(prefix: str, all_bounds: list[Bounds]) -> Tensors:
    return {
        f"{prefix}.{name}": _joined([getattr(bounds, name) for bounds in all_bounds], dtype)
        for name, dtype in BOUNDS_DTYPES.items()
    }


def _parse_bounds(value: Json, columns: Tensors) -> Bounds:
    """Bounds whose owners nobody has looked at (``_check_owners``)."""
    owners = tuple(parse_text(owner) for owner in value["owners"])
    for name, column in columns.items():
        if column.ndim != 1:
            raise ValueError(f"column {name} of the bounds has the shape {column.shape}")
    return Bounds(**columns, owners=owners, revision=parse_int(value["revision"]))  # type: ignore[arg-type]


def _check_owners(bounds: Bounds) -> None:
    count = len(bounds.owners)
    for name in ("parent_owner", "child_owner"):
        column = getattr(bounds, name)
        if column.size and not -1 <= column.min() <= column.max() < count:
            raise ValueError(f"column {name} names an owner that is not among {count}")


# ---- commits ----------------------------------------------------------------------------------------
def encode_outline(commit: Commit) -> str:
    """Which nodes a commit adds and removes, without their arrays: what stands when its file is lost."""
    return json_text(outline_json(commit))


def encode_commit(commit: Commit) -> bytes:
    """The file of a commit. Raises ValueError when it breaks a contract that decoding would refuse."""
    tensors: Tensors = {}
    for i, node in enumerate(commit.added):
        if len(node.generator_state) > MAX_GENERATOR_STATE:
            raise ValueError(
                f"node {node.id}: generator_state has {len(node.generator_state)} bytes, at most 1 MiB"
            )
        if node.generator_state:
            tensors[f"state.{i}"] = np.frombuffer(node.generator_state, np.uint8)
        for j, view in enumerate(node.views):
            tensors |= _pack_view(view, f"view.{i}.{j}")
    if commit.blocks:
        columns = concatenate([block.surfels for block in commit.blocks]).columns()
        tensors |= {f"surfels.{name}": np.ascontiguousarray(column) for name, column in columns.items()}
        tensors |= _pack_bounds("bounds", [block.bounds for block in commit.blocks])
    if commit.patches:
        tensors |= _pack_bounds("patches", [patch.bounds for patch in commit.patches])
    manifest = outline_json(commit) | {
        "blocks": [
            {"node": b.node, "cell": cell_json(b.cell), "hash": b.hash, "bounds": _bounds(b.bounds)}
            for b in commit.blocks
        ],
        "patches": [
            {"node": p.node, "cell": cell_json(p.cell), "bounds": _bounds(p.bounds)} for p in commit.patches
        ],
    }
    tensors["manifest"] = np.frombuffer(json_text(manifest).encode("ascii"), np.uint8)
    return save_tensors(tensors, metadata={_METADATA: f"{FORMAT} ({_UNITS})"})  # type: ignore[arg-type]


def decode_commit(data: bytes) -> Commit:
    """The commit of a file; its arrays are read-only. Raises BadCommit or NewerFormat."""
    with _refusing():
        if len(data) < 8:
            raise ValueError(f"{len(data)} bytes are no safetensors file")
        (length,) = struct.unpack_from("<Q", data)
        # Nothing is allocated before the header's size and format are known.
        if length > min(MAX_TENSOR_HEADER, len(data) - 8):
            raise ValueError(f"a header of {length} bytes in a file of {len(data)}")
        version = file_format(json.loads(data[8 : 8 + length]))
        tensors: Tensors = dict(load_tensors(data))
        for array in tensors.values():
            array.flags.writeable = False
        return _commit(tensors, version)


def decode_tensors(tensors: Tensors, header: Json) -> Commit:
    """The commit of a file that was read tensor by tensor. Raises BadCommit or NewerFormat."""
    with _refusing():
        return _commit(tensors, file_format(header))


@contextmanager
def _refusing() -> Generator[None]:
    """What nobody but a damaged or foreign file brings about is BadCommit."""
    try:
        yield
    except NewerFormat:
        raise
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError, AttributeError) as error:
        raise BadCommit(f"{type(error).__name__}: {error}") from error
    except safetensors.SafetensorError as error:
        raise BadCommit(str(error)) from error


def _commit(tensors: Tensors, version: int) -> Commit:
    tensors, manifest = upgraded((tensors, json.loads(tensors["manifest"].tobytes())), version, FORMAT)
    added: list[ScaleNode] = []
    for i, node in enumerate(manifest["added"]):
        views = tuple(unpack_view(v, tensors, f"view.{i}.{j}") for j, v in enumerate(node["views"]))
        state = tensors.get(f"state.{i}")
        if state is not None and state.nbytes > MAX_GENERATOR_STATE:
            raise ValueError(f"a generator_state of {state.nbytes} bytes, at most 1 MiB")
        added.append(parse_node(node, views, b"" if state is None else state.tobytes()))
    return Commit(
        revision=parse_int(manifest["revision"]),
        added=tuple(added),
        removed=tuple(parse_text(name) for name in manifest["removed"]),
        blocks=tuple(_parse_blocks(manifest["blocks"], tensors)),
        patches=tuple(_parse_patches(manifest["patches"], tensors)),
        reverts=parse_reverts(manifest),
    )


def file_format(header: Json) -> int:
    """The format of a file by its header. Raises NewerFormat."""
    found = header["__metadata__"][_METADATA]
    if (version := int(parse_text(found).split(" ", 1)[0])) > FORMAT:
        raise NewerFormat(version)
    return version


def _parse_blocks(values: list[Json], tensors: Tensors) -> Iterator[Block]:
    if not values:
        return
    rows = [parse_int(value["bounds"]["rows"]) for value in values]
    columns = {name: _typed(tensors, f"surfels.{name}", dtype) for name, dtype in DTYPES.items()}
    whole = Surfels(**columns)  # type: ignore[arg-type]
    if len(whole) != sum(rows):
        raise ValueError(f"the blocks have {sum(rows)} rows, the columns of the surfels {len(whole)}")
    start, blocks = 0, list[Block]()
    for value, bound, count in zip(values, _cut(tensors, "bounds", BOUNDS_DTYPES, rows), rows, strict=True):
        surfels = whole.take(slice(start, start + count))
        start += count
        parsed = _parse_bounds(value["bounds"], bound)
        cell, node, name = parse_cell(value["cell"]), parse_text(value["node"]), parse_text(value["hash"])
        blocks.append(Block(cell, node, surfels, parsed, name))
    joined = Bounds(**{name: tensors[f"bounds.{name}"] for name in BOUNDS_DTYPES})  # type: ignore[arg-type]
    if not look_together(blocks, whole, joined, rows):
        for block in blocks:
            _check_owners(block.bounds)
    yield from blocks


def _parse_patches(values: list[Json], tensors: Tensors) -> Iterator[BoundsPatch]:
    if not values:
        return
    rows = [parse_int(value["bounds"]["rows"]) for value in values]
    for value, bound in zip(values, _cut(tensors, "patches", BOUNDS_DTYPES, rows), strict=True):
        bounds = _parse_bounds(value["bounds"], bound)
        _check_owners(bounds)
        yield BoundsPatch(parse_text(value["node"]), parse_cell(value["cell"]), bounds)


def decode_outline(text: str) -> Commit:
    """The commit of an outline: its nodes with views that cover nothing, no block, no patch.

    Raises BadCommit.
    """
    try:
        value: Json = json.loads(text)
        return Commit(
            revision=parse_int(value["revision"]),
            added=tuple(
                parse_node(n, tuple(_empty_view(v) for v in n["views"]), b"") for n in value["added"]
            ),
            removed=tuple(parse_text(name) for name in value["removed"]),
            reverts=parse_reverts(value),
        )
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError, AttributeError) as error:
        raise BadCommit(f"{type(error).__name__}: {error}") from error


def outline_entry(text: str) -> LogEntry:
    """The nodes that an outline adds and removes. Raises BadCommit."""
    try:
        return parse_entry(json.loads(text))
    except (ValueError, TypeError, LookupError, RecursionError, AttributeError) as error:
        raise BadCommit(f"{type(error).__name__}: {error}") from error
