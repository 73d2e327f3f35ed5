"""What the doctor says of the graphics card: from none at all to one that is ready, and compiling ahead of time."""

import os
import stat
import sys
from pathlib import Path

import pytest

from wonderzoom.runtime import graphics
from wonderzoom.runtime.doctor import Status
from wonderzoom.runtime.errors import UsageError
from wonderzoom.runtime.renderers import gsplat_calls


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine whose nvidia-smi names a card; the folder of its programs."""
    program(tmp_path / "nvidia-smi", "echo 'A Card, 8192 MiB, 555.1'")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    return tmp_path


def program(file: Path, script: str) -> None:
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


def answers(monkeypatch: pytest.MonkeyPatch, folder: Path, *lines: str) -> None:
    """What the process that loads torch prints."""
    monkeypatch.setattr(graphics.importlib.util, "find_spec", lambda _: object())
    program(folder / "python", "printf '%s\\n' " + " ".join(f"'{line}'" for line in lines))
    monkeypatch.setattr(sys, "executable", str(folder / "python"))


def test_without_a_driver_there_is_one_note_and_nothing_is_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(graphics, "_DRIVER", tmp_path / "none")
    monkeypatch.setattr(graphics, "_run", lambda _: pytest.fail("asked"))
    assert not graphics.card_present()
    (only,) = graphics.findings()
    assert (only.subject, only.status) == ("graphics card", Status.NOTE)


def test_a_card_is_named_with_its_compiler(card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program(card / "nvcc", "echo 'Cuda compilation tools, release 12.8, V12.8.1'")
    for name in ("CUDA_HOME", "CUDA_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(gsplat_calls, "nvcc", lambda: str(card / "nvcc"))
    answers(monkeypatch, card, "OK", "compiled")
    shown, compiler, drawing = graphics.findings()
    assert shown.value == "A Card, 8192 MiB, 555.1" and shown.status is Status.OK
    assert "release 12.8" in compiler.value
    assert drawing.status is Status.OK
    monkeypatch.setattr(gsplat_calls, "nvcc", lambda: None)
    assert graphics.findings()[1].status is Status.NOTE


@pytest.mark.parametrize(
    ("lines", "status", "said"),
    [
        (("OK", "not compiled"), Status.NOTE, "--compile-gsplat"),
        (("OK", "half /cache/gsplat_cuda"), Status.WARNING, "--compile-gsplat"),
        (("torch 2 is a build for the CPU",), Status.WARNING, "build for the CPU"),
    ],
)
def test_what_keeps_the_card_from_drawing_is_said(
    card: Path, monkeypatch: pytest.MonkeyPatch, lines: tuple[str, ...], status: Status, said: str
) -> None:
    answers(monkeypatch, card, *lines)
    drawing = graphics.findings()[2]
    assert drawing.status is status and said in drawing.advice
    assert "half" not in lines[-1] or "/cache/gsplat_cuda" in drawing.value


def test_what_is_not_installed_is_said_without_asking(card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        graphics.importlib.util, "find_spec", lambda name: None if name == "gsplat" else object()
    )
    drawing = graphics.findings()[2]
    assert drawing.value == "gsplat missing" and drawing.advice == "extra: gpu"


def test_a_torch_that_crashes_is_no_crash_of_the_doctor(card: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, card, "OK")
    program(card / "python", "exit 139")
    program(card / "nvidia-smi", "exit 9")
    shown, _, drawing = graphics.findings()
    assert "doesn't say" in shown.value and drawing.advice == "torch does not load"


def test_the_question_is_one_that_this_interpreter_can_answer() -> None:
    """On this machine: OK with its second line, or one line that says why not."""
    answer = graphics._run([sys.executable, "-c", graphics._QUESTION])
    try:
        gsplat_calls.check()
        assert answer[0] == "OK" and len(answer) == 2
    except gsplat_calls.CudaUnavailable as error:
        assert answer == [str(error)]


def test_compiling_says_what_happens_and_how_it_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(gsplat_calls, "compile_now", lambda say: say("compiling"))
    assert graphics.compile_gsplat(said.append) == 0 and said == ["compiling"]

    def fails(say: object) -> None:
        raise gsplat_calls.CudaUnavailable("no nvcc")

    monkeypatch.setattr(gsplat_calls, "compile_now", fails)
    assert graphics.compile_gsplat(said.append) == 1 and said[-1] == "no nvcc"


# ---- the choice of the renderer ---------------------------------------------------------------------
def choose(word: str | None, notes: list[str] | None = None) -> str:
    environment = {} if word is None else {graphics.CHOICE_VARIABLE: word}
    return graphics.chosen(environment, (notes if notes is not None else []).append)


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a card and everything compiled."""
    monkeypatch.setattr(graphics, "card_present", lambda: True)
    monkeypatch.setattr(graphics.importlib.util, "find_spec", lambda _: object())
    monkeypatch.setattr(gsplat_calls, "check", lambda: None)
    monkeypatch.setattr(gsplat_calls, "compiled", lambda: True)


def test_a_card_that_is_ready_draws_unless_the_cpu_is_asked_for(ready: None) -> None:
    words = (None, "", "auto", "cuda", "cuda-2dgs")
    assert {choose(word) for word in words} == {"cuda"} and choose("cpu") == "cpu"
    assert choose("opengl") == "opengl"


@pytest.mark.parametrize(
    ("word", "mode"), [(None, "3dgs"), ("auto", "3dgs"), ("cuda", "3dgs"), ("cuda-2dgs", "2dgs")]
)
def test_surfels_are_discs_where_that_is_asked_for(word: str | None, mode: str) -> None:
    assert graphics.cuda_mode({} if word is None else {graphics.CHOICE_VARIABLE: word}) == mode


def test_compiling_is_never_begun_unasked(ready: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gsplat_calls, "compiled", lambda: False)
    notes: list[str] = []
    assert choose("auto", notes) == "cpu" and "--compile-gsplat" in notes[0]
    assert choose("cuda", notes) == "cuda" and len(notes) == 1


def test_a_card_that_can_not_draw_is_said_or_an_error(ready: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise gsplat_calls.CudaUnavailable("no nvcc")

    monkeypatch.setattr(gsplat_calls, "check", fails)
    notes: list[str] = []
    assert choose("auto", notes) == "cpu" and notes == ["The CPU draws: no nvcc"]
    with pytest.raises(UsageError, match="no nvcc"):
        choose("cuda")
    with pytest.raises(UsageError, match="is cuda-2dgs, but: no nvcc"):
        choose("cuda-2dgs")
    assert choose("cpu") == "cpu"


def test_without_a_card_or_the_extra_nobody_is_bothered(ready: None, monkeypatch: pytest.MonkeyPatch) -> None:
    notes: list[str] = []
    monkeypatch.setattr(graphics.importlib.util, "find_spec", lambda _: None)
    assert choose(None, notes) == "cpu"
    monkeypatch.setattr(graphics, "card_present", lambda: False)
    monkeypatch.setattr(gsplat_calls, "check", lambda: pytest.fail("torch is loaded for nothing"))
    assert choose(None, notes) == "cpu" and notes == []


def test_another_word_is_an_error_that_names_the_choices() -> None:
    with pytest.raises(UsageError, match="'gpu'; it can be: auto, cpu, cuda, cuda-2dgs, opengl"):
        choose("gpu")


# ---- OpenGL -------------------------------------------------------------------------------------------
def test_the_doctor_says_what_of_the_desktop_extra_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        graphics.importlib.util, "find_spec", lambda name: None if name == "glfw" else object()
    )
    found = graphics.opengl_finding()
    assert (found.status, found.value, found.advice) == (Status.NOTE, "glfw missing", "extra: desktop")


@pytest.mark.parametrize(
    ("lines", "status", "said"),
    [
        (("OK", "A Card, OpenGL 4.6"), Status.OK, "A Card, OpenGL 4.6"),
        (("EGL gives no OpenGL 3.3: install a driver",), Status.NOTE, "install a driver"),
    ],
)
def test_what_draws_with_opengl_is_named(
    card: Path, monkeypatch: pytest.MonkeyPatch, lines: tuple[str, ...], status: Status, said: str
) -> None:
    answers(monkeypatch, card, *lines)
    found = graphics.opengl_finding()
    assert found.status is status and said in found.value + found.advice


@pytest.mark.system
def test_the_doctor_names_what_really_draws_with_opengl_here() -> None:
    found = graphics.opengl_finding()
    assert found.status is Status.OK and "OpenGL" in found.value
