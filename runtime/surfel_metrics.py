"""What is counted of surfels on their way to whoever draws by themselves, for ``metrics``.

By kind of room, as worlds have names and names are the users': the first world, where the server begins, and the others
together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Metric, Summary
from prometheus_client.core import GaugeMetricFamily

from wonderzoom.protocol.messages import Surfels

RoomKind = Literal["first", "other"]
ROOMS: tuple[RoomKind, ...] = get_args(RoomKind)
_WHAT = ("payload", "bounds", "fetched")


@dataclass(frozen=True, slots=True)
class Streamed:
    """How the streams of some rooms are now."""

    viewers: int = 0  # who are sent surfels
    blocks: int = 0  # of which they hold levels, all together
    surfels: int = 0  # in these levels
    unacked: int = 0  # bytes

    def __add__(self, other: Streamed) -> Streamed:
        return Streamed(
            self.viewers + other.viewers,
            self.blocks + other.blocks,
            self.surfels + other.surfels,
            self.unacked + other.unacked,
        )


class SurfelTally:
    """Of the rooms of one kind; told from any thread."""

    def __init__(self, families: _Families, room: RoomKind) -> None:
        self._levels, self._surfels, self._dropped, self._merged_levels = (
            family.labels(room)
            for family in (families.levels, families.surfels, families.dropped, families.merged_levels)
        )
        self._bytes = {what: families.size.labels(room, what) for what in _WHAT}
        self._encoded, self._merged = families.encoded.labels(room), families.merged.labels(room)

    def sent(self, delta: Surfels) -> None:
        """A delta is given to a connection."""
        self._levels.inc(len(delta.levels))
        self._surfels.inc(sum(level.count for level in delta.levels))
        self._bytes["payload"].inc(sum(len(level.payload or b"") for level in delta.levels))
        self._bytes["bounds"].inc(sum(len(each.bounds) for each in (*delta.levels, *delta.bounds)))
        self._dropped.inc(len(delta.drop))

    def fetched(self, size: int) -> None:
        """A payload of so many bytes was fetched by its name."""
        self._bytes["fetched"].inc(size)

    def encoded(self, seconds: float) -> None:
        """A payload was made."""
        self._encoded.observe(seconds)

    def merged(self, levels: int, seconds: float) -> None:
        """So many levels of pyramids were made in one go."""
        self._merged_levels.inc(levels)
        self._merged.observe(seconds)


class _Families:
    """The names."""

    def __init__(self, prefix: str, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"{prefix}_{name}", text, ["room", *labels], registry=registry)

        def summary(name: str, text: str) -> Summary:
            return Summary(f"{prefix}_{name}", text, ["room"], registry=registry)

        self.levels = counter("surfel_levels_sent", "Levels of blocks given to connections.")
        self.surfels = counter("surfels_sent", "Surfels in them.")
        self.size = counter("surfel_sent_bytes", "Bytes of surfels that went out, by what they are.", "what")
        self.dropped = counter("surfel_levels_dropped", "Levels that viewers were told to drop.")
        self.merged_levels = counter(
            "surfel_pyramid_levels", "Levels of pyramids that were made for streams."
        )
        self.merged = summary("surfel_pyramid_seconds", "Seconds of making them, by gos.")
        self.encoded = summary("surfel_encode_seconds", "Seconds of making payloads.")


def tallies(prefix: str, registry: CollectorRegistry) -> dict[RoomKind, SurfelTally]:
    """One for each kind of room."""
    families = _Families(prefix, registry)
    return {room: SurfelTally(families, room) for room in ROOMS}


def now(prefix: str, streamed: Mapping[RoomKind, Streamed]) -> Iterator[Metric]:
    """What merely is."""
    values: tuple[tuple[str, str, Callable[[Streamed], int]], ...] = (
        ("surfel_viewers", "Viewers who are sent surfels.", lambda each: each.viewers),
        (
            "surfel_blocks_held",
            "Blocks of which viewers hold levels, all together.",
            lambda each: each.blocks,
        ),
        ("surfels_held", "Surfels that viewers hold, all together.", lambda each: each.surfels),
        ("surfel_unacked_bytes", "Bytes of surfels that are not acknowledged.", lambda each: each.unacked),
    )
    for name, text, value in values:
        family = GaugeMetricFamily(f"{prefix}_{name}", text, labels=["room"])
        for room in ROOMS:
            family.add_metric([room], value(streamed.get(room, Streamed())))
        yield family
