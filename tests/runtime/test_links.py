"""Links that stay the same over restarts, and are nobody else's."""

import json
import stat
from pathlib import Path

import pytest

from wonderzoom.runtime.auth import Refused, Role
from wonderzoom.runtime.links import FILE, Links, data_folder, kept_links, new_links


def test_a_place_has_the_same_links_at_each_start(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    first, note = kept_links(tmp_path / "garden", folder)
    assert note is None and len(set(first.tokens.values())) == 3
    assert kept_links(tmp_path / "garden", folder)[0].tokens == first.tokens
    other, _ = kept_links(tmp_path / "meadow", folder)
    assert not set(other.tokens.values()) & set(first.tokens.values())
    assert kept_links(tmp_path / "garden", folder)[0].tokens == first.tokens
    assert stat.S_IMODE((folder / FILE).stat().st_mode) == 0o600


def test_renewed_links_open_and_the_old_ones_do_not(tmp_path: Path) -> None:
    old, _ = kept_links(tmp_path, tmp_path / "data")
    new, _ = kept_links(tmp_path, tmp_path / "data", renew=True)
    accepted = new.accepted()
    assert {accepted.role_of(new.tokens[role]) for role in Role} == set(Role)
    with pytest.raises(Refused):
        accepted.role_of(old.tokens[Role.HOST])
    assert kept_links(tmp_path, tmp_path / "data")[0].tokens == new.tokens


@pytest.mark.parametrize("text", ["", "[]", "{", '{"/x": 3}', "\xff", '{"PLACE": {"host": "short"}}'])
def test_what_is_no_file_of_ours_is_written_anew(tmp_path: Path, text: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    file = folder / FILE
    file.write_text(text.replace("PLACE", str(tmp_path)))
    file.chmod(0o600)
    links, note = kept_links(tmp_path, folder)
    assert note is None and kept_links(tmp_path, folder)[0].tokens == links.tokens


def test_links_that_others_could_read_are_not_used_again(tmp_path: Path) -> None:
    links, _ = kept_links(tmp_path, tmp_path / "data")
    (tmp_path / "data" / FILE).chmod(0o644)
    assert kept_links(tmp_path, tmp_path / "data")[0].tokens != links.tokens


def test_where_nothing_can_be_kept_it_says_so(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file is in the way")
    links, note = kept_links(tmp_path, tmp_path / "data")
    assert len(links.tokens) == 3 and note is not None and "next start" in note


def test_only_so_many_places_are_kept(tmp_path: Path) -> None:
    first, _ = kept_links(tmp_path / "0", tmp_path / "data")
    places = {f"/{number}": {role.value: "x" * 43 for role in Role} for number in range(300)}
    file = tmp_path / "data" / FILE
    file.write_text(json.dumps({str(tmp_path / "0"): first.tokens} | places))
    newest, _ = kept_links(tmp_path / "new", tmp_path / "data")
    kept = json.loads(file.read_text())
    assert len(kept) == 256 and str(tmp_path / "0") not in kept
    assert kept_links(tmp_path / "new", tmp_path / "data")[0].tokens == newest.tokens


def test_a_link_is_an_address_and_a_token_behind_a_hash() -> None:
    links = new_links()
    assert (
        links.of("http://127.0.0.1:8700", Role.VIEWER)
        == f"http://127.0.0.1:8700/#token={links.tokens[Role.VIEWER]}"
    )
    assert not any(token in repr(links) for token in links.tokens.values())
    assert isinstance(links, Links)


def test_the_folder_is_the_users_own_or_the_one_that_is_named(tmp_path: Path) -> None:
    assert data_folder({"WONDERZOOM_DATA": str(tmp_path)}) == tmp_path
    assert data_folder({}).name == "wonderzoom"
