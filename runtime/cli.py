"""The command line: ``wonderzoom COMMAND``. Owns parsing, which room carries a command out, and how it ends.

Results go to stdout, everything else to stderr. Exit codes: 0; 1 when a command failed; 2 when the command
line itself can't be meant; 130 after Ctrl-C. What went wrong is one line: what, where, what to do.
Nothing heavy is loaded before a command needs it: ``--help`` and ``info`` answer at once.
"""

from __future__ import annotations

import contextlib
import difflib
import importlib.metadata
import io
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from wonderzoom.runtime import DISTRIBUTION
from wonderzoom.runtime.errors import CommandError, UsageError

if TYPE_CHECKING:
    from wonderzoom.runtime import commands
    from wonderzoom.runtime.build import Maker
    from wonderzoom.runtime.lan_opening import LanOpening

PROGRAM = "wonderzoom"
_HELP_INDENT = 8 * " "  # by which tyro sets off the help texts of options that it misses
FAILED, USAGE, INTERRUPTED = 1, 2, 130  # 130: what shells report for Ctrl-C

_Make = Callable[[], AbstractContextManager["Maker"]]


def main(argv: Sequence[str] | None = None, make: _Make | None = None) -> int:
    """Carry out a command line (default: this process's own); the exit code."""
    if argv is None:
        argv = sys.argv[1:]
        for stream in (sys.stdout, sys.stderr):  # a prompt in any language must not end in an encoding error
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
    as_json = False  # how the last line is said
    try:
        if list(argv) in (["-h"], ["--help"], ["help"]):
            from wonderzoom.runtime.commands import overview

            print(overview())
            return 0
        if list(argv) == ["--version"]:
            print(importlib.metadata.version(DISTRIBUTION))
            return 0
        beside = _beside(argv)
        if beside is not None:
            return beside(argv[1:])
        command = parse(argv)
        as_json = getattr(command, "log_format", "") == "json"
        code = carry_out(command, make or partial(_app, getattr(command, "memory", None)))
        sys.stdout.flush()
        return code
    except SystemExit as asked:  # by tyro: --help
        return asked.code if isinstance(asked.code, int) else 0
    except KeyboardInterrupt:
        return _ended("interrupted", INTERRUPTED, as_json)
    except BrokenPipeError:
        # Whoever read our output has gone; the interpreter must not stumble over it again at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except UsageError as error:
        return _ended(str(error), USAGE, as_json)
    except MemoryError:
        return _ended("not enough memory for this; try a smaller picture or size", FAILED, as_json)
    except OSError as error:
        place = f"{error.filename}: " if error.filename is not None else ""
        return _ended(f"{place}{error.strerror or error}", FAILED, as_json)
    except Exception as error:
        if not isinstance(error, _expected()):
            raise
        return _ended(str(error), FAILED, as_json)


def _ended(line: str, code: int, as_json: bool) -> int:
    shown = "".join(c if c.isprintable() else "?" for c in " ".join(line.split()))
    if as_json:
        from wonderzoom.runtime.logs import json_line

        print(json_line(shown, logging.ERROR, __name__), file=sys.stderr)
    else:
        print(f"{PROGRAM}: {shown}", file=sys.stderr)
    return code


def _expected() -> tuple[type[Exception], ...]:
    """The errors that are written for the person; anything else is our mistake and keeps its traceback."""
    from wonderzoom.generation.jobs import AlreadyCovered, GenerationError
    from wonderzoom.scene_graph.store_errors import StoreError
    from wonderzoom.scene_graph.world import WorldError

    return (CommandError, StoreError, WorldError, GenerationError, AlreadyCovered)


# ---- parsing ------------------------------------------------------------------------------------


def parse(argv: Sequence[str]) -> commands.Command:
    """The command of a command line. Raises UsageError; SystemExit(0) after ``--help``."""
    import tyro

    from wonderzoom.runtime import commands

    _check_name(argv, [*commands.COMMANDS, *commands.BESIDE])
    told = io.StringIO()
    try:
        with contextlib.redirect_stderr(told):
            return tyro.cli(
                commands.PARSED, prog=PROGRAM, args=list(argv), config=(tyro.conf.FlagCreatePairsOff,)
            )
    except SystemExit as asked:
        if asked.code in (0, None):
            raise
        raise UsageError(f"{_one_line(told.getvalue())}; see {PROGRAM} {argv[0]} --help") from None


def _beside(argv: Sequence[str]) -> Callable[[Sequence[str]], int] | None:
    """What carries out a command of a program beside this one, from the words after its name; else None."""
    from wonderzoom.runtime.commands import BESIDE, BESIDE_GROUP

    if not argv or argv[0] not in BESIDE:
        return None
    registered = importlib.metadata.distribution(DISTRIBUTION).entry_points
    for entry in registered.select(group=BESIDE_GROUP, name=argv[0]):
        return entry.load()
    raise CommandError(f"{argv[0]} is not registered in this installation; install {DISTRIBUTION} anew")


def _check_name(argv: Sequence[str], names: Sequence[str]) -> None:
    """Raise UsageError where the first word is no command, with the one that was perhaps meant."""
    if not argv:
        raise UsageError(f"name a command ({', '.join(names)}); see {PROGRAM} --help")
    if argv[0] not in names:
        near = difflib.get_close_matches(argv[0], names, 1)
        hint = f"did you mean {near[0]}?" if near else f"there is: {', '.join(names)}"
        raise UsageError(f"there is no command {argv[0][:40]!r}; {hint}")


def _one_line(box: str) -> str:
    """The first paragraph of a tyro error: a title, and paragraphs between rules, in a frame of any style."""
    rows = [row[2:].rstrip(" │") for row in box.splitlines() if row.strip()][1:]
    told: list[str] = []
    for row in rows:
        if set(row.strip()) <= set("─-╯"):  # a rule
            if told:
                break
        elif not row.startswith(_HELP_INDENT):
            told.append(row.strip())
    return " ".join(told).rstrip(".") or "the command line can't be read"


# ---- carrying out -------------------------------------------------------------------------------


def _app(memory: int | None) -> AbstractContextManager[Maker]:
    from wonderzoom.runtime.app import App

    return App(memory=memory)


def carry_out(command: commands.Command, make: _Make) -> int:
    """Do what a command says; 0, or 1 where it found something wrong and said so."""
    from wonderzoom.runtime import commands

    match command:
        case commands.Info() if not command.holes:
            from wonderzoom.runtime.viewing import info

            return info(command)
        case commands.Remove():
            from wonderzoom.runtime.authoring import remove

            return remove(command)
        case commands.Undo():
            from wonderzoom.runtime.authoring import undo

            return undo(command)
        case commands.Redo():
            from wonderzoom.runtime.authoring import redo

            return redo(command)
        case commands.Pack():
            from wonderzoom.runtime.archiving import pack_world

            return pack_world(command)
        case commands.Unpack():
            from wonderzoom.runtime.archiving import unpack_world

            return unpack_world(command)
        case commands.Models():
            from wonderzoom.runtime.models import command as models

            return models(command)
        case commands.Doctor():
            from wonderzoom.runtime.doctor import report

            return report(compile_gsplat=command.compile_gsplat)
        case commands.Replay() if command.list:
            from wonderzoom.runtime.replaying import list_recording

            return list_recording(command)
        case _:
            with make() as maker:
                return _carry_out_with(command, maker)


def _carry_out_with(command: commands.Command, maker: Maker) -> int:
    """The commands that draw or generate."""
    from wonderzoom.runtime import commands

    match command:
        case commands.Info():
            from wonderzoom.runtime.viewing import info

            return info(command, maker)
        case commands.Render():
            from wonderzoom.runtime.viewing import render

            return render(command, maker)
        case commands.Serve():
            from wonderzoom.runtime.serving import serve

            return serve(command, maker, _lan(command), datetime.now(UTC))
        case commands.Replay():
            from wonderzoom.runtime.replaying import replay_recording

            return replay_recording(command, maker)
        case commands.Create():
            from wonderzoom.runtime.authoring import create

            return create(command, maker)
        case commands.Zoom():
            from wonderzoom.runtime.authoring import zoom

            return zoom(command, maker)
        case commands.Build():
            from wonderzoom.runtime.authoring import build_plan

            return build_plan(command, maker)
        case commands.Evaluate():
            from wonderzoom.runtime.evaluation.command import evaluate

            return evaluate(command, maker, time.monotonic)
        case commands.Export():
            from wonderzoom.runtime.exchange import export

            return export(command, maker)
        case commands.Import():
            from wonderzoom.runtime.exchange import import_world

            return import_world(command, maker)
        case commands.Demo():
            from wonderzoom.runtime.demo.command import demo

            return demo(command, maker)
        case _:
            raise AssertionError(f"{command} is carried out elsewhere")


def _lan(command: commands.Serve) -> LanOpening | None:
    """The server's place on the network, where that is asked for."""
    if not command.lan:
        return None
    from wonderzoom.runtime.lan_opening import open_to_lan
    from wonderzoom.runtime.links import data_folder

    return open_to_lan(command.host, data_folder(os.environ), datetime.now(UTC))


if __name__ == "__main__":
    sys.exit(main())
