"""Worlds of an evaluation: made once, timed, and made again without parts of the method at the same cameras."""

import io
import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from plane_maker import PlaneMaker, PointRenderer, request

from wonderzoom.generation.ablations import Ablations
from wonderzoom.generation.jobs import GenerationError, StageEvent, Watch
from wonderzoom.runtime.build import build
from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.evaluation import worlds
from wonderzoom.runtime.evaluation.measuring import COSTS
from wonderzoom.runtime.evaluation.suite import Entry
from wonderzoom.runtime.evaluation.worlds import (
    WITHOUT,
    Making,
    StageClock,
    TimedMaker,
    ablated_world,
    made_world,
    making_costs,
    opened_world,
    read_makings,
)
from wonderzoom.runtime.frames import frame_of
from wonderzoom.runtime.plans import read_plan
from wonderzoom.runtime.progress import Reporter
from wonderzoom.scene_graph.page_cache import PageCache

PLAN = """
image = "photo.png"

[[zoom]]
name = "leaf"
at = [0.4, 0.5]
factor = 4
prompt = "leaf"

[[zoom]]
name = "vein"
at = [0.6, 0.5]
factor = 4
"""


@pytest.fixture
def maker(monkeypatch: pytest.MonkeyPatch) -> PlaneMaker:
    monkeypatch.setattr(worlds, "planned_request", lambda _plan, _maker: request())
    return PlaneMaker(PointRenderer(), Reporter(lambda: 0.0, io.StringIO()))


def entry(folder: Path) -> Entry:
    (folder / "plan.toml").write_text(PLAN)
    return Entry("garden", read_plan(folder / "plan.toml"))


def test_a_world_is_made_once_and_its_making_timed(tmp_path: Path, maker: PlaneMaker) -> None:
    ticks = itertools.count(0.0, 2.0)
    first = made_world(entry(tmp_path), tmp_path / "worlds", maker, lambda: next(ticks))
    assert list(first.zooms) == ["leaf", "vein"] and set(first.zooms.values()) < set(first.world.nodes)
    # The clock ticks by two whenever it is read: at the beginning, at each new stage and at the end.
    times = [(each.seconds, each.stages) for each in first.makings.values()]
    assert times == [(4.0, {"depth": 4.0}), (4.0, {"upscale": 4.0}), (4.0, {"upscale": 4.0})]
    assert list(first.makings) == list(first.world.nodes)
    again = made_world(entry(tmp_path), tmp_path / "worlds", maker, lambda: next(ticks))
    assert (maker.creations, maker.zooms) == (1, 2)
    assert again.makings == first.makings and again.world.digest() == first.world.digest()


def test_a_build_that_is_interrupted_keeps_its_times(tmp_path: Path, maker: PlaneMaker) -> None:
    def interrupt(number: int) -> None:
        if number == 2:
            raise KeyboardInterrupt

    ticks = itertools.count(0.0, 2.0)
    maker.before_zoom = interrupt
    with pytest.raises(KeyboardInterrupt):
        made_world(entry(tmp_path), tmp_path / "worlds", maker, lambda: next(ticks))
    maker.before_zoom = lambda _number: None
    made = made_world(entry(tmp_path), tmp_path / "worlds", maker, lambda: next(ticks))
    assert set(made.makings) == set(made.world.nodes)


def test_times_that_can_not_be_read_are_none(tmp_path: Path) -> None:
    path = tmp_path / "making.json"
    assert read_makings(path) == {}
    for text in ('{"a": 1', "[]", '{"a": null}', '{"a": 1.5}'):
        path.write_text(text)
        assert read_makings(path) == {}


def test_each_stage_ends_where_the_next_one_begins() -> None:
    now = 100.0
    heard: list[str] = []
    stages = StageClock(lambda: now)
    watch = stages.over(Watch(event=lambda happened: heard.append(happened.stage)))
    for second, stage in ((101.0, "observe"), (102.0, "upscale"), (103.0, "upscale"), (106.0, "observe")):
        now = second
        watch.event(StageEvent(stage, 0.5))  # type: ignore[arg-type]
    now = 110.0
    assert stages.end() == (10.0, {"observe": 6.0, "upscale": 4.0})
    assert heard == ["observe", "upscale", "upscale", "observe"]


def test_a_job_without_stages_took_its_time_all_the_same() -> None:
    ticks = itertools.count(0.0, 3.0)
    assert StageClock(lambda: next(ticks)).end() == (3.0, {})


def test_what_making_took_becomes_columns() -> None:
    making = Making(3.5, {"upscale": 1.5, "optimise": 2.0}, 512.0)
    assert making_costs(making) == {
        "seconds": 3.5, "stage_upscale": 1.5, "stage_optimise": 2.0, "making_megabytes": 512.0,
        "card_megabytes": None,
    }  # fmt: skip
    assert set(making_costs(making)) <= {cost.key for cost in COSTS}
    assert making_costs(None) == {}


@pytest.mark.parametrize("without", sorted(WITHOUT))
def test_an_ablated_world_is_another_one_at_the_same_cameras(
    tmp_path: Path, maker: PlaneMaker, without: str
) -> None:
    asked: list[Ablations] = []
    ablated = maker.ablated
    maker.ablated = lambda ablations: (asked.append(ablations), ablated(ablations))[1]  # pyright: ignore
    whole = made_world(entry(tmp_path), tmp_path, maker, lambda: 0.0)
    other = ablated_world(entry(tmp_path), whole, without, tmp_path, maker, lambda: 0.0)
    assert asked == [WITHOUT[without]] and other.note == ""
    assert (tmp_path / f"garden-without-{without}").is_dir()
    for zoom, node in whole.zooms.items():
        one, two = (
            frame_of(each.world.node(name), each.world.header)
            for each, name in ((whole, node), (other, other.zooms[zoom]))
        )
        assert one == two
    changed = other.world.digest() != whole.world.digest()
    assert changed == (without == "registration")  # these planes have no auxiliary views


def test_where_a_zoom_can_not_be_made_any_more_that_is_said(tmp_path: Path, maker: PlaneMaker) -> None:
    whole = made_world(entry(tmp_path), tmp_path, maker, lambda: 0.0)

    def failing(number: int) -> None:
        if number == 2:
            raise GenerationError("observe", "the camera sees nothing")

    ablated = maker.ablated

    def made(ablations: Ablations) -> PlaneMaker:
        other = ablated(ablations)
        other.before_zoom = failing
        return other

    maker.ablated = made  # pyright: ignore[reportAttributeAccessIssue]
    other = ablated_world(entry(tmp_path), whole, "registration", tmp_path, maker, lambda: 0.0)
    assert list(other.zooms) == ["leaf"]
    assert "ends after 1 of 2 zooms" in other.note and "sees nothing" in other.note


def test_a_timed_maker_is_its_maker(tmp_path: Path, maker: PlaneMaker) -> None:
    timed = TimedMaker(maker, tmp_path / "making.json", lambda: 0.0)
    assert timed.renderer is maker.renderer and timed.reporter is maker.reporter
    assert timed.generator_name("planes") == maker.generator_name("planes")
    assert isinstance(timed.ablated(Ablations()), TimedMaker)


def test_a_world_that_is_there_is_opened_with_all_of_its_zooms(tmp_path: Path, maker: PlaneMaker) -> None:
    plan = entry(tmp_path).plan
    built = build(plan, request(), tmp_path / "world", maker)
    subject = opened_world(tmp_path / "world", PageCache(1 << 20))
    nodes = [node for name, node in built.nodes.items() if name != "root"]
    assert subject.name == "world" and list(subject.zooms) == list(subject.zooms.values()) == nodes
    build(replace(plan, zooms=()), request(), tmp_path / "bare", maker)
    with pytest.raises(CommandError, match="no zooms"):
        opened_world(tmp_path / "bare", PageCache(0))


def test_a_damaged_world_is_not_scored(tmp_path: Path, maker: PlaneMaker) -> None:
    build(entry(tmp_path).plan, request(), tmp_path / "world", maker)
    last = max((tmp_path / "world" / "commits").glob("*.safetensors"))
    last.write_bytes(last.read_bytes()[:-1])
    with pytest.raises(CommandError, match="damaged"):
        opened_world(tmp_path / "world", PageCache(1 << 20))
