"""A process that appends to a world until something stops it, and what must be there afterwards."""

import subprocess
import sys
from pathlib import Path

from logs import same, simple_commit

from wonderzoom.scene_graph.store import WorldStore

ROWS = 20_000  # 1.4 MB a commit: an append takes long enough to be hit anywhere
_APPEND_FOREVER = """
import sys
from logs import simple_commit
from wonderzoom.scene_graph.store import WorldStore
with WorldStore.open(sys.argv[1], write=True) as store:
    while True:
        store.append(simple_commit(store.revision + 1, int(sys.argv[2])))
        print(store.revision, flush=True)
"""


def appending(path: Path) -> subprocess.Popen[str]:
    """It says each revision that was acknowledged, a line each; its errors are its own."""
    command = [sys.executable, "-c", _APPEND_FOREVER, str(path), str(ROWS)]
    environment = {"PYTHONPATH": str(Path(__file__).resolve().parent)}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    )


def acknowledged_by(process: subprocess.Popen[str], first: str) -> int:
    """The last revision that it said, after ``first``, before it was killed."""
    assert process.stdout is not None
    return int([first, *process.stdout.read().splitlines()][-1])


def check_survived(path: Path, acknowledged: int) -> None:
    """All that was acknowledged is there, in order, and at most one commit more, whole; and more can be appended."""
    with WorldStore.open(path, write=True) as store:
        assert acknowledged <= store.revision <= acknowledged + 1
        found = list(store.commits())
        assert store.damaged == {}
        for revision, commit in enumerate(found, start=1):
            assert same(commit, simple_commit(revision, ROWS))
        assert len(list((path / "commits").iterdir())) == store.revision
        store.append(simple_commit(store.revision + 1, ROWS))
