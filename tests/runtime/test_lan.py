"""What a machine is called on the local network: addresses, names, the link, and the link as a QR code."""

import io
import os
import shutil
import socket
from ipaddress import ip_address

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wonderzoom.clients.links import Link
from wonderzoom.runtime import lan
from wonderzoom.runtime.auth import LOOPBACK, Refused, check_origin, host_name
from wonderzoom.runtime.errors import CommandError, UsageError
from wonderzoom.runtime.lan import Lan, NoAddress, find_lan, own_addresses, own_names, qr_rows, show_qr

TOKEN = "t-_" + "k" * 40
HOME = ip_address("192.168.7.20")


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine called Studio at home."""
    on_network(monkeypatch, ["192.168.7.20"], ["127.0.1.1"])
    monkeypatch.setattr(socket, "gethostname", lambda: "Studio")


def on_network(monkeypatch: pytest.MonkeyPatch, routes: list[str], by_name: list[str]) -> None:
    monkeypatch.setattr(lan, "_by_routes", lambda: iter(routes))
    monkeypatch.setattr(lan, "_by_name", lambda: iter(by_name))


# ---- addresses ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("routes", "by_name", "found"),
    [
        (["192.168.7.20", "192.168.7.20"], ["127.0.1.1"], ["192.168.7.20"]),
        (
            ["10.1.2.3", "172.17.0.1"],
            ["192.168.7.20", "10.1.2.3"],
            ["10.1.2.3", "172.17.0.1", "192.168.7.20"],
        ),
        (["8.8.4.4", "10.1.2.3"], [], ["10.1.2.3", "8.8.4.4"]),  # a rented server with a private network
        (["169.254.3.4"], ["10.1.2.3"], ["10.1.2.3", "169.254.3.4"]),
        (["127.0.0.1", "0.0.0.0"], ["127.0.1.1"], []),
    ],
)
def test_the_best_address_comes_first(
    monkeypatch: pytest.MonkeyPatch, routes: list[str], by_name: list[str], found: list[str]
) -> None:
    on_network(monkeypatch, routes, by_name)
    assert [str(address) for address in own_addresses()] == found


def test_found_addresses_are_this_machines_own() -> None:
    for address in own_addresses():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((str(address), 0))


def test_no_packet_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only these calls are made: none of them sends, on a socket of datagrams."""
    called: list[tuple[object, ...]] = []

    class Probe:
        def __init__(self, family: int, kind: int) -> None:
            assert (family, kind) == (socket.AF_INET, socket.SOCK_DGRAM)

        def __enter__(self) -> "Probe":
            return self

        def __exit__(self, *_error: object) -> None:
            called.append(("close",))

        def connect(self, place: tuple[str, int]) -> None:
            called.append(("connect", place[0]))
            if place[0].startswith("10."):
                raise OSError(101, "Network is unreachable")

        def getsockname(self) -> tuple[str, int]:
            return ("192.168.7.20", 4711)

    def resolve(name: str, *_rest: object) -> list[tuple[object, ...]]:
        assert name == socket.gethostname()
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "socket", Probe)
    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    assert own_addresses() == (HOME,)
    assert called.count(("close",)) == len(lan._TOWARDS) == len(called) // 2


def test_without_a_network_one_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    on_network(monkeypatch, [], ["127.0.1.1"])
    for host in (None, "studio.example"):
        with pytest.raises(NoAddress, match="connect it") as caught:
            find_lan(host)
        assert isinstance(caught.value, CommandError)
    assert find_lan("192.168.7.20").addresses == (HOME,)  # whoever names it knows better


# ---- names and links ----------------------------------------------------------------------------


def test_a_machine_at_home(home: None) -> None:
    found = find_lan()
    assert found == Lan((ip_address("192.168.7.20"),), ("studio", "studio.local"))
    assert found.listen == "0.0.0.0" and not found.public
    assert found.address(8700) == "https://192.168.7.20:8700"
    assert found.hosts == LOOPBACK | {"192.168.7.20", "studio", "studio.local"}
    assert set(found.subjects.names) == {"studio", "studio.local", "localhost"}
    assert {str(address) for address in found.subjects.addresses} == {"192.168.7.20", "127.0.0.1", "::1"}


def test_others_may_come_from_the_servers_own_page_and_from_no_other(home: None) -> None:
    known = find_lan().hosts
    for name in ("192.168.7.20", "Studio.local", "localhost", "[::1]"):
        check_origin([f"{name}:8700"], [f"https://{name}:8700"], known)
    for name in ("192.168.7.21", "studio.example", "local"):
        with pytest.raises(Refused):
            check_origin([f"{name}:8700"], [f"https://{name}:8700"], known)
    with pytest.raises(Refused):
        check_origin(["studio:8700"], ["https://evil.example"], known)


def test_one_address_may_be_chosen(home: None) -> None:
    found = find_lan("10.9.8.7")
    assert (found.listen, found.addresses) == ("10.9.8.7", (ip_address("10.9.8.7"),))
    assert found.address(1) == "https://10.9.8.7:1"
    assert "192.168.7.20" not in found.hosts and "studio" in found.hosts
    six = find_lan("[FD00::20]")
    assert six.listen == "fd00::20" and six.address(1) == "https://[fd00::20]:1"
    check_origin(["[fd00::20]:1"], ["https://[fd00::20]:1"], six.hosts)


def test_another_name_may_be_told(home: None) -> None:
    found = find_lan("World.Example.")
    assert found.listen == "0.0.0.0" and found.addresses == (HOME,)
    assert found.host == "world.example" and found.address(8700) == "https://world.example:8700"
    assert found.subjects.names[0] == "world.example" and {"world.example", "studio"} < found.hosts


@pytest.mark.parametrize(
    "host",
    [
        "", "localhost", "LOCALHOST.", "127.0.0.1", "[::1]", "0.0.0.0", "::", "224.0.0.251", "255.255.255.255",
        "fe80::1", "fe80::1%eth0", "192.168.7.300", "1234", "two words", "-x", "a..b", "a/b", "a:1", "b\u00fccher",
        "x" * 64,
    ],
)  # fmt: skip
def test_what_others_can_not_use_is_refused(home: None, host: str) -> None:
    with pytest.raises(UsageError, match="--host"):
        find_lan(host)


@given(
    st.one_of(
        st.text(max_size=40), st.ip_addresses().map(str), st.from_regex(r"[a-z0-9._-]{1,40}", fullmatch=True)
    )
)
def test_every_host_that_is_taken_makes_a_link_and_is_known(host: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        on_network(patch, ["192.168.7.20"], [])
        try:
            found = find_lan(host)
        except UsageError:
            return
        link = f"{found.address(8700)}/#token={TOKEN}"
    assert Link.parse(link).secure and Link.parse(link).token == TOKEN
    authority = link.removeprefix("https://").partition("/")[0]
    check_origin([authority], [f"https://{authority}"], found.hosts)
    assert all(host_name(f"{name}:8700") == name for name in found.hosts)


@pytest.mark.parametrize(
    ("called", "names"),
    [
        ("Studio", ("studio", "studio.local")),
        ("macbook.local", ("macbook.local",)),
        ("studio.example.", ("studio.example",)),
        ("localhost", ()),
        ("Annas Rechner", ()),
        ("b\u00fcro", ()),
        ("", ()),
    ],
)
def test_names_that_can_be_in_a_link(
    monkeypatch: pytest.MonkeyPatch, called: str, names: tuple[str, ...]
) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: called)
    assert own_names() == names


def test_a_public_address_is_told_apart() -> None:
    assert Lan((HOME, ip_address("8.8.4.4"))).public and not Lan((ip_address("100.64.1.2"),)).public


# ---- QR code ------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """A text stream that people look at."""

    encoding = "utf-8"  # pyright: ignore[reportAssignmentType]

    def __init__(self, people: bool = True, encoding: str = "utf-8") -> None:
        super().__init__()
        self.people, self.encoding = people, encoding

    def isatty(self) -> bool:
        return self.people


def seen(rows: list[str]) -> str:
    """What a phone reads off rows of half blocks, light as they would glow."""
    halves = {" ": (0, 0), "▀": (255, 0), "▄": (0, 255), "█": (255, 255)}
    image = np.array([[halves[each][half] for each in row] for row in rows for half in (0, 1)], np.uint8)
    text, *_ = cv2.QRCodeDetector().detectAndDecode(np.kron(image, np.ones((8, 8), np.uint8)))
    return text


@pytest.mark.parametrize(
    "host", ["192.168.7.20", "255.200.200.200", "studio.local", "[fd00:1234:5678:9abc:def0::20]"]
)
def test_a_phone_reads_the_link(host: str) -> None:
    link = f"https://{host}:8700/#token={TOKEN}"
    assert seen(qr_rows(link)) == link


def test_the_code_is_shown_to_people_in_fixed_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((80, 24)))
    terminal = Terminal()
    assert show_qr("https://192.168.7.20:8700/", terminal)
    lines = terminal.getvalue().splitlines()
    assert all(line.startswith("\033[97;40m") and line.endswith("\033[0m") for line in lines)
    assert seen([line.removeprefix("\033[97;40m").removesuffix("\033[0m") for line in lines]) == (
        "https://192.168.7.20:8700/"
    )


@pytest.mark.parametrize(
    ("terminal", "columns"),
    [(Terminal(people=False), 80), (Terminal(encoding="latin-1"), 80), (Terminal(), 30)],
)
def test_the_code_is_not_shown_where_it_would_be_garbage(
    monkeypatch: pytest.MonkeyPatch, terminal: Terminal, columns: int
) -> None:
    monkeypatch.setattr(shutil, "get_terminal_size", lambda: os.terminal_size((columns, 24)))
    assert not show_qr("https://192.168.7.20:8700/", terminal) and terminal.getvalue() == ""
