"""Writes what other languages read: ``schema.json`` and ``vectors/``, made from the messages themselves.

    python -m wonderzoom.protocol.schema FOLDER            write them into FOLDER
    python -m wonderzoom.protocol.schema FOLDER --check    say which are not current, and end with 1

``vectors/surfel_blocks.json`` and ``depth_maps.json`` have payloads of surfels, and of depth, and what they hold
(``block_vectors``, ``depth_vectors``). In those of messages bytes are written as ``{"bin": "hex"}``. A ``valid`` one
decodes to ``message``, and a message that is encoded in this order of fields has these bytes; an ``invalid`` one must
be refused, by name.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import msgspec

from wonderzoom.protocol import limits
from wonderzoom.protocol.codec import encode
from wonderzoom.protocol.counterexamples import INVALID_FROM_CLIENT, INVALID_FROM_SERVER
from wonderzoom.protocol.errors import CloseCode, ErrorCode
from wonderzoom.protocol.examples import CLIENT, SERVER, plain
from wonderzoom.protocol.messages import FromClient, FromServer

# Longer invalid messages are all of one kind, and tests make them themselves.
_LONGEST = 4096


def schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of both directions, with the limits and the codes beside it."""
    (from_client, from_server), definitions = msgspec.json.schema_components(
        (FromClient, FromServer), ref_template="#/$defs/{name}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "WonderZoom wire protocol",
        "description": "One msgpack map a websocket message. Strings with contentEncoding base64 are msgpack bin.",
        "version": limits.PROTOCOL,
        "subprotocol": limits.SUBPROTOCOL,
        "from_client": from_client,
        "from_server": from_server,
        "limits": {
            name.lower(): value for name, value in vars(limits).items() if name.startswith(("MAX_", "MIN_"))
        }
        | {
            "hello_within_s": limits.HELLO_WITHIN_S,
            "messages_per_s": limits.MESSAGES_PER_S,
            "message_burst": limits.MESSAGE_BURST,
        },
        "error_codes": {code.value: {"retryable": code.retryable} for code in ErrorCode},
        "close_codes": {
            code.name.lower(): {"code": int(code), "retryable": code.retryable} for code in CloseCode
        },
        "$defs": definitions,
    }


def _jsonable(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"bin": value.hex()}
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    return value


def vectors() -> dict[str, list[dict[str, Any]]]:
    """Name of a file -> its vectors."""

    def valid(messages: dict[str, Any]) -> list[dict[str, Any]]:
        return [
            {"name": name, "message": _jsonable(plain(message)), "hex": encode(message).hex()}
            for name, message in messages.items()
        ]

    def invalid(messages: dict[str, bytes]) -> list[dict[str, Any]]:
        return [{"name": name, "hex": data.hex()} for name, data in messages.items() if len(data) <= _LONGEST]

    return {
        "from_client": valid(CLIENT),
        "from_server": valid(SERVER),
        "invalid_from_client": invalid(INVALID_FROM_CLIENT),
        "invalid_from_server": invalid(INVALID_FROM_SERVER),
    }


def artefacts() -> dict[str, str]:
    """Path below ``protocol/`` -> content."""
    from wonderzoom.protocol import block_vectors, depth_vectors  # the only parts that need arrays

    made = {"schema.json": schema()} | {f"vectors/{name}.json": part for name, part in vectors().items()}
    told = {name: json.dumps(content, indent=1, ensure_ascii=False) + "\n" for name, content in made.items()}
    numbers = block_vectors.vectors() | depth_vectors.vectors()
    for name, those in numbers.items():  # by the thousand: a line for each vector
        lines = ",\n".join(json.dumps(each) for each in those)
        told[f"vectors/{name}.json"] = f"[\n{lines}\n]\n"
    return told


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="protocol/ of a checkout")
    parser.add_argument("--check", action="store_true", help="write nothing")
    options = parser.parse_args()
    stale: list[str] = []
    for name, content in artefacts().items():
        path = options.folder / name
        if path.is_file() and path.read_text(encoding="utf-8") == content:
            continue
        stale.append(str(path))
        if not options.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    if stale and options.check:
        print(f"not current: {', '.join(stale)}; run python -m wonderzoom.protocol.schema {options.folder}")
        return 1
    print("\n".join(stale) or "current")
    return 0


if __name__ == "__main__":
    sys.exit(main())
