""".splat: rows of 32 bytes, as other programs lay them out."""

import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from splat_clouds import covariances, random_cloud, splat_transform, turns

from wonderzoom.scene_graph.formats.cloud import Cloud, FormatError
from wonderzoom.scene_graph.formats.ply import read_ply
from wonderzoom.scene_graph.formats.splat import read_splat, write_splat


def written(cloud: Cloud) -> bytes:
    stream = io.BytesIO()
    write_splat(stream, cloud)
    return stream.getvalue()


def read(data: bytes) -> Cloud:
    return read_splat(io.BytesIO(data), len(data))


@given(st.integers(0, 1000), st.integers(1, 40))
@settings(max_examples=25, deadline=None)
def test_what_is_written_comes_back_within_a_byte(seed: int, n: int) -> None:
    cloud = random_cloud(seed, n)
    back = read(written(cloud))
    np.testing.assert_array_equal(back.means, cloud.means)
    np.testing.assert_allclose(back.log_scales, cloud.log_scales, atol=1e-6)
    np.testing.assert_allclose(back.opacities, cloud.opacities, atol=1e-6)
    np.testing.assert_allclose(back.colors, cloud.colors, atol=1e-6)
    assert turns(back, cloud).max() < 1.5


def test_the_layout_is_that_of_the_web_viewers() -> None:
    row = struct.pack("<6f8B", 1.0, 2.0, 3.0, 1.0, np.e, 0.0, 255, 0, 51, 102, 255, 128, 128, 0)
    cloud = read(row)
    assert cloud.means.tolist() == [[1.0, 2.0, 3.0]]
    assert cloud.log_scales[0].tolist() == pytest.approx([0.0, 1.0, -np.inf])
    assert cloud.colors[0].tolist() == pytest.approx([1.0, 0.0, 0.2])
    assert cloud.opacities[0] == pytest.approx(0.4)
    assert cloud.quats[0].tolist() == [127 / 128, 0.0, 0.0, -1.0]
    assert written(cloud)[:24] == row[:24]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"ply\n" * 10, "whole number of 32-byte splats"),
        (written(random_cloud())[:-3], "whole number"),
        (struct.pack("<6f8B", 1, 2, np.nan, 1, 1, 1, *[255] * 8), "position"),
        (struct.pack("<6f8B", 1, 2, 3, -1, 1, 1, *[255] * 8), "size"),
        (struct.pack("<6f8B", 1, 2, 3, 0, 0, 1, *[255] * 8), "size"),
        (struct.pack("<6f8B", 1, 2, 3, 1, 1, 1, *[128] * 8), "rotation"),
    ],
)
def test_what_is_damaged_is_told(data: bytes, said: str) -> None:
    with pytest.raises(FormatError, match=said):
        read(data)
    with pytest.raises(FormatError, match="cut short"):
        read_splat(io.BytesIO(b""), 64)


@pytest.mark.system
def test_an_independent_reader_finds_the_same(tmp_path: Path) -> None:
    cloud = random_cloud(5, 100)
    (tmp_path / "cloud.splat").write_bytes(written(cloud))
    splat_transform(tmp_path, "cloud.splat", "theirs.ply")
    data = (tmp_path / "theirs.ply").read_bytes()
    theirs, ours = read_ply(io.BytesIO(data), len(data)), read(written(cloud))
    np.testing.assert_allclose(theirs.means, ours.means, atol=1e-5)
    np.testing.assert_allclose(theirs.log_scales, ours.log_scales, atol=1e-4)
    np.testing.assert_allclose(theirs.colors, ours.colors, atol=1e-3)
    np.testing.assert_allclose(theirs.opacities, ours.opacities, atol=1e-3)
    shape = covariances(ours)
    size = np.abs(shape).max((1, 2))
    assert (
        np.abs(covariances(theirs) - shape).max((1, 2)) / size
    ).max() < 0.05  # it rounds rotations by 255, not by 128
