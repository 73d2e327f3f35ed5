"""Whether the files of a model are whole, without loading them: a second for any number of gigabytes.

Reads the header of every safetensors file (length and JSON; https://huggingface.co/docs/safetensors) and compares
what it promises with the size of the file; every index of shards with the shards; every pipeline with its parts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_HEADER_BYTES = 8  # little-endian length of the JSON that follows
_MOST_HEADER = 100 << 20  # bytes: what the format itself allows
_WEIGHTS = "*.safetensors"
_INDEX = "*.safetensors.index.json"


def faults(folder: Path) -> list[str]:
    """What is wrong with the model in ``folder``, in words; nothing where it is whole."""
    index = folder / "model_index.json"
    if not index.is_file():
        return _faults_of_part(folder, needs_weights=_is_network(folder) or not any(folder.iterdir()))
    found: list[str] = []
    for part, kind in sorted(_json(index, found).items()):
        if part.startswith("_") or not isinstance(kind, list) or None in kind:
            continue
        where = folder / part
        if not where.is_dir():
            found.append(f"{part}/ is missing")
            continue
        found += _faults_of_part(where, needs_weights=_is_network(where))
    return found


def weight_bytes(folder: Path) -> int:
    """Bytes of all weights below ``folder``."""
    return sum(path.stat().st_size for path in folder.rglob(_WEIGHTS))


def _is_network(folder: Path) -> bool:
    """Whether a part has weights: processors, tokenizers and schedulers have none, and no ``config.json``."""
    return (folder / "config.json").is_file()


def _faults_of_part(folder: Path, needs_weights: bool) -> list[str]:
    found: list[str] = []
    tensors: dict[str, set[str]] = {}
    for path in sorted(folder.glob(_WEIGHTS)):
        tensors[path.name] = _tensors(path, found)
    for path in sorted(folder.glob(_INDEX)):
        shards = _json(path, found).get("weight_map", {})
        for name, shard in sorted(shards.items() if isinstance(shards, dict) else ()):
            if shard not in tensors:
                found.append(f"{_short(folder / str(shard))} is missing")
                tensors[shard] = set()  # said once
                break
            if tensors[shard] and name not in tensors[shard]:
                found.append(f"{_short(folder / str(shard))} lacks the tensor {name}")
                break
    if needs_weights and not tensors:
        found.append(f"{_short(folder)} has no safetensors file")
    return found


def _tensors(path: Path, found: list[str]) -> set[str]:
    """The names of the tensors in a file; empty, and a word in ``found``, where it is not whole."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(_HEADER_BYTES), "little")
        if size < _HEADER_BYTES or length > min(_MOST_HEADER, size - _HEADER_BYTES):
            found.append(f"{_short(path)} is damaged: it ends within its header")
            return set()
        try:
            header = json.loads(file.read(length))
            ends = [value["data_offsets"][1] for key, value in header.items() if key != "__metadata__"]
            promised = _HEADER_BYTES + length + max(ends, default=0)
        except (ValueError, KeyError, TypeError, IndexError, AttributeError):
            found.append(f"{_short(path)} is damaged: its header can't be read")
            return set()
    if promised != size:
        found.append(f"{_short(path)} is damaged: {size:,} bytes instead of {promised:,}")
        return set()
    return {key for key in header if key != "__metadata__"}


def _json(path: Path, found: list[str]) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        value = None
    if not isinstance(value, dict):
        found.append(f"{_short(path)} is damaged: it is no JSON object")
        return {}
    return value


def _short(path: Path) -> str:
    """The last two names of a path: what tells parts of a pipeline apart."""
    return "/".join(path.parts[-2:])
