"""What the page's surfels have to be drawn like, computed by the runtime: writes `surfel_vectors.json`.

Laws of scale from `scene_graph/scales.py`, splats from `runtime/renderers/projection.py`.
"""

import json
import math
from pathlib import Path

import msgspec
import numpy as np

from wonderzoom.clients.poses import address_of, pose_of
from wonderzoom.runtime.renderers.projection import DrawnBlock, project_block
from wonderzoom.scene_graph import scales
from wonderzoom.scene_graph.camera import Camera, initial_camera, quat_to_matrix
from wonderzoom.scene_graph.ports import RenderSettings
from wonderzoom.scene_graph.surfels import Block, Bounds, Surfels

FILE = Path(__file__).with_name("surfel_vectors.json")
ROWS = 24  # surfels of a block
H_REF = 240


def _round(values: np.ndarray | float) -> list | float:
    """To ten digits, which two ways of summing agree on."""
    if np.ndim(values):
        return [_round(value) for value in np.asarray(values, np.float64)]
    return _digits(float(values))


def _digits(value: float) -> float:
    return float(f"{value:.10g}")


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else _digits(value)


def _laws(rng: np.random.Generator) -> dict:
    r = rng.uniform(-6, 6, 40)
    parent, child = rng.uniform(0.35, 4, 40), rng.uniform(0.35, 4, 40)
    parent[::5], child[::7] = math.inf, math.inf
    residency = rng.uniform(0, 1, 40)
    below = residency * rng.uniform(0, 1, 40)
    opacity = np.concatenate([[0.0, 0.004, 0.5, 0.9999, 1.0], rng.uniform(0, 1, 15)])
    alpha = np.concatenate([[1.0, 0.5, 1e-4, 0.999, 0.3], rng.uniform(0, 1, 15)])
    octaves = rng.uniform(-1, 6, 30)
    return {
        "weights": [
            {"t": _round(t), "parent": _finite(p), "child": _finite(c),
             "residency": _round(a), "below": _round(b), "weight": _round(w)}
            for t, p, c, a, b, w in zip(
                r, parent, child, residency, below, scales.weight(r, 0.0, parent, -child, residency, below), strict=True
            )
        ],
        "modulated": [
            [_round(o), _round(a), _round(m), _round(mass)]
            for o, a, m, mass in zip(opacity, alpha, scales.modulate(opacity, alpha), scales.li2(opacity), strict=True)
        ],
        "shares": [
            [_round(o), level, finest, coarsest, _round(scales.mip_share(o, level, finest, coarsest))]
            for o in octaves for level, finest, coarsest in ((0, 0, 0), (1, 0, 4), (2, 2, 4), (4, 1, 4))
        ],
        "inverse": _round(scales.LI2_INVERSE_TABLE[::273]),
    }  # fmt: skip


def _surfels(rng: np.random.Generator) -> Surfels:
    quats = rng.normal(size=(ROWS, 4))
    native = rng.uniform(-5.2, -4.0, ROWS)
    return Surfels(
        rng.uniform(-0.5, 0.5, (ROWS, 3)).astype(np.float32),
        (quats / np.linalg.norm(quats, axis=1, keepdims=True)).astype(np.float32),
        (native[:, None] + rng.uniform(-1.5, 1.5, (ROWS, 2))).astype(np.float32),
        rng.uniform(0.1, 1.0, ROWS).astype(np.float32),
        rng.integers(0, 256, (ROWS, 3)).astype(np.uint8),
        native.astype(np.float32),
        np.zeros(ROWS, np.uint16),
        np.zeros(ROWS, np.uint8),
    )


def _bounds(rng: np.random.Generator, surfels: Surfels) -> Bounds:
    parent = surfels.native + rng.uniform(0.4, 3.0, ROWS).astype(np.float32)
    child = surfels.native - rng.uniform(0.4, 3.0, ROWS).astype(np.float32)
    parent[::3], child[1::3] = math.inf, -math.inf
    return Bounds(parent, child, np.full(ROWS, -1, np.int16), np.full(ROWS, -1, np.int16))


def _block(rng: np.random.Generator, camera: Camera, coarser: int, radial: bool) -> dict:
    """A block around the pivot, in a cell that many levels coarser than the fitting one, and how it is drawn."""
    pivot = camera.pivot.rebased(camera.fitting_level - coarser)
    surfels = _surfels(rng)
    if coarser:  # around the pivot, so that some of them are in the picture
        near = np.array(pivot.offset) + rng.normal(scale=2.0 ** (1 - coarser), size=(ROWS, 3))
        surfels = Surfels(**(surfels.columns() | {"means": np.clip(near, -0.5, 0.5).astype(np.float32)}))  # pyright: ignore
    bounds = _bounds(rng, surfels)
    block = Block(pivot.cell, "node", surfels, bounds)
    shares = [
        DrawnBlock(block),
        DrawnBlock(block, 0.7, 0.2, 0 if coarser else 1, (0, 3)),
        DrawnBlock(block, 1.0, 0.4),
    ]
    settings = RenderSettings(h_ref=H_REF, metric="radial" if radial else "depth")
    frame = camera.cell_frame(block.cell)
    drawn = []
    for each in shares:
        splats = project_block(each, camera, settings)
        xx, xy, yy = splats.conics.T
        det = xx * yy - xy * xy
        unit = splats.units**2
        drawn.append({
            "shares": {"residency": each.residency, "below": each.child_residency, "level": each.mip,
                       "finest": each.shared[0], "coarsest": each.shared[1]},
            "rows": splats.rows.tolist(),
            "splats": _round(np.column_stack([
                splats.means, yy / det * unit, -xy / det * unit, xx / det * unit,
                splats.opacities, splats.keys, splats.zetas,
            ])),
        })  # fmt: skip
    return {
        "cell": msgspec.msgpack.encode(address_of(block.cell)).hex(),
        "origin": _round(frame.origin),
        "edge": _round(frame.edge_px),
        "scale": _round(camera.ln_render_scale(H_REF) - block.cell.ln_edge),
        "surfels": [
            {"mean": mean.tolist(), "axes": quat_to_matrix(quat).T.tolist(), "lnScales": lengths.tolist(),
             "opacity": float(opacity), "native": float(native),
             "parent": _finite(parent - native),
             "child": _finite(native - child)}
            for mean, quat, lengths, opacity, native, parent, child in zip(
                surfels.means.astype(np.float64), surfels.quats.astype(np.float64),
                surfels.log_scales.astype(np.float64), surfels.opacities,
                surfels.native.astype(np.float64), bounds.parent.astype(np.float64),
                bounds.child.astype(np.float64), strict=True)
        ],
        "drawn": drawn,
    }  # fmt: skip


def vectors() -> str:
    """The file's text; the same on each machine up to the rounding above."""
    rng = np.random.default_rng(7)
    views = []
    for octaves, coarser, radial in (
        (0, 0, False),
        (3, 2, True),
        (60, 1, False),
        (60, 34, False),
        (900, 0, False),
    ):
        camera = initial_camera(400.0, 320, 240, 1.25).orbited(0.3, -0.2)
        for _ in range(octaves):
            camera = camera.looking_at(np.array([3.0, -2.0, 1.0])).zoomed(2.0)
        views.append({
            "name": f"{octaves} octaves deep, in a cell {coarser} levels coarser{', radial' if radial else ''}",
            "camera": msgspec.msgpack.encode(pose_of(camera)).hex(),
            "radial": radial,
            "block": _block(rng, camera, coarser, radial),
        })  # fmt: skip
    return json.dumps({"hRef": H_REF, "laws": _laws(rng), "views": views}, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(vectors(), encoding="utf-8")
