"""``wonderzoom evaluate`` from the command line, with a maker of planes."""

import json
from pathlib import Path

import numpy as np
import pytest
from desk import AT, Desk, loaded, nodes
from PIL import Image

from wonderzoom.runtime.evaluation import command, measuring
from wonderzoom.runtime.evaluation.views import DESCENT_FRAMES

PLAN = """
image = "photo.png"
short_side = 64

[[zoom]]
name = "leaf"
at = [0.4, 0.5]
factor = 4
prompt = "leaf"
"""
SUITE = '[[world]]\nname = "park"\nplan = "plan.toml"\n'


def scores(folder: str = "scores") -> list[dict]:
    return json.loads((Path(folder) / "scores.json").read_text())["zooms"]


@pytest.fixture
def park(desk: Desk) -> Desk:
    """A suite of one world with one zoom."""
    Path("plan.toml").write_text(PLAN)
    Path("suite.toml").write_text(SUITE)
    return desk


def test_a_world_is_scored_and_left_as_it_is(garden: Desk) -> None:
    digest = loaded().digest()
    out = garden.must("evaluate", "garden", "-o", "scores")
    assert "1 zooms scored" in out and "niqe: not scored: needs --learned" in out
    node = nodes()[-1].id
    (zoom,) = scores()
    assert (zoom["world"], zoom["zoom"], zoom["prompt"]) == ("garden", node, "moss")
    assert zoom["variant"] == "all of it" and zoom["factor"] == pytest.approx(4.0, rel=1e-6)
    assert zoom["render_db"] is not None and zoom["holes"] is not None
    assert loaded().digest() == digest
    for name in ("report.md", "costs.json", "plot.png", f"pictures/garden/{node}.jpg"):
        assert (Path("scores") / name).stat().st_size > 100
    assert f"pictures/garden/{node}.jpg" in Path("scores/report.md").read_text()


def test_what_was_scored_is_not_scored_again(garden: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    measure = measuring.measure
    monkeypatch.setattr(command, "measure", lambda *asked: (calls.append(asked), measure(*asked))[1])
    garden.must("evaluate", "garden", "-o", "scores")
    first = Path("scores/scores.json").read_bytes()
    garden.must("evaluate", "garden", "-o", "scores")
    assert len(calls) == 1 and Path("scores/scores.json").read_bytes() == first
    garden.must("evaluate", "garden", "-o", "scores", "--degrees", "5")
    assert len(calls) == 2  # other cameras
    garden.must("zoom", "garden", *AT, "--prompt", "sand")
    garden.must("evaluate", "garden", "-o", "scores", "--degrees", "5")
    assert len(calls) == 4 and len(scores()) == 2  # another world


def test_a_part_that_was_cut_short_is_taken_again(garden: Desk) -> None:
    garden.must("evaluate", "garden", "-o", "scores")
    first = scores()
    (part,) = Path("scores/parts").rglob("*.json")
    part.write_bytes(part.read_bytes()[:-20])
    (picture,) = Path("scores/pictures").rglob("*.jpg")
    picture.unlink()
    garden.must("evaluate", "garden", "-o", "scores")
    assert scores() == first and picture.exists()


def test_a_suite_is_made_scored_and_compared(park: Desk) -> None:
    out = park.must(
        "evaluate", "suite.toml", "-o", "scores", "--without-registration", "--without-modulation",
        "--without-auxiliary",
    )  # fmt: skip
    assert "1 zooms scored" in out
    variants = {zoom["variant"]: zoom for zoom in scores()}
    assert list(variants) == [
        "all of it", "without modulation", "without registration", "without auxiliary"
    ]  # fmt: skip
    whole, other = variants["all of it"], variants["without registration"]
    assert other["reprojection_db"] != whole["reprojection_db"] and other["common"] != whole["common"]
    with Image.open("scores/pictures/park/leaf-without-registration.jpg") as picture:
        shown = np.asarray(picture).astype(int)
        assert np.abs(shown[6:320, 6:486] - shown[6:320, 492:972]).mean() > 1.0
    assert sorted(path.name for path in Path("scores/worlds").iterdir() if path.is_dir()) == [
        "park",
        "park-without-auxiliary",
        "park-without-registration",
    ]
    costs = json.loads(Path("scores/costs.json").read_text())["zooms"]
    assert costs[0]["seconds"] is not None


def test_the_modulation_switch_reaches_the_renderer(garden: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    measure = measuring.measure
    monkeypatch.setattr(
        command, "measure", lambda *words: (asked.append(f"{words[4]} {words[5]}"), measure(*words))[1]
    )
    garden.must("evaluate", "garden", "-o", "scores", "--without-modulation")
    assert asked == ["optical_mass True", "none False"]
    assert [zoom["variant"] for zoom in scores()] == ["all of it", "without modulation"]
    assert Path(f"scores/pictures/garden/{nodes()[-1].id}-without-modulation.jpg").exists()


def test_frames_that_are_written_can_be_scored(garden: Desk) -> None:
    garden.must("evaluate", "garden", "-o", "scores", "--write-frames", "ours")
    node = nodes()[-1].id
    folder = Path("ours/garden") / node
    assert len(list(folder.glob("*.png"))) == 9 + DESCENT_FRAMES
    assert json.loads((folder / "cameras.json").read_text())["prompt"] == "moss"
    garden.must("evaluate", "garden", "-o", "scores", "--frames", "ours")
    ours, theirs = scores()
    assert theirs["variant"] == "frames of ours"
    for key in ("zoom_consistency_db", "flicker"):  # but for rounding to bytes
        assert theirs[key] == pytest.approx(ours[key], rel=0.05, abs=0.05)
    assert "holes" not in theirs
    (folder / "view_11.png").unlink()
    line = garden.fails("evaluate", "garden", "-o", "scores", "--frames", "ours")
    assert f"1 frames are missing: garden/{node}/view_11.png" in line


@pytest.mark.parametrize(
    ("argv", "code", "says"),
    [
        (("garden", "-o", "scores", "--without-registration"), 2, "needs a suite"),
        (("garden", "-o", "photo.png"), 1, "this is a file"),
        (("garden", "-o", "scores", "--degrees", "90"), 2, "0.5 to 45"),
        (("garden", "-o", "scores", "--frames", "none"), 1, "no such folder of frames"),
        (("none", "-o", "scores"), 1, "none"),
        (("none.toml", "-o", "scores"), 1, "could not read the suite"),
    ],
)
def test_what_can_not_be_done_is_one_line(garden: Desk, argv: tuple[str, ...], code: int, says: str) -> None:
    assert says in garden.fails("evaluate", *argv, code=code)
