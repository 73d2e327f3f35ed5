"""Pieces of a picture: every pixel has one, and they end where colours do."""

import cv2
import numpy as np
import pytest

from wonderzoom.generation.embedded.segments import segments_of


def discs() -> tuple[np.ndarray, np.ndarray]:
    """A noisy picture of two discs on a ground, and which is which."""
    picture = np.empty((120, 160, 3), np.float32)
    picture[:] = (0.30, 0.42, 0.20)
    truth = np.zeros((120, 160), np.uint8)
    for name, (centre, color) in enumerate((((50, 60), (0.8, 0.2, 0.1)), ((115, 50), (0.9, 0.85, 0.3))), 1):
        cv2.circle(picture, centre, 24, color, -1)
        cv2.circle(truth, centre, 24, name, -1)
    picture += np.random.default_rng(1).normal(0, 0.015, picture.shape).astype(np.float32)
    return np.clip(picture, 0, 1), truth


def test_each_thing_is_one_piece_that_ends_at_its_outline() -> None:
    picture, truth = discs()
    pieces = segments_of(picture)
    for name in (1, 2):
        inside = np.bincount(pieces.labels[truth == name], minlength=len(pieces.area))
        main = int(inside.argmax())
        assert inside[main] > 0.85 * (truth == name).sum()
        assert inside[main] > 0.85 * pieces.area[main]


def test_boxes_and_areas_are_those_of_the_labels() -> None:
    pieces = segments_of(discs()[0])
    for piece in range(len(pieces.area)):
        rows, columns = np.nonzero(pieces.labels == piece)
        assert len(rows) == pieces.area[piece] > 0
        assert (pieces.top[piece], pieces.bottom[piece]) == (rows.min(), rows.max() + 1)
        assert pieces.width[piece] == np.ptp(columns) + 1


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (3, 2), (40, 700)])
def test_every_size_has_pieces(size: tuple[int, int]) -> None:
    picture = np.random.default_rng(0).random((*size, 3), np.float32)
    pieces = segments_of(picture)
    assert pieces.labels.shape == size and pieces.area.sum() == picture[..., 0].size


def test_a_plain_picture_is_one_piece() -> None:
    assert len(segments_of(np.full((90, 70, 3), 0.4, np.float32)).area) == 1
