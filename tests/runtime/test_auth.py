"""Tokens and origins: who is let in, as tables."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wonderzoom.runtime.auth import LOOPBACK, Refused, Role, Tokens, check_origin, host_name

TOKEN, OTHER = "a" * 43, "b" * 43


def test_a_token_carries_its_role() -> None:
    tokens = Tokens([(TOKEN, Role.EDITOR), (OTHER, Role.VIEWER)])
    assert tokens.role_of(TOKEN) is Role.EDITOR and tokens.role_of(OTHER) is Role.VIEWER


@pytest.mark.parametrize(
    "token", [None, "", TOKEN[:-1], TOKEN + "a", "c" * 43, "\udcff" * 20, "ä" * 43, TOKEN.upper()]
)
def test_any_other_token_is_refused_and_not_repeated(token: str | None) -> None:
    with pytest.raises(Refused) as refused:
        Tokens([(TOKEN, Role.HOST)]).role_of(token)
    assert TOKEN not in str(refused.value)
    if token:
        assert token not in str(refused.value)


def test_tokens_are_never_shown() -> None:
    assert TOKEN not in repr(Tokens([(TOKEN, Role.HOST)]))
    with pytest.raises(ValueError, match="16 characters"):
        Tokens([("short", Role.HOST)])


def test_a_role_may_do_what_lesser_ones_may() -> None:
    allowed = {(mine, needed) for mine in Role for needed in Role if mine.may(needed)}
    assert allowed == {
        (Role.VIEWER, Role.VIEWER),
        (Role.EDITOR, Role.VIEWER),
        (Role.EDITOR, Role.EDITOR),
        (Role.HOST, Role.VIEWER),
        (Role.HOST, Role.EDITOR),
        (Role.HOST, Role.HOST),
    }


LOCAL = "localhost:8700"


@pytest.mark.parametrize(
    ("hosts", "origins", "let_in"),
    [
        ([LOCAL], ["http://localhost:8700"], True),
        ([LOCAL], ["HTTP://LOCALHOST:8700"], True),
        (["127.0.0.1:8700"], ["http://127.0.0.1:8700"], True),
        (["[::1]:8700"], ["https://[::1]:8700"], True),
        ([LOCAL], [], True),  # a program
        ([LOCAL], ["http://127.0.0.1:8700"], False),  # another name is another site to a browser
        ([LOCAL], ["http://localhost:8701"], False),
        ([LOCAL], ["http://localhost"], False),
        ([LOCAL], ["https://good.evil"], False),
        ([LOCAL], ["http://localhost:8700.evil"], False),
        ([LOCAL], ["http://localhost:8700@evil"], False),
        ([LOCAL], ["http://evil@localhost:8700"], False),
        ([LOCAL], ["http://localhost:8700/path"], False),
        ([LOCAL], ["file://localhost:8700"], False),
        ([LOCAL], ["null"], False),
        ([LOCAL], [""], False),
        ([LOCAL], ["http://[::1"], False),
        ([LOCAL], ["http://localhost:8700", "http://localhost:8700"], False),
        (["evil:8700"], ["http://evil:8700"], False),  # DNS rebinding
        (["evil:8700"], [], False),
        ([], [], False),
        ([LOCAL, LOCAL], [], False),
        (["localhost:99999"], [], False),
        (["localhost:8700/"], [], False),
    ],
)
def test_where_a_connection_comes_from(hosts: list[str], origins: list[str], let_in: bool) -> None:
    if let_in:
        check_origin(hosts, origins)
    else:
        with pytest.raises(Refused):
            check_origin(hosts, origins)


def test_further_names_may_be_allowed() -> None:
    known = LOOPBACK | {"studio.example"}
    check_origin(["studio.example"], ["https://studio.example"], known)
    with pytest.raises(Refused, match="another site"):
        check_origin(["studio.example"], ["https://example"], known)


@given(st.text(max_size=60), st.text(max_size=60))
def test_no_header_is_an_accident(host: str, origin: str) -> None:
    """Refused or let in; let in only from the host that was asked for, which is known."""
    try:
        check_origin([host], [origin])
    except Refused:
        return
    assert host_name(host) in LOOPBACK and host.strip().lower() in origin.lower()
