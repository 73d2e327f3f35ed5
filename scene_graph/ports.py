"""What the world asks of others: rendering and fitting, declared here, implemented in ``runtime.renderers``.

Generation has to render the coarse scene while rendering lives in ``runtime``; both know these
protocols only and are put together by the composition root.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.scales import Modulation
from wonderzoom.scene_graph.surfels import Block

F32 = NDArray[np.float32]
Metric = Literal["depth", "radial"]
Span = tuple[int, int]  # finest and coarsest level of a pyramid


@dataclass(frozen=True, slots=True)
class VisibleSet:
    """The blocks that one camera needs, in a deterministic order (node, cell, level).

    A block that is seen at several sizes comes several times, as the levels of its pyramid (``mips``), which share
    its weight.
    """

    blocks: tuple[Block, ...]
    mips: tuple[int, ...]  # level of its pyramid that each block is; 0 is the finest
    residencies: tuple[float, ...]  # R in [0, 1] of each block
    revision: int
    shared: tuple[Span, ...] = ()  # levels that share the weight of each block; (): it draws it whole
    child_residencies: tuple[float, ...] = ()  # R_child of each block; (): as resident as the block itself
    # Rows of its world's octree and the finest level of each: what the next frame's choice begins with.
    chosen: tuple[NDArray[np.intp], NDArray[np.int64]] | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not self.shared:
            object.__setattr__(self, "shared", tuple(zip(self.mips, self.mips, strict=True)))
        if not self.child_residencies:
            object.__setattr__(self, "child_residencies", self.residencies)
        columns = (self.mips, self.residencies, self.shared, self.child_residencies)
        if any(len(column) != len(self.blocks) for column in columns):
            raise ValueError("blocks, mips, residencies and shared levels must be aligned")

    @property
    def surfel_count(self) -> int:
        return sum(block.count for block in self.blocks)


@dataclass(frozen=True, slots=True)
class RenderSettings:
    """How a visible set becomes a picture."""

    h_ref: int = 512  # short side that native scales refer to (world header)
    metric: Metric = "depth"
    background: tuple[float, float, float] = (0.0, 0.0, 0.0)  # sRGB in [0, 1]
    modulation: Modulation = "optical_mass"
    lod_bias: float = 0.0  # octaves
    mips: bool = False  # surfels smaller than a pixel as fewer, larger ones: to look at, not to generate from
    budget: int | None = None  # surfels of a visible set at most, with mips; None: as many as pixels ask for

    def __post_init__(self) -> None:
        if self.budget is not None and (self.budget < 1 or not self.mips):
            raise ValueError(f"a budget is one surfel or more, of visible sets with mips, got {self.budget}")


@dataclass(frozen=True, slots=True)
class RenderedView:
    """What a renderer returns for one camera."""

    color: F32  # [H, W, 3] sRGB in [0, 1], over the background
    alpha: F32  # [H, W] accumulated opacity
    zeta: F32  # [H, W] expected depth sum(w P_z) / sum(w), native pixels at the pivot; NaN if alpha < 1/255
    surfel_ids: NDArray[np.int64]  # [H, W] row in the joined visible set with the largest weight; -1 none
    drawn: int  # surfels that touched the picture


class Renderer(Protocol):
    """Draws surfels; sort key ``P_z + 3 max(sx, sy)`` in native pixels, ties by (block order, row)."""

    name: str

    def render(self, visible: VisibleSet, camera: Camera, settings: RenderSettings) -> RenderedView: ...


@dataclass(frozen=True, slots=True)
class Look:
    """What one picture is of."""

    visible: VisibleSet
    camera: Camera
    settings: RenderSettings


@runtime_checkable
class BatchRenderer(Protocol):
    """A renderer whose pictures cost less when several are drawn in one call, as on a graphics card.

    ``together``: more looks than these gain nothing in a call.
    """

    together: int

    def render_colors(self, looks: Sequence[Look]) -> list[NDArray[np.uint8]]:
        """The finished picture of each look as sRGB bytes, [H, W, 4] RGBA with A = 255; sizes may differ."""
        ...


@dataclass(frozen=True, slots=True)
class FitView:
    """One picture to fit: a pinhole view whose coordinates are an affine map of the problem's own."""

    rotation: NDArray[np.float64]  # [3, 3] problem axes -> this view's axes
    translation: NDArray[np.float64]  # [3] pixels: P_view = rotation @ P + translation
    inverse_f: float  # 1 / f in 1 / pixels (0: orthographic); u = ax P_x / (1 + P_z / f) + cx
    aspect: tuple[float, float]  # (ax, ay)
    center: tuple[float, float]  # (cx, cy)
    target: F32  # [H, W, 3] sRGB in [0, 1]
    mask: NDArray[np.bool_] | None = None  # [H, W] pixels that count; None: all

    @staticmethod
    def of(camera: Camera, target: F32, mask: NDArray[np.bool_] | None = None) -> FitView:
        """The view of ``camera`` itself, for surfels given in its own view coordinates."""
        identity, zero = np.eye(3), np.zeros(3)
        return FitView(identity, zero, camera.inverse_f, camera.aspect, (camera.cx, camera.cy), target, mask)


@dataclass(frozen=True, slots=True)
class FitProblem:
    """Surfels in view coordinates of one camera (pixels at its pivot) and the pictures they must show."""

    means: F32  # [N, 3] fixed
    colors: F32  # [N, 3] sRGB in [0, 1], fixed
    quats: F32  # [N, 4] wxyz, surfel -> view axes: start
    log_scales: F32  # [N, 2] ln pixels: start
    opacities: F32  # [N]: start
    thickness: F32  # [N] pixels, fixed
    views: tuple[FitView, ...]
    seed: int = 0  # of the random backgrounds


@dataclass(frozen=True, slots=True)
class FitSettings:
    """Loss 0.8 L1 + 0.2 D-SSIM (Sec. 3.1), Adam, and guards against gaming one view.

    The released code takes 300-400 steps at rates 0.05, 0.001, 0.005 from an opacity of 0.1. Ten steps from
    an opaque start, at 16 and 64 times these rates falling linearly, do (``benchmarks/fitting.py``), also in
    views from +-10 degrees that the fit never saw (``tests/runtime/renderers/test_cpu_fitter.py``).
    """

    iterations: int = 10  # detailed pictures reach 30 dB in 6; ten more would add 0.2 to 1 dB
    opacity_rate: float = 0.8
    quat_rate: float = 0.064
    scale_rate: float = 0.32
    last_rate: float = 0.1  # share of the rates in the last step; they fall linearly
    betas: tuple[float, float] = (0.0, 0.99)
    max_turn: float = 0.5235987755982988  # 30 degrees from the initial normal
    max_log_scale_change: float = 0.6931471805599453  # ln 2 from Nyquist
    cover_weight: float = 0.85  # of the mean transmittance in the loss: texture would let 2 % through


@dataclass(frozen=True, slots=True)
class FitResult:
    quats: F32  # [N, 4]
    log_scales: F32  # [N, 2]
    opacities: F32  # [N]
    losses: tuple[float, ...]  # of the start of every iteration, then of the result: never above the first


def _never() -> bool:
    return False


def _ignore(_told: object) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Control:
    """How a long computation is watched: ``cancelled`` is polled in every step, ``progress`` takes [0, 1].

    ``note`` takes what the person who asked should know of the result, such as what was done instead.
    """

    cancelled: Callable[[], bool] = _never
    progress: Callable[[float], None] = field(default=_ignore)
    note: Callable[[str], None] = field(default=_ignore)


class Cancelled(Exception):
    """The computation was cancelled and left nothing behind."""


class Fitter(Protocol):
    """Optimises opacity, orientation and scales; positions and colours stay fixed (Sec. 3.1)."""

    name: str

    def fit(self, problem: FitProblem, settings: FitSettings, control: Control) -> FitResult: ...
