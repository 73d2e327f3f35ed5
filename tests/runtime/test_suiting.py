"""Which stream suits: by the link, the way and what a viewer keeps; and a choice that does not flap."""

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wonderzoom.runtime.suiting import BAD, GOOD, HOLD_S, LONGEST_HOLD_S, Circumstances, Suiting

MBIT = 1e6 / 8.0
HD = Circumstances(pixels=1280 * 720, budget=1_000_000, rate=20.0 * MBIT, motion_s=0.05)

circumstances = st.builds(
    Circumstances,
    pixels=st.integers(16 * 16, 4096 * 4096),
    budget=st.integers(1_000, 1 << 26),
    rate=st.none() | st.floats(1e2, 1e9),
    motion_s=st.floats(0.0, 2.0),
)


def kind_of(seen: Circumstances) -> str:
    suiting = Suiting()
    suiting.choose(seen, 0.0)
    return suiting.kind


@pytest.mark.parametrize(
    ("seen", "kind"),
    [
        (HD, "surfels"),
        (replace(HD, rate=None), "frames"),
        (replace(HD, rate=0.5 * MBIT), "frames"),
        (replace(HD, rate=2.4 * MBIT), "frames"),
        (replace(HD, rate=2.4 * MBIT, motion_s=1.2), "surfels"),  # far away, or crowded
        (replace(HD, budget=20_000), "frames"),
        (replace(HD, budget=20_000, pixels=320 * 180), "surfels"),
    ],
)
def test_what_suits(seen: Circumstances, kind: str) -> None:
    assert kind_of(seen) == kind


@given(circumstances, st.floats(1.0, 100.0))
def test_a_better_line_a_longer_way_and_more_that_is_kept_never_speak_for_frames(
    seen: Circumstances, more: float
) -> None:
    if kind_of(seen) == "surfels":
        assert kind_of(replace(seen, rate=more * (seen.rate or 0.0))) == "surfels"
        assert kind_of(replace(seen, motion_s=more * seen.motion_s)) == "surfels"


@given(circumstances, st.lists(st.floats(0.0, 10.0), max_size=30))
def test_where_nothing_changes_it_changes_once_at_most(seen: Circumstances, pauses: list[float]) -> None:
    suiting, now, changes = Suiting(), 0.0, 0
    for pause in pauses:
        now += pause
        changes += suiting.choose(seen, now)
    assert changes <= 1


@given(circumstances, st.lists(st.floats(GOOD**0.5, GOOD**-0.5), max_size=100))
def test_an_estimate_that_wavers_by_a_fifth_changes_it_once_at_most(
    seen: Circumstances, wavers: list[float]
) -> None:
    """Between what is good and what is bad lies twice the rate; a fifth up or down does not cross both."""
    assert BAD / GOOD > 1.0 / GOOD
    suiting, changes = Suiting(), 0
    for step, waver in enumerate(wavers):
        rate = None if seen.rate is None else waver * seen.rate
        changes += suiting.choose(replace(seen, rate=rate), 100.0 * step)
    assert changes <= 1


@given(st.lists(st.tuples(st.floats(0.0, 30.0), circumstances), max_size=200))
def test_it_never_flaps_whatever_happens(happenings: list[tuple[float, Circumstances]]) -> None:
    suiting, now = Suiting(), 0.0
    changes: list[float] = []
    kinds = [suiting.kind]
    for pause, seen in happenings:
        now += pause
        if suiting.choose(seen, now):
            changes.append(now)
            kinds.append(suiting.kind)
    assert all(before != after for before, after in pairwise(kinds))
    assert all(after - before >= HOLD_S for before, after in pairwise(changes))
    assert all(sum(at <= each <= at + 60.0 for each in changes) <= 5 for at in changes)


def test_whoever_flaps_is_held_longer_and_longer_and_who_is_calm_is_not() -> None:
    suiting, now = Suiting(), 0.0
    good, bad = HD, replace(HD, rate=0.1 * MBIT)
    gaps: list[float] = []
    changed = None
    while now < 400.0:
        if suiting.choose(bad if suiting.kind == "surfels" else good, now):
            if changed is not None:
                gaps.append(now - changed)
            changed = now
        now += 0.5
    assert gaps[:5] == [5.0, 10.0, 20.0, 40.0, LONGEST_HOLD_S]
    assert changed is not None
    later = now + 4.0 * LONGEST_HOLD_S
    assert suiting.choose(bad if suiting.kind == "surfels" else good, later)
    assert not suiting.choose(bad if suiting.kind == "surfels" else good, later + 0.9 * HOLD_S)
    assert suiting.choose(bad if suiting.kind == "surfels" else good, later + HOLD_S)
