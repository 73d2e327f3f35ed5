import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import photo

from wonderzoom.generation.models.tiling import starts, tiled


@given(st.integers(1, 300), st.integers(2, 64), st.data())
@settings(max_examples=80, deadline=None)
def test_tiles_cover_all_and_overlap_enough(length: int, tile: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, tile - 1))
    begins = starts(length, tile, overlap)
    if tile >= length:
        assert begins == [0]
        return
    assert begins[0] == 0 and begins[-1] == length - tile
    steps = np.diff(begins)
    assert (steps > 0).all() and (steps <= tile - overlap + 1).all()


@given(st.integers(1, 50), st.integers(1, 50), st.integers(1, 4), st.sampled_from([8, 16, 24]))
@settings(max_examples=30, deadline=None)
def test_a_model_that_only_enlarges_leaves_no_seam(width: int, height: int, scale: int, tile: int) -> None:
    image = photo(64, 64)[:height, :width]
    sizes: set[tuple[int, int]] = set()

    def larger(part: np.ndarray, number: int, count: int) -> np.ndarray:
        assert 0 <= number < count
        sizes.add(part.shape[:2])
        return np.repeat(np.repeat(part, scale, 0), scale, 1)

    made = tiled(image, tile, tile // 4, 8, scale, larger)
    assert made.shape == (height * scale, width * scale, 3)
    assert np.abs(made - np.repeat(np.repeat(image, scale, 0), scale, 1)).max() < 1e-5
    assert len(sizes) == 1 and all(side % 8 == 0 and side <= tile for side in sizes.pop())


def test_tiles_that_differ_in_brightness_are_blended_without_a_step() -> None:
    def brighter(part: np.ndarray, number: int, _count: int) -> np.ndarray:
        return part + 0.1 * (number % 2)

    flat = np.full((16, 64, 3), 0.5, np.float32)
    made = tiled(flat, 16, 8, 8, 1, brighter)[8, :, 0]
    assert np.abs(np.diff(made)).max() < 0.025 and made.max() - made.min() > 0.09


def test_what_cannot_be_is_refused() -> None:
    image = photo(32, 32)
    for tile, overlap in ((16, 16), (12, 4), (16, -1)):
        with pytest.raises(ValueError, match="tiles of"):
            tiled(image, tile, overlap, 8, 1, lambda part, _n, _c: part)
    with pytest.raises(ValueError, match="wanted 2 times"):
        tiled(image, 16, 4, 8, 2, lambda part, _n, _c: part)


def test_a_smooth_model_sees_no_border_of_its_tiles() -> None:
    image = photo(48, 40)

    def soft(part: np.ndarray, _number: int, _count: int) -> np.ndarray:
        return cv2.GaussianBlur(part, (0, 0), 1.0)

    whole = soft(image, 0, 1)
    assert np.abs(tiled(image, 24, 16, 8, 1, soft) - whole)[4:-4, 4:-4].max() < 0.03
