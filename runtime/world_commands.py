"""The commands that take a world as it is: back and forth in its history, into a file and out of one.

Part of ``runtime/commands.py``, which owns what holds for all commands.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import Positional, arg

from wonderzoom.runtime.words import (
    path_word,
    read_budget,
    read_detail,
    read_prompt,
    read_size,
    read_speed,
    word,
)

World = Annotated[Positional[Path], path_word("WORLD", "WORLD")]
NewWorld = Annotated[Path, path_word("--output", "WORLD"), arg(aliases=["-o"])]
_ABSENT = arg(help_behavior_hint="")
_Node = Annotated[str | None, arg(metavar="ID"), _ABSENT]


@dataclass(frozen=True, slots=True)
class Remove:
    """Remove a node with all that was built on it.

    wonderzoom info shows the nodes. The first one stays: it is the picture.
    Undo brings back what was removed.

      wonderzoom remove garden 3f2a9c81d0
    """

    world: World
    """The world's directory."""
    node: Annotated[Positional[str], arg(metavar="NODE")]
    """The node."""


@dataclass(frozen=True, slots=True)
class Undo:
    """Take back the last change, or the zoom that made a node.

    A change is a zoom, a replacement or a removal. What was built on a node goes
    with it; what a replacement or a removal took comes back. There is no limit,
    and nothing is forgotten when the program ends.

      wonderzoom undo garden
      wonderzoom undo garden 3f2a9c81d0
    """

    world: World
    """The world's directory."""
    node: Annotated[Positional[str], arg(metavar="[NODE]", help_behavior_hint="")] = ""
    """Of this node. Without it: of the last change."""


@dataclass(frozen=True, slots=True)
class Redo:
    """Take back the last undo.

    Zooms that were made since lose nothing: what was undone elsewhere can still
    be brought back.

      wonderzoom redo garden
      wonderzoom redo garden 3f2a9c81d0
    """

    world: World
    """The world's directory."""
    node: Annotated[Positional[str], arg(metavar="[NODE]", help_behavior_hint="")] = ""
    """The last undo that took this node. Without it: the last undo."""


@dataclass(frozen=True, slots=True)
class Pack:
    """Write a world into one file, to copy, send or keep it.

    It is a tar file with checksums, and may be written while the world is open.

      wonderzoom pack garden -o garden.tar
      wonderzoom pack garden -o garden.tar --compact
    """

    world: World
    """The world's directory."""
    output: Annotated[Path, path_word("--output", "FILE"), arg(aliases=["-o"])]
    """The file to write; none is overwritten."""
    compact: bool = False
    """Without history: only what is there now. What was removed, replaced or undone can't come back."""


@dataclass(frozen=True, slots=True)
class Unpack:
    """Make the world that a packed file holds.

    Every byte is checked. A damaged file leaves nothing behind.

      wonderzoom unpack garden.tar -o garden
    """

    file: Annotated[Positional[Path], path_word("FILE", "FILE")]
    """The file."""
    output: NewWorld
    """The directory to make; it holds the world."""


@dataclass(frozen=True, slots=True)
class Export:
    """Write a world as a file of splats for other programs, or as a page.

    The formats are .ply, .splat, .spz and .glb (glTF with KHR_gaussian_splatting). A
    file knows no levels of detail: of layers above each other one goes in, the finest
    that the format can place. docs/formats.md tells what each format keeps.

      wonderzoom export garden -o garden.ply
      wonderzoom export garden -o garden.spz --detail 4
      wonderzoom export garden -o leaf.glb --node 3f2a9c81d0

    --html writes a folder that any web server can give out: whoever opens it flies
    through the world in their browser, with all levels of detail, and changes nothing.

      wonderzoom export garden --html public
    """

    world: World
    """The world's directory."""
    output: Annotated[Path | None, path_word("--output", "FILE"), arg(aliases=["-o"]), _ABSENT] = None
    """The file to write: .ply, .splat, .spz or .glb."""
    html: Annotated[Path | None, path_word("--html", "DIR"), _ABSENT] = None
    """Write a page with the world in it instead: a new folder."""
    surfels: Annotated[int, word(read_budget, "--surfels", "N")] = 2_000_000
    """The most surfels in a page; where that is too few, everything is coarser. A million are 13 to 18 MB."""
    node: _Node = None
    """Only what the frame of this node shows, with the origin in its middle: for places deep in a world."""
    detail: Annotated[float | None, word(read_detail, "--detail", "M"), _ABSENT] = None
    """Nothing finer than the first picture enlarged M times shows; 1 is the picture alone."""
    model: Literal["3dgs", "2dgs"] = "3dgs"
    """The columns of a .ply: 3dgs is what most programs read, 2dgs has flat splats."""


@dataclass(frozen=True, slots=True)
class Import:
    """Make a world of a file of splats.

    PLY of 3DGS and 2DGS, .splat, .spz, and the worlds (.pth) that the authors of
    WonderZoom published. Splats become flat, and look the same from every side.
    Then zoom, render and serve take the world like any other.

      wonderzoom import scan.ply -o scan
      wonderzoom import gau_lego_complete.pth -o lego
    """

    file: Annotated[Positional[Path], path_word("FILE", "FILE")]
    """The file: .ply, .splat, .spz or .pth."""
    output: NewWorld
    """The directory to make; it holds the world."""


@dataclass(frozen=True, slots=True)
class Replay:
    """Do a recorded session again: does the same world come of it? Or make a film of it.

    serve --record FILE records. A replay begins with the world as it was then, and
    does everything again: what people asked for, in the order and at the times of
    then. Exit code 1: the log of the world comes out otherwise; each difference is
    told. The embedded generator makes the same bytes again; generators with
    models need not.

      wonderzoom replay evening.wzr --list
      wonderzoom replay evening.wzr
      wonderzoom replay evening.wzr --world garden -o garden-again

    A film shows what one viewer saw. It takes the zooms from the world, and needs no
    generator.

      wonderzoom replay evening.wzr --film evening.mp4 --viewer Ant --speed 4
    """

    file: Annotated[Positional[Path], path_word("FILE", "FILE")]
    """The recording."""
    list: bool = False
    """Only say what the recording holds: sessions, people, zooms."""
    world: Annotated[Path | None, path_word("--world", "WORLD"), _ABSENT] = None
    """The world that was served, as it is now. Without it: the one of that name, here or beside the recording."""
    session: Annotated[int | None, arg(metavar="N"), _ABSENT] = None
    """Which session, where the recording holds several."""
    output: Annotated[Path | None, path_word("--output", "WORLD"), arg(aliases=["-o"]), _ABSENT] = None
    """Keep the world that comes of it, in this new directory."""
    generator: Annotated[str | None, arg(metavar="NAME"), _ABSENT] = None
    """What makes the zooms again, where a recipe's file did: that file. Without it: what made them then."""
    film: Annotated[Path | None, path_word("--film", "FILE"), _ABSENT] = None
    """Write a film (.mp4) of the session instead."""
    viewer: Annotated[str | None, word(read_prompt, "--viewer", "NAME"), _ABSENT] = None
    """Whose eyes a film looks through: a name, or an id such as v2. Without it: who moved most."""
    speed: Annotated[float, word(read_speed, "--speed", "X")] = 1.0
    """How much faster a film runs than the session did."""
    size: Annotated[tuple[int, int] | None, word(read_size, "--size", "WxH"), _ABSENT] = None
    """Width and height of a film in pixels. Default: those of the viewer's window."""
