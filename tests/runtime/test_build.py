"""Plans carried out: everything once, whatever happens in between, and the same world in the end."""

import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from plane_maker import GENERATOR, PlaneMaker, PointRenderer, request

from wonderzoom.generation.jobs import GenerationError, Watch
from wonderzoom.runtime.build import Built, OtherWorld, build, check_free
from wonderzoom.runtime.camera_file import camera_text
from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.frames import frame_of
from wonderzoom.runtime.plans import Plan, read_plan
from wonderzoom.runtime.progress import Reporter
from wonderzoom.scene_graph.hops import zoom_ln
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.store_errors import WorldExists, WorldLocked
from wonderzoom.scene_graph.world import World

TREE = """
image = "picture.png"

[[zoom]]
name = "meadow"
at = [0.3, 0.4]
factor = 4
prompt = "grass"

[[zoom]]
name = "stem"
at = [0.6, 0.5]
factor = 6
prompt = "unheard stem"

[[zoom]]
name = "pond"
parent = "root"
at = [0.8, 0.7]
factor = 3

[[zoom]]
name = "drop"
parent = "meadow"
at = [0.5, 0.5]
factor = 2
seed = 3
"""


@pytest.fixture
def maker() -> PlaneMaker:
    return PlaneMaker(PointRenderer(), Reporter(lambda: 0.0, io.StringIO()))


def plan(folder: Path, text: str = TREE) -> Plan:
    path = folder / "plan.toml"
    path.write_text(text)
    return read_plan(path)


def loaded(path: Path) -> World:
    with WorldStore.open(path) as store:
        return store.load()


def test_a_build_makes_the_tree_of_the_plan(tmp_path: Path, maker: PlaneMaker) -> None:
    built = build(plan(tmp_path), request(), tmp_path / "world", maker)
    world = loaded(tmp_path / "world")
    assert world.revision == len(world.nodes) == 5
    names = {node: name for name, node in built.nodes.items()}
    parents = {names[n.id]: names[n.parent] for n in world.nodes.values() if n.parent}
    assert parents == {"meadow": "root", "stem": "meadow", "pond": "root", "drop": "meadow"}
    asked = {names[n.id]: (n.prompt, n.seed) for n in world.nodes.values()}
    assert asked["stem"] == ("unheard stem", 0) and asked["drop"] == ("", 3)
    assert built.made == ("meadow", "stem", "pond", "drop")
    assert built.ignored == {"stem": ("unheard",)}


def test_each_zoom_is_where_the_plan_points(tmp_path: Path, maker: PlaneMaker) -> None:
    asked = plan(tmp_path)
    built = build(asked, request(), tmp_path / "world", maker)
    world = loaded(tmp_path / "world")
    for zoom in asked.zooms:
        frame = frame_of(world.node(built.nodes[zoom.parent]), world.header)
        mine = frame_of(world.node(built.nodes[zoom.name]), world.header)
        assert (mine.width, mine.height) == (96, 64)
        uv, _ = frame.project(frame.view_point(mine.pivot))
        assert uv == pytest.approx([zoom.at[0] * 96, zoom.at[1] * 64], abs=1e-3)
        assert 2.718281828 ** zoom_ln(frame, mine) == pytest.approx(zoom.factor, rel=1e-6)


def test_a_second_build_finds_everything_done(tmp_path: Path, maker: PlaneMaker) -> None:
    first = build(plan(tmp_path), request(), tmp_path / "world", maker)
    again = build(plan(tmp_path), request(), tmp_path / "world", maker)
    assert again == Built(first.nodes, (), {})
    assert (maker.creations, maker.zooms) == (1, 4)


def test_a_longer_plan_adds_what_is_new(tmp_path: Path, maker: PlaneMaker) -> None:
    first = build(plan(tmp_path), request(), tmp_path / "world", maker)
    more = TREE + '\n[[zoom]]\nname = "eye"\nparent = "stem"\nat = [0.5, 0.5]\nfactor = 4\n'
    again = build(plan(tmp_path, more), request(), tmp_path / "world", maker)
    assert again.made == ("eye",)
    assert first.nodes.items() <= again.nodes.items()


@pytest.mark.parametrize("step", [1, 2, 3, 4])
def test_an_interrupted_build_goes_on_and_ends_in_the_same_world(
    tmp_path: Path, maker: PlaneMaker, step: int
) -> None:
    def interrupt(number: int) -> None:
        if number == step:
            raise KeyboardInterrupt

    asked = plan(tmp_path)
    build(asked, request(), tmp_path / "whole", maker)
    maker.zooms, maker.before_zoom = 0, interrupt
    with pytest.raises(KeyboardInterrupt):
        build(asked, request(), tmp_path / "cut", maker)
    assert loaded(tmp_path / "cut").revision == step
    maker.zooms, maker.before_zoom = 0, lambda _number: None
    again = build(asked, request(), tmp_path / "cut", maker)
    assert len(again.made) == maker.zooms == 5 - step
    assert loaded(tmp_path / "cut").digest() == loaded(tmp_path / "whole").digest()


KILLED = """
import io, os, signal, sys
from pathlib import Path
from plane_maker import PlaneMaker, PointRenderer, request
from wonderzoom.runtime.build import build
from wonderzoom.runtime.plans import read_plan
from wonderzoom.runtime.progress import Reporter

def kill(number):
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)

folder = Path(sys.argv[1])
maker = PlaneMaker(PointRenderer(), Reporter(lambda: 0.0, io.StringIO()))
maker.before_zoom = kill
build(read_plan(folder / "plan.toml"), request(), folder / "world", maker)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
def test_a_killed_build_goes_on_and_ends_in_the_same_world(tmp_path: Path, maker: PlaneMaker) -> None:
    asked = plan(tmp_path)
    support = Path(__file__).resolve().parent.parent / "support"
    result = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path)],
        env=os.environ | {"PYTHONPATH": str(support)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == -signal.SIGKILL, result.stderr
    assert loaded(tmp_path / "world").revision == 3
    assert build(asked, request(), tmp_path / "world", maker).made == ("pond", "drop")
    build(asked, request(), tmp_path / "whole", maker)
    assert loaded(tmp_path / "world").digest() == loaded(tmp_path / "whole").digest()


def test_a_world_that_was_begun_and_never_finished_is_finished(tmp_path: Path, maker: PlaneMaker) -> None:
    created = maker.create("planes", request(), Watch())
    WorldStore.create(tmp_path / "world", created.header).close()
    check_free(tmp_path / "world")
    assert len(build(plan(tmp_path), request(), tmp_path / "world", maker).made) == 4


def test_a_changed_prompt_adds_a_sibling_or_in_the_mode_replace_takes_the_place(
    tmp_path: Path, maker: PlaneMaker
) -> None:
    first = build(plan(tmp_path), request(), tmp_path / "world", maker)
    added = build(plan(tmp_path, TREE.replace('"grass"', '"moss"')), request(), tmp_path / "world", maker)
    assert first.nodes["meadow"] != added.nodes["meadow"]
    world = loaded(tmp_path / "world")
    assert {n.prompt for n in world.children(first.nodes["root"])} == {"grass", "moss", ""}
    # In the mode "replace" what an earlier build made there goes, with what was built on it.
    text = TREE.replace('prompt = "grass"', 'prompt = "sand"\nmode = "replace"')
    replaced = build(plan(tmp_path, text), request(), tmp_path / "other", maker)
    assert len(loaded(tmp_path / "other").nodes) == 5
    text = text.replace("sand", "clay")
    again = build(plan(tmp_path, text), request(), tmp_path / "other", maker)
    assert again.made == ("meadow", "stem", "drop")
    world = loaded(tmp_path / "other")
    assert len(world.nodes) == 5 and replaced.nodes["meadow"] not in world.nodes
    assert build(plan(tmp_path, text), request(), tmp_path / "other", maker).made == ()


def test_another_picture_seed_or_generator_needs_another_directory(tmp_path: Path, maker: PlaneMaker) -> None:
    build(plan(tmp_path), request(), tmp_path / "world", maker)
    with pytest.raises(OtherWorld, match="another picture"):
        build(plan(tmp_path), request(1), tmp_path / "world", maker)
    with pytest.raises(OtherWorld, match="another prompt or seed"):
        build(plan(tmp_path, "seed = 9\n" + TREE), request(), tmp_path / "world", maker)
    maker.generator_name = lambda generator: "planes/2"
    with pytest.raises(OtherWorld, match=GENERATOR):
        build(plan(tmp_path), request(), tmp_path / "world", maker)


def test_something_else_at_the_place_is_refused_before_anything_is_made(
    tmp_path: Path, maker: PlaneMaker
) -> None:
    (tmp_path / "world").mkdir()
    (tmp_path / "world" / "notes.txt").write_text("mine")
    with pytest.raises(WorldExists):
        build(plan(tmp_path), request(), tmp_path / "world", maker)
    assert maker.creations == 0


def test_a_world_that_another_program_writes_to_is_refused(tmp_path: Path, maker: PlaneMaker) -> None:
    build(plan(tmp_path), request(), tmp_path / "world", maker)
    with WorldStore.open(tmp_path / "world", write=True), pytest.raises(WorldLocked):
        build(plan(tmp_path), request(), tmp_path / "world", maker)


def test_a_damaged_world_is_not_built_on(tmp_path: Path, maker: PlaneMaker) -> None:
    build(plan(tmp_path), request(), tmp_path / "world", maker)
    next((tmp_path / "world" / "commits").glob("00000003-*")).unlink()
    with pytest.raises(OtherWorld, match="damaged.*missing"):
        build(plan(tmp_path), request(), tmp_path / "world", maker)


def test_a_changed_column_is_found_by_who_needs_it(tmp_path: Path, maker: PlaneMaker) -> None:
    """Blocks are read when a zoom looks at them, and not before."""
    path = tmp_path / "world"
    build(plan(tmp_path), request(), path, maker)
    root = next((path / "commits").glob("00000001-*"))
    content = bytearray(root.read_bytes())
    length = int.from_bytes(content[:8], "little")
    start, end = json.loads(content[8 : 8 + length])["surfels.means"]["data_offsets"]
    for at in range(8 + length + start, 8 + length + end, 97):
        content[at] ^= 1
    root.write_bytes(content)
    assert build(plan(tmp_path), request(), path, maker).made == ()
    more = TREE + '\n[[zoom]]\nname = "fern"\nparent = "root"\nat = [0.5, 0.8]\nfactor = 4\n'
    other = PlaneMaker(PointRenderer(), maker.reporter)  # ... who has not read it yet
    with pytest.raises(OtherWorld, match="damaged.*is lost"):
        build(plan(tmp_path, more), request(), path, other)


def test_an_error_of_generation_says_where_in_the_plan(tmp_path: Path, maker: PlaneMaker) -> None:
    def fail(number: int) -> None:
        if number == 2:
            raise GenerationError("depth", "no depth")

    maker.before_zoom = fail
    with pytest.raises(CommandError, match=r"plan\.toml: line 10: \[\[zoom\]\] 2 \(stem\): depth: no depth"):
        build(plan(tmp_path), request(), tmp_path / "world", maker)
    assert loaded(tmp_path / "world").revision == 2


def test_a_zoom_at_a_camera_is_found_again(tmp_path: Path, maker: PlaneMaker) -> None:
    text = TREE + '\n[[zoom]]\nparent = "pond"\ncamera = "away.json"\n'
    created = maker.create("planes", request(), Watch())
    camera = created.commit.added[0].main.camera
    (tmp_path / "away.json").write_text(camera_text(camera.orbited(3.0, 0.0)))
    build(plan(tmp_path, text), request(), tmp_path / "world", maker)  # planes are made anywhere
    assert build(plan(tmp_path, text), request(), tmp_path / "world", maker).made == ()
