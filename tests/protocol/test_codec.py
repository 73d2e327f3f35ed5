"""Messages and their bytes: round trips, an independent oracle, and whatever an enemy may send."""

import tracemalloc
from collections.abc import Callable

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wire import from_client, from_server

from wonderzoom.protocol import limits
from wonderzoom.protocol.codec import decode_from_client, decode_from_server, encode
from wonderzoom.protocol.counterexamples import INVALID_FROM_CLIENT, INVALID_FROM_SERVER
from wonderzoom.protocol.errors import ErrorCode, Malformed, TooLarge
from wonderzoom.protocol.examples import CLIENT, POSE, SERVER, plain
from wonderzoom.protocol.messages import FromClient, FromServer
from wonderzoom.protocol.values import index_bytes, index_of


def packed(value: object) -> bytes:
    """By the other library."""
    data = msgpack.packb(value)
    assert data is not None
    return data


@pytest.mark.parametrize("name", CLIENT)
def test_what_a_client_says_comes_back(name: str) -> None:
    assert decode_from_client(encode(CLIENT[name])) == CLIENT[name]


@pytest.mark.parametrize("name", SERVER)
def test_what_the_server_says_comes_back(name: str) -> None:
    assert decode_from_server(encode(SERVER[name])) == SERVER[name]


@given(from_client)
def test_any_message_of_a_client_comes_back(message: FromClient) -> None:
    assert decode_from_client(encode(message)) == message


@given(from_server)
def test_any_message_of_the_server_comes_back(message: FromServer) -> None:
    assert decode_from_server(encode(message)) == message


@pytest.mark.parametrize("name", [*CLIENT, *SERVER])
def test_another_library_reads_and_writes_the_same(name: str) -> None:
    message = CLIENT.get(name) or SERVER[name]
    seen = msgpack.unpackb(encode(message))
    assert seen == plain(message) and isinstance(seen["type"], str)
    decode = decode_from_client if name in CLIENT and CLIENT[name] is message else decode_from_server
    assert decode(packed(seen)) == message


@pytest.mark.parametrize("name", CLIENT)
def test_fields_of_a_newer_peer_are_ignored(name: str) -> None:
    newer = plain(CLIENT[name]) | {"of_version_9": [1, {"a": None}]}
    assert decode_from_client(packed(newer)) == CLIENT[name]


@given(st.integers(-(1 << 2047), (1 << 2047) - 1))
def test_indices_are_as_short_as_can_be(value: int) -> None:
    data = index_bytes(value)
    assert index_of(data) == value
    if len(data) > 1:
        assert index_of(data[1:]) != value


@pytest.mark.parametrize("value", [1 << 2047, -(1 << 2047) - 1])
def test_an_index_has_an_end(value: int) -> None:
    with pytest.raises(ValueError, match="257 bytes"):
        index_bytes(value)


# ---- what an enemy sends ------------------------------------------------------------------------------
def refused_at_no_cost(decode: Callable[[bytes], object], data: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(Malformed) as refused:
            decode(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused.value.code is ErrorCode.MALFORMED and len(str(refused.value)) <= 300
    assert peak < 4 << 20


@pytest.mark.parametrize("name", INVALID_FROM_CLIENT)
def test_hostile_messages_are_refused_at_no_cost(name: str) -> None:
    refused_at_no_cost(decode_from_client, INVALID_FROM_CLIENT[name])


@pytest.mark.parametrize("name", INVALID_FROM_SERVER)
def test_messages_of_a_hostile_server_are_refused_at_no_cost(name: str) -> None:
    refused_at_no_cost(decode_from_server, INVALID_FROM_SERVER[name])


def test_more_bytes_than_allowed_are_not_decoded() -> None:
    data = encode(CLIENT["ack"]) + bytes(limits.MAX_FROM_CLIENT)
    with pytest.raises(TooLarge, match=str(limits.MAX_FROM_CLIENT)) as refused:
        decode_from_client(data)
    assert refused.value.code is ErrorCode.TOO_LARGE
    assert decode_from_client(encode(CLIENT["ack"]), limit=limits.MAX_BEFORE_WELCOME) == CLIENT["ack"]


def test_secrets_are_not_repeated() -> None:
    hello = plain(CLIENT["hello"]) | {"token": "s3cret" * 100}
    with pytest.raises(Malformed) as refused:
        decode_from_client(packed(hello))
    assert "s3cret" not in str(refused.value)


def accepted_or_documented(data: bytes) -> None:
    for decode in (decode_from_client, decode_from_server):
        try:
            message = decode(data)
        except Malformed:
            continue
        assert decode(encode(message)) == message


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    data = bytearray(encode(draw(st.sampled_from([*CLIENT.values(), *SERVER.values()]))))
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(data) - 1))
        match draw(st.integers(0, 2)):
            case 0:
                data[place] = draw(st.integers(0, 255))
            case 1:
                data[place:place] = draw(st.binary(min_size=1, max_size=8))
            case _:
                del data[place : place + draw(st.integers(1, max(1, len(data) // 8)))]
        if not data:
            break
    return bytes(data)


FUZZ = st.binary(max_size=200) | mutated()


@settings(max_examples=200)
@given(FUZZ)
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    accepted_or_documented(data)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=20_000)
@given(FUZZ)
def test_very_many_bytes_are_a_message_or_malformed(data: bytes) -> None:
    accepted_or_documented(data)


def test_a_pose_of_the_wire_is_what_it_says() -> None:
    assert POSE.pivot.cell.index == (2796202, -1, 0)
