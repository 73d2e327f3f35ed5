"""Evenings of the whole server on virtual time: a crowd with every fault, and no law broken.

People fly, zoom, call off, remove and pick; their lines are slow, break, fall silent; some stop reading or
acknowledging, some are rude; workers crash and hang, the disk is full now and then. The laws stand in ``live_call``
(what each connection is promised) and ``live_house`` (what needs a look from outside). One seed, one log; one that
failed belongs into ``SEEDS_THAT_FAILED`` for good.
"""

from functools import cache

import pytest
from live_house import House, evening

CROWD = 50
FAST = (0, 1, 2, 4, 5, 15, 18)  # in these everything of HAPPENINGS happens
SLOW = [seed for seed in range(220) if seed not in FAST]
SEEDS_THAT_FAILED: list[int] = []
# What an evening is about, as its log says it.
HAPPENINGS = {
    "a zoom is committed": "committed None",
    "a zoom is called off": "cancelled None",
    "a zoom fails": " failed ",
    "a disk is full": "out_of_space",
    "a place is covered": "already_covered",
    "the queue is full": "busy",
    "a job hangs": "timed_out",
    "who looks may not zoom": "forbidden",
    "a spot with nothing there": "nothing_there",
    "a node is removed": "removes",
    "somebody is led": "is led by v",
    "a leader goes": "is led by None",
    "a line breaks": " drop",
    "a line falls silent": " vanish",
    "somebody goes for good": " goes",
    "somebody stops reading": " freezes",
    "somebody stops acknowledging": " falls mute",
    "somebody stalls": "has stalled",
    "a stalled one is told": "is let go 4430",
    "a flood": "is let go 4429",
    "nonsense": "is let go 4400",
    "a wrong token": "is let go 4401",
    "a full house": "is let go 4503",
    "a stop": "is let go 1001",
}


@cache
def evening_of(seed: int, again: bool = False) -> House:
    """A small crowd, but for one large one."""
    return evening(seed, CROWD, 5.0) if seed == FAST[0] else evening(seed, 10, 10.0)


@pytest.mark.parametrize("seed", [*FAST, *SEEDS_THAT_FAILED])
def test_an_evening_breaks_no_law(seed: int) -> None:
    assert evening_of(seed).broken == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", SLOW)
def test_an_evening_of_a_large_crowd_breaks_no_law(seed: int) -> None:
    assert evening(seed, CROWD, 10.0).broken == []


def test_the_same_seed_gives_the_same_log_and_another_one_does_not() -> None:
    first, again, other = evening_of(1), evening_of(1, again=True), evening_of(2)
    assert first.log == again.log and first.digest() == again.digest() != other.digest()


@pytest.mark.parametrize("happening", HAPPENINGS)
def test_evenings_have_everything_in_them(happening: str) -> None:
    """What the other tests of this file would prove nothing without."""
    assert any(HAPPENINGS[happening] in line for seed in FAST for line in evening_of(seed).log)


def test_workers_are_lost_in_every_way() -> None:
    assert {reason for seed in FAST for reason in evening_of(seed).executor.losses} >= {
        "crashed",
        "hung",
        "memory",
    }


def test_people_come_back_as_who_they_were_also_while_their_old_line_is_not_missed() -> None:
    back = taken_over = 0
    for seed in FAST:
        dialled: dict[str, str] = {}  # person -> who it was
        here: set[str] = set()
        for line in evening_of(seed).log:
            match line.split()[1:]:
                case [person, "dials", was]:
                    dialled[person] = was
                case [person, "enters", "as", viewer, _]:
                    back += viewer == dialled[person]
                    taken_over += viewer == dialled[person] and viewer in here
                    here.add(viewer)
                case [viewer, "is", "away", _]:
                    here.discard(viewer)
                case _:
                    pass
    assert back > 20 and taken_over > 0
