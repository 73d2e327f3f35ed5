"""Bad input at the command line: one clear line on stderr, the right exit code, and nothing is lost."""

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from desk import AT, Desk, loaded, nodes
from PIL import Image

from wonderzoom.generation.jobs import MAX_PROMPT, AlreadyCovered, GenerationError
from wonderzoom.runtime.app import App
from wonderzoom.runtime.camera_file import camera_out
from wonderzoom.runtime.frames import frame_of

PLAN = """
image = "photo.png"
short_side = 64

[[zoom]]
name = "leaf"
at = [0.4, 0.5]
factor = 4
prompt = "leaf unheard"

[[zoom]]
name = "vein"
at = [0.6, 0.5]
factor = 4
"""

# ---- bad command lines: exit code 2 -------------------------------------------------------------

BAD_USAGE = {
    "no command": ([], "name a command"),
    "an unknown command": (["creat"], "did you mean create?"),
    "another unknown command": (["paint"], "there is: demo, create"),
    "an unknown option": (["info", "garden", "--nope"], "--nope; see wonderzoom info --help"),
    "too many words": (["info", "garden", "x"], "x; see wonderzoom info --help"),
    "no output": (["create", "photo.png"], "-o WORLD"),
    "no world": (["info"], "WORLD"),
    "an empty name": (["info", ""], "empty"),
    "an option without its value": (["zoom", "garden", "--prompt"], "--prompt"),
    "an unknown mode": (["zoom", "garden", *AT, "--mode", "paint"], "'paint' for argument '--mode'"),
    "one coordinate": (["zoom", "garden", "--at", "0.5", "--factor", "4"], "--at: '0.5' is no point"),
    "a point outside": (["zoom", "garden", "--at", "1.5,0", "--factor", "4"], "outside the frame"),
    "a negative point": (["zoom", "garden", "--at", "-1,0", "--factor", "4"], "outside the frame"),
    "a point of NaN": (["zoom", "garden", "--at", "nan,0", "--factor", "4"], "no finite number"),
    "a factor of one": (["zoom", "garden", "--at", "0,0", "--factor", "1"], "1.41 to 16"),
    "a factor of infinity": (["zoom", "garden", "--at", "0,0", "--factor", "inf"], "finite"),
    "a factor in words": (["zoom", "garden", "--at", "0,0", "--factor", "big"], "'big' is no number"),
    "a point without a factor": (["zoom", "garden", "--at", "0,0"], "--factor is missing"),
    "a factor without a point": (["zoom", "garden", "--factor", "4"], "--at is missing"),
    "nowhere": (["zoom", "garden"], "say where to zoom"),
    "a pan and a point": (["zoom", "garden", *AT, "--pan", "0.5,0"], "--pan alone"),
    "a pan too far": (["zoom", "garden", "--pan", "1.5,0"], "too far"),
    "half a pan": (["zoom", "garden", "--pan", "0.5"], "0.5,0"),
    "a point and a camera": (["zoom", "garden", *AT, "--camera", "c.json"], "not both"),
    "replace without a node": (["zoom", "garden", *AT, "--mode", "replace"], "needs --node"),
    "a prompt of 100 kB": (["zoom", "garden", *AT, "--prompt", "a" * 100_000], "100,000 characters"),
    "a negative seed": (["create", "photo.png", "-o", "w", "--seed", "-1"], "no seed"),
    "a seed with a fraction": (["create", "photo.png", "-o", "w", "--seed", "1.5"], "no seed"),
    "a huge seed": (["create", "photo.png", "-o", "w", "--seed", "9" * 50], "no seed"),
    "a lens of nothing": (["create", "photo.png", "-o", "w", "--focal", "0"], "4 to 4000"),
    "a lens of NaN": (["create", "photo.png", "-o", "w", "--focal", "nan"], "finite"),
    "a size of one number": (["render", "garden", "-o", "a.png", "--size", "640"], "WIDTHxHEIGHT"),
    "a size of nothing": (["render", "garden", "-o", "a.png", "--size", "0x0"], "16 to 8192"),
    "a huge size": (["render", "garden", "-o", "a.png", "--size", "99999x99999"], "16 to 8192"),
    "an odd film": (["render", "garden", "-o", "a.mp4", "--size", "641x480"], "even"),
    "a kind of file that is not written": (["render", "garden", "-o", "a.gif"], ".png or .mp4"),
    "a path for a picture": (["render", "garden", "-o", "a.png", "--path", "orbit"], "for films"),
    "a camera for a descent": (["render", "garden", "-o", "a.mp4", "--camera", "c.json"], "--path orbit"),
    "a camera and a node": (
        ["render", "garden", "-o", "a.png", "--camera", "c.json", "--node", "x"],
        "one of --camera",
    ),
    "a node for a path of one's own": (
        ["render", "garden", "-o", "a.mp4", "--path", "f.json", "--node", "x"],
        "cameras of its own",
    ),
    "an unknown modulation": (["render", "garden", "-o", "a.png", "--modulation", "x"], "optical_mass"),
}


@pytest.mark.parametrize("name", BAD_USAGE)
def test_a_command_line_that_can_not_be_meant_ends_with_2(desk: Desk, name: str) -> None:
    argv, words = BAD_USAGE[name]
    assert words in desk.fails(*argv, code=2)
    assert (desk.maker.creations, desk.maker.zooms) == (0, 0)


# ---- bad worlds, pictures, cameras: exit code 1 -------------------------------------------------


def test_a_photo_that_is_none_is_refused_before_anything_is_made(desk: Desk) -> None:
    Path("photo.jpg").write_text("not a photo")
    assert "photo.jpg: this is no picture" in desk.fails("create", "photo.jpg", "-o", "garden")
    assert "no such file" in desk.fails("create", "missing.jpg", "-o", "garden")
    Image.new("RGB", (1, 1)).save("dot.png")
    assert "1 x 1 pixels are too few" in desk.fails("create", "dot.png", "-o", "garden")
    assert not Path("garden").exists() and desk.maker.creations == 0


def test_a_depth_map_of_another_shape_names_both_sizes(desk: Desk) -> None:
    np.save("depth.npy", np.ones((50, 50), np.float32))
    line = desk.fails("create", "photo.png", "-o", "garden", "--depth", "depth.npy")
    assert "50 x 50" in line and "96 x 64" in line


def test_a_place_that_is_taken_is_refused_before_anything_is_made(garden: Desk) -> None:
    garden.maker.creations = 0
    assert "there is a world already" in garden.fails("create", "photo.png", "-o", "garden")
    Path("notes").mkdir()
    Path("notes/a.txt").write_text("mine")
    assert "something else" in garden.fails("create", "photo.png", "-o", "notes")
    assert "something else" in garden.fails("create", "photo.png", "-o", "photo.png")
    assert "photo.png is a file" in garden.fails("create", "photo.png", "-o", "photo.png/garden")
    with pytest.MonkeyPatch.context() as patch:  # root may write anywhere
        patch.setattr(os, "access", lambda path, mode: False)
        assert "no permission" in garden.fails("create", "photo.png", "-o", "new")
    assert garden.maker.creations == 0 and Path("notes/a.txt").read_text() == "mine"


def test_an_unknown_generator_is_named_with_those_that_there_are(garden: Desk) -> None:

    with App(1) as app, pytest.MonkeyPatch.context() as patch:
        patch.setattr(garden.maker, "generator_name", app.generator_name)
        line = garden.fails("zoom", "garden", *AT, "--generator", "magic", code=2)
        assert "'magic'" in line and "embedded" in line
        garden.fails("create", "photo.png", "-o", "w", "--generator", "magic", code=2)
        Path("plan.toml").write_text('generator = "magic"\n' + PLAN)
        line = garden.fails("build", "plan.toml", "-o", "w")
        assert line.startswith("wonderzoom: plan.toml: ") and "'magic'" in line


READING = [["info", "w"], ["render", "w", "-o", "a.png"], ["render", "w", "-o", "a.mp4"]]
WRITING = [["zoom", "w", *AT], ["remove", "w", "x"]]


@pytest.mark.parametrize("argv", [*READING, *WRITING], ids=" ".join)
def test_a_world_that_is_missing_is_said(desk: Desk, argv: list[str]) -> None:
    assert "w: there is no such directory" in desk.fails(*argv)
    Path("w").mkdir()
    assert "w: this directory is no world" in desk.fails(*argv)
    Path("w").rmdir()
    Path("w").write_text("")
    assert "w: this is a file, a world is a directory" in desk.fails(*argv)


def make_newer(path: Path) -> None:
    database = sqlite3.connect(path / "world.sqlite")
    database.execute("PRAGMA user_version=99")
    database.close()


@pytest.mark.parametrize("argv", [*READING, *WRITING], ids=" ".join)
def test_a_world_of_a_newer_format_is_said(garden: Desk, argv: list[str]) -> None:
    os.rename("garden", "w")
    make_newer(Path("w"))
    line = garden.fails(*argv)
    assert "newer" in line and "install" in line


HOLD = """
import sys
from wonderzoom.scene_graph.store import WorldStore
with WorldStore.open("garden", write=True):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_world_that_another_process_writes_to_can_be_read_only(garden: Desk) -> None:
    Path("plan.toml").write_text(PLAN)
    command = [sys.executable, "-c", HOLD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        for argv in (
            ["zoom", "garden", *AT],
            ["remove", "garden", "x"],
            ["build", "plan.toml", "-o", "garden"],
        ):
            assert f"process {process.pid} is writing to this world" in garden.fails(*argv)
        garden.must("info", "garden")
        garden.must("render", "garden", "-o", "view.png")
        process.communicate("")


def test_a_world_with_a_lost_file_is_shown_and_repaired_but_not_built_on(garden: Desk) -> None:
    garden.must("zoom", "garden", *AT, "--prompt", "beetle")
    _, lost, below = nodes()
    next(Path("garden/commits").glob("00000002-*")).unlink()
    ended = garden("info", "garden")
    assert ended.code == 0 and "damaged" in ended.out and lost.id in ended.err
    checked = garden("info", "garden", "--check")
    assert checked.code == 1
    garden.must("render", "garden", "-o", "view.png")
    garden.must("render", "garden", "-o", "lost.png", "--node", lost.id)
    assert "damaged (revision 2: its file is missing" in garden.fails("zoom", "garden", *AT)
    assert "damaged" in garden.fails("remove", "garden", below.id)
    garden.must("remove", "garden", lost.id)
    assert garden("info", "garden", "--check").code == 0
    assert loaded().check() == []
    garden.must("zoom", "garden", *AT)


def test_a_changed_byte_is_found(garden: Desk) -> None:
    file = next(Path("garden/commits").glob("00000002-*"))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    ended = garden("info", "garden", "--check", "--json")
    assert ended.code == 1 and "its bytes have changed" in ended.err
    assert list(json.loads(ended.out)["check"]["damaged"]) == [nodes()[-1].id]


def test_a_changed_view_is_found_by_who_needs_it(garden: Desk) -> None:
    """Whoever only draws does not; a zoom on it says whose it is, and what to do; without the node all is well."""
    file = next(Path("garden/commits").glob("00000002-*"))
    content = bytearray(file.read_bytes())
    length = int.from_bytes(content[:8], "little")
    content[8 + length + json.loads(content[8 : 8 + length])["view.0.0.mask"]["data_offsets"][0]] ^= 1
    file.write_bytes(content)
    lost = nodes()[-1].id
    garden.must("render", "garden", "-o", "view.png")
    said = garden.fails("zoom", "garden", *AT, "--node", lost)
    assert f"garden: the world is damaged (view 0 of node '{lost}' is lost: its bytes have changed" in said
    assert said.rstrip().endswith(f"restore that file from a backup, or remove the lost node {lost}")
    garden.must("remove", "garden", lost)
    garden.must("zoom", "garden", *AT)
    assert loaded().check() == []


def test_a_node_that_is_not_there_is_said(garden: Desk) -> None:
    for argv in (
        ["zoom", "garden", *AT, "--node", "nobody"],
        ["zoom", "garden", "--mode", "replace", "--node", "nobody"],
        ["render", "garden", "-o", "a.png", "--node", "nobody"],
        ["render", "garden", "-o", "a.mp4", "--node", "nobody"],
        ["remove", "garden", "nobody"],
    ):
        line = garden.fails(*argv)
        assert "garden: there is no node 'nobody'" in line and "wonderzoom info" in line


def test_the_root_stays(garden: Desk) -> None:
    root = nodes()[0]
    assert "is the root" in garden.fails("remove", "garden", root.id)
    assert "is the root" in garden.fails("zoom", "garden", "--mode", "replace", "--node", root.id)
    assert len(nodes()) == 2


def test_a_film_of_a_world_without_zooms_says_what_to_do(desk: Desk) -> None:
    desk.must("create", "photo.png", "-o", "garden")
    assert "zoom in first" in desk.fails("render", "garden", "-o", "a.mp4")


def test_nothing_is_drawn_for_a_place_that_can_not_be_written(garden: Desk) -> None:
    assert "no folder" in garden.fails("render", "garden", "-o", "missing/a.png")
    Path("a.png").mkdir()
    assert "this is a folder" in garden.fails("render", "garden", "-o", "a.png")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ln_distance": float("nan")}, "ln_distance is nan"),
        ({"quat": [0.0, 0.0, 0.0, 0.0]}, "not a rotation"),
        ({"quat": [float("nan"), 0.0, 0.0, 0.0]}, "finite numbers, got (nan"),
        ({"width": 0}, "0 x 64 pixels"),
        ({"cx": float("inf")}, "finite numbers"),
        ({"colour": 1}, "colour"),
    ],
    ids=["NaN", "singular", "NaN turn", "no width", "infinite", "unknown field"],
)
def test_a_camera_that_is_none_is_said_with_its_file(garden: Desk, change: dict, words: str) -> None:
    values = camera_out(frame_of(nodes()[-1], loaded().header))
    Path("c.json").write_text(json.dumps(values | change))
    Path("f.json").write_text(json.dumps([{"camera": values | change, "seconds": 1}]))
    for argv in (
        ["zoom", "garden", "--camera", "c.json"],
        ["render", "garden", "-o", "a.png", "--camera", "c.json"],
        ["render", "garden", "-o", "a.mp4", "--path", "f.json"],
    ):
        line = garden.fails(*argv)
        assert words in line and ("c.json: " in line or "f.json: camera 1: " in line)
    assert len(nodes()) == 2


def test_a_camera_of_very_many_pixels_is_drawn_smaller_or_not_at_all(garden: Desk) -> None:
    values = camera_out(frame_of(nodes()[-1], loaded().header))
    Path("c.json").write_text(json.dumps(values | {"width": 10**9, "height": 10**9}))
    assert "1000000000 x 1000000000" in garden.fails("render", "garden", "-o", "a.png", "--camera", "c.json")
    Path("c.json").write_text(json.dumps(values | {"width": 16000, "height": 16000}))
    assert "give --size" in garden.fails("render", "garden", "-o", "a.png", "--camera", "c.json")
    garden.must("render", "garden", "-o", "a.png", "--camera", "c.json", "--size", "64x64")


@pytest.mark.parametrize(
    "prompt", ["🐞 on a 🍀", "ein Marienkäfer auf einem Blatt", "一只瓢虫", "\x1b[31mred", "a" * MAX_PROMPT]
)
def test_a_prompt_in_any_language_is_kept_as_it_is(garden: Desk, prompt: str) -> None:
    garden.must("zoom", "garden", *AT, "--prompt", prompt)
    assert nodes()[-1].prompt == prompt
    out = garden.must("info", "garden")
    assert "\x1b" not in out


def test_what_generation_can_not_do_is_one_line_and_changes_nothing(garden: Desk) -> None:
    def fail(number: int) -> None:
        raise GenerationError("depth", "no depth\nat all")

    garden.maker.before_zoom = fail
    assert garden.fails("zoom", "garden", *AT) == "wonderzoom: depth: no depth at all"

    def covered(number: int) -> None:
        raise AlreadyCovered(nodes()[-1].id)

    garden.maker.before_zoom = covered
    assert "already shows this place" in garden.fails("zoom", "garden", *AT)
    assert loaded().revision == 2


def test_ctrl_c_ends_with_130_and_keeps_what_was_there(garden: Desk) -> None:
    def interrupt(number: int) -> None:
        raise KeyboardInterrupt

    garden.maker.before_zoom = interrupt
    ended = garden("zoom", "garden", *AT)
    assert ended.code == 130 and ended.line == "wonderzoom: interrupted"
    assert loaded().revision == 2


def test_a_mistake_of_ours_keeps_its_traceback(garden: Desk) -> None:
    def bug(number: int) -> None:
        raise ZeroDivisionError("ours")

    garden.maker.before_zoom = bug
    with pytest.raises(ZeroDivisionError):
        garden("zoom", "garden", *AT)
