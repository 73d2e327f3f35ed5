"""Sets WonderZoom up and runs it, on a machine that has Python 3.11 or newer and nothing else.

    python3 run.py demo              turn the shipped picture into a world, zoom into it, film the descent
    python3 run.py test [ARGS]       the tests (ARGS go to pytest; `-m "models and not slow"`: those of model adapters,
                                     which need more packages: any `-m` of yours installs all that tests can need)
    python3 run.py check             lint, types, import contracts, and the protocol's schema
    python3 run.py COMMAND [ARGS]    any other command of `wonderzoom`: create, zoom, build, render, info, ...

The first run makes a virtual environment in .venv (WONDERZOOM_VENV names another place) and installs the
package with the versions of constraints.txt; later runs compare hashes, find nothing changed and start at
once. Standard library only; no root; nothing is written outside the environment and pip's cache.
"""

from __future__ import annotations  # so that an old Python gets as far as saying that it is too old

import hashlib
import json
import os
import queue
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

OLDEST_PYTHON = (3, 11)  # requires-python of pyproject.toml
ROOT = os.path.dirname(os.path.abspath(__file__))
VENV = os.path.abspath(os.environ.get("WONDERZOOM_VENV") or os.path.join(ROOT, ".venv"))
SCRIPTS = os.path.join(VENV, "Scripts" if os.name == "nt" else "bin")
PYTHON = os.path.join(SCRIPTS, "python.exe" if os.name == "nt" else "python")
STAMP = os.path.join(VENV, "wonderzoom-setup.json")  # its presence also says that run.py made the environment
PACKAGE_FOLDERS = ("runtime", "scene_graph", "generation", "protocol", "clients")
PACKAGE_FILES = ("pyproject.toml", "README.md", "LICENSE")
MIN_FREE_BYTES = 2_000_000_000  # the core takes 0.6 GB, the tests' torch up to 1 GB more
MOST_WORKERS = 8  # of the tests: more would only take memory
LOG_LINES_SHOWN = 15  # of pip's output, when it fails: its reason is always at the end


class SetupError(Exception):
    """Why the environment could not be made, and what to do about it."""


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


# ---- what is installed, and is it still right? ----


def hash_of_files(paths: list[str]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            content = file.read()
        digest.update(f"{os.path.relpath(path, ROOT)}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def source_files() -> list[str]:
    found = [os.path.join(ROOT, name) for name in PACKAGE_FILES]
    for folder in PACKAGE_FOLDERS:
        for where, folders, names in os.walk(os.path.join(ROOT, folder)):
            folders[:] = [name for name in folders if name != "__pycache__" and not name.startswith(".")]
            found += [os.path.join(where, name) for name in names if not name.startswith(".")]
    return sorted(found)


def wanted_setup(extras: set[str]) -> dict[str, Any]:
    requirements = [os.path.join(ROOT, name) for name in ("pyproject.toml", "constraints.txt")]
    return {
        "extras": sorted(extras),
        "requirements": hash_of_files(requirements),
        "sources": hash_of_files(source_files()),
    }


def present_setup() -> dict[str, Any]:
    try:
        with open(STAMP, encoding="utf-8") as file:
            return json.load(file)
    except (OSError, ValueError):
        return {}


def write_stamp(setup: dict[str, Any]) -> None:
    with open(STAMP + ".tmp", "w", encoding="utf-8") as file:
        json.dump(setup, file)
    os.replace(STAMP + ".tmp", STAMP)


# ---- making it right ----


def works(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, stdin=subprocess.DEVNULL).returncode == 0
    except OSError:
        return False


def make_environment() -> None:
    """An empty environment with our stamp in it: by venv, by uv, or by venv without its own pip."""
    if os.path.isdir(VENV) and os.listdir(VENV) and not os.path.exists(STAMP):
        raise SetupError(
            f"{VENV} exists and was not made by run.py: move it away, or name another place with"
            " the environment variable WONDERZOOM_VENV"
        )
    os.makedirs(os.path.dirname(VENV), exist_ok=True)
    free = shutil.disk_usage(os.path.dirname(VENV)).free
    if free < MIN_FREE_BYTES:
        raise SetupError(
            f"{free / 1e9:.1f} GB free on the disk of {VENV}: {MIN_FREE_BYTES / 1e9:.0f} GB are needed"
        )
    shutil.rmtree(VENV, ignore_errors=True)
    ways = [[sys.executable, "-m", "venv", VENV], ["uv", "venv", "--quiet", "--python", sys.executable, VENV]]
    if works([sys.executable, "-m", "pip", "--version"]):
        ways.append([sys.executable, "-m", "venv", "--without-pip", VENV])
    for way in ways:
        if works(way):
            write_stamp({})
            return
        shutil.rmtree(VENV, ignore_errors=True)
    raise SetupError(
        f"{sys.executable} can't make virtual environments: its `ensurepip` is missing, and neither pip nor"
        " uv was found. Debian and Ubuntu keep it in the package python3-venv; or install uv"
    )


def installer() -> list[str]:
    """The command that installs into the environment: its own pip, uv, or the pip of this Python."""
    if works([PYTHON, "-m", "pip", "--version"]):
        return [PYTHON, "-m", "pip", "install", "--no-compile"]  # what is imported is compiled then
    if works(["uv", "--version"]):
        return ["uv", "pip", "install", "--python", PYTHON]
    if works([sys.executable, "-m", "pip", "--python", PYTHON, "--version"]):
        return [sys.executable, "-m", "pip", "--python", PYTHON, "install", "--no-compile"]
    raise SetupError(f"nothing here can install into {VENV}: no pip of 22.3 or newer, and no uv")


def install(arguments: list[str]) -> None:
    """Runs the installer, shows what it is busy with, and its last lines should it fail."""
    # A user's `pip install --user` habit, or a fixed target, would install beside the environment.
    environment = {key: value for key, value in os.environ.items() if key not in ("PIP_TARGET", "PIP_PREFIX")}
    environment.update(PIP_USER="0", PYTHONUNBUFFERED="1", PIP_DISABLE_PIP_VERSION_CHECK="1")
    process = subprocess.Popen(
        [*installer(), *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    )
    output: queue.Queue[str | None] = queue.Queue()

    def read() -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                output.put(line.rstrip())
        output.put(None)

    threading.Thread(target=read, daemon=True).start()
    log: list[str] = []
    started, busy_with, live = time.monotonic(), "resolving versions", sys.stderr.isatty()
    while True:
        try:
            line = output.get(timeout=0.5)
        except queue.Empty:
            line = ""
        if line is None:
            break
        if line:
            log.append(line)
            step = describe(line)
            if step and step != busy_with:
                busy_with = step
                if not live:
                    say(f"  {step}")
        if live:  # the seconds go on during a long download, so that nobody thinks it hangs
            print(
                f"\r\x1b[K  {time.monotonic() - started:3.0f} s  {busy_with}"[:100], end="", file=sys.stderr
            )
            sys.stderr.flush()
    if live:
        print("\r\x1b[K", end="", file=sys.stderr)
    if process.wait() != 0:
        for line in log[-LOG_LINES_SHOWN:]:
            say(f"  | {line}")
        raise SetupError("the installation failed; the lines above say why")


def describe(line: str) -> str:
    """One line of pip's or uv's output as a step that a person wants to see; '' for the rest."""
    if ".metadata " in line:
        return ""
    fetched = re.match(r"\s*(?:Downloading|Using cached) (\S+?)(?:-\d\S*)? \(([^)]*)\)", line)
    if fetched:
        return f"{os.path.basename(fetched[1])} {fetched[2]}"
    installed = re.match(r"\s*Installing collected packages: (.*)", line)
    if installed:
        return f"installing {len(installed[1].split(', '))} packages"
    return ""


def requirements_of(extras: list[str]) -> list[str]:
    """What the extras add to the core."""
    import tomllib  # which an older Python lacks

    with open(os.path.join(ROOT, "pyproject.toml"), "rb") as file:
        optional = tomllib.load(file)["project"]["optional-dependencies"]
    return sorted({requirement for extra in extras for requirement in optional[extra]})


def set_up(extras: set[str], on_package: Callable[[], None] = lambda: None) -> None:
    """Makes the environment hold this tree and the extras; does nothing when it already does.

    ``on_package`` is called when the package has been installed, or installed anew: it runs from then on, while the
    extras are still being added.
    """
    present = present_setup()
    usable = works([PYTHON, "-c", ""]) if os.path.exists(STAMP) else False
    if not usable:
        present = {}
    wanted = wanted_setup(extras | set(present.get("extras", [])))
    if present == wanted:
        return
    started = time.monotonic()
    constraints = ["-c", os.path.join(ROOT, "constraints.txt")]
    same_requirements = all(present.get(key) == wanted[key] for key in ("requirements", "extras"))
    if "requirements" not in present:
        say(f"Setting up in {VENV}: once, a minute or two, most of it downloads.")
        if not usable:
            make_environment()
    elif same_requirements:
        say("The sources changed: installing them.")
    else:
        say("The requirements changed: installing them.")
    write_stamp({"extras": present.get("extras", [])})  # an interrupted installation must not look finished
    if same_requirements:
        install(["--no-deps", "--no-build-isolation", "--force-reinstall", ROOT])
        on_package()
    else:
        # The build backend goes into the environment as well: building then needs no second download,
        # and a changed source installs without a network.
        install([*constraints, "hatchling"])
        install([*constraints, "--no-build-isolation", ROOT])
        on_package()
        if wanted["extras"]:
            install([*constraints, *requirements_of(wanted["extras"])])
    write_stamp(wanted)
    say(f"Ready after {time.monotonic() - started:.0f} s.")


# ---- commands ----


def keep_bytecode() -> None:
    """Let Python keep what it compiles, in the environment, also where PYTHONDONTWRITEBYTECODE is set, as in many
    containers: without it each start of a program compiles all that it imports again, which takes three times as long.
    """
    if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
        os.environ.setdefault("PYTHONPYCACHEPREFIX", os.path.join(VENV, "bytecode"))


def compile_commands() -> list[list[str]]:
    program = os.path.join(ROOT, "tests", "support", "compiled_kernels.py")
    return [[PYTHON, program, half] for half in ("drawing", "zooming")]


class Compilers:
    """Processes that compile the kernels of the tests, so that no worker waits for them, nor compiles them again."""

    def __init__(self, commands: list[list[str]]) -> None:
        self.commands = commands
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        self.running = [subprocess.Popen(command) for command in self.commands]

    def wait(self) -> None:
        """What fails here says so itself, and the tests fail by it."""
        if any(process.poll() is None for process in self.running):
            say("Compiling kernels: once, under a minute.")
        for process in self.running:
            process.wait()

    def stop(self) -> None:
        for process in self.running:
            process.kill()  # does nothing to one that has ended
            process.wait()


def script(name: str) -> str:
    return os.path.join(SCRIPTS, name + (".exe" if os.name == "nt" else ""))


def run(*commands: list[str]) -> int:
    """Runs all, also after a failure; the first failure's exit code, or 0."""
    codes: list[int] = []
    for command in commands:
        if len(commands) > 1:
            say(f"$ {' '.join([os.path.basename(command[0]), *command[1:]])}")
        codes.append(subprocess.run(command).returncode)
    return next((code for code in codes if code), 0)


def become(command: list[str]) -> int:
    """Hands this process over, so that signals and exit codes are the command's own."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "nt":
        return run(command)
    os.execv(command[0], command)


def main(arguments: list[str]) -> int:
    if sys.version_info < OLDEST_PYTHON:
        say(f"WonderZoom needs Python 3.11 or newer; this one is {sys.version.split()[0]}")
        return 1
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__)
        return 0 if arguments else 2
    name, rest = arguments[0], arguments[1:]
    keep_bytecode()
    try:
        if name == "test":
            compilers = Compilers(compile_commands())
            try:
                set_up({"dev" if "-m" in rest else "test"}, compilers.start)
                compilers.wait()
            finally:
                compilers.stop()
            os.chdir(ROOT)  # pytest finds its settings and the tests there
            # A file is one worker's: what its tests share is made once.
            spread = ["-n", str(min(os.cpu_count() or 1, MOST_WORKERS)), "--dist", "loadfile"]
            return become([script("pytest"), "-m", "not slow and not system and not models", *spread, *rest])
        if name == "check":
            set_up({"dev"})
            os.chdir(ROOT)
            return run(
                [script("ruff"), "check"],
                [script("ruff"), "format", "--check"],
                [script("pyright"), "-p", ".dev", "--pythonpath", PYTHON],
                [script("lint-imports")],
                [PYTHON, "-m", "wonderzoom.protocol.schema", "protocol", "--check"],
            )
        set_up(set())
        return become([script("wonderzoom"), *arguments])
    except SetupError as error:
        say(f"run.py: {error}.")
        return 1
    except KeyboardInterrupt:
        return 130  # what a shell reports for Ctrl-C


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
