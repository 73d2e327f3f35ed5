"""Suites: named plans as a TOML file (docs/evaluation.md), decoded strictly.

Owns the format and its errors. A plan (``runtime/plans.py``) already says picture, cameras and prompts: a suite
only names plans, and how far the nine views stand from each other.

    degrees = 10.0

    [[world]]
    name = "meadow"
    plan = "meadow.toml"
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.plans import Plan, read_plan

DEGREES = 10.0  # from the middle view to its neighbours in the grid: the orbit that the laws speak of
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_MAX_BYTES = 1 << 20


class BadSuite(CommandError):
    """A suite that can't be evaluated; nothing has been done yet."""


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    plan: str


class _Suite(msgspec.Struct, forbid_unknown_fields=True):
    world: list[_Entry]
    degrees: float = DEGREES


@dataclass(frozen=True, slots=True)
class Entry:
    """One world of a suite."""

    name: str
    plan: Plan


@dataclass(frozen=True, slots=True)
class Suite:
    """Plans to be made into worlds and scored."""

    path: Path
    entries: tuple[Entry, ...]
    degrees: float


def read_suite(path: Path) -> Suite:
    """The suite of a file, its plans read too; paths in it are relative to it. Raises BadSuite and BadPlan."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BadSuite(f"{path}: more than {_MAX_BYTES >> 20} MiB; this is no suite")
        raw = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), _Suite)
    except OSError as error:
        raise BadSuite(f"{path}: could not read the suite: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise BadSuite(f"{path}: not text; a suite is TOML in UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise BadSuite(f"{path}: not TOML: {' '.join(str(error).split())}") from error
    except msgspec.ValidationError as error:
        raise BadSuite(f"{path}: {error}") from error
    if not raw.world:
        raise BadSuite(f"{path}: a suite of no worlds; add a [[world]] with a name and a plan")
    check_degrees(f"{path}: degrees", raw.degrees)
    entries: list[Entry] = []
    for number, entry in enumerate(raw.world, 1):
        where = f"{path}: [[world]] {number}: "
        if not _NAME.fullmatch(entry.name):
            raise BadSuite(f"{where}name is {entry.name[:40]!r}; use a-z, 0-9, - and _")
        if entry.name in [each.name for each in entries]:
            raise BadSuite(f"{where}the name {entry.name!r} is taken; give each world its own")
        plan = read_plan(path.parent / entry.plan)
        if not plan.zooms:
            raise BadSuite(f"{where}{plan.path} has no zooms: there is nothing to score")
        entries.append(Entry(entry.name, plan))
    return Suite(path, tuple(entries), raw.degrees)


def check_degrees(what: str, degrees: float) -> None:
    """Raise BadSuite unless nine views can stand that far apart."""
    if not 0.5 <= degrees <= 45.0:
        raise BadSuite(f"{what} is {degrees:g}; 0.5 to 45 are possible")
