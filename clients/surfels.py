"""The part of a world that a client holds as surfels, and what of it is drawn at a moment.

``take`` obeys a delta of the server, ``drawn`` gives what any renderer draws. What is new fades in, what is refined
or goes fades over, each for FADE_S (section 9 of ``PROTOCOL.md``). Nothing here waits or draws; times are the
caller's, in seconds, and never go back.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from wonderzoom.clients.blocks import block_of, bounds_of
from wonderzoom.protocol import limits, messages
from wonderzoom.protocol.errors import Malformed
from wonderzoom.protocol.values import KnownLevel, ShownBlock, SurfelLevel
from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.ports import Span, VisibleSet
from wonderzoom.scene_graph.residency import FADE_S
from wonderzoom.scene_graph.surfels import Block

_SLACK = 1.05  # of the budget: a server that sends more than this does not keep it


@dataclass(slots=True)
class _Ramp:
    """A number that moves to its target at the same speed always: from 0 to 1 in FADE_S."""

    start: float = 0.0
    at: float = 0.0
    target: float = 0.0

    def value(self, now: float) -> float:
        step = max(0.0, now - self.at) / FADE_S
        if self.target >= self.start:
            return min(self.target, self.start + step)
        return max(self.target, self.start - step)

    def turn(self, target: float, now: float) -> None:
        self.start, self.at, self.target = self.value(now), now, target

    def settled(self, now: float) -> bool:
        return self.value(now) == self.target


@dataclass(slots=True)
class _Shown:
    """How a block is drawn: by which levels, before that by which others, and the two residencies of Eq. 3."""

    span: Span
    residency: _Ramp = field(default_factory=_Ramp)
    child: _Ramp = field(default_factory=_Ramp)
    before: Span | None = None  # fades out; None: nothing does
    mixed_at: float = 0.0  # when that began

    def obey(self, told: ShownBlock, now: float) -> None:
        span = told.finest, told.coarsest
        if span != self.span:
            # Of two changes within one fade the first is cut short: its levels are nearly what comes next.
            self.before = self.span if self.residency.value(now) > 0.0 else None
            self.span, self.mixed_at = span, now
        if told.residency != self.residency.target:
            self.residency.turn(told.residency, now)
        below = told.child_residency
        if below < self.child.value(now):
            self.child = _Ramp(below, now, below)
        elif below != self.child.target:
            self.child.turn(below, now)

    def settle(self, now: float) -> bool:
        """Whether nothing moves any more."""
        if self.before is not None and now >= self.mixed_at + FADE_S:
            self.before = None
        return self.before is None and self.residency.settled(now) and self.child.settled(now)

    def parts(self, now: float) -> Iterable[tuple[Span, float]]:
        """The spans that are drawn, and the share of each."""
        if self.before is None:
            return ((self.span, 1.0),)
        mixed = min(1.0, max(0.0, now - self.mixed_at) / FADE_S)
        return ((self.before, 1.0 - mixed), (self.span, mixed))


@dataclass(slots=True)
class _Level:
    block: bytes
    number: int
    scene: Block


class HeldSurfels:
    """See the module docstring; ``budget``: surfels that ``configure`` asked for at most."""

    def __init__(self, budget: int) -> None:
        self.budget = budget
        self.revision = 0
        self.camera_seq = 0  # that the last delta was chosen for
        self.complete = False  # all that this camera asked for is here
        self.count = 0  # surfels held, without those that are dropped and still fade
        self._levels: dict[bytes, _Level] = {}
        self._numbered: dict[bytes, dict[int, bytes]] = {}  # of each block: the level's number -> its name
        self._awaited: dict[bytes, SurfelLevel] = {}  # whose payload is to be fetched
        self._shown: dict[bytes, _Shown] = {}
        self._dropped: set[bytes] = set()  # levels that a fade may still show
        self._moving = False
        self._last: VisibleSet | None = None

    # ---- what the server says -----------------------------------------------------------------------
    def take(self, delta: messages.Surfels, now: float) -> None:
        """Obey a delta. Raises Malformed for what no server of the protocol says; nothing is to be drawn after that."""
        for each in delta.levels:
            if each.payload is None:
                self._awaited[each.hash] = each
            else:
                self._keep(each, each.payload)
        for patch in delta.bounds:
            level = self._levels.get(patch.hash)
            if level is not None:
                bounds = bounds_of(level.scene.surfels, patch.bounds, patch.bounds_revision)
                level.scene = level.scene.with_bounds(bounds)
        if delta.anew:
            told = {each.block for each in delta.show}
            for block, shown in self._shown.items():
                if block not in told:
                    shown.residency.turn(0.0, now)
        for each in delta.show:
            if each.block not in self._numbered:
                continue  # nothing of it is here: there is nothing to show, nor to fade
            shown = self._shown.get(each.block)
            if shown is None:
                shown = self._shown[each.block] = _Shown((each.finest, each.coarsest))
                shown.residency.at = shown.child.at = now
            shown.obey(each, now)
        for name in delta.drop:
            self._awaited.pop(name, None)
            if name in self._levels and name not in self._dropped:
                self._dropped.add(name)
                self.count -= self._levels[name].scene.count
        self.revision, self.camera_seq, self.complete = delta.revision, delta.camera_seq, delta.complete
        self._moving, self._last = True, None
        self._free(now)
        count = self.count + sum(each.count for each in self._awaited.values())
        if count > _SLACK * self.budget:
            raise Malformed(f"{count} surfels were sent; {self.budget} were asked for")

    def fetched(self, name: bytes, payload: bytes) -> KnownLevel | None:
        """A payload that was sent by its name came; what to tell the server, if it is still wanted. Raises BadBlock."""
        level = self._awaited.pop(name, None)
        if level is None:
            return None
        self._keep(level, payload)
        return KnownLevel(hash=name, bounds_revision=level.bounds_revision)

    def blocks(self) -> list[Block]:
        """All levels that are held, shown or not."""
        return [level.scene for level in self._levels.values()]

    def give_up(self, names: Iterable[bytes]) -> None:
        """Forget levels at once, shown or not: there is no room for them here. The server has to be told."""
        for name in names:
            self._awaited.pop(name, None)
            self._forget(name)
        self._last = None

    @property
    def awaited(self) -> list[bytes]:
        """The names of levels whose payloads are to be fetched, the most useful first."""
        return list(self._awaited)

    def known(self) -> list[KnownLevel]:
        """What is held, as ``have`` says it to a server that may not know."""
        return [
            KnownLevel(hash=name, bounds_revision=level.scene.limits.revision)
            for name, level in self._levels.items()
            if name not in self._dropped
        ]

    # ---- what is drawn ------------------------------------------------------------------------------
    def drawn(self, now: float) -> VisibleSet:
        """What to draw at a moment: a level twice where it is in both spans of a fade. The same object while nothing
        moves."""
        if self._last is not None and not self._moving:
            return self._last
        self._moving = False
        rows: list[tuple[tuple[str, Cell], int, Block, float, float, Span]] = []
        for block, shown in self._shown.items():
            self._moving |= not shown.settle(now)
            above, below = shown.residency.value(now), shown.child.value(now)
            if above <= 0.0:
                continue
            numbered = self._numbered.get(block, {})
            for span, share in shown.parts(now):
                for number in range(span[0], span[1] + 1):
                    name = numbered.get(number)
                    if name is not None and share > 0.0:
                        scene = self._levels[name].scene
                        rows.append((scene.key, number, scene, share * above, share * below, span))
        self._free(now)
        rows.sort(key=lambda row: row[:2])
        self._last = VisibleSet(
            tuple(row[2] for row in rows),
            tuple(row[1] for row in rows),
            tuple(row[3] for row in rows),
            self.revision,
            tuple(row[5] for row in rows),
            tuple(row[4] for row in rows),
        )
        return self._last

    def settled(self, now: float) -> bool:
        """Whether the picture of a still camera is the last one: all is here, and nothing fades."""
        return (
            self.complete and not self._awaited and all(shown.settle(now) for shown in self._shown.values())
        )

    # ---- inside -------------------------------------------------------------------------------------
    def _keep(self, level: SurfelLevel, payload: bytes) -> None:
        cell = Cell(level.cell.level, *level.cell.index)
        name = level.hash.hex()
        scene = block_of(level.node, cell, payload, level.bounds, name, level.bounds_revision)
        if scene.count != level.count or scene.count > limits.MAX_SURFELS:
            raise Malformed(f"a level of {level.count} surfels came with {scene.count}")
        self._forget(level.hash)
        self._levels[level.hash] = _Level(level.block, level.level, scene)
        self._numbered.setdefault(level.block, {})[level.level] = level.hash
        self.count += scene.count

    def _forget(self, name: bytes) -> None:
        level = self._levels.pop(name, None)
        if level is None:
            return
        if name in self._dropped:
            self._dropped.discard(name)
        else:
            self.count -= level.scene.count
        numbered = self._numbered.get(level.block, {})
        if numbered.get(level.number) == name:  # else another has come in its place
            del numbered[level.number]
        if not numbered:
            self._numbered.pop(level.block, None)

    def _free(self, now: float) -> None:
        """Free what was dropped and is in no fade any more, and forget blocks that have faded away."""
        for block, shown in list(self._shown.items()):
            if shown.residency.target == 0.0 and shown.settle(now):
                del self._shown[block]
        for name in list(self._dropped):
            level = self._levels[name]
            shown, replaced = (
                self._shown.get(level.block),
                self._numbered.get(level.block, {}).get(level.number) != name,
            )
            used = shown is not None and any(a <= level.number <= b for (a, b), _ in shown.parts(now))
            if replaced or not used:
                self._forget(name)
