"""PLY: what is written comes back, what other programs write is read, what is damaged is told apart."""

import io
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from splat_clouds import random_cloud

from wonderzoom.scene_graph.formats.cloud import SH_C0, Cloud, FormatError
from wonderzoom.scene_graph.formats.ply import FLAT_COMMENT, Model, read_ply, write_ply

NAMES = (
    ["x", "y", "z", "f_dc_0", "f_dc_1", "f_dc_2", "opacity"]
    + [f"scale_{k}" for k in range(3)]
    + [f"rot_{k}" for k in range(4)]
)
ROW = [1.0, 2.0, 3.0, 0.5, 0.0, -0.5, 2.0, -1.0, -2.0, -5.0, 1.0, 0.0, 0.0, 0.0]


def written(cloud: Cloud, model: Model = "3dgs") -> bytes:
    stream = io.BytesIO()
    write_ply(stream, cloud, model)
    return stream.getvalue()


def read(data: bytes) -> Cloud:
    return read_ply(io.BytesIO(data), len(data))


def text(rows: list[list[float]], names: list[str] = NAMES, count: int | None = None) -> bytes:
    header = ["ply", "format ascii 1.0", f"element vertex {len(rows) if count is None else count}"]
    header += [*(f"property float {name}" for name in names), "end_header"]
    lines = [" ".join(map(repr, row)) for row in rows]
    return ("\n".join([*header, *lines]) + "\n").encode()


@given(st.integers(0, 1000), st.integers(1, 40))
@settings(max_examples=25, deadline=None)
@pytest.mark.parametrize("model", ["2dgs", "3dgs"])
def test_what_is_written_comes_back(model: Model, seed: int, n: int) -> None:
    cloud = random_cloud(seed, n)
    back = read(written(cloud, model))
    for column in ("means", "quats", "log_scales"):
        np.testing.assert_array_equal(getattr(back, column), getattr(cloud, column))
    np.testing.assert_allclose(back.opacities, cloud.opacities, atol=1e-6)
    np.testing.assert_array_equal(np.rint(255 * back.colors), np.rint(255 * cloud.colors))


def test_a_2dgs_file_has_two_sizes_and_says_so() -> None:
    header = written(random_cloud(), "2dgs").partition(b"end_header")[0].decode()
    assert f"comment {FLAT_COMMENT}\n" in header
    assert "scale_1" in header and "scale_2" not in header


def test_a_2dgs_file_of_a_trainer_is_flat() -> None:
    row = ROW[:9] + ROW[10:]
    cloud = read(text([row], [name for name in NAMES if name != "scale_2"]))
    assert cloud.log_scales.tolist() == [[-1.0, -2.0, -np.inf]]


def test_text_is_read() -> None:
    cloud = read(text([ROW, ROW]))
    assert len(cloud) == 2 and cloud.means.tolist() == [[1.0, 2.0, 3.0]] * 2
    assert cloud.opacities[0] == pytest.approx(1 / (1 + np.exp(-2.0)))
    assert cloud.colors[0].tolist() == pytest.approx([0.5 + 0.5 * SH_C0, 0.5, 0.5 - 0.5 * SH_C0])
    assert cloud.quats[0].tolist() == [1.0, 0.0, 0.0, 0.0]


@pytest.mark.parametrize(("order", "sign"), [("little", "<"), ("big", ">")])
def test_columns_of_any_type_order_and_company_are_read(order: str, sign: str) -> None:
    names = ["f_rest_0", *reversed(NAMES), "extra"]
    types = ["float", *["double"] * len(NAMES), "uchar"]
    codes = {"float": "f4", "double": "f8", "uchar": "u1"}
    dtype = np.dtype([(name, sign + codes[kind]) for name, kind in zip(names, types, strict=True)])
    rows = np.zeros(3, dtype)
    for name, value in zip(NAMES, ROW, strict=True):
        rows[name] = value
    header = ["ply", f"format binary_{order}_endian 1.0", "comment of a trainer", "element vertex 3"]
    header += [f"property {kind} {name}" for name, kind in zip(names, types, strict=True)]
    header += ["element face 1", "property list uchar int vertex_indices", "end_header"]
    cloud = read(("\n".join(header) + "\n").encode() + rows.tobytes() + b"\x03" + b"\x00" * 12)
    assert cloud.means.tolist() == [[1.0, 2.0, 3.0]] * 3
    assert any("spherical harmonics" in note for note in cloud.notes)


def test_an_independent_reader_and_writer_agree() -> None:
    plyfile = pytest.importorskip("plyfile", reason="plyfile is the oracle: pip install plyfile")
    cloud = random_cloud(3, 200)
    vertex = plyfile.PlyData.read(io.BytesIO(written(cloud)))["vertex"].data
    np.testing.assert_array_equal(np.stack([vertex[name] for name in "xyz"], 1), cloud.means)
    np.testing.assert_array_equal(np.stack([vertex[f"rot_{i}"] for i in range(4)], 1), cloud.quats)
    np.testing.assert_allclose(0.5 + SH_C0 * vertex["f_dc_1"], cloud.colors[:, 1], atol=1e-6)
    np.testing.assert_allclose(1 / (1 + np.exp(-vertex["opacity"])), cloud.opacities, atol=1e-6)
    assert not vertex["nx"].any()
    for options in ({"text": True}, {"byte_order": "<"}, {"byte_order": ">"}):
        stream = io.BytesIO()
        plyfile.PlyData([plyfile.PlyElement.describe(vertex, "vertex")], **options).write(stream)
        np.testing.assert_allclose(read(stream.getvalue()).means, cloud.means, rtol=1e-6)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "begin with 'ply'"),
        (b"solid cube\n", "begin with 'ply'"),
        (b"ply\nformat ascii 1.0\n", "no end"),
        (b"ply\n" + b"comment " + b"x" * 100_000, "no end"),
        (b"ply\nformat ascii 1.0\nend_header\n", "no vertices"),
        (b"ply\nelement vertex 1\nend_header\n", "no format"),
        (b"ply\nformat ascii 1.0\nelement chunk 3\nend_header\n", "first element is 'chunk'"),
        (b"ply\nformat ascii 1.0\nelement vertex -1\nend_header\n", "can't be read"),
        (
            b"ply\nformat ascii 1.0\nelement vertex 1\nproperty list uchar int x\nend_header\n",
            "can't be read",
        ),
        (text([[1.0]], ["x"]), "no column y"),
        (text([ROW[:3]], ["x", "y", "z"]), "no column f_dc_0"),
        (text([[*ROW, 1.0]], [*NAMES, "x"]), "one name"),
        (text([ROW], count=2), "cut short"),
        (text([ROW[:-1]]), "13 numbers"),
        (text([ROW]).replace(b"3.0", b"tre"), "not a number"),
        (text([ROW]).replace(b"3.0", b"nan"), "splat 0 of 1 has a position"),
        (text([ROW], count=0), "no splats"),
        (written(random_cloud())[:-1], "cut short"),
        (written(random_cloud()).replace(b"vertex 50", b"vertex 51"), "cut short"),
    ],
)
def test_what_is_damaged_is_told(data: bytes, said: str) -> None:
    with pytest.raises(FormatError, match=said):
        read(data)


@pytest.mark.parametrize("form", ["ascii", "binary_little_endian"])
def test_a_huge_count_in_a_small_file_takes_no_memory(form: str) -> None:
    data = text([ROW], count=10**15).replace(b"ascii", form.encode())
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match="cut short"):
            read(data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
