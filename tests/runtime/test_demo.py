"""The demo: what is shipped is whole, and each run leaves the same files however the one before it ended."""

import json
from importlib.resources import as_file, files
from pathlib import Path

import av
import numpy as np
import pytest
from desk import Desk
from PIL import Image

from wonderzoom.runtime import commands, film
from wonderzoom.runtime.demo import command
from wonderzoom.runtime.depth_maps import read_depth
from wonderzoom.runtime.pictures import read_picture
from wonderzoom.runtime.plans import read_plan
from wonderzoom.scene_graph.store import WorldStore

SIZE = (192, 128)
PLAN = """
image = "photo.png"
short_side = 64

[[zoom]]
at = [0.5, 0.5]
factor = 2
prompt = "moss"

[[zoom]]
at = [0.5, 0.5]
factor = 2
"""


@pytest.fixture
def stage(desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """A desk with a small demo of its own instead of the one that is shipped."""
    (tmp_path / "shipped").mkdir()
    Image.open("photo.png").save("shipped/photo.png")
    Path("shipped/demo.toml").write_text(PLAN)
    monkeypatch.setattr(command, "SHIPPED", tmp_path / "shipped")
    monkeypatch.setattr(command, "SIZE", SIZE)
    monkeypatch.setattr(film, "FPS", 5)
    return desk


def digest() -> str:
    with WorldStore.open("demo/world") as store:
        return store.load().digest()


def test_a_run_leaves_a_world_a_picture_and_a_film_and_prints_their_paths(stage: Desk) -> None:
    ended = stage("demo", "--once")
    assert (ended.code, ended.out.splitlines()) == (0, ["demo/view.png", "demo/descent.mp4"])
    with Image.open("demo/view.png") as image:
        assert image.size == SIZE
    with av.open("demo/descent.mp4") as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(shown) > 10 and shown[0].shape == (SIZE[1], SIZE[0], 3)
    assert np.abs(shown[0].astype(int) - shown[-1]).mean() > 5  # it went somewhere
    assert "zoom 2 of 2" in ended.err and "drawing the film" in ended.err
    with WorldStore.open("demo/world") as store:
        assert len(store.load().nodes) == 3


def test_then_the_world_is_open_to_the_browser(stage: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[commands.Serve] = []
    monkeypatch.setattr(command, "serve", lambda serve, _maker: asked.append(serve) or 0)
    assert stage.must("demo", "--port", "0") == stage.must("demo", "--once")
    assert asked == [commands.Serve(Path("demo/world"), port=0)]


def test_a_second_run_makes_and_draws_nothing(stage: Desk) -> None:
    stage.must("demo", "--once")
    before = [Path("demo", name).stat().st_mtime_ns for name in ("view.png", "descent.mp4")]
    ended = stage("demo", "--once")
    assert (ended.code, ended.err) == (0, "")
    assert [Path("demo", name).stat().st_mtime_ns for name in ("view.png", "descent.mp4")] == before


def test_an_interrupted_run_goes_on(stage: Desk) -> None:
    stage.must("demo", "--once")
    whole = digest()
    film_of_it = Path("demo/descent.mp4").read_bytes()
    Path("demo").rename("whole")

    def interrupt(number: int) -> None:
        if number == 2:
            raise KeyboardInterrupt

    stage.maker.zooms, stage.maker.before_zoom = 0, interrupt
    assert stage("demo", "--once").code == 130
    assert not Path("demo/descent.mp4").exists()
    stage.maker.zooms, stage.maker.before_zoom = 0, lambda _number: None
    stage.must("demo", "--once")
    assert stage.maker.zooms == 1
    assert digest() == whole
    assert Path("demo/descent.mp4").read_bytes() == film_of_it


@pytest.mark.parametrize("lost", ["view.png", "descent.mp4"])
def test_what_was_deleted_is_drawn_again(stage: Desk, lost: str) -> None:
    stage.must("demo", "--once")
    content = Path("demo", lost).read_bytes()
    Path("demo", lost).unlink()
    stage.must("demo", "--once")
    assert Path("demo", lost).read_bytes() == content


def test_a_film_of_another_world_is_drawn_again(stage: Desk) -> None:
    stage.must("demo", "--once")
    first = Path("demo/descent.mp4").read_bytes()
    Path("shipped/demo.toml").write_text(PLAN + "[[zoom]]\nat = [0.4, 0.5]\nfactor = 2\n")
    stage.must("demo", "--once")
    assert Path("demo/descent.mp4").read_bytes() != first


def test_a_world_of_another_demo_is_left_alone_and_the_line_says_what_to_do(stage: Desk) -> None:
    stage.must("demo", "--once")
    before = digest()
    Path("shipped/demo.toml").write_text("seed = 9\n" + PLAN)
    assert "remove demo/world and call the demo again" in stage.fails("demo")
    assert digest() == before


def test_a_file_in_the_way_is_said(stage: Desk) -> None:
    Path("demo").write_text("mine")
    assert "demo: File exists" in stage.fails("demo")


# ---- what is shipped ----------------------------------------------------------------------------


def test_the_shipped_plan_and_its_pictures_are_whole() -> None:
    with as_file(files("wonderzoom.runtime.demo")) as folder:
        plan = read_plan(folder / command.PLAN)
        assert plan.depth is not None and len(plan.zooms) >= 4
        picture = read_picture(plan.image, plan.short_side)
        depth = read_depth(plan.depth, picture.framing)
        about = json.loads((folder / "meadow.json").read_text())
    assert picture.notes == ()  # nothing had to be cut, enlarged or guessed
    assert 0.05 < depth.sky.mean() < 0.5 and not any("filled" in note for note in depth.notes)
    assert plan.metres_per_unit == about["metres_per_step"]
    assert plan.focal is not None
    width = picture.framing.source[0]
    shown = picture.framing.focal(plan.focal) / picture.framing.scale * about["width"] / width
    assert shown == pytest.approx(about["focal_pixels"], rel=1e-3)


def test_the_shipped_plan_is_one_chain_so_that_its_film_shows_all_of_it() -> None:
    with as_file(files("wonderzoom.runtime.demo")) as folder:
        plan = read_plan(folder / command.PLAN)
    names = ["root", *(zoom.name for zoom in plan.zooms)]
    assert [zoom.parent for zoom in plan.zooms] == names[:-1]
