"""Plans: a picture and a tree of zooms as a TOML file (docs/plans.md), decoded strictly.

Owns the format and its errors: an unknown key, a parent that is not there or a factor out of range is one
line that names the file, the line and the table. ``runtime/build.py`` carries plans out.
"""

from __future__ import annotations

import math
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from wonderzoom.generation.jobs import MAX_FACTOR, MAX_PROMPT, MIN_FACTOR, Mode
from wonderzoom.runtime.camera_file import read_camera
from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.optics import FOCAL_RANGE_MM
from wonderzoom.scene_graph.camera import Camera

ROOT = "root"  # the name of the picture itself, as a parent
_MAX_BYTES = 1 << 22  # some ten thousand zooms
_MAX_SEED = 1 << 63
_TABLE = re.compile(r"^\s*\[\[\s*zoom\s*\]\]", re.MULTILINE)
_PATH = re.compile(r" - at `\$(?:\.zoom\[(\d+)\])?(?:\.(\w+))?.*`$")


class BadPlan(CommandError):
    """A plan that can't be carried out; nothing has been done yet."""


class _Zoom(msgspec.Struct, forbid_unknown_fields=True):
    name: str = ""
    parent: str = ""
    at: tuple[float, float] | None = None
    factor: float | None = None
    camera: str | None = None
    prompt: str = ""
    seed: int | None = None
    mode: Mode = "add"


class _Plan(msgspec.Struct, forbid_unknown_fields=True):
    image: str
    depth: str | None = None
    metres_per_unit: float | None = None
    focal: float | None = None
    prompt: str = ""
    seed: int = 0
    generator: str = "embedded"
    short_side: int = 512
    zoom: list[_Zoom] = []


@dataclass(frozen=True, slots=True)
class PlannedZoom:
    """One zoom: at a point of its parent's frame, or at a camera."""

    name: str
    parent: str  # ROOT or the name of an earlier zoom
    at: tuple[float, float]
    factor: float
    camera: Camera | None  # instead of ``at`` and ``factor``
    prompt: str
    seed: int
    mode: Mode
    where: str  # for errors: file, line, table


@dataclass(frozen=True, slots=True)
class Plan:
    """A picture and the zooms into it, parents before children."""

    path: Path  # of the plan
    image: Path
    depth: Path | None
    metres_per_unit: float | None  # of the depth map
    focal: float | None  # millimetres, 35 mm equivalent
    prompt: str
    seed: int
    generator: str
    short_side: int  # H_ref: pixels of the short side of every picture
    zooms: tuple[PlannedZoom, ...]


def read_plan(path: Path) -> Plan:
    """The plan of a file; paths in it are relative to it. Raises BadPlan."""
    text = _text(path)
    try:
        raw = msgspec.convert(tomllib.loads(text), _Plan)
    except tomllib.TOMLDecodeError as error:
        raise BadPlan(f"{path}: not TOML: {_flat(error)}") from error
    except msgspec.ValidationError as error:
        raise BadPlan(_located(path, text, str(error))) from error
    except RecursionError as error:
        raise BadPlan(f"{path}: nested too deeply for a plan") from error
    where = f"{path}: "
    _check_words(where, raw.prompt)
    _check_seed(where, raw.seed)
    if raw.focal is not None and not FOCAL_RANGE_MM[0] <= raw.focal <= FOCAL_RANGE_MM[1]:
        low, high = FOCAL_RANGE_MM
        raise BadPlan(f"{where}focal is {raw.focal:g}; lenses have {low:g} to {high:g} mm (35 mm equivalent)")
    if raw.metres_per_unit is not None:
        if raw.depth is None:
            raise BadPlan(f"{where}metres_per_unit is that of a depth map; name it too: depth = FILE")
        if not (math.isfinite(raw.metres_per_unit) and raw.metres_per_unit > 0.0):
            raise BadPlan(f"{where}metres_per_unit is {raw.metres_per_unit:g}; a positive number is needed")
    if not 64 <= raw.short_side <= 4096:
        raise BadPlan(f"{where}short_side is {raw.short_side}; 64 to 4096 pixels are possible")
    lines = _table_lines(text)
    zooms: list[PlannedZoom] = []
    for number, zoom in enumerate(raw.zoom, 1):
        name = zoom.name or str(number)
        here = _where(path, lines, number, name)
        zooms.append(_planned(path, raw, zoom, name, here, zooms))
    return Plan(
        path,
        path.parent / raw.image,
        None if raw.depth is None else path.parent / raw.depth,
        raw.metres_per_unit,
        raw.focal,
        raw.prompt,
        raw.seed,
        raw.generator,
        raw.short_side,
        tuple(zooms),
    )


def _planned(
    path: Path, plan: _Plan, zoom: _Zoom, name: str, where: str, before: list[PlannedZoom]
) -> PlannedZoom:
    known = [ROOT, *(each.name for each in before)]
    if name in known:
        raise BadPlan(f"{where}the name {name!r} is taken; give each zoom its own")
    parent = zoom.parent or known[-1]
    if parent not in known:
        choices = ", ".join(known[-8:])
        raise BadPlan(f"{where}there is no zoom {parent!r} above it to be its parent (there is: {choices})")
    _check_words(where, zoom.prompt)
    seed = plan.seed if zoom.seed is None else zoom.seed
    _check_seed(where, seed)
    camera: Camera | None = None
    if zoom.camera is not None:
        if zoom.at is not None or zoom.factor is not None:
            raise BadPlan(f"{where}give either camera or at and factor, not both")
        camera = read_camera(path.parent / zoom.camera)
    elif zoom.at is None or zoom.factor is None:
        raise BadPlan(f"{where}give at = [u, v] and factor, or a camera file")
    at, factor = zoom.at or (0.5, 0.5), zoom.factor or 1.0
    if camera is None:
        if not all(0.0 <= value <= 1.0 for value in at):
            raise BadPlan(f"{where}at is {list(at)}; both are fractions of the frame, 0 to 1")
        if not MIN_FACTOR <= factor <= MAX_FACTOR:
            raise BadPlan(f"{where}factor is {factor:g}; {MIN_FACTOR:.3g} to {MAX_FACTOR:g} is possible")
    return PlannedZoom(name, parent, at, factor, camera, zoom.prompt, seed, zoom.mode, where)


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BadPlan(f"{path}: more than {_MAX_BYTES >> 20} MiB; this is no plan")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise BadPlan(f"{path}: could not read the plan: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BadPlan(f"{path}: not text; a plan is TOML in UTF-8") from error


def _check_words(where: str, prompt: str) -> None:
    if len(prompt) > MAX_PROMPT:
        raise BadPlan(f"{where}a prompt of {len(prompt)} characters; at most {MAX_PROMPT} are read")


def _check_seed(where: str, seed: int) -> None:
    if not 0 <= seed < _MAX_SEED:
        raise BadPlan(f"{where}seed is {seed}; 0 to 2**63 - 1 is possible")


def _flat(error: Exception) -> str:
    return " ".join(str(error).split())


def _table_lines(text: str) -> list[int]:
    """The line of each [[zoom]]."""
    return [text.count("\n", 0, match.end()) + 1 for match in _TABLE.finditer(text)]


def _where(path: Path, lines: list[int], number: int, name: str = "") -> str:
    line = f"line {lines[number - 1]}: " if number <= len(lines) else ""
    return f"{path}: {line}[[zoom]] {number}{f' ({name})' if name and name != str(number) else ''}: "


def _located(path: Path, text: str, message: str) -> str:
    """A decoding error with its line: "Expected `float`, got `str` - at `$.zoom[2].factor`"."""
    match = _PATH.search(message)
    what = message[: match.start()] if match else message
    what = re.sub(r"^Object contains unknown field `(\w+)`", r"unknown key '\1'", what)
    what = re.sub(r"^Object missing required field `(\w+)`", r"the key '\1' is missing", what)
    table = int(match[1]) + 1 if match and match[1] else 0
    unknown = re.match(r"unknown key '(\w+)'", what)
    key = (match[2] if match else None) or (unknown[1] if unknown else None)
    lines = _table_lines(text)
    begin = lines[table - 1] if 0 < table <= len(lines) else 0
    end = lines[table] - 1 if table < len(lines) else text.count("\n") + 1
    line = begin
    for number, content in enumerate(text.split("\n")[begin:end], begin + 1):
        if key and re.match(rf"\s*[\"']?{key}[\"']?\s*=", content):
            line = number
            break
    place = f"line {line}: " if line else ""
    inside = f"[[zoom]] {table}: " if table else ""
    named = f"{key}: " if key and not unknown else ""
    return f"{path}: {place}{inside}{named}{what}"
