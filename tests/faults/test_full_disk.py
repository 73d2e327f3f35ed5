"""A disk that is really full, without root: a limit on the size of files (RLIMIT_FSIZE) in a child process.

The limit hits our own files and SQLite's write-ahead log alike, wherever they happen to be.
"""

import subprocess
import sys
from pathlib import Path

import pytest
from logs import same, simple_commit

from wonderzoom.scene_graph.store import WorldStore

SUPPORT = Path(__file__).resolve().parent.parent / "support"
FILL = """
import resource, sys
from logs import simple_commit
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.store_errors import StoreError
path, limit, rows = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
with WorldStore.create(path, WorldHeader()) as store:
    store.append(simple_commit(1, rows))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    try:
        while store.revision < 200:
            store.append(simple_commit(store.revision + 1, rows))
    except StoreError as error:
        print(type(error).__name__, store.revision, flush=True)
    assert len(list(store.commits())) == store.revision and not store.damaged
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    store.append(simple_commit(store.revision + 1, rows))
    print("resumed", store.revision)
"""


# 300 rows make files of 20 kB and 4 kB of log each: small limits hit the log first, the last one our file.
@pytest.mark.parametrize(("limit", "rows"), [(40_000, 300), (100_000, 300), (100_000, 3000)])
def test_a_full_disk_is_a_clear_error_and_work_resumes(tmp_path: Path, limit: int, rows: int) -> None:
    path = tmp_path / "w"
    result = subprocess.run(
        [sys.executable, "-c", FILL, str(path), str(limit), str(rows)],
        env={"PYTHONPATH": str(SUPPORT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    failed, resumed = result.stdout.splitlines()
    kind, acknowledged = failed.split()
    assert kind == ("NoSpace" if rows == 3000 else kind)
    assert resumed == f"resumed {int(acknowledged) + 1}"
    with WorldStore.open(path) as store:
        found = list(store.commits())
        assert store.damaged == {}
    assert len(found) == int(acknowledged) + 1
    assert all(same(commit, simple_commit(number, rows)) for number, commit in enumerate(found, start=1))
