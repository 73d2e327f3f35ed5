"""The registry of materials as the kernels read them, and the bridge to a photo's own resolution.

Owns: names and their indices, the flat tables, and what a ladder lacks for one photo. Does not own: the data
(``ladder_tables``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.embedded.ladder_tables import MATERIALS, TAIL, TAIL_RATIO, Rungs
from wonderzoom.generation.embedded.rungs import COLUMNS, SIZE, Kind

# A photo shows elements of these kinds one by one; without one between a quarter of and the largest size that
# the generator may draw, its first zooms would be blank.
BRIDGED_KINDS = (Kind.BLADES, Kind.LEAVES, Kind.PEBBLES, Kind.FACETS, Kind.GRAINS, Kind.SCALES, Kind.WEAVE)
BRIDGED = ("grass", "foliage", "soil", "sand", "fur", "fibre", "moss", "snow")
BRIDGE_GAP = 4.0
BRIDGE_SIZE = 0.5  # of the largest size


class UnknownMaterial(KeyError):
    """A material that the registry does not hold."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"no material {name!r}; known: {', '.join(known)}")
        self.name = name


@dataclass(frozen=True, slots=True, eq=False)
class Ladders:
    """Flat ladders of a set of materials; immutable and safe to share between threads."""

    names: tuple[str, ...]  # [M]
    table: NDArray[np.float64]  # [M, R, COLUMNS] rungs from coarse to fine, unused ones zero
    counts: NDArray[np.int64]  # [M] rungs in use
    tail: NDArray[np.float64]  # [T, COLUMNS] repeated below the last rung, SIZE ignored
    tail_ratio: float  # each rung of the tail is this much finer than the one before

    @staticmethod
    def of(materials: Mapping[str, Rungs], tail: Rungs, tail_ratio: float) -> Ladders:
        """Flatten; raises ValueError for an empty ladder or sizes that do not decrease."""
        most = max(len(rungs) for rungs in materials.values()) + 1  # room for a bridge
        table = np.zeros((len(materials), most, COLUMNS))
        counts = np.array([len(rungs) for rungs in materials.values()], np.int64)
        for m, (name, rungs) in enumerate(materials.items()):
            sizes = [rung.size for rung in rungs]
            if not rungs or any(fine >= coarse for coarse, fine in zip(sizes, sizes[1:], strict=False)):
                raise ValueError(f"ladder {name!r}: sizes must decrease, got {sizes}")
            table[m, : len(rungs)] = [rung.row() for rung in rungs]
        return Ladders(tuple(materials), table, counts, np.array([rung.row() for rung in tail]), tail_ratio)

    def index(self, name: str) -> int:
        """Row of a material; raises ``UnknownMaterial``."""
        try:
            return self.names.index(name)
        except ValueError:
            raise UnknownMaterial(name, self.names) from None

    def metres(self, name: str) -> tuple[float, ...]:
        """Element sizes of a material's own rungs, coarse to fine."""
        m = self.index(name)
        return tuple(float(size) for size in self.table[m, : self.counts[m], SIZE])

    def bridged(self, largest: float) -> Ladders:
        """Ladders for a photo whose own detail ends at ``largest`` metres.

        A material of countable elements that has none just below gets its own next coarser element once more.
        """
        table, counts = self.table.copy(), self.counts.copy()
        for name in BRIDGED:
            if name not in self.names:
                continue
            m = self.index(name)
            rungs = self.table[m, : counts[m]]
            below = int(np.searchsorted(-rungs[:, SIZE], -largest))  # first rung that may be drawn
            countable = np.isin(rungs[:, 0], BRIDGED_KINDS)
            near = (rungs[:, SIZE] <= largest) & (rungs[:, SIZE] > largest / BRIDGE_GAP)
            above = np.flatnonzero(countable[:below])
            if below == counts[m] or (countable & near).any() or len(above) == 0:
                continue
            bridge = rungs[above[-1]].copy()
            bridge[SIZE] = largest * BRIDGE_SIZE
            if below < counts[m] and rungs[below, SIZE] >= bridge[SIZE]:
                bridge[SIZE] = np.sqrt(rungs[below, SIZE] * largest)  # keep the order
            table[m, below + 1 : counts[m] + 1] = rungs[below:]
            table[m, below] = bridge
            counts[m] += 1
        return Ladders(self.names, table, counts, self.tail, self.tail_ratio)


LADDERS = Ladders.of(MATERIALS, TAIL, TAIL_RATIO)
NAMES = LADDERS.names
