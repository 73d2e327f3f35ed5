"""The registry of materials and the bridge to a photo's resolution."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wonderzoom.generation.embedded.ladder_tables import MATERIALS, TAIL, TAIL_RATIO
from wonderzoom.generation.embedded.ladders import (
    BRIDGE_GAP,
    BRIDGED,
    BRIDGED_KINDS,
    LADDERS,
    Ladders,
    UnknownMaterial,
)
from wonderzoom.generation.embedded.rungs import KIND, SIZE, Kind, Rung

# Rungs farther apart leave a zoom of 6 without a new kind of element.
WIDEST_STEP = 8.0
BELOW_SIGHT = 1.5e-3  # metres: above it a photo's own picture fills what a ladder leaves out


@pytest.mark.parametrize("name", list(MATERIALS))
def test_a_ladder_has_no_gap_that_a_zoom_could_fall_into(name: str):
    sizes = np.array([s for s in LADDERS.metres(name) if s < BELOW_SIGHT])
    assert (sizes[:-1] / sizes[1:] < WIDEST_STEP).all(), sizes
    assert sizes[-1] < 3e-8  # own rungs reach below every cell


@pytest.mark.parametrize("name", list(MATERIALS))
def test_no_three_lattices_in_a_row(name: str):
    """Three nested lattices look like cobbles."""
    lattices = {Kind.PEBBLES, Kind.CELLS, Kind.FACETS, Kind.GRAINS, Kind.BEADS, Kind.CRACKS, Kind.VEINS}
    kinds = [rung.kind in lattices for rung in MATERIALS[name]]
    assert not any(all(kinds[i : i + 3]) for i in range(len(kinds) - 2))


@given(st.floats(-14.0, 1.0))
def test_a_bridged_ladder_shows_countable_elements_just_below_the_photo(ln_largest: float):
    largest = float(np.exp(ln_largest))
    bridged = LADDERS.bridged(largest)
    assert bridged.names == LADDERS.names
    for name in BRIDGED:
        m = bridged.index(name)
        rungs = bridged.table[m, : bridged.counts[m]]
        sizes = rungs[:, SIZE]
        assert (np.diff(sizes) < 0).all()
        own = LADDERS.table[m, : LADDERS.counts[m]]
        countable_above = np.isin(own[own[:, SIZE] > largest][:, KIND], BRIDGED_KINDS).any()
        if countable_above and (own[:, SIZE] <= largest).any():
            near = (sizes <= largest) & (sizes > largest / BRIDGE_GAP)
            assert np.isin(rungs[near][:, KIND], BRIDGED_KINDS).any(), (name, sizes)


def test_unknown_names_say_what_is_known():
    with pytest.raises(UnknownMaterial, match="grass"):
        LADDERS.index("unobtainium")


def test_sizes_must_decrease():
    with pytest.raises(ValueError, match="must decrease"):
        Ladders.of({"bad": (Rung(Kind.CLOUDS, 1.0), Rung(Kind.CLOUDS, 1.0))}, TAIL, TAIL_RATIO)


@pytest.mark.parametrize(("size", "aspect"), [(0.0, 1.0), (-1.0, 1.0), (1.0, 0.5)])
def test_a_rung_needs_a_size_and_a_shape(size: float, aspect: float):
    with pytest.raises(ValueError, match="a rung needs"):
        Rung(Kind.BLADES, size, aspect).row()
