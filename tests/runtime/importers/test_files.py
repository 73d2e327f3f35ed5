"""Which file is what, and that what is wrong with one is one line with its path."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from splat_clouds import random_cloud

from wonderzoom.runtime.errors import CommandError, UsageError
from wonderzoom.runtime.importers.files import CLOUDS, check_readable, read_cloud
from wonderzoom.scene_graph.formats.ply import write_ply
from wonderzoom.scene_graph.formats.splat import write_splat
from wonderzoom.scene_graph.formats.spz import write_spz

WRITERS = {".ply": write_ply, ".splat": write_splat, ".spz": write_spz}


@pytest.mark.parametrize("suffix", CLOUDS)
def test_the_end_of_a_name_says_the_format(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cloud{suffix.upper()}"
    cloud = random_cloud()
    with path.open("wb") as stream:
        WRITERS[suffix](stream, cloud)
    read, name = read_cloud(path)
    np.testing.assert_allclose(read.means, cloud.means, atol=1e-4)
    assert name == CLOUDS[suffix][0]


def test_what_is_wrong_is_told_with_the_path(tmp_path: Path) -> None:
    for suffix in CLOUDS:
        path = tmp_path / f"cloud{suffix}"
        path.write_bytes(b"nonsense")
        with pytest.raises(CommandError) as error:
            read_cloud(path)
        assert str(error.value).startswith(f"{path}: ")
    with pytest.raises(UsageError, match=r"\.ply, \.splat, \.spz, \.pth are read"):
        check_readable(tmp_path / "cloud.obj")
    with pytest.raises(CommandError, match="there is no such file"):
        check_readable(tmp_path / "nowhere.ply")
    (tmp_path / "folder.ply").mkdir()
    with pytest.raises(CommandError, match="this is a folder"):
        check_readable(tmp_path / "folder.ply")


@pytest.mark.parametrize("suffix", CLOUDS)
@given(place=st.floats(0.0, 1.0), byte=st.integers(0, 255), cut=st.booleans(), front=st.booleans())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_byte_makes_it_stumble(
    tmp_path: Path, suffix: str, place: float, byte: int, cut: bool, front: bool
) -> None:
    stream = io.BytesIO()
    WRITERS[suffix](stream, random_cloud(1, 20))
    data = bytearray(stream.getvalue())
    at = min(int(place * (min(len(data), 600) if front else len(data))), len(data) - 1)
    if cut:
        del data[at:]
    else:
        data[at] = byte
    path = tmp_path / f"cloud{suffix}"
    path.write_bytes(data)
    try:
        cloud, _ = read_cloud(path)
    except CommandError as error:
        assert str(error).startswith(f"{path}: ")
    else:
        cloud.checked()
