"""Fixtures of the command line's tests."""

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from desk import AT, Desk
from PIL import Image

from wonderzoom.runtime import authoring


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    """A folder with a photo in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(authoring, "SHORT_SIDE", 64)
    picture = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    Image.fromarray(picture).save("photo.png")
    return Desk(capsys)


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """It interrupts, also where a shell runs the tests in its background, and has them ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def garden(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """With a world of one zoom, named garden; made once and copied."""
    made = tmp_path_factory.getbasetemp() / "garden"
    if not made.exists():
        desk.must("create", "photo.png", "-o", "garden", "--focal", "30")
        desk.must("zoom", "garden", *AT, "--prompt", "moss")
        Path("garden").rename(made)
    shutil.copytree(made, "garden")
    return desk
