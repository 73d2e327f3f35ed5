"""What the page's cameras have to see, computed by `scene_graph/camera.py`: prints `camera_vectors.json`.

Messages are written as the bytes of a camera message in hex, so that the page reads them with its own codec.
"""

import json
from pathlib import Path

import msgspec
import numpy as np

from wonderzoom.clients.poses import place_of, pose_of
from wonderzoom.scene_graph.camera import Camera, initial_camera

FILE = Path(__file__).with_name("camera_vectors.json")
PROBES = ((0.0, 0.0, 0.0), (37.5, -80.25, 12.0), (-120.0, 44.0, -30.0))  # view coordinates, pixels


def _seen(camera: Camera, probes: list) -> list[list[float]]:
    """u, v and w of each probe, rounded to what two ways of summing agree on."""
    uv, w = camera.project(np.stack([camera.view_point(probe) for probe in probes]))
    return [[round(float(value), 6) for value in row] for row in np.column_stack([uv, w])]


def vectors() -> str:
    """The file's text; the same on each machine up to the rounding above."""
    cases = []
    for octaves in (0, 3, 60, 900):
        camera = initial_camera(400.0, 640, 360, 1.25).orbited(0.3, -0.2)
        for _ in range(octaves):
            camera = camera.looking_at(np.array([3.0, -2.0, 1.0])).zoomed(2.0)
        probes = [camera.position(np.array(probe)) for probe in PROBES]
        turned = camera.looking_at(np.array(PROBES[1]))
        uv, _ = camera.project(np.array(PROBES[1]))
        cases.append(
            {
                "name": f"{octaves} octaves deep",
                "camera": msgspec.msgpack.encode(pose_of(camera)).hex(),
                "probes": [msgspec.msgpack.encode(place_of(probe)).hex() for probe in probes],
                "seen": _seen(camera, probes),
                "zoomed by 3": _seen(camera.zoomed(3.0), probes),
                "orbited by 0.1, 0.05": _seen(camera.orbited(0.1, 0.05), probes),
                "resized to 390x844": _seen(camera.resized(390, 844), probes),
                "picked": {"u": float(uv[0]), "v": float(uv[1]), "zeta": PROBES[1][2]},
                "looking at probe 1": _seen(turned, probes),
            }
        )
    return json.dumps(cases, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(vectors(), encoding="utf-8")
