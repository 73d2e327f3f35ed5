"""A commit's file read where it stays: what its bytes say, or nothing, and then the slower way says what is wrong."""

import json
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from logs import commits, same, simple_commit

from wonderzoom.scene_graph.commit import Commit
from wonderzoom.scene_graph.manifest import BadCommit, Json
from wonderzoom.scene_graph.store_codec import decode_commit, decode_tensors, encode_commit
from wonderzoom.scene_graph.store_file import read_contents, whole_file
from wonderzoom.scene_graph.store_record import Row, content_hash
from wonderzoom.scene_graph.store_summary import head_key

DATA = encode_commit(simple_commit(1))


def row_of(data: bytes) -> Row:
    return Row(1, len(data), content_hash(data))


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("files") / "a"


@given(commit=commits())
def test_any_commit_is_read_as_its_bytes_are_decoded(path: Path, commit: Commit) -> None:
    data = encode_commit(commit)
    path.write_bytes(data)
    contents = read_contents(path, row_of(data))
    assert contents is not None and contents.head == head_key(data)
    assert same(decode_tensors(contents.tensors, contents.header), decode_commit(data))
    for array in contents.tensors.values():
        assert array.base is None and not array.flags.writeable  # memory of its own


@given(at=st.integers(0, len(DATA) - 1), bits=st.integers(1, 255))
def test_a_changed_byte_is_never_read(path: Path, at: int, bits: int) -> None:
    changed = bytearray(DATA)
    changed[at] ^= bits
    path.write_bytes(changed)
    assert read_contents(path, row_of(DATA)) is None
    with pytest.raises(BadCommit, match="its bytes have changed"):
        whole_file(path, row_of(DATA))


@given(data=st.binary(max_size=40) | st.integers(0, len(DATA) - 1).map(lambda size: DATA[:size]))
def test_what_is_no_whole_file_is_never_read(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    for row in (row_of(DATA), row_of(data)):
        assert read_contents(path, row) is None


def test_a_file_that_is_not_there_is_an_error_of_the_system(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_contents(path.with_name("nowhere"), row_of(DATA))


def rewritten(change: str) -> bytes:
    """The file with another header; its hash is right."""
    (length,) = struct.unpack_from("<Q", DATA)
    header: Json = json.loads(DATA[8 : 8 + length])
    names = sorted((n for n in header if n != "__metadata__"), key=lambda n: header[n]["data_offsets"])
    last = header[names[-1]]
    match change:
        case "a hole":
            del header[names[-2]]
        case "two in one place":
            header["twin"] = last
        case "more at the end":
            return DATA + b"beside"
        case "a kind of number that is none of ours":
            last["dtype"] = "F8_E4M3"
        case "no manifest":
            header["another"] = header.pop("manifest")
        case _:
            last["shape"] = [-1, *last["shape"][1:]]
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + DATA[8 + length :]


@pytest.mark.parametrize(
    "change",
    [
        "a hole",
        "two in one place",
        "more at the end",
        "a kind of number that is none of ours",
        "no manifest",
        "-1",
    ],
)
def test_a_file_that_nobody_here_has_written_is_refused_either_way(path: Path, change: str) -> None:
    data = rewritten(change)
    path.write_bytes(data)
    assert read_contents(path, row_of(data)) is None
    with pytest.raises(BadCommit):
        decode_commit(whole_file(path, row_of(data)))
