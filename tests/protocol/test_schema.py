"""What other languages read is current, and says what the codec does."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgpack
import pytest

from wonderzoom.protocol import schema
from wonderzoom.protocol.codec import decode_from_client, decode_from_server, encode
from wonderzoom.protocol.errors import CloseCode, ErrorCode, Malformed
from wonderzoom.protocol.examples import CLIENT, SERVER


def test_the_files_are_current(repository: Path) -> None:
    for name, content in schema.artefacts().items():
        path = repository / "protocol" / name
        assert path.read_text(encoding="utf-8") == content, (
            f"python -m wonderzoom.protocol.schema protocol: {name}"
        )


def test_check_names_what_is_stale_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["schema", str(tmp_path), "--check"])
    assert schema.main() == 1 and "schema.json" in capsys.readouterr().out and not list(tmp_path.iterdir())
    monkeypatch.setattr(sys, "argv", ["schema", str(tmp_path)])
    assert schema.main() == 0
    monkeypatch.setattr(sys, "argv", ["schema", str(tmp_path), "--check"])
    assert schema.main() == 0


def test_every_kind_of_message_is_in_schema_and_vectors() -> None:
    made = schema.schema()
    for direction, examples in (("from_client", CLIENT), ("from_server", SERVER)):
        kinds = set(made[direction]["discriminator"]["mapping"])
        assert {msgpack.unpackb(encode(message))["type"] for message in examples.values()} == kinds
    assert set(made["error_codes"]) == set(ErrorCode) and len(made["close_codes"]) == len(CloseCode)


def bytes_again(value: Any) -> Any:
    if isinstance(value, dict):
        return (
            bytes.fromhex(value["bin"])
            if set(value) == {"bin"}
            else {k: bytes_again(v) for k, v in value.items()}
        )
    return [bytes_again(item) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("direction", ["from_client", "from_server"])
def test_valid_vectors_hold_in_another_library(repository: Path, direction: str) -> None:
    decode = decode_from_client if direction == "from_client" else decode_from_server
    vectors = json.loads(
        (repository / "protocol" / "vectors" / f"{direction}.json").read_text(encoding="utf-8")
    )
    for vector in vectors:
        data, message = bytes.fromhex(vector["hex"]), bytes_again(vector["message"])
        assert msgpack.unpackb(data) == message, vector["name"]
        assert encode(decode(data)) == data, vector["name"]
        packed = msgpack.packb(message)
        assert packed is not None and decode(packed) == decode(data), vector["name"]


@pytest.mark.parametrize("direction", ["from_client", "from_server"])
def test_invalid_vectors_are_refused(repository: Path, direction: str) -> None:
    decode = decode_from_client if direction == "from_client" else decode_from_server
    vectors = json.loads(
        (repository / "protocol" / "vectors" / f"invalid_{direction}.json").read_text(encoding="utf-8")
    )
    for vector in vectors:
        with pytest.raises(Malformed):
            decode(bytes.fromhex(vector["hex"]))


@pytest.mark.parametrize("direction", ["from_client", "from_server"])
def test_every_kind_of_message_has_invalid_vectors(direction: str) -> None:
    kinds = set(schema.schema()[direction]["discriminator"]["mapping"])
    assert {
        kind_of(bytes.fromhex(vector["hex"])) for vector in schema.vectors()[f"invalid_{direction}"]
    } >= kinds


def kind_of(data: bytes) -> str | None:
    """The ``type`` of what is a msgpack map with one."""
    try:
        message = msgpack.unpackb(data)
    except ValueError:
        return None
    kind = message.get("type") if isinstance(message, dict) else None
    return kind if isinstance(kind, str) else None


def test_the_specification_names_every_message_code_and_limit(repository: Path) -> None:
    text = (repository / "protocol" / "PROTOCOL.md").read_text(encoding="utf-8")
    made = schema.schema()
    kinds = [
        *made["from_client"]["discriminator"]["mapping"],
        *made["from_server"]["discriminator"]["mapping"],
    ]
    for name in (*kinds, *made["error_codes"]):
        assert f"`{name}`" in text, name
    for code in made["close_codes"].values():
        assert f"| {code['code']} |" in text, code
    assert "0.1 px" in text  # the pixel filter is part of the picture (docs/adr/0007)


def test_the_protocol_needs_no_socket_no_loop_and_no_array() -> None:
    code = (
        "import sys; import wonderzoom.protocol.session, wonderzoom.protocol.schema;"
        "print([m for m in ('asyncio', 'socket', 'websockets', 'torch', 'numpy') if m in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
