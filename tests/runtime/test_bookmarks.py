"""Places that are kept beside a world: what is written is read again, and what can't be is set aside."""

import asyncio
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from desk import Desk, loaded, nodes
from zoom_garden import ROOT

from wonderzoom.protocol import limits, messages
from wonderzoom.protocol.errors import ErrorCode
from wonderzoom.protocol.values import Bookmark
from wonderzoom.runtime import bookmarks
from wonderzoom.runtime.bookmarks import (
    FILE,
    SET_ASIDE,
    BookmarkShelf,
    UnreadableBookmarks,
    bookmarked,
    read_bookmarks,
    write_bookmarks,
)
from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.frames import frame_of
from wonderzoom.runtime.participants import Participant
from wonderzoom.runtime.wire import camera_of, pose
from wonderzoom.scene_graph.camera import Camera


class Guest:
    """Hears what goes wrong."""

    name = "Ada"

    def __init__(self) -> None:
        self.failed: list[tuple[ErrorCode, str | None]] = []
        self.heard: list[Any] = []

    def fail(self, code: ErrorCode, text: str, request: str | None = None) -> None:
        assert text
        self.failed.append((code, request))

    def say(self, message: Any) -> None:
        self.heard.append(message)


def deep(camera: Camera = ROOT) -> Camera:
    """Where no float could name the place."""
    for step in range(40):
        camera = camera.zoomed(1e3).orbited(0.001 * step, 0.0)
    return camera.rebased()


def adding(request: str, name: str = "moss", camera: Camera = ROOT) -> messages.AddBookmark:
    return messages.AddBookmark(request=request, name=name, camera=pose(camera))


def tell(shelf: BookmarkShelf, *said: messages.AddBookmark | messages.RemoveBookmark) -> Guest:
    guest = Guest()

    async def whole() -> None:
        for message in said:
            await shelf.hear(cast(Participant, guest), message)

    asyncio.run(whole())
    return guest


def test_what_is_kept_is_there_after_a_restart_bit_for_bit(tmp_path: Path) -> None:
    shelf = BookmarkShelf(tmp_path)
    tell(
        shelf,
        adding("b1", "the moss · 苔"),
        adding("b2", "deep", deep()),
        messages.RemoveBookmark(request="r", bookmark="b1"),
    )
    tell(shelf, adding("b3"))
    again = BookmarkShelf(tmp_path)
    assert again.said == shelf.said and [each.id for each in again.said.bookmarks] == ["b2", "b3"]
    assert bookmarked(tmp_path, "deep") == bookmarked(tmp_path, "b2") == camera_of(pose(deep()))
    assert sorted(path.name for path in tmp_path.iterdir()) == [FILE]


def test_the_newest_of_a_name_is_meant(tmp_path: Path) -> None:
    write_bookmarks(tmp_path, [
        Bookmark(id=f"b{number}", name="moss", camera=pose(ROOT.zoomed(number + 1.0))) for number in range(3)
    ])  # fmt: skip
    assert bookmarked(tmp_path, "moss") == ROOT.zoomed(3.0)
    with pytest.raises(CommandError, match="no bookmark 'gate'; there are: moss"):
        bookmarked(tmp_path, "gate")


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b'[{"id": "../x", "name": "n"}]', b"\xff\xfe", b"[" * 100_000]
)
def test_a_file_that_is_none_of_ours_is_set_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(UnreadableBookmarks, match=FILE):
        read_bookmarks(tmp_path)
    shelf = BookmarkShelf(tmp_path)
    assert shelf.said.bookmarks == [] and (tmp_path / SET_ASIDE).read_bytes() == content
    tell(shelf, adding("b1"))
    assert len(read_bookmarks(tmp_path)) == 1


def test_more_than_a_world_has_are_none(tmp_path: Path) -> None:
    kept = [
        Bookmark(id=f"b{number}", name="n", camera=pose(ROOT)) for number in range(limits.MAX_BOOKMARKS + 1)
    ]
    write_bookmarks(tmp_path, kept)
    with pytest.raises(UnreadableBookmarks, match="257"):
        read_bookmarks(tmp_path)


def test_on_a_full_disk_nothing_changes_and_whoever_asked_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf, changes = BookmarkShelf(tmp_path), []
    tell(shelf, adding("b1"))
    shelf.changed = lambda: changes.append(1)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(bookmarks, "write_durably", full)
    guest = tell(shelf, adding("b2"), messages.RemoveBookmark(request="r1", bookmark="b1"))
    assert guest.failed == [(ErrorCode.OUT_OF_SPACE, "b2"), (ErrorCode.OUT_OF_SPACE, "r1")]
    assert (
        [each.id for each in shelf.said.bookmarks] == ["b1"] == [each.id for each in read_bookmarks(tmp_path)]
    )
    assert changes == []


def test_changes_at_once_are_all_kept(tmp_path: Path) -> None:
    shelf, guest = BookmarkShelf(tmp_path), Guest()

    async def whole() -> None:
        asked = [shelf.hear(cast(Participant, guest), adding(f"b{number}")) for number in range(20)]
        await asyncio.gather(*asked)

    asyncio.run(whole())
    assert len(read_bookmarks(tmp_path)) == 20 and guest.failed == []


def test_a_camera_that_can_be_none_is_refused(tmp_path: Path) -> None:
    singular = messages.AddBookmark(
        request="b1", name="n", camera=msgspec.structs.replace(pose(ROOT), ln_distance=-1900.0)
    )
    guest = tell(BookmarkShelf(tmp_path), singular)
    assert guest.failed == [(ErrorCode.INVALID, "b1")] and not (tmp_path / FILE).exists()


def test_a_picture_is_drawn_from_a_bookmark(garden: Desk) -> None:
    root, newest = nodes()
    write_bookmarks(
        Path("garden"), [Bookmark(id="b1", name="the start", camera=pose(frame_of(root, loaded().header)))]
    )
    garden.must("render", "garden", "-o", "kept.png", "--bookmark", "the start")
    garden.must("render", "garden", "-o", "root.png", "--node", root.id)
    garden.must("render", "garden", "-o", "newest.png", "--node", newest.id)
    assert Path("kept.png").read_bytes() == Path("root.png").read_bytes() != Path("newest.png").read_bytes()
    assert "there are: the start" in garden.fails("render", "garden", "-o", "no.png", "--bookmark", "no")
    garden.fails("render", "garden", "-o", "no.png", "--bookmark", "the start", "--node", root.id, code=2)
