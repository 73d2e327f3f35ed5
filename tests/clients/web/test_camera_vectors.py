"""The page's camera vectors say what `scene_graph` says today."""

import importlib.util
import json
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def _maker():
    spec = importlib.util.spec_from_file_location("make_camera_vectors", HERE / "make_camera_vectors.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_vectors_are_current() -> None:
    maker = _maker()
    old, new = json.loads(maker.FILE.read_text(encoding="utf-8")), json.loads(maker.vectors())
    assert [case["name"] for case in old] == [case["name"] for case in new]
    for before, after in zip(old, new, strict=True):
        for key in (
            "seen",
            "zoomed by 3",
            "orbited by 0.1, 0.05",
            "resized to 390x844",
            "looking at probe 1",
            "zoomed at that",
        ):
            for was, now in zip(before[key], after[key], strict=True):
                assert was == pytest.approx(now, abs=2e-5), (before["name"], key)
        for was, now in zip(before["flights"], after["flights"], strict=True):
            assert was["seconds"] == pytest.approx(now["seconds"], abs=1e-5)
            for one, other in zip(was["moments"], now["moments"], strict=True):
                assert one["scale"] == pytest.approx(other["scale"], abs=2e-5), before["name"]
                for a, b in zip(one["seen"], other["seen"], strict=True):
                    assert a == pytest.approx(b, abs=2e-5), (before["name"], one["share"])
