"""What the page's cameras and motions have to see, computed by `scene_graph`: writes `camera_vectors.json`.

Messages are written as the bytes of a camera message in hex, so that the page reads them with its own codec.
"""

import json
from pathlib import Path

import msgspec
import numpy as np

from wonderzoom.clients.poses import place_of, pose_of
from wonderzoom.scene_graph.camera import Camera, initial_camera
from wonderzoom.scene_graph.flight import fly
from wonderzoom.scene_graph.motions import zoomed_at

FILE = Path(__file__).with_name("camera_vectors.json")
MOMENTS = (0.0, 0.1, 0.35, 0.5, 0.75, 0.98, 1.0)  # shares of a flight's seconds
AT = (410.0, 130.0)  # a pixel that is zoomed at
PROBES = ((0.0, 0.0, 0.0), (37.5, -80.25, 12.0), (-120.0, 44.0, -30.0))  # view coordinates, pixels


def _seen(camera: Camera, probes: list) -> list[list[float]]:
    """u, v and w of each probe, rounded to what two ways of summing agree on."""
    uv, w = camera.project(np.stack([camera.view_point(probe) for probe in probes]))
    return [[round(float(value), 6) for value in row] for row in np.column_stack([uv, w])]


def _ends(camera: Camera) -> list[Camera]:
    """Where to fly: into the picture and with one eye, to the side, around, to a cousin behind a wider view."""
    cousin = camera.approached(2.0**-20)
    for _ in range(20):
        cousin = cousin.looking_at(np.array([-30.0, 20.0, 4.0])).zoomed(2.0)
    return [
        camera.looking_at(np.array([200.0, -90.0, 0.0])).zoomed(12.0),
        camera.orbited(1.0, 0.2).approached(3.0),
        cousin,
    ]


def _flight(start: Camera, end: Camera) -> dict:
    """What is seen on the way, of points in the middle and beside it at each moment."""
    path = fly(start, end)
    cameras = [path.camera(share * path.seconds) for share in MOMENTS]
    probes = [[camera.position(np.array(probe)) for probe in PROBES] for camera in cameras]
    return {
        "to": msgspec.msgpack.encode(pose_of(end)).hex(),
        "seconds": round(path.seconds, 6),
        "moments": [
            {
                "share": share,
                "probes": [msgspec.msgpack.encode(place_of(probe)).hex() for probe in places],
                "seen": _seen(camera, places),
                "scale": round(camera.ln_scale, 6),
            }
            for share, camera, places in zip(MOMENTS, cameras, probes, strict=True)
        ],
    }


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
                "zoomed at": {"u": AT[0], "v": AT[1], "factor": 2.5},
                "zoomed at that": _seen(zoomed_at(camera, 2.5, *AT), probes),
                "flights": [_flight(camera, end) for end in _ends(camera)],
            }
        )
    return json.dumps(cases, indent=1) + "\n"


if __name__ == "__main__":
    FILE.write_text(vectors(), encoding="utf-8")
