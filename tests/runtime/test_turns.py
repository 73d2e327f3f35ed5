"""Deficit round robin: equal time for all, and nobody is forgotten."""

from hypothesis import strategies as st
from laws import law

from wonderzoom.runtime.turns import QUANTUM_S, Turns


def spent(costs: dict[str, float], seconds: float) -> dict[str, float]:
    """What each gets of that much time when all always want."""
    turns, got = Turns(), dict.fromkeys(costs, 0.0)
    for name in costs:
        turns.join(name)
    while sum(got.values()) < seconds:
        name = turns.next(costs)
        assert name is not None
        turns.pay(name, costs[name])
        got[name] += costs[name]
    return got


@law(st.lists(st.floats(0.001, 0.3), min_size=1, max_size=8))
def test_everyone_gets_the_same_time_whatever_a_frame_costs(costs: list[float]) -> None:
    got = spent({str(i): cost for i, cost in enumerate(costs)}, 60.0)
    # Off by what one turn may leave over or bring forward.
    assert max(got.values()) - min(got.values()) <= 2.0 * max(costs) + 0.05


def test_only_who_wants_is_asked() -> None:
    turns = Turns()
    for name in "abc":
        turns.join(name)
    assert turns.next({}) is None
    assert {turns.next({"b": 0.1}) for _ in range(5)} == {"b"}


def test_who_pauses_saves_nothing_up() -> None:
    turns = Turns()
    turns.join("busy")
    turns.join("idle")
    for _ in range(1000):
        assert turns.next({"busy": 0.05}) == "busy"
        turns.pay("busy", 0.05)
    run = 0
    while turns.next({"busy": 0.05, "idle": 0.05}) == "idle":
        turns.pay("idle", 0.05)
        run += 1
    assert run * 0.05 <= 0.05 + QUANTUM_S


def test_who_pauses_for_a_moment_after_each_frame_loses_no_time_by_it() -> None:
    """As everybody does whose frames are cheap: the next one begins a thirtieth of a second after the one before."""
    turns, costs = Turns(), {"a": 0.02, "b": 0.02, "c": 0.02, "costly": 0.08}
    got = dict.fromkeys(costs, 0.0)
    for name in costs:
        turns.join(name)
    last = ""
    for _ in range(2000):
        now = {name: cost for name, cost in costs.items() if name != last}
        last = turns.next(now, {last: costs[last]} if last else {}) or ""
        turns.pay(last, costs[last])
        got[last] += costs[last]
    assert max(got.values()) <= 1.05 * min(got.values())


def test_who_pauses_for_a_moment_saves_up_one_frame_at_most() -> None:
    turns = Turns()
    for name in ("busy", "slow"):
        turns.join(name)
    for _ in range(100):
        assert turns.next({"busy": 0.05}, {"slow": 0.1}) == "busy"
        turns.pay("busy", 0.05)
    run = 0
    while turns.next({"busy": 0.05, "slow": 0.1}) == "slow":
        turns.pay("slow", 0.1)
        run += 1
    assert run <= 2


def test_who_left_is_never_asked() -> None:
    turns = Turns()
    turns.join("a")
    turns.join("b")
    turns.join("a")  # a second time changes nothing
    turns.leave("a")
    turns.leave("a")
    turns.pay("a", 1.0)
    assert turns.next({"a": 0.1, "b": 0.1}) == "b"
