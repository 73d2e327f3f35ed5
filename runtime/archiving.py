"""The commands pack and unpack: a world in one file (``scene_graph.archive``)."""

from __future__ import annotations

from wonderzoom.runtime import commands
from wonderzoom.scene_graph.archive import pack, unpack


def pack_world(command: commands.Pack) -> int:
    """One file of a world; says what of its history is not in it."""
    packed = pack(command.world, command.output, compact=command.compact)
    print(f"{command.output}: {packed.commits} commits, {packed.size:,} bytes")
    if command.compact:
        lost = packed.lost
        print(
            f"left out: {lost.commits} commits, and {lost.nodes} nodes that undo and redo can't bring back there"
        )
    return 0


def unpack_world(command: commands.Unpack) -> int:
    """A world of one file."""
    commits = unpack(command.file, command.output)
    print(f"{command.output}: a world of {commits} commits; every byte is as it was packed")
    return 0
