"""Deficit round robin: whose frame is drawn next, so that everyone gets the same time and not the same count.

Viewers stand in a ring. When its turn comes a viewer is given a quantum of seconds; it draws while its credit
covers what a frame of its kind costs, and pays what the frame really took. A cheap view is thus drawn more
often than a costly one (Shreedhar and Varghese 1996).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Mapping

QUANTUM_S = 0.02  # less than most frames take: credit is what decides, not the place in the ring
# Seconds: more than viewers who share their calls differ by, so that they go on sharing them; far less than a person
# notices of somebody else's having been served before.
MOST_DEBT_S = 0.1


class Turns:
    """The ring. Names are any strings."""

    def __init__(self) -> None:
        self._ring: deque[str] = deque()
        self._credit: dict[str, float] = {}

    def join(self, name: str) -> None:
        """Stand at the end of the ring, with no credit."""
        if name not in self._credit:
            self._ring.append(name)
            self._credit[name] = 0.0

    def leave(self, name: str) -> None:
        """Be gone; a name that is not there may leave."""
        if self._credit.pop(name, None) is not None:
            self._ring.remove(name)

    def next(self, costs: Mapping[str, float], soon: Mapping[str, float] | None = None) -> str | None:
        """Who draws now, of those who want to; ``costs`` are the seconds that their next frames will take.

        ``soon``: the same of those who will want to in a moment, as the time between two of their frames is not over.
        They stand in the ring as well, or whoever has costly frames would draw each time in which they do not want to.
        """
        soon = soon or {}
        wanting = [name for name in self._ring if name in costs]
        if not wanting:
            return None
        for name in self._ring:
            if name not in costs:  # who pauses keeps debts, not savings; for a moment, those for one frame
                self._credit[name] = min(self._credit[name], soon.get(name, 0.0))
        # As many rounds as the one who is nearest to its turn still needs, at once.
        rounds = min(max(0.0, costs[name] - self._credit[name]) // QUANTUM_S for name in wanting)
        for name in (*wanting, *soon):
            self._credit[name] += rounds * QUANTUM_S
        while True:
            name = self._ring[0]
            if name in costs and self._credit[name] >= costs[name]:
                return name
            self._ring.rotate(-1)
            if self._ring[0] in costs or self._ring[0] in soon:
                self._credit[self._ring[0]] += QUANTUM_S

    def along(self, names: Container[str]) -> list[str]:
        """Who of ``names`` may draw in the same call as the one whose turn it is, in the order of the ring.

        Nobody is given anything for it, and the ring stands where it stood: they pay as if it were their turn. Whoever
        owes more than MOST_DEBT_S then is left out until that is made good, so that time stays shared.
        """
        return [name for name in self._ring if name in names and self._credit[name] >= -MOST_DEBT_S]

    def pay(self, name: str, seconds: float) -> None:
        """A frame of that viewer took that long."""
        if name in self._credit:
            self._credit[name] -= seconds
