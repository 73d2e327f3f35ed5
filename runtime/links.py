"""The links that a server prints: the same ones at each start, so that an open page comes back after a restart.

Tokens are kept in a file of the user's own (mode 0600), by the place that is served; never in a world's directory,
which people copy. Where nothing can be kept they are new each time.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from platformdirs import user_data_path

from wonderzoom.runtime.auth import TOKEN_BYTES, Role, Tokens

FILE = "links.json"
PLACE_VARIABLE = "WONDERZOOM_DATA"  # of the environment: another folder for what is kept
_MOST_PLACES = 256  # the oldest are forgotten


@dataclass(frozen=True, slots=True)
class Links:
    """What opens a server, for each role."""

    tokens: Mapping[Role, str]

    def of(self, address: str, role: Role) -> str:
        """The link to a server at ``address``, such as ``http://127.0.0.1:8700``."""
        return f"{address}/#token={self.tokens[role]}"

    def accepted(self) -> Tokens:
        """What the server compares with."""
        return Tokens((token, role) for role, token in self.tokens.items())

    def __repr__(self) -> str:
        return f"Links({len(self.tokens)} of them)"


def new_links() -> Links:
    """Links that nobody had before."""
    return Links({role: secrets.token_urlsafe(TOKEN_BYTES) for role in Role})


def data_folder(environment: Mapping[str, str]) -> Path:
    """Where this user's program keeps what belongs to no world."""
    given = environment.get(PLACE_VARIABLE)
    return Path(given) if given else user_data_path("wonderzoom", appauthor=False)


def kept_links(place: Path, folder: Path, *, renew: bool = False) -> tuple[Links, str | None]:
    """The links of what is served from ``place``, and a note where they could not be kept in ``folder``.

    ``renew``: the old ones open nothing any more.
    """
    file, key = folder / FILE, str(place.absolute())
    places = _read(file)
    if not renew and key in places:
        return Links(places[key]), None
    links = new_links()
    places.pop(key, None)
    kept = {**places, key: links.tokens}
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(file, dict(list(kept.items())[-_MOST_PLACES:]))
    except OSError as error:
        return links, f"the link is another one at the next start: {file}: {error.strerror or error}"
    return links, None


def _read(file: Path) -> dict[str, Mapping[Role, str]]:
    """What is kept; nothing where that is not what we wrote, or others could have read it."""
    try:
        if file.stat().st_mode & 0o077 and os.name == "posix":
            return {}
        said = json.loads(file.read_text(encoding="utf-8"))
        return {
            str(place): {role: _token(tokens[role.value]) for role in Role} for place, tokens in said.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _token(value: object) -> str:
    if not isinstance(value, str) or len(value) < TOKEN_BYTES:
        raise ValueError("no token of ours")
    return value


def _write(file: Path, places: Mapping[str, Mapping[Role, str]]) -> None:
    beside = file.with_suffix(".tmp")
    beside.unlink(missing_ok=True)
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    said = {place: {role.value: token for role, token in tokens.items()} for place, tokens in places.items()}
    with os.fdopen(descriptor, "w", encoding="utf-8") as out:
        json.dump(said, out)
    beside.replace(file)
