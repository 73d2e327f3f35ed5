"""The doctor: what can be wrong is found, named and given an advice; a sound machine has no problem."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from wonderzoom.runtime import doctor
from wonderzoom.runtime.doctor import Status, examine

NEEDS_ADVICE = {Status.WARNING, Status.PROBLEM}


def test_a_machine_that_passes_the_tests_has_no_problem(tmp_path: Path) -> None:
    findings = examine(tmp_path)
    assert [finding for finding in findings if finding.status is Status.PROBLEM] == []


def test_each_finding_has_its_own_subject_and_a_value_and_bad_ones_an_advice(tmp_path: Path) -> None:
    findings = examine(tmp_path)
    subjects = [finding.subject for finding in findings]
    assert len(set(subjects)) == len(subjects)
    assert all(finding.value for finding in findings)
    assert all(finding.advice for finding in findings if finding.status in NEEDS_ADVICE)


def test_nothing_is_left_in_the_examined_folder(tmp_path: Path) -> None:
    examine(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist_yet_is_judged_by_its_parent_and_not_made(tmp_path: Path) -> None:
    wanted = tmp_path / "worlds" / "first"
    assert doctor._disk(wanted).status is not Status.PROBLEM
    assert not wanted.parent.exists()


def test_a_folder_that_can_not_be_written_is_a_problem(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.write_bytes(b"")
    assert doctor._disk(occupied).status is Status.PROBLEM  # a file: no folder even for root


def test_a_little_free_space_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = doctor.LITTLE_DISK_BYTES - 1
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: doctor.shutil._ntuple_diskusage(free, 0, free))
    assert doctor._disk(tmp_path).status is Status.WARNING


def test_one_thread_is_a_warning() -> None:
    assert doctor._threads(1).status is Status.WARNING
    assert doctor._threads(2).status is Status.OK


def test_memory_unknown_small_and_enough() -> None:
    assert doctor._memory(None).status is Status.NOTE
    assert doctor._memory(doctor.SMALL_MEMORY_BYTES - 1).status is Status.WARNING
    assert doctor._memory(doctor.SMALL_MEMORY_BYTES).status is Status.OK


def test_the_kernel_cache_follows_numbas_variable(tmp_path: Path) -> None:
    chosen = tmp_path / "cache"
    assert doctor._kernel_cache({"NUMBA_CACHE_DIR": str(chosen)}).value == str(chosen)
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    assert doctor._kernel_cache({"NUMBA_CACHE_DIR": str(blocked)}).status is Status.PROBLEM


def test_an_old_python_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.sys, "version_info", (3, 10, 0, "final", 0))
    assert doctor._python().status is Status.PROBLEM


def test_an_absent_option_names_its_extra() -> None:
    finding = doctor._option("a_module_that_nobody_has", "gpu")
    assert finding.status is Status.NOTE
    assert "gpu" in finding.advice


def test_examining_does_not_load_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from wonderzoom.runtime.doctor import examine;"
        "examine(Path(sys.argv[1])); sys.exit('torch' in sys.modules)"
    )
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    result = subprocess.run([sys.executable, "-c", code, str(tmp_path)], env=environment)
    assert result.returncode == 0


def test_compiling_comes_before_the_findings_and_its_failure_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from wonderzoom.runtime import graphics

    for failed in (0, 1):
        monkeypatch.setattr(graphics, "compile_gsplat", lambda failed=failed: print("compiling") or failed)
        assert doctor.report(tmp_path, compile_gsplat=True) == failed
        assert capsys.readouterr().out.startswith("compiling\n")
