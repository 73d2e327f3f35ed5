"""Pictures and films on disk: whole or not at all.

A file is written under another name beside its place and takes the place when it is complete, so that a full
disk, a Ctrl-C or a crash leaves neither half a file nor the loss of an older one. Films are H.264 in MP4
as browsers and phones play it: yuv420p, BT.709, the index in front.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Protocol

import av
import av.error
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.sight import all_of_it
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.world import World

FPS = 30
# Visually lossless on detailed pictures; 17-18 is where x264's own documentation puts that.
_QUALITY = "18"
_BT709, _LIMITED = 1, 1  # FFmpeg's AVCOL_SPC_BT709 (and _PRI_, _TRC_), AVCOL_RANGE_MPEG
# The same pictures make the same bytes. With more threads these depend on the number of cores (and drawing
# takes longer than encoding, at the same time); x264's macroblock tree reads memory that it never wrote
# (core 165: of 20 encodings of one film 7 differed; none without it, or without its AVX code).
_SAME_BYTES = {"threads": "1", "x264-params": "mbtree=0"}
# Frames drawn ahead of the encoder: enough to keep both busy, 4 MB each at 720p.
_AHEAD = 4

Picture = NDArray[np.uint8]


class OutputError(CommandError):
    """A file can't be written."""


class Painter(Protocol):
    """The part of a renderer that films need."""

    def render_color(self, visible: VisibleSet, camera: Camera, settings: RenderSettings) -> Picture: ...


def check_target(path: Path) -> None:
    """Raise OutputError now for what would fail after minutes of drawing."""
    if os.path.isdir(path):  # unlike Path.is_dir, it takes any name
        raise OutputError(f"{path}: this is a folder; give the name of the file to write")
    folder = path.parent
    if not folder.is_dir():
        raise OutputError(f"{path}: there is no folder {folder}; make it, or write somewhere else")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{path}: no permission to write in {folder}; write somewhere else")


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """A new name beside ``path`` to write to; it becomes ``path`` if the block ends well, else it goes."""
    check_target(path)
    unfinished = path.parent / f".wonderzoom-{os.getpid()}.part"
    try:
        yield unfinished
        os.replace(unfinished, path)
    except (OSError, av.error.FFmpegError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise OutputError(
            f"{path}: could not write it: {reason}; free some space or write elsewhere"
        ) from error
    finally:
        with suppress(OSError):
            unfinished.unlink()


def write_png(path: Path, picture: Picture) -> None:
    """An sRGB picture [H, W, 3 or 4] as PNG, without its alpha. Raises OutputError."""
    with replacing(path) as unfinished:
        Image.fromarray(np.ascontiguousarray(picture[..., :3])).save(unfinished, "PNG")


def write_film(path: Path, pictures: Iterable[Picture], fps: int = FPS, comment: str = "") -> int:
    """sRGB pictures [H, W, 3 or 4] of one even size as a film; the number of frames. Raises OutputError."""
    frames = 0
    with replacing(path) as unfinished:
        container = av.open(str(unfinished), "w", format="mp4", options={"movflags": "+faststart"})
        try:
            stream: VideoStream | None = None
            container.metadata["comment"] = comment
            for picture in pictures:
                if stream is None:
                    stream = _stream(container, picture, fps)
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[..., :3]), format="rgb24")
                frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
                frame.pts, frame.time_base = frames, Fraction(1, fps)
                container.mux(stream.encode(frame))
                frames += 1
            if stream is None:
                raise OutputError(f"{path}: a film of no frames")
            container.mux(stream.encode(None))
        except BaseException:
            with suppress(Exception):  # what went wrong first is what counts
                container.close()
            raise
        container.close()
    return frames


def _stream(container: OutputContainer, picture: Picture, fps: int) -> VideoStream:
    height, width = picture.shape[:2]
    if width % 2 or height % 2:
        raise ValueError(f"a film of {width} x {height}: both sides must be even")
    stream = container.add_stream("libx264", rate=fps, options={"crf": _QUALITY, **_SAME_BYTES})
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    codec: Any = stream.codec_context
    codec.color_range = _LIMITED
    codec.colorspace = codec.color_primaries = codec.color_trc = _BT709
    return stream


def film_comment(path: Path) -> str | None:
    """The comment of a film that ``write_film`` made; None where there is no such film."""
    try:
        with av.open(str(path)) as container:
            return container.metadata.get("comment")
    except (OSError, av.error.FFmpegError):
        return None


def drawn(
    world: World,
    painter: Painter,
    cameras: Sequence[Camera],
    settings: RenderSettings,
    on_frame: Callable[[int], None] = lambda _done: None,
) -> Iterator[Picture]:
    """The pictures of the cameras, in order."""
    sight = all_of_it()
    shots = (Shot(sight.whole(world, camera, settings), camera) for camera in cameras)
    return drawn_ahead(painter, shots, settings, on_frame)


@dataclass(frozen=True, slots=True)
class Shot:
    """What one picture shows."""

    visible: VisibleSet
    camera: Camera


def drawn_ahead(
    painter: Painter,
    shots: Iterable[Shot | None],
    settings: RenderSettings,
    on_frame: Callable[[int], None] = lambda _done: None,
) -> Iterator[Picture]:
    """The pictures of shots, in order, drawn in another thread a few ahead of whoever takes them; None: as before."""
    pending: deque[Future[Picture]] = deque()
    newest: Future[Picture] | None = None
    taken = 0
    with ThreadPoolExecutor(1, thread_name_prefix="film") as pool:
        try:
            for shot in shots:
                if shot is not None:
                    newest = pool.submit(painter.render_color, shot.visible, shot.camera, settings)
                if newest is None:
                    raise ValueError("the first shot of a film shows something")
                pending.append(newest)
                if len(pending) > _AHEAD:
                    yield pending.popleft().result()
                    taken += 1
                    on_frame(taken)
            while pending:
                yield pending.popleft().result()
                taken += 1
                on_frame(taken)
        finally:
            for future in pending:
                future.cancel()
