"""Reading what people have: any picture as sRGB bytes of the size that generation works in, and its lens.

Owns orientation, colour, alpha, size and focal length of a photo. Only pixels get out: whatever else a file
says (place, time, camera) is dropped here. Sizes are checked before anything is decoded. Depth maps are read
in ``runtime/depth_maps.py``.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.optics import FOCAL_RANGE_MM, focal_mm, focal_pixels

SHORT_SIDE = 512  # H_ref where nothing else is asked for
# A generated picture is at most twice as long as it is high: beyond, a frame shows more rim than middle.
MAX_ASPECT = 2.0
# Below, an enlarged picture is a blur that nothing can be told from.
MIN_SIDE = 64
# 200 megapixels are the largest phone sensors; decoded they take 800 MB.
MAX_PIXELS = 200_000_000
WHITE = (255, 255, 255)  # what transparent pixels are shown on, as viewers do
# EXIF FocalPlaneResolutionUnit -> millimetres: inch, centimetre, millimetre, micrometre.
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}
_EXIF_SUB_IFD = 0x8769
# EPS runs Ghostscript on what a stranger wrote.
_UNWANTED_FORMATS = {"EPS"}
_HEIC_BRANDS = {b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"}


class BadPicture(CommandError):
    """A file that makes no picture."""


@dataclass(frozen=True, slots=True)
class Framing:
    """How a picture of the source's size, upright, becomes the one that generation works on."""

    source: tuple[int, int]  # width, height
    box: tuple[float, float, float, float]  # left, top, right, bottom of what is kept, source pixels
    size: tuple[int, int]  # width, height of the result

    @property
    def scale(self) -> float:
        """Pixels of the result per pixel of the source."""
        return min(self.size) / min(self.source)

    def focal(self, mm: float) -> float:
        """A lens, which is told for the whole picture, in pixels of the result."""
        return focal_pixels(mm, *self.source) * self.scale


@dataclass(frozen=True, slots=True)
class Picture:
    """A photo, read."""

    image: NDArray[np.uint8]  # [H, W, 3] sRGB, upright
    framing: Framing
    focal: float | None  # pixels of ``image``; None where the file does not tell
    notes: tuple[str, ...]  # what was done to it that a person may want to know


def framing_of(width: int, height: int, short_side: int) -> Framing:
    """The middle of the picture, 2 : 1 at most, with ``short_side`` pixels on its short side."""
    short = min(width, height)
    long = min(max(width, height), MAX_ASPECT * short)
    kept = (long, short) if width >= height else (short, long)
    left, top = (width - kept[0]) / 2, (height - kept[1]) / 2
    scaled = min(round(long * short_side / short), round(MAX_ASPECT * short_side))
    size = (scaled, short_side) if width >= height else (short_side, scaled)
    return Framing((width, height), (left, top, left + kept[0], top + kept[1]), size)


# ---- opening ------------------------------------------------------------------------------------


def check_file(path: Path) -> None:
    """Raise BadPicture for what can't be opened as a file."""
    try:
        if not path.exists():
            raise BadPicture(f"{path}: there is no such file")
        if not path.is_file():
            raise BadPicture(f"{path}: this is no file")
    except (OSError, ValueError) as error:  # a name that no file can have
        reason = getattr(error, "strerror", None) or str(error)
        raise BadPicture(f"{str(path)[:80]}: could not read it: {reason}") from error


@contextmanager
def opened(path: Path) -> Generator[Image.Image]:
    """A picture of which nothing is decoded yet, no larger than MAX_PIXELS; its errors become BadPicture."""
    check_file(path)
    Image.init()
    allowed = sorted(set(Image.ID) - _UNWANTED_FORMATS)
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, MAX_PIXELS
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of broken metadata, which is dropped anyway
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=allowed) as image:
                yield image
    except (CommandError, MemoryError):
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        pixels = re.search(r"\((\d+) pixels\)", str(error))
        size = f"{int(pixels[1]) / 1e6:,.0f} megapixels" if pixels else "very large"
        raise BadPicture(
            f"{path}: {size}; at most {MAX_PIXELS // 1_000_000} are read: make it smaller first"
        ) from error
    except UnidentifiedImageError as error:
        raise BadPicture(f"{path}: {_unknown(path)}") from error
    except PermissionError as error:
        raise BadPicture(f"{path}: could not read it: {error.strerror}") from error
    except Exception as error:  # each decoder has its own words for a file that makes no sense to it
        raise BadPicture(f"{path}: the picture is damaged or cut off ({error})") from error
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _unknown(path: Path) -> str:
    with path.open("rb") as file:
        head = file.read(16)
    if not head:
        return "the file is empty"
    if head[4:8] == b"ftyp" and head[8:12] in _HEIC_BRANDS:
        return "HEIC pictures can't be read; export it as JPEG or PNG first"
    return "this is no picture that can be read; JPEG, PNG, WebP, TIFF and many others can"


# ---- reading ------------------------------------------------------------------------------------


def read_picture(path: Path, short_side: int = SHORT_SIDE) -> Picture:
    """The picture of a file, upright, in sRGB, with ``short_side`` pixels on its short side.

    Raises BadPicture.
    """
    notes: list[str] = []
    with opened(path) as image:
        if min(image.size) < MIN_SIDE:
            size = f"{image.width} x {image.height} pixels"
            raise BadPicture(f"{path}: {size} are too few; each side needs {MIN_SIDE} or more")
        if image.format != "MPO" and getattr(image, "is_animated", False):
            notes.append("more than one picture in the file: the first one is taken")
        exif = _exif(image)
        turned = exif.get(ExifTags.Base.Orientation) in (5, 6, 7, 8)  # a quarter: sides change places
        framing = framing_of(*image.size, short_side)
        whole = framing.source
        # A JPEG decodes at 1/2, 1/4 or 1/8 of its size much faster; twice the result keeps its sharpness.
        image.draft(None, (2 * framing.size[0], 2 * framing.size[1]))
        shrunk = image.width / whole[0]
        image.load()
        opaque = _opaque(image, notes)
        box = tuple(edge * shrunk for edge in framing.box)
        small = opaque.resize(
            framing.size, Image.Resampling.LANCZOS, _within(box, opaque.size), reducing_gap=3.0
        )
        result = ImageOps.exif_transpose(_with_exif(_srgb(small, image, notes), exif))
    width, height = (whole[1], whole[0]) if turned else whole
    upright = framing_of(width, height, short_side)
    if result.size != upright.size:
        raise BadPicture(f"{path}: its orientation makes no sense")
    if upright.box[0] >= 1.0 or upright.box[1] >= 1.0:
        notes.append(
            f"longer than 2 : 1: the middle of it is taken ({upright.size[0]} x {upright.size[1]} pixels)"
        )
    if upright.scale > 1.5:
        notes.append(f"a small picture ({upright.source[0]} x {upright.source[1]} pixels): it was enlarged")
    mm = _focal_mm(exif, whole)
    if mm is not None:
        notes.append(f"lens by the file's EXIF: {mm:.3g} mm (35 mm equivalent)")
    pixels = np.ascontiguousarray(np.asarray(result, np.uint8))
    return Picture(pixels, upright, None if mm is None else upright.focal(mm), tuple(notes))


def _within(box: tuple[float, ...], size: tuple[int, int]) -> tuple[float, float, float, float]:
    """A box without what rounding put outside of the picture."""
    left, top, right, bottom = box
    return max(left, 0.0), max(top, 0.0), min(right, float(size[0])), min(bottom, float(size[1]))


# ---- colour -------------------------------------------------------------------------------------


def _opaque(image: Image.Image, notes: list[str]) -> Image.Image:
    """The pixels in a mode that is resampled well: L, RGB, CMYK or LAB, without transparency."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _grey(np.asarray(image), notes)
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        layered = image.convert("RGBA")
        alpha = layered.getchannel("A")
        if alpha.getextrema() != (255, 255):
            notes.append("transparent pixels are shown on white")
        backed = Image.new("RGB", layered.size, WHITE)
        backed.paste(layered.convert("RGB"), mask=alpha)
        return backed
    return image if image.mode in ("L", "RGB", "CMYK", "LAB") else image.convert("RGB")


def _grey(values: NDArray[Any], notes: list[str]) -> Image.Image:
    """Grey of 16-bit integers, or of floats from 0 to 1, as bytes; other numbers by their range."""
    pixels = np.nan_to_num(values.astype(np.float32), nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(pixels.min()), float(pixels.max())
    full = 1.0 if values.dtype.kind == "f" else 65535.0
    if low < 0.0 or high > full:
        notes.append(f"grey values from {low:g} to {high:g}: stretched to black and white")
        pixels, full = pixels - np.float32(low), max(high - low, 1e-30)
    return Image.fromarray((pixels * np.float32(255.0 / full) + 0.5).astype(np.uint8))


def _srgb(image: Image.Image, source: Image.Image, notes: list[str]) -> Image.Image:
    """Pixels in L, RGB, CMYK or LAB as sRGB, by the profile of the file where it has one."""
    profile = source.info.get("icc_profile")
    if image.mode == "LAB":
        return _converted(image, ImageCms.createProfile("LAB"))
    if profile:
        try:
            read = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            space = str(getattr(read.profile, "xcolor_space", "")).strip()
            if space == {"L": "GRAY"}.get(image.mode, image.mode):
                return _converted(image, read)
            if space == "GRAY" and source.mode in ("LA", "La"):
                return _converted(image.convert("L"), read)
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError) as error:
            notes.append(f"its colour profile can't be used ({error}): taken as sRGB")
            return image.convert("RGB")
    if image.mode == "CMYK":
        notes.append("CMYK without a colour profile: its colours are approximate")
    return image.convert("RGB")


def _converted(image: Image.Image, profile: Any) -> Image.Image:
    """Pixels that a profile (of a type that Pillow does not name) gives a meaning to, in sRGB."""
    converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    assert converted is not None  # it is only for conversions in place
    return converted


# ---- EXIF ---------------------------------------------------------------------------------------


def _exif(image: Image.Image) -> Image.Exif:
    try:
        exif = image.getexif()
        exif.get_ifd(_EXIF_SUB_IFD)
        return exif
    except Exception:  # hostile or broken metadata fails in many ways; a picture without any is as good
        return Image.Exif()


def _with_exif(image: Image.Image, exif: Image.Exif) -> Image.Image:
    """Orientation, and nothing else, where ``exif_transpose`` looks for it."""
    orientation = exif.get(ExifTags.Base.Orientation)
    kept = image.getexif()
    kept.clear()
    if orientation in range(1, 9):
        kept[ExifTags.Base.Orientation] = orientation
    return image


def _focal_mm(exif: Image.Exif, size: tuple[int, int]) -> float | None:
    """The 35 mm equivalent that a file tells, by itself or by focal length and sensor; None for nonsense."""
    try:
        tags = exif.get_ifd(_EXIF_SUB_IFD)
        mm = float(tags.get(ExifTags.Base.FocalLengthIn35mmFilm, 0) or 0)
        if not mm:
            per_unit = float(tags[ExifTags.Base.FocalPlaneXResolution])
            unit = _UNIT_MM[int(tags.get(ExifTags.Base.FocalPlaneResolutionUnit, 2))]
            width = float(tags.get(ExifTags.Base.ExifImageWidth, 0) or size[0])
            # Pixels of the sensor's picture, then of this one, which may have been scaled since.
            pixels = float(tags[ExifTags.Base.FocalLength]) * per_unit / unit * size[0] / width
            mm = focal_mm(pixels, *size)
    except (KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return mm if FOCAL_RANGE_MM[0] <= mm <= FOCAL_RANGE_MM[1] else None
