"""How soon another process has a commit: from the moment in which ``append`` returns to the one in which it is applied.

    python -m benchmarks.following [--commits N] [--rows N]

A writer in a process of its own appends zooms at random intervals of up to 200 ms, and says when each was
acknowledged; this process follows. ``looks`` is what looking costs while nothing happens.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path

from benchmarks.machine import machine, median, table
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.follower import EVERY_S, Follower
from wonderzoom.scene_graph.store import WorldStore

SUPPORT = Path(__file__).resolve().parent.parent / "tests" / "support"
# The system's monotonic clock is one for all processes.
WRITER = """
import sys, time
import numpy as np
from logs import simple_commit
from wonderzoom.scene_graph.store import WorldStore
rng = np.random.default_rng(0)
with WorldStore.open(sys.argv[1], write=True) as store:
    for _ in range(int(sys.argv[2])):
        commit = simple_commit(store.revision + 1, int(sys.argv[3]))
        time.sleep(rng.uniform(0.0, 0.2))
        begun = time.monotonic()
        store.append(commit)
        print(begun, time.monotonic(), flush=True)
"""


def measure(commits: int, rows: int) -> list[str]:
    """A row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w"
        WorldStore.create(path, WorldHeader()).close()
        command = [sys.executable, "-c", WRITER, str(path), str(commits), str(rows)]
        got: list[float] = []
        with (
            WorldStore.open(path) as store,
            subprocess.Popen(
                command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(SUPPORT)}
            ) as child,
        ):
            for _commit in islice(Follower(store), commits):
                got.append(time.monotonic())
            assert child.stdout is not None
            said = [tuple(map(float, line.split())) for line in child.stdout]
            size = sum(file.stat().st_size for file in (path / "commits").iterdir()) / commits
    append = [1e3 * (done - begun) for begun, done in said]
    late = sorted(1e3 * (seen - done) for seen, (_, done) in zip(got, said, strict=True))
    return [
        f"{size / 1e6:.2f}",
        f"{median(append):.1f}",
        f"{median(late):.1f}",
        f"{late[int(0.95 * len(late))]:.1f}",
        f"{late[-1]:.1f}",
    ]


def look_cost(looks: int = 5000) -> float:
    """Microseconds of a look that finds nothing."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w"
        WorldStore.create(path, WorldHeader()).close()
        with WorldStore.open(path) as store:
            follower = Follower(store)
            begun = time.perf_counter()
            for _ in range(looks):
                list(follower.new())
            return 1e6 * (time.perf_counter() - begun) / looks


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--commits", type=int, default=50)
    parser.add_argument("--rows", type=int, nargs="+", default=[300, 20_000, 100_000])
    options = parser.parse_args()
    print(machine("numpy"))
    cost = look_cost()
    print(
        f"a look costs {cost:.1f} us; every {1e3 * EVERY_S:.0f} ms that is {1e-4 * cost / EVERY_S:.3f} % of a core\n"
    )
    rows = [measure(options.commits, count) for count in options.rows]
    print(table(["MB a commit", "append ms", "seen after ms", "p95", "most"], rows))


if __name__ == "__main__":
    main()
