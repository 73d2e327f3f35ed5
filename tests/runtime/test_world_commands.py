"""Words of the commands that take a world as it is."""

from pathlib import Path

import pytest

from wonderzoom.runtime.cli import parse
from wonderzoom.runtime.errors import UsageError
from wonderzoom.runtime.world_commands import Pack, Redo, Remove, Undo, Unpack

GARDEN = Path("garden")


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["undo", "garden"], Undo(GARDEN)),
        (["undo", "garden", "3f2a"], Undo(GARDEN, "3f2a")),
        (["redo", "garden"], Redo(GARDEN)),
        (["redo", "garden", "3f2a"], Redo(GARDEN, "3f2a")),
        (["remove", "garden", "3f2a"], Remove(GARDEN, "3f2a")),
        (["pack", "garden", "-o", "a.tar"], Pack(GARDEN, Path("a.tar"))),
        (["pack", "garden", "--output", "a.tar", "--compact"], Pack(GARDEN, Path("a.tar"), True)),
        (["unpack", "a.tar", "-o", "garden"], Unpack(Path("a.tar"), GARDEN)),
    ],
)
def test_what_is_said_is_what_is_meant(words: list[str], command: object) -> None:
    assert parse(words) == command


@pytest.mark.parametrize(
    "words",
    [["undo"], ["remove", "garden"], ["pack", "garden"], ["unpack", "a.tar"], ["redo", "a", "b", "c"]],
)
def test_what_is_missing_or_too_much_is_told(words: list[str]) -> None:
    with pytest.raises(UsageError):
        parse(words)
