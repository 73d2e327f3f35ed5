"""What a node says of its blocks is true of each of them, and of nothing more."""

import math

import numpy as np
from trees import Soil, Zoom, plant

from wonderzoom.scene_graph.summaries import placed_in, scales_of, scales_over

TREE = plant([Zoom(0, 0.5, 0.5, 4.0)], Soil(48, 36, tilt=1.0))


def test_a_node_holds_its_blocks_and_no_smaller_cell_does() -> None:
    world = TREE.world()
    blocks = world.blocks_of(TREE.id(0))
    assert len(blocks) > 1
    said = placed_in([(block.cell, block.surfels) for block in blocks])
    cell = said["cell"]
    assert cell == world.nodes[TREE.id(0)].cell
    for block in blocks:
        climbed = block.cell
        while climbed.level > cell.level:  # type: ignore[attr-defined]
            climbed = climbed.ancestor()
        assert climbed == cell
    low, high = np.array(said["bounds"])
    for block in blocks:
        centres = block.surfels.means * block.cell.edge_in(cell) + block.cell.centre_from(cell)  # type: ignore[arg-type]
        assert (centres >= low - 1e-6).all() and (centres <= high + 1e-6).all()
    native = [block.surfels.native + block.cell.ln_edge for block in blocks]
    assert said["native_scale"] == (min(x.min() for x in native), max(x.max() for x in native))


def test_scales_are_the_hull_of_those_of_the_blocks() -> None:
    blocks = TREE.world().blocks
    over = scales_over(map(scales_of, blocks))
    for side, column in (("parent_scale", "parent"), ("child_scale", "child")):
        values = np.concatenate([getattr(block.bounds, column) + block.cell.ln_edge for block in blocks])
        assert np.allclose(over[side], (values.min(), values.max()))


def test_a_node_without_blocks_is_never_drawn() -> None:
    nowhere = (math.inf, -math.inf)
    assert scales_over([]) == {"parent_scale": nowhere, "child_scale": nowhere}
