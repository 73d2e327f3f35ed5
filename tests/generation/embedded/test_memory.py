"""What a node remembers survives as bytes, and what a picture needs is gathered from live nodes only."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from photo_world import METRES, PhotoWorld, photo

from wonderzoom.generation.embedded.memory import (
    VERSION,
    EmbeddedMemory,
    LaidMaterial,
    Place,
    PlacedThing,
    decode,
    gather,
    metres_per_pixel,
    own_memory,
)
from wonderzoom.scene_graph.cells import Cell, Position

unit = st.floats(-0.5, 0.5)
integers = st.integers(-(2**300), 2**300)
positions = st.builds(
    Position,
    st.builds(Cell, st.integers(-50, 1000), integers, integers, integers),
    st.tuples(unit, unit, unit),
)


SOMEWHERE = Position(Cell(0, 1, 2, 3), (0.1, 0.2, 0.3))


def thing(position: Position = SOMEWHERE, kind: str = "ladybug") -> PlacedThing:
    color = (0.5, 0.5, 0.5)
    return PlacedThing(kind, 7, Place.of(position), (1.0, 0.0, 0.0, 0.0), -12.5, color, color, color)


@given(positions)
def test_places_are_exact_however_deep(position: Position) -> None:
    assert Place.of(position).position == position


@given(positions, st.floats(1e-12, 1e3))
def test_a_memory_survives_as_bytes(position: Position, metres: float) -> None:
    patch = LaidMaterial("moss", (10.5, 3.25), 8.0, 5, "node")
    memory = EmbeddedMemory(
        metres_per_pixel=metres, chart=True, things=(thing(position),), materials=(patch,)
    )
    assert decode(memory.encode()) == memory


@pytest.mark.parametrize("state", [b"", b"nonsense", b"\xff" * 40])
def test_what_is_not_a_memory_is_a_clear_error(state: bytes) -> None:
    with pytest.raises(ValueError, match="state"):
        decode(state)


def test_a_memory_of_a_later_version_is_refused_with_both_numbers() -> None:
    later = EmbeddedMemory(version=VERSION + 1, metres_per_pixel=1.0)
    with pytest.raises(ValueError, match=f"{VERSION + 1}.*{VERSION}"):
        decode(later.encode())


def chain() -> tuple[PhotoWorld, str, str]:
    """A root and two nodes below it, the second one made by something else."""
    found = PhotoWorld.of(photo())
    own = EmbeddedMemory(
        metres_per_pixel=METRES, things=(thing(),), materials=(LaidMaterial("moss", (1, 1), 2, 3),)
    )
    first = found.add(found.zoomed(4.0), photo(64, 64), found.root.id, own)
    other = found.add(found.zoomed(16.0), photo(64, 64), first, None, generator="models/1")
    return found, first, other


def test_things_come_from_live_nodes_parents_first() -> None:
    found, first, _ = chain()
    later = EmbeddedMemory(metres_per_pixel=METRES, things=(thing(kind="bee"),))
    found.add(found.zoomed(9.0), photo(64, 64), first, later)
    things, materials = gather(found.world)
    assert [each.kind for each in things] == ["ladybug", "bee"]
    assert [each.material for each in materials] == ["moss"]


def test_other_generators_remember_nothing_here_and_hand_the_size_down() -> None:
    found, first, other = chain()
    assert own_memory(found.world.node(other)) is None
    assert own_memory(found.world.node(first)) is not None
    assert metres_per_pixel(found.world, found.world.node(other)) == METRES


def test_a_world_of_another_generator_gets_its_size_from_its_header() -> None:
    found = PhotoWorld.of(photo(), generator="models/1")
    assert 0 < metres_per_pixel(found.world, found.root) < 1
