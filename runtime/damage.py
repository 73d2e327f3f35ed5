"""What commands say where something of a world is lost that they need."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from wonderzoom.runtime.errors import CommandError
from wonderzoom.scene_graph.scale_node import PartLost
from wonderzoom.scene_graph.store import WorldStore


class DamagedWorld(CommandError):
    """A damaged world can be looked at, not built on."""

    def __init__(self, path: Path, reason: str, node: str | None) -> None:
        """``node``: whose content is lost, where it is that of one."""
        remove = "" if node is None else f", or remove the lost node {node}"
        super().__init__(f"{path}: the world is damaged ({reason}); restore that file from a backup{remove}")

    @staticmethod
    def of(store: WorldStore) -> DamagedWorld:
        """Of a store that has found damage."""
        name, reason = next(iter(store.damaged.items()))
        return DamagedWorld(store.path, reason, None if name.startswith("revision ") else name)


@contextmanager
def damage_is_said(path: Path) -> Generator[None]:
    """What is on disk is looked at when it is read: what is lost of a world shows then, as DamagedWorld."""
    try:
        yield
    except PartLost as error:
        raise DamagedWorld(path, str(error), error.node) from error
