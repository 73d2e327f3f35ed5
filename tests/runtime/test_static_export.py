"""A world as a page without a server: what the files hold, as far as no browser is needed to say."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from desk import Desk, loaded
from zoom_garden import ROOT, Garden

from wonderzoom.protocol import messages
from wonderzoom.protocol.codec import decode_from_server, encode
from wonderzoom.protocol.values import Bookmark
from wonderzoom.runtime.server import page_files
from wonderzoom.runtime.static_export import Exported, export_static
from wonderzoom.runtime.wire import pose
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.world import World


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A picture and a zoom."""
    garden = Garden(tmp_path_factory.mktemp("static") / "garden", WorldHeader(h_ref=64))
    garden.make((0.4, 0.5), prompt="moss")
    seen = garden.seen()
    garden.store.close()
    return seen


def written(
    world: World, folder: Path, most: int = 10**6
) -> tuple[Exported, dict[str, Any], list[messages.Surfels]]:
    """What was told, the index, and all deltas in the order first, then node by node."""
    counts: list[int] = []
    kept = [Bookmark(id="b1", name="here", camera=pose(ROOT))]
    told = export_static(world, "garden", kept, page_files(), folder, most, counts.append)
    assert counts == list(range(1, len(world.nodes) + 1))
    index = msgspec.msgpack.decode((folder / "world.msgpack").read_bytes())
    deltas: list[messages.Surfels] = []
    for name, _ in [*index["first"], *(pack for packs in index["more"].values() for pack in packs)]:
        for each in msgspec.msgpack.decode((folder / name).read_bytes()):
            delta = decode_from_server(msgspec.msgpack.encode(each))  # within the protocol's bounds
            assert isinstance(delta, messages.Surfels)
            deltas.append(delta)
    return told, index, deltas


def test_what_is_shown_is_always_there_and_covers_everything_from_the_first_packs_on(
    world: World, tmp_path: Path
) -> None:
    told, index, deltas = written(world, tmp_path)
    held: dict[bytes, set[int]] = {}
    finest: dict[bytes, int] = {}
    for delta in deltas:
        for level in delta.levels:
            held.setdefault(level.block, set()).add(level.level)
        for shown in delta.show:
            assert held[shown.block] >= set(range(shown.finest, shown.coarsest + 1))
            assert (shown.residency, shown.child_residency) == (1.0, 1.0)
            assert shown.finest <= finest.get(shown.block, 99), "it only gets sharper"
            finest[shown.block] = shown.finest
        if delta.delta == len(index["first"]):
            assert len(finest) == len(list(world.blocks)), "nothing is missing once the first packs are there"
    assert set(finest.values()) == {0} and told.left_out == 0 and not told.lost
    assert told.surfels == sum(level.count for delta in deltas for level in delta.levels)
    welcome = decode_from_server(msgspec.msgpack.encode(index["welcome"]))
    assert isinstance(welcome, messages.Welcome) and welcome.role == "viewer"
    assert {node.id for node in welcome.nodes} == world.nodes.keys() == index["more"].keys()
    said = decode_from_server(msgspec.msgpack.encode(index["bookmarks"]))
    assert isinstance(said, messages.Bookmarks) and [each.name for each in said.bookmarks] == ["here"]


def test_the_bound_holds_and_every_block_keeps_something(world: World, tmp_path: Path) -> None:
    told, _, deltas = written(world, tmp_path, 900)
    assert told.surfels <= 900 and told.left_out > 0
    shown = {each.block for delta in deltas for each in delta.show}
    assert len(shown) == len(list(world.blocks))


def test_the_same_world_gives_the_same_files_and_the_page_is_relative(world: World, tmp_path: Path) -> None:
    for name in ("a", "b"):
        written(world, tmp_path / name)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file())
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)
    html = (tmp_path / "a" / "index.html").read_text(encoding="utf-8")
    assert '"/static/' not in html and '"static/main.js"' in html and 'content="world.msgpack"' in html
    assert (tmp_path / "a" / "static" / "stored.js").is_file()


def test_an_empty_world_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="empty"):
        export_static(World(WorldHeader()), "nothing", [], page_files(), tmp_path, 10**6, lambda _count: None)


def test_the_command_writes_a_new_folder_and_nothing_else(garden: Desk) -> None:
    said = garden.must("export", "garden", "--html", "public")
    assert said.startswith("public: ") and (Path("public") / "index.html").is_file()
    assert not list(Path.cwd().glob(".*.part")) and len(loaded().nodes) == 2
    garden.fails("export", "garden", "--html", "public")  # it is there already
    garden.fails("export", "garden", "--html", "other", "-o", "a.ply", code=2)
    garden.fails("export", "garden", code=2)
    assert not Path("other").exists()


def test_encoded_messages_are_what_a_server_would_send(world: World, tmp_path: Path) -> None:
    _, _, deltas = written(world, tmp_path)
    assert all(len(encode(delta)) < 1 << 20 for delta in deltas)
