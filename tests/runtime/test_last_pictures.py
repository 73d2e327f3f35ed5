"""Pictures are kept for their viewers within a bound in bytes."""

from dataclasses import dataclass

from worlds import nested_world

from wonderzoom.runtime.last_pictures import LastPictures
from wonderzoom.scene_graph.camera import Camera

CAMERA = nested_world(1, width=16, height=16)[1][0]


@dataclass(frozen=True)
class Picture:
    nbytes: int
    cameras: tuple[Camera, ...] = (CAMERA,)
    revision: int = 3


def of(size: int) -> Picture:
    return Picture(size)


def test_it_is_given_back_once_and_for_the_same_view_only() -> None:
    kept, picture = LastPictures[Picture](100), of(10)
    kept.keep("a", picture)
    assert kept.take("b", (CAMERA,), 3) is None and kept.take("a", (CAMERA,), 3) is picture
    assert kept.take("a", (CAMERA,), 3) is None
    for cameras, revision in (((CAMERA.zoomed(2.0),), 3), ((CAMERA, CAMERA), 3), ((CAMERA,), 4)):
        kept.keep("a", picture)
        assert kept.take("a", cameras, revision) is None
    assert kept.nbytes == 0


def test_those_kept_longest_go_first() -> None:
    kept = LastPictures[Picture](100)
    for name, size in (("a", 40), ("b", 40), ("a", 30), ("c", 40)):
        kept.keep(name, of(size))
        assert kept.nbytes <= 100
    assert kept.nbytes == 70 and kept.take("b", (CAMERA,), 3) is None
    assert kept.take("a", (CAMERA,), 3) is not None and kept.take("c", (CAMERA,), 3) is not None
    kept.keep("d", of(101))
    assert kept.nbytes == 0 and kept.take("d", (CAMERA,), 3) is None
