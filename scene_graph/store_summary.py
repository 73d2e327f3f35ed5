"""What a commit's file says of its blocks without being read: boxes, scale intervals, checksums of parts.

A world that is larger than memory opens by these: the octree and every decision about what to draw need no column.
A summary is a function of its commit alone and lies in the record beside the row; where it is missing (a world of an
older version), it is worked out from the file, which then has to be read once.
"""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import safetensors
from numpy.typing import NDArray
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from wonderzoom.scene_graph.commit import Commit
from wonderzoom.scene_graph.extent import surfel_boxes
from wonderzoom.scene_graph.manifest import BadCommit
from wonderzoom.scene_graph.scale_node import ScaleNode
from wonderzoom.scene_graph.surfels import MAX_LN_SIZE, Bounds, find_keys

KEY_BYTES = 16
_PARENT, _CHILD = 1, 2  # bits of ``uses``

F32 = NDArray[np.float32]
U8 = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Limits:
    """Of n bounds, in the order of the file."""

    parent: F32  # [n, 2] least and greatest
    child: F32  # [n, 2]
    keys: U8  # [n, KEY_BYTES] ``Bounds.key``
    uses: U8  # [owners of all n, one after the other] _PARENT and _CHILD bits: which bounds name this owner

    @staticmethod
    def of(some: Sequence[Bounds]) -> Limits:
        """The limits of bounds, each of at least one row."""
        find_keys(some)
        uses = [
            _PARENT * (name in bounds.parents) + _CHILD * (name in bounds.children)
            for bounds in some
            for name in bounds.owners
        ]
        return Limits(
            np.array([bounds.parent_interval for bounds in some], np.float32).reshape(-1, 2),
            np.array([bounds.child_interval for bounds in some], np.float32).reshape(-1, 2),
            _keys([bounds.key for bounds in some]),
            np.array(uses, np.uint8),
        )

    def named(
        self, number: int, start: int, owners: tuple[str, ...]
    ) -> tuple[frozenset[str], frozenset[str]]:
        """The nodes that set parent and child bounds, of bounds ``number`` whose owners begin at ``start``."""
        uses = self.uses[start : start + len(owners)].tolist()
        pairs = list(zip(owners, uses, strict=True))
        return (
            frozenset(name for name, use in pairs if use & _PARENT),
            frozenset(name for name, use in pairs if use & _CHILD),
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """See the module docstring. B blocks, P patches, A arrays of views and states of generators."""

    boxes: NDArray[np.float64]  # [B, 2, 3] with 3 sigma, cell edges
    native: F32  # [B, 2] least and greatest
    mean: NDArray[np.float64]  # [B] of native scales
    bounds: Limits  # of the B blocks
    patches: Limits  # of the P patches
    arrays: U8  # [A, KEY_BYTES] ``array_keys`` of the nodes that the commit adds, one after the other
    head: str  # ``head_key`` of the file

    @staticmethod
    def of(commit: Commit, data: bytes) -> Summary:
        """The summary of a commit and its file."""
        return Summary(
            surfel_boxes([block.surfels for block in commit.blocks]),
            np.array([b.surfels.native_interval for b in commit.blocks], np.float32).reshape(-1, 2),
            np.array([b.surfels.native_mean for b in commit.blocks], np.float64),
            Limits.of([block.bounds for block in commit.blocks]),
            Limits.of([patch.bounds for patch in commit.patches]),
            _keys([key for node in commit.added for key in array_keys(node)]),
            head_key(data),
        )

    def tell(self, commit: Commit) -> None:
        """Leave with the columns of its commit what it knows of them. Raises ValueError where it is of another."""
        for block, box, native, mean in zip(
            commit.blocks, self.boxes, self.native.tolist(), self.mean.tolist(), strict=True
        ):
            columns = block.surfels
            object.__setattr__(columns, "known_box", box)
            object.__setattr__(columns, "known_native", (*native, mean))
        for some, limits in ((commit.blocks, self.bounds), (commit.patches, self.patches)):
            for each, parent, child in zip(some, limits.parent.tolist(), limits.child.tolist(), strict=True):
                object.__setattr__(each.limits, "known", (tuple(parent), tuple(child)))

    def same_as(self, other: Summary) -> bool:
        """Equal in content."""
        return encode_summary(self) == encode_summary(other)


def head_key(data: bytes) -> str:
    """``head_digest`` of a file. ValueError, LookupError for what is no commit's file."""
    (length,) = struct.unpack_from("<Q", data)
    start, stop = json.loads(data[8 : 8 + length])["manifest"]["data_offsets"]
    return head_digest(data[: 8 + length], data[8 + length + start : 8 + length + stop])


def head_digest(header: bytes, manifest: bytes) -> str:
    """128-bit BLAKE2b, hexadecimal, of all in a file but its arrays: of its header and its manifest."""
    return hashlib.blake2b(header + manifest, digest_size=KEY_BYTES).hexdigest()


def array_keys(node: ScaleNode) -> Iterator[str]:
    """``bytes_key`` of a node's arrays as a file holds them: its state, and of each view mask, zeta, image (if any)."""
    yield bytes_key(node.generator_state)
    for view in node.views:
        yield bytes_key(np.packbits(view.mask).tobytes())
        yield bytes_key(np.ascontiguousarray(view.zeta, np.float32).data)
        if view.image is not None:
            yield bytes_key(np.ascontiguousarray(view.image, np.uint8).data)


def bytes_key(data: bytes | memoryview) -> str:
    """128-bit BLAKE2b, hexadecimal."""
    return hashlib.blake2b(data, digest_size=KEY_BYTES).hexdigest()


def _keys(names: Sequence[str]) -> U8:
    return np.frombuffer(bytes.fromhex("".join(names)), np.uint8).reshape(-1, KEY_BYTES)


def told(commit: Commit, head: str, kept: bytes | None) -> Commit:
    """A commit, from a file of that ``head_digest``, with what its kept summary knows, so that nobody works it out."""
    with suppress(BadCommit, ValueError):  # no summary of this file
        if kept and (summary := decode_summary(kept)).head == head:
            summary.tell(commit)
    return commit


def summarised(commit: Commit, data: bytes) -> bytes:
    """The summary of a commit and its file as bytes; none of one with empty blocks, which no world takes."""
    if any(
        not len(some) for some in (*(b.limits for b in commit.blocks), *(p.limits for p in commit.patches))
    ):
        return b""
    return encode_summary(Summary.of(commit, data))


# ---- as bytes -----------------------------------------------------------------------------------------
def encode_summary(summary: Summary) -> bytes:
    """A summary as bytes; equal summaries give equal bytes."""
    tensors: dict[str, NDArray[np.generic]] = {
        "boxes": np.ascontiguousarray(summary.boxes, np.float64),
        "native": summary.native,
        "mean": summary.mean,
        "arrays": summary.arrays,
        "head": _keys([summary.head]),
    }
    for name, limits in (("bounds", summary.bounds), ("patches", summary.patches)):
        for part in ("parent", "child", "keys", "uses"):
            tensors[f"{name}.{part}"] = np.ascontiguousarray(getattr(limits, part))
    return save_tensors(tensors)  # type: ignore[arg-type]


def decode_summary(data: bytes) -> Summary:
    """The summary of some bytes, which may come from anywhere. Raises BadCommit."""
    try:
        tensors = load_tensors(data)

        def part(name: str, dtype: type, *shape: int) -> NDArray[np.generic]:
            array = tensors[name]
            if array.dtype != dtype or array.shape[1:] != shape or array.ndim != 1 + len(shape):
                raise ValueError(f"{name} is {array.dtype} {array.shape}")
            return array

        def limits(name: str) -> Limits:
            found = Limits(
                part(f"{name}.parent", np.float32, 2),  # type: ignore[arg-type]
                part(f"{name}.child", np.float32, 2),  # type: ignore[arg-type]
                part(f"{name}.keys", np.uint8, KEY_BYTES),  # type: ignore[arg-type]
                part(f"{name}.uses", np.uint8),  # type: ignore[arg-type]
            )
            if not len(found.parent) == len(found.child) == len(found.keys):
                raise ValueError(f"the parts of {name} are not aligned")
            if np.isnan(found.parent).any() or np.isnan(found.child).any():
                raise ValueError(f"{name} holds what is no number")
            return found

        summary = Summary(
            part("boxes", np.float64, 2, 3),  # type: ignore[arg-type]
            part("native", np.float32, 2),  # type: ignore[arg-type]
            part("mean", np.float64),  # type: ignore[arg-type]
            limits("bounds"),
            limits("patches"),
            part("arrays", np.uint8, KEY_BYTES),  # type: ignore[arg-type]
            part("head", np.uint8, KEY_BYTES)[0].tobytes().hex(),
        )
    except (ValueError, TypeError, LookupError, safetensors.SafetensorError) as error:
        raise BadCommit(f"its summary makes no sense: {error}") from error
    if not all(np.isfinite(each).all() for each in (summary.boxes, summary.native, summary.mean)):
        raise BadCommit("its summary holds a number that is not finite")
    if float(np.abs(summary.mean).max(initial=0.0)) > MAX_LN_SIZE:
        raise BadCommit("its summary has a size beyond all that a block may hold")
    if not len(summary.boxes) == len(summary.native) == len(summary.mean) == len(summary.bounds.keys):
        raise BadCommit("its summary is of no one number of blocks")
    return summary
