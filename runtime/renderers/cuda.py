"""The CUDA renderer: visible sets of any size and depth through gsplat, one viewer or many in one call.

A frame: blocks are placed in the slab pool (``cuda_residency``), slabs culled, weighted, compacted and projected
(``cuda_projection``), sorted and blended by gsplat (``gsplat_calls``) in the contract's order. Pictures are the
oracle's to float32, but for what gsplat 1.5 does otherwise: it lets alpha grow to 0.999 instead of 0.99, so that the
middle of a surfel more opaque than that shows up to 0.009 less of what is behind it; 1.6 does not. And keys that
differ in their last bit only count as equal, as they may after rounding anyway.

Ids: gsplat blends numbers, it keeps no maximum. Which surfel weighs most in a pixel is found by a second pass over
the same sorted tiles, which lists what each pixel met; weights follow from that in float64. It costs about as much
as the picture and 16 bytes a meeting, so only ``render`` pays it, not ``render_color``.

One frame at a time: calls from several threads wait for each other, as the device would make them anyway.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.renderers import cuda_discs, cuda_ellipses, gsplat_calls
from wonderzoom.runtime.renderers.closing import Closing
from wonderzoom.runtime.renderers.cpu import one_surfel
from wonderzoom.runtime.renderers.cuda_far import far_splats
from wonderzoom.runtime.renderers.cuda_plans import PlanBook, slabs_of
from wonderzoom.runtime.renderers.cuda_projection import Splats, by_image, joined, project
from wonderzoom.runtime.renderers.cuda_residency import OverBudget, SlabPool
from wonderzoom.runtime.renderers.gsplat_calls import Gsplat, Tiles
from wonderzoom.runtime.renderers.projection import MIN_ALPHA, check_visible
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import ORIGIN
from wonderzoom.scene_graph.ports import Look, RenderedView, RenderSettings, VisibleSet

F32 = NDArray[np.float32]

Mode = Literal["3dgs", "2dgs"]

# Pixels of a shared canvas over those of the pictures on it: empty ones cost their memory and little else.
_MOST_WASTE = 2.0
_FREE_SHARE = 0.5  # of what is free on the card when a renderer is made: its pool, if nobody says otherwise
_FIRST_START = "Preparing the CUDA renderer: gsplat is compiled once on a machine (some minutes), then kept."


@dataclass(frozen=True, slots=True)
class FrameStatistics:
    """What the last call did, for benchmarks and budgets."""

    slabs: int  # in the visible sets
    drawn: int  # surfels that touched a picture
    entries: int  # (surfel, tile) pairs


class CudaRenderer(Closing):
    """Draws visible sets on ``device``; close it (or use ``with``) to give its memory back.

    ``max_bytes`` bounds the pool of resident surfels; without it, half of what is free. ``mode``: surfels as Gaussians
    on the screen ("3dgs"), as every other renderer draws them, or as discs in space ("2dgs", ``cuda_discs``), which are
    right in perspective where a surfel is seen large and askew. ``library`` and ``device`` are for tests: anything that
    has gsplat's functions, and where its tensors live.
    """

    name = "cuda"
    together = 16  # looks in a call: by then its fixed costs are a small part

    def __init__(
        self,
        max_bytes: int | None = None,
        device: str = "cuda",
        library: Gsplat | None = None,
        mode: Mode = "3dgs",
    ) -> None:
        """Raises CudaUnavailable when this machine can't draw so. gsplat is loaded with the first picture."""
        if library is None:
            gsplat_calls.check()
        if library is not None and mode == "2dgs":
            library.check_2dgs()
        self._library = library
        self._device, self.mode = device, mode
        self._pool = SlabPool(_default_bytes() if max_bytes is None else max_bytes, device)
        self._plans = PlanBook(self._pool)
        self._lock = threading.Lock()
        self._closed = False
        self.statistics = FrameStatistics(0, 0, 0)

    # ---- drawing ----------------------------------------------------------------------------------
    def render(self, visible: VisibleSet, camera: Camera, settings: RenderSettings) -> RenderedView:
        """Colour, alpha, expected zeta and ids."""
        with self._drawing() as library:
            frame = self._frame(library, [Look(visible, camera, settings)])
            height, width = camera.height, camera.width
            color = frame.shown[0, ..., :3] + (1.0 - frame.alphas[0, ..., None]) * self._sent(
                settings.background
            )
            alpha, zeta = _depth(frame)
            ids = np.full(height * width, -1, np.int64)
            if len(frame.splats):
                ids = _heaviest(library, frame, width, height).cpu().numpy()
            drawn = len(frame.splats)
            return RenderedView(color.cpu().numpy(), alpha, zeta, ids.reshape(height, width), drawn)

    def render_color(
        self, visible: VisibleSet, camera: Camera, settings: RenderSettings
    ) -> NDArray[np.uint8]:
        """The picture over its background as sRGB bytes, [H, W, 4] RGBA with A = 255: the fast path."""
        return self.render_colors([Look(visible, camera, settings)])[0]

    def render_colors(self, looks: Sequence[Look]) -> list[NDArray[np.uint8]]:
        """The pictures of several viewers, each as ``render_color`` draws it.

        Those of one law of modulation and one state of the world share a call of gsplat, on a canvas of the widest and
        the highest, unless that is many times what their pictures need (_MOST_WASTE).
        """
        pictures: list[NDArray[np.uint8] | None] = [None] * len(looks)
        with self._drawing() as library:
            for group in _groups(looks):
                drawn = self._pictures(library, [looks[number] for number in group])
                for number, picture in zip(group, drawn, strict=True):
                    pictures[number] = picture
        return [picture for picture in pictures if picture is not None]

    def render_depth(
        self, visible: VisibleSet, camera: Camera, settings: RenderSettings
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """The picture that ``render_color`` draws, and its expected zeta [H, W] as ``render`` gives it."""
        with self._drawing() as library:
            looks = [Look(visible, camera, settings)]
            frame = self._frame(library, looks)
            return self._bytes(looks, frame)[0], _depth(frame)[1]

    def warm_up(self, on_wait: Callable[[str], None]) -> None:
        """Have gsplat compiled and loaded now; ``on_wait`` hears why that takes a while, if it does."""
        if self._library is None and not gsplat_calls.compiled():
            on_wait(_FIRST_START)
        camera = Camera(ORIGIN, (1.0, 0.0, 0.0, 0.0), 3.0, 3.0, 3.0, 8.0, 8.0, 16, 16)  # a surfel of a pixel
        self.render(one_surfel(), camera, RenderSettings())
        self.render_color(one_surfel(), camera, RenderSettings())

    @property
    def memory_bytes(self) -> int:
        """Bytes of the pool of surfels; what a frame needs besides comes and goes."""
        return self._pool.nbytes

    def close(self) -> None:
        """Finish the frame in the making, refuse new ones, and give the memory back."""
        with self._lock:
            self._closed = True
            self._plans.clear()
            self._pool.clear()
            if self._device == "cuda":
                import torch

                torch.cuda.empty_cache()

    # ---- one call of gsplat -------------------------------------------------------------------------
    @contextmanager
    def _drawing(self) -> Generator[Gsplat]:
        """Alone with the device, without gradients."""
        import torch

        with self._lock:
            if self._closed:
                raise RuntimeError("this renderer is closed")
            if self._library is None:
                self._library = gsplat_calls.load()
                if self.mode == "2dgs":
                    self._library.check_2dgs()
            with torch.inference_mode():
                yield self._library

    def _frame(self, library: Gsplat, looks: Sequence[Look]) -> _Frame:
        """Splats, tiles and blended layers of looks that go together (see ``_groups``)."""
        import torch

        for look in looks:
            check_visible(look.visible)
        cameras, settings = [look.camera for look in looks], looks[0].settings
        plans = self._plans.plans([look.visible for look in looks], [c.pivot.cell for c in cameras])
        slabs, large = slabs_of(plans, cameras, settings)
        flat = self.mode == "2dgs"
        parts = [far_splats(plans[i], b, i, cameras[i], settings, self._device, flat) for i, b in large]
        if len(slabs.slabs):
            kernel = cuda_discs.DISCS if flat else cuda_ellipses.ELLIPSES
            parts.insert(0, project(self._pool, slabs, cameras, settings, self._device, kernel))
        parts = [part for part in parts if len(part)]
        width, height = max(c.width for c in cameras), max(c.height for c in cameras)
        if not parts:
            self.statistics = FrameStatistics(len(slabs.slabs), 0, 0)
            shape = (len(looks), height, width)
            nothing = torch.zeros(shape, device=self._device)
            tiles = Tiles(torch.zeros((len(looks), 1, 1)), torch.zeros(0))
            return _Frame(_no_splats(self._device), tiles, nothing[..., None].expand(*shape, 4), nothing)
        splats = by_image(joined(parts)) if large else joined(parts)
        tiles = library.sort(splats, len(looks), width, height)
        shown, alphas = library.blend(splats, tiles, splats.colors, width, height)
        self.statistics = FrameStatistics(len(slabs.slabs), len(splats), len(tiles.rows))
        return _Frame(splats, tiles, shown, alphas)

    def _pictures(self, library: Gsplat, looks: Sequence[Look]) -> list[NDArray[np.uint8]]:
        """Of looks that go together, in one call, or in two of half as many where they don't fit in memory."""
        import torch

        try:
            drawn = self._bytes(looks, self._frame(library, looks))
            cameras = [look.camera for look in looks]
            return [
                np.ascontiguousarray(picture[: c.height, : c.width])
                for picture, c in zip(drawn, cameras, strict=True)
            ]
        except (OverBudget, torch.OutOfMemoryError):
            if len(looks) == 1:
                raise
        half = len(looks) // 2
        return self._pictures(library, looks[:half]) + self._pictures(library, looks[half:])

    def _bytes(self, looks: Sequence[Look], frame: _Frame) -> NDArray[np.uint8]:
        """[I, H, W, 4] over each look's background."""
        import torch

        backgrounds = self._sent([look.settings.background for look in looks])[:, None, None]
        color = frame.shown[..., :3] + (1.0 - frame.alphas[..., None]) * backgrounds
        picture = torch.full((*frame.alphas.shape, 4), 255, dtype=torch.uint8, device=self._device)
        picture[..., :3] = (color.clamp(0.0, 1.0) * 255.0 + 0.5).to(torch.uint8)
        return picture.cpu().numpy()

    def _sent(self, numbers: object) -> Any:
        import torch

        return torch.tensor(numbers, dtype=torch.float32, device=self._device)


@dataclass(frozen=True, slots=True)
class _Frame:
    """What gsplat made of I looks. Tensors."""

    splats: Splats
    tiles: Tiles
    shown: Any  # float32 [I, H, W, 4] colour and zeta, weighted, over nothing
    alphas: Any  # float32 [I, H, W]


def _depth(frame: _Frame) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Alpha and expected zeta [H, W] of the first look; NaN where there is next to nothing."""
    alpha = frame.alphas[0].cpu().numpy()
    with np.errstate(divide="ignore", invalid="ignore"):
        zeta = frame.shown[0, ..., 3].cpu().numpy() / alpha
    zeta[alpha < MIN_ALPHA] = np.nan
    return alpha, zeta


def _groups(looks: Sequence[Look]) -> list[list[int]]:
    """Numbers of the looks that can share a call: one law, of each block one set of bounds, and similar sizes."""
    groups: list[tuple[object, dict[str, object], list[int]]] = []
    for number, look in enumerate(looks):
        s = look.settings
        law = (s.h_ref, s.metric, s.modulation, s.lod_bias)
        bounds: dict[str, object] = {block.hash: block.bounds for block in look.visible.blocks}
        for known, seen, numbers in groups:
            cameras = [look.camera, *(looks[other].camera for other in numbers)]
            if (
                known == law
                and _waste(cameras) <= _MOST_WASTE
                and all(seen.get(name, value) is value for name, value in bounds.items())
            ):
                seen.update(bounds)
                numbers.append(number)
                break
        else:
            groups.append((law, bounds, [number]))
    return [numbers for _, _, numbers in groups]


def _waste(cameras: Sequence[Camera]) -> float:
    """Pixels of the canvas that these share over those of their pictures."""
    canvas = max(c.width for c in cameras) * max(c.height for c in cameras)
    return len(cameras) * canvas / sum(c.width * c.height for c in cameras)


def _no_splats(device: str) -> Splats:
    import torch

    def none(*shape: int, dtype: Any = torch.float32) -> Any:
        return torch.empty((0, *shape), dtype=dtype, device=device)

    names = (none(dtype=torch.int64), none(dtype=torch.int64))
    return Splats(none(2), none(3), none(), none(2, dtype=torch.int32), none(), none(4), *names)


def _heaviest(library: Gsplat, frame: _Frame, width: int, height: int) -> Any:
    """Id of the surfel with the largest weight alpha T in each pixel of the first image, [H W]; -1 for none.

    Of equal weights the front one counts.
    """
    import torch

    splats = frame.splats
    rows, pixels = library.met(splats, frame.tiles, 0, width, height)
    ids = torch.full((height * width,), -1, dtype=torch.int64, device=pixels.device)
    if not len(rows):
        return ids
    where = torch.stack([pixels % width, pixels // width], -1).float() + 0.5
    drawn = (cuda_discs if splats.flat else cuda_ellipses).falloff(
        splats.shapes[rows], splats.means[rows], where
    )
    alphas = (splats.opacities[rows] * drawn).clamp(max=library.max_alpha).double()
    left = torch.log1p(-alphas)
    before = torch.cumsum(left, 0) - left  # over all meetings; from where its pixel begins, ln T
    order = torch.arange(len(rows), device=rows.device)
    first = torch.full_like(ids, len(rows)).scatter_reduce(0, pixels, order, "amin")
    weights = alphas * torch.exp(before - before[first[pixels]])
    largest = torch.zeros(len(ids), dtype=weights.dtype, device=rows.device)
    largest = largest.scatter_reduce(0, pixels, weights, "amax")
    candidates = torch.where(weights >= largest[pixels], order, len(rows))
    winner = torch.full_like(ids, len(rows)).scatter_reduce(0, pixels, candidates, "amin")
    met = winner < len(rows)
    ids[met] = splats.ids[rows[winner[met]]]
    return ids


def _default_bytes() -> int:
    import torch

    free, _ = torch.cuda.mem_get_info()
    return int(_FREE_SHARE * free)
