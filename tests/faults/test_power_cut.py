"""Law 12, when the power goes: a file system stops at once, and what had not reached its disk is gone.

A file system in a file, mounted through a loop device, is told to shut down without writing anything more, its journal
included (FS_IOC_SHUTDOWN, as xfstests do); then it is mounted again. Needs Linux and root.
"""

import fcntl
import os
import struct
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from appending import acknowledged_by, appending, check_survived

from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.store import WorldStore

pytestmark = pytest.mark.slow
SHUTDOWN, NO_LOG_FLUSH = 0x8004587D, 2  # of linux/fs.h
SIZE = 1 << 30
CUTS = 10


def run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"{' '.join(command)}: {done.stderr.strip()}")


class Disk:
    """A file system of its own, whose power can be cut."""

    def __init__(self, folder: Path) -> None:
        self.image, self.root = folder / "disk", folder / "root"
        self.root.mkdir()
        with self.image.open("wb") as file:
            file.truncate(SIZE)
        run("mkfs.ext4", "-q", "-F", str(self.image))

    @contextmanager
    def mounted(self) -> Generator[Path]:
        run("mount", "-o", "loop", str(self.image), str(self.root))
        try:
            yield self.root
        finally:
            run("umount", str(self.root))

    def cut(self) -> None:
        """From now on nothing reaches the disk."""
        root = os.open(self.root, os.O_RDONLY)
        try:
            fcntl.ioctl(root, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(root)


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    try:
        made = Disk(tmp_path)
        with made.mounted():
            pass
    except OSError as error:
        pytest.skip(f"no file system of one's own here: {error}")
    return made


def test_the_power_is_really_cut(disk: Disk) -> None:
    """What nobody asked to be written is gone; what was is there."""
    with disk.mounted() as root:
        for name in ("kept", "lost"):
            with (root / name).open("wb") as file:
                file.write(b"x" * 4096)
                if name == "kept":
                    file.flush()
                    os.fsync(file.fileno())
        disk.cut()
    with disk.mounted() as root:
        assert (root / "kept").read_bytes() == b"x" * 4096
        assert not (root / "lost").exists() or (root / "lost").read_bytes() == b""


@pytest.mark.parametrize("seed", range(CUTS))
def test_what_was_acknowledged_survives_a_power_cut(disk: Disk, seed: int) -> None:
    rng = np.random.default_rng(seed)
    with disk.mounted() as root:
        WorldStore.create(root / "w", WorldHeader()).close()
        with appending(root / "w") as process:
            assert process.stdout is not None
            first = process.stdout.readline()
            time.sleep(rng.uniform(0.0, 0.3))
            disk.cut()
            process.kill()
            acknowledged = acknowledged_by(process, first)
    with disk.mounted() as root:
        check_survived(root / "w", acknowledged)


def test_a_world_that_was_made_survives_a_power_cut(disk: Disk) -> None:
    with disk.mounted() as root:
        WorldStore.create(root / "w", WorldHeader()).close()
        disk.cut()
    with disk.mounted() as root:
        check_survived(root / "w", 0)
