"""The laws of scale, numbered as in the semantics (section 8).

Here: 1 to 7, 9 on the level of frames, and 13 between two layers. Elsewhere: 4 (c) and the rest of 13 in
tests/generation/embedded/test_laws_of_zooms.py; 8 in test_visible_set.py; 9 with pictures in the renderers' conformance
suite; 10 in tests/runtime/renderers/test_mips_drawn.py; 11 in test_picking.py; 12 in test_store.py and tests/faults.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from flat import Layer, child_residency, flat_layers, sum_at
from hypothesis import assume
from hypothesis import strategies as st
from laws import law
from numpy.typing import NDArray
from scene_strategies import cameras
from scipy.ndimage import gaussian_filter
from trees import Soil, Tree, Zoom, deeper, deeper_camera, deeper_cell, plant, zoom_lists
from worlds import nested_world

from wonderzoom.runtime.renderers.reference import ReferenceRenderer
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import LN2
from wonderzoom.scene_graph.coverage_loops import Balls, Frames, Lens, NumpyLoops, Rows, Spots
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.scales import LN_SQRT2, NO_CHILD, NO_PARENT, modulate, weight
from wonderzoom.scene_graph.surfels import SURFACE, Block, Bounds
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

Array = NDArray[np.float64]
DEPTHS = (0, 180, 900)  # octree levels: the start, sixty zooms of 8x, three hundred
# Standard deviations in pixels: with small ones more coarse surfels lie wholly inside the small pictures here.
SMALL, NYQUIST = 0.3, 0.7
LN_RATIOS = st.floats(math.log(1.5), math.log(20.0))


# ---- 1: a stack of scales sums to one -----------------------------------------------------------------
@dataclass(frozen=True)
class Stack:
    """Scales from coarse to fine, and how resident each is."""

    scales: tuple[float, ...]
    residencies: tuple[float, ...]  # falling from 1

    def layers(self) -> Iterator[tuple[float, float, float, float, float]]:
        """(x, parent, child, R, R of the child) of each scale."""
        scales = (NO_PARENT, *self.scales, NO_CHILD)
        residencies = (*self.residencies, 0.0)
        for k in range(len(self.scales)):
            yield scales[k + 1], scales[k], scales[k + 2], residencies[k], residencies[k + 1]


@st.composite
def stacks(draw: st.DrawFn) -> Stack:
    count = draw(st.integers(1, 8))
    scales, residencies = [draw(st.floats(-50.0, 50.0))], [1.0]
    for _ in range(count - 1):
        scales.append(scales[-1] - draw(LN_RATIOS))
        residencies.append(residencies[-1] * draw(st.sampled_from([0.0, 1.0]) | st.floats(0.0, 1.0)))
    return Stack(tuple(scales), tuple(residencies))


def over(stack: Stack, share: float) -> float:
    """A render scale anywhere along a stack and 4 octaves beyond its ends."""
    low, high = stack.scales[-1] - 4.0 * LN2, stack.scales[0] + 4.0 * LN2
    return low + share * (high - low)


@law(stacks(), st.floats(0.0, 1.0), examples=100)
def test_law_1_a_stack_sums_to_one(stack: Stack, share: float) -> None:
    r = over(stack, share)
    total = sum(float(weight(r, *layer)) for layer in stack.layers())
    assert total == pytest.approx(1.0, abs=1e-6)


@law(stacks(), st.floats(0.0, 1.0), examples=100)
def test_law_1_stored_columns_sum_to_one(stack: Stack, share: float) -> None:
    """As blocks hold them: float32, relative to the edge of the cell of the surfel's octave."""
    r, total = over(stack, share), 0.0
    for x, parent, child, resident, below in stack.layers():
        ln_edge = round(x / LN2 + 6.0) * LN2
        native, up, down = (np.float32(value - ln_edge) for value in (x, parent, child))
        total += float(weight(r - ln_edge, native, up, down, resident, below))
    assert total == pytest.approx(1.0, abs=1e-5)


@law(
    st.lists(st.floats(1.5, 9.0), min_size=1, max_size=3),
    st.floats(0.0, 1.0),
    st.sampled_from(DEPTHS),
    examples=15,
)
def test_law_1_a_world_sums_to_one(ratios: list[float], share: float, down: int) -> None:
    """The columns that a world works out for zooms into one point, at that point."""
    zooms = [Zoom(i, 0.5, 0.5, ratio) for i, ratio in enumerate(ratios)]
    # Footprints small enough that the coarse surfels at the point lie inside the finest picture.
    tree = plant(zooms, Soil(24, 24, sigma=0.25, flat=True, levels_down=down))
    layers = flat_layers(tree, tree.world())
    r = layers[-1].native + share * (layers[0].native - layers[-1].native)
    point = np.zeros(2)
    for scale in (r, layers[0].native + 2.0, layers[-1].native - 2.0):
        assert sum_at(layers, point, scale) == pytest.approx(1.0, abs=1e-5)


# ---- 2: weights are continuous and finite -------------------------------------------------------------
@law(
    st.floats(-1e6, 1e6),
    st.none() | st.floats(LN_SQRT2, 50.0),
    st.none() | st.floats(LN_SQRT2, 50.0),
    st.sampled_from(["x", "parent", "child", "between"]),
    st.floats(-1e-3, 1e-3),
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
    examples=100,
)
def test_law_2_weights_are_continuous(
    x: float, up: float | None, down: float | None, at: str, step: float, resident: float, below: float
) -> None:
    parent = NO_PARENT if up is None else x + up
    child = NO_CHILD if down is None else x - down
    middle = {"x": x, "parent": parent, "child": child, "between": x + 0.3}[at]
    assume(math.isfinite(middle))
    below = min(below, resident)
    pair = weight([middle, middle + step], x, parent, child, resident, below)
    slope = (1.0 / up if up else 0.0) + (1.0 / down if down else 0.0)
    # The last bit of r and x, times the slope, is what rounding adds.
    rounding = 1e-12 + 4.0 * np.spacing(max(abs(middle), 1.0)) * slope
    assert abs(float(pair[1] - pair[0])) <= slope * abs(step) + rounding
    assert ((pair >= 0.0) & (pair <= 1.0)).all()


@law(cameras(focals=(1.0, 1e200)), st.sampled_from(DEPTHS), st.floats(-3.0, 3.0), st.booleans(), examples=12)
def test_law_2_any_camera_gives_finite_weights(
    camera: Camera, down: int, lod_bias: float, radial: bool
) -> None:
    """Frames, scales, weights and visible sets of worlds that have nothing to do with the camera."""
    world, _ = nested_world(1, width=8, height=6, levels_down=down)
    settings = RenderSettings(h_ref=64, metric="radial" if radial else "depth", lod_bias=lod_bias)
    assert visible_set(world, camera, settings).surfel_count >= 0
    for block in world.blocks:
        frame = camera.cell_frame(block.cell)
        with np.errstate(over="ignore", invalid="ignore"):
            points = block.surfels.means.astype(np.float64) @ frame.matrix.T + frame.origin
        scale = camera.ln_scale_at(points, radial)
        seen = scale[np.isfinite(scale)] + camera.ln_render_scale(64, lod_bias) - camera.ln_scale
        for r in (seen.min(initial=0.0), seen.max(initial=0.0)):
            columns = (block.surfels.native, block.bounds.parent, block.bounds.child)
            weights = weight(r - block.cell.ln_edge, *columns)
            assert ((weights >= 0.0) & (weights <= 1.0)).all()


# ---- 3: opacity through a cross-fade ------------------------------------------------------------------
def test_law_3_a_coincident_pair_dips_in_the_papers_modulation() -> None:
    half = float(modulate(0.99, 0.5, "paper"))
    assert 1.0 - (1.0 - half) ** 2 == pytest.approx(0.745, abs=1e-3)


def lattice_opacity(spacing: float, opacity: float, points: Array, sigma: float = 0.6) -> Array:
    """Transmittance [P] at points [P, 2] of a square lattice of Gaussians, sigma in spacings, cut at 3 sigma."""
    near = np.arange(-3, 4)
    offsets = np.stack(np.meshgrid(near, near), -1).reshape(-1, 2)
    place = points / spacing
    off = place[:, None] - (np.floor(place)[:, None] + offsets + 0.5)
    squared = (off**2).sum(-1) / sigma**2
    return np.prod(1.0 - opacity * np.where(squared < 9.0, np.exp(-0.5 * squared), 0.0), 1)


@law(st.floats(0.0, 1.0), st.floats(0.3, 0.99), st.floats(1.5, 20.0), st.floats(0.0, 1.0))
def test_law_3_optical_mass_keeps_a_lattices_opacity(
    t: float, opacity: float, ratio: float, shift: float
) -> None:
    # One random point in each of 24 x 24 squares: a regular grid falls into step with some lattices.
    squares = np.stack(np.meshgrid(np.arange(24), np.arange(24)), -1).reshape(-1, 2)
    points = (squares + np.random.default_rng(0).random(squares.shape)) / 12.0
    fine = points + shift / ratio

    def composite(t: float, modulation: str) -> float:
        coarse_o, fine_o = (float(modulate(opacity, a, modulation)) for a in (1.0 - t, t))  # type: ignore[arg-type]
        return 1.0 - float(
            (lattice_opacity(1.0, coarse_o, points) * lattice_opacity(1.0 / ratio, fine_o, fine)).mean()
        )

    assert composite(t, "optical_mass") == pytest.approx(composite(0.0, "optical_mass"), abs=0.004)


# ---- 4: no hole -----------------------------------------------------------------------------------------
def monotone(layers: Sequence[Layer], tree: Tree, world: World, draws: Sequence[float]) -> list[float]:
    """How resident each node is: never more than any node that it stands for in part."""
    resident: dict[str, float] = {}
    for number in sorted(range(len(layers)), key=lambda n: -layers[n].native):
        above = [1.0]
        for block in world.blocks_of(tree.id(number)):
            used = np.unique(block.bounds.parent_owner)
            above += [resident[block.bounds.owners[i]] for i in used if i >= 0]
        resident[tree.id(number)] = min(above) * (1.0 if number == 0 else draws[number % len(draws)])
    return [resident[tree.id(number)] for number in range(len(layers))]


@law(
    zoom_lists(kinds=(SURFACE,)),
    st.lists(st.sampled_from([0.0, 0.5, 1.0]) | st.floats(0.0, 1.0), min_size=4, max_size=4),
    st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4),
    st.integers(0, 2**32 - 1),
    st.sampled_from([SMALL, NYQUIST]),
    examples=15,
)
def test_law_4a_no_point_of_a_coarse_surfel_is_ever_empty(
    zooms: tuple[Zoom, ...], draws: list[float], shares: list[float], seed: int, sigma: float
) -> None:
    """From a surfel's own scale down to below the finest; from there up, what is coarser has its turn."""
    tree = plant(zooms, Soil(flat=True, sigma=sigma))
    world = tree.world()
    layers = flat_layers(tree, world)
    resident = monotone(layers, tree, world, draws)
    low = min(layer.native for layer in layers) - 0.2
    rng = np.random.default_rng(seed)
    for number, layer in enumerate(layers):
        r = low + np.array(shares) * (layer.native - low)  # [S]
        # Beside the root nothing coarser stands in for a surfel: it leaves when one steps back.
        within = np.flatnonzero(layers[0].covers(layer.centres))
        for row in rng.permutation(within)[:4]:
            points = layer.footprints(row[None])[0]
            points = points[layers[0].covers(points)]
            total = np.zeros((len(points), len(r)))
            for other, there in enumerate(layers):
                rows, holds = there.nearest(points)
                if other == number:
                    rows, holds = np.full(len(points), row), np.ones(len(points), np.bool_)
                weights = weight(
                    r,
                    there.native,
                    there.parent[rows, None],
                    there.child[rows, None],
                    resident[other],
                    child_residency(layers, resident, there, rows)[:, None],
                )
                total += np.where(holds[:, None], weights, 0.0)
            assert total.min(initial=np.inf) >= 1.0 - 1e-5, (number, row, points[total.min(1).argmin()])


def drawn(world: World, camera: Camera, settings: RenderSettings) -> tuple[Array, Array]:
    """Colour [H, W, 3] and alpha [H, W] of a world, by the oracle."""
    picture = ReferenceRenderer().render(visible_set(world, camera, settings), camera, settings)
    return picture.color.astype(np.float64), picture.alpha.astype(np.float64)


@law(
    zoom_lists(most=3, ratios=(1.5, 8.0), masks=("all", "left", "disc", "hole"), kinds=(SURFACE,)),
    st.floats(0.65, 1.0),
    st.floats(0.9, 0.99),
    st.integers(0, 3),
    st.floats(0.0, math.radians(60.0)),
    st.floats(0.0, 2.0 * math.pi),
    st.floats(-1.0, 1.0),
    examples=15,
)
def test_law_4b_coplanar_lattices_never_let_through_more_than_the_coarsest(
    zooms: tuple[Zoom, ...],
    sigma: float,
    opacity: float,
    which: int,
    angle: float,
    direction: float,
    ln_factor: float,
) -> None:
    """In the mean over about a pixel of the coarsest, as lattices have dips between their points (law 3).

    The mean is a Gaussian, as wide at half its height as the pixel: of a lattice's ripple it leaves 1 %, where
    a box of whole pixels, out of step with the lattice, leaves most. Beside the rim of a picture 1.4 to 1.6
    times finer, where the coarse lattice ends and the fine one stands alone, lattices of sigma 0.6 let 0.017
    through (0.65: 0.009; 0.7, as we lift them: 0.004).
    """
    tree = plant(zooms, Soil(sigma=sigma, opacity=opacity))
    turned = tree.cameras[which % len(tree.cameras)].orbited(
        angle * math.cos(direction), angle * math.sin(direction)
    )
    camera = turned.zoomed(math.exp(ln_factor))
    settings = RenderSettings(h_ref=12)
    _, whole = drawn(tree.world(), camera, settings)
    _, coarsest = drawn(tree.world([0]), camera, settings)
    pixel = math.exp(tree.cameras[0].ln_scale - camera.ln_scale)
    assert gaussian_filter(whole - coarsest, 0.5 * pixel).min() >= -0.01


# ---- 5: order does not matter ---------------------------------------------------------------------------
def orders(tree: Tree, rng: np.random.Generator) -> list[int]:
    """The nodes in a random order in which parents come before their children."""
    order, waiting = [0], list(range(1, len(tree.nodes)))
    while waiting:
        ready = [number for number in waiting if tree.parents[number] in order]
        order.append(ready[int(rng.integers(len(ready)))])
        waiting.remove(order[-1])
    return order


@law(zoom_lists(most=5), st.floats(-0.8, 0.8), st.booleans(), st.integers(0, 2**32 - 1), examples=10)
def test_law_5_any_order_of_insertions_gives_the_same_bounds(
    zooms: tuple[Zoom, ...], tilt: float, radial: bool, seed: int
) -> None:
    tree = plant(zooms, Soil(tilt=tilt, radial=radial, sigma=SMALL))
    straight, shuffled = tree.world(), tree.world(orders(tree, np.random.default_rng(seed)))
    for one, other in zip(straight.blocks, shuffled.blocks, strict=True):
        assert one.key == other.key
        assert one.bounds.same_as(other.bounds)


@law(st.floats(0.0, 1.0), st.booleans(), examples=6)
def test_law_5_overlapping_siblings_of_4_and_10_sum_to_one(share: float, coarse_first: bool) -> None:
    zooms = [Zoom(0, 0.5, 0.5, 4.0), Zoom(0, 0.5, 0.5, 10.0)]
    tree = plant(zooms if coarse_first else zooms[::-1], Soil(24, 24, sigma=0.25, flat=True))
    layers = flat_layers(tree, tree.world())
    coarse, fine = layers[0].native, min(layer.native for layer in layers)
    assert sum_at(layers, np.zeros(2), fine + share * (coarse - fine)) == pytest.approx(1.0, abs=1e-5)


# ---- 6: what is gone leaves no trace ----------------------------------------------------------------------
@law(
    zoom_lists(most=5),
    st.floats(-0.8, 0.8),
    st.lists(st.tuples(st.booleans(), st.integers(0, 99)), min_size=1, max_size=10),
    examples=15,
)
def test_law_6_a_world_is_what_survives(
    zooms: tuple[Zoom, ...], tilt: float, steps: list[tuple[bool, int]]
) -> None:
    tree = plant(zooms, Soil(tilt=tilt, sigma=SMALL))
    world = tree.world([0])
    for insert, pick in steps:
        change(world, tree, insert, pick)
    assert world.digest() == tree.world(survivors(world, tree)).digest()
    assert world.check() == []


def change(world: World, tree: Tree, insert: bool, pick: int) -> None:
    """Add one of the nodes that can be added, or remove one with what is built on it; nothing where there is none."""
    live = survivors(world, tree)
    if insert:
        able = [k for k in range(len(tree.nodes)) if k not in live and tree.parents[k] in live]
        if able:
            world.apply(world.propose(*tree.nodes[able[pick % len(able)]]))
    elif len(live) > 1:
        gone = live[1:][pick % (len(live) - 1)]
        world.apply(world.propose_removal(tree.id(gone)))


def survivors(world: World, tree: Tree) -> list[int]:
    """The numbers of the nodes that are live; the root's is the first."""
    return [k for k in range(len(tree.nodes)) if tree.id(k) in world.nodes]


@law(
    zoom_lists(most=5),
    st.floats(-0.8, 0.8),
    st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.integers(0, 99)), min_size=2, max_size=12),
    st.integers(0, 11),
    examples=15,
)
def test_law_6_a_copy_and_its_original_are_two_worlds(
    zooms: tuple[Zoom, ...], tilt: float, steps: list[tuple[int, bool, int]], before: int
) -> None:
    """Each is what survives in it: nothing that happens to one, or to a copy of the copy, is seen in another."""
    tree = plant(zooms, Soil(tilt=tilt, sigma=SMALL))
    world = tree.world([0])
    for _, insert, pick in steps[:before]:
        change(world, tree, insert, pick)
    copied = world.copy()
    worlds = (world, copied, copied.copy())
    assert len({each.digest() for each in worlds}) == 1
    for which, insert, pick in steps[before:]:
        change(worlds[which], tree, insert, pick)
    for each in worlds:
        alone = tree.world(survivors(each, tree))
        assert each.digest() == alone.digest() and each.check() == []
        for camera in tree.cameras:
            seen, expected = (of.octree.touching(camera) for of in (each, alone))
            assert [block.key for block in seen] == [block.key for block in expected]


# ---- 7: an insertion touches what it must, and no more ------------------------------------------------------
def outside(block: Block, camera: Camera) -> NDArray[np.bool_]:
    """[N] rows whose whole footprint projects beside a camera's picture, or behind it."""
    frame, surfels = camera.cell_frame(block.cell), block.surfels
    points = surfels.means.astype(np.float64) @ frame.matrix.T + frame.origin
    reach = 3.0 * np.exp(surfels.log_scales.astype(np.float64).max(1)) * frame.edge_px
    beside = np.ones(len(points), np.bool_)
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)
    uv, w = camera.project(points[:, None] + reach[:, None, None] * corners)
    limits = ((uv[..., 0], camera.width), (uv[..., 1], camera.height))
    for value, size in limits:
        beside &= ~((value < -1e-6).all(1) | (value > size + 1e-6).all(1)) | (w <= 0.02).any(1)
    return ~beside


@law(zoom_lists(most=5), st.floats(-0.8, 0.8), examples=15)
def test_law_7_an_insertion_changes_bounds_only_where_it_can_be_seen(
    zooms: tuple[Zoom, ...], tilt: float
) -> None:
    tree = plant(zooms, Soil(tilt=tilt, sigma=SMALL))
    *first, last = range(len(tree.nodes))
    world = tree.world(first)
    before = {block.key: block for block in world.blocks}
    world.apply(world.propose(*tree.nodes[last]))
    for key, old in before.items():
        new = world.octree.block(*key)
        assert new.surfels is old.surfels and new.hash == old.hash
        still = outside(old, tree.cameras[last])
        assert np.array_equal(new.bounds.parent[still], old.bounds.parent[still])
        assert np.array_equal(new.bounds.child[still], old.bounds.child[still])


def test_law_7_the_work_of_an_insertion_does_not_grow_with_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in rows that are projected: the same with four nodes elsewhere and with twenty."""
    corner = Zoom(0, 0.85, 0.85, 8.0)
    elsewhere = [Zoom(0, 0.1 + 0.3 * (k % 7) / 7, 0.1 + 0.3 * (k // 7) / 7, 8.0) for k in range(20)]
    work: list[int] = []
    whole = NumpyLoops.look

    def counted(loops: NumpyLoops, lens: Lens, balls: Balls, frames: Frames, rows: Rows) -> Spots:
        work[-1] += len(rows)
        return whole(loops, lens, balls, frames, rows)

    for count in (4, 20):
        tree = plant([*elsewhere[:count], corner], Soil(24, 18))
        world = tree.world(range(count + 1))
        with monkeypatch.context() as patch:
            patch.setattr(NumpyLoops, "look", counted)
            work.append(0)
            world.propose(*tree.nodes[-1])
    assert 0 < work[1] <= work[0]


# ---- 9: depth does not matter -------------------------------------------------------------------------------
@law(zoom_lists(most=3), st.floats(-0.8, 0.8), st.sampled_from(DEPTHS[1:]), examples=10)
def test_law_9_the_same_content_deeper_has_the_same_bounds_and_is_seen_alike(
    zooms: tuple[Zoom, ...], tilt: float, down: int
) -> None:
    tree = plant(zooms, Soil(tilt=tilt, sigma=SMALL))
    deep = deeper(tree, down)
    here, there = tree.world(), deep.world()
    name = {tree.id(k): deep.id(k) for k in range(len(tree.nodes))}
    rows = differing = 0
    for block in here.blocks:
        twin = there.octree.block(name[block.node], deeper_cell(block.cell, down))
        owners = np.array([name[owner] for owner in block.bounds.owners] + [""])
        twins = np.array([*twin.bounds.owners, ""])
        same = np.isclose(twin.bounds.parent, block.bounds.parent, rtol=0.0, atol=1e-5)
        same &= np.isclose(twin.bounds.child, block.bounds.child, rtol=0.0, atol=1e-5)
        same &= owners[block.bounds.parent_owner] == twins[twin.bounds.parent_owner]
        same &= owners[block.bounds.child_owner] == twins[twin.bounds.child_owner]
        rows, differing = rows + len(same), differing + int((~same).sum())
    # Points that lie exactly on the border of a pixel may round to either side.
    assert differing <= 0.002 * rows
    settings = RenderSettings(h_ref=12)
    for camera in tree.cameras:
        seen = {(name[b.node], deeper_cell(b.cell, down)) for b in visible_set(here, camera, settings).blocks}
        deep_seen = visible_set(there, deeper_camera(camera, down), settings).blocks
        assert seen == {block.key for block in deep_seen}


# ---- 13: colours between two layers -----------------------------------------------------------------------
def registered(tree: Tree) -> Tree:
    """The tree with both layers showing one picture, as registration leaves them: the finer has detail on top.

    The picture changes by 4 levels a coarse pixel, and the detail by 10: a layer at half its opacity is blended in
    another mix of neighbours than at full, which moves it by a part of a pixel, both layers most where the ratio is
    small. A picture that changes by 6 goes 2.13 levels beyond the two at a ratio of 1.75, the most of a thousand.
    """
    root, nodes = tree.cameras[0], []
    for number, (node, blocks) in enumerate(tree.nodes):
        pixel = math.exp(tree.cameras[number].ln_scale - root.ln_scale)
        painted = []
        for cell, surfels in blocks:
            frame = root.cell_frame(cell)
            x, y, _ = (surfels.means @ frame.matrix.T + frame.origin).T
            detail = number * 10.0 * np.sin(1.7 * x / pixel) * np.sin(1.3 * y / pixel)
            waves = (40.0 * np.sin(0.1 * x), 40.0 * np.cos(0.1 * y), 27.0 * np.sin(0.1 * (x + y)))
            colors = np.stack([128.0 + wave + detail for wave in waves], -1)
            painted.append((cell, replace(surfels, colors=(colors + 0.5).astype(np.uint8))))
        nodes.append((node, painted))
    return replace(tree, nodes=tuple(nodes))


@law(st.floats(1.6, 8.0), st.floats(0.0, 1.0), st.floats(0.3, 0.7), st.floats(0.3, 0.7), examples=8)
def test_law_13_along_a_zoom_colours_stay_between_the_two_layers(
    ratio: float, share: float, u: float, v: float
) -> None:
    tree = registered(plant([Zoom(0, u, v, ratio)], Soil(20, 15, opacity=0.97)))
    # The path of a zoom: the end's eye, pivot and axis, from the root's scale to the end's.
    camera = tree.cameras[1].zoomed(math.exp(-share * math.log(ratio)))
    settings = RenderSettings(h_ref=15)
    world = tree.world()
    picture, alpha = drawn(world, camera, settings)
    alone = [only(world, tree.id(k), camera, settings) for k in (0, 1)]
    sure = (alone[0][1] > 0.9) & (alone[1][1] > 0.9) & (alpha > 0.9)
    assert sure.any()
    one, other, both = (color[sure] / a[sure, None] for color, a in (*alone, (picture, alpha)))
    beyond = np.maximum(np.minimum(one, other) - both, both - np.maximum(one, other))
    assert beyond.max() <= 2.0 / 255.0


def only(world: World, node: str, camera: Camera, settings: RenderSettings) -> tuple[Array, Array]:
    """One layer as if it were alone: its surfels at full weight."""
    blocks = tuple(block.with_bounds(Bounds.open(len(block.surfels))) for block in world.blocks_of(node))
    count = len(blocks)
    visible = VisibleSet(blocks, (0,) * count, (1.0,) * count, world.revision)
    picture = ReferenceRenderer().render(visible, camera, settings)
    return picture.color.astype(np.float64), picture.alpha.astype(np.float64)
