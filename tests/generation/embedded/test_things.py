"""The library: every kind can be built, is bounded as it says, and its foliage and limbs can be seen."""

import numpy as np
import pytest

from wonderzoom.generation.embedded.ladders import LADDERS
from wonderzoom.generation.embedded.sdf_kernels import distance
from wonderzoom.generation.embedded.things import (
    CANONICAL_SHARE,
    KINDS,
    METRES,
    Thing,
    build,
    canonical_turn,
    canonical_window,
    silhouette,
)
from wonderzoom.generation.embedded.tracing import outline


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_whole_in_its_canonical_window(kind: str) -> None:
    thing = Thing(kind, 1)
    seen = np.isfinite(outline(thing.shape, canonical_window(thing, 64, 64)))
    assert 0.06 < seen.mean() <= 1.25 * CANONICAL_SHARE
    assert not (seen[0].any() or seen[-1].any() or seen[:, 0].any() or seen[:, -1].any())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_stands_on_its_base_and_has_known_ladders(kind: str) -> None:
    shape = build(kind, 1)
    assert set(shape.ladders) - {None} <= set(LADDERS.names)
    rng = np.random.default_rng(0)
    every = np.arange(len(shape.primitives))
    below = rng.uniform(-1, 1, (200, 3)) * shape.radius
    below[:, 2] = -0.25 - 0.1 * rng.random(200)
    for x, y, z in below:  # roots and feet may sink in a little, nothing is built under the ground
        d = distance(shape.primitives, shape.bounds, shape.tables, every, len(every), x, y, z, 0.0)[0]
        assert d > 0


def test_the_same_words_build_the_same_thing_and_other_seeds_another() -> None:
    one, again, other = (build(kind, seed) for kind, seed in (("ladybug", 1), ("ladybug", 1), ("ladybug", 2)))
    assert np.array_equal(one.primitives, again.primitives)
    assert not np.array_equal(one.primitives, other.primitives)


def test_a_colour_word_changes_the_body() -> None:
    blue = (0.03, 0.12, 0.60)
    assert not np.array_equal(build("beetle", 1).materials, build("beetle", 1, blue).materials)


def test_an_unknown_kind_is_an_error() -> None:
    with pytest.raises(KeyError):
        build("dragon", 1)


def test_a_silhouette_scales_with_what_it_sees() -> None:
    shape = build("pebble", 1)
    seen = silhouette(shape, canonical_turn())
    assert 0 < seen.area <= seen.extent[0] * seen.extent[1]
    assert seen.low[0] < seen.centre[0] < seen.high[0]
    assert METRES["pebble"] > 0
