import msgspec
import pytest

from wonderzoom.generation.models.references import ModelReference, is_revision

SHA = "0123456789abcdef0123456789abcdef01234567"


def read(**table: object) -> ModelReference:
    return msgspec.convert(table, ModelReference)


def test_a_repository_at_a_commit_is_a_reference() -> None:
    reference = read(repo="acme/eye-2.1", revision=SHA, licence="Apache-2.0", gated=True, size_gb=1.5)
    assert reference.name == "acme/eye-2.1"
    assert reference.page == "https://huggingface.co/acme/eye-2.1"
    assert reference.dtype == "bfloat16"


def test_a_folder_is_a_reference_and_is_called_by_its_last_name() -> None:
    assert read(path="/models/eye").name == "eye"


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"repo": "eye"},
        {"repo": "acme/../eye"},
        {"repo": "acme/eye/part"},
        {"repo": "acme/eye", "revision": "main"},
        {"repo": "acme/eye", "revision": SHA[:39]},
        {"repo": "acme/eye", "revision": SHA.upper()},
        {"repo": "acme/eye", "dtype": "int8"},
        {"repo": "acme/eye", "size_gb": -1.0},
        {"repo": "acme/eye", "trust_remote_code": True},
    ],
)
def test_what_is_no_reference_is_refused(table: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(**table)


def test_files_of_a_model_are_never_pickles_or_code() -> None:
    assert not any(
        pattern.endswith((".bin", ".pt", ".pth", ".pkl", ".py")) for pattern in read(path="x").files
    )


def test_only_forty_hexadecimal_digits_are_a_revision() -> None:
    assert is_revision(SHA)
    assert not is_revision("main") and not is_revision(SHA + "0") and not is_revision("")
