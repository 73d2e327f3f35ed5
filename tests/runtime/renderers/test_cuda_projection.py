"""Projection on the device: the definition's splats, an order that gsplat can sort by, Gaussians of any size."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from clouds import a_camera, cloud
from hypothesis import given
from hypothesis import strategies as st

from wonderzoom.runtime.renderers import cuda_projection
from wonderzoom.runtime.renderers.cuda_plans import PlanBook, slabs_of
from wonderzoom.runtime.renderers.cuda_projection import (
    Splats,
    by_image,
    far_gaussians,
    far_keys,
    flatten,
    footprint,
    opacity_table,
    ordered,
    project,
)
from wonderzoom.runtime.renderers.cuda_residency import SlabPool
from wonderzoom.runtime.renderers.projection import BLUR, DrawnBlock, project_block
from wonderzoom.scene_graph import scales
from wonderzoom.scene_graph.camera import Camera, quat_to_matrix
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.surfels import THICKNESS


def projected(
    visible: VisibleSet, camera: Camera, settings: RenderSettings, cameras: int = 1
) -> tuple[Splats, SlabPool]:
    pool = SlabPool(1 << 24, "cpu")
    plans = PlanBook(pool).plans([visible] * cameras, [camera.pivot.cell] * cameras)
    slabs, large = slabs_of(plans, [camera] * cameras, settings)
    assert not large
    return project(pool, slabs, [camera] * cameras, settings, "cpu"), pool


def arrays(splats: Splats) -> Splats:
    """The same in NumPy."""
    return Splats(*(getattr(splats, name).numpy() for name in Splats.__slots__))


@pytest.mark.parametrize("modulation", ["optical_mass", "paper", "none"])
@pytest.mark.parametrize("metric", ["depth", "radial"])
def test_splats_are_those_of_the_definition(modulation: scales.Modulation, metric: str) -> None:
    camera = a_camera(focal=40.0, squeeze=0.2)
    settings = RenderSettings(
        h_ref=48, metric="radial" if metric == "radial" else "depth", modulation=modulation
    )
    visible = cloud(camera, 3000, 5, resident=(0.3, 1.0))
    splats = arrays(projected(visible, camera, settings)[0])
    first, expected = 0, []
    for block, residency in zip(visible.blocks, visible.residencies, strict=True):
        found = project_block(DrawnBlock(block, residency, residency), camera, settings)
        expected.append((found, first + found.rows, block.surfels.colors[found.rows] / 255.0))
        first += len(block.surfels)
    ids = np.concatenate([rows for _, rows, _ in expected])
    mine, theirs = np.intersect1d(splats.ids, ids, return_indices=True)[1:]
    assert len(ids) > 500 and len(mine) >= 0.998 * max(len(ids), len(splats))  # but for what is just visible

    def every(name: str) -> np.ndarray:
        return np.concatenate([getattr(found, name) for found, _, _ in expected])[theirs]

    conics = every("conics") / every("units")[:, None] ** 2
    np.testing.assert_allclose(splats.means[mine], every("means"), atol=2e-3, rtol=1e-5)
    size = np.abs(conics).max(1, keepdims=True)
    np.testing.assert_allclose(splats.conics[mine] / size, conics / size, atol=2e-5)
    np.testing.assert_allclose(splats.opacities[mine], every("opacities"), atol=2e-5)
    np.testing.assert_allclose(splats.colors[mine, :3], np.concatenate([c for _, _, c in expected])[theirs])
    zetas = every("zetas")
    np.testing.assert_allclose(splats.colors[mine, 3], zetas, atol=1e-3, rtol=1e-5)
    mean = every("means")
    boxes, radii = every("boxes"), splats.radii[mine]
    for axis in (0, 1):  # pixels of the box, from its first edge to its last
        assert (mean[:, axis] - radii[:, axis] <= boxes[:, 2 * axis] + 0.51).all()
        assert (mean[:, axis] + radii[:, axis] >= boxes[:, 2 * axis + 1] + 0.49).all()
    by_mine, by_theirs = (
        np.argsort(splats.keys[mine], kind="stable"),
        np.argsort(every("keys"), kind="stable"),
    )
    assert (by_mine == by_theirs).mean() > 0.99  # float32 keys: neighbours may swap


def test_several_images_come_one_after_the_other_and_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = a_camera()
    visible, settings = cloud(camera, 2000, 3), RenderSettings(h_ref=48)
    alone, _ = projected(visible, camera, settings)
    monkeypatch.setattr(cuda_projection, "_PIECE_SLABS", 5)  # pieces may end anywhere
    three, _ = projected(visible, camera, settings, 3)
    assert three.images.tolist() == [k for k in range(3) for _ in range(len(alone))]
    for k in range(3):
        part = slice(k * len(alone), (k + 1) * len(alone))
        for name in ("means", "conics", "opacities", "radii", "keys", "colors", "ids"):
            assert torch.equal(getattr(three, name)[part], getattr(alone, name))


def test_what_is_out_of_view_is_culled_with_its_slab(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slabs behind the eye, beside the picture and of other scales never reach the projection of rows."""
    seen: list[int] = []
    piece = cuda_projection._project_piece

    def counting(data: torch.Tensor, *rest: object) -> Splats:
        seen.append(len(data))
        return piece(data, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(cuda_projection, "_project_piece", counting)
    camera, settings = a_camera(), RenderSettings(h_ref=48)
    some = cloud(camera, 4000, 2, octaves=(0.0, 0.2), depths=(0.9, 1.1), margin=0.0)
    low, high = (np.float32(x) for x in (-0.5, 0.5))
    bounds = [
        replace(b.bounds, parent=b.surfels.native + high, child=b.surfels.native + low) for b in some.blocks
    ]
    some = replace(
        some, blocks=tuple(b.with_bounds(each) for b, each in zip(some.blocks, bounds, strict=True))
    )
    for visible, view, wanted in (
        (some, camera, settings),
        (some, a_camera(off_centre=(5000.0, 0.0)), settings),
        (cloud(camera, 4000, 2, octaves=(0.0, 0.2), depths=(-9.0, -5.0)), camera, settings),
        (some, camera, replace(settings, lod_bias=4.0)),
        (some, camera, replace(settings, lod_bias=-4.0)),
        (some, camera, replace(settings, lod_bias=4.0, modulation="none")),
    ):
        projected(visible, view, wanted)
    whole, beside, behind, coarser, finer, unweighted = seen
    assert whole > 10 and unweighted == whole
    assert beside == behind == coarser == finer == 0


@given(st.lists(st.floats(-(2.0**99), 2.0**99, width=32), min_size=2, max_size=60))
def test_keys_of_any_sign_become_positive_numbers_in_their_order(keys: list[float]) -> None:
    numbers = torch.tensor(keys, dtype=torch.float32)
    found = ordered(numbers)
    assert torch.isfinite(found).all() and (found > 0).all()
    order = torch.argsort(numbers)
    assert (torch.diff(found[order]) >= 0).all()
    apart = torch.diff(numbers[order]) > 2.5e-7 * numbers[order].abs().maximum(torch.tensor(1e-37))[1:]
    apart &= torch.diff(numbers[order]) > 2.5e-7 * numbers[order].abs()[:-1]
    assert (torch.diff(found[order])[apart] > 0).all()


def test_far_keys_keep_the_order_of_any_number() -> None:
    keys = np.array([-1e290, -1e100, -1e25, -3e19, -1e3, -1.0, 0.0, 2.0, 1e4, 3e19, 1e60, 1e61, 1e299])
    found = far_keys(keys)
    assert (np.diff(found) > 0).all() and np.abs(found).max() < 1e30
    assert (np.diff(ordered(torch.from_numpy(found.astype(np.float32))).numpy()) > 0).all()
    np.testing.assert_array_equal(found[4:9], keys[4:9])


@given(st.integers(0, 2**32 - 1))
def test_a_gaussian_of_any_size_is_one_that_float32_holds(seed: int) -> None:
    """The same alpha in every pixel of a picture, for sigmas from 1e3 to 1e200 pixels."""
    rng = np.random.default_rng(seed)
    size, count = (1280, 720), 6
    sigma = 10.0 ** rng.uniform(3.0, 200.0 if seed % 2 else 12.0, (count, 1)) * rng.uniform(1, 50, (count, 2))
    angle = rng.uniform(0, math.pi, count)
    turn = np.stack([np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)], -1).reshape(-1, 2, 2)
    along = rng.uniform(-2.5, 2.5, (count, 2)) * sigma  # of the mean from the middle
    means = np.array(size) / 2 + np.einsum("mij,mj->mi", turn, along)
    units = sigma.max(1)
    matrices = np.einsum("mik,mk,mjk->mij", turn, (units[:, None] / sigma) ** 2, turn)
    conics = np.stack([matrices[:, 0, 0], matrices[:, 0, 1], matrices[:, 1, 1]], -1)
    found_means, found_conics, factors = far_gaussians(means, units, conics, size)
    assert np.abs(found_means).max() < 2**30 and np.isfinite(found_conics.astype(np.float32)).all()
    pixels = rng.uniform(0, 1, (40, 2)) * size
    for m in range(count):
        d = np.einsum("ji,pj->pi", turn[m], pixels - np.array(size) / 2) - along[m]
        exact = np.exp(-0.5 * ((d / sigma[m]) ** 2).sum(1))
        dx, dy = (pixels - found_means[m]).T
        xx, xy, yy = found_conics[m]
        got = factors[m] * np.exp(-0.5 * (xx * dx * dx + yy * dy * dy) - xy * dx * dy)
        np.testing.assert_allclose(got, exact, atol=1e-3)


def test_the_exponent_of_a_long_splat_is_nowhere_negative() -> None:
    """gsplat leaves a pixel out where it is: in float32 that would be a line of holes along the axis."""
    rng, n = np.random.default_rng(0), 4000
    angle = torch.from_numpy(rng.uniform(0, math.pi, n)).float()
    long, short = torch.from_numpy(rng.uniform(2000, 9000, n)).float(), torch.full((n,), 0.2)
    u = [long * torch.cos(angle), long * torch.sin(angle), torch.zeros(n)]
    v = [-short * torch.sin(angle), short * torch.cos(angle), torch.zeros(n)]
    nothing = [torch.zeros(n)] * 3
    lens = torch.tensor([0.0, 1.0, 1.0, 0.0, 0.0]).unbind(0)
    point = (torch.zeros(n), torch.zeros(n), torch.ones(n))
    means, covariance, _, blurred = flatten(point, u, v, nothing, lens, (64, 64))
    conics, _, _ = footprint(means, covariance, blurred, torch.ones(n), (64, 64))
    plain = torch.stack([covariance[2], -covariance[1], covariance[0]], -1) / blurred[:, None]
    away = torch.from_numpy(rng.uniform(-1, 1, n)).float() * long * 2
    dx, dy = away * torch.cos(angle), away * torch.sin(angle)

    def exponents(c: torch.Tensor) -> torch.Tensor:
        return 0.5 * (c[:, 0] * dx * dx + c[:, 2] * dy * dy) + c[:, 1] * dx * dy

    assert (exponents(plain) < 0).sum() > 10  # the trap is real
    assert (exponents(conics) < 0).sum() == 0


def test_the_table_back_to_opacities_is_that_of_the_scales() -> None:
    table = opacity_table(RenderSettings())
    opacities = np.linspace(0.001, 0.99, 300)
    for weight in (0.1, 0.5, 0.9):
        value = weight * scales.li2(opacities) / scales.LI2_MAX * (scales.LI2_TABLE_SIZE - 1)
        got = np.interp(value, np.arange(len(table)), table)
        np.testing.assert_allclose(got, scales.modulate(opacities, weight), atol=1e-6)
    linear = opacity_table(RenderSettings(modulation="paper"))
    np.testing.assert_allclose(
        np.interp(0.25 * (scales.LI2_TABLE_SIZE - 1), np.arange(len(linear)), linear), 0.25
    )


def test_splats_are_put_in_the_order_of_image_and_id() -> None:
    numbers = torch.tensor([3, 0, 1, 2, 0])
    images = torch.tensor([0, 1, 0, 1, 0])
    plain = torch.arange(5.0)
    flat = torch.stack([plain, plain], -1)
    mixed = Splats(flat, flat, plain, flat, plain, flat, images, numbers)
    found = by_image(mixed)
    assert found.images.tolist() == [0, 0, 0, 1, 1]
    assert found.ids.tolist() == [0, 1, 3, 0, 2]
    assert found.opacities.tolist() == [4, 2, 0, 1, 3]


def test_gsplats_own_antialiasing_is_the_same_law() -> None:
    """``rasterization(rasterize_mode="antialiased", eps2d=BLUR)``: conics and compensation."""
    from gsplat.cuda import _torch_impl as reference

    camera = a_camera(focal=80.0)
    visible, settings = (
        cloud(camera, 300, 1, depths=(0.8, 2.0), margin=-0.1),
        RenderSettings(h_ref=48, modulation="none"),
    )
    splats = arrays(projected(visible, camera, settings)[0])
    surfels = [(b, project_block(DrawnBlock(b), camera, settings)) for b in visible.blocks]
    means, covars, opacities = [], [], []
    for block, found in surfels:
        frame = camera.cell_frame(block.cell)
        means.append(block.surfels.means[found.rows] @ frame.matrix.T + frame.origin)
        lengths = np.exp(block.surfels.log_scales[found.rows].astype(float))
        thick = THICKNESS * np.exp(block.surfels.native[found.rows].astype(float))
        axes = camera.rotation @ quat_to_matrix(block.surfels.quats[found.rows]) * frame.edge_px
        axes = axes * np.concatenate([lengths, thick[:, None]], 1)[:, None]
        covars.append(axes @ axes.transpose(0, 2, 1))
        opacities.append(block.surfels.opacities[found.rows])
    focal = 1.0 / camera.inverse_f
    view = torch.eye(4, dtype=torch.float64)[None]
    view[0, 2, 3] = focal  # the eye is f pixels before the pivot
    ax, ay = camera.aspect
    intrinsic = torch.tensor(
        [[ax * focal, 0, camera.cx], [0, ay * focal, camera.cy], [0, 0, 1]], dtype=torch.float64
    )
    _, means2d, _, conics, kept_opacity = reference._fully_fused_projection(
        torch.from_numpy(np.concatenate(means)), torch.from_numpy(np.concatenate(covars)), view,
        intrinsic[None], camera.width, camera.height, eps2d=BLUR, calc_compensations=True,
    )  # fmt: skip
    np.testing.assert_allclose(splats.means, means2d[0], atol=2e-3)
    np.testing.assert_allclose(splats.conics, conics[0], atol=1e-4, rtol=1e-4)
    kept = np.minimum(np.concatenate(opacities), scales.MAX_OPACITY) * kept_opacity[0].numpy()
    np.testing.assert_allclose(splats.opacities, kept, atol=1e-4)
