"""What can be asked on the command line: one dataclass a command, from which tyro makes parser and help.

Owns names, defaults and help texts; ``runtime/words.py`` reads values, ``runtime/cli.py`` carries commands out. Each
docstring below is what ``wonderzoom COMMAND --help`` says.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from tyro.conf import Positional, arg, subcommand

from wonderzoom.generation.jobs import Mode
from wonderzoom.runtime.words import (
    path_word,
    read_budget,
    read_degrees,
    read_factor,
    read_focal,
    read_memory,
    read_pan,
    read_point,
    read_port,
    read_prompt,
    read_seed,
    read_size,
    read_viewers,
    word,
)
from wonderzoom.runtime.world_commands import (
    Export,
    Import,
    NewWorld,
    Pack,
    Redo,
    Remove,
    Replay,
    Undo,
    Unpack,
    World,
)
from wonderzoom.scene_graph.scales import Modulation

DEFAULT_GENERATOR = "embedded"

_ABSENT = arg(help_behavior_hint="")
_Seed = Annotated[int, word(read_seed, "--seed", "N")]
_Generator = Annotated[str, arg(metavar="NAME")]
_Node = Annotated[str | None, arg(metavar="ID"), _ABSENT]
_Memory = Annotated[int | None, word(read_memory, "--memory", "SIZE"), _ABSENT]
_File = Annotated[Path | None, path_word("FILE", "FILE"), _ABSENT]


# ---- commands -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Demo:
    """Show the whole thing on a picture that comes along.

    It makes a world of the picture, zooms into it with prompts, and writes into
    the folder demo: the world, view.png and descent.mp4, a film of the descent.
    Then it opens the world in the browser, as serve does. A run that is
    interrupted goes on the next time.

      wonderzoom demo
      wonderzoom demo --once
    """

    once: bool = False
    """Write the files and end."""
    port: Annotated[int | None, word(read_port, "--port", "PORT"), _ABSENT] = None
    """The port to listen on; 0 takes any free one. Without it: 8700, or the next free one."""


@dataclass(frozen=True, slots=True)
class Create:
    """Make a world from a photo.

    JPEG, PNG, WebP, TIFF, GIF and others are read; turned upright, converted to
    sRGB by their colour profile, scaled to 512 pixels on the short side.

      wonderzoom create photo.jpg -o garden
      wonderzoom create photo.jpg -o garden --focal 28
      wonderzoom create photo.png -o garden --depth depth.npy
      wonderzoom create --prompt "a walled garden at noon" -o garden --generator light
    """

    output: NewWorld
    """The directory to make; it holds the world."""
    image: Annotated[Positional[Path | None], path_word("IMAGE", "IMAGE"), _ABSENT] = None
    """The photo. Without one, the generator makes a picture of --prompt, if it can."""
    prompt: Annotated[str, word(read_prompt, "--prompt", "TEXT"), arg(help_behavior_hint="")] = ""
    """What the picture shows: generators with models use the words."""
    depth: _File = None
    """A depth map of the photo: a 16-bit grey PNG, or a NumPy array (.npy, .npz).
    Linear, larger is farther; 0 and NaN: no depth there. Without one, depth is estimated."""
    focal: Annotated[float | None, word(read_focal, "--focal", "MM"), _ABSENT] = None
    """The lens in millimetres (35 mm equivalent; a phone has 24 to 28). Without it: EXIF, or a guess."""
    generator: _Generator = DEFAULT_GENERATOR
    """What makes new content: embedded, light, paper, quality, or a recipe's file (docs/generators.md)."""
    seed: _Seed = 0
    """Another number gives another result; the same one the same world, bit for bit."""


@dataclass(frozen=True, slots=True)
class Zoom:
    """Zoom in: generate finer content where you point. Prints the new node.

    You point into the frame of a node: 0,0 is its upper left corner, 1,1 its
    lower right one. wonderzoom info shows the nodes. What a view shows beside
    all that there is, is made as well: --pan looks beside the frame.

      wonderzoom zoom garden --at 0.42,0.61 --factor 6 --prompt "a ladybug"
      wonderzoom zoom garden --at 0.5,0.5 --factor 8 --prompt moss
      wonderzoom zoom garden --pan 0.5,0
      wonderzoom zoom garden --camera close.json
      wonderzoom zoom garden --mode replace --node 3f2a9c81d0 --prompt gravel
    """

    world: World
    """The world's directory."""
    at: Annotated[tuple[float, float] | None, word(read_point, "--at", "U,V"), _ABSENT] = None
    """The point to zoom in at, as fractions of the frame of --node."""
    factor: Annotated[float | None, word(read_factor, "--factor", "F"), _ABSENT] = None
    """How many times to enlarge it: 1.42 to 16."""
    pan: Annotated[tuple[float, float] | None, word(read_pan, "--pan", "DX,DY"), _ABSENT] = None
    """Look beside the frame instead, at the same scale: half a frame to the right is 0.5,0. At most 1."""
    camera: _File = None
    """A view of your own instead of --at and --factor: a camera file (docs/cameras.md)."""
    prompt: Annotated[str, word(read_prompt, "--prompt", "TEXT"), arg(help_behavior_hint="")] = ""
    """What should be there. Without one: what is there already, finer."""
    node: _Node = None
    """The node to zoom into (default: the newest one), or the one to replace."""
    mode: Mode = "add"
    """add keeps all that is there.
    replace removes --node and all that was built on it, then generates again: without --at the same view."""
    generator: _Generator = DEFAULT_GENERATOR
    """What makes new content."""
    seed: _Seed = 0
    """Another number gives another result; the same one the same world, bit for bit."""
    json: bool = False
    """Print the result as JSON."""


@dataclass(frozen=True, slots=True)
class Build:
    """Make a world from a plan: a picture and a tree of zooms in a file.

    docs/plans.md says what a plan looks like. What is there already is kept: a
    build that was interrupted goes on, and a longer plan adds what is new.

      wonderzoom build garden.toml -o garden
    """

    plan: Annotated[Positional[Path], path_word("PLAN", "PLAN.toml")]
    """The plan."""
    output: NewWorld
    """The directory of the world, new or begun."""


@dataclass(frozen=True, slots=True)
class Render:
    """Draw a picture or a film of a world.

    A picture shows the frame of a node, by default of the newest one. A film
    descends from the whole picture to a node, by default to the finest one.

      wonderzoom render garden -o view.png --size 1280x720
      wonderzoom render garden -o descent.mp4
      wonderzoom render garden -o around.mp4 --path orbit --node 3f2a9c81d0
      wonderzoom render garden -o flight.mp4 --path flight.json
    """

    world: World
    """The world's directory."""
    output: Annotated[Path, path_word("--output", "FILE"), arg(aliases=["-o"])]
    """The file to write: .png or .mp4."""
    node: _Node = None
    """The node to show, to descend to, or to orbit."""
    camera: _File = None
    """Look from a camera file (docs/cameras.md) instead of a node's frame."""
    bookmark: Annotated[str | None, word(read_prompt, "--bookmark", "NAME"), _ABSENT] = None
    """Look from a place that somebody kept with the world while it was served, by its name."""
    size: Annotated[tuple[int, int] | None, word(read_size, "--size", "WxH"), _ABSENT] = None
    """Width and height in pixels. Default: those of the frame."""
    path: Annotated[str | None, arg(metavar="{descent,orbit,FILE}"), _ABSENT] = None
    """The path of a film's camera: descent (the default), orbit, or a path file (docs/cameras.md)."""
    modulation: Modulation = "optical_mass"
    """How a surfel's weight acts on its opacity. paper and none are for comparison."""
    memory: _Memory = None
    """Memory for surfels, such as 800M or 4G; the rest stays on disk. Default: a quarter of the machine's."""
    budget: Annotated[int | None, word(read_budget, "--budget", "N"), _ABSENT] = None
    """The most surfels in a picture; where that is too few, they are coarser. Default: as many as pixels ask for."""


@dataclass(frozen=True, slots=True)
class Info:
    """Show the tree of nodes that a world holds.

    Each node is one zoom: its id, how much finer than the whole picture it is,
    how many surfels it has, and its prompt.

      wonderzoom info garden
      wonderzoom info garden --json
      wonderzoom info garden --verify
      wonderzoom info garden --check
      wonderzoom info garden --holes
    """

    world: World
    """The world's directory."""
    json: bool = False
    """Print JSON: the revision, and for each node its id, parent, prompt, magnification, scales and more."""
    verify: bool = False
    """Compare every byte with its checksum: are the files what was written? Exit code 1: they are not."""
    check: bool = False
    """Work all bounds out anew: do the laws of a world hold? Exit code 1: one does not."""
    holes: bool = False
    """Draw each node's frame with it and without it: does more show through with it? Exit code 1: it does."""


@dataclass(frozen=True, slots=True)
class Models:
    """The models that generators other than the embedded one need.

    list shows them with size and licence, check tells whether they are here and
    whole, download fetches them from Hugging Face at one fixed revision.

      wonderzoom models list
      wonderzoom models check light
      wonderzoom models download light
    """

    action: Annotated[Positional[Literal["list", "check", "download"]], arg(metavar="{list,check,download}")]
    """What to do."""
    generator: Annotated[Positional[str], arg(metavar="[GENERATOR]", help_behavior_hint="")] = ""
    """Of this generator: light, paper, quality, a recipe's file; or scores, for evaluate. Without one: of all three."""


@dataclass(frozen=True, slots=True)
class Evaluate:
    """Score a world, or make and score a suite of them.

    PLACE is a world, or a suite: a TOML file of plans (docs/evaluation.md). Nine
    views round each zoom and the descent into it are drawn and scored; tables,
    pictures and JSON come into a folder. A run that is interrupted goes on the
    next time. The --without options also show the world without a part of the
    method, side by side.

      wonderzoom evaluate garden -o scores
      wonderzoom evaluate suite.toml -o scores --without-registration
      wonderzoom evaluate garden -o scores --write-frames ours
      wonderzoom evaluate garden -o scores --frames theirs
    """

    place: Annotated[Positional[Path], path_word("PLACE", "PLACE")]
    """A world's directory, or a suite (.toml)."""
    output: Annotated[Path, path_word("--output", "FOLDER"), arg(aliases=["-o"])]
    """The folder for the scores, new or begun; the worlds of a suite are made in it, too."""
    without_modulation: bool = False
    """Also: every surfel at full weight at every scale."""
    without_registration: bool = False
    """Also: depth as an estimator sees each new picture alone. Makes the worlds of a suite once more."""
    without_auxiliary: bool = False
    """Also: no further views, nothing behind things. Makes the worlds of a suite once more."""
    frames: _File = None
    """Score another method's pictures of the same paths: a folder like that of --write-frames."""
    write_frames: _File = None
    """Write the cameras, as cameras.json, and our pictures of them into this folder."""
    degrees: Annotated[float | None, word(read_degrees, "--degrees", "DEG"), _ABSENT] = None
    """From the middle view to its neighbours. Without it: what the suite says, or 10."""
    learned: bool = False
    """Also CLIP score and CLIP-IQA (first: wonderzoom models download scores) and, where it is installed, pyiqa's."""
    pristine: Annotated[Path | None, path_word("--pristine", "FOLDER"), _ABSENT] = None
    """Also NIQE, fitted to the sharp photos in this folder."""


@dataclass(frozen=True, slots=True)
class Doctor:
    """Look for what would keep WonderZoom from running well here.

    Nothing is changed. Exit code 1: one of the findings is a problem.

      wonderzoom doctor
      wonderzoom doctor --compile-gsplat
    """

    compile_gsplat: bool = False
    """Compile what a graphics card draws with (the extra gpu), now instead of with the first picture.
    Takes minutes, once; clears what a failed try left."""


@dataclass(frozen=True, slots=True)
class Serve:
    """Open worlds in the browser, to many people at a time.

    PLACE is a world, a photo (it becomes a world first), or a directory of worlds.
    Prints a link with a token: open it, look around, click where you want finer
    detail. A photo that is dropped on the page becomes a new world. Listens on
    this machine only, or with --lan on the local network, encrypted. Ctrl-C stops;
    nothing that was made is lost.

      wonderzoom serve garden
      wonderzoom serve photo.jpg
      wonderzoom serve worlds --port 9000 --viewers 8
      wonderzoom serve garden --lan
    """

    place: Annotated[Positional[Path], path_word("PLACE", "PLACE")]
    """A world's directory, a photo, or a directory of worlds."""
    host: str = "127.0.0.1"
    """The address to listen on: of this machine only.
    With --lan: the one that others use, instead of all; or a further name that they know this machine by."""
    port: Annotated[int | None, word(read_port, "--port", "PORT"), _ABSENT] = None
    """The port to listen on; 0 takes any free one. Without it: 8700, or the next free one."""
    viewers: Annotated[int, word(read_viewers, "--viewers", "N")] = 32
    """How many people may be in a world at a time."""
    memory: _Memory = None
    """Memory for surfels, such as 800M or 4G; the rest stays on disk. Default: a quarter of the machine's."""
    budget: Annotated[int | None, word(read_budget, "--budget", "N"), _ABSENT] = None
    """The most surfels in a picture; where that is too few, they are coarser. Default: as many as pixels ask for."""
    record: _File = None
    """Record the session into this new file: who is there, where they look, what they ask for (wonderzoom replay)."""
    lan: bool = False
    """Open it to the local network: encrypted, with a certificate of its own. Shows a link as a QR code, too."""
    generator: _Generator = DEFAULT_GENERATOR
    """What makes new content."""
    new_link: bool = False
    """Print another link; the old one opens nothing any more."""
    metrics_port: Annotated[int | None, word(read_port, "--metrics-port", "PORT"), _ABSENT] = None
    """Answer Prometheus (/metrics) and health checks (/healthz) on this port of this machine; 0 takes any free one."""
    log_format: Literal["text", "json"] = "text"
    """How the log is written: for people, or a JSON object a line for programs."""


Command = (
    Demo | Create | Zoom | Build | Render | Serve | Replay | Export | Import | Info
    | Remove | Undo | Redo | Pack | Unpack | Evaluate | Models | Doctor
)  # fmt: skip
# By name, in the order in which a newcomer meets them.
COMMANDS: dict[str, type[Command]] = {
    kind.__name__.lower(): kind
    for kind in (
        Demo,
        Create,
        Zoom,
        Build,
        Render,
        Serve,
        Replay,
        Export,
        Import,
        Info,
        Remove,
        Undo,
        Redo,
        Pack,
        Unpack,
        Evaluate,
        Models,
        Doctor,
    )  # fmt: skip
}
# Commands that programs beside this one carry out: name -> summary. As runtime imports no client (docs/adr/0002), the
# package's metadata says where they are: entry points of this group (pyproject.toml).
BESIDE = {
    "load": "Fly many viewers through a served world at once, and say what they got.",
    "view": "Look at a served world in a window of its own.",
}
BESIDE_GROUP = "wonderzoom.commands"
PARSED: Any = Union[tuple(Annotated[kind, subcommand(name)] for name, kind in COMMANDS.items())]  # noqa: UP007


def overview() -> str:
    """What ``wonderzoom --help`` says."""
    width = max(map(len, COMMANDS))
    summaries = [(name, (kind.__doc__ or "").partition("\n")[0]) for name, kind in COMMANDS.items()]
    summaries += BESIDE.items()
    return "\n".join(
        [
            "usage: wonderzoom COMMAND ...",
            "",
            "One photo becomes a 3D world that you can zoom into, for ever.",
            "",
            *(f"  {name:{width}}  {summary}" for name, summary in summaries),
            "",
            "A first world:",
            "",
            "  wonderzoom create photo.jpg -o garden",
            '  wonderzoom zoom garden --at 0.42,0.61 --factor 6 --prompt "a ladybug on a leaf"',
            "  wonderzoom render garden -o descent.mp4",
            "",
            "wonderzoom COMMAND --help tells what a command takes; wonderzoom --version, which one this is.",
        ]
    )
