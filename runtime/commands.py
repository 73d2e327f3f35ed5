"""What can be asked on the command line: one dataclass a command, from which tyro makes parser and help.

Owns names, defaults, help texts and the form of each value; ``runtime/cli.py`` carries commands out. A value
that can't be meant is a ValueError with one clear line here, and exit code 2 there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

from tyro.conf import Positional, arg, subcommand
from tyro.constructors import PrimitiveConstructorSpec

from wonderzoom.generation.jobs import MAX_FACTOR, MAX_PROMPT, MIN_FACTOR, Mode
from wonderzoom.runtime.optics import FOCAL_RANGE_MM
from wonderzoom.scene_graph.scales import Modulation

DEFAULT_GENERATOR = "embedded"
MAX_SEED = 1 << 63
# Beyond this neither a screen nor H.264 (16384) has a use for more; a frame of it takes 1.3 GB while drawn.
MAX_SIDE = 8192
MIN_SIDE = 16

_Value = TypeVar("_Value")


# ---- values -------------------------------------------------------------------------------------


def _read_with(read: Callable[[str], object], metavar: str) -> Any:
    """How tyro reads one word: by ``read``, which raises ValueError with a line for the person."""
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=metavar,
        instance_from_str=lambda words: read(words[0]),
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


def point(text: str) -> tuple[float, float]:
    """``U,V``: fractions of a frame."""
    what = "give two fractions of the frame from its top left corner, such as 0.42,0.61"
    parts = text.split(",")
    if len(parts) != 2:
        raise ValueError(f"{text[:40]!r} is no point; {what}")
    u, v = (_number(part, what) for part in parts)
    if not (0.0 <= u <= 1.0 and 0.0 <= v <= 1.0):
        raise ValueError(f"{text[:40]!r} is outside the frame; {what}")
    return u, v


def factor(text: str) -> float:
    """How many times to zoom in."""
    what = f"a zoom is {MIN_FACTOR:.3g} to {MAX_FACTOR:g} times"
    value = _number(text, what)
    if not MIN_FACTOR <= value <= MAX_FACTOR:
        raise ValueError(f"{text[:40]} is out of range; {what}")
    return value


def focal(text: str) -> float:
    """A focal length in millimetres on 35 mm film."""
    low, high = FOCAL_RANGE_MM
    what = f"give the lens in millimetres as on 35 mm film, {low:g} to {high:g}"
    value = _number(text, what)
    if not low <= value <= high:
        raise ValueError(f"{text[:40]} is out of range; {what}")
    return value


def seed(text: str) -> int:
    """A whole number that chance follows from."""
    if not re.fullmatch(r"\d{1,19}", text) or int(text) >= MAX_SEED:
        raise ValueError(f"{text[:40]!r} is no seed; give a whole number from 0 to 2**63 - 1")
    return int(text)


def size(text: str) -> tuple[int, int]:
    """``WIDTHxHEIGHT`` in pixels."""
    match = re.fullmatch(r"(\d{1,9})[xX](\d{1,9})", text)
    if match is None:
        raise ValueError(f"{text[:40]!r} is no size; give WIDTHxHEIGHT in pixels, such as 1280x720")
    width, height = int(match[1]), int(match[2])
    if not (MIN_SIDE <= min(width, height) and max(width, height) <= MAX_SIDE):
        raise ValueError(f"{text[:40]} is out of range; each side has {MIN_SIDE} to {MAX_SIDE} pixels")
    return width, height


def prompt(text: str) -> str:
    """Words, on one line."""
    if len(text) > MAX_PROMPT:
        raise ValueError(f"a prompt of {len(text)} characters; at most {MAX_PROMPT} are read")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("the prompt is not text in UTF-8") from None
    return text


def _option(read: Callable[[str], object], metavar: str) -> Any:
    return _read_with(read, metavar)


def _place(metavar: str) -> Any:
    return _read_with(Path, metavar)


_Seed = Annotated[int, _option(seed, "N")]
_Prompt = Annotated[str, _option(prompt, "TEXT"), arg(help_behavior_hint="(default: none)")]
_World = Annotated[Positional[Path], _place("WORLD")]
_OPTIONAL = arg(help_behavior_hint="")
_Generator = Annotated[str, arg(metavar="NAME")]


# ---- commands -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Demo:
    """The whole thing on our own picture: makes a world of it, zooms into it, films the descent."""

    once: bool = False
    """Write the files and end: what it does in any case while there is no viewer."""


@dataclass(frozen=True, slots=True)
class Create:
    """Make a world from a photo."""

    image: Annotated[Positional[Path], _place("IMAGE")]
    """The photo: JPEG, PNG, TIFF, WebP and others."""
    output: Annotated[Path, _place("WORLD"), arg(aliases=["-o"])]
    """The directory to make; it holds the world."""
    depth: Annotated[Path | None, _place("FILE"), _OPTIONAL] = None
    """A depth map of the photo."""
    focal: Annotated[float | None, _option(focal, "MM"), _OPTIONAL] = None
    """The lens in millimetres as on 35 mm film."""
    generator: _Generator = DEFAULT_GENERATOR
    """What makes the content."""
    seed: _Seed = 0
    """Another number, another result; the same number, the same world."""


@dataclass(frozen=True, slots=True)
class Zoom:
    """Generate finer content in a world."""

    world: _World
    """The world's directory."""
    at: Annotated[tuple[float, float] | None, _option(point, "U,V"), _OPTIONAL] = None
    """Where to zoom in."""
    factor: Annotated[float | None, _option(factor, "F"), _OPTIONAL] = None
    """How many times."""
    camera: Annotated[Path | None, _place("FILE"), _OPTIONAL] = None
    """A camera file instead of --at and --factor."""
    prompt: _Prompt = ""
    """What should be there."""
    node: Annotated[str | None, arg(metavar="ID"), _OPTIONAL] = None
    """The node."""
    mode: Mode = "add"
    """Add or replace."""
    generator: _Generator = DEFAULT_GENERATOR
    """What makes the content."""
    seed: _Seed = 0
    """Another number, another result."""
    json: bool = False
    """Print JSON."""


@dataclass(frozen=True, slots=True)
class Build:
    """Make a world from a plan."""

    plan: Annotated[Positional[Path], _place("PLAN.toml")]
    """The plan."""
    output: Annotated[Path, _place("WORLD"), arg(aliases=["-o"])]
    """The directory of the world."""


@dataclass(frozen=True, slots=True)
class Render:
    """Draw a picture or a film of a world."""

    world: _World
    """The world's directory."""
    output: Annotated[Path, _place("FILE"), arg(aliases=["-o"])]
    """The file to write."""
    node: Annotated[str | None, arg(metavar="ID"), _OPTIONAL] = None
    """The node to show."""
    camera: Annotated[Path | None, _place("FILE"), _OPTIONAL] = None
    """A camera file."""
    size: Annotated[tuple[int, int] | None, _option(size, "WxH"), _OPTIONAL] = None
    """Pixels."""
    path: Annotated[str | None, arg(metavar="PATH"), _OPTIONAL] = None
    """descent, orbit or a path file."""
    modulation: Modulation = "optical_mass"
    """How weights act."""


@dataclass(frozen=True, slots=True)
class Info:
    """Show what a world holds."""

    world: _World
    """The world's directory."""
    json: bool = False
    """Print JSON."""
    check: bool = False
    """Read and check every byte."""


@dataclass(frozen=True, slots=True)
class Remove:
    """Undo a zoom, with all that was built on it."""

    world: _World
    """The world's directory."""
    node: Annotated[Positional[str], arg(metavar="NODE")]
    """The node."""


@dataclass(frozen=True, slots=True)
class Doctor:
    """Look for what would keep WonderZoom from running well here."""


Command = Demo | Create | Zoom | Build | Render | Info | Remove | Doctor
PARSED = (
    Annotated[Demo, subcommand("demo")]
    | Annotated[Create, subcommand("create")]
    | Annotated[Zoom, subcommand("zoom")]
    | Annotated[Build, subcommand("build")]
    | Annotated[Render, subcommand("render")]
    | Annotated[Info, subcommand("info")]
    | Annotated[Remove, subcommand("remove")]
    | Annotated[Doctor, subcommand("doctor")]
)
NAMES = ("demo", "create", "zoom", "build", "render", "info", "remove", "doctor")
DESCRIPTION = "One photo becomes a 3D world that you can zoom into, for ever."
