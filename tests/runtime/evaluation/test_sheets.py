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


def test_a_tile_of_another_shape_is_shown_whole_in_the_middle_of_its_box() -> None:
    picture = np.asarray(sheets.sheet([(flat(50), ""), (flat(150, 40, 40), "")], 2, 60))
    assert picture.shape == (52, 138, 3)
    assert (picture[6:46, 82:122] == 150).all()
    assert (picture[6:46, 72:82] == sheets.PAPER).all() and (picture[6:46, 122:132] == sheets.PAPER).all()


def test_a_saved_pair_is_taken_apart_again(tmp_path: Path) -> None:
    size = (sheets.PAIR_WIDTH, 320)
    sheets.save(sheets.side_by_side(flat(50, *size), flat(150, *size), "registration"), tmp_path / "a.jpg")
    without, whole = sheets.pair(tmp_path / "a.jpg")
    assert without.shape == whole.shape == (320, sheets.PAIR_WIDTH, 3)
    for tile, value in ((without, 50), (whole, 150)):
        assert (abs(tile.astype(int) - value) <= 30).all()  # JPEG lets the dark rim ring into the tile
        assert (abs(tile[16:-16, 16:-16].astype(int) - value) <= 2).all()


def test_a_contact_sheet_has_pairs_above_each_other() -> None:
    pairs = [(flat(20), flat(60), "leaf"), (flat(100), flat(140), "vein")]
    picture = np.asarray(sheets.contact(pairs, "registration", 60))
    assert picture.shape == (2 * 68 + 6, 2 * 66 + 6, 3)
    assert [picture[y, x, 0] for y in (20, 88) for x in (20, 90)] == [20, 100, 60, 140]


def test_a_picture_is_written_in_the_format_of_its_name(tmp_path: Path) -> None:
    picture = sheets.grid([flat(9 * i) for i in range(9)], 60)
    for name, kind in (("a.png", "PNG"), ("b.jpg", "JPEG")):
        sheets.save(picture, tmp_path / "new" / name)
        with Image.open(tmp_path / "new" / name) as read:
            assert read.format == kind and read.size == picture.size
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.png", "b.jpg"]
