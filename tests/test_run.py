"""run.py: what it installs and when, told by the commands it would give; nothing is really installed here."""

import importlib.util
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

Calls = list[list[str]]


@pytest.fixture
def run(tmp_path: Path, repository: Path) -> Iterator[ModuleType]:
    """run.py, loaded in a small repository of its own, with an environment that exists already."""
    root = tmp_path / "clone"
    root.mkdir()
    shutil.copy(repository / "run.py", root)
    for name in ("pyproject.toml", "README.md", "LICENSE", "constraints.txt"):
        (root / name).write_text(name)
    (root / "pyproject.toml").write_text(
        "[project.optional-dependencies]\ntest = ['pytest>=8', 'torch']\ndev = ['pytest>=8', 'torch']\ngpu = ['torch']"
    )
    for folder in ("runtime", "scene_graph", "generation", "protocol", "clients"):
        (root / folder).mkdir()
        (root / folder / "__init__.py").write_text("")
    specification = importlib.util.spec_from_file_location("run_under_test", root / "run.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WONDERZOOM_VENV", raising=False)
        specification.loader.exec_module(module)
        yield module


@pytest.fixture
def calls(run: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Every set of arguments that the installer is called with, in order."""
    made: Calls = []

    def make_environment() -> None:
        Path(run.VENV).mkdir()
        run.write_stamp({})

    monkeypatch.setattr(run, "make_environment", make_environment)
    monkeypatch.setattr(run, "works", lambda command: True)
    monkeypatch.setattr(run, "install", made.append)
    return made


def installs_the_package_only(arguments: list[str]) -> bool:
    return "--no-deps" in arguments


def test_the_first_run_installs_with_the_pins_and_not_editable(run: ModuleType, calls: Calls) -> None:
    run.set_up(set())
    assert [call[-1] for call in calls] == ["hatchling", run.ROOT]
    assert all("-c" in call and "-e" not in call for call in calls)


def test_a_second_run_installs_nothing(run: ModuleType, calls: Calls) -> None:
    run.set_up(set())
    calls.clear()
    run.set_up(set())
    assert calls == []


def test_bytecode_and_hidden_caches_are_no_change(run: ModuleType, calls: Calls) -> None:
    run.set_up(set())
    calls.clear()
    for name in ("__pycache__", ".ruff_cache"):
        (Path(run.ROOT) / "runtime" / name).mkdir()
        (Path(run.ROOT) / "runtime" / name / "x").write_text("x")
    run.set_up(set())
    assert calls == []


@pytest.mark.parametrize("change", ["edit", "add", "rename", "remove"])
def test_changed_sources_install_the_package_without_a_network(
    run: ModuleType, calls: Calls, change: str
) -> None:
    file = Path(run.ROOT) / "runtime" / "room.py"
    file.write_text("a = 1")
    run.set_up(set())
    calls.clear()
    match change:
        case "edit":
            file.write_text("a = 2")
        case "add":
            file.with_name("other.py").write_text("")
        case "rename":
            file.rename(file.with_name("renamed.py"))
        case _:
            file.unlink()
    run.set_up(set())
    assert len(calls) == 1 and installs_the_package_only(calls[0])
    assert "--no-build-isolation" in calls[0]


def test_changed_pins_install_everything(run: ModuleType, calls: Calls) -> None:
    run.set_up(set())
    calls.clear()
    (Path(run.ROOT) / "constraints.txt").write_text("numpy==2.0")
    run.set_up(set())
    assert calls and not any(map(installs_the_package_only, calls))


def test_an_extra_is_added_and_stays(run: ModuleType, calls: Calls) -> None:
    run.set_up(set())
    run.set_up({"dev"})
    assert calls[-2][-1] == run.ROOT and calls[-1][2:] == ["pytest>=8", "torch"]
    calls.clear()
    run.set_up(set())  # the demo after the tests: nothing to do
    assert calls == []
    (Path(run.ROOT) / "constraints.txt").write_text("numpy==2.0")
    run.set_up({"gpu"})
    assert calls[-2][-1] == run.ROOT and calls[-1][2:] == ["pytest>=8", "torch"]


def test_the_package_runs_before_the_extras_are_there(run: ModuleType, calls: Calls) -> None:
    installed: list[int] = []
    run.set_up({"dev"}, lambda: installed.append(len(calls)))
    assert installed == [len(calls) - 1]
    (Path(run.ROOT) / "runtime" / "room.py").write_text("a = 1")
    run.set_up({"dev"}, lambda: installed.append(len(calls)))
    run.set_up({"dev"}, lambda: installed.append(-1))
    assert installed[1:] == [len(calls)], "also when it alone is new, and not when nothing is"


@pytest.mark.parametrize("change", ["first", "sources", "pins"])
def test_an_interrupted_installation_is_done_again(
    run: ModuleType, calls: Calls, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    if change != "first":
        run.set_up({"dev"})
        name = "runtime/__init__.py" if change == "sources" else "constraints.txt"
        (Path(run.ROOT) / name).write_text("changed")

    def interrupted(arguments: list[str]) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(run, "install", interrupted)
        run.set_up({"dev"})
    calls.clear()
    run.set_up(set())
    assert calls and not any(map(installs_the_package_only, calls))


def test_a_foreign_environment_is_never_touched(run: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    theirs = Path(run.VENV) / "bin" / "python"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("theirs")
    assert run.main(["demo"]) == 1
    assert "was not made by run.py" in capsys.readouterr().err
    assert theirs.read_text() == "theirs"


def test_without_venv_pip_and_uv_the_message_says_what_to_install(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "works", lambda command: False)
    assert run.main(["demo"]) == 1
    assert "python3-venv" in capsys.readouterr().err
    assert not Path(run.VENV).exists()


def test_a_full_disk_is_told_before_anything_is_made(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    usage = shutil.disk_usage(run.ROOT)._replace(free=run.MIN_FREE_BYTES - 1)
    monkeypatch.setattr(run.shutil, "disk_usage", lambda _: usage)
    assert run.main(["demo"]) == 1
    assert "GB free" in capsys.readouterr().err
    assert not Path(run.VENV).exists()


def test_a_failed_installation_shows_why(
    run: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    failing = [sys.executable, "-c", "import sys; print('ERROR: no such version'); sys.exit(1)"]
    monkeypatch.setattr(run, "installer", lambda: failing)
    with pytest.raises(run.SetupError):
        run.install(["anything"])
    assert "ERROR: no such version" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "step"),
    [
        ("  Downloading numpy-2.4.6-cp311-cp311-manylinux_2_28_x86_64.whl (16.9 MB)", "numpy 16.9 MB"),
        ("Using cached rich-15.0.0-py3-none-any.whl (310 kB)", "rich 310 kB"),
        ("  Downloading numpy-2.4.6-cp311-cp311-linux_x86_64.whl.metadata (62 kB)", ""),
        ("Downloading numba (3.6MiB)", "numba 3.6MiB"),  # uv
        ("Installing collected packages: a, b, c", "installing 3 packages"),
        ("Collecting numpy>=2.0", ""),
    ],
)
def test_progress_shows_the_steps_that_take_time(run: ModuleType, line: str, step: str) -> None:
    assert run.describe(line) == step


def test_kernels_are_compiled_before_the_tests(
    run: ModuleType, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.ROOT)
    compiling = [[sys.executable, "-c", f"open('compiled{half}', 'w')"] for half in (1, 2)]
    monkeypatch.setattr(run, "compile_commands", lambda: compiling)
    monkeypatch.setattr(run, "become", lambda _: len(list(Path(run.ROOT).glob("compiled?"))))
    assert run.main(["test"]) == 2


def test_a_failed_installation_leaves_no_compiler_behind(
    run: ModuleType, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    running: list[subprocess.Popen[bytes]] = []

    def install(arguments: list[str]) -> None:
        if "torch" in arguments:
            running.extend(compilers.running)
            raise run.SetupError("no network")

    compilers = run.Compilers([[sys.executable, "-c", "import time; time.sleep(600)"]])
    monkeypatch.setattr(run, "Compilers", lambda _: compilers)
    monkeypatch.setattr(run, "install", install)
    assert run.main(["test"]) == 1
    assert [process.returncode for process in running] == [-9], "killed, and waited for"


def test_tests_and_programs_get_their_arguments(
    run: ModuleType, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    became: Calls = []
    monkeypatch.setattr(run, "become", lambda command: became.append(command) or 0)
    monkeypatch.setattr(run, "compile_commands", list)
    monkeypatch.setattr(run.os, "chdir", lambda _: None)
    assert run.main(["test", "-k", "camera"]) == 0
    assert run.main(["render", "world", "-o", "film.mp4"]) == 0
    assert [Path(command[0]).stem for command in became] == ["pytest", "wonderzoom"]
    assert became[0][1:3] == ["-m", "not slow and not system and not models"]
    assert became[0][-2:] == ["-k", "camera"]
    assert became[1][1:] == ["render", "world", "-o", "film.mp4"]


def test_packages_of_models_are_installed_for_tests_that_may_need_them(
    run: ModuleType, calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[set[str]] = []
    monkeypatch.setattr(run, "set_up", lambda extras, _: wanted.append(extras))
    monkeypatch.setattr(run, "become", lambda _: 0)
    monkeypatch.setattr(run.os, "chdir", lambda _: None)
    for arguments in ([], ["-k", "camera"], ["-m", "models and not slow"]):
        assert run.main(["test", *arguments]) == 0
    assert wanted == [{"test"}, {"test"}, {"dev"}]


@pytest.mark.parametrize("said", ["", "1"])
def test_bytecode_is_kept_and_not_beside_sources_where_somebody_wants_none(
    run: ModuleType, calls: Calls, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    monkeypatch.setattr(run.os, "environ", {"PYTHONDONTWRITEBYTECODE": said} if said else {})
    monkeypatch.setattr(run, "become", lambda _: 0)
    assert run.main(["info"]) == 0
    wanted = {"PYTHONPYCACHEPREFIX": str(Path(run.VENV) / "bytecode")} if said else {}
    assert run.os.environ == wanted


def test_without_arguments_it_explains_itself(repository: Path) -> None:
    result = subprocess.run([sys.executable, str(repository / "run.py")], capture_output=True, text=True)
    assert result.returncode == 2
    assert "python3 run.py demo" in result.stdout
