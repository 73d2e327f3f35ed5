"""What a simulated viewer who draws by itself holds, and what the server promises it."""

from collections.abc import Callable

from wonderzoom.clients.surfels import HeldSurfels
from wonderzoom.protocol import limits, messages
from wonderzoom.protocol.codec import encode

BUDGET = 20_000


class LiveSurfels:
    """``expect`` is told what holds; ``kind`` is what the viewer was told that it is sent, None where it said that."""

    def __init__(self, budget: int, expect: Callable[..., None]) -> None:
        self._expect = expect
        self.held = HeldSurfels(budget)
        self.deltas = self.bytes = self.levels = 0
        self.last = 0  # number of a delta
        self.told: list[messages.Streamed] = []
        self.unacked: dict[int, int] = {}
        self._given_up: set[bytes] = set()
        self._here: set[bytes] = set()

    def take(self, delta: messages.Surfels, now: float) -> None:
        """A delta has come: all laws of one connection."""
        self._expect(delta.delta > self.last, "was sent delta", delta.delta, "after", self.last)
        self.last = delta.delta
        before = sum(self.unacked.values())
        self._expect(before < limits.MAX_UNACKED, "was sent a delta with", before, "bytes on their way")
        size = len(encode(delta))
        self.unacked[delta.delta] = size
        again = [each.hash for each in delta.levels if each.hash in self._here]
        self._expect(not again, "was sent what it holds:", len(again))
        self._here |= {each.hash for each in delta.levels}
        self.held.take(
            delta, now
        )  # Malformed, an error of the server's: more than the budget, or what is no payload
        self._here -= set(delta.drop)
        self.deltas += 1
        self.bytes += size
        self.levels += len(delta.levels)

    def begin(self) -> list[messages.Have]:
        """On a new connection: what it still has."""
        known, most = self.held.known(), limits.MAX_NAMED
        self.unacked.clear()
        self.last = 0  # a server that has forgotten who one is counts anew
        self.held.complete = False
        self._here = {level.hash for level in known}
        return [messages.Have(levels=known[start : start + most]) for start in range(0, len(known), most)]

    def forget(self, names: list[bytes]) -> None:
        """Given up by itself."""
        self.held.give_up(names)
        self._here -= set(names)

    def whole(self, seq: int, revision: int) -> bool:
        """Whether all that a camera asks for at a revision is here."""
        held = self.held
        return held.complete and held.camera_seq >= seq and held.revision == revision
