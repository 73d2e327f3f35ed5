"""Values of the wire: what is too much for one message is told in several."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wonderzoom.protocol import limits
from wonderzoom.protocol.codec import encode
from wonderzoom.protocol.examples import NODE
from wonderzoom.protocol.messages import Commit
from wonderzoom.protocol.values import NodeSummary
from wonderzoom.runtime.wire import commit_parts, portions, preview_of, words_of


@given(st.lists(st.integers(0, limits.MAX_PROMPT), max_size=30), st.integers(1, 60))
def test_nodes_are_told_in_messages_that_fit(lengths: list[int], repeated: int) -> None:
    nodes = [
        NodeSummary(id=NODE.id, camera=NODE.camera, ln_magnification=0.0, prompt="x" * length)
        for length in lengths
    ] * repeated
    parts = portions(nodes)
    assert [node for part in parts for node in part] == nodes and parts
    assert all(len(encode(Commit(revision=1, added=part))) < limits.MAX_FROM_SERVER for part in parts)


@pytest.mark.parametrize("coming", [0, 1, 2000])
@pytest.mark.parametrize("going", [0, 3, limits.MAX_NODES + 1])
def test_a_revision_is_told_in_messages_that_fit_and_nothing_goes_after_it_has_come(
    coming: int, going: int
) -> None:
    """As when an undo takes back the removal of a large subtree."""
    added = [
        NodeSummary(id=f"{k:x}", camera=NODE.camera, ln_magnification=0.0, prompt="x" * 400)
        for k in range(coming)
    ]
    removed = [f"{k:x}" for k in range(going)]
    pairs = commit_parts(added, removed)
    said = [Commit(revision=1, added=part, removed=gone) for part, gone in pairs]
    assert all(len(encode(each)) < limits.MAX_FROM_SERVER for each in said)
    here = set(removed)
    for each in said:  # as a client takes it
        here.difference_update(each.removed)
        here.update(node.id for node in each.added)
    assert here == {node.id for node in added}
    assert sum(len(each.added) for each in said) == coming and len(said) >= 1


@pytest.mark.parametrize("shape", [(36, 48, 3), (512, 768, 3), (2000, 30, 3)])
def test_a_preview_fits_its_field(shape: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert 0 < len(preview_of(noise)) <= limits.MAX_PREVIEW


def test_words_fit_their_field() -> None:
    assert words_of(("a" * 100,) * 100) == ["a" * limits.MAX_NAME] * limits.MAX_WORDS
