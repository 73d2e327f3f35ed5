"""The command line: what is asked for happens, and results are where programs and people expect them."""

import importlib.metadata
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
from desk import AT, Desk, loaded, nodes
from PIL import Image

from wonderzoom.runtime import cli, film
from wonderzoom.runtime.camera_file import camera_out, camera_text
from wonderzoom.runtime.commands import BESIDE, COMMANDS
from wonderzoom.runtime.frames import frame_of

SUPPORT = Path(__file__).resolve().parent.parent / "support"
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


def test_a_program_that_reads_the_log_can_read_the_last_line_too(desk: Desk) -> None:
    ended = desk("serve", "nowhere", "--log-format", "json")
    (said,) = [json.loads(line) for line in ended.err.splitlines()]
    assert ended.code == 1 and said["level"] == "error" and "no such file" in said["event"]
    assert ended.out == "" and said["logger"] == "wonderzoom.runtime.cli"


# ---- what is asked for happens ------------------------------------------------------------------


def test_a_photo_becomes_a_world(desk: Desk) -> None:
    out = desk.must("create", "photo.png", "-o", "garden", "--focal", "30", "--seed", "7")
    (root,) = nodes()
    assert root.id in out and "garden" in out
    assert root.seed == 7 and root.main.image is not None
    np.testing.assert_array_equal(root.main.image, np.asarray(Image.open("photo.png")))


def test_words_become_a_world_where_the_generator_makes_pictures(desk: Desk) -> None:
    desk.must(
        "create", "--prompt", "a walled garden", "-o", "garden", "--generator", "painter", "--seed", "3"
    )
    (root,) = nodes()
    assert (root.prompt, root.seed) == ("a walled garden", 3)
    assert root.main.image is not None and root.main.image.shape == (64, 96, 3)
    ended = desk("create", "--prompt", "a walled garden", "-o", "other")
    assert ended.code == 2 and "makes no pictures from words" in ended.err and not Path("other").exists()
    for argv, said in (
        (["-o", "other"], "give an IMAGE, or say in words"),
        (["-o", "other", "--prompt", "x", "--focal", "30"], "belong to an IMAGE"),
    ):
        ended = desk("create", *argv)
        assert ended.code == 2 and said in ended.err


def test_words_about_a_photo_are_kept_with_it(desk: Desk) -> None:
    desk.must("create", "photo.png", "-o", "garden", "--prompt", "a leaf in the sun")
    assert nodes()[0].prompt == "a leaf in the sun"


def test_a_depth_map_and_a_lens_reach_generation(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    depth = np.full((64, 96), 3.0, np.float32)
    depth[:10] = np.inf
    np.save("depth.npy", depth)
    asked = []
    create = desk.maker.create
    monkeypatch.setattr(
        desk.maker,
        "create",
        lambda name, request, watch: (asked.append(request), create(name, request, watch))[1],
    )
    desk.must("create", "photo.png", "-o", "garden", "--depth", "depth.npy", "--focal", "43.2666")
    (request,) = asked
    np.testing.assert_array_equal(request.depth, np.full((64, 96), 3.0))
    assert request.sky[:10].all() and not request.sky[10:].any()
    assert request.focal == pytest.approx(np.hypot(96, 64), rel=1e-4)


def test_a_zoom_is_at_the_point_of_the_newest_node(garden: Desk) -> None:
    out = garden.must(
        "zoom", "garden", "--at", "0.25,0.75", "--factor", "3", "--prompt", "moss unicorn", "--seed", "5"
    )
    _, first, second = nodes()
    assert second.parent == first.id and (second.prompt, second.seed) == ("moss unicorn", 5)
    world = loaded()
    frame = frame_of(first, world.header)
    uv, _ = frame.project(frame.view_point(frame_of(second, world.header).pivot))
    assert uv == pytest.approx([24, 48], abs=1e-3)
    assert second.id in out and "placed: moss" in out and "unicorn" in out.splitlines()[-1]


def test_a_zoom_may_name_its_parent(garden: Desk) -> None:
    root, _ = nodes()
    garden.must("zoom", "garden", *AT, "--node", root.id, "--prompt", "sand")
    assert nodes()[-1].parent == root.id


def test_a_zoom_prints_json_for_programs(garden: Desk) -> None:
    values = json.loads(garden.must("zoom", "garden", *AT, "--prompt", "grass unknown", "--json"))
    _, parent, node = nodes()
    assert (values["node"], values["parent"], values["revision"]) == (node.id, parent.id, 3)
    assert (values["placed"], values["ignored"]) == (["grass"], ["unknown"])
    assert values["magnification"] == pytest.approx(16.0, rel=0.05)


def test_a_zoom_takes_a_camera_file(garden: Desk) -> None:
    world = loaded()
    camera = frame_of(nodes()[-1], world.header).zoomed(2.0)
    Path("close.json").write_text(camera_text(camera))
    garden.must("zoom", "garden", "--camera", "close.json")
    assert frame_of(nodes()[-1], world.header) == camera


def test_replace_generates_the_same_view_again_in_one_revision(garden: Desk) -> None:
    _, old = nodes()
    garden.must("zoom", "garden", *AT, "--prompt", "beetle")
    garden.must("zoom", "garden", "--mode", "replace", "--node", old.id, "--prompt", "gravel")
    world = loaded()
    root, new = world.nodes.values()
    assert world.revision == 4 and new.parent == root.id and new.prompt == "gravel"
    assert frame_of(new, world.header) == frame_of(old, world.header)


def test_remove_takes_a_node_and_all_below_it(garden: Desk) -> None:
    _, first = nodes()
    garden.must("zoom", "garden", *AT)
    out = garden.must("remove", "garden", first.id)
    assert len(nodes()) == 1 and first.id in out
    assert loaded().check() == []


def test_undo_and_redo_take_each_other_back_in_later_runs(garden: Desk) -> None:
    _, first = nodes()
    garden.must("zoom", "garden", *AT)
    whole = loaded().digest()
    assert "removed node" in garden.must("undo", "garden") and len(nodes()) == 2
    assert f"removed node {first.id}; 1 left" in garden.must("undo", "garden", first.id)
    assert "there is nothing to undo" in garden.fails("undo", "garden")
    assert f"brought back node {first.id}" in garden.must("redo", "garden", first.id)
    garden.must("redo", "garden")
    assert loaded().digest() == whole
    assert "there is nothing to redo" in garden.fails("redo", "garden")
    assert "is the root" in garden.fails("undo", "garden", nodes()[0].id)


def test_a_replacement_and_a_removal_are_undone_in_one_step(garden: Desk) -> None:
    _, old = nodes()
    garden.must("zoom", "garden", *AT)
    before = loaded().digest()
    garden.must("zoom", "garden", "--mode", "replace", "--node", old.id, "--prompt", "gravel")
    out = garden.must("undo", "garden")
    assert "removed node" in out and "brought back 2 nodes" in out and loaded().digest() == before
    garden.must("remove", "garden", old.id)
    assert "brought back 2 nodes" in garden.must("undo", "garden") and loaded().digest() == before


def test_a_plan_is_built_and_a_second_build_has_nothing_to_do(desk: Desk) -> None:
    Path("plan.toml").write_text(PLAN)
    out = desk.must("build", "plan.toml", "-o", "garden")
    assert "2 of 2 zooms" in out and "unheard" in out
    assert all(node.id in out for node in nodes())
    digest = loaded().digest()
    assert "nothing left to do" in desk.must("build", "plan.toml", "-o", "garden")
    assert loaded().digest() == digest


def test_the_same_seed_and_inputs_make_the_same_world(garden: Desk) -> None:
    garden.must("create", "photo.png", "-o", "again", "--focal", "30")
    garden.must("zoom", "again", *AT, "--prompt", "moss")
    assert loaded("again").digest() == loaded().digest()
    garden.must("create", "photo.png", "-o", "other", "--focal", "30", "--seed", "1")
    assert loaded("other").digest() != loaded().digest()


def test_info_shows_the_tree_to_people_and_json_to_programs(garden: Desk) -> None:
    out = garden.must("info", "garden")
    assert all(node.id in out for node in nodes()) and "'moss'" in out
    values = json.loads(garden.must("info", "garden", "--json"))
    assert [node["id"] for node in values["nodes"]] == [node.id for node in nodes()]
    assert set(values) == {"revision", "memory_bytes", "nodes"}


def test_check_asks_whether_the_laws_hold_and_gives_the_digest(garden: Desk) -> None:
    assert f"all laws hold, digest {loaded().digest()}" in garden.must("info", "garden", "--check")
    values = json.loads(garden.must("info", "garden", "--check", "--json"))
    assert values["check"] == {"damaged": {}, "wrong": [], "digest": loaded().digest()}


def test_holes_are_looked_for_in_pictures(garden: Desk) -> None:
    assert "no node opens a hole in its frame" in garden.must("info", "garden", "--holes")
    assert json.loads(garden.must("info", "garden", "--holes", "--json"))["holes"] == []


def test_verify_asks_whether_the_files_are_what_was_written(garden: Desk) -> None:
    size = sum(file.stat().st_size for file in Path("garden/commits").iterdir())
    line = f"2 files, {size:,} bytes: every byte is as it was written"
    assert line in garden.must("info", "garden", "--verify")
    values = json.loads(garden.must("info", "garden", "--verify", "--json"))
    assert values["verify"] == {"commits": 2, "size": size, "wrong": [], "beside": []}
    file = sorted(Path("garden/commits").iterdir())[1]
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    ended = garden("info", "garden", "--verify")
    assert ended.code == 1 and f"garden: {file.name}: its bytes have changed" in ended.err
    assert line not in ended.out
    assert garden("info", "garden", "--check").code == 1  # a lost node breaks laws, too
    assert garden("info", "garden").code == 0


@pytest.mark.parametrize("size", [None, (50, 70)])
def test_a_picture_shows_the_newest_node_in_the_size_that_is_asked_for(
    garden: Desk, size: tuple[int, int] | None
) -> None:
    option = () if size is None else ("--size", f"{size[0]}x{size[1]}")
    assert garden.must("render", "garden", "-o", "view.png", *option).strip() == "view.png"
    with Image.open("view.png") as image:
        assert image.size == (size or (96, 64))
    first = Path("view.png").read_bytes()
    garden.must("render", "garden", "-o", "view.png", *option, "--node", nodes()[0].id)
    assert Path("view.png").read_bytes() != first


def test_a_picture_is_drawn_from_a_camera_file(garden: Desk) -> None:
    frame = frame_of(nodes()[-1], loaded().header)
    Path("c.json").write_text(camera_text(frame))
    garden.must("render", "garden", "-o", "a.png", "--camera", "c.json")
    garden.must("render", "garden", "-o", "b.png")
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


def frames_of(path: str) -> tuple[int, int, int]:
    with av.open(path) as container:
        stream = container.streams.video[0]
        return stream.frames, stream.width, stream.height


def test_a_film_is_the_descent_an_orbit_or_a_path_of_ones_own(
    garden: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(film, "FPS", 5)
    assert garden.must("render", "garden", "-o", "d.mp4", "--size", "48x32").strip() == "d.mp4"
    frames, *size = frames_of("d.mp4")
    assert size == [48, 32] and frames > 10
    garden.must("render", "garden", "-o", "o.mp4", "--path", "orbit", "--size", "48x32")
    assert frames_of("o.mp4") == (31, 48, 32)
    root, leaf = (camera_out(frame_of(node, loaded().header)) for node in nodes())
    stops = [{"camera": root, "seconds": 0}, {"camera": leaf, "seconds": 0.5}]
    Path("flight.json").write_text(json.dumps(stops))
    garden.must("render", "garden", "-o", "f.mp4", "--path", "flight.json")
    assert frames_of("f.mp4") == (3, 96, 64)


def test_the_doctor_has_a_line_for_each_thing_and_the_verdict_in_its_exit_code(desk: Desk) -> None:
    out = desk.must("doctor")
    assert "Python" in out and "kernel cache" in out
    assert {line.split()[0] for line in out.splitlines()[:-1]} <= {"ok", "note", "warning"}


# ---- help ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("argv", [["--help"], ["-h"], ["help"]])
def test_help_lists_every_command(desk: Desk, argv: list[str]) -> None:
    out = desk.must(*argv)
    assert all(f"  {name} " in out for name in (*COMMANDS, *BESIDE))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_an_example_that_can_be_parsed(desk: Desk, name: str) -> None:
    out = desk.must(name, "--help")
    examples = [line.strip() for line in out.splitlines() if line.strip().startswith(f"wonderzoom {name}")]
    assert examples
    for example in examples:
        assert isinstance(cli.parse(shlex.split(example)[1:]), COMMANDS[name])
    assert "(default: None)" not in out


@pytest.mark.parametrize(("name", "summary"), BESIDE.items())
def test_a_command_of_a_program_beside_has_help_that_begins_as_the_overview_says(
    desk: Desk, name: str, summary: str
) -> None:
    usage, _, said, *_ = desk.must(name, "--help").splitlines()
    assert usage.startswith(f"usage: wonderzoom {name} ") and said == summary


def test_a_command_of_a_program_beside_gets_its_words_and_decides_the_exit_code(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert desk("load").code == 2  # the link is missing
    ended = desk("load", "nonsense", "--viewers", "2")
    assert (ended.code, ended.out) == (2, "") and ended.line.startswith("wonderzoom load: a link looks like")
    monkeypatch.setitem(BESIDE, "elsewhere", "Registered by nobody.")
    assert "install wonderzoom-runtime anew" in desk.fails("elsewhere")


def test_the_version_is_that_of_the_package(desk: Desk) -> None:
    assert desk.must("--version").strip() == importlib.metadata.version("wonderzoom-runtime")


LOADED = """
import sys
from wonderzoom.runtime.cli import main
code = main(sys.argv[1:])
print(code, *sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""
HEAVY = {"numba", "llvmlite", "cv2", "av", "scipy", "torch", "PIL"}


@pytest.mark.parametrize("argv", [["--help"], ["zoom", "--help"], ["info", "garden"]], ids=" ".join)
def test_quick_commands_load_nothing_heavy(garden: Desk, argv: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-c", LOADED, *argv], capture_output=True, text=True, check=False
    )
    code, *names = result.stderr.split()
    assert code == "0" and result.stdout
    assert HEAVY.isdisjoint(names)


# ---- as a process -------------------------------------------------------------------------------

MAIN = """
import io, resource, sys
from contextlib import nullcontext
from plane_maker import PlaneMaker, PointRenderer
from wonderzoom.runtime import authoring
from wonderzoom.runtime.cli import main
from wonderzoom.runtime.progress import Reporter
authoring.SHORT_SIDE = 64
limit = int(sys.argv.pop(1))
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
sys.exit(main(None, lambda: nullcontext(PlaneMaker(PointRenderer(), Reporter(lambda: 0.0)))))
"""


def process(*argv: str, limit: int = 0, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", MAIN, str(limit), *argv],
        env=os.environ | {"PYTHONPATH": str(SUPPORT)},
        capture_output=True,
        text=True,
        check=False,
        **options,  # type: ignore[arg-type]
    )


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX")
def test_a_full_disk_is_one_clear_line_and_nothing_is_lost(garden: Desk) -> None:
    for argv in (["zoom", "garden", *AT], ["create", "photo.png", "-o", "second"]):
        result = process(*argv, limit=60_000)
        assert result.returncode == 1, result.stderr
        line = result.stderr.splitlines()[-1]
        assert line.startswith("wonderzoom: ") and "File too large; free some space" in line
        assert "Traceback" not in result.stderr and result.stdout == ""
    assert loaded().revision == 2
    garden.must("zoom", "garden", *AT)
    garden.must("create", "photo.png", "-o", "second")  # what the full disk cut short is finished
    assert garden("info", "second", "--check").code == 0


def test_results_go_to_stdout_and_progress_to_stderr(garden: Desk) -> None:
    result = process("zoom", "garden", *AT, "--prompt", "🐞 moss", "--json")
    assert result.returncode == 0
    assert json.loads(result.stdout)["placed"] == ["🐞", "moss"]
    assert "upscale" in result.stderr


CLOSED = """
import os, subprocess, sys
read, write = os.pipe()
os.close(read)
command = [sys.executable, "-m", "wonderzoom.runtime.cli", "info", "garden"]
sys.exit(subprocess.run(command, stdout=write).returncode)
"""


def test_a_reader_that_goes_away_is_no_traceback(garden: Desk) -> None:
    result = subprocess.run([sys.executable, "-c", CLOSED], capture_output=True, text=True, check=False)
    assert result.returncode == 1 and result.stderr == ""
