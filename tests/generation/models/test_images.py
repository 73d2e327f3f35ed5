import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wonderzoom.generation.models.images import from_pil, mask_to_pil, resized, to_pil, working_size


def test_a_picture_survives_the_way_through_pil_within_half_a_level() -> None:
    image = np.random.default_rng(0).random((5, 7, 3), dtype=np.float32)
    back = from_pil(to_pil(image))
    assert back.dtype == np.float32
    assert np.abs(back - image).max() <= 0.5 / 255 + 1e-6


def test_what_is_out_of_range_is_clipped() -> None:
    assert from_pil(to_pil(np.array([[[-1.0, 0.5, 2.0]]], np.float32))).tolist()[0][0][::2] == [0.0, 1.0]


def test_a_mask_is_white_where_true() -> None:
    assert np.asarray(mask_to_pil(np.array([[True, False]]))).tolist() == [[255, 0]]


def test_resizing_keeps_a_constant_and_never_overshoots() -> None:
    edge = np.zeros((8, 8, 3), np.float32)
    edge[:, 4:] = 1.0
    for size in ((32, 24), (3, 5), (8, 8)):
        out = resized(edge, *size)
        assert out.shape == (size[1], size[0], 3)
        assert 0.0 <= out.min() and out.max() <= 1.0
    assert np.allclose(resized(np.full((4, 6), 0.3, np.float32), 9, 5), 0.3, atol=1e-6)


@given(
    st.integers(1, 3000), st.integers(1, 3000), st.sampled_from([8, 14, 16, 32]), st.integers(4096, 2_000_000)
)
def test_a_working_size_is_in_multiples_within_its_pixels_and_of_about_the_same_shape(
    width: int, height: int, multiple: int, most: int
) -> None:
    w, h = working_size(width, height, multiple, most)
    assert w % multiple == h % multiple == 0 and w > 0 and h > 0
    assert w * h <= most or max(w, h) == multiple or min(w, h) == multiple
    shrink = min(1.0, (most / (width * height)) ** 0.5)
    assert w <= width * shrink + multiple and h <= height * shrink + multiple
