"""Depth maps: what the file says where it says something, sensible values elsewhere, or one clear line."""

import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from wonderzoom.runtime.depth_maps import BadDepthMap, DepthMap, read_depth
from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.pictures import framing_of

SMALL = framing_of(120, 80, 80)


def ramp(width: int = 120, height: int = 80) -> np.ndarray:
    """Metres, farther to the top."""
    rows = np.linspace(40.0, 2.0, height, dtype=np.float32)
    return np.repeat(rows[:, None], width, 1)


def written(folder: Path, values: np.ndarray, kind: str) -> Path:
    path = folder / f"depth.{kind}"
    if kind == "npy":
        np.save(path, values)
    elif kind == "npz":
        np.savez_compressed(path, depth=values, confidence=np.ones(3))
    elif kind == "png":
        Image.fromarray((values * 1000.0).astype(np.uint16)).save(path)
    else:
        Image.fromarray(values.astype(np.float32)).save(path)
    return path


@pytest.mark.parametrize("kind", ["npy", "npz", "png", "tif"])
def test_every_format_says_the_same_and_larger_is_farther(tmp_path: Path, kind: str) -> None:
    read = read_depth(written(tmp_path, ramp(), kind), SMALL)
    unit = 1000.0 if kind == "png" else 1.0
    assert read.depth.dtype == np.float32
    np.testing.assert_allclose(read.depth, np.trunc(ramp() * unit) if kind == "png" else ramp(), rtol=1e-6)
    assert not read.sky.any() and read.notes == ()


@pytest.mark.parametrize("shape", [(1, 80, 120), (80, 120, 1)], ids=["one channel first", "one channel last"])
@pytest.mark.parametrize("dtype", ["f8", "f2", "<u2", ">u2", "i4"])
def test_arrays_of_any_number_type_are_read(tmp_path: Path, shape: tuple[int, ...], dtype: str) -> None:
    values = np.round(ramp()).reshape(shape).astype(dtype)
    read = read_depth(written(tmp_path, values, "npy"), SMALL)
    np.testing.assert_allclose(read.depth, np.round(ramp()))


def test_arrays_in_columns_are_read(tmp_path: Path) -> None:
    read = read_depth(written(tmp_path, np.asfortranarray(ramp()), "npy"), SMALL)
    np.testing.assert_allclose(read.depth, ramp())


@pytest.mark.parametrize("size", [(60, 40), (240, 160), (518, 350)])
def test_a_map_of_another_size_is_fitted_to_the_picture(tmp_path: Path, size: tuple[int, int]) -> None:
    read = read_depth(written(tmp_path, ramp(*size), "npy"), SMALL)
    assert read.depth.shape == (80, 120)
    np.testing.assert_allclose(read.depth, ramp(), rtol=0.1, atol=0.6)


def test_a_map_is_cut_like_its_picture(tmp_path: Path) -> None:
    framing = framing_of(400, 100, 50)  # the middle 200 x 100, at half the size
    values = np.repeat(np.arange(1.0, 401.0, dtype=np.float32)[None], 100, 0)
    read = read_depth(written(tmp_path, values, "npy"), framing)
    np.testing.assert_allclose(read.depth[0], np.arange(101.5, 301.0, 2.0))


@pytest.mark.parametrize("scale", [0.5, 1.0, 3.0])
def test_no_depth_appears_between_two_surfaces(tmp_path: Path, scale: float) -> None:
    near, far = 2.0, 50.0
    values = np.full((80, 120), far, np.float32)
    values[20:61, 33:77] = near
    framing = framing_of(120, 80, round(80 * scale))
    read = read_depth(written(tmp_path, values, "npy"), framing)
    assert set(np.unique(read.depth)) == {np.float32(near), np.float32(far)}
    area = float((read.depth == near).mean())
    assert area == pytest.approx(41 * 44 / 9600, rel=0.06)


def test_small_holes_are_filled_from_around(tmp_path: Path) -> None:
    values = ramp()
    values[40:44, 50:55], values[60, 60], values[70, 3] = np.nan, -1.0, 0.0
    read = read_depth(written(tmp_path, values, "npy"), SMALL)
    np.testing.assert_allclose(read.depth, ramp(), rtol=0.1)
    assert not read.sky.any()
    assert [note for note in read.notes if "filled" in note] == list(read.notes)


@pytest.mark.parametrize("value", [np.nan, 0.0, np.inf])
def test_nothing_at_the_top_and_infinity_are_sky(tmp_path: Path, value: float) -> None:
    values = ramp()
    values[:20, 10:] = value
    values[50, 50] = value
    read = read_depth(written(tmp_path, values, "npy"), SMALL)
    assert read.sky[:20, 10:].all() and not read.sky[20:50].any() and not read.sky[:, :10].any()
    assert bool(read.sky[50, 50]) == (value == np.inf)
    assert np.isfinite(read.depth).all() and (read.depth > 0).all()


def test_eight_bits_are_read_with_a_warning(tmp_path: Path) -> None:
    Image.fromarray(np.clip(ramp() * 6, 1, 255).astype(np.uint8)).save(tmp_path / "d.png")
    assert any("8 bits" in note for note in read_depth(tmp_path / "d.png", SMALL).notes)


@given(
    arrays.arrays(
        np.float32, (8, 12), elements=st.floats(width=32, allow_nan=True, allow_infinity=True, min_value=None)
    )
)
def test_whatever_the_numbers_the_result_is_positive_and_finite_or_an_error(values: np.ndarray) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = written(Path(folder), values, "npy")
        try:
            read = read_depth(path, SMALL)
        except BadDepthMap:
            known = np.isfinite(values) & (values > 0)
            assert known.mean() < 0.2
        else:
            assert isinstance(read, DepthMap)
            assert np.isfinite(read.depth).all() and (read.depth > 0.0).all()
            assert read.depth.shape == read.sky.shape == (80, 120)


# ---- no depth map -------------------------------------------------------------------------------


def bad(kind: str, folder: Path) -> Path:
    path = folder / "depth.npy"
    match kind:
        case "all NaN":
            np.save(path, np.full((80, 120), np.nan, np.float32))
        case "another shape":
            np.save(path, ramp(100, 100))
        case "turned":
            np.save(path, ramp(80, 120))
        case "a colour picture":
            Image.new("RGB", (120, 80)).save(path, "PNG")
        case "pickled objects":
            np.save(path, np.array([{"a": 1}], object), allow_pickle=True)
        case "words":
            np.save(path, np.array(["a", "b"]))
        case "three channels":
            np.save(path, np.ones((80, 120, 3), np.float32))
        case "one row of numbers":
            np.save(path, np.ones(80, np.float32))
        case "nothing in it":
            np.save(path, np.ones((0, 120), np.float32))
        case "cut":
            np.save(path, ramp())
            path.write_bytes(path.read_bytes()[:-100])
        case "a cut header":
            np.save(path, ramp())
            path.write_bytes(path.read_bytes()[:20])
        case "a claim of a terabyte":
            np.save(path, ramp())
            content = path.read_bytes()
            path.write_bytes(content.replace(b"(80, 120)", b"(9e9, 9)"[:9].ljust(9)))
        case "a claim of 10^12 numbers":
            header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000, 1000000), }"
            text = header.ljust(117).encode() + b"\n"
            path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text)
        case "two arrays":
            with path.open("wb") as file:
                np.savez(file, first=ramp(), second=ramp())
        case "no arrays":
            with zipfile.ZipFile(path, "w") as archive:
                archive.writestr("readme.txt", "nothing here")
        case "a cut archive":
            with path.open("wb") as file:
                np.savez(file, depth=ramp())
            path.write_bytes(path.read_bytes()[:500])
        case "text":
            path.write_text("1.0 2.0 3.0")
        case _:
            pass
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("all NaN", "0.0% of the depth map are positive"),
        ("another shape", "100 x 100 pixels for a picture of 120 x 80; it must have the picture's shape"),
        ("turned", "80 x 120 pixels for a picture of 120 x 80; turn it"),
        ("a colour picture", "is grey (16-bit PNG) or a NumPy array, this picture is RGB"),
        ("pickled objects", "numbers"),
        ("words", "numbers"),
        ("three channels", "[height, width], this array is [80, 120, 3]"),
        ("one row of numbers", "this array is [80]"),
        ("nothing in it", "this array is [0, 120]"),
        ("cut", "damaged or cut off"),
        ("a cut header", "damaged or cut off"),
        ("a claim of a terabyte", "damaged or cut off"),
        ("a claim of 10^12 numbers", "this array is [1000000, 1000000]"),
        ("two arrays", "there is: first, second"),
        ("no arrays", "there is: none"),
        ("a cut archive", "damaged or cut off"),
        ("text", "no picture that can be read"),
        ("missing", "no such file"),
    ],
)
def test_what_is_no_depth_map_is_one_clear_line(tmp_path: Path, kind: str, words: str) -> None:
    path = bad(kind, tmp_path)
    with pytest.raises(CommandError) as caught:
        read_depth(path, SMALL)
    line = str(caught.value)
    assert line.startswith(f"{path}: ") and words in line
    assert "\n" not in line and len(line) < len(str(path)) + 200
