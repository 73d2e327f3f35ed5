"""What an enemy may send, and what refusing it costs: CPU milliseconds and megabytes of each message.

    python -m benchmarks.hostile [--all] [--runs N]

Through the session of a connection that is let in (``protocol.session``), or that has said nothing yet; payloads of
surfels through the client's reader. By default the costliest of each group; exits with 1 where one is not refused, or
where one costs 5 ms or 4 MB and more.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from benchmarks.machine import machine, table
from wonderzoom.protocol import limits
from wonderzoom.protocol.block_vectors import invalid_bounds, invalid_payloads
from wonderzoom.protocol.codec import decode_from_server, encode
from wonderzoom.protocol.counterexamples import INVALID_FROM_CLIENT, INVALID_FROM_SERVER
from wonderzoom.protocol.errors import Malformed
from wonderzoom.protocol.examples import CLIENT, SERVER
from wonderzoom.protocol.messages import Welcome
from wonderzoom.protocol.session import ServerSession
from wonderzoom.protocol.surfel_block import BadBlock, decode, decode_bounds

MOST_MS, MOST_MB = 5.0, 4.0
_NATIVE = np.zeros(4, np.float32)  # [N] ln cell edges, of the surfels that bounds are said to be of


def _pack(message: object) -> bytes:
    return msgspec.msgpack.encode(message)


def of_surfels() -> dict[str, bytes]:
    """What a viewer who draws by itself may think of, beside ``INVALID_FROM_CLIENT``."""
    name, level = bytes(16), {"hash": bytes(16), "bounds_revision": 1}
    most = limits.MAX_NAMED
    return {
        "a have of one level too many": _pack({"type": "have", "levels": [level] * (most + 1)}),
        "a have of 64 kB of nothing": _pack({"type": "have", "levels": [{}] * 60_000})[
            : limits.MAX_FROM_CLIENT
        ],
        "a have whose list never ends": b"\x82\xa4type\xa4have\xa6levels\xdd\xff\xff\xff\xff",
        "a level whose name is a megabyte long": b"\x82\xa4type\xa7evicted\xa6hashes\x91\xc6\x00\x10\x00\x00",
        "evicting one too many": _pack({"type": "evicted", "hashes": [name] * (most + 1)}),
        "evicting names of text": _pack({"type": "evicted", "hashes": ["x" * 16] * most}),
        "an ack of both": _pack({"type": "ack", "frame": 1, "delta": 1}),
        "a budget of 2^60": _pack({"type": "configure", "stream": "surfels", "surfel_budget": 1 << 60}),
        "lists in lists": b"\x82\xa4type\xa4have\xa6levels" + b"\x91" * 60_000,
        "maps in maps": b"\x82\xa4type\xa4have\xa6levels" + b"\x81\xa1a" * 20_000,
        "unknown fields, 60 kB of them": _pack({"type": "have", **{f"f{k}": k for k in range(6_000)}}),
    }


def of_anybody() -> dict[str, bytes | str]:
    """What no message of the schema is."""
    return {
        "a text message": "hello",
        "64 kB and a byte": bytes(limits.MAX_FROM_CLIENT + 1),
        "a megabyte": bytes(1 << 20),
        "nothing": b"",
        "half a message": encode(CLIENT["camera"])[:40],
        "a message and a byte": encode(CLIENT["camera"]) + b"\0",
        "what only a server says": encode(SERVER["stats"]),
    }


def before_the_welcome() -> dict[str, bytes | str]:
    """From somebody whom nobody knows."""
    hello = msgspec.structs.asdict(CLIENT["hello"])
    return {
        "a hello of a kilobyte and more": _pack({"type": "hello", **hello, "more": "x" * 1_024}),
        "a camera first": encode(CLIENT["camera"]),
        "a have first": encode(CLIENT["have"]),
        "64 kB first": bytes(limits.MAX_FROM_CLIENT),
    }


def let_in() -> ServerSession:
    """The session of a connection that is let in."""
    session = ServerSession(0.0)
    session.receive_data(encode(CLIENT["hello"]), 0.0)
    session.events_received()
    welcome = SERVER["welcome"]
    assert isinstance(welcome, Welcome)
    session.welcome(welcome)
    session.data_to_send()
    return session


def refused_by(session: ServerSession, data: bytes | str) -> bool:
    """Whether a session did not take it: what it said is an error or a close, and nobody hears of the message."""
    session.receive_data(data, 0.0)
    return not session.events_received() and bool(session.data_to_send())


def refused_as_payload(data: bytes) -> bool:
    """Whether it is no payload of surfels."""
    try:
        decode(data)
    except BadBlock:
        return True
    return False


def refused_as_bounds(data: bytes) -> bool:
    """Whether it is no bounds of four surfels."""
    try:
        decode_bounds(data, _NATIVE)
    except BadBlock:
        return True
    return False


def refused_from_server(data: bytes) -> bool:
    """Whether it is nothing that a server says."""
    try:
        decode_from_server(data)
    except Malformed:
        return True
    return False


@dataclass(frozen=True, slots=True)
class Case:
    """One message; ``refuse`` is made anew for each try, and says whether it was refused."""

    group: str
    name: str
    bytes: int
    begin: Callable[[], Callable[[], bool]]


def cases() -> list[Case]:
    """All that is measured."""
    found: list[Case] = []

    def add(
        group: str, messages: dict[str, bytes | str], begin: Callable[[bytes | str], Callable[[], bool]]
    ) -> None:
        for name, data in messages.items():
            found.append(Case(group, name, len(data), lambda data=data: begin(data)))

    def inside(data: bytes | str) -> Callable[[], bool]:
        session = let_in()
        return lambda: refused_by(session, data)

    def outside(data: bytes | str) -> Callable[[], bool]:
        session = ServerSession(0.0)
        return lambda: refused_by(session, data)

    def read(refused: Callable[[bytes], bool]) -> Callable[[bytes | str], Callable[[], bool]]:
        return lambda data: lambda: isinstance(data, bytes) and refused(data)

    add("messages that are malformed", dict(INVALID_FROM_CLIENT), inside)
    add("what no message is", of_anybody(), inside)
    add("of viewers who draw by themselves", dict(of_surfels()), inside)
    add("before the welcome", before_the_welcome(), outside)
    add("a hostile server's messages", dict(INVALID_FROM_SERVER), read(refused_from_server))
    add("a hostile server's payloads", dict(invalid_payloads()), read(refused_as_payload))
    add("a hostile server's bounds", dict(invalid_bounds()), read(refused_as_bounds))
    return found


def cost(case: Case, runs: int) -> tuple[float, float, bool]:
    """Milliseconds of CPU (median), megabytes at the most, and whether it was refused each time."""
    times: list[float] = []
    refused = True
    for _ in range(runs):
        refuse = case.begin()
        begun = time.process_time()
        refused &= refuse()
        times.append(1e3 * (time.process_time() - begun))
    refuse = case.begin()
    tracemalloc.start()
    refused &= refuse()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return statistics.median(times), peak / 1e6, refused


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--all", action="store_true", help="every message, not only the costliest")
    parser.add_argument("--runs", type=int, default=9)
    options = parser.parse_args(arguments)
    measured = [(case, *cost(case, options.runs)) for case in cases()]
    groups = dict.fromkeys(case.group for case, *_ in measured)
    rows: list[list[str]] = []
    for group in groups:
        mine = [each for each in measured if each[0].group == group]
        shown = mine if options.all else [max(mine, key=lambda each: each[1])]
        for case, ms, mb, refused in shown:
            what = f"{group} ({len(mine)}): {case.name}" if not options.all else f"{group}: {case.name}"
            rows.append([what, f"{case.bytes:,}", f"{ms:.3f}", f"{mb:.2f}", "yes" if refused else "NO"])
        if not options.all:
            most = max(mine, key=lambda each: each[2])
            rows[-1][3] = f"{most[2]:.2f}"
    print(f"{machine()}; medians of {options.runs}\n")
    print(table(["message", "bytes", "CPU ms", "MB at most", "refused"], rows))
    wrong = [case.name for case, ms, mb, refused in measured if not refused or ms >= MOST_MS or mb >= MOST_MB]
    for name in wrong:
        print(f"not refused in {MOST_MS:g} ms and {MOST_MB:g} MB: {name}", file=sys.stderr)
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
