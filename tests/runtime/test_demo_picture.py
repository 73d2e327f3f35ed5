"""The shipped picture and its depth belong together and fit the budget of the package."""

import json
from pathlib import Path

import numpy as np
import pytest

from wonderzoom.runtime.depth_maps import DepthMap, read_depth
from wonderzoom.runtime.pictures import SHORT_SIDE, Picture, read_picture

MAX_PICTURE, MAX_DEPTH = 1_600_000, 600_000  # bytes


@pytest.fixture(scope="module")
def folder(repository: Path) -> Path:
    return repository / "runtime" / "demo"


@pytest.fixture(scope="module")
def shipped(folder: Path) -> tuple[Picture, DepthMap]:
    picture = read_picture(folder / "meadow.png", SHORT_SIDE)
    return picture, read_depth(folder / "meadow_depth.png", picture.framing)


def test_both_files_fit_the_package(folder: Path) -> None:
    assert (folder / "meadow.png").stat().st_size <= MAX_PICTURE
    assert (folder / "meadow_depth.png").stat().st_size <= MAX_DEPTH


def test_the_numbers_beside_the_picture_are_its_own(folder: Path, shipped: tuple[Picture, DepthMap]) -> None:
    about = json.loads((folder / "meadow.json").read_text(encoding="utf-8"))
    picture, _ = shipped
    assert (about["width"], about["height"]) == picture.framing.source
    assert about["focal_pixels"] * picture.framing.scale == pytest.approx(
        picture.framing.focal(about["focal_mm"]), rel=2e-3
    )
    assert about["metres_per_step"] * 65535 > about["exact_to_metres"]


def test_the_sky_is_above_the_land_and_flowers_are_in_reach(shipped: tuple[Picture, DepthMap]) -> None:
    _, depth = shipped
    assert 0.08 < depth.sky.mean() < 0.35 and not depth.sky[depth.sky.shape[0] // 2 :].any()
    metres = depth.depth[~depth.sky] * 0.01
    assert 0.8 < metres.min() < 2.0 and metres.max() > 300.0
    # A meadow from near to far: each part of the range has its share of the picture.
    shares = np.histogram(metres, [0, 2, 5, 15, 60, 200, 700])[0] / metres.size
    assert shares.min() > 0.02


def test_the_lower_half_is_a_meadow_with_red_white_and_blue_flowers(
    shipped: tuple[Picture, DepthMap],
) -> None:
    picture, _ = shipped
    r, g, b = (picture.image[256:, :, i].astype(int) for i in range(3))
    assert ((g > r + 5) & (g > b + 20)).mean() > 0.25  # grass
    assert ((r > 140) & (g < 90) & (b < 80)).mean() > 0.01  # poppies
    assert (np.minimum(np.minimum(r, g), b) > 170).mean() > 0.005  # daisies
    assert ((b > 120) & (b > r + 40)).mean() > 0.005  # cornflowers
