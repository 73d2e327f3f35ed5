"""Films and pictures: what was drawn is what plays, and a file is there whole or not at all."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image
from worlds import nested_world

from wonderzoom.runtime.film import OutputError, check_target, drawn, film_comment, write_film, write_png
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet

GREY = np.full((48, 64, 3), 120, np.uint8)


def frames_of(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [
            frame.reformat(format="rgb24", src_colorspace="ITU709").to_ndarray()
            for frame in container.decode(video=0)
        ]


def test_a_film_plays_what_was_drawn_in_its_order_and_colours(tmp_path: Path) -> None:
    colours = [(220, 40, 30), (30, 200, 60), (40, 60, 210), (128, 128, 128)]
    pictures = [
        np.broadcast_to(np.array(colour, np.uint8), (48, 64, 3)) for colour in colours for _ in range(5)
    ]
    path = tmp_path / "film.mp4"
    assert write_film(path, pictures, comment="made of four colours") == 20
    shown = frames_of(path)
    assert len(shown) == 20
    for wanted, got in zip(pictures, shown, strict=True):
        assert np.abs(got.astype(int) - wanted).mean() < 4.0
    assert film_comment(path) == "made of four colours"


def test_a_film_starts_before_it_is_loaded_and_plays_everywhere(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    write_film(path, [GREY] * 10)
    content = path.read_bytes()
    assert content.find(b"moov") < content.find(b"mdat")
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt, stream.average_rate) == ("h264", "yuv420p", 30)
        assert stream.frames == 10


def test_a_picture_comes_back_to_the_bit_without_alpha(tmp_path: Path) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (9, 13, 4), dtype=np.uint8)
    write_png(tmp_path / "view.png", picture)
    with Image.open(tmp_path / "view.png") as image:
        assert image.mode == "RGB"
        np.testing.assert_array_equal(np.asarray(image), picture[..., :3])


def interrupted() -> Iterator[np.ndarray]:
    yield from [GREY] * 5
    raise KeyboardInterrupt


def test_an_interrupted_film_leaves_the_old_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "film.mp4"
    path.write_bytes(b"the old film")
    with pytest.raises(KeyboardInterrupt):
        write_film(path, interrupted())
    assert path.read_bytes() == b"the old film"
    assert [entry.name for entry in tmp_path.iterdir()] == ["film.mp4"]


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from wonderzoom.runtime.film import OutputError, write_film, write_png
resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000))
noise = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
path = Path(sys.argv[1])
try:
    write_png(path, noise) if path.suffix == ".png" else write_film(path, [noise] * 60)
except OutputError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="limits of a process are POSIX")
@pytest.mark.parametrize("name", ["film.mp4", "view.png"])
def test_a_full_disk_is_a_clear_error_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    command = [sys.executable, "-c", FULL_DISK, str(tmp_path / name)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert f"{name}: could not write it: File too large" in result.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_can_not_be_written_is_refused_before_anything_is_drawn(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no folder"):
        check_target(tmp_path / "missing" / "film.mp4")
    with pytest.raises(OutputError, match="this is a folder"):
        check_target(tmp_path)
    with pytest.raises(OutputError, match="could not write"):
        write_png(tmp_path / ("x" * 300), GREY)


def test_a_film_without_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no frames"):
        write_film(tmp_path / "film.mp4", [])
    assert list(tmp_path.iterdir()) == []


def test_there_is_no_comment_where_there_is_no_film(tmp_path: Path) -> None:
    assert film_comment(tmp_path / "missing.mp4") is None
    (tmp_path / "film.mp4").write_text("not a film")
    assert film_comment(tmp_path / "film.mp4") is None


class _Counting:
    """Paints the number of the camera's width."""

    def render_color(self, visible: VisibleSet, camera: Camera, settings: RenderSettings) -> np.ndarray:
        assert visible.surfel_count
        return np.full((2, 2, 4), camera.width, np.uint8)


def test_pictures_are_drawn_in_the_order_of_their_cameras() -> None:
    world, made = nested_world(1)
    cameras = [made[0].resized(width, 36) for width in range(36, 60)]
    counted: list[int] = []
    pictures = list(drawn(world, _Counting(), cameras, RenderSettings(), counted.append))
    assert [int(picture[0, 0, 0]) for picture in pictures] == list(range(36, 60))
    assert counted == list(range(1, 25))


class _Failing:
    def render_color(self, visible: VisibleSet, camera: Camera, settings: RenderSettings) -> np.ndarray:
        raise RuntimeError("the renderer broke")


def test_a_failing_renderer_ends_the_film(tmp_path: Path) -> None:
    world, made = nested_world(0)
    with pytest.raises(RuntimeError, match="the renderer broke"):
        write_film(tmp_path / "film.mp4", drawn(world, _Failing(), made * 9, RenderSettings()))
    assert list(tmp_path.iterdir()) == []
