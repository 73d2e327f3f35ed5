"""What holds for every test: how hypothesis draws, how many threads torch takes, and that nothing leaks.

* Hypothesis: profile ``fast`` (50 examples, the default) draws from a fixed seed, so that one commit gives one
  verdict; ``slow`` (``--hypothesis-profile=slow``, 1000 examples) draws anew each time and finds what is left.
* A test must leave no thread, child process or open file behind. Process-wide resources belong in a
  module- or session-scoped fixture: those start before the count is taken.
* What needs transformers and diffusers is not even imported where ``-m`` says "not models": that takes ten seconds in
  each worker, and makes whatever runs after it slower.
* Numba's cache is left where users have it: the tests run what users run.
"""

import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from hypothesis import HealthCheck, settings

LEAK_GRACE_S = 3.0  # a thread or child that was told to end may need a moment; a leaked one never ends

# No deadline and no `too_slow`: the first example may compile a kernel, and no test asserts a time.
for _name, _examples in (("fast", 50), ("slow", 1000)):
    settings.register_profile(
        _name,
        max_examples=_examples,
        deadline=None,
        derandomize=_name == "fast",
        suppress_health_check=[HealthCheck.too_slow],
    )
settings.load_profile("fast")


_OF_MODELS = ("tests/generation/models", "tests/runtime/evaluation/test_clip_scores.py")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """See the module docstring; None leaves it to others."""
    left_out = "not models" in str(config.getoption("markexpr")).split(" and ")
    return left_out and collection_path.relative_to(config.rootpath).as_posix() in _OF_MODELS or None


def _threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.is_alive()}


def _children() -> set[psutil.Process]:
    """Those that live, and theirs. Asking every process of the machine for its parent takes milliseconds, twice a test:
    where Linux tells it, first whether there is any.
    """
    told = list(Path("/proc/self/task").glob("*/children"))
    if told and not any(_text_of(path) for path in told):
        return set()
    return {child for child in psutil.Process().children(recursive=True) if _lives(child)}


def _text_of(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:  # the thread has ended meanwhile: its children are another one's now
        return ""


def _lives(child: psutil.Process) -> bool:
    try:
        return child.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _open_files() -> Counter[str]:
    return Counter(entry.path for entry in psutil.Process().open_files())


def _leaks(threads: set[threading.Thread], children: set[psutil.Process], files: Counter[str]) -> list[str]:
    found = [f"thread {thread.name!r}" for thread in _threads() - threads]
    for child in _children() - children:
        try:
            if children.intersection(child.parents()):
                continue  # of a process that was there before: a browser keeps helpers as it likes
            found.append(f"child process {child.pid}: {' '.join(child.cmdline())}")
        except psutil.NoSuchProcess:
            continue
    found += [f"open file {path}" for path in _open_files() - files]
    return found


@pytest.fixture(autouse=True)
def nothing_leaks(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test: the same threads, child processes and open files as before it."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() != 1:
        torch.set_num_threads(1)  # oracles are small: threads cost more than they give on a shared machine
    before = _threads(), _children(), _open_files()
    yield
    deadline = time.monotonic() + LEAK_GRACE_S
    while found := _leaks(*before):
        if time.monotonic() > deadline:
            pytest.fail(f"{request.node.nodeid} leaves behind: " + "; ".join(found), pytrace=False)
        time.sleep(0.01)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root: tests that look at the tree (packaging, README) start here."""
    return Path(__file__).resolve().parent.parent
