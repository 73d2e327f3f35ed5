"""``wonderzoom models``: which models the generators need, whether they are here and whole, and how they come here.

Downloads fetch safetensors and JSON only, at one commit, which is then settled (``generation.models.locks``): a
repository that changes later changes nothing here until a person downloads anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from wonderzoom.generation.jobs import Stage
from wonderzoom.generation.models.checking import faults, weight_bytes
from wonderzoom.generation.models.errors import ModelUnavailable
from wonderzoom.generation.models.loading import imported, locate
from wonderzoom.generation.models.locks import Locks
from wonderzoom.generation.models.recipes import SHIPPED, Recipe
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.runtime import commands
from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.evaluation.clip_scores import CLIP
from wonderzoom.runtime.generators import locks as user_locks
from wonderzoom.runtime.generators import recipe_of

SCORES = "scores"  # in the place of a generator: the models of `wonderzoom evaluate --learned`
_STAGE: Stage = "observe"  # of errors here: no stage is running


class ModelsMissing(CommandError):
    """Not all models are here and whole."""


class Hub(Protocol):
    """Where models come from."""

    def revision(self, repo: str) -> str:
        """The newest commit."""
        ...

    def fetch(self, repo: str, revision: str, files: tuple[str, ...]) -> Path:
        """The folder with the files at a commit; what is there already is not fetched again."""
        ...


class HuggingFace:
    """The hub of Hugging Face, through ``huggingface_hub``, which shows progress itself."""

    def revision(self, repo: str) -> str:
        """See ``Hub.revision``."""
        return str(imported(_STAGE, "huggingface_hub.HfApi")().model_info(repo).sha)

    def fetch(self, repo: str, revision: str, files: tuple[str, ...]) -> Path:
        """See ``Hub.fetch``."""
        download = imported(_STAGE, "huggingface_hub.snapshot_download")
        return Path(download(repo, revision=revision, allow_patterns=list(files)))


@dataclass(frozen=True, slots=True)
class Need:
    """One model of a generator."""

    generator: str  # or SCORES
    stages: str  # that it serves
    reference: ModelReference


def needs(recipes: Iterable[Recipe]) -> list[Need]:
    """Each model of each recipe once, in the order of the recipes."""
    found: dict[tuple[str, ModelReference], list[str]] = {}
    for recipe in recipes:
        for stage, part in recipe.stages.items():
            for reference in part.models.values():
                found.setdefault((recipe.name, reference), []).append(stage)
    return [Need(name, ", ".join(stages), model) for (name, model), stages in found.items()]


@dataclass(frozen=True, slots=True)
class State:
    """How a model stands on this machine."""

    here: bool
    words: str
    hint: str = ""


def state_of(reference: ModelReference, locks: Locks, cache: Path | None = None) -> State:
    """Whether a model is here and whole; reads no weights."""
    try:
        folder = locate(_STAGE, reference, locks, cache)
    except ModelUnavailable as error:
        words = "a library is missing" if error.reason == "not_installed" else "not here"
        return State(False, words, error.hint)
    if found := faults(folder):
        return State(False, f"not whole: {found[0]}", "download it again")
    return State(True, f"here, {weight_bytes(folder) / 1e9:.1f} GB")


def command(
    asked: commands.Models, hub: Hub | None = None, locks: Locks | None = None, cache: Path | None = None
) -> int:
    """Carry it out. Raises ModelsMissing, CommandError, UsageError."""
    locks = locks or user_locks()
    every = [*SHIPPED, SCORES] if asked.action == "list" else [*SHIPPED]
    names = [asked.generator] if asked.generator else every
    recipes = [recipe_of(name) for name in names if name != SCORES]
    wanted = needs(recipes)
    about = {recipe.name: recipe.about for recipe in recipes}
    if SCORES in names:
        about[SCORES] = "what `wonderzoom evaluate --learned` takes CLIP score and CLIP-IQA with"
        wanted.append(Need(SCORES, "scores", CLIP))
    match asked.action:
        case "list":
            return _list(about, wanted, lambda reference: state_of(reference, locks, cache))
        case "check":
            return _check(wanted, lambda reference: state_of(reference, locks, cache))
        case "download":
            return _download(wanted, hub or HuggingFace(), locks)


def _list(about: Mapping[str, str], wanted: list[Need], state: Callable[[ModelReference], State]) -> int:
    for name, what in about.items():
        print(f"{name}: {what}")
        mine = [need for need in wanted if need.generator == name]
        if not mine:
            print("  no models: every stage is the embedded one")
        width = max((len(need.reference.name) for need in mine), default=0)
        for need in mine:
            model = need.reference
            facts = [f"{model.size_gb:g} GB"] if model.size_gb else []
            facts += [model.licence] if model.licence else []
            facts += ["licence to be accepted first"] if model.gated else []
            print(f"  {model.name:{width}}  {need.stages}: {'; '.join([*facts, state(model).words])}")
    return 0


def _check(wanted: list[Need], state: Callable[[ModelReference], State]) -> int:
    missing: list[State] = []
    for need in _once(wanted):
        found = state(need.reference)
        print(f"{'ok' if found.here else 'MISSING':8}{need.reference.name}: {found.words}")
        if not found.here:
            missing.append(found)
    if missing:
        raise ModelsMissing(f"{len(missing)} of the models can't be used; {missing[0].hint}")
    return 0


def _download(wanted: list[Need], hub: Hub, locks: Locks) -> int:
    todo = [need for need in _once(wanted) if not need.reference.path]
    size = sum(need.reference.size_gb for need in todo)
    print(f"{len(todo)} models, about {size:.0f} GB in all; what is here already is not fetched again")
    for number, need in enumerate(todo, 1):
        model = need.reference
        print(f"[{number}/{len(todo)}] {model.name} for {need.stages}", flush=True)
        try:
            revision = model.revision or hub.revision(model.repo)
            folder = hub.fetch(model.repo, revision, model.files)
        except ModelUnavailable as error:
            raise CommandError(str(error)) from error
        except Exception as error:  # of the hub's library, its network and its disk: many types
            raise CommandError(_why(model, error)) from error
        if found := faults(folder / model.subfolder):
            raise CommandError(f"{model.name}: {found[0]}; run the same command again")
        locks.settle(model.repo, revision)
        print(f"  at {revision[:10]}, {weight_bytes(folder) / 1e9:.1f} GB")
    return 0


def _why(model: ModelReference, error: Any) -> str:
    """One line for a download that failed."""
    kind = type(error).__name__
    if kind == "GatedRepoError":
        return f"{model.name}: accept its licence at {model.page} and log in (hf auth login), then try again"
    if kind in ("RepositoryNotFoundError", "RevisionNotFoundError"):
        return f"{model.name} is not on the hub, or not for you; see {model.page}"
    first = (str(error).strip().splitlines() or [kind])[0][:200]
    return f"{model.name} could not be fetched: {first}; what has arrived is kept: try again"


def _once(wanted: list[Need]) -> list[Need]:
    """Each model once, whichever generators need it."""
    return list({need.reference: need for need in reversed(wanted)}.values())[::-1]
