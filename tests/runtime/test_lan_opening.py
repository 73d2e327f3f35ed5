"""What a server needs on the network belongs together, and people are told what the browser will ask them."""

import io
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest

from wonderzoom.runtime import lan_opening
from wonderzoom.runtime.certificate import kept_certificate
from wonderzoom.runtime.lan import Lan
from wonderzoom.runtime.lan_opening import LanOpening, open_to_lan
from wonderzoom.runtime.server import Listening

NOW = datetime(2030, 2, 3, 4, 5, 6, tzinfo=UTC)
TOKEN = "k" * 43
HERE = Lan((ip_address("127.0.0.1"),), ("studio",), "127.0.0.1")


@pytest.fixture
def opening(tmp_path: Path) -> LanOpening:
    return LanOpening(HERE, kept_certificate(tmp_path, HERE.subjects, NOW))


def test_people_are_told_what_the_browser_will_ask(opening: LanOpening) -> None:
    out = io.StringIO()
    opening.explain(f"{HERE.address(8700)}/#token={TOKEN}", out)
    told = out.getvalue()
    assert opening.certificate.fingerprint in told and str(opening.certificate.file) in told
    assert "In place of 127.0.0.1 in the link, these may do: studio\n" in told
    assert "warn" in told and "Scan" not in told and "Internet" not in told
    assert TOKEN not in told


def test_a_terminal_gets_a_code_and_a_public_machine_a_warning(
    opening: LanOpening, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[str] = []
    monkeypatch.setattr(lan_opening, "show_qr", lambda link, _out: shown.append(link) is None)
    out = io.StringIO()
    LanOpening(Lan((ip_address("8.8.4.4"),)), opening.certificate).explain("the link", out)
    assert shown == ["the link"] and "Scan" in out.getvalue() and "whole Internet" in out.getvalue()


def test_address_and_certificate_belong_together(tmp_path: Path) -> None:
    made = open_to_lan("10.9.8.7", tmp_path, NOW)
    assert made.certificate.file.parent == tmp_path
    assert open_to_lan("10.9.8.7", tmp_path, NOW).certificate.fingerprint == made.certificate.fingerprint
    listening = made.over(Listening(port=8701))
    assert (listening.host, listening.port, listening.tls) == ("10.9.8.7", 8701, made.certificate.context)
    assert "10.9.8.7" in listening.hosts


@pytest.mark.parametrize("host", [None, "127.0.0.1", "localhost", "[::1]"])
def test_where_no_address_is_chosen_all_are_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str | None
) -> None:
    asked: list[str | None] = []
    monkeypatch.setattr(lan_opening, "find_lan", lambda host: (asked.append(host), HERE)[1])
    assert open_to_lan(host, tmp_path, NOW).lan is HERE and asked == [None]
