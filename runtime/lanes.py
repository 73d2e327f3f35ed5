"""The renderer's lanes, which all rooms of a server share: how many frames are drawn at a time, and whose is the next.

Each room has a frame loop of its own, but one room must not wait for another that has more people in it: everybody who
moves stands in the same ring of ``turns``, whichever room they are in. Whenever a lane is free, any one of the loops
has it given away among the viewers of all of them.

Where a renderer draws several frames in one call, a lane is one call: the turn of one viewer takes along those of the
same room who are due as well, each on their own account, so that time stays shared as it was.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from wonderzoom.runtime.turns import Turns


class Drawer(Protocol):
    """What a frame loop is to the lanes."""

    @property
    def together(self) -> int:
        """How many frames it would have drawn in one call now."""
        ...

    @property
    def active(self) -> int:
        """How many views of its viewers have something new to see."""
        ...

    @property
    def cost(self) -> float:
        """Seconds that its frames took lately."""
        ...

    def due(self, now: float) -> tuple[Mapping[str, float], Mapping[str, float]]:
        """Whose next frame may begin now, by their names in the ring, and the seconds that it will take; and the same
        of those who move and whose next frame may not begin yet."""
        ...

    def begin(self, names: Sequence[str], now: float, share: float) -> Collection[str]:
        """Begin the frames of some who are due, in one call; ``share`` of the renderer's time is each one's, (0, 1].
        All who are sent something of that call, by name: also those who follow one of them."""
        ...

    def wake(self) -> None:
        """Look for something to do."""
        ...


class Lanes:
    """``count`` calls draw at a time. Belongs to one event loop."""

    def __init__(self, count: int = 1) -> None:
        self.count = count
        self.turns = Turns()
        self._running = 0
        self._drawers: list[Drawer] = []
        self._known = 0

    def name(self) -> str:
        """Another name for a loop: what those of its viewers in the ring begin with."""
        self._known += 1
        return f"{self._known}/"

    def open(self, drawer: Drawer) -> None:
        """From now on that loop runs."""
        self._drawers.append(drawer)

    def close(self, drawer: Drawer) -> None:
        """It does not any more."""
        self._drawers.remove(drawer)

    @property
    def full(self) -> bool:
        """Whether as many calls draw as there are lanes: the end of one is what gives the next away."""
        return self._running >= self.count

    def busy_seconds(self, beside: Drawer) -> float:
        """What one frame for everybody who moves takes, without those of one loop."""
        return sum(each.active * each.cost for each in self._drawers if each is not beside)

    def give_away(self, now: float) -> None:
        """Begin as many calls as there are lanes free, in the order of the turns."""
        costs: dict[str, float] = {}
        soon: dict[str, float] = {}
        owners: dict[str, Drawer] = {}
        for drawer in self._drawers:
            due, later = drawer.due(now)
            costs.update(due)
            soon.update(later)
            owners.update(dict.fromkeys(due, drawer))
        if not costs:
            return
        share = 1.0 / max(1, sum(drawer.active for drawer in self._drawers))
        while costs and not self.full:
            first = self.turns.next(costs, soon)
            assert first is not None
            drawer = owners[first]
            mine = {name for name in costs if owners[name] is drawer and name != first}
            names = [first, *self.turns.along(mine)[: drawer.together - 1]]
            self._running += 1
            for name in drawer.begin(names, now, share):
                if name in costs:
                    soon[name] = costs.pop(name)

    def freed(self) -> None:
        """A call is over, or was given up."""
        self._running -= 1
        if self._drawers:
            self._drawers[0].wake()
