"""A server's own certificate: a client that is given it trusts the server, and nobody else has to make a new one."""

import asyncio
import hashlib
import ssl
import stat
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from wonderzoom.runtime.certificate import (
    BUNDLE,
    SKEW,
    USED_FOR,
    VALID_FOR,
    CannotKeep,
    Certificate,
    Subjects,
    kept_certificate,
)

NOW = datetime(2030, 2, 3, 4, 5, 6, tzinfo=UTC)
SUBJECTS = Subjects(
    ("studio", "studio.local", "localhost"), (ip_address("192.168.7.20"), ip_address("fd00::20"))
)
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="modes of files are POSIX")


def read(made: Certificate) -> x509.Certificate:
    return x509.load_pem_x509_certificate(made.file.read_bytes())


def greet(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str | None:
    """The version of TLS after a handshake over sockets of this machine, where the client wants to reach ``name``."""

    async def both() -> str | None:
        def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.close()

        async with await asyncio.start_server(answer, "127.0.0.1", 0, ssl=server) as listening:
            port = listening.sockets[0].getsockname()[1]
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname=name)
            version = writer.get_extra_info("ssl_object").version()
            writer.close()
            await writer.wait_closed()
            return version

    return asyncio.run(both())


# ---- what it is good for ------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["192.168.7.20", "fd00::20", "studio", "studio.local", "localhost"])
def test_whoever_has_the_certificate_reaches_the_server_by_each_of_its_names(
    tmp_path: Path, name: str
) -> None:
    made = kept_certificate(tmp_path, SUBJECTS, datetime.now(UTC))
    client = ssl.create_default_context(cafile=str(made.file))
    client.verify_flags |= (
        ssl.VERIFY_X509_STRICT | ssl.VERIFY_X509_PARTIAL_CHAIN
    )  # as Python 3.13 does unasked
    assert greet(made.context, client, name) == "TLSv1.3"


@pytest.mark.parametrize("name", ["192.168.7.21", "studio.example"])
def test_it_is_for_no_other_name(tmp_path: Path, name: str) -> None:
    made = kept_certificate(tmp_path, SUBJECTS, datetime.now(UTC))
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch|not valid for"):
        greet(made.context, ssl.create_default_context(cafile=str(made.file)), name)


def test_nobody_trusts_it_unasked(tmp_path: Path) -> None:
    made = kept_certificate(tmp_path, SUBJECTS, datetime.now(UTC))
    with pytest.raises(ssl.SSLCertVerificationError, match="self-signed"):
        greet(made.context, ssl.create_default_context(), "studio")


def test_old_tls_is_not_spoken(tmp_path: Path) -> None:
    assert kept_certificate(tmp_path, SUBJECTS, NOW).context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_it_is_a_servers_and_no_authoritys(tmp_path: Path) -> None:
    found = read(kept_certificate(tmp_path, SUBJECTS, NOW))
    key = found.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1"
    assert found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert not found.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    assert list(found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.SERVER_AUTH
    ]
    assert found.not_valid_before_utc == NOW - SKEW and found.not_valid_after_utc == NOW + VALID_FOR


def test_a_long_host_name_fits(tmp_path: Path) -> None:
    names = ("a-name-that-nobody-would-type-" * 2 + ".workshop.example", "localhost")
    found = read(kept_certificate(tmp_path, Subjects(names), NOW))
    alternatives = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert tuple(alternatives.get_values_for_type(x509.DNSName)) == names


def test_the_fingerprint_is_the_one_that_clients_compute(tmp_path: Path) -> None:
    made = kept_certificate(tmp_path, SUBJECTS, NOW)
    der = ssl.PEM_cert_to_DER_cert(made.file.read_text())
    pairs = made.fingerprint.split(":")
    assert len(pairs) == 32 and "".join(pairs).lower() == hashlib.sha256(der).hexdigest()
    assert made.fingerprint == made.fingerprint.upper()


# ---- how long it is kept ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("later", "subjects"),
    [
        (timedelta(0), SUBJECTS),
        (timedelta(days=29), SUBJECTS),
        (-SKEW, SUBJECTS),  # the clock was set back
        (timedelta(0), Subjects(("localhost",), SUBJECTS.addresses[:1])),  # one address fewer
    ],
)
def test_the_same_one_is_used_again(tmp_path: Path, later: timedelta, subjects: Subjects) -> None:
    first = kept_certificate(tmp_path, SUBJECTS, NOW)
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}
    assert kept_certificate(tmp_path, subjects, NOW + later).fingerprint == first.fingerprint
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files


@pytest.mark.parametrize(
    ("later", "subjects"),
    [
        (USED_FOR, SUBJECTS),
        (timedelta(days=1000), SUBJECTS),
        (-SKEW - timedelta(seconds=1), SUBJECTS),
        (timedelta(0), Subjects(SUBJECTS.names, (ip_address("10.0.0.5"),))),
        (timedelta(0), Subjects(("renamed", *SUBJECTS.names), SUBJECTS.addresses)),
    ],
)
def test_one_that_no_longer_fits_is_made_anew(tmp_path: Path, later: timedelta, subjects: Subjects) -> None:
    first = kept_certificate(tmp_path, SUBJECTS, NOW)
    second = kept_certificate(tmp_path, subjects, NOW + later)
    assert second.fingerprint != first.fingerprint
    assert read(second).not_valid_before_utc == NOW + later - SKEW
    assert kept_certificate(tmp_path, subjects, NOW + later).fingerprint == second.fingerprint


@pytest.mark.parametrize("damage", ["cut", "empty", "garbage", "other key", "gone"])
def test_a_damaged_one_is_made_anew(tmp_path: Path, damage: str) -> None:
    first = kept_certificate(tmp_path, SUBJECTS, NOW)
    bundle = tmp_path / BUNDLE
    pem = bundle.read_bytes()
    match damage:
        case "cut":
            bundle.write_bytes(pem[: len(pem) // 2])
        case "empty":
            bundle.write_bytes(b"")
        case "garbage":
            bundle.write_bytes(b"\xff" * 1000)
        case "other key":
            kept_certificate(tmp_path / "other", SUBJECTS, NOW)
            begin = b"-----BEGIN CERTIFICATE-----"
            key, _, _ = (tmp_path / "other" / BUNDLE).read_bytes().partition(begin)
            bundle.write_bytes(key + begin + pem.partition(begin)[2])
        case _:
            bundle.unlink()
    assert kept_certificate(tmp_path, SUBJECTS, NOW).fingerprint != first.fingerprint


def test_the_file_for_others_is_put_right(tmp_path: Path) -> None:
    made = kept_certificate(tmp_path, SUBJECTS, NOW)
    right = made.file.read_bytes()
    made.file.write_bytes(b"of another server")
    assert kept_certificate(tmp_path, SUBJECTS, NOW).fingerprint == made.fingerprint
    assert made.file.read_bytes() == right


# ---- files --------------------------------------------------------------------------------------


@POSIX
def test_nobody_else_can_read_the_key(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "wonderzoom"
    made = kept_certificate(folder, SUBJECTS, NOW)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert modes == {"wonderzoom": 0o700, "lan.pem": 0o600, "lan.crt": 0o644}
    assert b"PRIVATE" in (folder / "lan.pem").read_bytes() and b"PRIVATE" not in made.file.read_bytes()
    assert "PRIVATE" not in repr(made)


@POSIX
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o602])
def test_a_key_that_others_could_have_read_is_not_used(tmp_path: Path, mode: int) -> None:
    first = kept_certificate(tmp_path, SUBJECTS, NOW)
    (tmp_path / BUNDLE).chmod(mode)
    assert kept_certificate(tmp_path, SUBJECTS, NOW).fingerprint != first.fingerprint
    assert stat.S_IMODE((tmp_path / BUNDLE).stat().st_mode) == 0o600


def test_a_folder_that_can_not_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(CannotKeep, match="WONDERZOOM_DATA") as caught:
            kept_certificate(folder, SUBJECTS, NOW)
        assert str(folder) in str(caught.value) and "\n" not in str(caught.value)


def test_a_folder_in_place_of_the_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / BUNDLE).mkdir()
    with pytest.raises(CannotKeep, match=str(tmp_path)):
        kept_certificate(tmp_path, SUBJECTS, NOW)
    assert [path.name for path in tmp_path.iterdir()] == [BUNDLE]


def test_a_full_disk_leaves_no_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = kept_certificate(tmp_path, SUBJECTS, NOW)
    files = {path: path.read_bytes() for path in tmp_path.iterdir()}

    def full(_self: Path, _target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(CannotKeep, match="No space left"):
        kept_certificate(tmp_path, SUBJECTS, NOW + USED_FOR)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == files
    assert kept_certificate(tmp_path, SUBJECTS, NOW).fingerprint == first.fingerprint
