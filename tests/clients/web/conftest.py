"""What tests in a real browser share: the browser of a file of them, and a garden that pages look into."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import browser
from garden_pages import Garden

from wonderzoom.runtime.renderers.cpu import CpuRenderer


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    with browser() as running:
        yield running


@pytest.fixture
def garden(tmp_path: Path, chrome: Any) -> Iterator[Garden]:
    with CpuRenderer(1) as renderer:
        made = Garden(tmp_path / "garden", renderer, chrome)
        made.house.start()
        try:
            yield made
        finally:
            made.close()
        assert made.said == [], "the browser complains"
