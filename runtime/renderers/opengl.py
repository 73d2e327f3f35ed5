"""The OpenGL renderer: visible sets of any size and depth on a graphics card of any make, without a window.

It draws through EGL in a context of its own (``opengl_painter``), where there is no card on Mesa's software
rasteriser. Finished pictures need OpenGL 3.3. Ids are listed by a second pass over the same surfels: what each pixel
met goes into a buffer, and the largest weight is found on the CPU; that takes OpenGL 4.3 and costs several times the
picture, so only ``render`` pays it, not ``render_color``.

A context belongs to a thread: this one's is its own, and calls from several threads wait for each other there.
"""

from __future__ import annotations

import importlib
import importlib.util
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.renderers import opengl_kernels, opengl_shaders
from wonderzoom.runtime.renderers.closing import Closing
from wonderzoom.runtime.renderers.cpu import one_surfel
from wonderzoom.runtime.renderers.opengl_painter import Prepared, SurfelPainter
from wonderzoom.runtime.renderers.opengl_tables import OverBudget
from wonderzoom.runtime.renderers.threads import said_when_slow
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import ORIGIN
from wonderzoom.scene_graph.ports import RenderedView, RenderSettings, VisibleSet

__all__ = ["OpenGLRenderer", "OpenGLUnavailable", "OverBudget", "SurfelPainter", "open_context"]

Drawn = TypeVar("Drawn")

DEFAULT_POOL_BYTES = 512 << 20  # 8 million surfels
_PATIENCE_S = 3.0  # loading compiled kernels takes one second or two
_FIRST_START = "Preparing the OpenGL renderer: its kernels are compiled once on a machine, then kept."
_FIRST_MEETINGS = 1 << 18
_MOST_MEETINGS = 1 << 23  # 96 MB: below what every OpenGL takes in one buffer
_HEADER_BYTES = 16  # of the buffer of meetings
_MEETING_BYTES = 12
_IDS_VERSION = 430  # of OpenGL, from which shaders write to buffers
_TARGETS = 4  # sizes of pictures whose framebuffers are kept


class OpenGLUnavailable(RuntimeError):
    """This machine can't draw with OpenGL; the message says what is missing and what helps."""


def open_context() -> Any:
    """A new context of moderngl without a window, current in this thread. Raises OpenGLUnavailable."""
    if importlib.util.find_spec("moderngl") is None:
        raise OpenGLUnavailable("moderngl is missing: pip install 'wonderzoom-runtime[desktop]'")
    moderngl: Any = importlib.import_module("moderngl")  # it has no types
    try:
        return moderngl.create_context(standalone=True, backend="egl", require=330)
    except Exception as error:  # moderngl raises what its backends raise, of no common kind
        raise OpenGLUnavailable(
            f"EGL gives no OpenGL 3.3 ({error}): install a driver, or Mesa's (Debian: libegl1 libgl1-mesa-dri)"
        ) from error


class _Target:
    """Framebuffers for pictures of one size."""

    def __init__(self, context: Any, width: int, height: int) -> None:
        size = (width, height)
        self.blended = context.texture(size, 4, dtype="f4")
        self.color = context.framebuffer([self.blended])
        self.finished = context.framebuffer([context.texture(size, 4)])

    def release(self) -> None:
        for framebuffer in (self.color, self.finished):
            for attachment in framebuffer.color_attachments:
                attachment.release()
            framebuffer.release()


class OpenGLRenderer(Closing):
    """Draws visible sets; close it (or use ``with``) to give its memory back.

    ``pool_bytes`` bounds the surfels that stay on the graphics card, and again their packed form in memory.
    """

    name = "opengl"

    def __init__(self, pool_bytes: int = DEFAULT_POOL_BYTES) -> None:
        """Raises OpenGLUnavailable when this machine can't draw so."""
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="opengl")
        self._lock = threading.Lock()
        self._closed = False
        self._targets: dict[tuple[int, int], _Target] = {}  # the last used is last
        self._ids_program: tuple[Any, Any] | None = None
        self._meetings: Any = None
        self.sent = 0  # surfels of the last picture
        try:
            self._thread.submit(self._open, pool_bytes).result()
        except BaseException:
            self._thread.shutdown()
            raise

    # ---- drawing --------------------------------------------------------------------------------
    def render(self, visible: VisibleSet, camera: Camera, settings: RenderSettings) -> RenderedView:
        """Colour, alpha, expected zeta and ids. Raises OpenGLUnavailable below OpenGL 4.3."""
        return self._run(self._render, visible, camera, settings)

    def render_color(
        self, visible: VisibleSet, camera: Camera, settings: RenderSettings
    ) -> NDArray[np.uint8]:
        """The picture over its background as sRGB bytes, [H, W, 4] RGBA with A = 255: the fast path."""
        return self._run(self._render_color, visible, camera, settings)

    def render_depth(
        self, visible: VisibleSet, camera: Camera, settings: RenderSettings
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """The picture that ``render_color`` draws, and its expected zeta [H, W] as ``render`` gives it."""
        return self._run(self._render_depth, visible, camera, settings)

    def prepare(self, visible: VisibleSet, camera: Camera, settings: RenderSettings) -> int:
        """What the CPU does for a picture, its tables uploaded, without the picture; how many surfels it has."""
        return self._run(self._painter.prepare, visible, camera, settings).count

    def warm_up(self, on_wait: Callable[[str], None]) -> None:
        """Compile shaders and kernels now; ``on_wait`` hears why that takes a while, if it does."""
        camera = Camera(ORIGIN, (1.0, 0.0, 0.0, 0.0), 3.0, 3.0, 3.0, 8.0, 8.0, 16, 16)  # a surfel of a pixel
        with said_when_slow(_PATIENCE_S, lambda: on_wait(_FIRST_START)):
            self.render(one_surfel(), camera, RenderSettings())
            self.render_color(one_surfel(), camera, RenderSettings())

    def check_ids(self) -> None:
        """Raises OpenGLUnavailable where this OpenGL draws pictures only, not what ``render`` gives."""
        if self._context.version_code < _IDS_VERSION:
            raise OpenGLUnavailable(f"ids of surfels need OpenGL 4.3; this is {self._device}")

    @property
    def device(self) -> str:
        """What draws, in the driver's words."""
        return self._device

    @property
    def memory_bytes(self) -> int:
        """Bytes of surfels on the graphics card and in memory, and of the tables of a frame."""
        return self._painter.memory_bytes

    def close(self) -> None:
        """Finish the frame in the making, refuse new ones, and give the memory back."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._thread.submit(self._release).result()
        self._thread.shutdown()

    # ---- in the thread of the context -------------------------------------------------------------
    def _run(self, draw: Callable[..., Drawn], *arguments: Any) -> Drawn:
        with self._lock:
            if self._closed:
                raise RuntimeError("this renderer is closed")
            drawn = self._thread.submit(draw, *arguments)
        return drawn.result()

    def _open(self, pool_bytes: int) -> None:
        self._context = context = open_context()
        self._painter = SurfelPainter(context, pool_bytes)
        finish = context.program(*opengl_shaders.FINISH)
        self._finish = context.vertex_array(finish, [])
        self._device = f"{context.info['GL_RENDERER']}, OpenGL {context.version_code / 100:.1f}"

    def _release(self) -> None:
        self._painter.clear()
        for target in self._targets.values():
            target.release()
        self._targets.clear()
        self._context.release()

    def _render_color(self, visible: VisibleSet, camera: Camera, settings: RenderSettings) -> Any:
        target = self._target(camera.width, camera.height)
        self.sent = self._painter.paint(target.color, visible, camera, settings)
        target.finished.use()
        self._context.disable(self._context.BLEND)
        target.blended.use(0)
        self._finish.render(self._context.TRIANGLES, vertices=3)
        picture = np.empty((camera.height, camera.width, 4), np.uint8)
        target.finished.read_into(picture, components=4, alignment=1)
        return picture

    def _render_depth(self, visible: VisibleSet, camera: Camera, settings: RenderSettings) -> Any:
        prepared = self._painter.prepare(visible, camera, settings)
        self.sent = prepared.count
        shown, alpha, zeta = self._painter.paint_layers(prepared, camera, settings)
        color = shown + (np.float32(1.0) - alpha[..., None]) * np.asarray(settings.background, np.float32)
        picture = np.full((camera.height, camera.width, 4), 255, np.uint8)
        picture[..., :3] = np.clip(color, 0.0, 1.0) * np.float32(255.0) + np.float32(0.5)
        return picture, zeta

    def _render(self, visible: VisibleSet, camera: Camera, settings: RenderSettings) -> RenderedView:
        self.check_ids()
        prepared = self._painter.prepare(visible, camera, settings)
        self.sent = prepared.count
        shown, alpha, zeta = self._painter.paint_layers(prepared, camera, settings)
        ids, drawn = self._ids(prepared, camera, settings)
        color = shown + (np.float32(1.0) - alpha[..., None]) * np.asarray(settings.background, np.float32)
        return RenderedView(color.astype(np.float32), alpha, zeta, ids, drawn)

    def _target(self, width: int, height: int) -> _Target:
        target = self._targets.pop((width, height), None) or _Target(self._context, width, height)
        self._targets[width, height] = target
        while len(self._targets) > _TARGETS:
            self._targets.pop(next(iter(self._targets))).release()
        return target

    # ---- ids ----------------------------------------------------------------------------------------
    def _ids(
        self, prepared: Prepared, camera: Camera, settings: RenderSettings
    ) -> tuple[NDArray[np.int64], int]:
        """(ids [H, W], surfels that touched the picture), band by band where the meetings are too many for one."""
        if self._ids_program is None:
            self._ids_program = self._painter.program(*opengl_shaders.MEETINGS)
            self._meetings = self._context.buffer(reserve=_HEADER_BYTES + _FIRST_MEETINGS * _MEETING_BYTES)
        width, height = camera.width, camera.height
        best = np.full(width * height, -1, np.int64)
        drawn, row, rows = 0, 0, height
        while row < height and prepared.count:
            meetings, met, drawn = self._list(prepared, camera, settings, row, rows)
            if met > len(meetings):
                if met <= _MOST_MEETINGS or rows == 1:
                    self._meetings.orphan(_HEADER_BYTES + met * _MEETING_BYTES)
                else:
                    rows = (rows + 1) // 2
                continue
            first = row * width
            opengl_kernels.heaviest(meetings, first, best[first : first + rows * width])
            row, rows = row + rows, min(rows, height - row - rows)
        return prepared.ids(best).reshape(height, width), drawn

    def _list(
        self, prepared: Prepared, camera: Camera, settings: RenderSettings, row: int, rows: int
    ) -> tuple[NDArray[np.uint32], int, int]:
        """(meetings [M, 3], how many there are, surfels drawn) of rows of a picture; M is as many as have room."""
        assert self._ids_program is not None
        room = (self._meetings.size - _HEADER_BYTES) // _MEETING_BYTES
        self._meetings.write(np.array([0, 0, room, 0], np.uint32).tobytes())
        self._meetings.bind_to_storage_buffer(0)
        self._ids_program[0]["columns"].value = camera.width
        target = self._target(
            camera.width, camera.height
        ).color  # nothing is drawn to it, but it has the size
        target.scissor = (0, row, camera.width, rows)
        target.use()
        self._painter.blend(self._ids_program, prepared, camera, settings)
        target.scissor = None
        self._context.memory_barrier()
        met, drawn = np.frombuffer(self._meetings.read(8), np.uint32).tolist()
        size = min(met, room) * _MEETING_BYTES
        listed = np.frombuffer(self._meetings.read(size, offset=_HEADER_BYTES), np.uint32) if size else []
        return np.array(listed, np.uint32).reshape(-1, 3), met, drawn
