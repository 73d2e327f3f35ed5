"""Owns the answer to "will WonderZoom run well here?": one finding per thing that it depends on.

Nothing is changed and nothing heavy is loaded (torch is looked up, not imported). A ``problem`` stops the
main job, a ``warning`` makes it slower or less durable, a ``note`` is an option that isn't installed.
The command line prints the findings and exits with 1 when one of them is a problem.
"""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import wonderzoom.runtime.renderers
from wonderzoom.generation.models.recipes import SHIPPED
from wonderzoom.runtime import DISTRIBUTION
from wonderzoom.runtime.generators import locks, recipe_of
from wonderzoom.runtime.models import needs, state_of
from wonderzoom.runtime.platform import total_memory_bytes, usable_threads

OLDEST_PYTHON = (3, 11)  # requires-python of pyproject.toml
FEWEST_THREADS = 2  # one draws while one generates; with one, a zoom stalls the picture
SMALL_MEMORY_BYTES = 4 * 2**30  # a chain of ten zooms at 512 x 512 with room for the picture's own buffers
LITTLE_DISK_BYTES = 2 * 2**30  # some hundred zooms; an append that finds the disk full fails cleanly anyway
FAST_INSTRUCTIONS = (("avx512f", "AVX-512"), ("avx2", "AVX2"), ("neon", "NEON"))  # best first
MODEL_LIBRARIES = ("torch", "diffusers", "transformers", "huggingface_hub")
FILM_ENCODER = "libx264"  # what plays everywhere


class Status(StrEnum):
    """How a finding bears on the main job; see the module's docstring."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: what it is here, and what to do where it isn't fine."""

    subject: str
    status: Status
    value: str
    advice: str = ""


def examine(directory: Path) -> list[Finding]:
    """All findings, for worlds kept in ``directory``."""
    from wonderzoom.runtime import graphics

    return [
        _python(),
        _distribution(),
        _numba(),
        _threads(usable_threads()),
        _instructions(),
        _memory(total_memory_bytes()),
        _kernel_cache(os.environ),
        _disk(directory),
        _film_encoder(),
        _option("torch", "gpu"),
        _option("gsplat", "gpu"),
        *graphics.findings(),
        graphics.opengl_finding(),
        *map(_generator, SHIPPED),
    ]


def _python() -> Finding:
    value = f"{platform.python_version()} ({platform.python_implementation()}, {platform.platform()})"
    if sys.version_info < OLDEST_PYTHON:
        return Finding("Python", Status.PROBLEM, value, "WonderZoom needs Python 3.11 or newer")
    if sys.platform != "linux":
        return Finding("Python", Status.NOTE, value, "written for this system, tested on Linux only")
    return Finding("Python", Status.OK, value)


def _distribution() -> Finding:
    try:
        return Finding("WonderZoom", Status.OK, importlib.metadata.version(DISTRIBUTION))
    except importlib.metadata.PackageNotFoundError:
        return Finding("WonderZoom", Status.WARNING, "runs from loose files", "install it: see the README")


def _numba() -> Finding:
    try:
        import numba
    except Exception as error:  # a broken binary raises what it likes; the finding is that it doesn't load
        return Finding("numba", Status.PROBLEM, f"does not load: {error}", "reinstall numba and llvmlite")
    return Finding("numba", Status.OK, str(numba.__version__))


def _threads(count: int) -> Finding:
    if count < FEWEST_THREADS:
        return Finding("CPU threads", Status.WARNING, str(count), "zooming will hold up the picture")
    return Finding("CPU threads", Status.OK, str(count))


def _instructions() -> Finding:
    from llvmlite import binding

    present = binding.get_host_cpu_features()
    names = [label for flag, label in FAST_INSTRUCTIONS if present.get(flag)]
    host = str(binding.get_host_cpu_name())
    if not names:
        return Finding(
            "SIMD", Status.WARNING, f"none of AVX2, AVX-512, NEON ({host})", "drawing will be slow"
        )
    return Finding("SIMD", Status.OK, f"{', '.join(names)} ({host})")


def _memory(total: int | None) -> Finding:
    if total is None:
        return Finding("memory", Status.NOTE, "unknown on this system")
    value = f"{total / 2**30:.1f} GiB"
    if total < SMALL_MEMORY_BYTES:
        advice = f"below {SMALL_MEMORY_BYTES // 2**30} GiB large worlds may not fit"
        return Finding("memory", Status.WARNING, value, advice)
    return Finding("memory", Status.OK, value)


def _writable(directory: Path) -> bool:
    """Whether a file can be made in ``directory`` or, where it doesn't exist yet, in its nearest parent."""
    directory = directory.absolute()
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    try:
        with tempfile.TemporaryFile(dir=directory):
            return True
    except OSError:
        return False


def _kernel_cache(environment: Mapping[str, str]) -> Finding:
    """Where numba keeps compiled kernels: NUMBA_CACHE_DIR, beside the sources, or the user's cache."""
    beside_sources = Path(wonderzoom.runtime.renderers.__path__[0]) / "__pycache__"
    chosen = environment.get("NUMBA_CACHE_DIR")
    for directory in [Path(chosen)] if chosen else [beside_sources, _user_kernel_cache()]:
        if _writable(directory):
            return Finding("kernel cache", Status.OK, str(directory))
    advice = "every start will compile for minutes: set NUMBA_CACHE_DIR to a folder that can be written"
    return Finding("kernel cache", Status.PROBLEM, f"{chosen or beside_sources} can't be written", advice)


def _user_kernel_cache() -> Path:
    from numba.misc.appdirs import AppDirs

    return Path(str(AppDirs(appname="numba", appauthor=False).user_cache_dir))


def _disk(directory: Path) -> Finding:
    if not _writable(directory):
        return Finding("disk", Status.PROBLEM, f"{directory} can't be written", "choose another folder")
    present = directory.absolute()
    while not present.exists():
        present = present.parent
    free = shutil.disk_usage(present).free
    value = f"{free / 2**30:.1f} GiB free at {present}"
    if free < LITTLE_DISK_BYTES:
        return Finding("disk", Status.WARNING, value, "a world grows by some megabytes a zoom")
    return Finding("disk", Status.OK, value)


def _film_encoder() -> Finding:
    import av.codec

    if FILM_ENCODER in av.codec.codecs_available:
        return Finding("film encoder", Status.OK, FILM_ENCODER)
    advice = "films can't be written as .mp4; reinstall the package av from its wheel"
    return Finding("film encoder", Status.PROBLEM, f"{FILM_ENCODER} is missing", advice)


def _option(module: str, extra: str) -> Finding:
    if importlib.util.find_spec(module) is None:
        return Finding(module, Status.NOTE, "not installed (the CPU does everything)", f"extra: {extra}")
    return Finding(module, Status.OK, importlib.metadata.version(module))


def _generator(name: str) -> Finding:
    """Whether a generator with models can run, and the one command that gets it there."""
    wanted, known = [need.reference for need in needs([recipe_of(name)])], locks()
    least = max((reference.min_vram_gb for reference in wanted), default=0.0)
    card = f"; wants {least:g} GB of a graphics card" if least else ""
    subject = f"generator {name}"
    libraries = [library for library in MODEL_LIBRARIES if importlib.util.find_spec(library) is None]
    if libraries:
        advice = "pip install 'wonderzoom-runtime[models]'"
        return Finding(subject, Status.NOTE, f"{', '.join(libraries)} not installed{card}", advice)
    missing = [reference for reference in wanted if not state_of(reference, known).here]
    if missing:
        size = sum(reference.size_gb for reference in missing)
        value = f"{len(missing)} models are not here ({size:.0f} GB){card}"
        return Finding(subject, Status.NOTE, value, f"wonderzoom models download {name}")
    return Finding(subject, Status.OK, f"its models are here{card}")


def report(directory: Path | None = None, compile_gsplat: bool = False) -> int:
    """Print the findings, for worlds kept in ``directory`` (default: here); 1 where one is a problem.

    ``compile_gsplat`` does that first; 1 as well where it can't be done.
    """
    failed = 0
    if compile_gsplat:
        from wonderzoom.runtime import graphics

        failed = graphics.compile_gsplat()
    findings = examine(directory or Path())
    width = max(len(finding.subject) for finding in findings)
    for finding in findings:
        advice = f": {finding.advice}" if finding.advice else ""
        print(f"{finding.status.value:8} {finding.subject:{width}}  {finding.value}{advice}")
    problems = sum(finding.status is Status.PROBLEM for finding in findings)
    print(f"{problems} to be solved first" if problems else "WonderZoom runs here")
    return int(failed or problems > 0)
