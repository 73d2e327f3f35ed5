"""``serve --lan``: a server opens to the local network, and people are told how to get in.

Owns how address, certificate and link belong together, and what a person has to know about a certificate that nobody
else vouches for. Headers ask no browser to insist on TLS (Strict-Transport-Security): browsers ignore that from a
self-signed server and for addresses, and where one trusts it, the header would lock them out of everything else that
this machine serves under its name, without a way around the next new certificate.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TextIO

from wonderzoom.runtime.auth import LOOPBACK, on_this_machine
from wonderzoom.runtime.certificate import Certificate, kept_certificate
from wonderzoom.runtime.lan import Lan, find_lan, show_qr
from wonderzoom.runtime.server import Listening


@dataclass(frozen=True, slots=True)
class LanOpening:
    """A server's place on the network, ready to be listened at."""

    lan: Lan
    certificate: Certificate

    def over(self, listening: Listening) -> Listening:
        """The same on the network, and encrypted."""
        return replace(listening, host=self.lan.listen, hosts=self.lan.hosts, tls=self.certificate.context)

    def explain(self, link: str, out: TextIO) -> None:
        """What people need besides the link: a QR code where it can be seen, and what the browser will ask them."""
        if show_qr(link, out):
            print("Scan it with a phone on the same network.", file=out)
        others = sorted(self.lan.hosts - LOOPBACK - {self.lan.host})
        if others:
            print(f"In place of {self.lan.host} in the link, these may do: {', '.join(others)}", file=out)
        print(
            "A browser will warn, once on each device: this machine signed its certificate itself, so nobody else"
            " vouches for it. It is the right one if the browser shows this SHA-256 fingerprint:",
            f"  {self.certificate.fingerprint}",
            f"Programs take it as a file: --certificate {self.certificate.file}",
            sep="\n",
            file=out,
        )
        if self.lan.public:
            print(
                "This machine has a public address: the whole Internet may knock. Name a private one with --host.",
                file=out,
            )
        out.flush()


def open_to_lan(host: str | None, folder: Path, now: datetime) -> LanOpening:
    """This machine on the network, with the certificate that is kept in a folder of the user's own.

    ``host``: another address than all, or a further name (``lan.find_lan``); None and loopback: all addresses. ``now``
    has a time zone.

    Raises UsageError, NoAddress, CannotKeep.
    """
    lan = find_lan(None if host is None or on_this_machine(host) else host)
    return LanOpening(lan, kept_certificate(folder, lan.subjects, now))
