"""Pictures to look at hold the tiles that they were given, where they belong."""

from pathlib import Path

import numpy as np
from PIL import Image

from wonderzoom.runtime.evaluation import sheets


def flat(value: int, width: int = 60, height: int = 40) -> np.ndarray:
    return np.full((height, width, 3), value, np.uint8)


def test_nine_views_stand_in_three_rows() -> None:
    picture = np.asarray(sheets.grid([flat(20 * i) for i in range(9)], 60))
    assert picture.shape == (3 * 46 + 6, 3 * 66 + 6, 3)
    for index in range(9):
        row, column = divmod(index, 3)
        assert (picture[6 + 46 * row + 20, 6 + 66 * column + 30] == 20 * index).all()


def test_the_view_that_differs_most_is_chosen() -> None:
    ones = [flat(10), flat(10), flat(10)]
    assert sheets.most_different(ones, [flat(12), flat(200), flat(9)]) == 1
    assert sheets.most_different(ones, ones) == 0


def test_side_by_side_shows_both_with_words_below() -> None:
    picture = np.asarray(sheets.side_by_side(flat(50), flat(150), "modulation", 60))
    assert (picture[20, 20] == 50).all() and (picture[20, 90] == 150).all()
    assert (picture[48:66, 6:60] == sheets.INK).all(-1).any()


def test_a_picture_is_written_in_the_format_of_its_name(tmp_path: Path) -> None:
    picture = sheets.grid([flat(9 * i) for i in range(9)], 60)
    for name, kind in (("a.png", "PNG"), ("b.jpg", "JPEG")):
        sheets.save(picture, tmp_path / "new" / name)
        with Image.open(tmp_path / "new" / name) as read:
            assert read.format == kind and read.size == picture.size
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.png", "b.jpg"]
