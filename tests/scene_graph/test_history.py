"""What an undo and a redo would be, by scenario; that they hold for any log is in ``test_undo``."""

import pytest
from hypothesis import strategies as st
from laws import law

from wonderzoom.scene_graph.commit import LogEntry
from wonderzoom.scene_graph.history import History, Plan


class Writer:
    """A log that is written step by step; the root is there."""

    def __init__(self) -> None:
        self.history = History([LogEntry(1, (("root", None),))])
        self.parents: dict[str, str | None] = {"root": None}

    def add(self, node: str, parent: str = "root", replacing: tuple[str, ...] = ()) -> int:
        self.parents[node] = parent
        return self._follow(((node, parent),), replacing)

    def remove(self, *nodes: str) -> int:
        return self._follow((), nodes)

    def undo(self, node: str | None = None) -> Plan:
        return self._carry_out(self.history.undo(node))

    def redo(self, node: str | None = None) -> Plan:
        return self._carry_out(self.history.redo(node))

    def _carry_out(self, plan: Plan | None) -> Plan:
        assert plan is not None
        gone = {name for top in plan.removing for name in self.live() if top in self._path(name)}
        back = tuple((name, self.parents[name]) for name, _revision in plan.restoring)
        self._follow(back, tuple(sorted(gone)), plan.reverts)
        return plan

    def _path(self, node: str) -> list[str]:
        path = [node]
        while (parent := self.parents[path[-1]]) is not None:
            path.append(parent)
        return path

    def _follow(
        self, added: tuple[tuple[str, str | None], ...], removed: tuple[str, ...], reverts: int = 0
    ) -> int:
        entry = LogEntry(self.history.revision + 1, added, removed, reverts)
        self.history.follow(entry)
        return entry.revision

    def live(self) -> set[str]:
        return {name for name in self.parents if name in self.history}


def test_the_root_is_never_undone() -> None:
    assert History().undo() is None and History().redo() is None
    history = Writer().history
    assert history.undo() is None and history.undo("root") is None and history.redo() is None


def test_the_last_zoom_goes_first_and_comes_back_last() -> None:
    log = Writer()
    log.add("a")
    log.add("b", "a")
    assert log.undo() == Plan(3, ("b",), ())
    assert log.undo() == Plan(2, ("a",), ())
    assert log.history.undo() is None
    assert log.redo() == Plan(5, (), (("a", 2),))
    assert log.redo() == Plan(4, (), (("b", 3),))
    assert log.history.redo() is None
    assert log.undo().removing == ("b",)


def test_a_node_of_long_ago_goes_with_its_subtree_and_comes_back_with_it() -> None:
    log = Writer()
    for node, parent in (("a", "root"), ("b", "a"), ("c", "b"), ("other", "root")):
        log.add(node, parent)
    assert log.undo("a") == Plan(2, ("a",), ())
    assert log.live() == {"root", "other"}
    assert log.redo().restoring == (("a", 2), ("b", 3), ("c", 4))  # parents first
    assert log.undo() == Plan(2, ("a",), ())  # the redo, whole
    log.redo()
    assert log.undo("c") == Plan(4, ("c",), ())  # and still each alone


def test_a_replacement_is_undone_in_one_step() -> None:
    log = Writer()
    log.add("old")
    log.add("on it", "old")
    log.add("new", replacing=("old", "on it"))
    assert log.undo() == Plan(4, ("new",), (("old", 2), ("on it", 3)))
    log.add("later", "on it")
    assert log.redo() == Plan(5, ("old", "on it"), (("new", 4),))
    # What was built meanwhile comes back with what it stands on.
    assert log.undo("new").restoring == (("old", 5), ("on it", 5), ("later", 6))


def test_a_removal_is_a_change_that_can_be_undone() -> None:
    log = Writer()
    log.add("a")
    log.add("b", "a")
    log.remove("a", "b")
    assert log.undo() == Plan(4, (), (("a", 2), ("b", 3)))
    assert log.redo() == Plan(5, ("a", "b"), ())
    log.undo()
    assert log.undo() == Plan(3, ("b",), ())


def test_a_new_zoom_loses_no_redo() -> None:
    log = Writer()
    log.add("a")
    log.add("b", "a")
    log.undo("b")
    log.add("elsewhere")
    assert log.redo().restoring == (("b", 3),)
    log.undo("b")
    log.add("beside", "a")
    assert log.redo().restoring == (("b", 6),)
    assert log.live() == {"root", "a", "b", "elsewhere", "beside"}


def test_what_can_not_come_back_now_is_passed_over_and_comes_later() -> None:
    log = Writer()
    log.add("a")
    log.add("b", "a")
    log.undo("b")
    log.remove("a")
    assert log.history.redo() is None  # b's parent is gone
    log.undo()
    assert log.history.redo() == Plan(6, ("a",), ())  # the newest undo: that of the removal
    assert log.redo("b").restoring == (("b", 3),)


def test_what_was_made_again_is_not_brought_back_beside_itself() -> None:
    log = Writer()
    log.add("a")
    log.undo()
    log.add("a")
    assert log.history.redo() is None and log.history.redo("a") is None
    assert log.undo() == Plan(4, ("a",), ())
    assert log.redo() == Plan(5, (), (("a", 4),))


def test_a_subtree_comes_back_whole_or_waits() -> None:
    """Else the next undo would not be the opposite of that redo: what it brought has no node of its change."""
    log = Writer()
    log.add("a")
    log.add("b", "a")
    log.undo("a")
    log.add("a")
    assert log.history.redo() is None and log.history.redo("b") is None  # not b alone, below another a
    log.undo()
    assert log.redo("b").restoring == (("a", 2), ("b", 3))


def test_a_redo_can_name_its_node() -> None:
    log = Writer()
    log.add("a")
    log.add("b")
    log.undo("a")
    log.undo("b")
    assert log.redo("a").restoring == (("a", 2),)
    assert log.history.redo("a") is None and log.history.redo("nobody") is None
    assert log.redo().restoring == (("b", 3),)


def test_one_of_several_nodes_of_a_commit_can_be_undone_alone() -> None:
    history = History([LogEntry(1, (("root", None), ("a", "root"), ("b", "root")))])
    assert history.undo() is None  # the whole would take the root
    assert history.undo("a") == Plan(1, ("a",), ())
    history.follow(LogEntry(2, (), ("a",), 1))
    assert history.undo("b") == Plan(1, ("b",), ())
    history.follow(LogEntry(3, (), ("b",), 1))
    assert history.redo() == Plan(3, (), (("b", 1),))
    history.follow(LogEntry(4, (("b", "root"),), (), 3))
    assert history.redo() == Plan(2, (), (("a", 1),))


@pytest.mark.parametrize("reverts", [2, 5])
def test_a_mark_that_means_nothing_is_a_change_of_its_own(reverts: int) -> None:
    """From a damaged or foreign log: revision 2 is undone already, revision 5 was never a change."""
    log = Writer()
    log.add("a")
    log.undo()
    log.history.follow(LogEntry(4, (("c", "root"),), (), reverts))
    log.parents["c"] = "root"
    assert log.undo() == Plan(4, ("c",), ())


# ---- any log ----------------------------------------------------------------------------------------
KINDS = ["add", "add", "add", "replace", "remove", "undo", "undo one", "redo", "redo one"]
STEPS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 99)), min_size=3, max_size=10)


def step(log: Writer, tree: list[int], what: str, pick: int) -> None:
    """One change of a log in a tree of possible nodes (number -> its parent's), where there is one of that kind."""
    parents = {str(k): "root" if k == 0 else str(parent % k) for k, parent in enumerate(tree)}
    live = sorted(log.live() - {"root"})
    able = [name for name, parent in parents.items() if name not in live and parent in ("root", *live)]
    if what == "add" and able:
        log.add(able[pick % len(able)], parents[able[pick % len(able)]])
    elif what in ("undo", "redo"):
        carry_out(log, log.history.undo() if what == "undo" else log.history.redo())
    elif what == "redo one":
        carry_out(log, log.history.redo(str(pick % len(tree))))
    elif live and what == "undo one":
        carry_out(log, log.history.undo(live[pick % len(live)]))
    elif live:
        top = live[pick % len(live)]
        gone = [name for name in live if top in log._path(name)]
        free = [name for name in able if parents[name] not in gone]
        if what == "remove":
            log.remove(*gone)
        elif what == "replace" and free:
            log.add(free[pick % len(free)], parents[free[pick % len(free)]], tuple(gone))


def carry_out(log: Writer, plan: Plan | None) -> bool:
    if plan is not None:
        log._carry_out(plan)
    return plan is not None


@law(st.lists(st.integers(0, 5), min_size=2, max_size=6), STEPS, examples=300)
def test_undo_and_redo_are_each_others_inverse(tree: list[int], steps: list[tuple[str, int]]) -> None:
    log = Writer()
    for what, pick in steps:
        step(log, tree, what, pick)
    before = log.live()
    if carry_out(log, log.history.redo()):
        assert carry_out(log, log.history.undo()) and log.live() == before
    for node in (None, *sorted(before)):
        if carry_out(log, log.history.undo(node)):
            assert node not in log.live()
            assert carry_out(log, log.history.redo()) and log.live() == before
