"""Pictures: whatever people have becomes upright sRGB of the right size, or one clear line."""

import io
import struct
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageCms, PngImagePlugin

from wonderzoom.runtime.optics import FILM_DIAGONAL_MM
from wonderzoom.runtime.pictures import (
    MAX_PIXELS,
    MIN_SIDE,
    SHORT_SIDE,
    BadPicture,
    framing_of,
    read_picture,
)

RED, GREEN, BLUE, WHITE = (200, 30, 20), (40, 180, 60), (30, 60, 210), (255, 255, 255)
ORIENTATION, EXIF_IFD, GPS_IFD = 0x0112, 0x8769, 0x8825
FOCAL_35, FOCAL, FOCAL_X, FOCAL_UNIT, EXIF_WIDTH = 0xA405, 0x920A, 0xA20E, 0xA210, 0xA002


def quarters(width: int = 120, height: int = 80) -> Image.Image:
    """Red and green above blue and white: every turn and mirror looks different."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2], pixels[: height // 2, width // 2 :] = RED, GREEN
    pixels[height // 2 :, : width // 2], pixels[height // 2 :, width // 2 :] = BLUE, WHITE
    return Image.fromarray(pixels)


def corners(image: np.ndarray) -> list[tuple[int, ...]]:
    """The colours in the middle of the four quarters, row by row."""
    h, w = image.shape[:2]
    return [tuple(map(int, image[y, x])) for y in (h // 4, 3 * h // 4) for x in (w // 4, 3 * w // 4)]


def near(found: list[tuple[int, ...]], wanted: list[tuple[int, int, int]], within: int) -> bool:
    return bool(np.abs(np.array(found) - np.array(wanted)).max() <= within)


def png_claiming(width: int, height: int) -> bytes:
    """A PNG of that size with no pixels in it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"")), chunk(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


# ---- size ---------------------------------------------------------------------------------------


@given(st.integers(MIN_SIDE, 40_000), st.integers(MIN_SIDE, 40_000), st.integers(64, 1024))
def test_every_picture_is_framed_to_the_short_side_and_two_to_one(w: int, h: int, short: int) -> None:
    framing = framing_of(w, h, short)
    left, top, right, bottom = framing.box
    assert min(framing.size) == short and max(framing.size) <= 2 * short
    assert 0 <= left <= right <= w and 0 <= top <= bottom <= h
    assert left == pytest.approx(w - right) and top == pytest.approx(h - bottom)  # the middle
    assert (right - left) * framing.scale == pytest.approx(framing.size[0], abs=0.5)
    assert (bottom - top) * framing.scale == pytest.approx(framing.size[1], abs=0.5)
    assert (framing.size[0] > framing.size[1]) <= (w > h)


def test_a_picture_is_scaled_to_the_reference_size(tmp_path: Path) -> None:
    quarters(900, 700).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    assert picture.image.shape == (SHORT_SIDE, round(SHORT_SIDE * 9 / 7), 3)
    assert picture.image.dtype == np.uint8 and picture.image.flags.c_contiguous
    assert corners(picture.image) == [RED, GREEN, BLUE, WHITE]
    assert picture.notes == ()


def test_a_long_picture_loses_its_ends_and_says_so(tmp_path: Path) -> None:
    pixels = np.zeros((100, 500, 3), np.uint8)
    pixels[:, 150:350] = RED
    Image.fromarray(pixels).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png", 100)
    assert picture.image.shape == (100, 200, 3)
    assert (picture.image == RED).all()
    assert any("2 : 1" in note for note in picture.notes)


def test_a_small_picture_is_enlarged_and_says_so(tmp_path: Path) -> None:
    quarters().save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    assert picture.image.shape == (512, 768, 3)
    assert any("enlarged" in note for note in picture.notes)


def test_a_large_jpeg_keeps_its_place_when_it_is_decoded_small(tmp_path: Path) -> None:
    quarters(2400, 1600).save(tmp_path / "a.jpg", quality=95)
    picture = read_picture(tmp_path / "a.jpg", 80)
    assert near(corners(picture.image), [RED, GREEN, BLUE, WHITE], 6)
    edge = picture.image[:, 60].astype(int) - picture.image[:, 59]
    assert np.abs(edge).max() > 60  # the middle is still a sharp edge, at its place


# ---- colour -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "mode", "within"),
    [
        ("a.png", "RGB", 0),
        ("a.webp", "RGB", 12),
        ("a.bmp", "RGB", 0),
        ("a.tif", "RGB", 0),
        ("a.png", "P", 0),
        ("a.gif", "P", 0),
        ("a.jpg", "CMYK", 12),
        ("a.tif", "LAB", 4),
    ],
)
def test_every_kind_of_colour_comes_out_as_rgb(tmp_path: Path, name: str, mode: str, within: int) -> None:
    stored = quarters().quantize(16) if mode == "P" else quarters().convert(mode)
    stored.save(tmp_path / name)
    assert near(corners(read_picture(tmp_path / name, 80).image), [RED, GREEN, BLUE, WHITE], within)


@pytest.mark.parametrize("kind", ["8 bits", "16 bits", "32 bits", "float", "one bit"])
def test_grey_of_any_depth_comes_out_as_equal_channels(tmp_path: Path, kind: str) -> None:
    grey = np.repeat(np.array([[0, 255], [102, 51]], np.uint8), 40, 0).repeat(60, 1)
    wanted = [(0,) * 3, (255,) * 3, (102,) * 3, (51,) * 3]
    made: dict[str, Image.Image] = {
        "8 bits": Image.fromarray(grey),
        "16 bits": Image.fromarray(grey.astype(np.uint16) * 257),
        "32 bits": Image.fromarray(grey.astype(np.int32) * 257),
        "float": Image.fromarray((grey / np.float32(255)).astype(np.float32)),
        "one bit": Image.fromarray(grey > 77).convert("1"),
    }
    made[kind].save(tmp_path / "a.tif")
    if kind == "one bit":
        wanted = [(0,) * 3, (255,) * 3, (255,) * 3, (0,) * 3]
    assert corners(read_picture(tmp_path / "a.tif", 80).image) == wanted


def test_floats_beyond_one_are_stretched_and_holes_in_them_are_black(tmp_path: Path) -> None:
    values = np.linspace(-50.0, 350.0, 80 * 120, dtype=np.float32).reshape(80, 120)
    values[0, 0] = np.nan
    Image.fromarray(values).save(tmp_path / "a.tif")
    picture = read_picture(tmp_path / "a.tif", 80)
    assert picture.image.min() == 0 and picture.image.max() == 255
    assert any("stretched" in note for note in picture.notes)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "PA"])
def test_transparency_is_shown_on_white(tmp_path: Path, mode: str) -> None:
    image = quarters().convert("RGBA")
    alpha = np.full((80, 120), 255, np.uint8)
    alpha[:40, :60] = 0
    alpha[40:, :60] = 128
    image.putalpha(Image.fromarray(alpha))
    name = "a.png" if mode != "PA" else "a.tif"
    image.convert(mode).save(tmp_path / name) if mode != "PA" else image.save(tmp_path / name)
    picture = read_picture(tmp_path / name, 80)
    seen = corners(picture.image)
    assert seen[0] == WHITE
    assert 130 <= seen[2][0] <= 200  # half of it shines through
    assert any("white" in note for note in picture.notes)


def test_one_transparent_colour_is_transparency_too(tmp_path: Path) -> None:
    quarters().save(tmp_path / "a.png", transparency=RED)
    assert corners(read_picture(tmp_path / "a.png", 80).image)[0] == WHITE


def linear_profile() -> bytes:
    """An ICC profile of sRGB's primaries with gamma 1: bytes mean something else in it."""
    # XYZ is linear; a built-in profile that differs from sRGB without shipping a file.
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = bytearray(profile)
    count = struct.unpack(">I", data[128:132])[0]
    for i in range(count):
        name, offset, size = struct.unpack(">4sII", data[132 + 12 * i : 144 + 12 * i])
        if name in (b"rTRC", b"gTRC", b"bTRC"):
            # A parametric curve of type 0 is Y = X ** g; g = 1.0 as s15Fixed16.
            curve = b"para\0\0\0\0\0\0\0\0" + struct.pack(">i", 1 << 16)
            data[offset : offset + size] = curve.ljust(size, b"\0")[:size]
    return bytes(data)


def test_a_colour_profile_is_honoured(tmp_path: Path) -> None:
    Image.new("RGB", (120, 80), (64, 64, 64)).save(tmp_path / "a.png", icc_profile=linear_profile())
    seen = read_picture(tmp_path / "a.png", 80).image[0, 0]
    assert seen == pytest.approx([137, 137, 137], abs=2)  # sRGB of linear 64 / 255


def test_a_broken_colour_profile_is_said_and_left_out(tmp_path: Path) -> None:
    quarters().save(tmp_path / "a.png", icc_profile=b"no profile")
    picture = read_picture(tmp_path / "a.png", 80)
    assert corners(picture.image) == [RED, GREEN, BLUE, WHITE]
    assert any("profile" in note for note in picture.notes)


# ---- EXIF ---------------------------------------------------------------------------------------

TURNS = [
    None,
    Image.Transpose.FLIP_LEFT_RIGHT,
    Image.Transpose.ROTATE_180,
    Image.Transpose.FLIP_TOP_BOTTOM,
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_90,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_270,
]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png"])
def test_a_turned_picture_is_put_upright(tmp_path: Path, orientation: int, name: str) -> None:
    turn = TURNS[orientation - 1]
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = quarters() if turn is None else quarters().transpose(turn)
    stored.save(tmp_path / name, exif=exif, quality=95)
    picture = read_picture(tmp_path / name, 80)
    assert picture.image.shape == (80, 120, 3)
    assert picture.framing == framing_of(120, 80, 80)
    assert near(corners(picture.image), [RED, GREEN, BLUE, WHITE], 6)


def with_exif(path: Path, tags: Mapping[int, object], size: tuple[int, int] = (120, 80)) -> Path:
    exif = Image.Exif()
    exif.get_ifd(EXIF_IFD).update(tags)
    quarters(*size).save(path, exif=exif)
    return path


def test_the_lens_is_taken_from_exif(tmp_path: Path) -> None:
    picture = read_picture(with_exif(tmp_path / "a.jpg", {FOCAL_35: 27}), 160)
    assert picture.focal == pytest.approx(27 / FILM_DIAGONAL_MM * np.hypot(240, 160))
    assert any("27 mm" in note for note in picture.notes)


def test_the_lens_is_worked_out_from_the_sensor(tmp_path: Path) -> None:
    # 6 mm, and a sensor of 1200 pixels on 0.25 inch: 6 / 25.4 * 4800 pixels of the sensor's picture.
    tags = {FOCAL: 6.0, FOCAL_X: 4800.0, FOCAL_UNIT: 2, EXIF_WIDTH: 1200}
    picture = read_picture(with_exif(tmp_path / "a.jpg", tags), 80)
    assert picture.focal == pytest.approx(6 / 25.4 * 4800 * 120 / 1200, rel=1e-3)


@pytest.mark.parametrize(
    "tags",
    [{FOCAL_35: 0}, {FOCAL_35: 60000}, {FOCAL: 6.0}, {FOCAL: 0.0, FOCAL_X: 4800.0}, {}],
    ids=["none", "impossible", "no sensor", "nothing", "no tags"],
)
def test_a_lens_that_makes_no_sense_is_unknown(tmp_path: Path, tags: Mapping[int, object]) -> None:
    assert read_picture(with_exif(tmp_path / "a.jpg", tags), 80).focal is None


def test_broken_exif_is_no_exif(tmp_path: Path) -> None:
    quarters().save(tmp_path / "a.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + b"\xff" * 40, quality=95)
    picture = read_picture(tmp_path / "a.jpg", 80)
    assert near(corners(picture.image), [RED, GREEN, BLUE, WHITE], 6) and picture.focal is None


def test_only_the_first_picture_of_an_animation_is_taken(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (80, 80), RED), Image.new("RGB", (80, 80), BLUE)
    first.save(tmp_path / "a.webp", save_all=True, append_images=[second], lossless=True)
    picture = read_picture(tmp_path / "a.webp", 80)
    assert tuple(picture.image[40, 40]) == RED
    assert any("first" in note for note in picture.notes)


# ---- no picture ---------------------------------------------------------------------------------


def broken(kind: str, path: Path) -> Path:
    whole = io.BytesIO()
    match kind:
        case "text":
            path.write_text("not a picture")
        case "empty":
            path.write_bytes(b"")
        case "cut JPEG" | "cut PNG":
            quarters(600, 400).save(whole, kind[4:])
            path.write_bytes(whole.getvalue()[: len(whole.getvalue()) // 2])
        case "no pixels":
            path.write_bytes(png_claiming(300, 200))
        case "one pixel":
            Image.new("RGB", (1, 1)).save(path, "PNG")
        case "a line":
            Image.new("RGB", (5000, 8)).save(path, "PNG")
        case "a bomb":
            path.write_bytes(png_claiming(50_000, 50_000))
        case "a little too much":
            path.write_bytes(png_claiming(MAX_PIXELS // 10_000 + 1, 10_000))
        case "HEIC":
            path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))
        case "PostScript":
            path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 300 200\nshowpage\n")
        case "a compressed text":
            info = PngImagePlugin.PngInfo()
            info.add_text("comment", "a" * (3 << 20), zip=True)
            quarters().save(path, "PNG", pnginfo=info)
        case "a folder":
            path.mkdir()
        case _:
            pass
    return path


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("text", "no picture that can be read; JPEG"),
        ("empty", "empty"),
        ("cut JPEG", "damaged or cut off"),
        ("cut PNG", "damaged or cut off"),
        ("no pixels", "damaged or cut off"),
        ("one pixel", f"1 x 1 pixels are too few; each side needs {MIN_SIDE}"),
        ("a line", "5000 x 8 pixels are too few"),
        ("a bomb", "2,500 megapixels; at most 200"),
        ("a little too much", "200 megapixels; at most 200"),
        ("HEIC", "HEIC pictures can't be read; export it as JPEG"),
        ("PostScript", "no picture that can be read"),
        ("a compressed text", "damaged"),
        ("a folder", "this is no file"),
        ("missing", "there is no such file"),
    ],
)
def test_what_is_no_picture_is_one_clear_line(tmp_path: Path, kind: str, words: str) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    path = broken(kind, tmp_path / "a.jpg")
    with pytest.raises(BadPicture) as caught:
        read_picture(path)
    line = str(caught.value)
    assert line.startswith(f"{path}: ") and words in line
    assert "\n" not in line and len(line) < len(str(path)) + 160
    assert limit == Image.MAX_IMAGE_PIXELS


@pytest.mark.parametrize("name", ["x" * 300, "a\0b"])
def test_a_name_that_no_file_can_have_is_one_clear_line(name: str) -> None:
    with pytest.raises(BadPicture):
        read_picture(Path(name))


@given(st.data())
def test_a_damaged_picture_is_read_or_refused_never_a_crash(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"]))
    whole = io.BytesIO()
    quarters().save(whole, kind)
    content = bytearray(whole.getvalue())
    for _ in range(data.draw(st.integers(1, 8))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    with tempfile.NamedTemporaryFile(suffix=".img") as file:
        file.write(content[: data.draw(st.integers(1, len(content)))])
        file.flush()
        try:
            picture = read_picture(Path(file.name), 64)
        except BadPicture as error:
            assert "\n" not in str(error)
        else:
            assert min(picture.image.shape[:2]) == 64
