"""What a window shows, drawn with OpenGL: surfels or sheets, and the writing over them.

The world is drawn into a picture of the window's size, surfels by the renderer that also serves without a window
(``runtime.renderers.opengl``), sheets as what they are: pictures that hang in space where their camera saw them, in
relief where their depth is known. Then it goes to the window with the writing over it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.clients.desktop import hud, motions
from wonderzoom.clients.desktop.hud import Hud
from wonderzoom.clients.desktop.remote import Sheet
from wonderzoom.clients.reprojection import clip_mesh
from wonderzoom.runtime.renderers.opengl import SurfelPainter
from wonderzoom.scene_graph.camera import NEAR, Camera
from wonderzoom.scene_graph.cells import Position
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet

_GROUND = (0.043, 0.055, 0.078)  # where no sheet is
_MOST_SHEETS = 16  # that stay on the graphics card
_POOL_BYTES = 256 << 20  # surfels there

_SHEET = (
    """#version 330 core
in vec4 corner;  // clip coordinates
in vec3 at;
out vec3 uvw;
void main() { gl_Position = corner; uvw = at; }
""",
    """#version 330 core
uniform sampler2D picture;
in vec3 uvw;
out vec4 shown;
void main() { shown = vec4(textureProj(picture, uvw).rgb, 1.0); }
""",
)
# Row 0 of a picture is its top; of OpenGL's windows it is the bottom.
_OVER = (
    """#version 330 core
out vec2 uv;
void main() {
    vec2 corner = vec2((gl_VertexID << 1) & 2, gl_VertexID & 2);
    uv = vec2(corner.x, 1.0 - corner.y);
    gl_Position = vec4(corner * 2.0 - 1.0, 0.0, 1.0);
}
""",
    """#version 330 core
uniform sampler2D picture;
in vec2 uv;
out vec4 shown;
void main() { shown = texture(picture, uv); }
""",
)


class Screen:
    """Draws to ``context`` (of moderngl), current in this thread; sizes are in pixels of its framebuffer."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._painter: SurfelPainter | None = None
        self._sheet = context.program(*_SHEET)
        self._corners = context.buffer(reserve=4 * 7 * 4)
        self._relief = (
            context.buffer(reserve=4),
            context.buffer(reserve=4),
        )  # corners and triangles, as long as needed
        self._quad = context.vertex_array(self._sheet, [(self._corners, "4f 3f", "corner", "at")])
        self._over = context.vertex_array(context.program(*_OVER), [])
        self._size = (0, 0)
        self._world: Any = None  # framebuffer
        self._written: Any = None  # texture
        self._hud: Hud | None = None
        self._textures: dict[int, tuple[Sheet, Any]] = {}  # by id; the last used is last

    # ---- the world ------------------------------------------------------------------------------
    def surfels(self, visible: VisibleSet, camera: Camera, settings: RenderSettings) -> int:
        """Draw surfels; how many there were."""
        self._fit(camera.width, camera.height)
        return self._surfel_painter().paint(self._world, visible, camera, settings)

    def place_at(
        self, visible: VisibleSet, camera: Camera, settings: RenderSettings, u: float, v: float
    ) -> Position | None:
        """What surfels show at a pixel; None for nothing."""
        return self._surfel_painter().place_at(visible, camera, settings, u, v)

    def sheets(self, sheets: Sequence[Sheet], camera: Camera, *, over: bool = False) -> None:
        """Draw sheets, the last one in front: over what is there, or over the empty ground."""
        self._fit(camera.width, camera.height)
        self._world.use()
        if not over:
            self._world.clear(*_GROUND, 1.0)
        self._context.enable_only(0)
        for sheet in sheets:
            corners = _clip_corners(sheet.camera, camera)
            if corners is None:
                continue
            self._texture(sheet).use(0)
            self._corners.write(corners.tobytes())
            self._quad.render(self._context.TRIANGLE_STRIP)  # also behind its relief, which may leave a rim
            if sheet.zeta is not None:
                self._in_relief(*clip_mesh(sheet.zeta, sheet.camera, camera))

    # ---- the window -----------------------------------------------------------------------------
    def present(self, writing: Hud, target: Any) -> None:
        """Put the world into a framebuffer of the window's size, with the writing over it."""
        context = self._context
        target.use()
        target.viewport = (0, 0, writing.width, writing.height)
        context.enable_only(0)
        if self._world is None:
            target.clear(*_GROUND, 1.0)
        else:
            self._world.color_attachments[0].use(0)
            self._over.render(context.TRIANGLES, vertices=3)
        if writing != self._hud:
            self._write(writing)
        self._written.use(0)
        context.enable_only(context.BLEND)
        context.blend_func = context.SRC_ALPHA, context.ONE_MINUS_SRC_ALPHA
        self._over.render(context.TRIANGLES, vertices=3)

    def read(self, target: Any, width: int, height: int) -> NDArray[np.uint8]:
        """What a framebuffer shows, [H, W, 3] sRGB."""
        rows = np.frombuffer(target.read(viewport=(0, 0, width, height), components=3, alignment=1), np.uint8)
        return rows.reshape(height, width, 3)[::-1].copy()

    def _in_relief(self, corners: NDArray[np.float32], triangles: NDArray[np.uint32]) -> None:
        """Draw the mesh of a sheet, whose texture is in use: what is nearer in front."""
        context = self._context
        for buffer, numbers in zip(self._relief, (corners, triangles), strict=True):
            buffer.orphan(max(4, numbers.nbytes))
            buffer.write(np.ascontiguousarray(numbers).tobytes())
        array = context.vertex_array(
            self._sheet, [(self._relief[0], "4f 3f", "corner", "at")], index_buffer=self._relief[1]
        )
        context.enable_only(context.DEPTH_TEST)
        self._world.color_mask = (False,) * 4  # what is drawn already stays
        self._world.clear(depth=1.0)
        self._world.color_mask = (True,) * 4
        self._world.use()
        array.render(context.TRIANGLES, vertices=triangles.size)
        array.release()
        context.enable_only(0)

    # ---- parts ----------------------------------------------------------------------------------
    def _surfel_painter(self) -> SurfelPainter:
        if self._painter is None:
            self._painter = SurfelPainter(self._context, _POOL_BYTES)
        return self._painter

    def _fit(self, width: int, height: int) -> None:
        if self._size != (width, height):
            if self._world is not None:
                self._world.color_attachments[0].release()
                self._world.depth_attachment.release()
                self._world.release()
            self._size = (width, height)
            colors, depths = (
                self._context.texture(self._size, 4, dtype="f2"),
                self._context.depth_renderbuffer(self._size),
            )
            self._world = self._context.framebuffer([colors], depths)
        self._world.viewport = (0, 0, width, height)

    def _write(self, writing: Hud) -> None:
        size = (writing.width, writing.height)
        if self._written is None or self._written.size != size:
            if self._written is not None:
                self._written.release()
            self._written = self._context.texture(size, 4)
        self._written.write(hud.draw(writing).tobytes())
        self._hud = writing

    def _texture(self, sheet: Sheet) -> Any:
        known = self._textures.pop(id(sheet), None)
        if known is None:
            height, width = sheet.pixels.shape[:2]
            texture = self._context.texture(
                (width, height), 3, np.ascontiguousarray(sheet.pixels).tobytes(), alignment=1
            )
            texture.build_mipmaps()
            texture.filter = (self._context.LINEAR_MIPMAP_LINEAR, self._context.LINEAR)
            texture.repeat_x = texture.repeat_y = False
            known = (sheet, texture)
        self._textures[id(sheet)] = known
        while len(self._textures) > _MOST_SHEETS:
            self._textures.pop(next(iter(self._textures)))[1].release()
        return known[1]


def _clip_corners(sheet: Camera, camera: Camera) -> NDArray[np.float32] | None:
    """[4, 7] clip coordinates (of a window whose first row is the lowest) and texture coordinates of a sheet's corners,
    as a strip; None where one of them is behind. With their depth, so that the picture keeps its perspective."""
    made = np.empty((4, 7), np.float32)
    for row, (s, t) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
        u, v, w = motions.seen_at(camera, motions.place_at(sheet, s * sheet.width, t * sheet.height))
        if w <= NEAR:
            return None
        made[row] = ((2 * u / camera.width - 1) * w, (2 * v / camera.height - 1) * w, 0.0, w, s, t, 1.0)
    return made if np.isfinite(made).all() else None
