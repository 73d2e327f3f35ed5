# pyright: reportMissingImports=false, reportUntypedBaseClass=false
"""A node of a Panda3D scene that draws surfels, into whatever window or buffer its scene is drawn into.

    view = SurfelView(base.render)
    view.show(world.scene.drawn(), camera, world.scene.settings)    # whenever one of them has changed

The picture is that of ``camera`` (a pinhole about a pivot), not that of Panda's own one: after a hundred zooms no lens
of an engine has that focal length. Surfels are blended far to near over what was drawn before them, in sRGB, with no
depth: give the window an sRGB picture as it is (``framebuffer-srgb false``) and the world's background as its clear
colour (``background``). ``packing.panda_camera`` says where Panda's camera has to be for models among surfels.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from panda3d.core import (
    ColorBlendAttrib,
    Geom,
    GeomEnums,
    GeomNode,
    GeomTriangles,
    GeomVertexData,
    GeomVertexFormat,
    LMatrix4f,
    LVecBase2f,
    LVecBase4f,
    OmniBoundingVolume,
    Shader,
    Texture,
)

from wonderzoom.clients.engines.panda3d.packing import SURFEL_TEXELS, draw_of, surfel_texels
from wonderzoom.clients.engines.panda3d.shaders import FRAGMENT, PAGE, VERTEX
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.scales import LI2_INVERSE_TABLE
from wonderzoom.scene_graph.surfels import Block

F32 = NDArray[np.float32]


class SurfelView:
    """See the module docstring; ``parent``: a NodePath, usually ``base.render``."""

    def __init__(self, parent: Any) -> None:
        self.node: Any = parent.attach_new_node(_pages())
        self.node.set_shader(Shader.make(Shader.SL_GLSL, VERTEX, FRAGMENT))
        self.node.set_attrib(
            ColorBlendAttrib.make(
                ColorBlendAttrib.M_add, ColorBlendAttrib.O_one, ColorBlendAttrib.O_one_minus_incoming_alpha
            )
        )
        self.node.set_depth_test(False)
        self.node.set_depth_write(False)
        self.node.set_two_sided(True)
        self.node.set_bin("fixed", 0)
        self.node.hide()  # until there is something to show
        self._packed: dict[tuple[str, str], F32] = {}  # of each block by its content and its bounds
        self._uploaded: list[tuple[str, str]] = []
        self._buffers = {name: _Buffer(name, kind) for name, kind in _KINDS.items()}
        self._buffers["masses"].fill(self.node, LI2_INVERSE_TABLE.astype(np.float32)[:, None])

    def show(self, visible: VisibleSet, camera: Camera, settings: RenderSettings) -> int:
        """Draw this from now on; how many surfels are asked of the card.

        Surfels are uploaded when the blocks are others, all of them anew (64 bytes each).
        """
        names = [(block.hash, block.bounds.key) for block in visible.blocks]
        held = dict(zip(names, visible.blocks, strict=True))
        firsts = self._place(held)
        draw = draw_of(visible, [firsts[name] for name in names], camera, settings)
        count = len(draw.order)
        if count == 0:
            self.node.hide()
            return 0
        self._buffers["order"].fill(self.node, draw.order)
        self._buffers["blocks"].fill(self.node, draw.blocks)
        ax, ay = camera.aspect
        radial = 1.0 if settings.metric == "radial" else 0.0
        octave, pixel = math.log(2.0), math.log(min(camera.width, camera.height) / settings.h_ref)
        self.node.set_shader_inputs(
            count=count,
            rotation=_matrix(camera.rotation),
            lens=LVecBase4f(camera.inverse_f, ax, ay, radial),
            picture=LVecBase4f(camera.cx, camera.cy, camera.width, camera.height),
            scales=LVecBase2f(settings.lod_bias * octave, -pixel),
        )
        self.node.set_instance_count(math.ceil(count / PAGE))
        self.node.show()
        return count

    def _place(self, held: dict[tuple[str, str], Block]) -> dict[tuple[str, str], int]:
        """The first row of each block in the buffer of surfels."""
        self._packed = {
            name: self._packed[name] if name in self._packed else surfel_texels(block)
            for name, block in held.items()
        }
        ends = np.cumsum([0, *(len(rows) for rows in self._packed.values())]).tolist()
        if list(held) != self._uploaded and held:
            rows = np.concatenate(list(self._packed.values()))
            self._buffers["surfels"].fill(self.node, rows.reshape(-1, rows.shape[1] // SURFEL_TEXELS))
            self._uploaded = list(held)
        return dict(zip(held, ends, strict=False))


def background(settings: RenderSettings) -> tuple[float, float, float, float]:
    """The clear colour that goes with surfels."""
    red, green, blue = settings.background
    return (red, green, blue, 1.0)


# ---- Panda's side -----------------------------------------------------------------------------------------------
_KINDS = {
    "surfels": (Texture.T_float, Texture.F_rgba32),
    "blocks": (Texture.T_float, Texture.F_rgba32),
    "masses": (Texture.T_float, Texture.F_r32),
    "order": (Texture.T_int, Texture.F_rg32i),
}


class _Buffer:
    """A buffer texture that a shader reads by ``texelFetch``."""

    def __init__(self, name: str, kind: tuple[Any, Any]) -> None:
        self._name, self._kind, self._texels = name, kind, 0
        self._texture: Any = None

    def fill(self, node: Any, texels: NDArray[Any]) -> None:
        """Upload [N, channels]."""
        flat = texels.reshape(-1, 4) if self._kind[1] == Texture.F_rgba32 else texels
        if len(flat) != self._texels:
            self._texels = len(flat)
            self._texture = Texture(self._name)
            self._texture.setup_buffer_texture(len(flat), *self._kind, GeomEnums.UH_dynamic)
        self._texture.set_ram_image(np.ascontiguousarray(flat).tobytes())
        node.set_shader_input(self._name, self._texture)


def _matrix(rotation: NDArray[np.float64]) -> Any:
    """A rotation as Panda holds it: what multiplies rows."""
    whole = np.eye(4)
    whole[:3, :3] = rotation.T
    return LMatrix4f(*whole.ravel().tolist())


def _pages() -> Any:
    """A node of PAGE quads whose corners are told by the number of the vertex."""
    data = GeomVertexData("quads", GeomVertexFormat.get_v3(), Geom.UH_static)
    data.unclean_set_num_rows(4 * PAGE)
    triangles = GeomTriangles(Geom.UH_static)
    triangles.set_index_type(GeomEnums.NT_uint32)
    corners = np.arange(PAGE, dtype=np.uint32)[:, None] * 4 + np.array([0, 1, 2, 2, 1, 3], np.uint32)
    indices = triangles.modify_vertices()
    indices.unclean_set_num_rows(corners.size)
    indices.modify_handle().copy_data_from(corners.tobytes())
    geom = Geom(data)
    geom.add_primitive(triangles)
    node = GeomNode("surfels")
    node.add_geom(geom)
    node.set_bounds(OmniBoundingVolume())
    node.set_final(True)
    return node
