"""Layers become surfels in cells: what a picture shows is fitted to it, what none shows takes the median."""

from dataclasses import replace

import numpy as np
from worlds import first_camera

from wonderzoom.generation.fitting import fit_layers, place_layers
from wonderzoom.generation.lifting import lift
from wonderzoom.generation.stages import Layer
from wonderzoom.scene_graph.ports import Control, FitProblem, FitResult, FitSettings
from wonderzoom.scene_graph.surfels import FILL

SIDE = 16


class Halves:
    """A fitter that gives the i-th surfel the opacity (i + 1) / N and halves nothing else."""

    name = "halves"

    def __init__(self) -> None:
        self.problems: list[FitProblem] = []

    def fit(self, problem: FitProblem, settings: FitSettings, control: Control) -> FitResult:
        self.problems.append(problem)
        count = len(problem.means)
        opacities = ((np.arange(count) + 1) / count).astype(np.float32)
        return FitResult(problem.quats, problem.log_scales, opacities, (1.0,))


def layer(role: str = "main", rows: slice = slice(None), kind: int = 0) -> Layer:
    image = np.random.default_rng(1).random((SIDE, SIDE, 3), dtype=np.float32)
    mask = np.zeros((SIDE, SIDE), np.bool_)
    mask[rows] = True
    camera = first_camera(SIDE, SIDE, focal=16.0)
    return Layer(camera, image, np.zeros((SIDE, SIDE), np.float32), mask, role, kind)  # type: ignore[arg-type]


def test_what_the_main_view_shows_is_fitted_to_its_picture_and_the_rest_takes_the_median() -> None:
    main, sky, hidden = (
        layer(rows=slice(4, None)),
        layer("sky", slice(0, 4)),
        layer("fill", slice(0, 8), FILL),
    )
    layers, fitter = [main, sky, hidden], Halves()
    lifted = [lift(each, "depth") for each in layers]
    fitted = fit_layers(layers, lifted, main, fitter, FitSettings(), 7, Control())
    (problem,) = fitter.problems
    assert len(problem.means) == len(lifted[0]) + len(lifted[1]) and problem.seed == 7
    assert problem.views[0].mask is not None and problem.views[0].mask.all()
    count = len(problem.means)
    assert np.array_equal(np.concatenate([fitted[0].opacities, fitted[1].opacities]),
                          ((np.arange(count) + 1) / count).astype(np.float32))  # fmt: skip
    assert np.allclose(fitted[2].opacities, np.median((np.arange(count) + 1) / count))
    assert all(np.array_equal(a.means, b.means) for a, b in zip(fitted, lifted, strict=True))


def test_every_surfel_of_every_layer_comes_into_a_cell_with_its_layers_number() -> None:
    main, hidden = (
        layer(),
        replace(layer("fill", slice(0, 8), FILL), zeta=np.full((SIDE, SIDE), 5, np.float32)),
    )
    lifted = [lift(each, "depth") for each in (main, hidden)]
    placed = place_layers(lifted, main.camera)
    cells = [cell for cell, _ in placed]
    assert cells == sorted(cells) and len(set(cells)) == len(cells)
    views = np.concatenate([surfels.view for _, surfels in placed])
    assert np.bincount(views).tolist() == [len(part) for part in lifted]
    kinds = np.concatenate([surfels.kind for _, surfels in placed])
    assert (kinds[views == 1] == FILL).all()


def test_layers_without_a_surfel_are_in_no_cell() -> None:
    camera = first_camera()
    shape = (camera.height, camera.width)
    blank = Layer(
        camera, np.zeros((*shape, 3), np.float32), np.full(shape, np.nan, np.float32), np.ones(shape, bool)
    )
    assert place_layers([lift(blank)], camera) == [] == place_layers([], camera)
