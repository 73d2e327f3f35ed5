"""What ``serve`` is called with, and what it serves then."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from desk import Desk
from PIL import Image

from wonderzoom.runtime import commands
from wonderzoom.runtime.recording import Recording
from wonderzoom.runtime.serving import recorded, served


def serves(desk: Desk, place: str) -> tuple[list[str], str]:
    """The names of the worlds, and the folder of new ones relative to this one."""
    worlds, folder = served(commands.Serve(Path(place)), desk.maker)
    assert all(path.name == name for name, path in worlds.items())
    return list(worlds), str(folder.absolute().relative_to(Path.cwd()))


def test_a_world_is_served_and_new_ones_go_beside_it(desk: Desk) -> None:
    desk.must("create", "photo.png", "-o", "worlds/garden")
    assert serves(desk, "worlds/garden") == (["garden"], "worlds")


def test_a_directory_of_worlds_is_served_whole(desk: Desk) -> None:
    for name in ("pond", "garden"):
        desk.must("create", "photo.png", "-o", f"worlds/{name}")
    assert serves(desk, "worlds") == (["garden", "pond"], "worlds")


def test_a_photo_becomes_a_world_once(desk: Desk) -> None:
    assert serves(desk, "photo.png") == (["photo"], ".")
    assert serves(desk, "photo.png") == (["photo"], "."), "the same photo: the same world"
    Path("other").mkdir()
    with Image.open("photo.png") as image:
        Image.fromarray(255 - np.asarray(image.convert("RGB"))).save("other/photo.png")
    assert serves(desk, "other/photo.png") == (["photo-2"], "."), "another photo of that name"
    assert serves(desk, "photo.png") == (["photo"], ".")


@pytest.mark.parametrize(
    ("place", "said"),
    [("nowhere", "no such file or directory"), ("empty", "wonderzoom create"), ("text.txt", "picture")],
)
def test_what_can_not_be_served_is_said_in_one_line(desk: Desk, place: str, said: str) -> None:
    Path("empty").mkdir()
    Path("text.txt").write_text("no picture")
    line = desk.fails("serve", place)
    assert place in line and said in line


def test_strangers_are_not_let_in_by_a_host_alone(desk: Desk) -> None:
    desk.must("create", "photo.png", "-o", "garden")
    assert "encryption" in desk.fails("serve", "garden", "--host", "0.0.0.0", code=2)


def test_a_recording_says_what_recorded_it(desk: Desk) -> None:
    command, now = (
        commands.Serve(Path("garden"), record=Path("evening.wzr")),
        datetime(2026, 1, 2, tzinfo=UTC),
    )
    with recorded(command, desk.maker, now, lambda: 0.0) as recorder:
        assert recorder is not None
    start = Recording.open(Path("evening.wzr")).start
    assert start.at == "2026-01-02T00:00:00+00:00"
    assert start.versions["generator"] == "planes/1" and start.versions["renderer"] == "points"
    with recorded(commands.Serve(Path("garden")), desk.maker, now, lambda: 0.0) as nothing:
        assert nothing is None
