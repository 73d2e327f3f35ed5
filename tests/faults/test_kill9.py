"""Law 12: a world written, killed at any byte and reopened has all that was acknowledged, whole."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from appending import acknowledged_by, appending, check_survived
from logs import simple_commit

from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.store import WorldStore


def append_and_kill(path: Path, after_s: float) -> int:
    """Let a process append until it is killed, ``after_s`` from its first acknowledgement; the last one."""
    with appending(path) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(after_s)
        process.kill()
        return acknowledged_by(process, first)


def kill_once(path: Path, seed: int) -> None:
    WorldStore.create(path, WorldHeader()).close()
    rng = np.random.default_rng(seed)
    # Twice: the second process appends to what the first one left.
    for _ in range(2):
        check_survived(path, append_and_kill(path, after_s=rng.uniform(0.0, 0.15)))


@pytest.mark.parametrize("seed", range(5))
def test_kill_in_append(tmp_path: Path, seed: int) -> None:
    kill_once(tmp_path / "w", seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5, 55))
def test_kill_in_append_again_and_again(tmp_path: Path, seed: int) -> None:
    kill_once(tmp_path / "w", seed)


CREATE = """
import sys
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.store import WorldStore
print("start", flush=True)
WorldStore.create(sys.argv[1], WorldHeader())
"""


@pytest.mark.parametrize("seed", range(3))
def test_kill_in_create_leaves_a_world_or_a_place_for_one(tmp_path: Path, seed: int) -> None:
    path = tmp_path / "w"
    with subprocess.Popen([sys.executable, "-c", CREATE, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(np.random.default_rng(seed).uniform(0.0, 0.02))
        process.kill()
    try:
        WorldStore.create(path, WorldHeader()).close()
    except Exception as error:
        assert "there is a world here already" in str(error)
    with WorldStore.open(path, write=True) as store:
        assert store.revision == 0
        store.append(simple_commit(1))
