"""A published world as nodes: who covers whom comes out as its authors meant it."""

from pathlib import Path

import numpy as np
import pytest
from plane_maker import PointRenderer
from released_world import FOCAL, HEIGHT, WIDTH, columns, save

from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.importers.levels import Chain, chain_of
from wonderzoom.runtime.importers.released import read_released
from wonderzoom.scene_graph.world import World


def imported(path: Path, **options: float) -> tuple[Chain, World]:
    chain = chain_of(read_released(path), path.name, PointRenderer())
    world = World(chain.header)
    for commit in chain.commits:
        world.apply(commit)
    return chain, world


def test_each_level_becomes_the_child_of_the_coarser_one(tmp_path: Path) -> None:
    chain, world = imported(save(tmp_path / "world.pth", columns((1.0, 4.0, 16.0))))
    assert world.check() == [] and chain.notes == ()
    root, second, third = world.nodes.values()
    assert (root.id, second.parent, third.parent) == (chain.root, root.id, second.id)
    for node, zoom in zip((root, second, third), (1.0, 4.0, 16.0), strict=True):
        assert sum(len(block.surfels) for block in world.blocks_of(node.id)) == WIDTH * HEIGHT
        assert np.exp(node.main.camera.ln_f) == pytest.approx(FOCAL * zoom, rel=0.03)
        assert node.main.mask.mean() > 0.9
    # Eq. 3 between levels: the parent's scale is four times a splat's own, the child's a quarter.
    for node in (second, third):
        ratios = np.concatenate([b.bounds.parent - b.surfels.native for b in world.blocks_of(node.id)])
        np.testing.assert_allclose(np.exp(ratios), 4.0, rtol=0.05)
    covered = np.concatenate([b.bounds.child - b.surfels.native for b in world.blocks_of(root.id)])
    covered = np.exp(-covered[np.isfinite(covered)])
    assert 0.02 < len(covered) / (WIDTH * HEIGHT) < 1 / 16
    np.testing.assert_allclose(covered, 4.0, rtol=0.05)


def test_splats_of_no_one_zoom_stay_with_the_root(tmp_path: Path) -> None:
    found = columns((1.0, 4.0))
    noise = np.random.default_rng(0).uniform(0.5, 2.0, WIDTH * HEIGHT).astype(np.float32)
    found["now_scale"][WIDTH * HEIGHT :] *= noise
    chain, world = imported(save(tmp_path / "world.pth", found))
    assert len(world.nodes) == 1 and world.check() == []
    assert any(f"{WIDTH * HEIGHT:,} splats that no one zoom made" in note for note in chain.notes)
    assert sum(len(block.surfels) for block in world.blocks) == 2 * WIDTH * HEIGHT


def test_levels_closer_than_bounds_can_be_are_one(tmp_path: Path) -> None:
    _, world = imported(save(tmp_path / "world.pth", columns((1.0, 1.2))))
    assert len(world.nodes) == 1


def test_a_first_level_behind_the_eye_is_told(tmp_path: Path) -> None:
    found = columns((1.0,))
    found["_xyz"][:, 2] *= -1
    with pytest.raises(CommandError, match="in front of the eye"):
        imported(save(tmp_path / "world.pth", found))
