"""The team of threads: every share is done, errors come back, nothing is left running."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wonderzoom.runtime.renderers.threads import Team, said_when_slow


@given(st.integers(1, 9), st.integers(0, 100))
def test_bands_cover_all_units_once_in_order(threads: int, units: int) -> None:
    with Team(threads) as team:
        bands = team.bands(units)
    assert len(bands) == threads
    assert [unit for start, end in bands for unit in range(start, end)] == list(range(units))


@pytest.mark.parametrize("threads", [1, 2, 4])
def test_every_argument_is_called_once(threads: int) -> None:
    seen: list[int] = []
    with Team(threads) as team:
        team.run(seen.append, [(k,) for k in range(threads)])
        team.run(seen.append, [(k + 100,) for k in range(threads)])
    assert sorted(seen) == [*range(threads), *range(100, 100 + threads)]


def test_a_team_works_at_the_same_time() -> None:
    gate = threading.Barrier(3)
    with Team(3) as team:
        team.run(lambda _: gate.wait(30.0), [(k,) for k in range(3)])  # a team that takes turns would hang


@pytest.mark.parametrize("failing", [0, 1, 2])
def test_an_error_is_raised_after_all_have_finished(failing: int) -> None:
    finished: list[int] = []

    def kernel(k: int) -> None:
        if k == failing:
            raise ArithmeticError(f"share {k}")
        finished.append(k)

    with Team(3) as team:
        with pytest.raises(ArithmeticError, match=f"share {failing}"):
            team.run(kernel, [(k,) for k in range(3)])
        assert len(finished) == 2


def test_a_team_without_threads_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one thread, got 0"):
        Team(0)


def test_a_message_comes_only_while_the_work_is_slow() -> None:
    said = threading.Event()
    with said_when_slow(60.0, said.set):
        pass
    assert not said.is_set()
    with said_when_slow(0.0, said.set):
        assert said.wait(30.0)


def test_no_message_outlives_an_error() -> None:
    before = threading.active_count()
    with pytest.raises(KeyError), said_when_slow(60.0, lambda: None):
        raise KeyError
    assert threading.active_count() == before
