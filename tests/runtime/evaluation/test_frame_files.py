"""Frames on disk: what is written can be read and scored, and what is missing is named."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wonderzoom.runtime.camera_file import read_camera
from wonderzoom.runtime.evaluation.frame_files import (
    CAMERAS,
    BadFrames,
    as_floats,
    cameras_out,
    check_frames,
    folder_of,
    read_frames,
    write_frames,
)
from wonderzoom.runtime.evaluation.views import zoom_cameras
from wonderzoom.scene_graph.camera import initial_camera

PARENT = initial_camera(40.0, 24, 16, -1.6)
ZOOM = zoom_cameras(PARENT, PARENT.zoomed(4.0), 10.0)


def pictures() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: rng.integers(0, 256, (16, 24, 3), dtype=np.uint8) for name in ZOOM.named}


def test_frames_that_were_written_are_read_again(tmp_path: Path) -> None:
    ours = pictures()
    folder = folder_of(tmp_path, "garden", "leaf")
    write_frames(folder, ZOOM, ours, "a leaf", 4.0)
    check_frames(tmp_path, {("garden", "leaf"): ZOOM})
    read = read_frames(folder, ZOOM.named)
    assert read.keys() == ours.keys()
    assert all((read[name] == ours[name]).all() for name in ours)
    assert as_floats([np.full((1, 1, 3), 255, np.uint8)])[0].max() == 1.0


def test_cameras_are_exact_for_us_and_plain_for_others(tmp_path: Path) -> None:
    write_frames(tmp_path, ZOOM, {}, "a leaf", 4.0)
    told = json.loads((tmp_path / CAMERAS).read_text())
    assert told["prompt"] == "a leaf" and told["factor"] == 4.0 and list(told["frames"]) == list(ZOOM.named)
    (tmp_path / "camera.json").write_text(json.dumps(told["frames"]["view_02"]["camera"]))
    assert read_camera(tmp_path / "camera.json") == ZOOM.named["view_02"]
    first, last = told["frames"]["descent_00"], told["frames"]["descent_12"]
    np.testing.assert_allclose(first["rotation"], np.eye(3), atol=1e-12)
    np.testing.assert_allclose(first["eye"], 0.0, atol=1e-9)
    np.testing.assert_allclose(last["eye"], 0.0, atol=1e-9)  # a zoom by focal length stays where it is
    assert last["intrinsics"]["fx"] == pytest.approx(4.0 * first["intrinsics"]["fx"])


def test_an_orbiting_eye_is_told_in_distances_to_the_pivot() -> None:
    told = cameras_out(ZOOM, "", 4.0)["frames"]
    assert isinstance(told, dict)
    turn = math.radians(10.0)
    right, below = told["view_12"], told["view_21"]
    np.testing.assert_allclose(right["eye"], [math.sin(turn), 0.0, 1.0 - math.cos(turn)], atol=1e-9)
    np.testing.assert_allclose(below["eye"], [0.0, math.sin(turn), 1.0 - math.cos(turn)], atol=1e-9)
    # A point at the pivot, (0, 0, 1) from the first eye, is on the axis of every view.
    for name in ("view_00", "view_12", "view_21"):
        local = np.array(told[name]["rotation"]) @ (np.array([0.0, 0.0, 1.0]) - told[name]["eye"])
        np.testing.assert_allclose(local, [0.0, 0.0, 1.0], atol=1e-9)


def test_missing_frames_are_named_and_counted(tmp_path: Path) -> None:
    asked = {("garden", "leaf"): ZOOM}
    with pytest.raises(BadFrames, match="no such folder"):
        check_frames(tmp_path / "none", asked)
    folder = folder_of(tmp_path, "garden", "leaf")
    write_frames(folder, ZOOM, pictures(), "", 4.0)
    (folder / "view_20.png").unlink()
    with pytest.raises(BadFrames, match="1 frames are missing: garden/leaf/view_20.png;"):
        check_frames(tmp_path, asked)
    for path in folder.glob("*.png"):
        path.unlink()
    with pytest.raises(BadFrames, match="22 frames are missing: .* and 14 more"):
        check_frames(tmp_path, asked)


def test_a_frame_of_another_size_or_kind_is_refused(tmp_path: Path) -> None:
    write_frames(tmp_path, ZOOM, pictures(), "", 4.0)
    Image.new("RGB", (25, 16)).save(tmp_path / "view_00.png")
    with pytest.raises(BadFrames, match="25 x 16 pixels; 24 x 16 are needed"):
        read_frames(tmp_path, ZOOM.named)
    (tmp_path / "view_00.png").write_bytes(b"no picture")
    with pytest.raises(BadFrames, match="could not read"):
        read_frames(tmp_path, ZOOM.named)
