"""A law is tested twice: by a few examples always, by a thousand in the slow suite."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis.strategies import SearchStrategy

OFTEN = 1000
OFTEN_TIMEOUT_S = 3600


def law(
    *strategies: SearchStrategy[Any], examples: int = 50, **named: SearchStrategy[Any]
) -> Callable[..., Any]:
    """``given(...)`` with some examples, and beside it the same test as ``..._often``, marked slow."""

    def register(body: Callable[..., None]) -> Callable[..., None]:
        often = settings(max_examples=OFTEN)(given(*strategies, **named)(body))
        often = pytest.mark.timeout(OFTEN_TIMEOUT_S)(pytest.mark.slow(often))
        body.__globals__[f"{body.__name__}_often"] = often
        return settings(max_examples=examples)(given(*strategies, **named)(body))

    return register
