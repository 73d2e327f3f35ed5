"""Camera files: every camera comes back to the bit; whatever else a file holds is one clear error."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scene_strategies import cameras
from worlds import first_camera

from wonderzoom.runtime.camera_file import BadCamera, camera_out, camera_text, read_camera, read_path
from wonderzoom.scene_graph.camera import Camera

SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def written(folder: Path, values: object) -> Path:
    path = folder / "camera.json"
    path.write_text(values if isinstance(values, str) else json.dumps(values), encoding="utf-8")
    return path


@SAME_FOLDER
@given(cameras())
def test_a_camera_comes_back_to_the_bit(tmp_path: Path, camera: Camera) -> None:
    assert read_camera(written(tmp_path, camera_text(camera))) == camera


@SAME_FOLDER
@given(st.lists(st.tuples(cameras(), st.floats(0.0, 100.0)), min_size=1, max_size=4))
def test_a_path_comes_back_to_the_bit(tmp_path: Path, stops: list[tuple[Camera, float]]) -> None:
    values = [{"camera": camera_out(camera), "seconds": seconds} for camera, seconds in stops]
    assert read_path(written(tmp_path, values)) == stops


@given(cameras(st.just(900)))
def test_integers_beyond_float64_are_written_as_strings(camera: Camera) -> None:
    values = json.loads(camera_text(camera), parse_int=float)
    assert all(isinstance(v, str) or abs(v) <= 2**53 for v in values["pivot"]["cell"])


def changed(**fields: object) -> dict[str, object]:
    return camera_out(first_camera()) | fields


BAD = {
    "NaN distance": (changed(ln_distance=math.nan), "ln_distance is nan"),
    "infinite focal length": (changed(ln_fx=math.inf), "ln_fx is inf"),
    "NaN principal point": (changed(cx=math.nan), "finite"),
    "NaN quaternion": (changed(quat=[math.nan, 0, 0, 0]), "finite"),
    "singular: no rotation": (changed(quat=[0, 0, 0, 0]), "not a rotation"),
    "singular: fx >> fy": (changed(ln_fx=10.0, ln_fy=0.0), "singular"),
    "no picture": (changed(width=0), "0 x"),
    "huge picture": (changed(width=50000), "50000 x"),
    "half a pixel": (changed(width=10.5), "int"),
    "a missing field": ({k: v for k, v in changed().items() if k != "cx"}, "cx"),
    "an unknown field": (changed(fov=60), "fov"),
    "a word for a number": (changed(cy="middle"), "cy"),
    "huge level": (changed(pivot={"cell": [10**15, 0, 0, 0], "offset": [0, 0, 0]}), "level"),
    "not an integer": (changed(pivot={"cell": [0, "1e5", 0, 0], "offset": [0, 0, 0]}), "not an integer"),
    "endless digits": (changed(pivot={"cell": [0, "9" * 5000, 0, 0], "offset": [0, 0, 0]}), "not an integer"),
    "NaN offset": (changed(pivot={"cell": [0, 0, 0, 0], "offset": [0, math.nan, 0]}), "offset"),
    "a list": ([1, 2, 3], "object"),
    "not JSON": ("{'pivot': 1}", "line 1: not JSON"),
    "empty": ("", "not JSON"),
    "nested": ("[" * 100000, "nested"),
    "a number without end": ("1" + "0" * 10000, "too long"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_clear_line_that_names_the_file(tmp_path: Path, name: str) -> None:
    values, expected = BAD[name]
    path = written(tmp_path, values)
    with pytest.raises(BadCamera) as caught:
        read_camera(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_files_that_are_not_there_folders_and_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadCamera, match="No such file"):
        read_camera(tmp_path / "missing.json")
    with pytest.raises(BadCamera, match="could not read"):
        read_camera(tmp_path)
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n\xff\xfe")
    with pytest.raises(BadCamera, match="not text"):
        read_camera(picture)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.json"
    with path.open("wb") as file:
        file.truncate(1 << 33)
    with pytest.raises(BadCamera, match="MiB"):
        read_camera(path)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], "list"),
        ({}, "list"),
        ([{"camera": changed()}], "camera 1: .*seconds"),
        ([{"camera": changed(), "seconds": -1}], "camera 1: seconds"),
        ([{"camera": changed(), "seconds": 1}, {"camera": changed(width=0), "seconds": 1}], "camera 2: "),
    ],
)
def test_a_bad_path_names_the_camera(tmp_path: Path, values: object, expected: str) -> None:
    with pytest.raises(BadCamera, match=expected):
        read_path(written(tmp_path, values))
