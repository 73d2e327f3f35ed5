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
from wonderzoom.runtime.wire import portions, preview_of, words_of


@given(st.lists(st.integers(0, limits.MAX_PROMPT), max_size=30), st.integers(1, 60))
def test_nodes_are_told_in_messages_that_fit(lengths: list[int], repeated: int) -> None:
    nodes = [
        NodeSummary(id=NODE.id, camera=NODE.camera, ln_magnification=0.0, prompt="x" * length)
        for length in lengths
    ] * repeated
    parts = portions(nodes)
    assert [node for part in parts for node in part] == nodes and parts
    assert all(len(encode(Commit(revision=1, added=part))) < limits.MAX_FROM_SERVER for part in parts)


@pytest.mark.parametrize("shape", [(36, 48, 3), (512, 768, 3), (2000, 30, 3)])
def test_a_preview_fits_its_field(shape: tuple[int, int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    assert 0 < len(preview_of(noise)) <= limits.MAX_PREVIEW


def test_words_fit_their_field() -> None:
    assert words_of(("a" * 100,) * 100) == ["a" * limits.MAX_NAME] * limits.MAX_WORDS
