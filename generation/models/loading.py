"""Finds a model's files on this machine and loads them: complete, or not at all.

Both libraries load a checkpoint that lacks a tensor and leave random numbers in its place; they name a dozen
errors for a model that is not there; and a repository may bring code. So everything is loaded here: safetensors
only, no code of the repository's, no network, every tensor accounted for, and one error, ``ModelUnavailable``.
Imports of torch, transformers and diffusers are inside the functions: they take seconds.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wonderzoom.generation.jobs import Stage
from wonderzoom.generation.models.errors import ModelUnavailable, Reason
from wonderzoom.generation.models.locks import LockDamaged, Locks
from wonderzoom.generation.models.references import ModelReference

_INDEX = "model_index.json"
_DOWNLOAD = "wonderzoom models download"
_LIBRARIES = ("diffusers", "transformers")  # whose classes a pipeline may be made of


def imported(stage: Stage, name: str) -> Any:
    """The class or module ``name``, such as ``diffusers.Flux2KleinPipeline``.

    Raises ModelUnavailable where the library is not installed, or has no such class.
    """
    module, _, attribute = name.rpartition(".")
    try:
        if not module:
            return importlib.import_module(name)
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, RuntimeError) as error:  # lazy modules raise RuntimeError
        library = name.partition(".")[0]
        cause = f"{name} can't be imported: {_first_line(error)}"
        hint = f"pip install 'wonderzoom-runtime[models]' (needs {library})"
        raise ModelUnavailable(stage, library, "", "not_installed", cause, hint) from error


def locate(stage: Stage, reference: ModelReference, locks: Locks, cache: Path | None = None) -> Path:
    """The folder with the model's files, without the network. Raises ModelUnavailable."""
    if reference.path:
        folder = Path(reference.path).expanduser() / reference.subfolder
        if not folder.is_dir():
            raise _unavailable(
                stage, reference, "not_here", f"there is no folder {folder}", "correct its path"
            )
        return folder
    try:
        revision = reference.revision or locks.revision(reference.repo)
    except LockDamaged as error:
        raise _unavailable(stage, reference, "damaged", str(error), _DOWNLOAD) from error
    if not revision:
        raise _unavailable(
            stage, reference, "not_here", "no revision is on this machine", _how_to_get(reference)
        )
    snapshot_download = imported(stage, "huggingface_hub.snapshot_download")
    try:
        found = snapshot_download(
            reference.repo,
            revision=revision,
            cache_dir=cache,
            local_files_only=True,
            allow_patterns=list(reference.files),
        )
    except Exception as error:
        cause = "its weights are not on this machine"
        raise _unavailable(stage, reference, "not_here", cause, _how_to_get(reference)) from error
    return Path(found) / reference.subfolder


def load_module(stage: Stage, reference: ModelReference, folder: Path, name: str, **options: Any) -> Any:
    """The network of class ``name`` in ``folder``, in the reference's number format, ready to evaluate.

    Raises ModelUnavailable, also where a tensor of it is not in the files.
    """
    kind = imported(stage, name)
    torch = imported(stage, "torch")
    if reference.variant:
        options["variant"] = reference.variant
    with _translated(stage, reference):
        module, info = kind.from_pretrained(
            folder,
            dtype=getattr(torch, reference.dtype),
            local_files_only=True,
            use_safetensors=True,
            output_loading_info=True,
            **options,
        )
    lacking = {str(key) for key in (*info.get("missing_keys", ()), *info.get("mismatched_keys", ()))}
    lacking |= {name for name, tensor in module.named_parameters() if tensor.is_meta}
    if lacking:
        cause = f"{len(lacking)} of its tensors are not in the files, {min(lacking)} among them"
        raise _unavailable(stage, reference, "incomplete", cause, _how_to_get(reference))
    return module.eval()


def load_part(stage: Stage, reference: ModelReference, folder: Path, name: str, **options: Any) -> Any:
    """What has no tensors: a tokenizer, a scheduler, a processor. Raises ModelUnavailable."""
    kind = imported(stage, name)
    with _translated(stage, reference):
        return kind.from_pretrained(folder, local_files_only=True, **options)


def load_pipeline(
    stage: Stage,
    reference: ModelReference,
    folder: Path,
    name: str,
    replaced: Mapping[str, Any] | None = None,
) -> Any:
    """The pipeline of class ``name``, part by part, so that each is known to be whole.

    ``replaced`` gives parts that are not to be loaded: another object, or None for one that is left out.
    Raises ModelUnavailable.
    """
    kind = imported(stage, name)
    torch = imported(stage, "torch")
    index = _index(stage, reference, folder)
    parts: dict[str, Any] = {}
    for part, value in index.items():
        if part.startswith("_") or (replaced and part in replaced):
            continue
        if not isinstance(value, list):
            parts[part] = value  # a setting of the pipeline, such as is_distilled
            continue
        library, class_name = value
        if library is None or class_name is None:
            parts[part] = None
            continue
        if library not in _LIBRARIES:
            cause = f"its part {part} is code of its own ({library}.{class_name})"
            raise _unavailable(stage, reference, "unsafe", cause, "it is never run; choose another model")
        part_class = imported(stage, f"{library}.{class_name}")
        where = folder / part
        if not where.is_dir():
            cause = f"its part {part} is missing"
            raise _unavailable(stage, reference, "incomplete", cause, _how_to_get(reference))
        load = load_module if issubclass(part_class, torch.nn.Module) else load_part
        parts[part] = load(stage, reference, where, f"{library}.{class_name}")
    with _translated(stage, reference):
        pipeline = kind(**parts, **(replaced or {}))
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _index(stage: Stage, reference: ModelReference, folder: Path) -> dict[str, Any]:
    path = folder / _INDEX
    try:
        index = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        cause = f"{folder} has no {_INDEX}: it is no pipeline of diffusers"
        raise _unavailable(stage, reference, "wrong_kind", cause, "choose another model") from error
    except (OSError, ValueError) as error:
        raise _unavailable(stage, reference, "damaged", f"{path}: {error}", _how_to_get(reference)) from error
    return dict(index)


@contextmanager
def _translated(stage: Stage, reference: ModelReference) -> Generator[None]:
    """Whatever a library raises, as ModelUnavailable."""
    try:
        yield
    except ModelUnavailable:
        raise
    except MemoryError as error:
        cause = "there is not enough memory to load it"
        raise _unavailable(stage, reference, "memory", cause, "close other programs") from error
    except Exception as error:
        reason, hint = _reason(error), _how_to_get(reference)
        if reason == "unsafe":
            hint = "it is never run; choose another model"
        elif reason == "not_installed":
            hint = "pip install 'wonderzoom-runtime[models]'"
        raise _unavailable(stage, reference, reason, _first_line(error), hint) from error


def _reason(error: Exception) -> Reason:
    """What kind of failure an error of the libraries is."""
    kind, text = type(error).__name__, str(error)
    if kind == "GatedRepoError":
        return "gated"
    if kind == "SafetensorError":
        return "damaged"
    if "trust_remote_code" in text:
        return "unsafe"
    if isinstance(error, ImportError):
        return "not_installed"
    if isinstance(error, RuntimeError):  # sizes of tensors that don't fit
        return "wrong_kind"
    if isinstance(error, OSError):
        return "incomplete"
    return "wrong_kind"


def _unavailable(
    stage: Stage, reference: ModelReference, reason: Reason, cause: str, hint: str
) -> ModelUnavailable:
    return ModelUnavailable(stage, reference.name, reference.revision, reason, cause, hint)


def _how_to_get(reference: ModelReference) -> str:
    """What a person can do for the weights."""
    if reference.path:
        return f"look at {reference.path}"
    gated = f"accept its licence at {reference.page}, then: " if reference.gated else ""
    return f"{gated}{_DOWNLOAD}, or set its path"


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
