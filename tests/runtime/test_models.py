"""``wonderzoom models`` on a hub that is a folder: what is here, what is not, and how it comes."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tiny_models import published

from wonderzoom.generation.models.locks import Locks
from wonderzoom.runtime import commands, models
from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.evaluation.clip_scores import CLIP
from wonderzoom.runtime.generators import UnknownGenerator
from wonderzoom.runtime.models import ModelsMissing, needs, state_of

RECIPE = """
about = "for tests"
[describe]
adapter = "eye"
model = { repo = "acme/eye", licence = "Apache-2.0", size_gb = 1.5 }
[upscale]
adapter = "eye"
model = { repo = "acme/ear", gated = true }
[edit]
adapter = "eye"
model = { repo = "acme/eye", licence = "Apache-2.0", size_gb = 1.5 }
"""


class GatedRepoError(Exception):
    """As the hub's library calls it."""


class FolderHub:
    """A hub whose repositories are made when asked for; ``fail`` is raised instead."""

    def __init__(self, cache: Path) -> None:
        self.cache, self.fetched = cache, list[str]()
        self.fail: Exception | None = None
        self.whole = True

    def revision(self, repo: str) -> str:
        if self.fail is not None:
            raise self.fail
        return ("1" if repo.endswith("eye") else "2") * 40

    def fetch(self, repo: str, revision: str, files: tuple[str, ...]) -> Path:
        self.fetched.append(repo)
        source = self.cache.parent / f"source-{len(self.fetched)}"
        source.mkdir()
        (source / "config.json").write_text("{}")
        save_file({"a": np.zeros(4, np.float32)}, source / "model.safetensors")
        if not self.whole:
            with (source / "model.safetensors").open("r+b") as file:
                file.truncate(20)
        published(source, repo, self.cache, revision)
        return self.cache / f"models--{repo.replace('/', '--')}" / "snapshots" / revision


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    from types import SimpleNamespace

    import msgspec

    from wonderzoom.generation.models import workbench
    from wonderzoom.generation.models.references import ModelReference

    class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        model: ModelReference

    monkeypatch.setattr(workbench, "adapter_class", lambda _stage, _name: SimpleNamespace(Options=Options))
    path = tmp_path / "mine.toml"
    path.write_text(RECIPE)
    return str(path)


@pytest.fixture
def run(tmp_path: Path, recipe: str) -> Callable[..., int]:
    def call(action: str, hub: FolderHub | None = None) -> int:
        asked = commands.Models(action, recipe)  # type: ignore[arg-type]
        return models.command(asked, hub, Locks(tmp_path / "lock"), tmp_path / "cache")

    return call


@pytest.mark.models
def test_a_download_settles_revisions_and_then_all_is_here(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ModelsMissing, match="2 of the models can't be used; .*wonderzoom models download"):
        run("check")
    hub = FolderHub(tmp_path / "cache")
    assert run("download", hub) == 0
    assert hub.fetched == ["acme/eye", "acme/ear"]  # each once
    assert Locks(tmp_path / "lock").revision("acme/ear") == "2" * 40
    assert run("check") == 0
    capsys.readouterr()
    assert run("list") == 0
    out = capsys.readouterr().out
    assert "mine: for tests" in out
    assert "acme/eye  describe, edit: 1.5 GB; Apache-2.0; here, 0.0 GB" in out
    assert "licence to be accepted first; here" in out


def test_a_truncated_download_settles_nothing(run: Callable[..., int], tmp_path: Path) -> None:
    hub = FolderHub(tmp_path / "cache")
    hub.whole = False
    with pytest.raises(CommandError, match="acme/eye: .*is damaged.*; run the same command again"):
        run("download", hub)
    assert Locks(tmp_path / "lock").revision("acme/eye") == ""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (GatedRepoError("403"), "accept its licence at https://huggingface.co/acme/eye"),
        (
            ConnectionError("no route to host\nmore"),
            "could not be fetched: no route to host; what has arrived",
        ),
    ],
)
def test_what_stops_a_download_is_one_line(
    run: Callable[..., int], tmp_path: Path, error: Exception, said: str
) -> None:
    hub = FolderHub(tmp_path / "cache")
    hub.fail = error
    with pytest.raises(CommandError, match=said) as caught:
        run("download", hub)
    assert "\n" not in str(caught.value)


@pytest.mark.models
def test_a_model_that_is_damaged_later_is_found(run: Callable[..., int], recipe: str, tmp_path: Path) -> None:
    hub = FolderHub(tmp_path / "cache")
    run("download", hub)
    for path in (tmp_path / "cache").rglob("model.safetensors"):
        path.write_bytes(b"short")
    with pytest.raises(ModelsMissing, match="download it again"):
        run("check")
    reference = needs([models.recipe_of(recipe)])[0].reference
    state = state_of(reference, Locks(tmp_path / "lock"), tmp_path / "cache")
    assert not state.here and "damaged" in state.words


@pytest.mark.models
def test_the_models_of_scores_are_got_like_those_of_generators(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(action: str, name: str, hub: FolderHub | None = None) -> str:
        capsys.readouterr()
        asked = commands.Models(action, name)  # type: ignore[arg-type]
        models.command(asked, hub, Locks(tmp_path / "lock"), tmp_path / "cache")
        return capsys.readouterr().out

    assert f"{CLIP.repo}  scores: 1.7 GB; MIT; not here" in call("list", "scores")
    assert "scores: what `wonderzoom evaluate --learned` takes" in call("list", "")  # beside the generators
    hub = FolderHub(tmp_path / "cache")
    call("download", "scores", hub)
    assert hub.fetched == [CLIP.repo] and f"ok      {CLIP.repo}: here" in call("check", "scores")


def test_generators_do_not_need_the_models_of_scores(tmp_path: Path) -> None:
    hub = FolderHub(tmp_path / "cache")
    models.command(commands.Models("download"), hub, Locks(tmp_path / "lock"), tmp_path / "cache")
    assert hub.fetched and CLIP.repo not in hub.fetched


def test_an_unknown_generator_is_refused() -> None:
    with pytest.raises(UnknownGenerator, match="'magic'; there is: embedded, light, paper, quality"):
        models.command(commands.Models("list", "magic"))
