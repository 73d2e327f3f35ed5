"""Models of kilobytes for all tests of adapters: one thread, no network, no chatter; made once a run."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # before any import: a try to reach a hub is an error, not a wait
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

import pytest
from tiny_models import quiet


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> None:
    quiet()
