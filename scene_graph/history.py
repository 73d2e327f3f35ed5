"""What can be undone and redone: a pure function of the log's entries, without their content.

A *change* is a commit of its own: a zoom, a replacement, a removal. An *undo* takes back one change; a *redo*
takes back one undo. Both are entries in the same append-only log, marked by ``reverts``, so that history is as
durable as the world, has no end, and needs no second file. The alternatives are worse: two stacks beside the
log can contradict it after a crash; entries without a mark can't tell the undo of a replacement from another
replacement.

* Undo takes the change that was made (or redone) last of those that still have something to take back. It
  removes the nodes that the change brought, with all that was built on them, and brings back those that it
  took. ``undo(node)`` takes back the change that made this node, however long ago: any subtree can be undone.
* Redo takes the newest undo that still can be taken back, or the one that took a certain node.
* **Nothing is ever lost for redo.** A new zoom after an undo does not empty a stack, as it does in an editor of
  one line of text: a world is a tree, and its other branches have nothing to do with that zoom. An undo is
  passed over while it can't be redone whole (its parent is gone, or a node of its name is live again), no longer.
* Undo and redo are each other's inverse, to the last bit of the world's digest, whatever came before.
* The root stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from wonderzoom.scene_graph.commit import LogEntry


@dataclass(frozen=True, slots=True)
class Kept:
    """One life of a node: which change made it, and which revision's file has its content."""

    change: int
    revision: int
    parent: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """An undo or a redo before its bounds are known."""

    reverts: int
    removing: tuple[str, ...]  # with all that is below them
    restoring: tuple[tuple[str, int], ...]  # (node, revision that has its content), parents first


@dataclass(slots=True)
class _Standing:
    """A change that is done: since which entry, and whose taken nodes an undo brings back."""

    since: int
    source: int


@dataclass(slots=True)
class _Past:
    """What an entry did."""

    brought: dict[str, int] = field(default_factory=dict[str, int])  # node -> change that made it
    taken: dict[str, Kept] = field(default_factory=dict[str, Kept])


class History:
    """The log so far, ready to say what an undo or a redo would be. It grows by ``follow``."""

    def __init__(self, entries: Iterable[LogEntry] = ()) -> None:
        self.revision = 0
        self._live: dict[str, Kept] = {}
        self._past: dict[int, _Past] = {}
        self._standing: dict[int, _Standing] = {}  # by change
        self._undone: dict[int, int] = {}  # undo entries that stand -> the change that each takes back
        for entry in entries:
            self.follow(entry)

    def follow(self, entry: LogEntry) -> None:
        """One more revision, the next one."""
        past = _Past(taken={name: self._live.pop(name) for name in entry.removed if name in self._live})
        self._past[entry.revision] = past
        self.revision = entry.revision
        undone, redone = entry.reverts in self._standing, self._undone.pop(entry.reverts, None)
        if undone:
            change = entry.reverts
            source = self._past[self._standing[change].source].taken
        elif redone is not None:
            change, source = redone, self._past[entry.reverts].taken
        else:
            change, source = entry.revision, dict[str, Kept]()
        for name, parent in entry.added:
            origin = source[name].change if name in source else change
            self._live[name] = Kept(origin, entry.revision, parent)
            past.brought[name] = origin
        if undone:
            self._undone[entry.revision] = change
            if not self._of(change):
                del self._standing[change]
        elif redone is not None and change in self._standing:  # the undo was of a part of it
            self._standing[change].since = entry.revision
        else:
            self._standing[change] = _Standing(entry.revision, entry.revision)

    # ---- asking -----------------------------------------------------------------------------------
    def __contains__(self, node: str) -> bool:
        """Whether a node is live."""
        return node in self._live

    def undo(self, node: str | None = None) -> Plan | None:
        """What undoing the last change, or the one that made ``node``, would be; None: there is none."""
        if node is None:
            newest = sorted(self._standing, key=lambda change: self._standing[change].since, reverse=True)
            return next(filter(None, map(self._undo_of, newest)), None)
        kept = self._live.get(node)
        if kept is None or kept.parent is None:
            return None
        gone = self._below([node])
        if gone.issuperset(self._of(kept.change)):  # so that what the change replaced comes back
            return self._undo_of(kept.change)
        return Plan(kept.change, (node,), ())

    def redo(self, node: str | None = None) -> Plan | None:
        """What redoing the last undo (that took ``node``) would be; None: there is none."""
        newest = sorted(self._undone, reverse=True)
        wanted = (undo for undo in newest if node is None or node in self._past[undo].taken)
        return next(filter(None, map(self._redo_of, wanted)), None)

    def restore(self, node: str) -> Plan | None:
        """What bringing back a node that is gone would be, with all that went with it; None: that can't be.

        The undo of the removal, or the redo of the undo, that took it last. What a replacement took does not come back
        so: that would take what it brought.
        """
        if node in self._live:
            return None
        for revision in sorted(self._past, reverse=True):
            past = self._past[revision]
            if node not in past.taken:
                continue
            plan = None
            if revision in self._undone:
                plan = self._redo_of(revision)
            elif not past.brought and revision in self._standing:
                plan = self._undo_of(revision)
            if plan is not None and node in dict(plan.restoring):
                return plan
        return None

    def _undo_of(self, change: int) -> Plan | None:
        removing = self._of(change)
        if self._past[change].brought and not removing:
            return None  # taken with something else
        if any(self._live[name].parent is None for name in removing):
            return None
        standing = self._standing.get(change)
        taken = self._past[standing.source].taken if standing is not None else {}
        return self._plan(change, removing, taken)

    def _redo_of(self, undo: int) -> Plan | None:
        past = self._past[undo]
        removing = [
            name
            for name, change in past.brought.items()
            if name in self._live and self._live[name].change == change
        ]
        plan = self._plan(undo, removing, past.taken)
        # All that it took or nothing: the rest alone could not be taken back as this undo's redo.
        return plan if plan is not None and len(plan.restoring) == len(past.taken) else None

    def _plan(self, reverts: int, removing: list[str], taken: Mapping[str, Kept]) -> Plan | None:
        restoring = tuple(self._restorable(taken, self._below(removing)))
        return Plan(reverts, tuple(removing), restoring) if removing or restoring else None

    def _of(self, change: int) -> list[str]:
        """The live nodes that a change made."""
        brought = self._past[change].brought
        return [name for name in brought if name in self._live and self._live[name].change == change]

    def _below(self, tops: Iterable[str]) -> set[str]:
        """Some live nodes and everything below them."""
        children: dict[str, list[str]] = {}
        for name, kept in self._live.items():
            if kept.parent is not None:
                children.setdefault(kept.parent, []).append(name)
        found = list(tops)
        for name in found:  # grows while it is read
            found += children.get(name, ())
        return set(found)

    def _restorable(self, taken: Mapping[str, Kept], gone: set[str]) -> Iterator[tuple[str, int]]:
        """Those of the taken nodes that fit into the world without ``gone``, parents first."""
        present = self._live.keys() - gone
        waiting = {name: kept for name, kept in taken.items() if name not in present}
        below: dict[str, list[str]] = {}
        for name, kept in sorted(waiting.items()):
            if kept.parent is not None:
                below.setdefault(kept.parent, []).append(name)
        ready = [name for parent in sorted(below) if parent in present for name in below[parent]]
        for name in ready:  # grows while it is read
            yield name, waiting[name].revision
            ready += below.get(name, ())
