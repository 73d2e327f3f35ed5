"""Eq. 3, modulation and the dilogarithm: the one definition that every renderer is tested against."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import spence

from wonderzoom.scene_graph import scales
from wonderzoom.scene_graph.scales import (
    LI2_INVERSE_TABLE,
    LI2_MAX,
    LI2_TABLE_SIZE,
    MAX_OPACITY,
    NO_CHILD,
    NO_PARENT,
    li2,
    li2_inverse,
    modulate,
    ramps,
    weight,
)

finite = st.floats(-50.0, 50.0)
gaps = st.floats(scales.LN_SQRT2, 6.0)


@given(finite, finite, gaps, gaps)
def test_weight_is_eq_3(r: float, x: float, up_gap: float, down_gap: float) -> None:
    """The paper's Eq. 3: up on the coarse side of the native scale, down on the fine side."""
    parent, child = x + up_gap, x - down_gap
    up = min(max((parent - r) / (parent - x), 0.0), 1.0)
    down = min(max((r - child) / (x - child), 0.0), 1.0)
    assert weight(r, x, parent, child) == pytest.approx(up if r >= x else down, abs=1e-12)


@given(finite, finite, gaps)
def test_open_ends_stay_at_full_weight(r: float, x: float, gap: float) -> None:
    assert weight(r, x, NO_PARENT, NO_CHILD) == 1.0
    assert weight(max(r, x), x, NO_PARENT, x - gap) == 1.0
    assert weight(min(r, x), x, x + gap, NO_CHILD) == 1.0


@given(finite, gaps, gaps)
def test_a_weight_is_full_at_its_own_scale_and_nothing_at_the_neighbours(
    x: float, up: float, down: float
) -> None:
    assert weight(x, x, x + up, x - down) == 1.0
    assert weight(x + up, x, x + up, x - down) == 0.0
    assert weight(x - down, x, x + up, x - down) == 0.0


def test_ramps_take_arrays_with_and_without_bounds() -> None:
    parent = np.array([np.inf, 1.0, np.inf, 1.0])
    child = np.array([-np.inf, -np.inf, -1.0, -1.0])
    up, dn = ramps(0.5, np.zeros(4), parent, child)
    assert up.tolist() == [1.0, 0.5, 1.0, 0.5]
    assert dn.tolist() == [1.0, 1.0, 1.0, 1.0]
    up, dn = ramps(-0.5, np.zeros(4), parent, child)
    assert up.tolist() == [1.0] * 4
    assert dn.tolist() == [1.0, 1.0, 0.5, 0.5]


@given(st.floats(0.0, 1.0))
def test_the_dilogarithm_is_scipys(opacity: float) -> None:
    assert float(li2(opacity)) == pytest.approx(float(spence(1.0 - opacity)), abs=1e-13)


@given(st.floats(0.0, MAX_OPACITY))
def test_the_inverse_inverts(opacity: float) -> None:
    assert float(li2_inverse(li2(opacity))) == pytest.approx(opacity, abs=1e-10)


@given(st.floats(0.0, 1.0))
def test_the_table_interpolates_to_1e_6(share: float) -> None:
    position = share * (LI2_TABLE_SIZE - 1)
    got = np.interp(position, np.arange(LI2_TABLE_SIZE), LI2_INVERSE_TABLE)
    assert float(got) == pytest.approx(float(li2_inverse(share * LI2_MAX)), abs=1e-6)


@given(st.floats(0.001, 1.0), st.floats(0.0, 1.0))
def test_optical_mass_is_additive(opacity: float, alpha: float) -> None:
    """Shares of a weight hold shares of the mass: this is what keeps a cross-fade's opacity."""
    whole = float(li2(min(opacity, MAX_OPACITY)))
    parts = [float(li2(modulate(opacity, a))) for a in (alpha, 1.0 - alpha)]
    assert sum(parts) == pytest.approx(whole, abs=1e-9)


@given(st.floats(0.001, 1.0), st.floats(0.0, 1.0), st.floats(0.0, 1.0))
def test_modulation_grows_with_the_weight_and_never_beyond_the_opacity(o: float, a: float, b: float) -> None:
    low, high = min(a, b), max(a, b)
    for modulation in ("optical_mass", "paper"):
        assert modulate(o, low, modulation) <= modulate(o, high, modulation) + 1e-12
        assert 0.0 <= float(modulate(o, high, modulation)) <= o + 1e-12


def test_paper_and_none() -> None:
    assert modulate(0.8, 0.25, "paper") == pytest.approx(0.2)
    assert modulate(np.full(3, 0.8), 0.25, "none").tolist() == pytest.approx([0.8] * 3)
    with pytest.raises(ValueError, match="unknown modulation 'linear'"):
        modulate(0.5, 0.5, "linear")  # type: ignore[arg-type]


def test_a_gaussians_optical_depth_is_2_pi_li2() -> None:
    """The identity behind ``optical_mass``, integrated numerically over the plane."""
    for opacity in (0.1, 0.5, 0.9, 0.99):
        radius = np.linspace(0.0, 12.0, 200_001)
        depth = -np.log1p(-opacity * np.exp(-0.5 * radius**2)) * 2.0 * math.pi * radius
        assert float(np.trapezoid(depth, radius)) == pytest.approx(
            2.0 * math.pi * float(li2(opacity)), rel=1e-6
        )


@given(st.floats(1e-300, 1e300) | st.floats(0.5, 2.0) | st.just(math.inf))
def test_the_logarithm_is_one(x: float) -> None:
    assert float(scales.ln(x)) == pytest.approx(math.log(x), rel=2e-14, abs=2e-14)
