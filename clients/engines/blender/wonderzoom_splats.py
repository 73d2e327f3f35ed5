# pyright: basic, reportMissingImports=false
"""Blender add-on: imports what ``wonderzoom export -o world.ply`` writes, as discs with colour, opacity and size.

In Blender 4.2 or newer install this one file (Edit > Preferences > Add-ons > Install from Disk), then File > Import >
WonderZoom splats (.ply). Without a window, for a script or a farm:

    blender --background --python wonderzoom_splats.py -- world.ply world.blend

What comes in is a mesh of points with attributes ``rotation``, ``size``, ``color`` (linear) and ``opacity``, and
Geometry Nodes that put a square with a Gaussian on it on each: all of it can be edited as anything else. The scene gets
a camera where the first picture was taken from (the origin of the file), and the view transform Standard.

Axes: the file has x right, y down, z forward; Blender x right, y forward, z up: (x, z, -y). It is not what WonderZoom
shows to the byte: Cycles blends in linear light and sorts per ray. EEVEE wants a graphics card.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

try:
    import bpy
except ImportError:  # the reader is of use, and tested, without Blender
    bpy: Any = None

bl_info = {
    "name": "WonderZoom splats",
    "blender": (4, 2, 0),
    "version": (1, 0, 0),
    "category": "Import-Export",
    "location": "File > Import > WonderZoom splats (.ply)",
    "description": "Surfels of a WonderZoom world, or any 3DGS or 2DGS splats of binary PLY, as discs",
}

REACH = 3.33  # standard deviations to the rim of a splat: where an opaque one is 1/255
SH_C0 = 0.28209479177387814
MAX_HEADER = 1 << 16  # bytes
TO_BLENDER = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])
_HALF_TURN = np.array([0.5**0.5, -(0.5**0.5), 0.0, 0.0])  # TO_BLENDER as a quaternion, wxyz


class NotSplats(Exception):
    """A file that holds none: what is wrong with it."""


@dataclass(frozen=True)
class Splats:
    """N flat splats in Blender's axes."""

    positions: np.ndarray  # [N, 3] float32
    rotations: np.ndarray  # [N, 4] float32, wxyz: the disc's x and y axes and its normal to the world
    sizes: np.ndarray  # [N, 2] float32, standard deviations along the disc's axes
    colors: np.ndarray  # [N, 3] float32, linear
    opacities: np.ndarray  # [N] float32, 0 to 1


# ---- reading: no Blender needed -----------------------------------------------------------------
def read_splats(path: Path) -> Splats:
    """The splats of a binary PLY file, as 3DGS (three sizes: the least is left out) or 2DGS writes them.

    Raises NotSplats.
    """
    with path.open("rb") as stream:
        count, names = _header(stream)
        data = stream.read(4 * count * len(names))
    if len(data) != 4 * count * len(names):
        raise NotSplats(f"{path.name} is cut: {len(data) // (4 * len(names))} of {count} splats are there")
    column = dict(zip(names, np.frombuffer(data, "<f4").reshape(count, len(names)).T, strict=True))
    try:
        positions = np.stack([column[name] for name in "xyz"], 1)
        quats = np.stack([column[f"rot_{k}"] for k in range(4)], 1).astype(np.float64)
        sizes = np.stack([column[f"scale_{k}"] for k in range(2 + ("scale_2" in column))], 1)
        bands = np.stack([column[f"f_dc_{k}"] for k in range(3)], 1)
        logits = column["opacity"].astype(np.float64)
    except KeyError as missing:
        raise NotSplats(f"{path.name} has no column {missing}: it holds something else than splats") from None
    finite = all(np.isfinite(each).all() for each in (positions, quats, bands)) and not np.isnan(logits).any()
    if not finite or np.isnan(sizes).any() or (np.abs(quats).max(1, initial=0.0) == 0.0).any():
        raise NotSplats(f"{path.name} holds numbers that are none")
    quats /= np.linalg.norm(quats, axis=1, keepdims=True)
    if sizes.shape[1] == 3:
        quats, sizes = _flattened(quats, sizes)
    with np.errstate(over="ignore"):
        opacities = 1.0 / (1.0 + np.exp(-logits))
    return Splats(
        (positions @ TO_BLENDER.T).astype(np.float32),
        _product(_HALF_TURN, quats).astype(np.float32),
        np.exp(sizes.astype(np.float64)).astype(np.float32),
        linear_of(np.clip(0.5 + SH_C0 * bands, 0.0, 1.0)).astype(np.float32),
        opacities.astype(np.float32),
    )


def _header(stream: BinaryIO) -> tuple[int, list[str]]:
    """How many rows, and the names of their float32 columns."""
    lines: list[str] = []
    while not lines or lines[-1] != "end_header":
        line = stream.readline(1024)
        if not line.endswith(b"\n") or stream.tell() > MAX_HEADER or (not lines and line.strip() != b"ply"):
            raise NotSplats("this is no PLY file")
        lines.append(line.decode("ascii", "replace").strip())
    if "format binary_little_endian 1.0" not in lines:
        raise NotSplats("this PLY file is not binary_little_endian")
    elements = [line.split() for line in lines if line.startswith("element ")]
    if len(elements) != 1 or elements[0][1:2] != ["vertex"] or not elements[0][-1].isdigit():
        raise NotSplats("this PLY file has something else than points in it")
    columns = [line.split() for line in lines if line.startswith("property ")]
    if not columns or any(len(words) != 3 or words[1] not in ("float", "float32") for words in columns):
        raise NotSplats("this PLY file has columns that are not float32")
    return int(elements[0][2]), [words[2] for words in columns]


def _flattened(quats: np.ndarray, sizes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rotations whose third axis is the thinnest one, and the two sizes that are left."""
    thinnest = sizes.argmin(1)
    # First the third axis is turned to where the thinnest is: x -> y -> z -> x, back, or not at all.
    turns = np.array([[0.5, 0.5, 0.5, 0.5], [0.5, -0.5, -0.5, -0.5], [1.0, 0.0, 0.0, 0.0]])
    order = np.array([[1, 2], [2, 0], [0, 1]])  # the sizes of what are x and y then
    return _product(quats, turns[thinnest]), np.take_along_axis(sizes, order[thinnest], 1)


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Quaternions [..., 4] wxyz: first b, then a."""
    aw, ax, ay, az = np.moveaxis(np.asarray(a, np.float64), -1, 0)
    bw, bx, by, bz = np.moveaxis(np.asarray(b, np.float64), -1, 0)
    return np.stack([
        aw * bw - ax * bx - ay * by - az * bz,
        aw * bx + ax * bw + ay * bz - az * by,
        aw * by - ax * bz + ay * bw + az * bx,
        aw * bz + ax * by - ay * bx + az * bw,
    ], -1)  # fmt: skip


def linear_of(srgb: np.ndarray) -> np.ndarray:
    """sRGB in [0, 1] as Blender wants colours."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


# ---- building -----------------------------------------------------------------------------------
def build(splats: Splats, name: str) -> Any:
    """The object, in the scene that is open."""
    mesh = bpy.data.meshes.new(name)
    count = len(splats.positions)
    mesh.vertices.add(count)
    mesh.vertices.foreach_set("co", splats.positions.ravel())
    size = np.concatenate([splats.sizes, np.ones((count, 1), np.float32)], 1)
    color = np.concatenate([splats.colors, np.ones((count, 1), np.float32)], 1)
    for attribute, kind, field, values in (
        ("rotation", "QUATERNION", "value", splats.rotations),
        ("size", "FLOAT_VECTOR", "vector", size),
        ("color", "FLOAT_COLOR", "color", color),
        ("opacity", "FLOAT", "value", splats.opacities),
    ):
        mesh.attributes.new(attribute, kind, "POINT").data.foreach_set(
            field, np.ascontiguousarray(values).ravel()
        )
    mesh.update()
    made = bpy.data.objects.new(name, mesh)
    bpy.context.scene.collection.objects.link(made)
    made.modifiers.new("Splats", "NODES").node_group = _nodes(_square(), _material())
    return made


def _square() -> Any:
    """What is put on each point: a square of REACH standard deviations, not in the scene itself."""
    mesh = bpy.data.meshes.new("WonderZoom splat")
    corners = [(-REACH, -REACH, 0.0), (REACH, -REACH, 0.0), (REACH, REACH, 0.0), (-REACH, REACH, 0.0)]
    mesh.from_pydata(corners, [], [(0, 1, 2, 3)])
    mesh.attributes.new("sigmas", "FLOAT_VECTOR", "POINT").data.foreach_set("vector", np.ravel(corners))
    return bpy.data.objects.new("WonderZoom splat", mesh)


def _nodes(square: Any, material: Any) -> Any:
    """Geometry Nodes: a square on each point, turned and scaled."""
    group = bpy.data.node_groups.new("WonderZoom splats", "GeometryNodeTree")
    for way in ("INPUT", "OUTPUT"):
        group.interface.new_socket("Geometry", in_out=way, socket_type="NodeSocketGeometry")
    nodes, link = group.nodes, group.links.new

    def attribute(name: str, kind: str) -> Any:
        node = nodes.new("GeometryNodeInputNamedAttribute")
        node.data_type = kind
        node.inputs["Name"].default_value = name
        return next(socket for socket in node.outputs if socket.enabled and socket.name == "Attribute")

    instance = nodes.new("GeometryNodeInstanceOnPoints")
    shape = nodes.new("GeometryNodeObjectInfo")
    shape.inputs["Object"].default_value = square
    painted = nodes.new("GeometryNodeSetMaterial")
    painted.inputs["Material"].default_value = material
    link(nodes.new("NodeGroupInput").outputs["Geometry"], instance.inputs["Points"])
    link(shape.outputs["Geometry"], painted.inputs["Geometry"])
    link(painted.outputs["Geometry"], instance.inputs["Instance"])
    link(attribute("rotation", "QUATERNION"), instance.inputs["Rotation"])
    link(attribute("size", "FLOAT_VECTOR"), instance.inputs["Scale"])
    link(instance.outputs["Instances"], nodes.new("NodeGroupOutput").inputs["Geometry"])
    return group


def _material() -> Any:
    """Light of the splat's colour, as much of it as its Gaussian covers there."""
    material = bpy.data.materials.new("WonderZoom splats")
    material.use_nodes = True
    nodes, link = material.node_tree.nodes, material.node_tree.links.new
    nodes.clear()

    def attribute(name: str, where: str) -> Any:
        node = nodes.new("ShaderNodeAttribute")
        node.attribute_name, node.attribute_type = name, where
        return node

    def maths(operation: str, one: Any, other: Any) -> Any:
        node = nodes.new("ShaderNodeMath")
        node.operation = operation
        for socket, value in zip(node.inputs, (one, other), strict=False):
            if isinstance(value, float):
                socket.default_value = value
            else:
                link(value, socket)
        return node.outputs["Value"]

    square = nodes.new("ShaderNodeVectorMath")
    square.operation = "DOT_PRODUCT"
    sigmas = attribute("sigmas", "GEOMETRY").outputs["Vector"]
    link(sigmas, square.inputs[0])
    link(sigmas, square.inputs[1])
    gaussian = maths("POWER", float(np.exp(-0.5)), square.outputs["Value"])
    alpha = maths("MULTIPLY", gaussian, attribute("opacity", "INSTANCER").outputs["Fac"])
    # Fainter than 1/255 is nothing: the corners of squares would add up.
    alpha = maths("MULTIPLY", alpha, maths("GREATER_THAN", alpha, 1.0 / 255.0))
    light, nothing, mix = (
        nodes.new(f"ShaderNode{kind}") for kind in ("Emission", "BsdfTransparent", "MixShader")
    )
    link(attribute("color", "INSTANCER").outputs["Color"], light.inputs["Color"])
    link(alpha, mix.inputs["Fac"])
    link(nothing.outputs["BSDF"], mix.inputs[1])
    link(light.outputs["Emission"], mix.inputs[2])
    link(mix.outputs["Shader"], nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
    return material


def prepare_scene() -> None:
    """A camera in the eye of the first picture, colours as they are, and rays that pass many splats."""
    scene = bpy.context.scene
    camera = bpy.data.cameras.new("WonderZoom eye")
    camera.clip_start, camera.clip_end = 1e-3, 1e6
    eye = bpy.data.objects.new("WonderZoom eye", camera)
    eye.rotation_euler = (np.pi / 2, 0.0, 0.0)  # along y, as the file looks along z
    scene.collection.objects.link(eye)
    scene.camera = eye
    scene.view_settings.view_transform = "Standard"
    if hasattr(scene, "cycles"):
        scene.cycles.transparent_max_bounces = 1024


def bring_in(path: Path) -> Any:
    """The whole import; the object. Raises NotSplats and OSError."""
    splats = read_splats(path)
    prepare_scene()
    return build(splats, path.stem)


# ---- as an add-on -------------------------------------------------------------------------------
if bpy is not None:
    from bpy.props import StringProperty
    from bpy_extras.io_utils import ImportHelper

    class ImportSplats(bpy.types.Operator, ImportHelper):
        """Import splats of a WonderZoom world (wonderzoom export WORLD -o world.ply)"""

        bl_idname = "import_scene.wonderzoom_splats"
        bl_label = "Import WonderZoom splats"
        filename_ext = ".ply"
        filter_glob: StringProperty(default="*.ply", options={"HIDDEN"})  # type: ignore

        def execute(self, _context: Any) -> set[str]:
            """What Blender calls."""
            try:
                made = bring_in(Path(self.filepath))
            except (NotSplats, OSError) as error:
                self.report({"ERROR"}, str(error))
                return {"CANCELLED"}
            self.report({"INFO"}, f"{len(made.data.vertices):,} splats")
            return {"FINISHED"}

    def _menu(menu: Any, _context: Any) -> None:
        menu.layout.operator(ImportSplats.bl_idname, text="WonderZoom splats (.ply)")

    def register() -> None:
        """What Blender calls when the add-on is switched on."""
        bpy.utils.register_class(ImportSplats)
        bpy.types.TOPBAR_MT_file_import.append(_menu)

    def unregister() -> None:
        """And off."""
        bpy.types.TOPBAR_MT_file_import.remove(_menu)
        bpy.utils.unregister_class(ImportSplats)


def main(words: list[str]) -> int:
    """``-- world.ply world.blend``."""
    if bpy is None or len(words) != 2:
        print(
            "usage: blender --background --python wonderzoom_splats.py -- WORLD.ply WORLD.blend",
            file=sys.stderr,
        )
        return 2
    try:
        made = bring_in(Path(words[0]))
    except (NotSplats, OSError) as error:
        print(f"wonderzoom_splats: {error}", file=sys.stderr)
        return 1
    bpy.ops.wm.save_as_mainfile(filepath=str(Path(words[1]).resolve()))
    print(f"{words[1]}: {len(made.data.vertices):,} splats")
    return 0


if __name__ == "__main__" and "--" in sys.argv:
    sys.exit(main(sys.argv[sys.argv.index("--") + 1 :]))
