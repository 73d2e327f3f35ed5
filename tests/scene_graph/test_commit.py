"""What a world's header may say."""

import math

import pytest

from wonderzoom.scene_graph.commit import WorldHeader


@pytest.mark.parametrize("edge", [0.25, 1.0, 4096.0])
def test_root_edges_are_powers_of_two(edge: float) -> None:
    assert WorldHeader(root_edge=edge).root_edge == edge


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"root_edge": 3.0}, "power of two, got 3.0"),
        ({"root_edge": -1.0}, "power of two"),
        ({"root_edge": math.inf}, "power of two"),
        ({"h_ref": 63}, "64 to 4096"),
        ({"h_ref": 5000}, "64 to 4096"),
        ({"metres_per_unit": 0.0}, "positive"),
        ({"metres_per_unit": math.nan}, "positive"),
    ],
)
def test_a_header_refuses_nonsense(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WorldHeader(**wrong)  # type: ignore[arg-type]
