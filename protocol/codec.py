"""Messages to bytes and back. Whatever arrives is a message within its bounds, or ``Malformed``.

One msgpack map a message. msgspec decodes straight into the bounded types: nothing is built from bytes that do
not fit, so a hostile message costs at most its own length.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from wonderzoom.protocol.errors import Malformed, TooLarge
from wonderzoom.protocol.limits import MAX_FROM_CLIENT, MAX_FROM_SERVER
from wonderzoom.protocol.messages import FromClient, FromServer

_Message = TypeVar("_Message")

_encoder = msgspec.msgpack.Encoder()
_from_client = msgspec.msgpack.Decoder(FromClient)
_from_server = msgspec.msgpack.Decoder(FromServer)


def encode(message: FromClient | FromServer) -> bytes:
    """The bytes of a message. Its values are the caller's duty: they are checked by whoever decodes them."""
    return _encoder.encode(message)


def decode_from_client(data: bytes, limit: int = MAX_FROM_CLIENT) -> FromClient:
    """What a client said. Raises Malformed, and TooLarge for more than ``limit`` bytes."""
    return _decode(_from_client, data, limit)


def decode_from_server(data: bytes, limit: int = MAX_FROM_SERVER) -> FromServer:
    """What the server said. Raises Malformed, and TooLarge for more than ``limit`` bytes."""
    return _decode(_from_server, data, limit)


def _decode(decoder: msgspec.msgpack.Decoder[_Message], data: bytes, limit: int) -> _Message:
    if len(data) > limit:
        raise TooLarge(f"a message of {len(data)} bytes; at most {limit} are allowed here")
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, OverflowError, ValueError) as error:
        # The text of a validation error names the field and the bound, and repeats no value.
        raise Malformed(str(error)[:300]) from None
