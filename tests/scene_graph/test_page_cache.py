"""A cache of pages: within its bound, longest unasked first, from any thread."""

import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wonderzoom.scene_graph.page_cache import PageCache


@settings(max_examples=60)
@given(st.integers(0, 40), st.lists(st.integers(0, 9), max_size=60))
def test_it_keeps_what_was_asked_for_last_within_its_bound(bound: int, asked: list[int]) -> None:
    """Against a list: the newest that fit, none of which is older than one that was dropped."""
    cache, model = PageCache(bound), list[int]()
    hits = 0
    for number, name in enumerate(asked, start=1):
        hits += name in model
        assert cache.get(name, lambda name=name: (f"page {name}", 3 + name)) == f"page {name}"
        model = [other for other in model if other != name] + [name]
        while sum(3 + other for other in model) > bound:
            model.pop(0)
        statistics = cache.statistics
        assert [other for other in range(10) if other in cache] == sorted(model)
        assert statistics.held_bytes == sum(3 + other for other in model) <= bound
        assert (statistics.hits, statistics.misses) == (hits, number - hits)


def test_what_can_not_be_read_is_not_kept() -> None:
    cache = PageCache(10)

    def broken() -> tuple[str, int]:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        cache.get("a", broken)
    assert "a" not in cache and cache.get("a", lambda: ("whole", 1)) == "whole"


def test_a_bound_is_no_negative_number() -> None:
    with pytest.raises(ValueError, match="0 bytes or more"):
        PageCache(-1)


def test_many_threads_ask_at_once() -> None:
    cache, wrong = PageCache(50), list[object]()
    start = threading.Barrier(6)

    def ask(seed: int) -> None:
        start.wait()
        for i in range(300):
            name = (seed * 7 + i * i) % 20
            if (page := cache.get(name, lambda name=name: (("page", name), 7))) != ("page", name):
                wrong.append(page)

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    statistics = cache.statistics
    assert wrong == [] and statistics.hits + statistics.misses == 1800
    assert statistics.held_bytes == 7 * sum(name in cache for name in range(20)) <= 50
