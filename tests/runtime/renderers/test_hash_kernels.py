"""Compiled hashes are hashlib's, whatever the lengths of the messages and of their parts."""

import numpy as np
from hypothesis import strategies as st
from laws import law

from wonderzoom.runtime.renderers.hash_kernels import BLOCK, LANES, CompiledHashing
from wonderzoom.scene_graph.hashing import HashlibHashing, Message

# At the edges of the blocks that BLAKE2b mixes in, of one byte more or less, and of nothing.
LENGTHS = st.sampled_from([0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 5 * BLOCK + 3])


def bytes_of(length: int, seed: int) -> bytes:
    return np.random.default_rng(seed).bytes(length)


@law(
    st.lists(st.lists(LENGTHS, min_size=1, max_size=3), max_size=3 * LANES),
    st.integers(0, 2**32 - 1),
    examples=60,
)
def test_messages_of_any_length_have_hashlibs_hashes(lengths: list[list[int]], seed: int) -> None:
    messages = [
        Message([bytes_of(length, seed + 7 * i + j) for j, length in enumerate(parts)], sum(parts))
        for i, parts in enumerate(lengths)
    ]
    assert CompiledHashing().each(messages) == HashlibHashing().each(messages)


def test_many_long_messages_are_hashed_in_several_runs() -> None:
    """Of lengths that leave lanes waiting for the longest; more than are joined at once."""
    sizes = [1000 + 450_001 * (i % 5) for i in range(11)]
    messages = [Message([bytes_of(size, i)], size) for i, size in enumerate(sizes)]
    assert CompiledHashing().each(messages) == HashlibHashing().each(messages)


def test_a_message_is_its_text_and_its_numbers() -> None:
    """Also where these lie apart in memory, or have two axes."""
    numbers = np.arange(12, dtype=np.float32).reshape(3, 4)
    for hashing in (HashlibHashing(), CompiledHashing()):
        whole = b"a" + numbers[:, ::2].tobytes()
        apart, together = hashing.each([Message.of("a", numbers[:, ::2]), Message([whole], len(whole))])
        assert apart == together
