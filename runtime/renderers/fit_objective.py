"""What a fit makes small: the mean over its views of the photometric loss and of what stays uncovered.

Each view is drawn over a background colour of the caller's choice; what shines through costs by its colour
and, in the cover term, by itself. Every sum has one order, for any number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.renderers.fit_rasterizer import Precision, Rasterizer, RasterView
from wonderzoom.runtime.renderers.photometric_loss import PhotometricLoss
from wonderzoom.runtime.renderers.threads import Team
from wonderzoom.scene_graph.ports import Cancelled, Control, FitProblem, FitSettings, FitView

Array = NDArray[np.floating[Any]]


class Objective:
    """The mean loss over the views of a problem, and its gradient."""

    def __init__(
        self,
        problem: FitProblem,
        rows: NDArray[np.intp],
        settings: FitSettings,
        precision: Precision,
        team: Team,
    ) -> None:
        self._raster = Rasterizer(problem.colors[rows], problem.thickness[rows], precision, team)
        views, means = problem.views, problem.means[rows]
        self._views = [_FittedView(v, means, precision, settings, len(views), team) for v in views]
        self._scratch = {v.size: v.loss.scratch() for v in self._views}

    def evaluate(self, theta: Array, backgrounds: Array, grads: Array | None, control: Control) -> float:
        """The loss over ``backgrounds`` [views, 3]; its gradient goes to ``grads`` [7, N] unless None."""
        loss = 0.0
        for number, view in enumerate(self._views):
            if control.cancelled():
                raise Cancelled
            image, transmittance = self._raster.forward(view.raster, theta, backgrounds[number])
            cost = view.loss.evaluate(image, view.image_grad, self._scratch[view.size])
            # numpy's own sum, not a dot product: that one may change its order with BLAS's threads.
            uncovered = np.multiply(view.cover_grad, transmittance).sum(dtype=np.float64)
            loss += view.share * cost + float(uncovered)
            if grads is not None:
                view.image_grad *= view.share
                self._raster.backward(
                    view.raster, theta, view.image_grad, view.cover_grad, grads, accumulate=number > 0
                )
        return loss


class _FittedView:
    """One view of a fit with its target, and where its gradients go."""

    def __init__(
        self,
        view: FitView,
        means: Array,
        precision: Precision,
        settings: FitSettings,
        views: int,
        team: Team,
    ) -> None:
        dtype = np.dtype(precision)
        self.raster = RasterView.of(view, means, precision)
        self.loss = PhotometricLoss(view.target, view.mask, dtype.type, team)
        self.size = (self.loss.height, self.loss.width)
        self.share = 1.0 / views  # the loss is the mean over views
        self.image_grad = np.empty((3, self.loss.height * self.loss.width), dtype)
        # The cover term is the mean transmittance of the mask: its gradient never changes.
        self.cover_grad = self.loss.mask * dtype.type(
            settings.cover_weight * self.share / max(self.loss.pixels, 1)
        )
