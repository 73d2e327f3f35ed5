"""Clouds: the conventions that all formats share, and what is no cloud."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from splat_clouds import covariances, random_cloud

from wonderzoom.scene_graph.formats.cloud import (
    Cloud,
    FormatError,
    colors_of_dc,
    dc_of_colors,
    joined,
    logits,
    opacities_of,
)


@given(st.integers(0, 1000))
@settings(max_examples=30, deadline=None)
def test_the_thinnest_axis_becomes_the_third_and_nothing_shows_it(seed: int) -> None:
    cloud = random_cloud(seed)
    flat = cloud.flattened()
    assert (flat.log_scales[:, 2] == cloud.log_scales.min(1)).all()
    np.testing.assert_allclose(covariances(flat), covariances(cloud), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(flat.quats, axis=1), 1.0, atol=1e-6)


def test_of_equal_axes_the_third_stays() -> None:
    cloud = replace(random_cloud(), log_scales=np.full((50, 3), -1.0, np.float32))
    flat = cloud.flattened()
    unit = cloud.quats / np.linalg.norm(cloud.quats, axis=1, keepdims=True)
    np.testing.assert_allclose(flat.quats, unit, atol=1e-6)


def test_turning_over_is_half_a_turn_around_x() -> None:
    cloud = random_cloud()
    turned = cloud.turned_over()
    flip = np.diag([1.0, -1.0, -1.0])
    np.testing.assert_array_equal(turned.means, cloud.means * [1, -1, -1])
    np.testing.assert_allclose(covariances(turned), flip @ covariances(cloud) @ flip, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(covariances(turned.turned_over()), covariances(cloud), rtol=1e-5, atol=1e-7)


def test_a_half_grey_has_no_harmonics_and_colours_come_back() -> None:
    colors = (np.arange(256)[:, None] / np.float32(255.0)).repeat(3, 1).astype(np.float32)
    assert abs(float(dc_of_colors(np.full((1, 3), 0.5, np.float32)).max())) == 0.0
    np.testing.assert_allclose(colors_of_dc(dc_of_colors(colors)), colors, atol=1e-6)
    assert colors_of_dc(np.array([[9.0, -9.0, 0.0]])).tolist() == [[1.0, 0.0, 0.5]]


def test_opacities_come_back_and_the_ends_are_finite() -> None:
    opacities = np.linspace(0.0, 1.0, 1001, dtype=np.float32)
    assert np.isfinite(logits(opacities)).all()
    np.testing.assert_allclose(opacities_of(logits(opacities)), opacities, atol=1e-6)
    assert opacities_of(np.array([np.inf, -np.inf])).tolist() == [1.0, 0.0]
    assert np.isnan(opacities_of(np.array([np.nan]))).all()


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("means", np.nan, "position"),
        ("means", 1e31, "position"),
        ("quats", 0.0, "rotation"),
        ("quats", np.nan, "rotation"),
        ("quats", 1e30, "rotation"),
        ("log_scales", np.nan, "size"),
        ("log_scales", np.inf, "size"),
        ("log_scales", -np.inf, "size"),  # all three: a point
        ("opacities", 1.5, "opacity"),
        ("opacities", np.nan, "opacity"),
        ("colors", np.nan, "colour"),
    ],
)
def test_what_is_no_number_is_named_with_its_row(column: str, value: float, said: str) -> None:
    cloud = random_cloud()
    values = getattr(cloud, column).copy()
    values[7] = value
    with pytest.raises(FormatError, match=f"splat 7 of 50 has .*{said}"):
        replace(cloud, **{column: values}).checked()


def test_a_flat_splat_is_one_and_an_empty_cloud_is_none() -> None:
    assert random_cloud(flat=True).checked() is not None
    with pytest.raises(FormatError, match="no splats"):
        random_cloud().take(slice(0, 0)).checked()


def test_columns_have_their_shapes_and_join_in_order() -> None:
    cloud = random_cloud()
    with pytest.raises(ValueError, match="quats"):
        Cloud(cloud.means, cloud.means, cloud.log_scales, cloud.opacities, cloud.colors)
    whole = joined([cloud.take(slice(0, 20)), cloud.take(slice(20, None))])
    np.testing.assert_array_equal(whole.means, cloud.means)
