"""Whatever comes and goes, in any order: no hole, no jump, and all at full weight in the end."""

from dataclasses import dataclass

import numpy as np
import pytest
from flat import Array, Layer, flat_layers
from hypothesis import strategies as st
from laws import law
from trees import Soil, Tree, Zoom, plant, zoom_lists
from worlds import branching_world

from wonderzoom.scene_graph.extent import surfel_boxes
from wonderzoom.scene_graph.residency import (
    FADE_S,
    Fades,
    Links,
    Shown,
    child_residencies,
    links,
    monotone,
    shown,
)
from wonderzoom.scene_graph.scales import weight
from wonderzoom.scene_graph.surfels import Block
from wonderzoom.scene_graph.world import World

SHARES = st.sampled_from([0.0, 1.0]) | st.floats(0.0, 1.0)


def linked(world: World, tree: Tree) -> tuple[list[Block], Links]:
    blocks = world.blocks
    return blocks, links(blocks, surfel_boxes([block.columns for block in blocks]), tree.cameras[0])


def rooted(blocks: list[Block], world: World) -> np.ndarray:
    return np.array([world.node(block.node).parent is None for block in blocks])


# ---- links ----------------------------------------------------------------------------------------------
@law(zoom_lists(), st.floats(-0.5, 0.5), examples=15)
def test_links_are_the_pairs_that_touch_and_name_each_other(zooms: tuple[Zoom, ...], tilt: float) -> None:
    tree = plant(zooms, Soil(24, 18, tilt=tilt))
    world = tree.world()
    blocks, found = linked(world, tree)
    expected = set[tuple[int, int]]()
    for i, coarse in enumerate(blocks):
        for k, fine in enumerate(blocks):
            boxes = surfel_boxes([coarse.columns, fine.columns])
            moved = boxes[1] * fine.cell.edge_in(coarse.cell) + fine.cell.centre_from(coarse.cell)
            touch = (boxes[0][0] <= moved[1]).all() and (moved[0] <= boxes[0][1]).all()
            names = {coarse.bounds.owners[j] for j in coarse.bounds.child_owner if j >= 0}
            above = {fine.bounds.owners[j] for j in fine.bounds.parent_owner if j >= 0}
            if touch and (fine.node in names or coarse.node in above):
                expected.add((i, k))
    assert set(zip(found.coarser.tolist(), found.finer.tolist(), strict=True)) == expected


def test_a_chain_is_linked_node_by_node() -> None:
    world, cameras = branching_world()
    blocks = world.blocks
    found = links(blocks, surfel_boxes([block.columns for block in blocks]), cameras[0])
    pairs = {(blocks[i].node, blocks[k].node) for i, k in zip(found.coarser, found.finer, strict=True)}
    for node in world.nodes.values():
        assert node.parent is None or (node.parent, node.id) in pairs


# ---- the numbers ----------------------------------------------------------------------------------------
@law(
    st.lists(SHARES, min_size=8, max_size=8),
    st.lists(st.booleans(), min_size=8, max_size=8),
    st.lists(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20),
    examples=60,
)
def test_residency_falls_along_links(
    shares: list[float], there: list[bool], pairs: list[tuple[int, int]]
) -> None:
    """Any links, circles too: never above a coarser one that is there, and as high as that allows."""
    coarser, finer = (np.array([pair[i] for pair in pairs], np.intp) for i in (0, 1))
    here, roots = np.array(there), np.arange(8) == 0
    found = monotone(np.array(shares), here, roots, Links(coarser, finer))
    assert found[0] == float(here[0]) and not found[~here].any()
    for i, k in pairs:
        assert k == 0 or not here[i] or found[k] <= found[i]
    reached = {each: shares[each] for each in range(1, 8) if there[each]}
    for (
        each,
        share,
    ) in reached.items():  # as little as the least that a path of present blocks leads here from
        above, waiting = {each}, [each]
        while waiting:
            k = waiting.pop()
            new = {i for i, other in pairs if other == k and k != 0 and here[i]} - above
            above |= new
            waiting += new
        assert found[each] == min([share, *(1.0 if i == 0 else shares[i] for i in above)])
    least = child_residencies(found, np.ones(8, np.bool_), Links(coarser, finer))
    assert (least <= found).all()
    assert all(least[i] <= found[k] for i, k in pairs)


# ---- 1 and 4a -------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Plot:
    """A flat world with every row's block."""

    tree: Tree
    world: World
    layers: list[Layer]
    blocks: list[Block]
    links: Links
    of_row: list[np.ndarray]  # by layer: the number of each row's block

    @staticmethod
    def of(tree: Tree) -> "Plot":
        world = tree.world()
        blocks, found = linked(world, tree)
        number = {block.key: i for i, block in enumerate(blocks)}
        of_row = [
            np.concatenate(
                [np.full(block.count, number[block.key]) for block in world.blocks_of(tree.id(layer))]
            )
            for layer in range(len(tree.nodes))
        ]
        return Plot(tree, world, flat_layers(tree, world), blocks, found, of_row)

    def seen(self, shares: Array, there: np.ndarray) -> Shown:
        """All blocks are wanted; the root's, which are always loaded first, are there."""
        roots = rooted(self.blocks, self.world)
        every = np.ones(len(self.blocks), np.bool_)
        return shown(shares, there | roots, every, roots, every, self.links)

    def sums(self, what: Shown, points: Array, r: Array, own: tuple[int, int]) -> Array:
        """[P, S] sums of weights at points; at those of ``own`` (layer, row) this row stands for its layer."""
        resident, below = np.zeros((2, len(self.blocks)))
        resident[what.rows], below[what.rows] = what.residencies, what.child_residencies
        total = np.zeros((len(points), len(r)))
        for number, there in enumerate(self.layers):
            rows, holds = there.nearest(points)
            if number == own[0]:
                rows, holds = np.full(len(points), own[1]), np.ones(len(points), np.bool_)
            block = self.of_row[number][rows]
            weights = weight(
                r, there.native, there.parent[rows, None], there.child[rows, None],
                resident[block][:, None], below[block][:, None],
            )  # fmt: skip
            total += np.where(holds[:, None], weights, 0.0)
        return total


def no_hole(plot: Plot, what: Shown, scales: list[float], rng: np.random.Generator) -> None:
    """At points of footprints from each surfel's own scale down to below the finest."""
    low = min(layer.native for layer in plot.layers) - 0.2
    for number, layer in enumerate(plot.layers):
        r = low + np.array(scales) * (layer.native - low)
        within = np.flatnonzero(plot.layers[0].covers(layer.centres))
        for row in rng.permutation(within)[:3].tolist():
            points = layer.footprints(np.array([row]))[0]
            points = points[plot.layers[0].covers(points)]
            total = plot.sums(what, points, r, (number, row))
            assert total.min(initial=np.inf) >= 1.0 - 1e-5, (number, row)


@law(
    zoom_lists(kinds=(0,)),
    st.lists(st.tuples(st.integers(0, 2**32 - 1), st.floats(0.0, 0.2)), min_size=1, max_size=6),
    st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3),
    st.integers(0, 2**32 - 1),
    st.sampled_from([0.3, 0.7]),
    examples=15,
)
def test_law_4a_no_hole_in_any_order_of_arrival_and_eviction(
    zooms: tuple[Zoom, ...], steps: list[tuple[int, float]], scales: list[float], seed: int, sigma: float
) -> None:
    """Blocks come, go and come again while they fade; some of what is drawn is gone before it has faded."""
    plot = Plot.of(plant(zooms, Soil(20, 16, flat=True, sigma=sigma)))
    fades, rng = Fades(), np.random.default_rng(seed)
    for draw, seconds in steps:
        coming = np.random.default_rng(draw).random(len(plot.blocks)) < 0.6
        there = dict(zip((block.hash for block in plot.blocks), coming.tolist(), strict=True))
        fades = fades.moved(there, seconds)
        lost = rng.random(len(plot.blocks)) < 0.1
        shares = np.array([fades.shares[block.hash] for block in plot.blocks])
        no_hole(plot, plot.seen(shares, ~lost), scales, rng)


@law(
    zoom_lists(kinds=(0,), masks=("all",)),
    st.lists(SHARES, min_size=5, max_size=5),
    st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3),
    st.integers(0, 2**32 - 1),
    examples=15,
)
def test_law_1_weights_sum_to_one_while_nodes_fade(
    zooms: tuple[Zoom, ...], draws: list[float], scales: list[float], seed: int
) -> None:
    """Where one node hands over to one other, alike in all blocks, nothing is drawn twice either."""
    chain = tuple(Zoom(i, 0.5, 0.5, max(zoom.ratio, 1.5)) for i, zoom in enumerate(zooms))
    plot = Plot.of(plant(chain, Soil(24, 24, flat=True, sigma=0.25)))
    shares = np.array([draws[plot_number(plot, block)] for block in plot.blocks])
    what = plot.seen(shares, np.ones(len(shares), np.bool_))
    rng = np.random.default_rng(seed)
    low, high = plot.layers[-1].native - 0.5, plot.layers[0].native + 0.5
    r = low + np.array(scales) * (high - low)
    # A point at which every layer's surfel lies wholly inside the finer pictures: each has a child there.
    row = int(rng.permutation(len(plot.layers[-1].centres))[0])
    point = plot.layers[-1].centres[row][None]
    if all(np.isfinite(layer.child[layer.nearest(point)[0]]).all() for layer in plot.layers[:-1]):
        own = (len(plot.layers) - 1, row)
        every = plot.seen(np.ones(len(shares)), np.ones(len(shares), np.bool_))
        np.testing.assert_allclose(plot.sums(every, point, r, own), 1.0, atol=1e-5)
        np.testing.assert_allclose(plot.sums(what, point, r, own), 1.0, atol=1e-5)


def plot_number(plot: Plot, block: Block) -> int:
    return next(n for n in range(len(plot.tree.nodes)) if plot.tree.id(n) == block.node)


# ---- fading ---------------------------------------------------------------------------------------------
def test_what_arrives_takes_150_ms_and_then_nothing_moves() -> None:
    fades, there = Fades(), {"a": True, "b": False}
    assert FADE_S == 0.15
    fades = fades.moved(there, 0.0)
    assert fades.shares == {"a": 0.0, "b": 0.0} and not fades.settled(there)
    seen = []
    for _ in range(3):
        fades = fades.moved(there, 0.06)
        seen.append(fades.shares["a"])
    assert seen == pytest.approx([0.4, 0.8, 1.0])
    assert fades.settled(there) and fades.shares["b"] == 0.0


def test_what_only_comes_into_view_is_there_at_once() -> None:
    assert Fades().moved({"a": True, "b": False}, 0.0, at_once={"a", "b"}).shares == {"a": 1.0, "b": 0.0}
    fading = Fades({"a": 0.3}).moved({"a": True}, 0.0, at_once={"a"})
    assert fading.shares == {"a": 0.3}


def test_what_is_undone_fades_out_and_is_forgotten() -> None:
    fades = Fades({"a": 1.0, "b": 1.0})
    there = {"a": True}
    fades = fades.moved(there, 0.05)
    assert fades.shares["b"] == pytest.approx(2 / 3) and not fades.settled(there)
    fades = fades.moved(there, 0.1001)
    assert fades.shares == {"a": 1.0} and fades.settled(there)


@law(st.lists(st.tuples(st.booleans(), st.floats(0.0, 0.3)), max_size=12), examples=40)
def test_residency_is_continuous_and_within_bounds(steps: list[tuple[bool, float]]) -> None:
    fades, before = Fades(), 0.0
    for present, seconds in steps:
        fades = fades.moved({"a": present}, seconds)
        share = fades.shares["a"]
        assert 0.0 <= share <= 1.0
        assert abs(share - before) <= seconds / FADE_S + 1e-12
        before = share


# ---- what stands by -------------------------------------------------------------------------------------
def test_a_coarser_block_is_drawn_where_a_finer_one_is_missing_and_only_then() -> None:
    """A chain root, middle, fine, seen at the scale of the fine one."""
    chain = Links(np.array([0, 1]), np.array([1, 2]))
    wanted, roots, live = np.array([False, False, True]), np.array([True, False, False]), np.ones(3, np.bool_)

    def draw(*shares: float, there: tuple[bool, bool, bool] = (True, True, True)) -> dict[int, tuple]:
        found = shown(np.array(shares), np.array(there), wanted, roots, live, chain)
        rows = found.rows.tolist()
        return dict(zip(rows, zip(found.residencies, found.child_residencies, strict=True), strict=True))

    assert draw(1, 1, 1) == {2: (1, 1)}
    assert draw(1, 1, 0.25) == {1: (1, 0.25), 2: (0.25, 0.25)}
    assert draw(1, 1, 0, there=(True, True, False)) == {1: (1, 0)}
    # The middle is missing: the root stands in for it, and the fine one is drawn over it as far as it has come.
    assert draw(1, 0, 1, there=(True, False, True)) == {0: (1, 0), 2: (1, 1)}
    assert draw(1, 0, 0, there=(True, False, False)) == {0: (1, 0)}


def test_what_is_no_longer_in_the_world_holds_nothing_back() -> None:
    pair = Links(np.array([0]), np.array([1]))
    both, roots = np.ones(2, np.bool_), np.array([True, False])
    found = shown(np.array([1.0, 0.4]), both, both, roots, np.array([True, False]), pair)
    assert found.residencies.tolist() == [1.0, 0.4] and found.child_residencies.tolist() == [1.0, 0.4]
