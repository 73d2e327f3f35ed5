"""D_i of the embedded generator (stages ``depth`` and ``segment``).

The coarse depth, sharpened by I_i, with the relief of what was generated; exact where things stand.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.depth_registration import register_depth
from wonderzoom.generation.embedded.standing import Drawn
from wonderzoom.generation.embedded.upscaling import RELIEF, STANDING, chart_of
from wonderzoom.generation.stages import Edited, ZoomContext
from wonderzoom.scene_graph.ports import Control

F32 = NDArray[np.float32]

# Relief adds to the coarse depth only what that can't resolve, by at most this many native pixels: more would
# turn surfels edge-on that belong to one surface.
MOST_RELIEF = 1.5
# Slopes steeper than this (pixels of depth per pixel) are softened.
RELIEF_SIGMA = 0.7
# What the coarse depth resolves itself is its own (coarse pixels).
COARSE_SIGMA = 1.0


class EmbeddedDepth:
    """Stages ``depth`` and ``segment``."""

    def register(self, context: ZoomContext, edited: Edited, control: Control) -> F32:
        """Zeta [H, W] of I_i."""
        observation = context.observation
        ground = edited.under if edited.under is not None else edited.image
        zeta, edge = register_depth(observation.zeta, ground, observation.factor)
        control.progress(0.6)
        zeta = zeta - np.where(edge, np.float32(0.0), _relief(context))
        standing = context.shared.get(STANDING)
        if isinstance(standing, Drawn):
            zeta = np.where(standing.owner >= 0, standing.zeta, zeta)
        if edited.structure_zeta is not None:
            zeta = np.where(edited.structure, edited.structure_zeta, zeta)
        return zeta.astype(np.float32)

    def segment(self, context: ZoomContext, edited: Edited, control: Control) -> NDArray[np.int32]:
        """The things, each a segment; the surface in the parts that its depth edges leave together."""
        observation = context.observation
        _, edge = register_depth(observation.zeta, edited.image, observation.factor)
        _, labels = cv2.connectedComponents((~edge).astype(np.uint8), connectivity=4)
        labels = labels.astype(np.int32)
        standing = context.shared.get(STANDING)
        if isinstance(standing, Drawn):
            labels = np.where(standing.owner >= 0, labels.max() + 1 + standing.owner, labels)
        return np.where(edited.structure, labels.max() + 1, labels).astype(np.int32)


def _relief(context: ZoomContext) -> F32:
    """Height [H, W] of the generated detail above the coarse surface, native pixels toward the camera."""
    height = context.shared.get(RELIEF)
    if not isinstance(height, np.ndarray):  # a model has made the picture, which has no relief to tell of
        return np.zeros(context.observation.zeta.shape, np.float32)
    chart = chart_of(context)
    pixels = (height / (chart.scale * chart.metres)).astype(np.float32)
    sigma = COARSE_SIGMA * max(1.0, context.observation.factor)
    low = cv2.GaussianBlur(pixels, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    fine = cv2.GaussianBlur(pixels - low, (0, 0), RELIEF_SIGMA, borderType=cv2.BORDER_REFLECT)
    return (MOST_RELIEF * np.tanh(fine / MOST_RELIEF)).astype(np.float32)
