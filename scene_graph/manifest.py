"""The JSON forms of what has no arrays: cells, cameras, nodes, the header of a world.

Everything survives exactly: Python's text of a float is its value, infinities are text, and cell indices are
hexadecimal text (an integer of any size, no limit of digits). Parsers take nothing for granted: what does
not fit raises ValueError, TypeError or LookupError, which the callers turn into one BadCommit.
"""

from __future__ import annotations

import json
import math
from typing import Any

from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import Cell, Position
from wonderzoom.scene_graph.commit import FORMAT, Commit, LogEntry, WorldHeader
from wonderzoom.scene_graph.scale_node import Interval, Role, ScaleNode, View

Json = dict[str, Any]


class BadCommit(ValueError):
    """This is no commit, or no header, of this format."""


class ChangedBytes(BadCommit):
    """What is on the disk is not what was written."""

    def __init__(self) -> None:
        super().__init__("its bytes have changed")


class NewerFormat(ValueError):
    """Written in a format that only a newer version of the program knows."""

    def __init__(self, found: int) -> None:
        super().__init__(found)
        self.found = found

    def __str__(self) -> str:
        return f"format {self.found}, this version knows formats up to {FORMAT}"


def json_text(value: Json) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


# ---- numbers, cells, cameras ------------------------------------------------------------------------
def to_number(value: float) -> float | int | str:
    """A JSON number; text for infinities, which JSON does not have. Python's text of a float is exact."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    value = float(value)
    return value if math.isfinite(value) else str(value)


def parse_number(value: Any) -> float:
    if isinstance(value, str) and value in ("inf", "-inf", "nan"):
        return float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"expected a number, found {value!r:.40}")
    if isinstance(value, int) and value.bit_length() > 1000:  # math would raise OverflowError
        raise ValueError(f"a number of {value.bit_length()} bits is beyond all that a world holds")
    return value


def parse_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, found {value!r:.40}")
    return value


def parse_int(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"expected a whole number, found {value!r:.40}")
    return value


def cell_json(cell: Cell) -> list[int | str]:
    return [int(cell.level), *(hex(i) for i in cell.index)]


def parse_cell(value: Any) -> Cell:
    level, ix, iy, iz = value
    return Cell(parse_int(level), *(int(parse_text(i), 16) for i in (ix, iy, iz)))


def camera_json(camera: Camera) -> Json:
    numbers = {
        name: to_number(getattr(camera, name)) for name in ("ln_distance", "ln_fx", "ln_fy", "cx", "cy")
    }
    return {
        "cell": cell_json(camera.pivot.cell),
        "offset": [to_number(v) for v in camera.pivot.offset],
        "quat": [to_number(v) for v in camera.quat],
        "width": int(camera.width),
        "height": int(camera.height),
        **numbers,
    }


def parse_camera(value: Json) -> Camera:
    x, y, z = (parse_number(v) for v in value["offset"])
    qw, qx, qy, qz = (parse_number(v) for v in value["quat"])
    camera = Camera(
        pivot=Position(parse_cell(value["cell"]), (x, y, z)),
        quat=(qw, qx, qy, qz),
        ln_distance=parse_number(value["ln_distance"]),
        ln_fx=parse_number(value["ln_fx"]),
        ln_fy=parse_number(value["ln_fy"]),
        cx=parse_number(value["cx"]),
        cy=parse_number(value["cy"]),
        width=parse_int(value["width"]),
        height=parse_int(value["height"]),
    )
    if not math.isclose(math.hypot(qw, qx, qy, qz), 1.0, rel_tol=1e-9):
        raise ValueError("a stored orientation is a unit quaternion")
    # The constructor normalises; doing so a second time may move the last bit, and with it every hash.
    object.__setattr__(camera, "quat", (qw, qx, qy, qz))
    return camera


def parse_interval(value: Any) -> Interval:
    low, high = (parse_number(v) for v in value)
    return (low, high)


# ---- nodes ------------------------------------------------------------------------------------------
def node_json(node: ScaleNode) -> Json:
    return {
        "id": node.id,
        "parent": node.parent,
        "children": list(node.children),
        "cell": cell_json(node.cell),
        "bounds": [[to_number(v) for v in corner] for corner in node.bounds],
        "native_scale": [to_number(v) for v in node.native_scale],
        "parent_scale": [to_number(v) for v in node.parent_scale],
        "child_scale": [to_number(v) for v in node.child_scale],
        "prompt": node.prompt,
        "seed": hex(node.seed),
        "generator": node.generator,
        "provenance": [[key, value] for key, value in node.provenance],
        "views": [
            {"camera": camera_json(view.camera), "role": view.role, "image": view.has_image}
            for view in node.views
        ],
    }


def parse_node(value: Json, views: tuple[View, ...], state: bytes) -> ScaleNode:
    (ax, ay, az), (bx, by, bz) = ([parse_number(v) for v in corner] for corner in value["bounds"])
    return ScaleNode(
        id=parse_text(value["id"]),
        parent=None if value["parent"] is None else parse_text(value["parent"]),
        children=tuple(parse_text(child) for child in value["children"]),
        cell=parse_cell(value["cell"]),
        bounds=((ax, ay, az), (bx, by, bz)),
        native_scale=parse_interval(value["native_scale"]),
        parent_scale=parse_interval(value["parent_scale"]),
        child_scale=parse_interval(value["child_scale"]),
        prompt=parse_text(value["prompt"]),
        seed=int(parse_text(value["seed"]), 16),
        generator=parse_text(value["generator"]),
        views=views,
        generator_state=state,
        provenance=tuple((parse_text(key), parse_text(text)) for key, text in value["provenance"]),
    )


def parse_role(value: Any) -> Role:
    if value not in ("main", "sky", "auxiliary", "fill"):
        raise ValueError(f"no such role of a view: {value!r:.40}")
    return value


def outline_json(commit: Commit) -> Json:
    """Which nodes a commit adds and removes, without their arrays."""
    outline: Json = {
        "revision": int(commit.revision),
        "added": [node_json(node) for node in commit.added],
        "removed": list(commit.removed),
    }
    return outline | {"reverts": int(commit.reverts)} if commit.reverts else outline


def parse_entry(value: Json) -> LogEntry:
    """The entry of an outline."""
    return LogEntry(
        parse_int(value["revision"]),
        tuple(
            (parse_text(node["id"]), None if node["parent"] is None else parse_text(node["parent"]))
            for node in value["added"]
        ),
        tuple(parse_text(name) for name in value["removed"]),
        parse_reverts(value),
    )


def parse_reverts(value: Json) -> int:
    """The revision that a commit takes back, which lies before its own; 0 for a change of its own."""
    reverts = parse_int(value.get("reverts", 0))
    if not (reverts == 0 or 0 < reverts < parse_int(value["revision"])):
        raise ValueError(f"revision {value['revision']} can't take back revision {reverts}")
    return reverts


# ---- the header -------------------------------------------------------------------------------------
def encode_header(header: WorldHeader) -> str:
    """A header as JSON text."""
    return json_text(
        {
            "h_ref": int(header.h_ref),
            "metric": header.metric,
            "root_edge": to_number(header.root_edge),
            "metres_per_unit": to_number(header.metres_per_unit),
            "background": [to_number(v) for v in header.background],
            "format": int(header.format),
        }
    )


def decode_header(text: str) -> WorldHeader:
    """A header from its JSON text. Raises BadCommit or NewerFormat."""
    try:
        value: Json = json.loads(text)
        if (version := parse_int(value["format"])) > FORMAT:
            raise NewerFormat(version)
        red, green, blue = (parse_number(v) for v in value["background"])
        metric = value["metric"]
        if metric not in ("depth", "radial"):
            raise ValueError(f"no such metric: {metric!r:.40}")
        return WorldHeader(
            h_ref=parse_int(value["h_ref"]),
            metric=metric,
            root_edge=parse_number(value["root_edge"]),
            metres_per_unit=parse_number(value["metres_per_unit"]),
            background=(red, green, blue),
            format=version,
        )
    except NewerFormat:
        raise
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise BadCommit(f"{type(error).__name__}: {error}") from error
