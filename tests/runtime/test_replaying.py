"""``wonderzoom replay`` as a person uses it, on a session that was recorded in a real room."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import av
import msgspec
import pytest
from desk import Desk, loaded, nodes
from recorded import SECRET, START, visit

from wonderzoom.generation.ablations import Ablations
from wonderzoom.generation.jobs import ZoomRequest
from wonderzoom.runtime.frames import frame_of
from wonderzoom.runtime.recording import (
    AnyRecord,
    Asked,
    Began,
    Left,
    Looked,
    Recording,
    Wish,
    encode,
    opening,
    portion,
)

FILE = "evening.wzr"


@pytest.fixture
def visited(garden: Desk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The garden after a visit, and its recording; made once and copied."""
    made = tmp_path_factory.getbasetemp() / "visited"
    if not made.exists():
        made.mkdir()
        shutil.copytree("garden", made / "garden")
        (made / "secret").write_text(visit(made / "garden", made / FILE))
    shutil.rmtree("garden")
    shutil.copytree(made, ".", dirs_exist_ok=True)
    yield garden


def test_a_session_comes_out_the_same(visited: Desk) -> None:
    before = visited.maker.zooms
    told = visited.must("replay", FILE, "-o", "again")
    assert told.startswith("the same: 3 revisions, 1 zooms made, digest ")
    assert visited.maker.zooms == before + 1, "it was made anew"
    assert loaded("again").digest() == loaded("garden").digest()
    assert "all laws hold" in visited.must("info", "again", "--check")


def test_a_replay_leaves_nothing_unless_it_is_asked_to(visited: Desk) -> None:
    before = sorted(path.name for path in Path().iterdir())
    visited.must("replay", FILE)
    assert sorted(path.name for path in Path().iterdir()) == before


def test_what_comes_out_otherwise_is_told_and_fails(visited: Desk) -> None:
    visited.maker.ablations = Ablations(registration=False)  # another generator, as it were
    ended = visited("replay", FILE, "-o", "again")
    assert ended.code == 1 and "NOT the same" in ended.out
    assert "differs: revision 3 adds" in ended.out and "other bytes" in ended.out


def test_the_world_may_have_grown_since(visited: Desk) -> None:
    visited.must("zoom", "garden", "--at", "0.3,0.3", "--factor", "3")
    assert visited.must("replay", FILE).startswith("the same")


def test_a_recording_says_what_it_holds(visited: Desk) -> None:
    told = visited.must("replay", FILE, "--list")
    assert "session 1: garden from revision 2" in told
    assert "1 zooms asked for, 1 made; 2 times something was removed" in told
    assert "v1: Ant (host), 9 cameras" in told and "v2: Bee (editor), 1 cameras" in told


def test_nothing_secret_is_recorded(visited: Desk) -> None:
    data = Path(FILE).read_bytes()
    assert b"Ant" in data and b"moss" in data
    assert SECRET.encode() not in data and Path("secret").read_bytes() not in data
    assert str(Path.cwd()).encode() not in data


def test_a_torn_tail_is_left_out_and_said(visited: Desk) -> None:
    Path(FILE).write_bytes(Path(FILE).read_bytes()[:-3])
    ended = visited("replay", FILE)
    assert ended.code == 0 and "are not whole" in ended.err
    assert "are not whole" in visited.must("replay", FILE, "--list")


# ---- what can't be ----------------------------------------------------------------------------------
def test_another_world_is_refused(visited: Desk) -> None:
    visited.must("create", "photo.png", "-o", "other")
    assert "began at revision 2" in visited.fails("replay", FILE, "--world", "other")
    visited.must("zoom", "other", "--at", "0.2,0.2", "--factor", "4")
    assert "another world" in visited.fails("replay", FILE, "--world", "other")
    shutil.rmtree("garden")
    assert "--world" in visited.fails("replay", FILE)


def test_what_is_no_recording_is_refused(visited: Desk) -> None:
    data = Path(FILE).read_bytes()
    Path("newer.wzr").write_bytes(data.replace(b"recording 1\n", b"recording 2\n", 1))
    assert "newer version of wonderzoom" in visited.fails("replay", "newer.wzr")
    Path("short.wzr").write_bytes(data[:30])
    assert "nothing was recorded" in visited.fails("replay", "short.wzr")
    assert "no recording" in visited.fails("replay", "photo.png")
    assert "no.wzr" in visited.fails("replay", "no.wzr", "--list")


def test_no_recording_is_written_over(visited: Desk) -> None:
    before = Path(FILE).read_bytes()
    assert "already" in visited.fails("serve", "garden", "--record", FILE)
    assert "no folder" in visited.fails("serve", "garden", "--record", "nowhere/evening.wzr")
    assert Path(FILE).read_bytes() == before


def test_no_file_is_named_by_a_recording(visited: Desk) -> None:
    """Where a recipe's file made the zooms, only its name is recorded, and the file is asked for."""
    place = str(Path.cwd() / "my recipe.toml")
    wish = Wish.of(ZoomRequest(frame_of(nodes()[0], loaded().header)), place)
    assert wish.generator == "my recipe.toml"
    records = list(Recording.open(Path(FILE)).records())
    changed: list[AnyRecord] = [
        msgspec.structs.replace(each, wish=msgspec.structs.replace(each.wish, generator=wish.generator))
        if isinstance(each, Asked | Began)
        else each
        for each in records
    ]
    Path("recipe.wzr").write_bytes(opening(START) + portion([encode(each) for each in changed]))
    assert "--generator" in visited.fails("replay", "recipe.wzr", code=2)
    told = visited.must("replay", "recipe.wzr", "--generator", "planes")
    assert told.startswith("the same")


# ---- films ------------------------------------------------------------------------------------------
def frames_of(path: str) -> list[bytes]:
    with av.open(path) as container:
        return [frame.to_ndarray(format="rgb24").tobytes() for frame in container.decode(video=0)]


def seconds_of(viewer: str) -> float:
    """From the first look of a viewer until they left."""
    records = list(Recording.open(Path(FILE)).records())
    first = next(each.at for each in records if isinstance(each, Looked) and each.viewer == viewer)
    left = next(each.at for each in records if isinstance(each, Left) and each.viewer == viewer)
    return 1e-6 * (left - first)


def test_a_film_shows_what_a_viewer_saw(visited: Desk) -> None:
    visited.must("replay", FILE, "--film", "ant.mp4", "--viewer", "Ant")
    ant = frames_of("ant.mp4")
    assert abs(len(ant) - 30.0 * seconds_of("v1")) <= 1.0
    assert len(set(ant)) > 8, "it flies, and what is new fades in"
    visited.must("replay", FILE, "--film", "bee.mp4", "--viewer", "v2", "--size", "48x32", "--speed", "4")
    bee = frames_of("bee.mp4")
    assert abs(len(bee) - 30.0 * seconds_of("v2") / 4.0) <= 1.0
    assert len(set(bee)) > 2, "who follows sees what the other one sees"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--viewer", "Cow"), "v1 (Ant)"),
        (("--size", "47x32"), "even"),
        (("--session", "7"), "no session 7"),
        (("-o", "again"), "leave out --output"),
        (("--speed", "0"), "0.01"),
    ],
)
def test_a_film_that_can_not_be_is_refused(visited: Desk, options: tuple[str, ...], said: str) -> None:
    assert said in visited.fails("replay", FILE, "--film", "film.mp4", *options, code=2)
    assert not Path("film.mp4").exists()


def test_a_film_is_an_mp4(visited: Desk) -> None:
    assert ".mp4" in visited.fails("replay", FILE, "--film", "film.avi", code=2)
