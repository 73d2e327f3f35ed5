"""Whatever an enemy sends is refused, and takes little memory; how long that takes is the bench's to say."""

import importlib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture
def hostile(repository: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """``benchmarks.hostile``: benchmarks are run from the repository's root."""
    monkeypatch.syspath_prepend(str(repository))
    return importlib.import_module("benchmarks.hostile")


def test_every_message_of_the_table_is_refused_and_takes_little_memory(hostile: ModuleType) -> None:
    cases = hostile.cases()
    assert len(cases) > 300 and len({case.group for case in cases}) == 7
    for case in cases:
        _, megabytes, refused = hostile.cost(case, 1)
        assert refused and megabytes < hostile.MOST_MB, (case.group, case.name)


def test_one_that_is_taken_is_named(
    hostile: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    taken = hostile.encode(hostile.CLIENT["camera"])
    monkeypatch.setattr(hostile, "INVALID_FROM_CLIENT", {"a camera": taken})
    assert hostile.main(["--runs", "1"]) == 1
    out, err = capsys.readouterr()
    assert "| NO |" in out and "a camera" in err
