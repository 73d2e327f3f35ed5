"""Why a model can't be used here: one error for the many that libraries raise."""

from __future__ import annotations

from typing import Literal

from wonderzoom.generation.jobs import GenerationError, Stage

Reason = Literal[
    "not_installed",  # a library is missing
    "not_here",  # no weights on this machine, or not of that revision
    "gated",  # its licence must be accepted first
    "incomplete",  # a file, or a tensor in one, is missing
    "damaged",  # a file can't be read
    "unsafe",  # it would run code of its own, or unpickle
    "wrong_kind",  # it is another model than the stage needs
    "memory",  # it does not fit
]


class ModelUnavailable(GenerationError):
    """A stage's model can't be used; ``hint`` is what a person can do about it."""

    def __init__(
        self, stage: Stage, model: str, revision: str, reason: Reason, cause: str, hint: str
    ) -> None:
        at = f" at {revision[:10]}" if revision else ""
        super().__init__(stage, f"{model}{at}: {cause}; {hint}")
        self.model, self.revision, self.reason, self.cause, self.hint = model, revision, reason, cause, hint
