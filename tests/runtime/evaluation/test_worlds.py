"""Worlds of an evaluation: made once, timed, and made again without parts of the method at the same cameras."""

import io
import itertools
from dataclasses import replace
from pathlib import Path

import pytest
from plane_maker import PlaneMaker, PointRenderer, request

from wonderzoom.generation.ablations import Ablations
from wonderzoom.generation.jobs import GenerationError
from wonderzoom.runtime.build import build
from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.evaluation import worlds
from wonderzoom.runtime.evaluation.suite import Entry
from wonderzoom.runtime.evaluation.worlds import (
    WITHOUT,
    TimedMaker,
    ablated_world,
    made_world,
    opened_world,
    read_seconds,
)
from wonderzoom.runtime.frames import frame_of
from wonderzoom.runtime.plans import read_plan
from wonderzoom.runtime.progress import Reporter

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
    assert first.seconds == dict.fromkeys(first.world.nodes, 2.0)
    again = made_world(entry(tmp_path), tmp_path / "worlds", maker, lambda: next(ticks))
    assert (maker.creations, maker.zooms) == (1, 2)
    assert again.seconds == first.seconds and again.world.digest() == first.world.digest()


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
    assert set(made.seconds) == set(made.world.nodes)


def test_times_that_can_not_be_read_are_none(tmp_path: Path) -> None:
    path = tmp_path / "seconds.json"
    assert read_seconds(path) == {}
    for text in ('{"a": 1', "[]", '{"a": null}'):
        path.write_text(text)
        assert read_seconds(path) == {}


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
    timed = TimedMaker(maker, tmp_path / "seconds.json", lambda: 0.0)
    assert timed.renderer is maker.renderer and timed.reporter is maker.reporter
    assert timed.generator_name("planes") == maker.generator_name("planes")
    assert isinstance(timed.ablated(Ablations()), TimedMaker)


def test_a_world_that_is_there_is_opened_with_all_of_its_zooms(tmp_path: Path, maker: PlaneMaker) -> None:
    plan = entry(tmp_path).plan
    built = build(plan, request(), tmp_path / "world", maker)
    subject = opened_world(tmp_path / "world")
    nodes = [node for name, node in built.nodes.items() if name != "root"]
    assert subject.name == "world" and list(subject.zooms) == list(subject.zooms.values()) == nodes
    build(replace(plan, zooms=()), request(), tmp_path / "bare", maker)
    with pytest.raises(CommandError, match="no zooms"):
        opened_world(tmp_path / "bare")


def test_a_damaged_world_is_not_scored(tmp_path: Path, maker: PlaneMaker) -> None:
    build(entry(tmp_path).plan, request(), tmp_path / "world", maker)
    last = max((tmp_path / "world" / "commits").glob("*.safetensors"))
    last.write_bytes(last.read_bytes()[:-1])
    with pytest.raises(CommandError, match="damaged"):
        opened_world(tmp_path / "world")
