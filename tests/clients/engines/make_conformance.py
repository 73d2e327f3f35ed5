"""What a client of surfels is tested with: writes `clients/engines/conformance/`.

    python tests/clients/engines/make_conformance.py

Laws of scale from `scene_graph/scales.py`, frames of cells from `scene_graph/camera.py`, the picture from the
reference renderer. Messages and payloads have vectors of their own, in `protocol/vectors/`.
"""

import io
import json
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[2] / "support"))  # when it is run, and not by pytest
from engine_scene import Scene, made

from wonderzoom.clients.poses import address_of, place_of, pose_of
from wonderzoom.runtime.renderers.projection import project_block
from wonderzoom.runtime.renderers.reference import ReferenceRenderer
from wonderzoom.scene_graph import scales
from wonderzoom.scene_graph.camera import Camera, initial_camera, multiply_quats, quat_to_matrix
from wonderzoom.scene_graph.cells import Cell, Position

FOLDER = Path(__file__).parents[3] / "clients" / "engines" / "conformance"
LEAST_DB = 45.0
H_REF = 240

# Rows: the engine's x, y, z of the wire's (x right, y down, z forward); units of the engine a metre; where its cameras
# look and what is up in their own axes; whether it is right-handed.
ENGINES: dict[str, dict[str, Any]] = {
    "godot": {"of": "Godot, three.js, OpenGL", "rows": [[1, 0, 0], [0, -1, 0], [0, 0, -1]], "unit": 1.0,
              "looks": [0, 0, -1], "up": [0, 1, 0]},
    "unity": {"of": "Unity", "rows": [[1, 0, 0], [0, -1, 0], [0, 0, 1]], "unit": 1.0,
              "looks": [0, 0, 1], "up": [0, 1, 0]},
    "unreal": {"of": "Unreal", "rows": [[0, 0, 1], [1, 0, 0], [0, -1, 0]], "unit": 100.0,
               "looks": [1, 0, 0], "up": [0, 0, 1]},
    "blender": {"of": "Blender", "rows": [[1, 0, 0], [0, 0, 1], [0, -1, 0]], "unit": 1.0,
                "looks": [0, 0, -1], "up": [0, 1, 0]},
    "panda3d": {"of": "Panda3D", "rows": [[1, 0, 0], [0, 0, 1], [0, -1, 0]], "unit": 1.0,
                "looks": [0, 1, 0], "up": [0, 0, 1]},
}  # fmt: skip


def _numbers(values: Any) -> Any:
    """To ten digits, which two ways of summing agree on; infinite ones as null."""
    if np.ndim(values):
        return [_numbers(value) for value in np.asarray(values, np.float64)]
    return None if math.isinf(values) else float(f"{float(values):.10g}") + 0.0


def _jsonable(value: Any) -> Any:
    """A message's value as the vectors of the protocol write it: bytes as ``{"bin": hex}``."""
    if isinstance(value, bytes):
        return {"bin": value.hex()}
    if isinstance(value, dict):
        return {key: _jsonable(item) for key, item in value.items()}
    return [_jsonable(item) for item in value] if isinstance(value, list | tuple) else value


def _plain(value: msgspec.Struct) -> Any:
    return _jsonable(msgspec.to_builtins(value, builtin_types=(bytes,)))


# ---- laws -----------------------------------------------------------------------------------------------------
def laws() -> dict[str, Any]:
    """Eq. 3, shares of levels, optical masses; for random arguments and for those at the ends of ranges."""
    rng = np.random.default_rng(11)
    r, x = rng.uniform(-9, 1, 60), rng.uniform(-5, -3, 60)
    parent, child = x + rng.uniform(0.35, 4, 60), x - rng.uniform(0.35, 4, 60)
    parent[::5], child[::7] = math.inf, -math.inf
    r[20:40] = x[20:40] + rng.uniform(-0.3, 0.3, 20)  # where the two ramps meet
    residency = np.where(np.arange(60) % 3, 1.0, rng.uniform(0, 1, 60))
    below = np.where(np.arange(60) % 4, residency, residency * rng.uniform(0, 1, 60))
    weights = scales.weight(r, x, parent, child, residency, below)
    opacity = np.concatenate([[0.0, 1 / 255, 0.5, 0.9999, 1.0], rng.uniform(0, 1, 25)])
    alpha = np.concatenate([[1.0, 0.5, 1e-4, 0.999, 0.0], rng.uniform(0, 1, 25)])
    table = np.arange(0, scales.LI2_TABLE_SIZE, 91)
    spans = ((0, 0, 0), (0, 0, 4), (1, 0, 4), (2, 2, 4), (4, 1, 4))
    return {
        "weight": [
            {"r": _numbers(a), "x": _numbers(b), "parent": _numbers(c), "child": _numbers(d),
             "residency": _numbers(e), "child_residency": _numbers(f), "weight": _numbers(w)}
            for a, b, c, d, e, f, w in zip(r, x, parent, child, residency, below, weights, strict=True)
        ],
        "share": [
            {"octaves": octaves, "level": level, "finest": finest, "coarsest": coarsest,
             "share": _numbers(scales.mip_share(octaves, level, finest, coarsest))}
            for octaves in (-1.0, 0.9, 0.97, 1.0, 1.03, 1.5, 2.05, 3.7, 9.0) for level, finest, coarsest in spans
        ],
        "max_opacity": scales.MAX_OPACITY,
        "li2_max": _numbers(scales.LI2_MAX),
        "li2": [
            {"opacity": _numbers(o), "mass": _numbers(m)}
            for o, m in zip(opacity, scales.li2(opacity), strict=True)
        ],
        "inverse_li2_table": {
            "size": scales.LI2_TABLE_SIZE,
            "entries": [{"i": int(i), "opacity": _numbers(scales.LI2_INVERSE_TABLE[i])} for i in table],
        },
        "modulated": [
            {"opacity": _numbers(o), "weight": _numbers(a), "modulated": _numbers(m)}
            for o, a, m in zip(opacity, alpha, scales.modulate(opacity, alpha), strict=True)
        ],
    }  # fmt: skip


# ---- frames of cells --------------------------------------------------------------------------------------------
def frames() -> list[dict[str, Any]]:
    """Where cells and places are before cameras at several depths of the world."""
    cases: list[dict[str, Any]] = []
    for octaves in (0, 3, 60, 900):
        camera = initial_camera(400.0, 640, 360, 1.25).orbited(0.3, -0.2)
        for _ in range(octaves):
            camera = camera.looking_at(np.array([3.0, -2.0, 1.0])).zoomed(2.0)
        cases.append(_frame(f"{octaves} octaves deep", camera))
    return cases


def _moved(camera: Camera, places: list[Position]) -> list[dict[str, Any]]:
    """The motions of section 4, and where the places are seen after them."""
    pan = (-37.0, 12.5)
    towards = camera.position(np.array([-pan[0], -pan[1], 0.0]))
    motions: list[tuple[dict[str, Any], Camera]] = [
        ({"motion": "zoom", "factor": 3.0}, camera.zoomed(3.0)),
        ({"motion": "zoom", "factor": 2.0**-5}, camera.zoomed(2.0**-5)),
        ({"motion": "zoom", "factor": 2.0**26}, camera.zoomed(2.0**26)),
        ({"motion": "orbit", "yaw": 0.1, "pitch": 0.05}, camera.orbited(0.1, 0.05)),
        ({"motion": "pan", "dx": pan[0], "dy": pan[1]}, replace(camera, pivot=towards)),
    ]
    return [told | {"seen": _seen(moved, places)} for told, moved in motions]


def _seen(camera: Camera, places: list[Position]) -> list[Any]:
    """u, v and w of each."""
    uv, w = camera.project(np.stack([camera.view_point(place) for place in places]))
    return _numbers(np.column_stack([uv, w]))


def _frame(name: str, camera: Camera) -> dict[str, Any]:
    own = camera.pivot.cell
    finer = camera.pivot.rebased(own.level + 3).cell
    cells = [own, Cell(own.level, own.ix - 1, own.iy + 1, own.iz), own.ancestor(4), finer]
    places = [
        camera.position(np.array(p)) for p in ((0.0, 0.0, 0.0), (37.5, -80.25, 12.0), (-120.0, 44.0, -30.0))
    ]
    uv, w = camera.project(np.stack([camera.view_point(place) for place in places]))
    return {
        "name": name,
        "h_ref": H_REF,
        "camera": _plain(pose_of(camera)),
        "rotation": _numbers(camera.rotation),
        "cells": [
            {"cell": _plain(address_of(cell)), "origin": _numbers(frame.origin), "edge": _numbers(frame.edge_px),
             "scale": _numbers(camera.ln_render_scale(H_REF) - cell.ln_edge)}
            for cell in cells for frame in (camera.cell_frame(cell),)
        ],
        "motions": _moved(camera, places),
        "places": [
            {"place": _plain(place_of(place)), "u": _numbers(u), "v": _numbers(v), "w": _numbers(depth)}
            for place, (u, v), depth in zip(places, uv, w, strict=True)
        ],
    }  # fmt: skip


# ---- axes -------------------------------------------------------------------------------------------------------
def _turn(matrix: NDArray[np.float64], quat: NDArray[np.float64]) -> NDArray[np.float64]:
    """The quaternion, wxyz, that does to the engine's vectors what ``quat`` does to the wire's."""
    return np.concatenate([quat[:1], np.linalg.det(matrix).round() * matrix @ quat[1:]])


def _camera_turn(looks: list[int], up: list[int], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """What comes before the turn of a camera, as its own axes in the engine aren't the wire's in engine axes."""
    candidates = [np.array([1.0, 0.0, 0.0, 0.0]), np.array([math.sqrt(0.5), math.sqrt(0.5), 0.0, 0.0])]
    for quat in candidates:
        turned = quat_to_matrix(quat)
        if np.allclose(turned @ looks, matrix @ [0, 0, 1]) and np.allclose(turned @ up, matrix @ [0, -1, 0]):
            return quat
    raise ValueError(f"no quarter turn takes a camera that looks along {looks} to the wire's axes")


def axes() -> dict[str, Any]:
    """Formulas from the wire's axes to those of engines, and numbers that they give."""
    rng = np.random.default_rng(12)
    points = np.vstack([np.eye(3), np.round(rng.uniform(-3, 3, (3, 3)), 3)])
    quats = rng.normal(size=(3, 4))
    quats = np.round(quats / np.linalg.norm(quats, axis=1)[:, None], 6)
    found: dict[str, Any] = {}
    for name, engine in ENGINES.items():
        matrix = np.array(engine["rows"], np.float64)
        turn = _camera_turn(engine["looks"], engine["up"], matrix)
        vector = (np.linalg.det(matrix).round() * matrix).astype(int)
        camera_quats = quats * [1, -1, -1, -1]
        found[name] = {
            "of": engine["of"],
            "handed": "right" if np.linalg.det(matrix) > 0 else "left",
            "point": {"rows": engine["rows"], "formula": _formula(engine["rows"]), "units_per_metre": engine["unit"]},
            "quaternion": {"rows": vector.tolist(), "formula": f"w, {_formula(vector.tolist())}"},
            "camera": {"looks_along": engine["looks"], "up": engine["up"], "first_turn": _numbers(turn)},
            "points": [
                {"wire": _numbers(p), "engine": _numbers(engine["unit"] * matrix @ p)} for p in points
            ],
            "surfels": [
                {"wire": _numbers(q), "engine": _numbers(_turn(matrix, q))} for q in quats
            ],
            "cameras": [
                {"wire": _numbers(q), "engine": _numbers(multiply_quats(_turn(matrix, own), turn))}
                for q, own in zip(quats, camera_quats, strict=True)
            ],
        }  # fmt: skip
    return found


def _formula(rows: list[list[int]]) -> str:
    signs = {1: "", -1: "-"}
    return ", ".join(next(signs[part] + "xyz"[i] for i, part in enumerate(row) if part) for row in rows)


# ---- scene ------------------------------------------------------------------------------------------------------
def scene(of: Scene, picture: NDArray[np.uint8]) -> dict[str, Any]:
    """Three messages, the picture that they make, and some of its splats on the way there."""
    camera, settings = of.camera, of.settings
    splats: list[dict[str, Any]] = []
    for level, drawn in of.drawn:
        found = project_block(drawn, camera, settings)
        if not len(found.rows):
            continue
        i = len(found.rows) // 2
        yy, xy, xx = found.conics[i] * [1, -1, 1]
        unit = float(found.units[i]) ** 2 / (xx * yy - xy * xy)
        splats.append({
            "hash": level.hash.hex(), "row": int(found.rows[i]), "splats_of_level": len(found.rows),
            "u": _numbers(found.means[i, 0]), "v": _numbers(found.means[i, 1]),
            "xx": _numbers(xx * unit), "xy": _numbers(xy * unit), "yy": _numbers(yy * unit),
            "opacity": _numbers(found.opacities[i]), "key": _numbers(found.keys[i]),
        })  # fmt: skip
    return {
        "picture": {"file": "scene.png", "least_db": LEAST_DB, "width": camera.width, "height": camera.height,
                    "mean": _numbers(picture.mean((0, 1)))},
        "messages": of.hexes,
        "splats": splats,
    }  # fmt: skip


def picture_of(of: Scene) -> NDArray[np.uint8]:
    """What the reference renderer draws, [H, W, 3] sRGB."""
    color = ReferenceRenderer().render(of.visible, of.camera, of.settings).color
    return np.rint(np.clip(color, 0.0, 1.0) * 255.0).astype(np.uint8)


# ---- files ------------------------------------------------------------------------------------------------------
def text_of(content: Any) -> str:
    """JSON with a line for each entry of a list, so that a difference is a line."""
    if isinstance(content, dict):
        lines = [f"{json.dumps(key)}: {_block(value)}" for key, value in content.items()]
        return "{\n" + ",\n".join(lines) + "\n}\n"
    return _block(content) + "\n"


def _block(value: Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return "[\n" + ",\n".join(json.dumps(item) for item in value) + "\n]"
    if isinstance(value, dict) and any(isinstance(item, list) for item in value.values()):
        return text_of(value).rstrip()
    return json.dumps(value)


def main() -> None:
    """Write all files."""
    of = made()
    picture = picture_of(of)
    for name, content in (
        ("laws", laws()), ("frames", frames()), ("axes", axes()), ("scene", scene(of, picture)),
    ):  # fmt: skip
        (FOLDER / f"{name}.json").write_text(text_of(content), encoding="utf-8")
    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, "PNG", optimize=True)
    (FOLDER / "scene.png").write_bytes(packed.getvalue())


if __name__ == "__main__":
    main()
