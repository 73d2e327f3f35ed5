"""Run with Blender's Python: imports a file by the add-on's operator, and says as JSON what a scene of it then has.

python blender_look.py ADDON.py WORLD.ply PICTURE.png
"""

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import bpy  # pyright: ignore[reportMissingImports]

SIZE = (96, 64)


def look(addon: Path, world: str, picture: str) -> dict[str, Any]:
    spec = importlib.util.spec_from_file_location("wonderzoom_splats", addon)
    assert spec is not None and spec.loader is not None
    splats = importlib.util.module_from_spec(spec)
    sys.modules["wonderzoom_splats"] = splats
    spec.loader.exec_module(splats)
    bpy.ops.wm.read_factory_settings(use_empty=True)
    bpy.ops.preferences.addon_enable(module="cycles")
    splats.register()
    refused = ""
    try:
        bpy.ops.import_scene.wonderzoom_splats(filepath=str(addon))
    except RuntimeError as error:
        refused = str(error)
    assert bpy.ops.import_scene.wonderzoom_splats(filepath=world) == {"FINISHED"}
    splats.unregister()
    made = bpy.data.objects[Path(world).stem]
    instances = bpy.context.evaluated_depsgraph_get().object_instances
    placed = [[list(row) for row in each.matrix_world] for each in instances if each.is_instance]
    scene = bpy.context.scene
    scene.world = bpy.data.worlds.new("black")
    scene.world.use_nodes = True
    scene.world.node_tree.nodes["Background"].inputs["Strength"].default_value = 0.0
    scene.camera.data.lens = 24.0
    scene.render.engine, scene.cycles.samples, scene.cycles.seed = "CYCLES", 16, 0
    scene.render.resolution_x, scene.render.resolution_y = SIZE
    scene.render.image_settings.file_format = "PNG"
    scene.render.filepath = picture
    bpy.ops.render.render(write_still=True)
    return {
        "version": bpy.app.version_string,
        "attributes": {each.name: each.data_type for each in made.data.attributes},
        "placed": placed,
        "refused": refused,
    }


if __name__ == "__main__":
    print(json.dumps(look(Path(sys.argv[1]), *sys.argv[2:])))
