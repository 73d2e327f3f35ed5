"""Laws of the commit file: exact, deterministic, and safe to read from anyone."""

import hashlib
import json
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from logs import commits, same, simple_commit

from wonderzoom.scene_graph.commit import FORMAT, Commit, WorldHeader
from wonderzoom.scene_graph.manifest import BadCommit, NewerFormat, decode_header, encode_header
from wonderzoom.scene_graph.store_codec import (
    decode_commit,
    decode_outline,
    encode_commit,
    encode_outline,
    outline_entry,
)

SUPPORT = Path(__file__).resolve().parent.parent / "support"


@given(commits())
def test_any_commit_survives_to_the_last_bit(commit: Commit) -> None:
    data = encode_commit(commit)
    again = decode_commit(data)
    assert same(again, commit)
    assert encode_commit(again) == data


@given(commits())
def test_an_outline_is_the_commit_without_its_arrays(commit: Commit) -> None:
    text = encode_outline(commit)
    outline = decode_outline(text)
    assert outline.entry == commit.entry
    assert outline_entry(text) == commit.entry
    for lost, node in zip(outline.added, commit.added, strict=True):
        assert same(
            replace(lost, views=(), generator_state=b""), replace(node, views=(), generator_state=b"")
        )
        for empty, view in zip(lost.views, node.views, strict=True):
            assert same(empty.camera, view.camera)
            assert not empty.mask.any() and np.isnan(empty.zeta).all() and empty.image is None


def test_equal_commits_give_equal_bytes_in_every_process() -> None:
    program = (
        "import hashlib; from logs import simple_commit;"
        "from wonderzoom.scene_graph.store_codec import encode_commit;"
        "print(hashlib.sha256(encode_commit(simple_commit(3))).hexdigest())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONPATH": str(SUPPORT), "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert said == {hashlib.sha256(encode_commit(simple_commit(3))).hexdigest()}


def test_what_was_read_can_not_be_changed() -> None:
    commit = decode_commit(encode_commit(simple_commit(1)))
    view, block = commit.added[0].views[0], commit.blocks[0]
    for array in (view.mask, view.zeta, block.surfels.means, block.bounds.parent):
        assert not array.flags.writeable


@given(st.floats(0.001, 1e6), st.integers(-60, 60), st.integers(64, 4096))
def test_a_header_survives(metres: float, octave: int, h_ref: int) -> None:
    header = WorldHeader(h_ref, "radial", 2.0**octave, metres, (0.1, 0.2, 0.3))
    assert decode_header(encode_header(header)) == header


# ---- hostile files ----------------------------------------------------------------------------------
def with_header(data: bytes, header: object) -> bytes:
    """The same tensors under another header."""
    (length,) = struct.unpack_from("<Q", data)
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data[8 + length :]


def header_of(data: bytes) -> dict[str, dict[str, object]]:
    (length,) = struct.unpack_from("<Q", data)
    return json.loads(data[8 : 8 + length])


def tensors_of(manifest: object) -> dict[str, object]:
    """A header of the right format with one tensor."""
    return {"__metadata__": {"wonderzoom-commit": "1 "}, "manifest": manifest}


@given(st.binary(max_size=300))
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(BadCommit):
        decode_commit(data)
    with pytest.raises(BadCommit):
        decode_outline(data.decode("latin-1"))
    with pytest.raises(BadCommit):
        outline_entry(data.decode("latin-1"))
    with pytest.raises(BadCommit):
        decode_header(data.decode("latin-1"))


@given(st.data())
def test_a_changed_file_is_refused_or_is_a_commit(data: st.DataObject) -> None:
    good = bytearray(encode_commit(simple_commit(1, rows=4)))
    for _ in range(data.draw(st.integers(1, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(good)))
    for candidate in (bytes(good), bytes(good[:cut])):
        try:
            assert isinstance(decode_commit(candidate), Commit)
        except (BadCommit, NewerFormat):
            pass


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 100_000,
        b"{}",
        b"[]",
        b"null",
        {"__metadata__": {"wonderzoom-commit": "one"}},
        {"__metadata__": {"wonderzoom-commit": 1}},
        {"__metadata__": {"wonderzoom-commit": "1 "}},
        tensors_of({"dtype": "BF16", "shape": [0], "data_offsets": [0, 0]}),
        tensors_of({"dtype": "U8", "shape": [2**62], "data_offsets": [0, 2**62]}),
        tensors_of({"dtype": "U8", "shape": [4], "data_offsets": [0, 2]}),
    ],
)
def test_malformed_headers_are_refused(header: object) -> None:
    with pytest.raises(BadCommit):
        decode_commit(with_header(encode_commit(simple_commit(1)), header))


def test_a_header_that_claims_a_terabyte_is_refused_before_anything_is_allocated() -> None:
    with pytest.raises(BadCommit, match="header of 1099511627776 bytes"):
        decode_commit(struct.pack("<Q", 2**40) + b" " * 1000)


def test_a_newer_format_says_so() -> None:
    data = encode_commit(simple_commit(1))
    header = header_of(data)
    header["__metadata__"]["wonderzoom-commit"] = f"{FORMAT + 1} of the future"
    with pytest.raises(NewerFormat, match=f"format {FORMAT + 1}, this version knows formats up to {FORMAT}"):
        decode_commit(with_header(data, header))
    text = encode_header(WorldHeader(format=FORMAT + 1))
    with pytest.raises(NewerFormat):
        decode_header(text)


def rewritten(data: bytes, old: bytes, new: bytes) -> bytes:
    """The file with a text of its manifest replaced by one as long."""
    assert len(old) == len(new) and data.count(old) >= 1
    return data.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"rows":300', b'"rows":301'),
        (b'"rows":300', b'"rows":-30'),
        (b'"rows":300', b'"rows":3e2'),
        (b'"owners":["a"]', b'"owners":[   ]'),
        (b'"role":"main"', b'"role":"evil"'),
        (b'"width":12', b'"width":13'),
        (b'"image":false', b'"image": true'),
        (b'"seed":"0x0"', b'"seed":"zzz"'),
        (b'"id":"node1"', b'"id":1234567'),
    ],
)
def test_a_manifest_that_contradicts_its_arrays_is_refused(old: bytes, new: bytes) -> None:
    with pytest.raises(BadCommit):
        decode_commit(rewritten(encode_commit(simple_commit(1)), old, new))


def test_a_generator_state_beyond_its_contract_is_refused_on_the_way_out() -> None:
    commit = simple_commit(1)
    big = replace(commit, added=(replace(commit.added[0], generator_state=b"x" * (2**20 + 1)),))
    with pytest.raises(ValueError, match="at most 1 MiB"):
        encode_commit(big)
