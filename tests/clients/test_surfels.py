"""What a client holds of the surfels that it was sent, and how it fades."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from surfel_columns import block_of
from surfel_viewer import SurfelViewer
from worlds import nested_world

from wonderzoom.clients.surfels import HeldSurfels
from wonderzoom.protocol import surfel_block
from wonderzoom.protocol.errors import Malformed
from wonderzoom.protocol.messages import Surfels
from wonderzoom.protocol.values import BoundsPatch, CellAddress, KnownLevel, ShownBlock, SurfelLevel
from wonderzoom.runtime.renderers.projection import check_visible
from wonderzoom.scene_graph.residency import FADE_S

BLOCK, OTHER = bytes(range(16)), bytes(range(16, 32))
CELL = CellAddress(level=3, x=b"\1", y=b"\2", z=b"\3")


def level(
    number: int, n: int = 4, block: bytes = BLOCK, *, seed: int = 0, fetch: bool = False
) -> SurfelLevel:
    """A level of some surfels, named by what it is."""
    columns = block_of(n, seed=seed)
    native = surfel_block.known_native(columns.native)
    bounds = surfel_block.encode_bounds(native, native + np.float32(1.0), native - np.float32(1.0))
    return SurfelLevel(
        hash=bytes([number, seed]) + block[:14], block=block, node="n", cell=CELL, level=number, count=n,
        payload=None if fetch else surfel_block.encode(columns), bounds=bounds, bounds_revision=1,
    )  # fmt: skip


def shown(
    finest: int = 0, coarsest: int = 0, above: float = 1.0, below: float = 0.0, block: bytes = BLOCK
) -> ShownBlock:
    return ShownBlock(block=block, finest=finest, coarsest=coarsest, residency=above, child_residency=below)


class Client:
    """A client that hears deltas one after the other."""

    def __init__(self, budget: int = 1000) -> None:
        self.held, self.deltas = HeldSurfels(budget), 0

    def hear(self, now: float, levels: list[SurfelLevel] | None = None, **rest: object) -> None:
        self.deltas += 1
        message = Surfels(delta=self.deltas, revision=1, levels=levels or [])
        self.held.take(replace_fields(message, rest), now)

    def rows(self, now: float) -> list[tuple[int, float, float, tuple[int, int]]]:
        """(level, R, R_child, span) of what is drawn."""
        drawn = self.held.drawn(now)
        check_visible(drawn)
        found = zip(drawn.mips, drawn.residencies, drawn.child_residencies, drawn.shared, strict=True)
        return [(number, round(above, 6), round(below, 6), span) for number, above, below, span in found]


def replace_fields(message: Surfels, fields: dict[str, object]) -> Surfels:
    return Surfels(**({name: getattr(message, name) for name in message.__struct_fields__} | fields))  # type: ignore[arg-type]


def test_a_block_fades_in_and_is_then_the_same_picture() -> None:
    client = Client()
    client.hear(10.0, [level(0)], show=[shown()], complete=True)
    assert client.rows(10.0) == [] and not client.held.settled(10.0)
    assert client.rows(10.0 + FADE_S / 2) == [(0, 0.5, 0.0, (0, 0))]
    assert client.rows(10.0 + 2 * FADE_S) == [(0, 1.0, 0.0, (0, 0))]
    assert client.held.settled(11.0) and client.held.drawn(11.0) is client.held.drawn(12.0)


def test_it_fades_from_its_old_levels_to_its_new_ones() -> None:
    client = Client()
    client.hear(0.0, [level(2)], show=[shown(2, 2)])
    client.hear(1.0, [level(0), level(1)], show=[shown(0, 1, below=1.0)])
    quarter = 1.0 + FADE_S / 4
    assert client.rows(quarter) == [
        (0, 0.25, 0.0625, (0, 1)), (1, 0.25, 0.0625, (0, 1)), (2, 0.75, 0.1875, (2, 2))
    ]  # fmt: skip
    assert client.rows(2.0) == [(0, 1.0, 1.0, (0, 1)), (1, 1.0, 1.0, (0, 1))]
    # What both have in common is listed twice, and is as much as before together.
    client.hear(2.0, show=[shown(1, 2, below=1.0)])
    rows = client.rows(2.0 + FADE_S / 2)
    assert [row[0] for row in rows] == [0, 1, 1, 2]
    assert sum(row[1] for row in rows if row[0] == 1) == pytest.approx(1.0)


def test_r_child_rises_slowly_and_falls_at_once() -> None:
    client = Client()
    client.hear(0.0, [level(0)], show=[shown()])
    client.hear(1.0, show=[shown(below=1.0)])
    assert client.rows(1.0 + FADE_S / 2)[0][2] == 0.5
    client.hear(1.0 + FADE_S / 2, show=[shown(below=0.0)])
    assert client.rows(1.0 + FADE_S / 2)[0][2] == 0.0
    client.hear(2.0, show=[shown(above=0.0)])
    assert client.rows(2.0 + FADE_S / 2) == [(0, 0.5, 0.0, (0, 0))]
    client.hear(2.0 + FADE_S / 2, show=[shown()])  # turned round on the way
    assert client.rows(2.0 + FADE_S) == [(0, 1.0, 0.0, (0, 0))]


def test_what_is_dropped_is_freed_when_it_has_faded() -> None:
    client = Client()
    client.hear(0.0, [level(0), level(0, block=OTHER)], show=[shown(), shown(block=OTHER)])
    client.hear(1.0, show=[shown(above=0.0)], drop=[level(0).hash])
    assert client.held.count == 4 and client.held.known() == [
        KnownLevel(hash=level(0, block=OTHER).hash, bounds_revision=1)
    ]
    assert client.rows(1.0 + FADE_S / 2) == [(0, 0.5, 0.0, (0, 0)), (0, 1.0, 0.0, (0, 0))]
    assert client.rows(2.0) == [(0, 1.0, 0.0, (0, 0))]
    assert len(client.held._levels) == 1 and len(client.held._shown) == 1


def test_anew_means_that_nothing_else_is_shown() -> None:
    client = Client()
    client.hear(0.0, [level(0), level(0, block=OTHER)], show=[shown(), shown(block=OTHER)])
    client.hear(1.0, anew=True, show=[shown(block=OTHER)])
    assert [row[1] for row in client.rows(2.0)] == [1.0]


def test_another_level_takes_the_place_of_one_at_once() -> None:
    client = Client()
    client.hear(0.0, [level(1, seed=1)], show=[shown(1, 1)])
    client.hear(1.0, [level(1, n=6, seed=2)], drop=[level(1, seed=1).hash])
    assert client.rows(1.0) == [(1, 1.0, 0.0, (1, 1))]
    assert client.held.drawn(1.0).blocks[0].count == 6 == client.held.count
    assert len(client.held._levels) == 1


def test_bounds_change_under_what_is_shown() -> None:
    client = Client()
    client.hear(0.0, [level(0)], show=[shown()])
    native = client.held.drawn(1.0).blocks[0].surfels.native
    none = surfel_block.encode_bounds(native, np.full(4, np.inf, np.float32), np.full(4, -np.inf, np.float32))
    patch = BoundsPatch(hash=level(0).hash, bounds=none, bounds_revision=7)
    client.hear(1.0, bounds=[patch, BoundsPatch(hash=bytes(16), bounds=none, bounds_revision=7)])
    block = client.held.drawn(2.0).blocks[0]
    assert not np.isfinite(block.bounds.parent).any() and not np.isfinite(block.bounds.child).any()
    assert client.held.known() == [KnownLevel(hash=level(0).hash, bounds_revision=7)]


def test_what_is_not_here_is_not_shown_and_costs_nothing() -> None:
    client = Client()
    client.hear(0.0, show=[shown(), shown(3, 4)], drop=[bytes(16)])
    assert client.rows(1.0) == [] and client.held._shown == {}
    client.hear(1.0, [level(0, fetch=True)])
    assert client.held.awaited == [level(0).hash] and client.rows(2.0) == []
    assert client.held.fetched(bytes(16), b"") is None
    payload = level(0).payload
    assert payload is not None
    assert client.held.fetched(level(0).hash, payload) == KnownLevel(hash=level(0).hash, bounds_revision=1)
    client.hear(2.0, show=[shown()])
    assert len(client.rows(3.0)) == 1


def test_a_server_that_breaks_its_word_is_found_out() -> None:
    for levels in ([level(0, n=9), level(1, n=9)], [level(0, n=20, fetch=True)]):
        with pytest.raises(Malformed, match="asked for"):
            Client(budget=10).hear(0.0, levels)
    short = msgspec.structs.replace(level(0), count=3)
    with pytest.raises(Malformed, match="3 surfels came with 4"):
        Client().hear(0.0, [short])
    with pytest.raises(Malformed):
        Client().hear(0.0, [msgspec.structs.replace(level(0), payload=b"x")])


def test_weights_of_a_fade_are_those_of_a_scene() -> None:
    """What is drawn half way is what any renderer takes: in order, each level within its span."""
    world, cameras = nested_world(1)
    viewer = SurfelViewer(world)
    viewer.look(cameras[1])
    drawn = viewer.held.drawn(viewer.now)
    while viewer.hear(2_000) is not None:
        viewer.now += 0.3 * FADE_S
        drawn = viewer.held.drawn(viewer.now)
        check_visible(drawn)
        keys = [(*block.key, number) for block, number in zip(drawn.blocks, drawn.mips, strict=True)]
        assert keys == sorted(keys)
    assert replace(drawn, revision=0).surfel_count > 0
