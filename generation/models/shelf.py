"""The models of one process: each loaded once, shared by the stages, on the device only as far as there is room.

On a CUDA device one ``ComponentsManager`` of diffusers looks after every module of every stage: a module that is
about to run is brought in, and the smallest set of others that makes room for it goes out. ``reserve_bytes`` of the
device stay free for the renderer. A stage that runs out of memory is tried once more with everything else out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from wonderzoom.generation.jobs import Stage
from wonderzoom.generation.models.checking import faults
from wonderzoom.generation.models.errors import ModelUnavailable
from wonderzoom.generation.models.loading import imported, load_module, load_part, load_pipeline, locate
from wonderzoom.generation.models.locks import Locks
from wonderzoom.generation.models.references import ModelReference

T = TypeVar("T")


class Shelf:
    """Loads on first use; safe to use from one thread at a time, as generation does."""

    def __init__(
        self, locks: Locks, device: str | None = None, reserve_bytes: int = 0, cache: Path | None = None
    ) -> None:
        self._device = device
        self._locks, self._reserve, self._cache = locks, reserve_bytes, cache
        self._loaded: dict[tuple[object, ...], Any] = {}
        self._folders: dict[ModelReference, Path] = {}
        self._manager: Any = None

    @property
    def device(self) -> str:
        """Where modules run: as given, else the CUDA device where there is one."""
        if self._device is None:
            self._device = "cuda" if imported("observe", "torch").cuda.is_available() else "cpu"
        return self._device

    def folder(self, stage: Stage, reference: ModelReference) -> Path:
        """Where a model's files are, known to be whole. Raises ModelUnavailable."""
        if reference not in self._folders:
            folder = locate(stage, reference, self._locks, self._cache)
            if found := faults(folder):
                reason = "damaged" if "damaged" in found[0] else "incomplete"
                hint = (
                    f"look at {folder}"
                    if reference.path
                    else "wonderzoom models download fetches what is missing"
                )
                raise ModelUnavailable(stage, reference.name, reference.revision, reason, found[0], hint)
            self._folders[reference] = folder
        return self._folders[reference]

    def module(self, stage: Stage, reference: ModelReference, name: str, **options: Any) -> Any:
        """The network of class ``name``, loaded once. Raises ModelUnavailable."""
        key = ("module", reference, name)
        if key not in self._loaded:
            loaded = load_module(stage, reference, self.folder(stage, reference), name, **options)
            self._look_after(f"{stage} {reference.name} {name}", loaded)
            self._loaded[key] = loaded
        return self._loaded[key]

    def part(self, stage: Stage, reference: ModelReference, name: str, **options: Any) -> Any:
        """A processor, tokenizer or scheduler of class ``name``, loaded once. Raises ModelUnavailable."""
        key = ("part", reference, name)
        if key not in self._loaded:
            self._loaded[key] = load_part(stage, reference, self.folder(stage, reference), name, **options)
        return self._loaded[key]

    def pipeline(
        self, stage: Stage, reference: ModelReference, name: str, replaced: Mapping[str, Any] | None = None
    ) -> Any:
        """The pipeline of class ``name``, loaded once (``load_pipeline``). Raises ModelUnavailable."""
        key = ("pipeline", reference, name)
        if key not in self._loaded:
            loaded = load_pipeline(stage, reference, self.folder(stage, reference), name, replaced)
            torch = imported(stage, "torch")
            for part, value in loaded.components.items():
                if isinstance(value, torch.nn.Module):
                    self._look_after(f"{stage} {reference.name} {part}", value)
            self._loaded[key] = loaded
        return self._loaded[key]

    def derived(
        self, stage: Stage, reference: ModelReference, name: str, source: str, make: Callable[[Any], T]
    ) -> T:
        """What ``make`` builds of the loaded pipeline ``source``, once: another pipeline on the same weights."""
        key = ("derived", reference, name)
        if key not in self._loaded:
            self._loaded[key] = make(self.pipeline(stage, reference, source))
        return self._loaded[key]

    def run(self, stage: Stage, reference: ModelReference, call: Callable[[], T]) -> T:
        """What ``call`` returns; out of memory it is tried once more with the device emptied.

        Raises ModelUnavailable where that does not help.
        """
        torch = imported(stage, "torch")
        for last in (False, True):
            try:
                return call()
            except torch.OutOfMemoryError as error:
                if last:
                    cause = "it does not fit into the device's memory, alone and after a second try"
                    hint = "choose a lighter generator, or a smaller picture"
                    raise ModelUnavailable(
                        stage, reference.name, reference.revision, "memory", cause, hint
                    ) from error
            self.empty_device()
        raise AssertionError("unreachable")

    def empty_device(self) -> None:
        """Bring every module out, and give what the allocator kept back."""
        torch = imported("observe", "torch")
        for value in self._loaded.values():
            if isinstance(value, torch.nn.Module):
                value.to("cpu")
            elif hasattr(value, "components"):
                for part in value.components.values():
                    if isinstance(part, torch.nn.Module):
                        part.to("cpu")
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def close(self) -> None:
        """Forget everything that was loaded."""
        self._loaded.clear()
        self._manager = None

    def _look_after(self, name: str, module: Any) -> None:
        """Let the manager move ``module`` to the device and back; on a CPU there is nothing to move."""
        if self.device == "cpu":
            return
        if self._manager is None:
            self._manager = imported("observe", "diffusers.ComponentsManager")()
            self._manager.enable_auto_cpu_offload(self.device, memory_reserve_margin=self._reserve)
        self._manager.add(name, module)
