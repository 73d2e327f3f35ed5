import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import photo

from wonderzoom.generation.models.changes import FEATHER, change, difference, standing, without_drift

SIDE = 96


def scene() -> np.ndarray:
    """Patches of colour with fine texture."""
    rng = np.random.default_rng(1)
    grain = cv2.GaussianBlur(rng.normal(0, 0.06, (SIDE, SIDE, 3)).astype(np.float32), (0, 0), 0.8)
    return np.clip(0.2 + 0.6 * photo(SIDE, SIDE) + grain, 0, 1).astype(np.float32)


def disc(radius: float = 20.0, x: float = 48.0, y: float = 48.0) -> np.ndarray:
    v, u = np.mgrid[:SIDE, :SIDE] + 0.5
    return np.hypot(u - x, v - y) < radius


def with_disc(image: np.ndarray, where: np.ndarray) -> np.ndarray:
    return np.where(where[..., None], np.array([0.85, 0.1, 0.1], np.float32), image).astype(np.float32)


def through_an_autoencoder(image: np.ndarray, seed: int = 0) -> np.ndarray:
    """What an editor does to what it keeps: a little blur, a little noise."""
    noise = np.random.default_rng(seed).normal(0, 0.01, image.shape)
    return (cv2.GaussianBlur(image, (0, 0), 0.6) + noise).astype(np.float32)


def is_found(mask: np.ndarray) -> bool:
    """All of the disc, and only what blur and fading in add to its rim."""
    return bool(mask[disc(19.5)].all() and not mask[~disc(20.5 + 2.0 + FEATHER)].any())


def test_a_new_thing_is_found_and_all_else_stays_to_the_bit() -> None:
    image, where = scene(), disc()
    made = change(image, image, through_an_autoencoder(with_disc(image, where)))
    assert is_found(made.mask)
    assert np.array_equal(made.image[~made.mask], image[~made.mask])
    assert np.abs(made.image[disc(16)] - [0.85, 0.1, 0.1]).max() < 0.06
    assert made.share == pytest.approx(made.mask.mean())


def test_an_editor_that_changed_nothing_changed_nothing() -> None:
    image = scene()
    made = change(image, image, through_an_autoencoder(image))
    assert not made.mask.any() and made.image is image


@given(st.floats(0.75, 1.2), st.floats(0.8, 1.15), st.floats(-0.08, 0.08), st.integers(0, 5), st.booleans())
@settings(max_examples=15, deadline=None)
def test_drift_of_colour_is_no_change_and_is_taken_out_of_what_is(
    gain: float, tint: float, lift: float, seed: int, thing: bool
) -> None:
    image, where = scene(), disc()
    after = through_an_autoencoder(with_disc(image, where) if thing else image, seed)
    after = (after * np.array([gain, gain * tint, gain], np.float32) + np.float32(lift)).astype(np.float32)
    made = change(image, image, after)
    if not thing:
        assert not made.mask.any()
        return
    assert is_found(made.mask)
    assert np.abs(made.image[disc(15)].mean(0) - [0.85, 0.1, 0.1]).max() < 0.08


def test_drift_is_fitted_on_what_agrees() -> None:
    image, where = scene(), disc(30)
    drifted = np.clip(with_disc(image, where) * 0.85 + 0.05, 0, 1).astype(np.float32)
    fitted = without_drift(drifted, image)
    assert np.abs(fitted[~where] - image[~where]).mean() < 0.005 < np.abs(drifted - image)[~where].mean() / 5


def test_a_picture_that_is_new_all_over_is_a_change() -> None:
    image = scene()
    other = np.random.default_rng(5).permutation(photo(SIDE, SIDE, 7).reshape(-1, 3)).reshape(image.shape)
    other = cv2.GaussianBlur(other, (0, 0), 2.0)
    lively = np.clip((other - other.mean()) * 6 + 0.5, 0, 1).astype(np.float32)
    assert change(image, image, lively).share > 0.5


def test_specks_are_no_change_and_gaps_close() -> None:
    image = scene()
    speck = np.zeros((SIDE, SIDE), np.bool_)
    speck[20:24, 20:24] = True
    assert not change(image, image, with_disc(image, speck)).mask.any()
    holed = disc() & ~disc(2.5)
    assert change(image, image, with_disc(image, holed)).mask[46:50, 46:50].all()


def test_the_change_fades_in_within_its_mask() -> None:
    image, where = np.full((SIDE, SIDE, 3), 0.5, np.float32), disc()
    made = change(image, image, with_disc(image, where))
    amount = np.abs(made.image - image).max(-1)
    inner = cv2.erode(where.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    assert amount[inner].min() > 0.3
    rim = made.mask & ~(cv2.dilate(where.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)
    assert rim.any() and (made.mask & ~disc(20 + 2.5 * FEATHER)).sum() == 0


def test_the_difference_is_in_units_of_cielab() -> None:
    black, grey = np.zeros((32, 32, 3), np.float32), np.full((32, 32, 3), 0.4663, np.float32)
    assert difference(grey, black) == pytest.approx(50.0, abs=0.5)  # sRGB 0.4663 is L* = 50


def test_things_are_compact_and_end_within_the_picture() -> None:
    things = disc(14, 25, 25)
    assert (standing(things) == things).all()
    cut = disc(14, 0, 70)
    assert not standing(cut).any()
    cracks = np.zeros((SIDE, SIDE), np.bool_)
    cracks[10:86, 46:50] = cracks[46:50, 10:86] = True
    assert not standing(cracks).any()
    assert not standing(np.ones((SIDE, SIDE), np.bool_)).any()
    both = things | (cut & ~disc(16, 25, 25))
    assert (standing(both) == things).all()
