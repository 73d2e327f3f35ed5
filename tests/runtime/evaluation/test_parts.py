"""What was measured is found again under the same question, and under no other."""

from pathlib import Path

from wonderzoom.runtime.evaluation.parts import Part, Taken

TAKEN = Taken({"holes": 0.1 + 0.2, "slope": None}, {"fps": 31.5})


def test_an_answer_is_kept_to_the_last_digit(tmp_path: Path) -> None:
    part = Part(tmp_path / "new" / "leaf.json", (1, "digest", 10.0))
    assert part.read() is None
    assert part.keep(TAKEN) is TAKEN and part.read() == TAKEN
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["leaf.json"]


def test_another_question_has_no_answer(tmp_path: Path) -> None:
    Part(tmp_path / "leaf.json", (1, "digest", 10.0)).keep(TAKEN)
    for question in ((2, "digest", 10.0), (1, "other", 10.0), (1, "digest", 10.5), (1, "digest")):
        assert Part(tmp_path / "leaf.json", question).read() is None


def test_a_file_that_was_cut_short_or_is_no_answer_is_none(tmp_path: Path) -> None:
    part = Part(tmp_path / "leaf.json", ("a",))
    part.keep(TAKEN)
    whole = part.path.read_bytes()
    for text in (whole[:-20], b"", b"[]", b'{"key": 1}'):
        part.path.write_bytes(text)
        assert part.read() is None
