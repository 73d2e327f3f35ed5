"""The page's surfel vectors say what the runtime's laws and projection say today."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


def _same(was: Any, now: Any, where: str) -> None:
    """Equal but for the last digits of numbers."""
    if isinstance(was, dict):
        assert was.keys() == now.keys(), where
        for key in was:
            _same(was[key], now[key], f"{where}.{key}")
    elif isinstance(was, list):
        assert len(was) == len(now), where
        for i, (one, other) in enumerate(zip(was, now, strict=True)):
            _same(one, other, f"{where}[{i}]")
    elif isinstance(was, float):
        assert was == pytest.approx(now, rel=1e-6, abs=1e-6), where
    else:
        assert was == now, where


def test_vectors_are_current() -> None:
    spec = importlib.util.spec_from_file_location("make_surfel_vectors", HERE / "make_surfel_vectors.py")
    assert spec is not None and spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    _same(json.loads(maker.FILE.read_text(encoding="utf-8")), json.loads(maker.vectors()), "")
