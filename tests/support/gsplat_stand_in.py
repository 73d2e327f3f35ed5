"""gsplat's functions that we call, in plain torch on the CPU: the same signatures, checks and rounding.

Written from what gsplat's kernels do, pixel by pixel: float32, the alpha that is clamped, the exponent that is
skipped when it comes out negative, the ray that misses a disc's plane, the bits of the depth that are sorted by, the
pixel that is finished *before* it would fall to 1e-4. Differentiable by torch, as gsplat is by its own kernels. What
the real one would refuse, or read as garbage (another dtype, gaps between elements, another device), fails an
assertion here.
"""

import math
from typing import Any, Optional  # noqa: UP035  (gsplat's own annotations)

import torch
from torch import Tensor

MIN_ALPHA = 1.0 / 255.0


class StandIn:
    """What ``import gsplat`` gives, as far as it is used; remembers its calls by name."""

    def __init__(self, version: str = "1.5.3", max_alpha: float = 0.999) -> None:
        self.__version__ = version
        self._max_alpha = max_alpha
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def isect_tiles(
        self,
        means2d: Tensor,
        radii: Tensor,
        depths: Tensor,
        tile_size: int,
        tile_width: int,
        tile_height: int,
        sort: bool = True,
        segmented: bool = False,
        packed: bool = False,
        n_images: Optional[int] = None,  # noqa: UP045
        image_ids: Optional[Tensor] = None,  # noqa: UP045
        gaussian_ids: Optional[Tensor] = None,  # noqa: UP045
    ) -> tuple[Tensor, Tensor, Tensor]:
        self.calls.append(("isect_tiles", {k: v for k, v in locals().items() if k != "self"}))
        assert packed and sort and image_ids is not None and gaussian_ids is not None and n_images
        nnz = len(means2d)
        _kernel_input(means2d, torch.float32, (nnz, 2))
        _kernel_input(radii, torch.int32, (nnz, 2))
        _kernel_input(depths, torch.float32, (nnz,))
        _kernel_input(image_ids, torch.int64, (nnz,))
        _kernel_input(gaussian_ids, torch.int64, (nnz,))
        limits = torch.tensor([tile_width, tile_height])
        with torch.no_grad():
            middle, reach = means2d / tile_size, radii.float() / tile_size
            low = torch.minimum(_unsigned(torch.floor(middle - reach)), limits)
            high = torch.minimum(_unsigned(torch.ceil(middle + reach)), limits)
            high = torch.where((radii > 0).all(1, keepdim=True), high, low)
            across, down = (high - low).clamp(min=0).unbind(1)
            counts = across * down
            rows = torch.repeat_interleave(torch.arange(nnz), counts)
            place = torch.arange(len(rows)) - torch.repeat_interleave(
                torch.cumsum(counts, 0) - counts, counts
            )
            y, x = low[rows, 1] + place // across[rows], low[rows, 0] + place % across[rows]
            tile_bits = int(math.log2(tile_width * tile_height)) + 1
            bits = depths.view(torch.int32).long() & 0xFFFFFFFF
            keys = (image_ids[rows] << (32 + tile_bits)) | ((y * tile_width + x) << 32) | bits[rows]
            keys, order = torch.sort(keys, stable=True)
        return counts.int(), keys, rows[order].int()

    def isect_offset_encode(
        self, isect_ids: Tensor, n_images: int, tile_width: int, tile_height: int
    ) -> Tensor:
        self.calls.append(("isect_offset_encode", {k: v for k, v in locals().items() if k != "self"}))
        _kernel_input(isect_ids, torch.int64, (len(isect_ids),))
        tiles = tile_width * tile_height
        tile_bits = int(math.log2(tiles)) + 1
        place = isect_ids >> 32
        place = (place >> tile_bits) * tiles + (place & ((1 << tile_bits) - 1))
        starts = torch.searchsorted(place, torch.arange(n_images * tiles))
        return starts.int().reshape(n_images, tile_height, tile_width)

    def rasterize_to_pixels(
        self,
        means2d: Tensor,
        conics: Tensor,
        colors: Tensor,
        opacities: Tensor,
        image_width: int,
        image_height: int,
        tile_size: int,
        isect_offsets: Tensor,
        flatten_ids: Tensor,
        backgrounds: Optional[Tensor] = None,  # noqa: UP045
        masks: Optional[Tensor] = None,  # noqa: UP045
        packed: bool = False,
        absgrad: bool = False,
    ) -> tuple[Tensor, Tensor]:
        self.calls.append(("rasterize_to_pixels", {k: v for k, v in locals().items() if k != "self"}))
        assert packed and backgrounds is None and masks is None and not absgrad
        assert colors.shape[-1] in (1, 2, 3, 4, 5, 8, 9, 16, 17, 32)
        return self._blend(
            (means2d, conics, colors, opacities), (image_width, image_height), tile_size, isect_offsets,
            flatten_ids,
        )  # fmt: skip

    def rasterize_to_indices_in_range(
        self,
        range_start: int,
        range_end: int,
        transmittances: Tensor,
        means2d: Tensor,
        conics: Tensor,
        opacities: Tensor,
        image_width: int,
        image_height: int,
        tile_size: int,
        isect_offsets: Tensor,
        flatten_ids: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        self.calls.append(
            ("rasterize_to_indices_in_range", {k: v for k, v in locals().items() if k != "self"})
        )
        return self._met(
            range_start, range_end, transmittances, (means2d, conics, opacities), (image_width, image_height),
            tile_size, isect_offsets, flatten_ids,
        )  # fmt: skip

    def rasterize_to_pixels_2dgs(
        self,
        means2d: Tensor,
        ray_transforms: Tensor,
        colors: Tensor,
        opacities: Tensor,
        normals: Tensor,
        densify: Tensor,
        image_width: int,
        image_height: int,
        tile_size: int,
        isect_offsets: Tensor,
        flatten_ids: Tensor,
        backgrounds: Optional[Tensor] = None,  # noqa: UP045
        masks: Optional[Tensor] = None,  # noqa: UP045
        packed: bool = False,
        absgrad: bool = False,
        distloss: bool = False,
    ) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        self.calls.append(("rasterize_to_pixels_2dgs", {k: v for k, v in locals().items() if k != "self"}))
        assert packed and backgrounds is None and masks is None and not absgrad and not distloss
        nnz = len(means2d)
        _kernel_input(normals, torch.float32, (nnz, 3))
        _kernel_input(densify, torch.float32, (nnz, 2))
        # Others have their last channel moved behind a padding.
        assert colors.shape[-1] in (1, 2, 3, 4, 8, 16, 32, 64, 128, 256, 512)
        every = torch.cat([colors, normals], -1)
        shown, alphas = self._blend(
            (means2d, ray_transforms, every, opacities), (image_width, image_height), tile_size, isect_offsets,
            flatten_ids,
        )  # fmt: skip
        nothing = torch.zeros_like(alphas)  # distortion and median depth: not asked for
        return shown[..., :-3], alphas, shown[..., -3:], nothing, nothing

    def rasterize_to_indices_in_range_2dgs(
        self,
        range_start: int,
        range_end: int,
        transmittances: Tensor,
        means2d: Tensor,
        ray_transforms: Tensor,
        opacities: Tensor,
        image_width: int,
        image_height: int,
        tile_size: int,
        isect_offsets: Tensor,
        flatten_ids: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        self.calls.append(
            ("rasterize_to_indices_in_range_2dgs", {k: v for k, v in locals().items() if k != "self"})
        )
        return self._met(
            range_start, range_end, transmittances, (means2d, ray_transforms, opacities),
            (image_width, image_height), tile_size, isect_offsets, flatten_ids,
        )  # fmt: skip

    # ---- the kernels' insides ---------------------------------------------------------------------
    def _blend(
        self, splats: tuple[Tensor, ...], size: tuple[int, int], tile_size: int, isect_offsets: Tensor,
        flatten_ids: Tensor,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """Middles, shapes (conics or ray transforms), channels and opacities -> channels and alpha."""
        (means2d, shapes, colors, opacities), (width, height) = splats, size
        nnz, channels = len(means2d), colors.shape[-1]
        self._check(means2d, shapes, opacities, isect_offsets, flatten_ids)
        _kernel_input(colors, torch.float32, (nnz, channels))
        images = len(isect_offsets)
        down, across = (side * tile_size for side in isect_offsets.shape[1:])
        assert down >= height and across >= width
        shown, alphas = torch.zeros(images, down, across, channels), torch.zeros(images, down, across, 1)
        for where, rows, pixels in self._tiles(isect_offsets, flatten_ids, tile_size):
            alpha, touched = self._alpha(means2d[rows], shapes[rows], opacities[rows], pixels)
            left = torch.cumprod(1.0 - alpha, 0)
            counts = touched & (left > 1e-4)
            before = torch.cat([torch.ones_like(left[:1]), left[:-1]])
            weights = torch.where(counts, alpha * before, 0.0)  # [E, P]
            part = torch.einsum("ep,ec->pc", weights, colors[rows])
            shown = shown.index_put(where, part.reshape(tile_size, tile_size, channels))
            alphas = alphas.index_put(where, weights.sum(0).reshape(tile_size, tile_size, 1))
        return shown[:, :height, :width], alphas[:, :height, :width]

    def _met(
        self, range_start: int, range_end: int, transmittances: Tensor, splats: tuple[Tensor, ...],
        size: tuple[int, int], tile_size: int, isect_offsets: Tensor, flatten_ids: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
        """Splat, pixel and image of every meeting."""
        (means2d, shapes, opacities), (width, height) = splats, size
        assert range_start == 0 and len(means2d) > 0  # the kernel divides by the number of surfels
        assert range_end * tile_size**2 >= len(flatten_ids)
        _kernel_input(transmittances, torch.float32, (height, width))
        assert (transmittances == 1).all()
        self._check(means2d, shapes, opacities, isect_offsets[None], flatten_ids)
        found: list[tuple[Tensor, Tensor]] = []
        for (_, y, x), rows, pixels in self._tiles(isect_offsets[None], flatten_ids, tile_size):
            alpha, touched = self._alpha(means2d[rows], shapes[rows], opacities[rows], pixels)
            counts = touched & (torch.cumprod(1.0 - alpha, 0) > 1e-4)
            inside = (y < height) & (x < width)
            e, p = torch.nonzero(counts & inside.reshape(-1)).unbind(1)
            found.append((rows[e], (y * width + x).reshape(-1)[p]))
        rows = torch.cat([torch.empty(0, dtype=torch.int64), *(each for each, _ in found)])
        pixels = torch.cat([torch.empty(0, dtype=torch.int64), *(each for _, each in found)])
        order = torch.argsort(pixels, stable=True)
        return rows[order], pixels[order], torch.zeros_like(pixels)

    def _check(
        self, means2d: Tensor, shapes: Tensor, opacities: Tensor, offsets: Tensor, flatten_ids: Tensor
    ) -> None:
        nnz = len(means2d)
        _kernel_input(means2d, torch.float32, (nnz, 2))
        _kernel_input(shapes, torch.float32, (nnz, 3, 3) if shapes.dim() == 3 else (nnz, 3))
        _kernel_input(opacities, torch.float32, (nnz,))
        _kernel_input(offsets, torch.int32, tuple(offsets.shape))
        _kernel_input(flatten_ids, torch.int32, (len(flatten_ids),))
        assert not len(flatten_ids) or int(flatten_ids.max()) < nnz

    def _tiles(self, offsets: Tensor, flatten_ids: Tensor, size: int) -> Any:
        """(index of the tile's pixels, its rows front to back, its pixel centres [P, 2]) of tiles with any."""
        _, down, across = offsets.shape
        ends = torch.cat([offsets.reshape(-1)[1:], torch.tensor([len(flatten_ids)], dtype=torch.int32)])
        for number, (start, end) in enumerate(zip(offsets.reshape(-1).tolist(), ends.tolist(), strict=True)):
            if end > start:
                image, tile = divmod(number, down * across)
                y = torch.arange(size)[:, None] + tile // across * size
                x = torch.arange(size)[None, :] + tile % across * size
                y, x = torch.broadcast_tensors(y, x)
                pixels = torch.stack([x, y], -1).reshape(-1, 2).float() + 0.5
                yield (torch.tensor(image), y, x), flatten_ids[start:end].long(), pixels

    def _alpha(
        self, means: Tensor, shapes: Tensor, opacities: Tensor, pixels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """(alpha, 0 where it does not count; where it counts), [E, P]."""
        d = means[:, None] - pixels
        if shapes.dim() == 3:
            exponent, met = _of_discs(shapes, d, pixels)
        else:
            (dx, dy), (xx, xy, yy) = d.unbind(-1), (column[:, None] for column in shapes.unbind(1))
            exponent, met = 0.5 * (xx * dx * dx + yy * dy * dy) + xy * dx * dy, torch.ones_like(dx).bool()
        alpha = (opacities[:, None] * torch.exp(-exponent)).clamp(max=self._max_alpha)
        touched = met & (exponent >= 0.0) & (alpha >= MIN_ALPHA)
        return torch.where(touched, alpha, 0.0), touched


def _of_discs(rays: Tensor, d: Tensor, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """(exponent, whether the ray meets the plane), [E, P]: gsplat's 2DGS kernels with FILTER_INV_SQUARE_2DGS = 2."""
    across = pixels[None, :, :1] * rays[:, None, 2] - rays[:, None, 0]
    down = pixels[None, :, 1:] * rays[:, None, 2] - rays[:, None, 1]
    crossed = torch.linalg.cross(across, down)
    met = crossed[..., 2] != 0.0
    s = crossed[..., :2] / torch.where(met, crossed[..., 2], 1.0)[..., None]
    return 0.5 * torch.minimum((s * s).sum(-1), 2.0 * (d * d).sum(-1)), met


def _kernel_input(tensor: Tensor, dtype: torch.dtype, shape: tuple[int, ...]) -> None:
    assert tensor.dtype == dtype, (tensor.dtype, dtype)
    assert tuple(tensor.shape) == shape, (tensor.shape, shape)
    assert tensor.is_contiguous() and tensor.device.type == "cpu"


def _unsigned(numbers: Tensor) -> Tensor:
    """float32 -> uint32 as CUDA converts it: what is out of range becomes the nearest number that isn't."""
    return numbers.clamp(0.0, 2.0**31).long()
