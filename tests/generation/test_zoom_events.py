"""One error, one code, wherever a job runs."""

import pytest

from wonderzoom.generation.jobs import AlreadyCovered, AlreadyMade, GenerationError
from wonderzoom.generation.zoom_events import JobFailed, ZoomFailed, failure_of
from wonderzoom.scene_graph.store_errors import NoSpace, StoreError
from wonderzoom.scene_graph.world import InvalidCommit, RootRemoval, UnknownNode


def out_of_memory() -> GenerationError:
    error = GenerationError("lift", "out of memory; close other programs", True)
    error.__cause__ = MemoryError()
    return error


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (AlreadyCovered("n0"), "already_covered", False),
        (AlreadyMade("n0"), "already_covered", False),
        (GenerationError("depth", "no depth"), "generation_failed", False),
        (GenerationError("depth", "no depth yet", True), "generation_failed", True),
        (out_of_memory(), "out_of_memory", True),
        (MemoryError(), "out_of_memory", True),
        (UnknownNode("n0"), "unknown_node", False),
        (RootRemoval("n0"), "invalid", False),
        (InvalidCommit("no surfels"), "invalid", False),
        (ValueError("a camera needs finite numbers"), "invalid", False),
        (StoreError("w", "broken", "look"), "store_failed", False),
        (NoSpace("w", "full", "free some"), "store_failed", True),
        (KeyError("secret"), "internal", False),
    ],
)
def test_an_error_is_told_by_its_code_and_in_its_own_words(
    error: BaseException, code: str, retryable: bool
) -> None:
    failure = failure_of(error)
    assert (failure.code, failure.retryable, failure.cause) == (code, retryable, error)
    assert failure.message and "secret" not in failure.message
    assert str(error) in failure.message or code in ("out_of_memory", "internal")


def test_what_failed_elsewhere_keeps_its_code_and_its_words() -> None:
    failed = ZoomFailed("timed_out", "too slow", True)
    error = JobFailed(failed)
    assert failure_of(error) == failed and failure_of(error).cause is error and str(error) == "too slow"
