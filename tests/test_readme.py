"""The documents tell the truth: their commands exist, with these options, and their links lead somewhere."""

import io
import re
import shlex
import subprocess
import sys
from contextlib import redirect_stdout
from functools import cache
from pathlib import Path

import pytest

from wonderzoom.runtime import plans
from wonderzoom.runtime.camera_file import read_camera
from wonderzoom.runtime.cli import main
from wonderzoom.runtime.plans import read_plan

REPOSITORY = Path(__file__).resolve().parent.parent
DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md")
    for path in REPOSITORY.glob(pattern)
    if not any(part.startswith(".") for part in path.relative_to(REPOSITORY).parts)
)
FENCED = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
OPTION = re.compile(r"(?<![\w-])(--?[a-z][a-z-]*)")


def commands(document: Path, program: str) -> list[str]:
    """The lines of a document's code blocks that call ``program``, without it."""
    blocks = FENCED.findall(document.read_text(encoding="utf-8"))
    lines = [line.strip() for _, block in blocks for line in block.splitlines()]
    return [line.removeprefix(program).strip() for line in lines if line.startswith(f"{program} ")]


@cache
def help_of(*subcommand: str) -> str:
    told = io.StringIO()
    with redirect_stdout(told):
        assert main([*subcommand, "--help"]) == 0
    return told.getvalue()


EXAMPLES = [(document, line) for document in DOCUMENTS for line in commands(document, "wonderzoom")]


@pytest.mark.parametrize(("document", "line"), EXAMPLES, ids=lambda value: getattr(value, "name", value))
def test_an_example_uses_commands_and_options_that_exist(document: Path, line: str) -> None:
    name, *arguments = shlex.split(line)
    assert name in help_of()
    known = set(OPTION.findall(help_of(name)))
    assert {word for word in arguments if OPTION.fullmatch(word)} <= known


def test_the_readmes_table_lists_every_command() -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([a-z]+)", text, re.MULTILINE)) - {"test"}  # run.py's own
    assert {name for name in listed if name not in help_of()} == set()
    assert {"demo", "create", "zoom", "build", "render", "info", "remove", "doctor"} <= listed


@pytest.mark.parametrize("name", ["demo", "test"])
def test_the_readme_has_both_commands_where_ci_looks_for_them(name: str) -> None:
    text = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    assert re.search(rf"^python3 run\.py {name}$", text, re.MULTILINE)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_relative_links_lead_to_something(document: Path) -> None:
    targets = [link.partition("#")[0] for link in LINK.findall(document.read_text(encoding="utf-8"))]
    local = [target for target in targets if target and "://" not in target]
    assert [target for target in local if not (document.parent / target).exists()] == []


def blocks_of(name: str, language: str) -> list[str]:
    text = (REPOSITORY / "docs" / name).read_text(encoding="utf-8")
    return [block for kind, block in FENCED.findall(text) if kind == language]


def test_the_plans_that_are_shown_can_be_read(tmp_path: Path) -> None:
    shown = blocks_of("plans.md", "toml")
    assert shown
    for text in shown:
        (tmp_path / "plan.toml").write_text(text, encoding="utf-8")
        assert read_plan(tmp_path / "plan.toml").zooms


def test_every_key_of_a_plan_is_described() -> None:
    text = (REPOSITORY / "docs" / "plans.md").read_text(encoding="utf-8")
    described = set(re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", text, re.MULTILINE))))
    assert described == {*plans._Plan.__struct_fields__, *plans._Zoom.__struct_fields__} - {"zoom"}


def test_the_camera_that_is_shown_can_be_read(tmp_path: Path) -> None:
    whole, *_ = blocks_of("cameras.md", "json")
    (tmp_path / "camera.json").write_text(whole, encoding="utf-8")
    assert read_camera(tmp_path / "camera.json").width == 768


SNIPPETS = [
    (document, code)
    for document in DOCUMENTS
    for language, code in FENCED.findall(document.read_text(encoding="utf-8"))
    if language in ("python", "py")
]


def test_python_snippets_run() -> None:
    """Those that need a link of one's own server are read only; ``tests/clients`` do what they do."""
    for document, code in SNIPPETS:
        if "#token=..." in code:
            compile(code, document.name, "exec")
            continue
        result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        assert result.returncode == 0, f"{document.name}:\n{code}\n{result.stderr}"
