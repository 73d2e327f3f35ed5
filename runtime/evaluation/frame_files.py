"""Frames on disk: how another method's pictures of the same paths are asked for, and read.

Owns names and ``cameras.json``. ``FOLDER/WORLD/ZOOM/view_00.png`` to ``view_22.png`` are the nine views (row and
column), ``descent_00.png`` (the parent's frame) to ``descent_12.png`` (C_i) the descent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from wonderzoom.runtime.camera_file import camera_out
from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.evaluation.views import ZoomCameras
from wonderzoom.runtime.film import write_png
from wonderzoom.scene_graph.camera import Camera, bounded_exp

U8 = NDArray[np.uint8]
CAMERAS = "cameras.json"
_LISTED = 8  # missing files that an error names


class BadFrames(CommandError):
    """Frames that can't be scored."""


def folder_of(frames: Path, world: str, zoom: str) -> Path:
    """Where the frames of one zoom are."""
    return frames / world / zoom


def cameras_out(cameras: ZoomCameras, prompt: str, factor: float) -> dict[str, object]:
    """The cameras of a zoom as JSON values.

    ``camera`` is exact (docs/cameras.md). ``intrinsics`` (pixels), ``rotation`` (3 x 3, rows: the view's axes) and
    ``eye`` are for other programs: relative to the camera of ``descent_00``, in its axes (x right, y down, z
    forward), in units of its distance to what it looks at.
    """
    base = cameras.descent[0]
    return {
        "prompt": prompt,
        "factor": factor,
        "frames": {name: _described(camera, base) for name, camera in cameras.named.items()},
    }


def _described(camera: Camera, base: Camera) -> dict[str, object]:
    # The eye is at P = (0, 0, -f) of a view; f / f' of another one in units of its own focal length.
    matrix, origin = base.map_from(camera)
    focal, base_focal = bounded_exp(camera.ln_f), bounded_exp(base.ln_f)
    eye = (matrix @ np.array([0.0, 0.0, -focal]) + origin) / base_focal + np.array([0.0, 0.0, 1.0])
    return {
        "camera": camera_out(camera),
        "intrinsics": {
            "fx": bounded_exp(camera.ln_fx),
            "fy": bounded_exp(camera.ln_fy),
            "cx": camera.cx,
            "cy": camera.cy,
            "width": camera.width,
            "height": camera.height,
        },
        "rotation": (camera.rotation @ base.rotation.T).tolist(),
        "eye": eye.tolist(),
    }


def write_frames(
    folder: Path, cameras: ZoomCameras, pictures: Mapping[str, U8], prompt: str, factor: float
) -> None:
    """The cameras of a zoom and our own pictures of them."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(cameras_out(cameras, prompt, factor), indent=1)
    (folder / CAMERAS).write_text(text + "\n", encoding="utf-8")
    for name, picture in pictures.items():
        write_png(folder / f"{name}.png", picture)


def check_frames(frames: Path, zooms: Mapping[tuple[str, str], ZoomCameras]) -> None:
    """Raise BadFrames, naming files, unless every frame of (world, zoom) -> cameras is there."""
    if not frames.is_dir():
        raise BadFrames(f"{frames}: there is no such folder of frames")
    missing: list[str] = []
    for (world, zoom), cameras in zooms.items():
        folder = folder_of(frames, world, zoom)
        missing += [
            str(folder.relative_to(frames) / f"{name}.png")
            for name in cameras.named
            if not (folder / f"{name}.png").is_file()
        ]
    if missing:
        more = f" and {len(missing) - _LISTED} more" if len(missing) > _LISTED else ""
        raise BadFrames(
            f"{frames}: {len(missing)} frames are missing: {', '.join(missing[:_LISTED])}{more};"
            " --write-frames shows what is asked for"
        )


def read_frames(folder: Path, cameras: Mapping[str, Camera]) -> dict[str, U8]:
    """Name -> picture [H, W, 3], in the size of its camera. Raises BadFrames."""
    return {name: _read(folder / f"{name}.png", camera) for name, camera in cameras.items()}


def _read(path: Path, camera: Camera) -> U8:
    try:
        with Image.open(path) as image:
            if image.size != (camera.width, camera.height):
                size = f"{image.size[0]} x {image.size[1]}"
                raise BadFrames(f"{path}: {size} pixels; {camera.width} x {camera.height} are needed")
            return np.asarray(image.convert("RGB"), np.uint8)
    except (OSError, UnidentifiedImageError) as error:
        raise BadFrames(f"{path}: could not read the picture: {error}") from error


def as_floats(pictures: Sequence[U8]) -> list[NDArray[np.float32]]:
    """Bytes as sRGB floats in [0, 1]."""
    return [picture.astype(np.float32) / 255.0 for picture in pictures]
