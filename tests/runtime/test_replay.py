"""A recorded session, done again, gives the same log and the same world; what is otherwise is told."""

import signal
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from live_house import LIMITS
from live_world import HEADER, first_commit
from recorded import Evening, GardenMaker, garden_maker, recorded_evening

from wonderzoom.generation.jobs import Watch, Zoomed, ZoomRequest
from wonderzoom.runtime import recording as r
from wonderzoom.runtime.replay import differences, replay
from wonderzoom.scene_graph.commit import Commit
from wonderzoom.scene_graph.ports import Cancelled
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.store_errors import NoSpace
from wonderzoom.scene_graph.world import World

FAST, SLOW = (9, 21), range(100)  # the fast ones: a lost worker, a removal


def fast_evening(seed: int) -> Evening:
    return recorded_evening(seed, 6, 6.0)


@pytest.mark.parametrize("seed", FAST)
def test_an_evening_with_every_fault_comes_out_the_same(seed: int, tmp_path: Path) -> None:
    evening = fast_evening(seed)
    replayed, world = evening.again(tmp_path / "again")
    assert evening.house.broken == [] and replayed.differences == ()
    assert world.digest() == evening.house.disk.load().digest()
    assert len(replayed.commits) == len(evening.house.disk.log) - 1 > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", SLOW)
def test_evenings_of_larger_crowds_come_out_the_same(seed: int, tmp_path: Path) -> None:
    evening = recorded_evening(seed, 10, 10.0)
    replayed, world = evening.again(tmp_path / "again")
    assert evening.house.broken == [] and replayed.differences == ()
    assert world.digest() == evening.house.disk.load().digest()


@pytest.mark.slow
def test_evenings_have_everything_in_them() -> None:
    """What the test above would prove nothing without."""
    found: Counter[str] = Counter()
    for seed in SLOW:
        for record in recorded_evening(seed, 10, 10.0).records:
            found[record.end if isinstance(record, r.Ran) else type(record).__name__] += 1
    wanted = {"made", "failed", "lost", "stopped", "Changed", "CalledOff", "Gone", "NotKept", "Draining"}
    assert found.keys() >= wanted


def test_a_recording_that_is_cut_off_anywhere_gives_what_it_tells_of(tmp_path: Path) -> None:
    evening = fast_evening(21)
    zooms = [i for i, record in enumerate(evening.records) if isinstance(record, r.Ran | r.Committed)]
    for cut in zooms[:4]:  # in the middle of a commit, and after it
        records = evening.records[: cut + 1]
        replayed, world = evening.again(tmp_path / str(cut), records)
        told = [record.entry for record in records if isinstance(record, r.Committed)]
        assert replayed.differences == () and [each.entry for each in replayed.commits] == told
        assert world.revision == 1 + len(told)


@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_ends_a_zoom_that_is_being_made_again(tmp_path: Path) -> None:
    evening, asked = fast_evening(21), list[bool]()

    class Interrupted(GardenMaker):
        def zoom(self, generator: str, world: World, request: ZoomRequest, watch: Watch) -> Zoomed:
            signal.raise_signal(signal.SIGINT)
            asked.append(watch.cancelled())
            raise Cancelled

    with WorldStore.create(tmp_path / "again", HEADER) as store, pytest.raises(KeyboardInterrupt):
        store.append(first_commit())
        replay(evening.records, store, garden_maker(Interrupted), LIMITS)
    assert asked == [True]


def test_a_disk_that_is_full_today_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evening = fast_evening(21)

    def full(_store: WorldStore, _commit: Commit) -> None:
        raise NoSpace("again", "the disk is full", "free some space")

    with WorldStore.create(tmp_path / "again", HEADER) as store:
        store.append(first_commit())
        monkeypatch.setattr(WorldStore, "append", full)
        with pytest.raises(NoSpace, match="is full"):
            replay(evening.records, store, garden_maker(), LIMITS)


# ---- planted changes ------------------------------------------------------------------------------
def without(records: list[r.AnyRecord], kind: type[r.Record]) -> list[r.AnyRecord]:
    """Without the first of that kind."""
    first = next(record for record in records if isinstance(record, kind))
    return [record for record in records if record is not first]


def test_a_change_that_is_left_out_is_told(tmp_path: Path) -> None:
    evening = fast_evening(21)
    replayed, _ = evening.again(tmp_path / "again", without(evening.records, r.Changed))
    assert any("now there is no such revision" in line for line in replayed.differences)


def test_a_zoom_that_nobody_asks_for_is_told(tmp_path: Path) -> None:
    evening = fast_evening(9)
    replayed, _ = evening.again(tmp_path / "again", without(evening.records, r.Asked))
    assert any("nothing asks for it now" in line for line in replayed.differences)


def test_a_zoom_that_is_asked_for_otherwise_is_told(tmp_path: Path) -> None:
    """Its worker, too, is given what is asked for now: another seed, another node."""
    evening = fast_evening(9)
    made = next(record for record in evening.records if isinstance(record, r.Ran) and record.end == "made")
    began = next(each for each in evening.records if isinstance(each, r.Began) and each.run == made.run)
    other = msgspec.structs.replace(began.wish, seed=began.wish.seed + 7)
    records: list[r.AnyRecord] = [
        msgspec.structs.replace(record, wish=other)
        if isinstance(record, r.Asked | r.Began) and record.wish == began.wish
        else record
        for record in evening.records
    ]
    replayed, world = evening.again(tmp_path / "again", records)
    assert any("now it adds" in line for line in replayed.differences)
    assert world.digest() != evening.house.disk.load().digest()


def test_other_bytes_of_the_same_nodes_are_told() -> None:
    evening = fast_evening(21)
    then = [record for record in evening.records if isinstance(record, r.Committed)]
    now = [
        msgspec.structs.replace(record, file="0" * 32) if i == 1 else record for i, record in enumerate(then)
    ]
    assert differences(then, then) == []
    (line,) = differences(then, now)
    assert f"revision {then[1].revision}" in line and "other bytes" in line


def test_a_revision_too_many_is_told() -> None:
    evening = fast_evening(21)
    now = [record for record in evening.records if isinstance(record, r.Committed)]
    (line,) = differences(now[:-1], now)
    assert f"revision {now[-1].revision}" in line and "is new" in line
