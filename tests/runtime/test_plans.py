"""Plans: what a file says is what is planned; what it can't mean is one line with file, line and table."""

from pathlib import Path

import pytest
from worlds import first_camera

from wonderzoom.generation.jobs import MAX_PROMPT
from wonderzoom.runtime.camera_file import BadCamera, camera_text
from wonderzoom.runtime.plans import BadPlan, read_plan

GOOD = """
image = "photos/field.jpg"
depth = "field_depth.png"
focal = 28
seed = 7

[[zoom]]
name = "leaf"
at = [0.42, 0.61]
factor = 6
prompt = "a ladybug on a leaf"

[[zoom]]
name = "stone"
parent = "root"
at = [0.1, 0.9]
factor = 4.5
seed = 1
mode = "replace"

[[zoom]]
parent = "leaf"
camera = "close.json"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "plan.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_plan_says_what_its_file_says(tmp_path: Path) -> None:
    camera = first_camera()
    (tmp_path / "close.json").write_text(camera_text(camera))
    plan = read_plan(written(tmp_path, GOOD))
    assert plan.image == tmp_path / "photos" / "field.jpg"
    assert plan.depth == tmp_path / "field_depth.png"
    assert (plan.focal, plan.seed, plan.generator, plan.short_side) == (28.0, 7, "embedded", 512)
    leaf, stone, close = plan.zooms
    assert (leaf.name, leaf.parent, leaf.at, leaf.factor) == ("leaf", "root", (0.42, 0.61), 6.0)
    assert (leaf.prompt, leaf.seed, leaf.mode, leaf.camera) == ("a ladybug on a leaf", 7, "add", None)
    assert (stone.parent, stone.seed, stone.mode) == ("root", 1, "replace")
    assert (close.name, close.parent, close.camera) == ("3", "leaf", camera)


def test_without_a_parent_a_zoom_goes_into_the_one_before_it(tmp_path: Path) -> None:
    zooms = "".join("[[zoom]]\nat = [0.5, 0.5]\nfactor = 4\n" for _ in range(3))
    plan = read_plan(written(tmp_path, f'image = "a.png"\n{zooms}'))
    assert [zoom.parent for zoom in plan.zooms] == ["root", "1", "2"]


def test_a_plan_may_have_no_zooms(tmp_path: Path) -> None:
    assert read_plan(written(tmp_path, 'image = "a.png"')).zooms == ()


def with_zoom(lines: str) -> str:
    zoom = "[[zoom]]\nat = [0.5, 0.5]\nfactor = 4\n"
    return f'image = "a.png"\n\n{zoom}\n[[zoom]]\nname = "moss"\n{lines}\n'


POINT = "at = [0.5, 0.5]\n"
BAD = {
    "not TOML": ("image = \nseed = 1", "not TOML: .*line 1"),
    "no picture": ("seed = 1", "the key 'image' is missing"),
    "an unknown key": ('image = "a.png"\nsede = 1', "line 2: unknown key 'sede'"),
    "an unknown key of a zoom": (
        with_zoom(POINT + "factr = 4"),
        r"line 10: \[\[zoom\]\] 2: unknown key 'factr'",
    ),
    "a word for a number": (
        with_zoom(POINT + 'factor = "big"'),
        r"line 10: \[\[zoom\]\] 2: factor: Expected `float",
    ),
    "three coordinates": (with_zoom("at = [1, 1, 1]\nfactor = 4"), r"\[\[zoom\]\] 2: at: "),
    "an unknown mode": (with_zoom(POINT + 'factor = 4\nmode = "paint"'), r"mode: Invalid enum value 'paint'"),
    "a point outside": (with_zoom("at = [0.5, 1.5]\nfactor = 4"), r"line 7: \[\[zoom\]\] 2 \(moss\): at is"),
    "a point that is not a number": (with_zoom("at = [nan, 0.5]\nfactor = 4"), "at is"),
    "a factor of one": (with_zoom(POINT + "factor = 1"), "factor is 1; 1.41 to 16"),
    "a factor of infinity": (with_zoom(POINT + "factor = inf"), "factor is inf"),
    "a factor that is not a number": (with_zoom(POINT + "factor = nan"), "factor is nan"),
    "no factor": (with_zoom(POINT), r"give at = \[u, v\] and factor"),
    "a camera and a point": (with_zoom(POINT + 'camera = "c.json"'), "either camera or at"),
    "an unknown parent": (
        with_zoom(POINT + 'factor = 4\nparent = "leav"'),
        "no zoom 'leav' above it .*root, 1",
    ),
    "itself as the parent": (with_zoom(POINT + 'factor = 4\nparent = "moss"'), "no zoom 'moss' above it"),
    "a long prompt": (
        with_zoom(POINT + f'factor = 4\nprompt = "{"a" * (MAX_PROMPT + 1)}"'),
        "2001 characters",
    ),
    "a negative seed": (with_zoom(POINT + "factor = 4\nseed = -1"), "seed is -1"),
    "a name that is taken": (with_zoom(POINT + 'factor = 4\n[[zoom]]\nname = "moss"\n'), "'moss' is taken"),
    "the root's name": (with_zoom("").replace('"moss"', '"root"') + POINT + "factor = 2", "'root' is taken"),
    "a focal length of nothing": ('image = "a.png"\nfocal = 0', "focal is 0"),
    "a tiny picture": ('image = "a.png"\nshort_side = 5', "short_side is 5"),
    "a table for a zoom": ('image = "a.png"\n[zoom]\nat = [0, 0]', "zoom: Expected `array`"),
    "nested": ("a = " + "[" * 5000, "TOML|nested"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_plan_is_one_clear_line(tmp_path: Path, name: str) -> None:
    text, expected = BAD[name]
    path = written(tmp_path, text)
    with pytest.raises(BadPlan, match=expected) as caught:
        read_plan(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


def test_a_bad_camera_file_names_itself(tmp_path: Path) -> None:
    with pytest.raises(BadCamera, match=r"c\.json"):
        read_plan(written(tmp_path, with_zoom('camera = "c.json"')))


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadPlan, match="No such file"):
        read_plan(tmp_path / "plan.toml")
    (tmp_path / "plan.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadPlan, match="not text"):
        read_plan(tmp_path / "plan.toml")
