"""What one viewer holds as surfels, and what to say next: a delta that brings it nearer to its plan.

Sans-I/O, one thread at a time. What was sent counts as held, as messages arrive in order; what has to be fetched counts
when the viewer says so. A block is shown when what is held of it is as sharp as what it stands in for, and R_child of
what it stands in for rises only when all that does so is there: there is never a hole (``scene_graph.residency``). A
viewer that holds its plan is told nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice

from wonderzoom.protocol import limits, messages
from wonderzoom.protocol.values import (
    BoundsPatch,
    CellAddress,
    KnownLevel,
    ShownBlock,
    SurfelLevel,
    index_bytes,
)
from wonderzoom.runtime.surfel_blocks import EncodedLevels, bounds_of, level_of, make_levels, wire_name
from wonderzoom.runtime.surfel_held import Held
from wonderzoom.runtime.surfel_plan import Plan
from wonderzoom.runtime.surfel_showing import NOTHING, Showing, lacks, outside, residencies, span_of
from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.residency import Links
from wonderzoom.scene_graph.surfels import Block, BlockLost

DELTA_BYTES = 64 << 10  # of a delta, about: 26 ms of a link of 20 Mbit/s, then newer wishes count
FIRST_BYTES = 16 << 10  # of the first: something is to be seen soon
IN_VIEW = 0.75  # of the budget: the rest is for what was seen before, and for what may come
_MOST_SHOWN = 4_000  # blocks in one delta: 0.2 MB
_MOST_PATCHED = 30  # bounds in one delta: what a commit brings is not to wait
_MOST_MERGED = 1 << 15  # surfels into pyramids, for one delta: 0.1 s
_BYTES_A_SURFEL, _BYTES_A_LEVEL = 12, 170  # expected
MOST_CLAIMED = 1 << 16  # levels that a viewer may say it holds of which nothing is known here: 4 MB


class Stream:
    """Of one viewer. ``fetch``: payloads are not sent, but offered."""

    def __init__(self, encoded: EncodedLevels, budget: int = 1_000_000, fetch: bool = False) -> None:
        self.budget, self.fetch = budget, fetch
        self.count = 0  # surfels held
        self._encoded = encoded
        self._held: dict[bytes, Held] = {}
        self._of: dict[str, dict[int, Held]] = {}  # of each block: number -> level
        self._before: dict[bytes, Held] = {}  # sent on an earlier connection
        self._claimed: dict[bytes, int] = {}  # what the viewer says it holds: name -> revision of its bounds
        self._drop: list[bytes] = []  # to be said
        self._shown: dict[str, ShownBlock] = {}
        self._unsendable: set[tuple[str, int]] = set()  # lost on the disk, too large, too deep for the wire
        self._anew = True
        self._delta = 0
        self._plan: Plan | None = None
        self._links: Links | None = None
        self._number = 0  # of the plan
        self._asked: set[tuple[str, int]] = set()  # by the plan: (block, number)
        self._spare: list[Held] | None = None  # not asked for; the next to give up is last
        self._next, self._searched = 0, False  # steps before it are done; all that needs no making is
        self._went_on = False  # the last steps needed no sending
        self._old = False  # bounds of what is held may be older than the plan's
        self._touched: set[str] = set()  # blocks of which other levels are held than when that was told
        self._now, self._told = Showing.of(0), Showing.of(0)  # how the plan's blocks should be shown, and are
        self._size, self._quick = DELTA_BYTES, False
        self._said: tuple[int, int, bool] | None = None  # revision, camera and completeness, when told last

    # ---- what the viewer says -------------------------------------------------------------------
    def ask(self, budget: int, fetch: bool) -> None:
        """How many surfels it keeps at most, and whether it fetches payloads."""
        self.budget, self.fetch = budget, fetch

    def reconnected(self) -> None:
        """On a new connection nothing is known of what is held until the viewer says it."""
        self._before |= self._held
        self._held, self._of, self._claimed, self.count = {}, {}, {}, 0
        self.begin_anew()

    def begin_anew(self) -> None:
        """What is held stays; what is shown is said from the beginning."""
        self._shown, self._drop, self._anew, self._plan = {}, [], True, None

    def have(self, levels: Iterable[KnownLevel]) -> None:
        """The viewer holds these."""
        for level in levels:
            held, known = self._held.get(level.hash), self._before.pop(level.hash, None)
            if held is not None:
                held.there = True
                self._touched.add(held.block)
            elif known is not None:
                known.revision, known.there = level.bounds_revision, True
                self._keep(known)
            elif len(self._claimed) < MOST_CLAIMED:
                self._claimed[level.hash] = level.bounds_revision

    def evicted(self, names: Iterable[bytes]) -> None:
        """The viewer has given these up."""
        for name in names:
            self._forget(name)
            self._claimed.pop(name, None)
        self._next, self._searched = 0, False

    # ---- what to say next -----------------------------------------------------------------------
    @property
    def held(self) -> Mapping[str, tuple[str, Cell]]:
        """Hash and key of each block of which something is held."""
        return {name: next(iter(levels.values())).key for name, levels in self._of.items()}

    def next(
        self, plan: Plan, camera_seq: int = 0, size: int = DELTA_BYTES, quick: bool = False
    ) -> messages.Surfels | None:
        """The next delta towards a plan, of about ``size`` bytes; None when there is nothing to say. ``quick``: the
        link carries bytes sooner than pyramids are made: what is there already comes first."""
        if plan is not self._plan:
            self._turn_to(plan)
        self._size, self._quick = min(size, FIRST_BYTES if self._anew else DELTA_BYTES), quick
        if not self._make_room(0):  # it has asked for less than it holds
            self._shrink(plan)
        for name in plan.gone:
            for held in list(self._of.get(name, {}).values()):
                self._give_up(held)
        levels, patches, sending = self._levels(plan)
        while sending and not levels and not patches and self._went_on:
            levels, patches, sending = self._levels(plan)
        patches += self._patches(plan)
        show, said_all = self._show(plan)
        if not sending:  # what the viewer holds and nothing here asks for
            self._drop += self._claimed
            self._claimed, self._before = {}, {}
        drop = [name for name in self._drop[: limits.MAX_SHOWN] if name not in self._held]
        self._drop = self._drop[limits.MAX_SHOWN :]
        here = all(held.there for held in self._held.values())
        complete = here and said_all and not (sending or self._old or self._drop)
        said = (plan.revision, camera_seq, complete)
        if not (levels or patches or show or drop or self._anew) and said == self._said:
            return None
        anew, self._anew, self._said = self._anew, False, said
        self._delta += 1
        return messages.Surfels(
            delta=self._delta, revision=plan.revision, camera_seq=max(0, camera_seq), anew=anew, levels=levels,
            bounds=patches, show=show, drop=drop, complete=complete,
        )  # fmt: skip

    def _turn_to(self, plan: Plan) -> None:
        self._plan, self._links, self._spare, self._number = plan, None, None, self._number + 1
        self._next, self._searched = 0, False
        self._asked = {(plan.blocks[row].hash, number) for row, number in plan.steps}
        for name, number in self._asked:
            held = self._of.get(name, {}).get(number)
            if held is not None:
                held.used = self._number
        self._now, self._told = Showing.of(len(plan.blocks)), Showing.of(len(plan.blocks))
        for row, block in enumerate(plan.blocks):
            if block.hash in self._of:
                self._now.levels[row] = self._span(block.hash, plan, row)
            known = self._shown.get(block.hash)
            if known is not None:
                self._told.put(row, known)
        self._old = True

    # ---- levels ---------------------------------------------------------------------------------
    def _levels(self, plan: Plan) -> tuple[list[SurfelLevel], list[BoundsPatch], bool]:
        """The next levels to send, bounds of those that have become other levels' in name only, and whether there
        will be more."""
        passed = len(self._unsendable) - len(self._claimed)
        chosen, more = self._chosen(plan)
        steps = [(plan.blocks[row], number) for row, number in chosen]
        lost = make_levels(steps, plan.cameras, self._encoded.tally)
        self._unsendable.update(
            (block.hash, number) for block in lost for number in range(limits.MAX_PYRAMID)
        )
        levels: list[SurfelLevel] = []
        patches: list[BoundsPatch] = []
        size = 0
        for row, number in chosen:
            block = plan.blocks[row]
            if size >= self._size or len(levels) == limits.MAX_LEVELS:
                return levels, patches, True
            if (block.hash, number) in self._unsendable:
                continue
            level = level_of(block, number)
            if level is None:  # given up by who makes pyramids, just now
                more = True
                continue
            name, old = wire_name(level, number), self._of.get(block.hash, {}).get(number)
            try:
                if old is not None and old.name == name:
                    patches.append(old.patch(level))
                elif name in self._claimed:
                    self._keep_level(name, block, level, number, self._claimed.pop(name))
                elif not self._make_room(level.count):
                    return levels, patches, False
                else:
                    levels.append(self._sent(name, block, level, number))
                    size += len(levels[-1].payload or b"") + len(levels[-1].bounds) + _BYTES_A_LEVEL
            except (BlockLost, ValueError):
                self._unsendable.add((block.hash, number))
        self._went_on = len(self._unsendable) - len(self._claimed) > passed
        return levels, patches, more

    def _chosen(self, plan: Plan) -> tuple[list[tuple[int, int]], bool]:
        """The next steps that are not done, about as many as a delta takes, and whether there are more."""
        if self._quick and not self._searched:
            if chosen := list(islice(self._there(plan), 1 + self._size // _BYTES_A_LEVEL)):
                return chosen, True
            self._searched = True
        chosen = []
        expected = merging = 0
        for at in range(self._next, len(plan.steps)):
            row, number = plan.steps[at]
            block = plan.blocks[row]
            if not self._is_asked(block, number):
                continue
            if expected >= self._size or merging >= _MOST_MERGED:
                return chosen, True
            if not chosen:
                self._next = at
            chosen.append((row, number))
            merging += block.count * (number > len(block.mips))
            expected += _BYTES_A_SURFEL * max(1, block.count >> (2 * number)) + _BYTES_A_LEVEL
        if not chosen:
            self._next = len(plan.steps)
        return chosen, False

    def _there(self, plan: Plan) -> Iterable[tuple[int, int]]:
        """What can be sent without making a level first: for one that is not made the finest one of its block."""
        named: set[tuple[int, int]] = set()
        for row, number in plan.steps[self._next :]:
            block = plan.blocks[row]
            if number > len(block.mips):
                number = int(plan.finest[row])
            if number <= len(block.mips) and (row, number) not in named and self._is_asked(block, number):
                named.add((row, number))
                yield row, number

    def _is_asked(self, block: Block, number: int) -> bool:
        """Whether a step is not done yet, and can be."""
        if (block.hash, number) in self._unsendable:
            return False
        held = self._of.get(block.hash, {}).get(number)
        return held is None or (held.revision != block.limits.revision and number != 0)

    def _sent(self, name: bytes, block: Block, level: Block, number: int) -> SurfelLevel:
        """A level to send, which counts as held from now on. Raises BlockLost, and ValueError for what has no room."""
        # What takes another's place is sent, as nothing may be missing in between.
        fetch = self.fetch and number not in self._of.get(block.hash, {})
        if fetch:
            self._encoded.offer(name, level)
        payload = None if fetch else self._encoded.payload(name, level)
        x, y, z = (index_bytes(index) for index in block.cell.index)
        made = SurfelLevel(
            hash=name, block=bytes.fromhex(block.hash), node=block.node,
            cell=CellAddress(level=block.cell.level, x=x, y=y, z=z), level=number, count=level.count,
            payload=payload, bounds=bounds_of(level), bounds_revision=level.limits.revision,
        )  # fmt: skip
        self._keep_level(name, block, level, number, level.limits.revision, there=not fetch)
        return made

    def _keep_level(
        self, name: bytes, block: Block, level: Block, number: int, revision: int, there: bool = True
    ) -> None:
        old = self._of.get(block.hash, {}).get(number)
        if old is not None:
            self._give_up(old)
        self._keep(Held(name, block.hash, block.key, number, level.count, revision, there, self._number))

    def _patches(self, plan: Plan) -> list[BoundsPatch]:
        """New bounds of blocks that are held; coarser levels whose bounds are old come with ``_levels``, or go."""
        patches: list[BoundsPatch] = []
        size = 0
        if not self._old:
            return patches
        self._old = False
        for name, levels in list(self._of.items()):
            if (row := plan.index.get(name)) is None:
                continue
            block = plan.blocks[row]
            for number, held in list(levels.items()):
                if held.revision == block.limits.revision:
                    continue
                if number:
                    if (name, number) not in self._asked and not self._is_shown(held):
                        self._give_up(held)
                elif size < DELTA_BYTES and len(patches) < _MOST_PATCHED:
                    try:
                        patches.append(held.patch(block))
                        size += len(patches[-1].bounds)
                    except BlockLost:
                        self._unsendable.add((name, 0))
                else:
                    self._old = True  # the rest next time
        return patches

    # ---- what is shown --------------------------------------------------------------------------
    def _show(self, plan: Plan) -> tuple[list[ShownBlock], bool]:
        """How blocks are shown from now on, where that is news; whether that is all."""
        now, told = self._now, self._told
        touched = self._touched
        for name in touched:
            if (row := plan.index.get(name)) is not None:
                now.levels[row] = self._span(name, plan, row)
        if self._links is None and not self._anew and lacks(plan, now.levels[:, 0]):
            self._links = plan.links()  # the first delta does not wait for that
        now.there, now.child = residencies(plan, now.levels[:, 0], told.there, self._links)
        news = list(outside(plan, self._shown, touched, self._numbers).items())
        for row in now.differing(told).tolist():
            low, high = (now if now.there[row] else told).levels[row].tolist()
            name = plan.blocks[row].hash
            each = ShownBlock(
                block=bytes.fromhex(name), finest=low, coarsest=high, residency=float(now.there[row]),
                child_residency=float(now.child[row]),
            )  # fmt: skip
            news.append((name, each))
        for name, each in news[:_MOST_SHOWN]:
            if each.residency > 0.0:
                self._shown[name] = each
            else:
                self._shown.pop(name, None)
            if (row := plan.index.get(name)) is not None:
                told.put(row, each)
        self._touched = {name for name, _ in news[_MOST_SHOWN:]}
        return [each for _, each in news[:_MOST_SHOWN]], len(news) <= _MOST_SHOWN

    def _span(self, name: str, plan: Plan, row: int) -> tuple[int, int]:
        numbers = self._numbers(name)
        if not numbers:
            return NOTHING, NOTHING
        return span_of(numbers, int(plan.finest[row]), int(plan.coarsest[row]))

    def _numbers(self, name: str) -> set[int]:
        """The levels of a block that can be shown."""
        return {number for number, held in self._of.get(name, {}).items() if held.there}

    # ---- the account ----------------------------------------------------------------------------
    def _make_room(self, count: int) -> bool:
        """Give up what the plan does not ask for, used longest ago first, until so many more fit; whether they do."""
        if self.count + count <= self.budget:
            return True
        if self._spare is None:
            spare = [held for held in self._held.values() if (held.block, held.number) not in self._asked]
            self._spare = sorted(spare, key=lambda held: (-held.used, -held.count))
        while self._spare and self.count + count > self.budget:
            held = self._spare.pop()
            if self._held.get(held.name) is held:
                self._give_up(held)
        return self.count + count <= self.budget

    def _shrink(self, plan: Plan) -> None:
        """Give up what is least useful of what the plan asks for."""
        for row, number in reversed(plan.steps):
            held = self._of.get(plan.blocks[row].hash, {}).get(number)
            if held is not None and self.count > self.budget:
                self._give_up(held)

    def _is_shown(self, held: Held) -> bool:
        known = self._shown.get(held.block)
        return known is not None and known.finest <= held.number <= known.coarsest

    def _keep(self, held: Held) -> None:
        self._held[held.name] = held
        self._touched.add(held.block)
        self._of.setdefault(held.block, {})[held.number] = held
        self.count += held.count

    def _give_up(self, held: Held) -> None:
        self._forget(held.name)
        self._drop.append(held.name)

    def _forget(self, name: bytes) -> None:
        held = self._held.pop(name, None)
        if held is None:
            return
        self.count -= held.count
        self._touched.add(held.block)
        levels = self._of[held.block]
        if levels.get(held.number) is held:
            del levels[held.number]
        if not levels:
            del self._of[held.block]
