"""SPZ: within its quantisation, in its published layout, and never unpacked further than its file allows."""

import gzip
import io
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from splat_clouds import covariances, random_cloud, splat_transform, turns

from wonderzoom.scene_graph.formats.cloud import Cloud, FormatError
from wonderzoom.scene_graph.formats.ply import read_ply
from wonderzoom.scene_graph.formats.spz import finest_step, fraction_bits, read_spz, write_spz


def written(cloud: Cloud) -> bytes:
    stream = io.BytesIO()
    write_spz(stream, cloud)
    return stream.getvalue()


def read(data: bytes) -> Cloud:
    return read_spz(io.BytesIO(data), len(data))


def packed(
    version: int, count: int, body: bytes, degree: int = 0, bits: int = 12, magic: int = 0x5053474E
) -> bytes:
    return gzip.compress(struct.pack("<IIIBBBB", magic, version, count, degree, bits, 0, 0) + body, mtime=0)


@given(st.integers(0, 1000), st.integers(1, 40), st.floats(1e-3, 1e6))
@settings(max_examples=25, deadline=None)
def test_what_is_written_comes_back_within_its_quantisation(seed: int, n: int, reach: float) -> None:
    cloud = random_cloud(seed, n, reach)
    back = read(written(cloud))
    step = finest_step(float(np.abs(cloud.means).max()))
    np.testing.assert_allclose(back.means, cloud.means, atol=step / 2, rtol=1e-6)
    assert step <= max(2.0**-23, 2.0**-21 * np.abs(cloud.means).max())
    np.testing.assert_allclose(back.log_scales, cloud.log_scales, atol=1 / 32 + 1e-6)
    np.testing.assert_allclose(back.opacities, cloud.opacities, atol=1e-6)
    np.testing.assert_allclose(back.colors, cloud.colors, atol=0.5 * 0.2820948 / (0.15 * 255) + 1e-6)
    assert turns(back, cloud).max() < 0.35
    assert written(cloud) == written(cloud)


def test_the_layout_is_the_published_one() -> None:
    cloud = Cloud(
        np.array([[1.0, 2.0, -3.0]], np.float32),
        np.array([[1.0, 0.0, 0.0, 0.0]], np.float32),
        np.array([[0.0, -1.0, -20.0]], np.float32),
        np.array([0.2], np.float32),
        np.array([[0.5, 0.5, 0.5]], np.float32),
    )
    body = gzip.decompress(written(cloud))
    magic, version, count, degree, bits, flags, _ = struct.unpack("<IIIBBBB", body[:16])
    assert (magic, version, count, degree, flags) == (0x5053474E, 3, 1, 0, 0)
    fixed = [int.from_bytes(body[16 + 3 * i : 19 + 3 * i], "little", signed=True) for i in range(3)]
    assert [v / 2**bits for v in fixed] == [1.0, -2.0, 3.0]  # right, up, back
    assert body[25] == 51
    assert set(body[26:29]) <= {127, 128}
    assert list(body[29:32]) == [160, 144, 0]
    (rotation,) = struct.unpack("<I", body[32:36])
    assert rotation >> 30 == 0 and rotation & 0x3FFFFFFF == 0  # half a turn around x: x is the largest
    assert len(body) == 36


def test_version_2_and_harmonics_are_read() -> None:
    positions = b"".join(v.to_bytes(3, "little", signed=True) for v in (4096, -8192, 2048))
    body = positions + bytes([255]) + bytes([128] * 3) + bytes([160] * 3) + bytes([128, 255, 128]) + bytes(9)
    cloud = read(packed(2, 1, body, degree=1))
    assert cloud.means.tolist() == [[1.0, 2.0, -0.5]]
    assert cloud.opacities.tolist() == [1.0] and cloud.log_scales.tolist() == [[0.0] * 3]
    # y = 1: half a turn around y; turned over, still a diagonal one.
    turned = cloud.turned_over().quats[0]
    assert abs(turned[2]) == pytest.approx(1.0, abs=1e-4)
    assert any("spherical harmonics" in note for note in cloud.notes)


def test_covariances_survive() -> None:
    cloud = random_cloud(2, 300)
    back = covariances(read(written(cloud)))
    largest = np.abs(covariances(cloud)).max((1, 2))
    assert (np.abs(back - covariances(cloud)).max((1, 2)) / largest).max() < 0.1


def test_sizes_out_of_range_are_cut_to_it() -> None:
    cloud = random_cloud(flat=True)
    assert read(written(cloud)).log_scales[:, 2].tolist() == [-10.0] * 50


def test_the_step_follows_the_extent() -> None:
    assert fraction_bits(0.0) == 23 and fraction_bits(0.9) == 23
    assert fraction_bits(2047.0) == 12 and fraction_bits(8.0e6) == 0
    with pytest.raises(FormatError, match="coordinates up to"):
        fraction_bits(1e8)


GOOD = written(random_cloud())


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "gzip"),
        (b"ply\n", "gzip"),
        (b"NGSP" + bytes(28), "version 4"),
        (gzip.compress(b"hello", mtime=0), "cut short"),
        (packed(3, 1, b"", magic=1), "no SPZ"),
        (packed(1, 1, bytes(100)), "version 1"),
        (packed(3, 1, bytes(100), degree=9), "damaged"),
        (packed(3, 1, bytes(100), bits=60), "damaged"),
        (packed(3, 0, b""), "no splats"),
        (packed(3, 1 << 31, bytes(100)), "can't hold"),
        (packed(3, 10, bytes(150)), "cut short"),
        (GOOD[:-20], "cut short"),
        (GOOD[:40] + bytes([GOOD[40] ^ 255]) + GOOD[41:], "damaged|cut short|no SPZ|has a|can't hold"),
    ],
)
def test_what_is_damaged_is_told(data: bytes, said: str) -> None:
    with pytest.raises(FormatError, match=said):
        read(data)


def test_a_bomb_is_not_unpacked() -> None:
    body = gzip.decompress(GOOD)
    bomb = gzip.compress(body + bytes(64 << 20), 1, mtime=0)
    boast = gzip.compress(
        struct.pack("<IIIBBBB", 0x5053474E, 3, 1 << 24, 0, 12, 0, 0) + bytes(1 << 16), mtime=0
    )
    tracemalloc.start()
    try:
        assert len(read(bomb)) == 50  # the rest is never looked at
        with pytest.raises(FormatError, match="can't hold"):
            read(boast)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.system
def test_an_independent_reader_finds_the_same(tmp_path: Path) -> None:
    cloud = random_cloud(5, 100)
    (tmp_path / "cloud.spz").write_bytes(written(cloud))
    splat_transform(tmp_path, "cloud.spz", "theirs.ply")
    data = (tmp_path / "theirs.ply").read_bytes()
    theirs, ours = read_ply(io.BytesIO(data), len(data)), read(written(cloud))
    np.testing.assert_allclose(theirs.means, ours.means, atol=1e-5)
    np.testing.assert_allclose(theirs.log_scales, ours.log_scales, atol=1e-4)
    np.testing.assert_allclose(theirs.colors, ours.colors, atol=1e-3)
    np.testing.assert_allclose(theirs.opacities, ours.opacities, atol=1e-3)
    shape = covariances(ours)
    size = np.abs(shape).max((1, 2))
    assert (np.abs(covariances(theirs) - shape).max((1, 2)) / size).max() < 2e-3
