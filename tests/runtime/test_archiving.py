"""A world goes into one file and comes out of it, on the command line."""

from pathlib import Path

from desk import Desk, loaded


def test_a_packed_world_is_the_same_one_elsewhere(garden: Desk) -> None:
    out = garden.must("pack", "garden", "-o", "garden.tar")
    size = Path("garden.tar").stat().st_size
    assert out == f"garden.tar: 2 commits, {size:,} bytes\n"
    assert "a world of 2 commits" in garden.must("unpack", "garden.tar", "-o", "again")
    assert loaded("again").digest() == loaded().digest()
    garden.must("undo", "again")
    garden.must("redo", "again")


def test_without_history_says_what_is_lost(garden: Desk) -> None:
    garden.must("undo", "garden")
    out = garden.must("pack", "garden", "--compact", "-o", "garden.tar")
    assert "left out: 2 commits, and 1 nodes" in out
    garden.must("unpack", "garden.tar", "-o", "again")
    assert loaded("again").digest() == loaded().digest()
    assert "there is nothing to redo" in garden.fails("redo", "again")


def test_what_is_in_the_way_or_damaged_is_one_line(garden: Desk) -> None:
    garden.must("pack", "garden", "-o", "garden.tar")
    assert "garden.tar: a file is at this path already" in garden.fails("pack", "garden", "-o", "garden.tar")
    assert "something is at this path already" in garden.fails("unpack", "garden.tar", "-o", "garden")
    assert "no archive of a world" in garden.fails("unpack", "photo.png", "-o", "again")
    assert "No such file" in garden.fails("unpack", "nowhere.tar", "-o", "again")
    assert not Path("again").exists()
