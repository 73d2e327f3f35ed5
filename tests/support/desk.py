"""A desk to call commands at: a folder with a photo in it, and a maker of planes instead of the generator."""

import io
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from plane_maker import PlaneMaker, PointRenderer

from wonderzoom.runtime import cli
from wonderzoom.runtime.progress import Reporter
from wonderzoom.scene_graph.scale_node import ScaleNode
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.world import World

AT = ("--at", "0.5,0.5", "--factor", "4")


@dataclass
class Ended:
    """How a command line ended."""

    code: int
    out: str
    err: str

    @property
    def line(self) -> str:
        """The one line of an error."""
        *_, last = self.err.splitlines()
        return last


class Desk:
    """A folder with a photo in it, where commands are called with a maker of planes."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.maker = PlaneMaker(PointRenderer(), Reporter(lambda: 0.0, io.StringIO()))

    @contextmanager
    def _make(self) -> Generator[PlaneMaker]:
        self.maker.reporter = Reporter(lambda: 0.0, sys.stderr)
        yield self.maker

    def __call__(self, *argv: str) -> Ended:
        self._capsys.readouterr()
        code = cli.main(argv, self._make)
        told = self._capsys.readouterr()
        return Ended(code, told.out, told.err)

    def must(self, *argv: str) -> str:
        """The output of a command that succeeds."""
        ended = self(*argv)
        assert ended.code == 0, ended.err
        return ended.out

    def fails(self, *argv: str, code: int = 1) -> str:
        """The one line that a command fails with; it prints no result and no traceback."""
        ended = self(*argv)
        assert ended.code == code, ended
        assert ended.out == "" and ended.line.startswith("wonderzoom: "), ended
        assert "Traceback" not in ended.err and len(ended.line) < 400
        return ended.line


def loaded(path: str = "garden") -> World:
    with WorldStore.open(path) as store:
        return store.load()


def nodes(path: str = "garden") -> list[ScaleNode]:
    return list(loaded(path).nodes.values())
