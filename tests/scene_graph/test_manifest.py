"""JSON forms keep every bit, and parsers turn anything else into an error that their callers know."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import CELLS, cameras, nodes, same

from wonderzoom.scene_graph import manifest
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.commit import FORMAT, Commit, WorldHeader
from wonderzoom.scene_graph.manifest import (
    BadCommit,
    NewerFormat,
    camera_json,
    cell_json,
    decode_header,
    encode_header,
    json_text,
    node_json,
    outline_json,
    parse_camera,
    parse_cell,
    parse_entry,
    parse_interval,
    parse_node,
    parse_number,
    parse_role,
    to_number,
)
from wonderzoom.scene_graph.scale_node import ScaleNode

EXPECTED = (ValueError, TypeError, LookupError, AttributeError)  # what the codec turns into BadCommit

# Anything that JSON can say.
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)


def through_text(value: Any) -> Any:
    return json.loads(json_text({"value": value}))["value"]


@given(st.floats() | st.integers(-(2**70), 2**70))
def test_numbers_survive(value: float) -> None:
    back = parse_number(through_text(to_number(value)))
    assert same(back, value) or (math.isnan(value) and math.isnan(back))


@given(st.floats(width=32, allow_nan=False))
def test_numpys_numbers_are_numbers(value: float) -> None:
    single: Any = np.float32(value)
    assert parse_number(through_text(to_number(single))) == value


@pytest.mark.parametrize("value", [True, None, "1.0", "infinity", [1.0], {}])
def test_what_is_no_number_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="expected a number"):
        parse_number(value)


def test_a_whole_number_beyond_all_floats_is_a_value_error() -> None:
    """JSON has no largest number; asking Python whether this one is finite is an OverflowError."""
    huge = 10**400
    with pytest.raises(ValueError, match="beyond"):
        parse_number(huge)
    text = encode_header(WorldHeader()).replace('"metres_per_unit":1.0', f'"metres_per_unit":{huge}')
    with pytest.raises(BadCommit, match="beyond"):
        decode_header(text)


@given(CELLS)
def test_cells_survive(cell: Cell) -> None:
    assert parse_cell(through_text(cell_json(cell))) == cell


def test_cells_of_any_size_have_no_limit_of_digits() -> None:
    """Python refuses to read more than 4300 decimal digits."""
    deep = Cell(40_000, 1 << 40_000, -(1 << 39_999), 7)
    assert parse_cell(through_text(cell_json(deep))) == deep


@given(cameras())
def test_cameras_survive_to_the_last_bit(camera: Camera) -> None:
    """Their orientation too: normalising it again would move a bit, and with it every hash."""
    again = parse_camera(through_text(camera_json(camera)))
    assert same(again, camera)


@settings(max_examples=25)
@given(nodes())
def test_nodes_survive(node: ScaleNode) -> None:
    assert same(parse_node(through_text(node_json(node)), node.views, node.generator_state), node)


@settings(max_examples=25)
@given(st.lists(nodes(), max_size=2), st.lists(st.text(max_size=5), max_size=3))
def test_an_outline_tells_what_comes_and_goes(added: list[ScaleNode], removed: list[str]) -> None:
    outline = through_text(outline_json(Commit(7, tuple(added), tuple(removed))))
    assert outline["revision"] == 7
    assert [node["id"] for node in outline["added"]] == [node.id for node in added]
    assert outline["removed"] == removed
    assert "reverts" not in outline
    assert parse_entry(outline) == Commit(7, tuple(added), tuple(removed)).entry


@pytest.mark.parametrize("reverts", [7, 8, -1, True, "1", 1.0, None])
def test_a_commit_takes_back_an_earlier_one_or_none(reverts: object) -> None:
    outline = through_text(outline_json(Commit(7, reverts=6)))
    assert parse_entry(outline).reverts == 6
    with pytest.raises((ValueError, TypeError)):
        parse_entry(outline | {"reverts": reverts})


@given(
    st.builds(
        WorldHeader,
        st.integers(64, 4096),
        st.sampled_from(["depth", "radial"]),
        st.integers(-300, 300).map(lambda e: 2.0**e),
        st.floats(1e-300, 1e300),
        st.tuples(*[st.floats(0.0, 1.0)] * 3),
    )
)
def test_headers_survive(header: WorldHeader) -> None:
    assert decode_header(encode_header(header)) == header


def test_a_header_of_a_newer_format_says_so() -> None:
    newer = json.loads(encode_header(WorldHeader())) | {"format": FORMAT + 1, "new": [1]}
    with pytest.raises(NewerFormat, match=f"format {FORMAT + 1}, this version knows formats up to {FORMAT}"):
        decode_header(json.dumps(newer))


@given(st.text(max_size=30) | ANYTHING.map(json.dumps))
def test_what_is_no_header_is_one_error(text: str) -> None:
    with pytest.raises((BadCommit, NewerFormat)):
        decode_header(text)


@settings(max_examples=60)
@given(st.data())
def test_parsers_take_nothing_for_granted(data: st.DataObject) -> None:
    """One field of a valid form replaced by anything: it parses, or it is one of the errors they promise."""
    form, parse = data.draw(
        st.tuples(cameras().map(camera_json), st.just(parse_camera))
        | st.tuples(nodes().map(node_json), st.just(lambda value: parse_node(value, (), b"")))
    )
    field = data.draw(st.sampled_from(sorted(form)))
    form[field] = data.draw(ANYTHING)
    accepted(parse, form)
    del form[field]
    accepted(parse, form)


def accepted(parse: Callable[[Any], object], value: Any) -> None:
    try:
        parse(value)
    except EXPECTED:
        pass


@given(ANYTHING)
def test_anything_is_a_value_or_a_known_error(value: Any) -> None:
    for parse in (parse_cell, parse_camera, parse_interval, parse_role, parse_number):
        accepted(parse, value)


def test_a_stored_orientation_is_a_unit() -> None:
    form = camera_json(
        Camera(manifest.Position(Cell(0, 0, 0, 0), (0, 0, 0)), (1, 0, 0, 0), 0, 5, 5, 4, 4, 8, 8)
    )
    with pytest.raises(ValueError, match="unit quaternion"):
        parse_camera(form | {"quat": [2.0, 0.0, 0.0, 0.0]})


@pytest.mark.parametrize("role", ["main", "sky", "auxiliary", "fill"])
def test_roles_are_a_closed_set(role: str) -> None:
    assert parse_role(role) == role
    for wrong in (role.upper(), f"{role} ", None, 1, [role]):
        with pytest.raises(ValueError, match="no such role"):
            parse_role(wrong)
