"""What is told of a world is what is in it, at any depth."""

import io
import json

import pytest
from rich.console import Console
from worlds import branching_world, nested_world

from wonderzoom.runtime.world_report import as_json, as_tree, magnification, short
from wonderzoom.scene_graph.world import World

FIELDS = [
    "id", "parent", "prompt", "magnification", "surfels", "cell", "native_scale", "parent_scale",
    "child_scale", "generator", "seed",
]  # fmt: skip


def told(world: World) -> str:
    stream = io.StringIO()
    Console(file=stream, width=200).print(as_tree(world, "garden", {next(iter(world.nodes)): "lost"}))
    return stream.getvalue()


@pytest.mark.parametrize("levels_down", [0, 900])
def test_the_json_has_the_promised_fields_and_survives_json(levels_down: int) -> None:
    world, _ = nested_world(2, ratio=4.0, levels_down=levels_down)
    values = as_json(world)
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert values["revision"] == 3
    nodes = values["nodes"]
    assert isinstance(nodes, list)
    assert [list(node) for node in nodes] == [FIELDS] * 3
    assert [node["id"] for node in nodes] == list(world.nodes)
    assert [node["parent"] for node in nodes] == [None, nodes[0]["id"], nodes[1]["id"]]
    assert [node["magnification"] for node in nodes] == pytest.approx([1.0, 4.0, 16.0], rel=0.2)
    assert sum(node["surfels"] for node in nodes) == sum(len(block.surfels) for block in world.blocks)
    assert nodes[0]["parent_scale"] == [None, None]  # nothing is coarser than the root
    assert nodes[1]["parent_scale"][0] > nodes[1]["native_scale"][0]


def test_the_tree_shows_every_node_below_its_parent() -> None:
    world, _ = branching_world()
    lines = told(world).splitlines()
    assert len(lines) == len(world.nodes) + 1
    indents = {name: line.index(name) for line in lines for name in world.nodes if name in line}
    for name, node in world.nodes.items():
        if node.parent is not None:
            assert indents[name] > indents[node.parent]
    assert "damaged" in lines[1] and not any("damaged" in line for line in lines[2:])


def test_a_chain_of_many_zooms_is_told() -> None:
    world, _ = nested_world(40, ratio=16.0, width=8, height=8)
    last = list(world.nodes.values())[-1]
    assert magnification(world, last) == pytest.approx(16.0**40, rel=0.9)
    assert last.id in told(world)


def test_long_prompts_are_cut_and_broken_ones_are_joined() -> None:
    assert short("a  ladybug\non a leaf") == "a ladybug on a leaf"
    assert len(short("é" * 500)) == 60
