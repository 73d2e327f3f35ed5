"""Parts of the method that can be left out, to see what they are for (paper, Sec. 4.2).

Owns the switches of the pipeline and what stands in for depth registration. The third ablation of the paper,
opacity modulation, is a setting of the renderer (``scene_graph.ports.RenderSettings``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.jobs import CreateRequest
from wonderzoom.generation.stages import DepthEstimator
from wonderzoom.scene_graph.ports import Control

F32 = NDArray[np.float32]

# The lens that an estimator takes for granted where nobody tells: that of a photo (initial_scene).
ASSUMED_FOCAL = 0.8  # of the long side
# A map without any relief has no shape to compare; beyond this an estimate is sky, not surface.
FARTHEST = 8.0  # times the median


@dataclass(frozen=True, slots=True)
class Ablations:
    """What of the method is in use; by default all of it."""

    registration: bool = True  # D_i follows D_target (Eq. 5) and its segments are aligned to it
    auxiliary: bool = True  # further views and the layers behind things, for E_0 too

    @property
    def without(self) -> str:
        """What is left out, for a node's provenance: words in alphabetical order; "" for nothing."""
        off = (("auxiliary", self.auxiliary), ("registration", self.registration))
        return " ".join(name for name, used in off if not used)


def unregistered_zeta(estimator: DepthEstimator, image: F32, seed: int, control: Control) -> F32:
    """Zeta [H, W] of I_i [H, W, 3] as the estimator sees it alone: no target, no fine-tuning, no alignment.

    The estimate knows neither scale nor place: its median stands at the pivot, and its relief is that of a photo
    through an ordinary lens, in this view's own pixels. (With the view's true focal length, thousands of frames
    long after some zooms, every relief would be a needle.)
    """
    picture = np.clip(image * 255.0 + 0.5, 0, 255).astype(np.uint8)
    focal = ASSUMED_FOCAL * max(picture.shape[:2])
    estimate = estimator.estimate(CreateRequest(picture, focal=focal, seed=seed), focal, control)
    depth = estimate.depth.astype(np.float64)
    known = ~estimate.sky & np.isfinite(depth)
    middle = float(np.median(depth[known])) if known.any() else 1.0
    if not (math.isfinite(middle) and middle > 0.0):
        return np.zeros(depth.shape, np.float32)
    ratio = np.where(known, np.minimum(depth / middle, FARTHEST), 1.0)
    return ((ratio - 1.0) * focal).astype(np.float32)
