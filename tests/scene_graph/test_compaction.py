"""A compacted log is the shortest one of the same world, and says before what will be lost."""

from pathlib import Path

import pytest
from hypothesis import strategies as st
from laws import law
from logs import zoom_log

from wonderzoom.scene_graph.compaction import Lost, compacted, lost_by_compaction
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.store_errors import WorldDamaged
from wonderzoom.scene_graph.undo import propose_redo, propose_undo
from wonderzoom.scene_graph.world import World


def made(path: Path) -> WorldStore:
    live, log = zoom_log(2)
    store = WorldStore.create(path, live.header)
    for commit in log:
        store.append(commit)
    return store


def test_a_world_without_a_past_loses_nothing(tmp_path: Path) -> None:
    with made(tmp_path / "w") as store:
        assert lost_by_compaction(store) == Lost(0, 0)
        assert [commit.added[0].id for commit in compacted(store)] == list(store.load().nodes)


@law(st.lists(st.sampled_from(["undo", "redo", "remove"]), min_size=1, max_size=6), examples=5)
def test_survivors_are_kept_to_the_last_bit(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    with made(tmp_path_factory.mktemp("w") / "w") as store:
        lives = 4
        for step in steps:
            world = store.load()
            if step == "remove" and len(world.nodes) > 1:
                store.append(world.propose_removal(list(world.nodes)[1]))
            elif step == "undo" and len(world.nodes) > 1:
                store.append(propose_undo(world, store))
            elif step == "redo" and steps[0] == "undo" and store.revision == lives + 1:
                store.append(propose_redo(world, store))
        world = store.load()
        again = World(world.header)
        for commit in compacted(store):
            again.apply(commit)
        assert again.digest() == world.digest() and again.check() == []
        assert lost_by_compaction(store) == Lost(store.revision - len(world.nodes), lives - len(world.nodes))
        assert [commit.reverts for commit in compacted(store)] == [0] * len(world.nodes)


def test_a_lost_node_stops_it_before_anything_is_given(tmp_path: Path) -> None:
    with made(tmp_path / "w") as store:
        next((tmp_path / "w" / "commits").glob("00000002-*")).unlink()
    with WorldStore.open(tmp_path / "w") as store, pytest.raises(WorldDamaged, match="its file is missing"):
        next(compacted(store))
