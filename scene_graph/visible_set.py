"""What one viewer needs: the blocks that its camera can see at the scales that it sees them at.

A walk of the octree from the top, skipping subtrees by frustum and by scale interval. The answer depends on
the world and the camera only, in a fixed order.
"""

from __future__ import annotations

from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.world import World

# A splat reaches beyond its 3 sigma by the low-pass filter of the renderer: 3 sqrt(0.1) = 0.95 pixels.
GUARD_PX = 2.0


def visible_set(world: World, camera: Camera, settings: RenderSettings) -> VisibleSet:
    """The blocks that can show in ``camera``'s image, in (node, cell) order, all of them fully resident.

    A block is left out when its box, with the 3 sigma of its surfels, lies outside the frustum, or when none
    of its surfels has a weight at the scales of its box. Modulation ``none`` gives every surfel its full
    weight, so that it is never left out for its scale.
    """
    if settings.modulation == "none":
        scale_offset = None
    else:
        scale_offset = camera.ln_render_scale(settings.h_ref, settings.lod_bias)
    blocks = tuple(world.octree.touching(camera, GUARD_PX, scale_offset, settings.metric == "radial"))
    return VisibleSet(blocks, (0,) * len(blocks), (1.0,) * len(blocks), world.revision)
