"""How much memory worlds may take: how it is said, and what it bounds."""

import io

import pytest

from wonderzoom.runtime.app import App
from wonderzoom.runtime.cli import parse
from wonderzoom.runtime.commands import Render, Serve
from wonderzoom.runtime.errors import UsageError
from wonderzoom.runtime.progress import Reporter
from wonderzoom.runtime.words import LEAST_MEMORY, read_memory


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("64M", 64 << 20),
        ("800M", 800 << 20),
        ("4G", 4 << 30),
        ("1.5 GiB", 3 << 29),
        ("2gb", 2 << 30),
        ("1T", 1 << 40),
    ],
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert read_memory(text) == size


@pytest.mark.parametrize("text", ["", "4", "four", "-1G", "63M", "1K", "G", "nan", "1e3G"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="800M|at least 64M"):
        read_memory(text)


def test_both_commands_that_look_take_it() -> None:
    render, serve = parse(["render", "w", "-o", "x.png", "--memory", "2G"]), parse(["serve", "w"])
    assert isinstance(render, Render) and render.memory == 2 << 30
    assert isinstance(serve, Serve) and serve.memory is None
    with pytest.raises(UsageError, match="--memory: '12' is no amount"):
        parse(["serve", "w", "--memory", "12"])


def test_half_of_it_is_for_what_is_read_and_half_for_what_is_drawn() -> None:
    with App(1, Reporter(lambda: 0.0, io.StringIO()), memory=LEAST_MEMORY) as app:
        assert app.pages.max_bytes == LEAST_MEMORY // 2
        assert app.renderer._cache.max_bytes == LEAST_MEMORY // 2  # type: ignore[union-attr]
    assert App(1, Reporter(lambda: 0.0, io.StringIO())).pages.max_bytes > LEAST_MEMORY
