"""A server's own certificate: self-signed, made here, kept in a folder with its key, made anew in time.

Nobody vouches for it, so that browsers warn once; whoever compares the fingerprint, or gives the file to a program as
the one certificate to trust, is as safe as with any other. Owns what is in the certificate, how long it is used, the
two files (``lan.pem`` with the key, ``lan.crt`` for others) and the TLS settings of the server.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import ssl
import stat
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from wonderzoom.runtime.errors import CommandError

Address = IPv4Address | IPv6Address

USED_FOR = timedelta(days=30)  # then the next start makes a new one
VALID_FOR = timedelta(days=60)  # a server that starts on the last of those days can run for 30 more
SKEW = timedelta(days=1)  # that another machine's clock may be behind, or its time zone wrong
BUNDLE, PUBLIC = "lan.pem", "lan.crt"
_NAME_LENGTH = 64  # of a common name: X.520's upper bound
_UNREADABLE = (ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound, x509.InvalidVersion)


class CannotKeep(CommandError):
    """The folder for the certificate can't be written."""


@dataclass(frozen=True, slots=True)
class Subjects:
    """What a certificate is for: one or more names, addresses as well."""

    names: Sequence[str]  # ASCII host names; the first one is shown to people
    addresses: Sequence[Address] = ()


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate that is ready to serve with."""

    fingerprint: str  # SHA-256 as browsers show it: 32 pairs of capital hex digits with colons
    file: Path  # PEM, without the key: what programs are told to trust
    context: ssl.SSLContext = field(repr=False)  # of a server: TLS 1.2 or newer


def kept_certificate(folder: Path, subjects: Subjects, now: datetime) -> Certificate:
    """The certificate in ``folder``; a new one where there is none that fits.

    It fits if it is whole, no older than USED_FOR, names all subjects (more do no harm), and nobody else could read
    its key. ``now`` has a time zone. Raises CannotKeep. Two servers that begin at once may each make one: the last
    one's stays.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        pem = _private_bytes(folder / BUNDLE)
        certificate = None if pem is None else _fitting(pem, subjects, now)
        if pem is None or certificate is None:
            pem, certificate = make(subjects, now)
            _replace(folder / BUNDLE, pem, 0o600)
        public = certificate.public_bytes(serialization.Encoding.PEM)
        if _bytes(folder / PUBLIC) != public:
            _replace(folder / PUBLIC, public, 0o644)
        context = _context(folder, pem)
    except OSError as error:  # ssl.SSLError too, but what is read or made here can be loaded
        raise CannotKeep(
            f"can't keep the certificate for --lan in {folder}: {error.strerror or error};"
            " name a folder that can be written in the environment variable WONDERZOOM_DATA"
        ) from error
    digest = hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER))
    return Certificate(digest.digest().hex(":").upper(), folder / PUBLIC, context)


def make(subjects: Subjects, now: datetime) -> tuple[bytes, x509.Certificate]:
    """A new certificate, signed by its own new key (ECDSA, P-256), and both as one PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, f"WonderZoom {subjects.names[0]}"[:_NAME_LENGTH])]
    )
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    usage = x509.KeyUsage(
        digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
        key_agreement=False, key_cert_sign=False, crl_sign=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    alternatives = [*map(x509.DNSName, subjects.names), *map(x509.IPAddress, subjects.addresses)]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + VALID_FOR)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        # Not an authority: who trusts it trusts this server, and nothing that its key could sign.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(identifier, critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return secret + certificate.public_bytes(serialization.Encoding.PEM), certificate


def _fitting(pem: bytes, subjects: Subjects, now: datetime) -> x509.Certificate | None:
    """The certificate of a PEM with its key, if it will do."""
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        key = serialization.load_pem_private_key(pem, None)
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except _UNREADABLE:
        return None
    begin = certificate.not_valid_before_utc
    fits = (
        key.public_key() == certificate.public_key()
        and begin <= now < begin + SKEW + USED_FOR
        and set(subjects.names) <= set(found.get_values_for_type(x509.DNSName))
        and set(subjects.addresses) <= set(found.get_values_for_type(x509.IPAddress))
    )
    return certificate if fits else None


def _context(folder: Path, pem: bytes) -> ssl.SSLContext:
    """TLS of a server with exactly this certificate. Python reads it from files only: one of a moment."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(["http/1.1"])
    temporary = _temporary(folder, pem)
    try:
        context.load_cert_chain(temporary)
    finally:
        temporary.unlink()
    return context


# ---- files --------------------------------------------------------------------------------------


def _bytes(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except OSError:
        return None


def _private_bytes(path: Path) -> bytes | None:
    """What is in a file, unless others may have read or written it."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32" or not stat.S_IMODE(path.stat().st_mode) & 0o077:
            return path.read_bytes()
    return None


def _temporary(folder: Path, data: bytes) -> Path:
    """A file that only this user may read."""
    descriptor, name = tempfile.mkstemp(".tmp", "lan-", folder)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
    except BaseException:
        os.unlink(name)
        raise
    return Path(name)


def _replace(path: Path, data: bytes, mode: int) -> None:
    """The whole file or the old one. After a power cut it may be empty: then it doesn't fit, and is made anew."""
    temporary = _temporary(path.parent, data)
    try:
        temporary.chmod(mode)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
