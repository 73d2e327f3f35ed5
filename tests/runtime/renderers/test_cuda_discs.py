"""The mode "2dgs" draws what the rays' oracle draws, through gsplat's own stages, and keeps the laws of scale."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import discs_oracle
import numpy as np
import pytest
import torch
from clouds import a_camera, cloud
from gsplat_stand_in import StandIn
from hypothesis import strategies as st
from laws import law
from worlds import nested_world

from wonderzoom.runtime.renderers import cuda_discs
from wonderzoom.runtime.renderers.cuda import CudaRenderer
from wonderzoom.runtime.renderers.cuda_discs import FILTER, discs, falloff
from wonderzoom.runtime.renderers.gsplat_calls import USED_2DGS, CudaUnavailable, Gsplat
from wonderzoom.runtime.renderers.projection import MIN_ALPHA
from wonderzoom.scene_graph.camera import Camera, quat_to_matrix
from wonderzoom.scene_graph.cells import Position
from wonderzoom.scene_graph.ports import Look, RenderSettings, VisibleSet
from wonderzoom.scene_graph.visible_set import visible_set

SETTINGS = RenderSettings(h_ref=48, background=(0.2, 0.4, 0.6))
CLOSE = 2.0 / 255.0
Scene = tuple[VisibleSet, Camera, RenderSettings]


def a_renderer(mode: Any = "2dgs") -> CudaRenderer:
    return CudaRenderer(1 << 24, "cpu", Gsplat(StandIn()), mode)


def a_cloud(seed: int, count: int = 200, camera: Camera | None = None, **options: Any) -> Scene:
    camera = camera or a_camera()
    chosen = {key: options.pop(key) for key in ("modulation", "metric") if key in options}
    return cloud(camera, count, seed, **options), camera, replace(SETTINGS, **chosen)


def enlarged(octaves: float, focal: float = 1e40) -> Scene:
    """Some surfels, many octaves coarser than the picture."""
    camera = a_camera(focal=focal)
    options: Any = {"octaves": (octaves, octaves + 1.5), "bounded": False, "margin": 0.0}
    return cloud(camera, 25, 12, **options), camera, SETTINGS


def a_world() -> Scene:
    world, cameras = nested_world(1, tilt=0.3, width=36, height=27)
    settings = RenderSettings(h_ref=27)
    camera = cameras[0].orbited(0.2, 0.1).zoomed(2.1)
    return visible_set(world, camera, settings), camera, settings


SCENES: dict[str, Callable[[], Scene]] = {
    "cloud": lambda: a_cloud(0),
    "paper": lambda: a_cloud(2, modulation="paper"),
    "half resident": lambda: a_cloud(3, resident=(0.0, 1.0)),
    "radial": lambda: a_cloud(4, camera=a_camera(focal=30.0), metric="radial"),
    "telephoto": lambda: a_cloud(5, camera=a_camera(focal=1e9)),
    "wide angle": lambda: a_cloud(6, camera=a_camera(focal=14.0)),
    "unequal focal lengths": lambda: a_cloud(7, camera=a_camera(squeeze=0.5)),
    "principal point at the rim": lambda: a_cloud(7, camera=a_camera(off_centre=(30.0, -22.0))),
    "inside the content": lambda: a_cloud(8, 300, depths=(-1.0, 1.5)),
    "tiny surfels": lambda: a_cloud(10, 100, octaves=(-4.0, 0.0), bounded=False),
    "a strip": lambda: a_cloud(9, camera=a_camera(131, 3), octaves=(0.0, 3.0)),
    "blocks of 2^21 pixels": lambda: enlarged(15.0),
    "blocks of 2^300 pixels": lambda: enlarged(294.0, 1e200),
    "between two levels of a world": a_world,
}


QUICK = {"cloud", "wide angle", "telephoto", "inside the content", "tiny surfels", "blocks of 2^300 pixels"}


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in SCENES]
)
def test_it_shows_what_rays_meet(name: str) -> None:
    scene = SCENES[name]()
    expected, margins = discs_oracle.draw(*scene)
    with a_renderer() as renderer:
        got = renderer.render(*scene)
        picture = renderer.render_color(*scene)
    assert expected.alpha.mean() > (0.002 if name == "tiny surfels" else 0.05)
    assert np.abs(got.color - expected.color).max() <= CLOSE
    assert np.sqrt(np.mean((got.color - expected.color) ** 2)) < 10 ** (-55 / 20)
    assert np.abs(got.alpha - expected.alpha).max() <= CLOSE
    assert expected.drawn <= got.drawn <= 1.3 * expected.drawn + 3  # boxes have corners
    assert (got.surfel_ids[margins > CLOSE] == expected.surfel_ids[margins > CLOSE]).all()
    assert (got.surfel_ids[expected.alpha == 0.0] == -1).all()
    known = (expected.alpha > MIN_ALPHA + CLOSE) & np.isfinite(expected.zeta)
    depth = float(np.abs(expected.zeta[known]).max(initial=1.0))
    wrong = np.abs(got.zeta[known] - expected.zeta[known]) * expected.alpha[known]
    assert (wrong <= 1.2 * MIN_ALPHA * depth + 1e-3).all()
    assert np.abs(picture[..., :3] / 255.0 - np.clip(got.color, 0, 1)).max() <= 0.5 / 255 + 1e-6


def test_a_large_slanted_surfel_is_narrower_where_it_is_farther() -> None:
    """Which Gaussians on the screen are not: they are as far on both sides of the middle."""
    camera = a_camera(focal=60.0, quat=(1.0, 0.0, 0.0, 0.0))
    visible = cloud(camera, 1, 1, octaves=(3.0, 3.1), bounded=False)
    block = visible.blocks[0]
    pivot = Position(block.cell, tuple(block.surfels.means[0].tolist())).rebased(camera.pivot.cell.level)
    camera = replace(camera, pivot=pivot)
    sigma = 12.0 / camera.cell_frame(block.cell).edge_px
    half = math.radians(75.0) / 2
    surfels = replace(
        block.surfels,
        quats=np.array([[math.cos(half), 0.0, math.sin(half), 0.0]], np.float32),
        log_scales=np.full((1, 2), math.log(sigma), np.float32),
        opacities=np.array([0.9], np.float32),
    )
    visible = replace(visible, blocks=(replace(block, columns=surfels, hash=""),))
    with a_renderer() as flat, a_renderer("3dgs") as projected:
        disc, ellipse = (r.render(visible, camera, SETTINGS).alpha.astype(float) for r in (flat, projected))
    columns = np.arange(64) + 0.5

    def skew(alpha: np.ndarray) -> float:
        """Of the row of the middle."""
        row = alpha[int(np.argmax(alpha.sum(1)))]
        mean = (row * columns).sum() / row.sum()
        spread = ((columns - mean) ** 2 * row).sum() / row.sum()
        return float(((columns - mean) ** 3 * row).sum() / row.sum() / spread**1.5)

    assert abs(skew(ellipse)) < 0.02 < 0.15 < abs(skew(disc))


# ---- gsplat ------------------------------------------------------------------------------------------
REAL: dict[str, str] = {
    "rasterize_to_pixels_2dgs": "means2d ray_transforms colors opacities normals densify image_width image_height"
    " tile_size isect_offsets flatten_ids backgrounds=None masks=None packed=False absgrad=False distloss=False",
    "rasterize_to_indices_in_range_2dgs": "range_start range_end transmittances means2d ray_transforms opacities"
    " image_width image_height tile_size isect_offsets flatten_ids",
}


@pytest.mark.parametrize("name", USED_2DGS)
def test_the_stand_in_and_an_installed_gsplat_have_the_same_functions(name: str) -> None:
    import inspect

    import gsplat

    def parameters(function: Any) -> str:
        shown = inspect.signature(function).parameters.values()
        return " ".join(p.name if p.default is p.empty else f"{p.name}={p.default}" for p in shown)

    assert parameters(getattr(StandIn(), name)) == REAL[name]
    assert parameters(getattr(gsplat, name)).startswith(REAL[name])
    Gsplat(gsplat).check_2dgs()


def test_every_stage_is_called_as_it_is_meant_and_a_gsplat_without_them_named() -> None:
    stand_in = StandIn()
    with CudaRenderer(1 << 24, "cpu", Gsplat(stand_in), "2dgs") as renderer:
        renderer.warm_up(lambda _: None)
    names = {name for name, _ in stand_in.calls}
    assert names == {"isect_tiles", "isect_offset_encode", *USED_2DGS}
    call = dict(stand_in.calls)["rasterize_to_pixels_2dgs"]
    assert call["packed"] and call["backgrounds"] is None and not call["distloss"]

    class Older:
        """Without the 2DGS stages."""

        __version__ = "1.0"
        isect_tiles, isect_offset_encode = StandIn.isect_tiles, StandIn.isect_offset_encode
        rasterize_to_pixels = StandIn.rasterize_to_pixels
        rasterize_to_indices_in_range = StandIn.rasterize_to_indices_in_range

    with pytest.raises(CudaUnavailable, match="no rasterize_to_pixels_2dgs"):
        CudaRenderer(1 << 24, "cpu", Gsplat(Older()), "2dgs")
    CudaRenderer(1 << 24, "cpu", Gsplat(Older())).close()


def test_rays_and_middles_are_those_of_gsplat_s_own_projection() -> None:
    reference = pytest.importorskip("gsplat.cuda._torch_impl_2dgs")
    rng, n, f, (width, height) = np.random.default_rng(0), 400, 50.0, (64, 48)
    means = np.stack([rng.uniform(-25, 25, n), rng.uniform(-20, 20, n), rng.uniform(-20, 60, n)], -1)
    quats = rng.normal(size=(n, 4))
    quats /= np.linalg.norm(quats, axis=1, keepdims=True)
    scales = np.exp(rng.uniform(-1, 1, (n, 2)))
    there = torch.tensor(means + [0.0, 0.0, f])  # the eye is f before the pivot, where a pixel is a unit
    K = torch.tensor([[f, 0, 31.0], [0, f, 25.0], [0, 0, 1.0]]).double()
    radii, means2d, _, matrices, _ = reference._fully_fused_projection_2dgs(
        there, torch.tensor(quats), torch.tensor(np.c_[scales, np.ones(n)]), torch.eye(4).double()[None],
        K[None], width, height,
    )  # fmt: skip
    axes = torch.tensor(quat_to_matrix(quats))
    u, v = (list((axes[:, :, k] * torch.tensor(scales[:, k : k + 1])).unbind(1)) for k in (0, 1))
    px, py, pz = torch.tensor(means).unbind(1)
    lens = (1 / f, 1.0, 1.0, 31.0, 25.0)
    opacity = torch.full((n,), 0.99, dtype=torch.float64)
    middles, rays, kept, ours, touches = discs((px, py, 1 + pz / f), u, v, [], lens, (width, height), opacity)
    theirs = matrices[0] / matrices[0].abs().amax((1, 2), keepdim=True)
    np.testing.assert_allclose(rays, theirs, atol=1e-12)
    small = torch.tensor(
        scales.max(1) < 0.6
    )  # gsplat's middle is that of the box: the same for small surfels
    np.testing.assert_allclose(middles[small], means2d[0][small], atol=0.05)
    # Boxes of what the filter leaves alone and is opaque: 3.33 sigma from the middle, as gsplat's.
    seen = touches & (radii[0] > 0).all(1) & (kept == opacity)
    difference = (ours[seen] - radii[0][seen]).abs()
    assert seen.sum() > 50 and (difference <= torch.clamp(0.3 * radii[0][seen], min=2)).all()


# ---- boxes and areas ----------------------------------------------------------------------------------
@law(st.integers(0, 2**32 - 1))
def test_nothing_that_shows_lies_outside_its_box(seed: int) -> None:
    rng, n, size = np.random.default_rng(seed), 10, (40, 30)
    f = 10 ** rng.uniform(1.2, 3)
    axes = torch.tensor(quat_to_matrix(rng.normal(size=(n, 4))))
    lengths = torch.tensor(np.exp(rng.uniform(-3, 3, (n, 2))))
    u, v = (list((axes[:, :, k] * lengths[:, k : k + 1]).unbind(1)) for k in (0, 1))
    pz = torch.tensor(rng.uniform(-0.5 * f, 60, n))
    w = 1 + pz / f
    near = w >= 3 * lengths.amax(1) / f
    px, py = (torch.tensor(rng.uniform(-30, 30, n)) for _ in range(2))
    opacity = torch.tensor(rng.uniform(0.01, 1, n))
    lens = (1 / f, 1.0, 1.0, size[0] / 2, size[1] / 2)
    means, rays, opacity, radii, touches = discs((px, py, w), u, v, [], lens, size, opacity)
    y, x = torch.meshgrid(torch.arange(size[1]) + 0.5, torch.arange(size[0]) + 0.5, indexing="ij")
    where = torch.stack([x.reshape(-1), y.reshape(-1)], -1).double()
    for i in np.flatnonzero(near.numpy()):
        every = torch.full((len(where),), int(i))
        alpha = opacity[i] * falloff(rays[every], means[every], where)
        shows = alpha >= MIN_ALPHA * (1 + 1e-9)
        assert touches[i] or not shows.any()
        assert (((where - means[i]).abs() <= radii[i]).all(1) | ~shows).all()


@pytest.mark.parametrize("sigmas", [(3.0, 2.0), (0.9, 0.8), (0.3, 0.3), (0.05, 0.1), (4.0, 0.05), (0.7, 0.2)])
def test_what_a_surfel_covers_stays_its_own_however_it_is_filtered(sigmas: tuple[float, float]) -> None:
    """The sum over fine points of what is drawn: 2 pi times the product of its sigmas, whatever the filter adds."""
    one, other = (torch.tensor([s], dtype=torch.float64) for s in sigmas)
    zero = torch.zeros(1, dtype=torch.float64)
    opacity = torch.ones(1, dtype=torch.float64)
    lens, size = (0.0, 1.0, 1.0, 20.0, 20.0), (40, 40)
    means, rays, kept, _, _ = discs(
        (zero, zero, opacity), [one, zero, zero], [zero, other, zero], [], lens, size, opacity
    )
    fine = torch.arange(0.02, 40, 0.04, dtype=torch.float64)
    y, x = torch.meshgrid(fine, fine, indexing="ij")
    where = torch.stack([x.reshape(-1), y.reshape(-1)], -1)
    drawn = falloff(rays.expand(len(where), 3, 3), means.expand(len(where), 2), where).sum() * 0.04**2
    own = 2 * math.pi * sigmas[0] * sigmas[1]
    assert float(kept * drawn) == pytest.approx(own, rel=0.16) and float(kept) <= 1.0
    if min(sigmas) >= FILTER**0.5 or max(sigmas) <= FILTER**0.5:
        assert float(kept * drawn) == pytest.approx(own, rel=0.01)


def test_a_layer_far_finer_than_a_pixel_does_not_hide_what_stands_for_it() -> None:
    """Half way between two scales of a world, drawn at the coarser one's own resolution: as opaque as Eq. 3 says."""
    world, cameras = nested_world(1, tilt=0.0, width=36, height=27)
    settings = RenderSettings(h_ref=27)
    camera = cameras[0].zoomed(1.5)
    scene = visible_set(world, camera, settings), camera, settings
    with a_renderer("3dgs") as projected, a_renderer() as flat:
        expected, got = (r.render(*scene).color.astype(np.float64) for r in (projected, flat))
    bare = discs_oracle.draw(*scene, compensated=False)[0].color
    assert np.abs(got - expected).mean() < 0.5 * np.abs(bare - expected).mean()


# ---- several viewers ----------------------------------------------------------------------------------
def test_viewers_share_a_call_and_see_what_they_would_see_alone() -> None:
    camera = a_camera()
    looks = [Look(cloud(camera, 200, seed), camera.orbited(0.05 * seed, 0.0), SETTINGS) for seed in range(3)]
    with a_renderer() as renderer:
        together = renderer.render_colors(looks)
        for look, picture in zip(looks, together, strict=True):
            alone = renderer.render_color(look.visible, look.camera, look.settings)
            np.testing.assert_array_equal(alone, picture)


def test_modes_have_names() -> None:
    with a_renderer() as flat, a_renderer("3dgs") as projected:
        assert (flat.mode, projected.mode, flat.name) == ("2dgs", "3dgs", "cuda")
    assert cuda_discs.DISCS.reach_px > 3.33 * math.sqrt(FILTER)
