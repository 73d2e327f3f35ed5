"""Owns the answer to "can a graphics card draw here?": for the doctor, for the choice of the renderer, and
compiling what it needs ahead of time.

torch takes seconds to load and may crash where its driver doesn't fit: it is asked in a process of its own, and only
where there is a card at all.
"""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wonderzoom.runtime.doctor import Finding, Status
from wonderzoom.runtime.errors import UsageError

if TYPE_CHECKING:
    from wonderzoom.runtime.renderers.cuda import Mode

CHOICE_VARIABLE = "WONDERZOOM_RENDERER"  # of the environment, for this program and the workers that it starts
CHOICES = ("auto", "cpu", "cuda", "cuda-2dgs", "opengl")
Drawer = Literal["cpu", "cuda", "opengl"]  # who draws: the name of a renderer
_DRIVER = Path("/proc/driver/nvidia/version")  # there with the driver, also in containers without its tools
_ASK_S = 60.0  # torch may load from a slow disk
_COMPILE = "wonderzoom doctor --compile-gsplat"
# Prints OK, or why CUDA can't be used; the second line says whether gsplat is compiled.
_QUESTION = """
from wonderzoom.runtime.renderers import gsplat_calls
try:
    gsplat_calls.check()
    dead = gsplat_calls.half_made()
    print("OK")
    print("compiled" if gsplat_calls.compiled() else f"half {dead}" if dead else "not compiled")
except gsplat_calls.CudaUnavailable as error:
    print(error)
"""


# Prints OK and what draws, or why OpenGL can't be used.
_OPENGL_QUESTION = """
from wonderzoom.runtime.renderers.opengl import OpenGLRenderer, OpenGLUnavailable
try:
    with OpenGLRenderer() as renderer:
        renderer.check_ids()
        print("OK")
        print(renderer.device)
except OpenGLUnavailable as error:
    print(error)
"""


def card_present() -> bool:
    """Whether this machine has an NVIDIA driver; says nothing yet of torch. Loads nothing."""
    return shutil.which("nvidia-smi") is not None or _DRIVER.exists()


def findings() -> list[Finding]:
    """What the doctor says of the card, and of drawing and fitting with it."""
    if not card_present():
        return [Finding("graphics card", Status.NOTE, "no NVIDIA driver found")]
    return [_card(), _nvcc(), _cuda()]


def opengl_finding() -> Finding:
    """What the doctor says of OpenGL: for ``wonderzoom view``, and as a renderer where it is asked for."""
    missing = [name for name in ("moderngl", "glfw") if importlib.util.find_spec(name) is None]
    if missing:
        return Finding("OpenGL", Status.NOTE, f"{' and '.join(missing)} missing", "extra: desktop")
    answer = _run([sys.executable, "-c", _OPENGL_QUESTION]) or ["moderngl does not load"]
    if answer[0] != "OK":
        return Finding("OpenGL", Status.NOTE, "not possible without a window", answer[0])
    return Finding("OpenGL", Status.OK, answer[1])


def _card() -> Finding:
    """Name, memory and driver, as the driver's own tool tells them."""
    query = "--query-gpu=name,memory.total,driver_version"
    told = _run(["nvidia-smi", query, "--format=csv,noheader"])
    if not told:
        return Finding("graphics card", Status.NOTE, "NVIDIA driver found; nvidia-smi doesn't say which card")
    return Finding("graphics card", Status.OK, "; ".join(told))


def _nvcc() -> Finding:
    from wonderzoom.runtime.renderers.gsplat_calls import nvcc

    found = nvcc()
    if found is None:
        return Finding(
            "nvcc", Status.NOTE, "not found", "needed once, to compile gsplat: the CUDA toolkit has it"
        )
    version = [line for line in _run([found, "--version"]) if "release" in line]
    return Finding("nvcc", Status.OK, f"{version[0].strip()} ({found})" if version else found)


def _cuda() -> Finding:
    missing = [name for name in ("torch", "gsplat") if importlib.util.find_spec(name) is None]
    if missing:
        return Finding("CUDA drawing", Status.NOTE, f"{' and '.join(missing)} missing", "extra: gpu")
    answer = _run([sys.executable, "-c", _QUESTION]) or ["torch does not load"]
    if answer[0] != "OK":
        return Finding("CUDA drawing", Status.WARNING, "not possible, the CPU draws", answer[0])
    if answer[1] == "compiled":
        return Finding("CUDA drawing", Status.OK, "gsplat is compiled")
    if answer[1].startswith("half "):
        return Finding(
            "CUDA drawing", Status.WARNING, f"gsplat is half compiled, in {answer[1][5:]}", _COMPILE
        )
    return Finding("CUDA drawing", Status.NOTE, "gsplat is not compiled yet, the CPU draws", _COMPILE)


def _run(command: list[str]) -> list[str]:
    """The lines that a program prints; none where it can't be run, fails or takes too long."""
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=_ASK_S, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return result.stdout.strip().splitlines()


def compile_gsplat(say: Callable[[str], None] = print) -> int:
    """Compile gsplat for this card, saying what happens; 0, or 1 where it can't be done (and it is said why)."""
    from wonderzoom.runtime.renderers import gsplat_calls

    try:
        gsplat_calls.compile_now(say)
    except gsplat_calls.CudaUnavailable as error:
        say(str(error))
        return 1
    return 0


def cuda_mode(environment: Mapping[str, str]) -> Mode:
    """How the card draws surfels where it draws (``renderers.cuda.CudaRenderer``)."""
    return "2dgs" if environment.get(CHOICE_VARIABLE) == "cuda-2dgs" else "3dgs"


def chosen(environment: Mapping[str, str], note: Callable[[str], None]) -> Drawer:
    """Who shall draw: WONDERZOOM_RENDERER is one of CHOICES, ``auto`` by default. A card that draws also fits.

    ``auto`` takes the card where it is ready: compiling takes minutes that nobody asked for, so that is only hinted
    at. Raises UsageError for another word, and for ``cuda`` and ``cuda-2dgs`` where it isn't possible.
    """
    choice = environment.get(CHOICE_VARIABLE, "auto") or "auto"
    if choice not in CHOICES:
        raise UsageError(f"{CHOICE_VARIABLE} is {choice!r}; it can be: {', '.join(CHOICES)}")
    if choice == "opengl":
        return "opengl"
    if choice == "cpu" or (choice == "auto" and not card_present()):
        return "cpu"
    missing = [name for name in ("torch", "gsplat") if importlib.util.find_spec(name) is None]
    if choice == "auto" and missing:
        return "cpu"
    from wonderzoom.runtime.renderers import gsplat_calls

    try:
        gsplat_calls.check()
    except gsplat_calls.CudaUnavailable as error:
        if choice != "auto":
            raise UsageError(f"{CHOICE_VARIABLE} is {choice}, but: {error}") from error
        note(f"The CPU draws: {error}")
        return "cpu"
    if choice == "auto" and not gsplat_calls.compiled():
        note(f"The CPU draws. The graphics card can, after: {_COMPILE}")
        return "cpu"
    return "cuda"
