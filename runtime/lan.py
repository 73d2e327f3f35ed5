"""A server on the local network: what this machine is called there, and the link that leads others to it.

Owns how this machine's own addresses and names are found, which of them may be asked for, and the QR code. No packet
leaves for it: connecting a UDP socket only asks the routing table which own address would be used, and the system's
resolver is asked for this machine's own name and no other.
"""

from __future__ import annotations

import contextlib
import io
import re
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TextIO

import segno

from wonderzoom.runtime.auth import LOOPBACK
from wonderzoom.runtime.certificate import Address, Subjects
from wonderzoom.runtime.errors import CommandError, UsageError

ANYWHERE = "0.0.0.0"  # every IPv4 address of this machine
# Places of the Internet and of each kind of private network; whether they exist doesn't matter.
_TOWARDS = ("192.0.2.1", "10.255.255.254", "172.31.255.254", "192.168.255.254")
# Labels of a name; one whose last label is a number means an address to a browser.
_HOST_NAME = re.compile(
    r"(?=.{1,253}$)(?!(.*\.)?[0-9]+$)[a-z0-9_][a-z0-9_-]{0,62}(\.[a-z0-9_][a-z0-9_-]{0,62})*"
)
_LOOPBACK_ADDRESSES = (IPv4Address("127.0.0.1"), IPv6Address("::1"))
_BLACK_AND_WHITE, _PLAIN = "\033[97;40m", "\033[0m"  # on light terminals too


class NoAddress(CommandError):
    """This machine is on no network."""

    def __init__(self) -> None:
        super().__init__(
            "this machine has no address on a network: connect it to one, or name its address with --host;"
            " without --lan the world is open on this machine"
        )


@dataclass(frozen=True, slots=True)
class Lan:
    """This machine on the local network."""

    addresses: tuple[Address, ...]  # the best one first; at least one
    names: tuple[str, ...] = ()  # lower case
    listen: str = ANYWHERE  # the address to listen on
    called: str | None = None  # the name that the link has, if not the best address

    @property
    def hosts(self) -> frozenset[str]:
        """Every name that a browser may ask for, as ``auth.check_origin`` takes them; loopback as well."""
        return LOOPBACK | {*self.names, *map(_in_links, self.addresses)}

    @property
    def subjects(self) -> Subjects:
        """What the certificate has to name."""
        return Subjects((*self.names, "localhost"), (*self.addresses, *_LOOPBACK_ADDRESSES))

    @property
    def public(self) -> bool:
        """Whether the Internet may reach it, too."""
        return any(address.is_global for address in self.addresses)

    @property
    def host(self) -> str:
        """The one that links have."""
        return self.called or _in_links(self.addresses[0])

    def address(self, port: int) -> str:
        """What a link begins with: scheme, host and port."""
        return f"https://{self.host}:{port}"


def find_lan(host: str | None = None) -> Lan:
    """This machine on the local network.

    ``host``: listen on this address only; or a further name that others know it by, which the link then has. Raises
    NoAddress, and UsageError for what can be neither.
    """
    names = own_names()
    if host is None:
        return Lan(_found(), names)
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        name = host.lower().removesuffix(".")
        if not _HOST_NAME.fullmatch(name) or name in LOOPBACK:
            raise UsageError(f"--host {host[:80]} is no name that others on a network could use") from None
        return Lan(_found(), tuple(dict.fromkeys((name, *names))), called=name)
    if not _of_a_network(address) or (
        address.version == 6 and address.is_link_local
    ):  # a link has no interface
        raise UsageError(f"--host {host[:80]} is no address that others on a network could use")
    return Lan((address,), names, str(address))


def own_names() -> tuple[str, ...]:
    """What this machine is called: its name, and that name as multicast DNS has it. None if it can't be in a link."""
    name = socket.gethostname().lower().removesuffix(".")
    if not _HOST_NAME.fullmatch(name) or name == "localhost":
        return ()
    return (name,) if "." in name else (name, f"{name}.local")


def own_addresses() -> tuple[IPv4Address, ...]:
    """This machine's IPv4 addresses on networks: the way to the Internet first, self-assigned and public ones last."""
    found = dict.fromkeys(IPv4Address(text) for text in (*_by_routes(), *_by_name()))
    return tuple(
        sorted(filter(_of_a_network, found), key=lambda address: (address.is_global, address.is_link_local))
    )


def _found() -> tuple[IPv4Address, ...]:
    addresses = own_addresses()
    if not addresses:
        raise NoAddress
    return addresses


def _by_routes() -> Iterator[str]:
    for place in _TOWARDS:
        with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((place, 9))
            yield probe.getsockname()[0]


def _by_name() -> Iterator[str]:
    with contextlib.suppress(OSError, UnicodeError):
        for *_, place in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET, socket.SOCK_DGRAM):
            yield str(place[0])


def _of_a_network(address: Address) -> bool:
    return not (address.is_loopback or address.is_unspecified or address.is_multicast or address.is_reserved)


def _in_links(address: Address) -> str:
    return f"[{address}]" if address.version == 6 else str(address)


# ---- QR code ------------------------------------------------------------------------------------


def show_qr(link: str, terminal: TextIO) -> bool:
    """Print a link as a QR code; whether that was done: only for people, and only where it fits."""
    if not terminal.isatty():
        return False
    rows = qr_rows(link)
    try:
        "".join(rows).encode(terminal.encoding)
    except UnicodeEncodeError:
        return False
    if len(rows[0]) > shutil.get_terminal_size().columns:
        return False
    print(*(f"{_BLACK_AND_WHITE}{row}{_PLAIN}" for row in rows), sep="\n", file=terminal, flush=True)
    return True


def qr_rows(text: str) -> list[str]:
    """A QR code with its quiet zone in half blocks: two rows of modules in one of text, light ones filled."""
    out = io.StringIO()
    segno.make_qr(text).terminal(out, compact=True)
    return out.getvalue().splitlines()
