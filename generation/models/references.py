"""Which model a stage uses: a repository at one revision, or a folder; read from TOML.

A branch is no revision: what it names changes under the feet of a world that was made with it. Where no
revision is given, the one that ``wonderzoom models download`` found is used, as the lock file says
(``locks``); nothing is ever loaded by a branch's name.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

import msgspec

Dtype = Literal["bfloat16", "float16", "float32"]
_REVISION = re.compile(r"[0-9a-f]{40}")
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
# What is fetched of a repository: never pickles, never code.
FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")


class ModelReference(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model. ``path`` wins over ``repo``; one of them must be given."""

    repo: str = ""  # owner/name on the hub
    revision: str = ""  # 40 hexadecimal digits
    path: str = ""  # a folder in the layout of ``save_pretrained``
    subfolder: str = ""  # of the repository or the folder
    variant: str = ""  # of file names: fp16, ...
    dtype: Dtype = "bfloat16"
    licence: str = ""  # SPDX, or the name that its page gives
    gated: bool = False  # its licence must be accepted on its page
    min_vram_gb: Annotated[float, msgspec.Meta(ge=0.0)] = 0.0
    size_gb: Annotated[float, msgspec.Meta(ge=0.0)] = 0.0  # of what is fetched
    files: tuple[str, ...] = FILES

    def __post_init__(self) -> None:
        if not self.path and not _REPO.fullmatch(self.repo):
            raise ValueError(f"a model needs repo = 'owner/name' or path = '...'; repo is {self.repo!r}")
        if self.revision and not _REVISION.fullmatch(self.revision):
            raise ValueError(
                f"revision {self.revision!r} of {self.repo} is not a commit: 40 hexadecimal digits"
            )

    @property
    def name(self) -> str:
        """For people and provenance."""
        return self.repo or Path(self.path).name

    @property
    def page(self) -> str:
        """Where a person reads about it."""
        return f"https://huggingface.co/{self.repo}" if self.repo else self.path


def is_revision(text: str) -> bool:
    """Whether that is a commit: 40 hexadecimal digits."""
    return _REVISION.fullmatch(text) is not None
