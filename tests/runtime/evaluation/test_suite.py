"""Suites: what they say is what is evaluated, and mistakes in them are told before anything is made."""

from pathlib import Path

import pytest

from wonderzoom.runtime.evaluation.suite import DEGREES, BadSuite, read_suite
from wonderzoom.runtime.plans import BadPlan

PLAN = 'image = "photo.png"\n\n[[zoom]]\nat = [0.5, 0.5]\nfactor = 4\n'
WORLD = '[[world]]\nname = "garden"\nplan = "garden.toml"\n'


def suite(folder: Path, text: str, plan: str = PLAN) -> Path:
    (folder / "garden.toml").write_text(plan)
    path = folder / "suite.toml"
    path.write_text(text)
    return path


def test_a_suite_names_plans(tmp_path: Path) -> None:
    read = read_suite(
        suite(tmp_path, "degrees = 5.0\n" + WORLD + WORLD.replace('garden"\nplan', 'other"\nplan'))
    )
    assert [entry.name for entry in read.entries] == ["garden", "other"]
    assert read.degrees == 5.0
    assert read.entries[0].plan.image == tmp_path / "photo.png" and len(read.entries[0].plan.zooms) == 1
    assert read_suite(suite(tmp_path, WORLD)).degrees == DEGREES


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "world"),
        ("world = []", "no worlds"),
        (WORLD + WORLD, "taken"),
        (WORLD.replace('garden"', '../garden"', 1), "use a-z"),
        (WORLD + "colour = 3\n", "colour"),
        ("degrees = 90.0\n" + WORLD, "0.5 to 45"),
        ("degrees = nan\n" + WORLD, "0.5 to 45"),
        ("[[world", "not TOML"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(BadSuite, match=says) as error:
        read_suite(suite(tmp_path, text))
    assert "\n" not in str(error.value) and "suite.toml" in str(error.value)


def test_a_plan_without_zooms_has_nothing_to_score(tmp_path: Path) -> None:
    with pytest.raises(BadSuite, match="no zooms"):
        read_suite(suite(tmp_path, WORLD, 'image = "photo.png"\n'))


def test_files_that_are_not_there_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(BadSuite, match="could not read"):
        read_suite(tmp_path / "none.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadSuite, match="UTF-8"):
        read_suite(tmp_path / "bytes.toml")
    with pytest.raises(BadPlan, match="could not read"):
        read_suite(suite(tmp_path, WORLD.replace("garden.toml", "none.toml")))


def test_the_suite_that_is_shipped_has_five_pictures_with_four_zooms_each(repository: Path) -> None:
    read = read_suite(repository / "benchmarks" / "evaluation" / "suite.toml")
    assert [len(entry.plan.zooms) for entry in read.entries] == [4] * 5
    words = [zoom.prompt for entry in read.entries for zoom in entry.plan.zooms]
    assert 5 <= len([each for each in words if each]) < len(words)  # zooms with words and without


def test_the_suite_that_is_shown_can_be_read(repository: Path, tmp_path: Path) -> None:
    text = (repository / "docs" / "evaluation.md").read_text(encoding="utf-8")
    shown = text.partition("```toml\n")[2].partition("```")[0]
    (tmp_path / "meadow.toml").write_text(PLAN)
    (tmp_path / "suite.toml").write_text(shown)
    assert read_suite(tmp_path / "suite.toml").entries[0].name == "meadow"
