from pathlib import Path

import pytest

from wonderzoom.generation.models.locks import LockDamaged, Locks

ONE, TWO = "1" * 40, "2" * 40


def test_what_is_settled_is_found_by_the_next_process(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "models.lock.json"
    assert Locks(path).revision("acme/eye") == ""
    Locks(path).settle("acme/eye", ONE)
    Locks(path).settle("acme/ear", TWO)
    assert (Locks(path).revision("acme/eye"), Locks(path).revision("acme/ear")) == (ONE, TWO)


def test_a_new_download_settles_anew(tmp_path: Path) -> None:
    locks = Locks(tmp_path / "lock")
    locks.settle("acme/eye", ONE)
    locks.settle("acme/eye", TWO)
    assert locks.revision("acme/eye") == TWO
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_a_branch_settles_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'main' is not a commit"):
        Locks(tmp_path / "lock").settle("acme/eye", "main")
    assert not (tmp_path / "lock").exists()


@pytest.mark.parametrize("text", ["", "[]", '{"acme/eye": 3}', '{"acme/eye": "main"}', '{"acme/eye": "11'])
def test_a_damaged_file_is_an_error_that_names_it(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lock"
    path.write_text(text)
    with pytest.raises(LockDamaged, match="lock: "):
        Locks(path).revision("acme/eye")
    assert path.read_text() == text
