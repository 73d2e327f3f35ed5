"""The house's own rules, on every source file: small rooms that say what they own, no hidden randomness."""

import ast
from functools import cache
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent
FOLDERS = ("runtime", "scene_graph", "generation", "protocol", "clients")
ROOMS = sorted(file for folder in FOLDERS for file in (REPOSITORY / folder).rglob("*.py"))
LINES_OF_A_ROOM = 400  # what one sitting can read; a longer file holds two concepts


def name_of(file: Path) -> str:
    return file.relative_to(REPOSITORY).as_posix()


@cache
def room_of(file: Path) -> tuple[str, ast.Module]:
    """Its source, and the tree of that."""
    source = file.read_text(encoding="utf-8")
    return source, ast.parse(source)


@pytest.mark.parametrize("file", ROOMS, ids=name_of)
def test_a_room_opens_with_what_it_owns_and_stays_small(file: Path) -> None:
    source, tree = room_of(file)
    assert ast.get_docstring(tree), f"{name_of(file)} has no docstring"
    assert len(source.splitlines()) < LINES_OF_A_ROOM


@pytest.mark.parametrize("file", ROOMS, ids=name_of)
def test_random_generators_are_seeded(file: Path) -> None:
    for node in ast.walk(room_of(file)[1]):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            drawn = node.func.attr in ("default_rng", "SeedSequence")
            assert not drawn or node.args or node.keywords, (
                f"{name_of(file)}:{node.lineno} takes a random seed"
            )


@pytest.mark.parametrize("file", ROOMS, ids=name_of)
def test_nothing_is_left_for_later(file: Path) -> None:
    """The marks that programmers leave where something is missing."""
    text = room_of(file)[0]
    found = [
        mark for mark in ("TO" + "DO", "FIX" + "ME", "X" * 3, "NotImplemented" + "Error") if mark in text
    ]
    assert found == []
