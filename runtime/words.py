"""How words of the command line are read: each form of a value once, with an error that says what is wanted.

Owns ranges and examples of numbers, points, sizes and names; ``runtime/commands.py`` says which option takes which.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tyro.constructors import PrimitiveConstructorSpec

from wonderzoom.generation.jobs import MAX_FACTOR, MAX_PROMPT, MIN_FACTOR
from wonderzoom.protocol.limits import MAX_VIEWERS
from wonderzoom.runtime.errors import UsageError
from wonderzoom.runtime.optics import FOCAL_RANGE_MM

MAX_SEED = 1 << 63
LEAST_MEMORY = (
    64 << 20
)  # bytes: half of it holds half a million surfels, more than a picture shows of one layer
# Beyond this neither a screen nor H.264 (16384) has a use for more; a frame of it takes 1.3 GB while drawn.
MAX_SIDE = 8192
MIN_BUDGET, MAX_BUDGET = 1_000, 100_000_000  # surfels in a picture
MIN_SIDE = 16
# A frame that moves by more than its own size shows nothing that exists.
MAX_PAN = 1.0


def word(read: Callable[[str], object], name: str, metavar: str) -> Any:
    """How tyro reads one word: by ``read``, whose ValueError says what is wrong with it."""

    def read_word(words: list[str]) -> object:
        try:
            return read(words[0])
        except ValueError as error:
            raise UsageError(f"{name}: {error}") from None

    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=read_word,
        is_instance=lambda _value: True,
        str_from_instance=lambda value: [str(value)],
    )


def _number(text: str, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is no number; {what}") from None
    if not math.isfinite(value):
        raise ValueError(f"{text[:40]!r} is no finite number; {what}")
    return value


def read_point(text: str) -> tuple[float, float]:
    """``U,V``: fractions of a frame."""
    what = "give two fractions of the frame from its top left corner, such as 0.42,0.61"
    parts = text.split(",")
    if len(parts) != 2:
        raise ValueError(f"{text[:40]!r} is no point; {what}")
    u, v = (_number(part, what) for part in parts)
    if not (0.0 <= u <= 1.0 and 0.0 <= v <= 1.0):
        raise ValueError(f"{text[:40]!r} is outside the frame; {what}")
    return u, v


def read_pan(text: str) -> tuple[float, float]:
    """``DX,DY``: how far a frame moves, in frames to the right and down."""
    what = f"give two numbers of frames, right and down, up to {MAX_PAN:g} each, such as 0.5,0"
    parts = text.split(",")
    if len(parts) != 2:
        raise ValueError(f"{text[:40]!r} says not how far; {what}")
    across, down = (_number(part, what) for part in parts)
    if max(abs(across), abs(down)) > MAX_PAN:
        raise ValueError(f"{text[:40]!r} is too far; {what}")
    return across, down


def _whole(text: str, least: int, most: int, what: str) -> int:
    try:
        value = int(text)
    except ValueError:
        raise ValueError(f"{text[:40]!r} is no whole number; {what}") from None
    if not least <= value <= most:
        raise ValueError(f"{text[:40]} is out of range; {what}")
    return value


def read_port(text: str) -> int:
    """A TCP port."""
    return _whole(text, 0, 65535, "a port is 0 to 65535")


def read_budget(text: str) -> int:
    """Surfels in a picture."""
    return _whole(text, MIN_BUDGET, MAX_BUDGET, f"{MIN_BUDGET:,} to {MAX_BUDGET:,} surfels are possible")


def read_viewers(text: str) -> int:
    """How many people."""
    return _whole(text, 1, MAX_VIEWERS, f"1 to {MAX_VIEWERS} people fit")


def read_memory(text: str) -> int:
    """Bytes: ``800M``, ``4G``."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([MGT])i?B?", text.strip(), re.IGNORECASE)
    if not found:
        raise ValueError(f"{text[:40]!r} is no amount of memory; write 800M or 4G")
    size = int(float(found[1]) * 2.0 ** {"M": 20, "G": 30, "T": 40}[found[2].upper()])
    if size < LEAST_MEMORY:
        raise ValueError(f"{text[:40]} is too little; at least {LEAST_MEMORY >> 20}M")
    return size


def _between(text: str, low: float, high: float, what: str) -> float:
    value = _number(text, what)
    if not low <= value <= high:
        raise ValueError(f"{text[:40]} is out of range; {what}")
    return value


def read_detail(text: str) -> float:
    """How many times the first picture's frame is enlarged."""
    return _between(text, 1e-3, 1e12, "a detail is 0.001 to 1e12 times that of the first picture")


def read_factor(text: str) -> float:
    """How many times to zoom in."""
    return _between(text, MIN_FACTOR, MAX_FACTOR, f"a zoom is {MIN_FACTOR:.3g} to {MAX_FACTOR:g} times")


def read_focal(text: str) -> float:
    """A focal length in millimetres on 35 mm film."""
    low, high = FOCAL_RANGE_MM
    return _between(text, low, high, f"give the lens in millimetres as on 35 mm film, {low:g} to {high:g}")


def read_degrees(text: str) -> float:
    """How far views stand apart."""
    return _between(text, 0.5, 45.0, "views stand 0.5 to 45 degrees apart")


def read_speed(text: str) -> float:
    """How much faster than it was."""
    return _between(text, 0.01, 10_000.0, "a film runs 0.01 to 10000 times as fast")


def read_seed(text: str) -> int:
    """A whole number that chance follows from."""
    if not re.fullmatch(r"\d{1,19}", text) or int(text) >= MAX_SEED:
        raise ValueError(f"{text[:40]!r} is no seed; give a whole number from 0 to 2**63 - 1")
    return int(text)


def read_size(text: str) -> tuple[int, int]:
    """``WIDTHxHEIGHT`` in pixels."""
    match = re.fullmatch(r"(\d{1,9})[xX](\d{1,9})", text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is no size; give WIDTHxHEIGHT in pixels, such as 1280x720")
    width, height = int(match[1]), int(match[2])
    if not (MIN_SIDE <= min(width, height) and max(width, height) <= MAX_SIDE):
        raise ValueError(f"{text[:40]} is out of range; each side has {MIN_SIDE} to {MAX_SIDE} pixels")
    return width, height


def read_prompt(text: str) -> str:
    """Words in any language."""
    if len(text) > MAX_PROMPT:
        raise ValueError(f"{len(text):,} characters; at most {MAX_PROMPT:,} are read")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("this is not text in UTF-8") from None
    return text


def read_path(text: str) -> Path:
    """A file or directory."""
    if not text:
        raise ValueError("give the name of a file or directory; this one is empty")
    return Path(text)


def path_word(name: str, metavar: str) -> Any:
    """How tyro reads the name of a file or directory."""
    return word(read_path, name, metavar)
