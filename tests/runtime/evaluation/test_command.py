"""``wonderzoom evaluate`` from the command line, with a maker of planes."""

import json
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from desk import AT, Desk, loaded, nodes
from PIL import Image

from wonderzoom.runtime.evaluation import command, learned, measuring, views

PLAN = """
image = "photo.png"
short_side = 64

[[zoom]]
name = "leaf"
at = [0.4, 0.5]
factor = 4
prompt = "leaf"
"""
FRAMES = 4
SUITE = '[[world]]\nname = "park"\nplan = "plan.toml"\n'


def scores(folder: str = "scores") -> list[dict]:
    return json.loads((Path(folder) / "scores.json").read_text())["zooms"]


@pytest.fixture(autouse=True)
def short_descents(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many frames as flicker needs, and one."""
    monkeypatch.setattr(views, "DESCENT_FRAMES", FRAMES)


@pytest.fixture
def scored(garden: Desk, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """The garden and its scores; taken once and copied."""
    made = tmp_path_factory.getbasetemp() / "scored-garden"
    if not made.exists():
        garden.must("evaluate", "garden", "-o", "scores")
        Path("scores").rename(made)
    shutil.copytree(made, "scores")
    return garden


@pytest.fixture
def park(desk: Desk) -> Desk:
    """A suite of one world with one zoom."""
    Path("plan.toml").write_text(PLAN)
    Path("suite.toml").write_text(SUITE)
    return desk


def test_a_world_is_scored_and_left_as_it_is(garden: Desk) -> None:
    digest = loaded().digest()
    out = garden.must("evaluate", "garden", "-o", "scores")
    assert "1 zooms scored" in out and "NIQE: not scored: needs --learned" in out
    node = nodes()[-1].id
    (zoom,) = scores()
    assert (zoom["world"], zoom["zoom"], zoom["prompt"]) == ("garden", node, "moss")
    assert zoom["variant"] == "all of it" and zoom["factor"] == pytest.approx(4.0, rel=1e-6)
    assert zoom["render_db"] is not None and zoom["holes"] is not None
    assert loaded().digest() == digest
    for name in ("report.md", "costs.json", "plot.png", f"pictures/garden/{node}.jpg"):
        assert (Path("scores") / name).stat().st_size > 100
    assert f"pictures/garden/{node}.jpg" in Path("scores/report.md").read_text()


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> list[tuple[views.ZoomCameras, str, bool]]:
    """What is measured (cameras, modulation, whether the floor of flicker too), without drawing: a quarter is holes."""
    calls: list[tuple[views.ZoomCameras, str, bool]] = []

    def measure(
        step: object,
        cameras: views.ZoomCameras,
        renderer: object,
        clock: object,
        modulation: str,
        floor: bool,
    ) -> measuring.Measured:
        calls.append((cameras, modulation, floor))
        return measuring.Measured({"holes": 25.0}, {}, (np.zeros((64, 96, 3), np.uint8),) * 9)

    monkeypatch.setattr(command, "measure", measure)
    return calls


def test_what_was_scored_is_not_scored_again(
    scored: Desk, measured: list, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Path("scores/scores.json").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(command, "steps", lambda _world: pytest.fail("a world was taken apart"))
        scored.must("evaluate", "garden", "-o", "scores")
    assert not measured and Path("scores/scores.json").read_bytes() == first
    scored.must("evaluate", "garden", "-o", "scores", "--degrees", "5")
    assert len(measured) == 1 and scores()[0]["holes"] == 25.0  # other cameras
    scored.must("zoom", "garden", *AT, "--prompt", "sand")
    scored.must("evaluate", "garden", "-o", "scores", "--degrees", "5")
    assert len(measured) == 3 and len(scores()) == 2  # another world
    assert measured[0][0] == measured[1][0] != measured[2][0]


def test_a_part_that_was_cut_short_is_taken_again(scored: Desk, measured: list) -> None:
    assert scores()[0]["holes"] == 0.0
    (part,) = Path("scores/parts").rglob("*.json")
    part.write_bytes(part.read_bytes()[:-20])
    (picture,) = Path("scores/pictures").rglob("*.jpg")
    picture.unlink()
    scored.must("evaluate", "garden", "-o", "scores")
    assert len(measured) == 1 and scores()[0]["holes"] == 25.0 and picture.exists()


class Brightness:
    """A scorer of networks that needs none: the mean of a picture."""

    def __init__(self) -> None:
        self.identity, self.calls = "brightness 1", 0

    def score(self, pictures: Sequence[np.ndarray], prompt: str) -> dict[str, float | None]:
        self.calls += 1
        assert len(pictures) == 9 and prompt == "moss"
        return {"clip": float(np.mean(pictures))}


def test_learned_scores_are_added_without_taking_the_others_again(
    scored: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    scorer = Brightness()
    offers = [learned.Offer(("clip",), lambda: scorer)]
    monkeypatch.setattr(command, "learned_scores", lambda *_asked: learned.Learned(offers))
    monkeypatch.setattr(command, "measure", lambda *_asked: pytest.fail("measured again"))
    before = scores()[0]
    scored.must("evaluate", "garden", "-o", "scores", "--learned")
    found = scores()[0]
    assert found == before | {"clip": found["clip"]} and 0.0 < found["clip"] < 255.0
    assert "| CLIP score ↑ |" in Path("scores/report.md").read_text()
    scored.must("evaluate", "garden", "-o", "scores", "--learned")
    assert scorer.calls == 1 and scores()[0] == found
    scorer.identity = "brightness 2"  # another model
    scored.must("evaluate", "garden", "-o", "scores", "--learned")
    assert scorer.calls == 2


def test_learned_scores_that_can_not_be_had_have_no_column(
    scored: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("torch", "pyiqa"):
        monkeypatch.setitem(sys.modules, name, None)
    out = scored.must("evaluate", "garden", "-o", "scores", "--learned")
    assert "CLIP score, CLIP-IQA, fixed prompts: not scored: needs torch" in out
    assert "CLIP-IQA+, Q-Align IQA, Q-Align IAA, NIQE: not scored: needs the package pyiqa" in out
    assert not {"clip", "clip_iqa", "niqe"} & set(scores()[0])
    table = Path("scores/report.md").read_text().partition("## Costs")[0]
    assert "| CLIP" not in table and "- CLIP score, CLIP-IQA, fixed prompts: not scored" in table


def test_a_suite_is_made_scored_and_compared(park: Desk) -> None:
    out = park.must("evaluate", "suite.toml", "-o", "scores", "--without-auxiliary", "--without-registration")
    assert "1 zooms scored" in out
    variants = {zoom["variant"]: zoom for zoom in scores()}
    assert list(variants) == ["all of it", "without registration", "without auxiliary"]
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
    text = Path("scores/report.md").read_text()
    for name in ("plot.png", "comparison.png"):
        assert f"]({name})" in text and (Path("scores") / name).stat().st_size > 100
    costs = json.loads(Path("scores/costs.json").read_text())["zooms"]
    assert costs[0]["seconds"] is not None


def test_the_modulation_switch_reaches_the_renderer(scored: Desk, measured: list) -> None:
    scored.must("evaluate", "garden", "-o", "scores", "--without-modulation")
    assert [(modulation, floor) for _, modulation, floor in measured] == [("none", False)]
    assert [zoom["variant"] for zoom in scores()] == ["all of it", "without modulation"]
    assert Path(f"scores/pictures/garden/{nodes()[-1].id}-without-modulation.jpg").exists()


def test_frames_that_are_written_can_be_scored(scored: Desk) -> None:
    scored.must("evaluate", "garden", "-o", "scores", "--write-frames", "ours")
    node = nodes()[-1].id
    folder = Path("ours/garden") / node
    assert len(list(folder.glob("*.png"))) == 9 + FRAMES
    assert json.loads((folder / "cameras.json").read_text())["prompt"] == "moss"
    scored.must("evaluate", "garden", "-o", "scores", "--frames", "ours")
    ours, theirs = scores()
    assert theirs["variant"] == "frames of ours"
    for key in ("zoom_consistency_db", "flicker"):  # but for rounding to bytes
        assert theirs[key] == pytest.approx(ours[key], rel=0.05, abs=0.05)
    assert "holes" not in theirs
    (folder / "view_11.png").unlink()
    line = scored.fails("evaluate", "garden", "-o", "scores", "--frames", "ours")
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
