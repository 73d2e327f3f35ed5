"""What a prompt became: text encodings, kept so that a text encoder is not needed again for the same words.

A text encoder is often larger than the network that it serves (T5-XXL: 9.5 GB), and prompts repeat: the words of an
upscaler's tiles, a view that is tried again, the empty prompt. Encodings are kept on the CPU, bounded in bytes; the
least recently used goes first. What comes from the cache is what was encoded, bit by bit.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from wonderzoom.generation.models.references import ModelReference

# 512 tokens of SD3 are 4.2 MB in bfloat16, of FLUX.2-klein 7.9 MB: some dozens of prompts.
LIMIT_BYTES = 512 * 2**20


class Embeddings:
    """Encodings by (model, text); one thread at a time, as generation works."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0
        self._kept: OrderedDict[tuple[ModelReference, str], tuple[Any, ...]] = OrderedDict()

    def encoded(
        self,
        model: ModelReference,
        text: str,
        device: str,
        encode: Callable[[], Sequence[Any]],
    ) -> tuple[Any, ...]:
        """The tensors that ``encode`` makes of ``text``, on ``device``; encoded once.

        ``text`` says all that the encoding depends on beside the model: where an adapter encodes in two ways,
        its texts differ.
        """
        key = (model, text)
        kept = self._kept.get(key)
        if kept is None:
            kept = tuple(tensor.detach().to("cpu") for tensor in encode())
            self._keep(key, kept)
        else:
            self._kept.move_to_end(key)
        return tuple(tensor.to(device) for tensor in kept)

    def _keep(self, key: tuple[ModelReference, str], tensors: tuple[Any, ...]) -> None:
        """Remember, and forget what was used longest ago; what is larger than all room is not kept."""
        size = _bytes(tensors)
        if size > self.limit_bytes:
            return
        while self.held_bytes + size > self.limit_bytes:
            self.held_bytes -= _bytes(self._kept.popitem(last=False)[1])
        self._kept[key] = tensors
        self.held_bytes += size

    def __len__(self) -> int:
        return len(self._kept)


def _bytes(tensors: tuple[Any, ...]) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)
