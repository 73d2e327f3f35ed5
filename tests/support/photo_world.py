"""A photo on a tilted plane as the root of a world, and what a camera would see of it, without any renderer."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
from worlds import Plane, facing, first_camera, insert, pictured, plane_node

from wonderzoom.generation.embedded.chart import places_on
from wonderzoom.generation.embedded.memory import EmbeddedMemory
from wonderzoom.generation.jobs import ZoomRequest
from wonderzoom.generation.stages import Observation, ZoomContext
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.ports import VisibleSet
from wonderzoom.scene_graph.scale_node import ScaleNode
from wonderzoom.scene_graph.world import World

GENERATOR = "embedded/1"
METRES = 1e-3  # of a pixel of the photo


def photo(width: int = 96, height: int = 72, seed: int = 0) -> np.ndarray:
    """A picture with a textured green half and a smooth red one, and soft light over both; bytes."""
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.standard_normal((height, width)).astype(np.float32), (0, 0), 0.8)
    color = np.where(np.arange(width)[None, :, None] < width // 2, [0.30, 0.45, 0.14], [0.62, 0.16, 0.12])
    strength = np.where(np.arange(width) < width // 2, 0.35, 0.02)
    light = 1.0 + 0.25 * np.sin(np.linspace(0, 3, height))[:, None]
    picture = color * (np.exp(strength * noise) * light)[..., None]
    return np.clip(picture * 255, 0, 255).astype(np.uint8)


@dataclass
class PhotoWorld:
    """The world, the plane that everything is on, and the photo."""

    world: World
    plane: Plane
    image: np.ndarray  # [H, W, 3] bytes

    @staticmethod
    def of(image: np.ndarray, tilt: float = 0.0, generator: str = GENERATOR) -> "PhotoWorld":
        camera = first_camera(image.shape[1], image.shape[0], focal=0.8 * image.shape[1])
        world = World(WorldHeader(h_ref=min(image.shape[:2])))
        found = PhotoWorld(world, facing(camera, tilt, turn=0.7), image)
        found.add(camera, image, None, EmbeddedMemory(metres_per_pixel=METRES), generator)
        return found

    @property
    def root(self) -> ScaleNode:
        assert self.world.root is not None
        return self.world.root

    def add(
        self,
        camera: Camera,
        image: np.ndarray,
        parent: str | None,
        memory: EmbeddedMemory | None,
        generator: str = GENERATOR,
    ) -> str:
        """A node whose main view is ``image`` [H, W, 3] bytes; its id."""
        node, blocks = plane_node(camera, self.plane, parent)
        view = pictured(node.views[0], image)
        state = b"" if memory is None else memory.encode()
        node = replace(node, views=(view,), generator=generator, generator_state=state)
        return insert(self.world, node, blocks)

    def zoomed(self, factor: float, u: float | None = None, v: float | None = None, side: int = 64) -> Camera:
        """A camera at the root's eye, ``factor`` times finer, at a pixel of the photo (default: its middle)."""
        camera = self.root.main.camera
        at = np.array([camera.cx if u is None else u, camera.cy if v is None else v])
        start, far = (camera.unproject(at, np.array(z)) for z in (0.0, 1.0))
        normal = self.plane.seen(camera)
        step = far - start
        zeta = (camera.view_point(self.plane.point) - start) @ normal / (step @ normal)
        aimed = camera.looking_at(start + zeta * step).zoomed(factor)
        return replace(aimed, width=side, height=side, cx=side / 2, cy=side / 2)

    def observed(
        self, camera: Camera, factor: float, of: ScaleNode | None = None, image: np.ndarray | None = None
    ) -> Observation:
        """What surfels of the node's picture (default: the photo) show at ``camera``."""
        node = of or self.root
        shown = node.main.image if image is None else image
        assert shown is not None
        picture = (shown / 255).astype(np.float32)
        zeta = self.plane.zeta(camera)
        places, _ = places_on(node.main.camera, camera, zeta)
        at = (places - 0.5).astype(np.float32)
        soft = cv2.GaussianBlur(picture, (0, 0), 0.45)
        color = cv2.remap(soft, at[..., 0], at[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)
        shape = zeta.shape
        return Observation(
            camera=camera,
            margin=0,
            color=np.clip(color, 0, 1).astype(np.float32),
            alpha=np.ones(shape, np.float32),
            zeta=zeta.astype(np.float32),
            ratio=np.full(shape, factor, np.float32),
            covered=np.zeros(shape, np.bool_),
            surfel_ids=np.zeros(shape, np.int64),
            visible=VisibleSet((), (), (), 0),
            factor=factor,
        )

    def context(self, observation: Observation, parent: str | None = None, threads: int = 1) -> ZoomContext:
        """One zoom at that observation below ``parent`` (default: the root)."""
        request = ZoomRequest(observation.camera, seed=3)
        node = self.root if parent is None else self.world.node(parent)
        return ZoomContext(self.world, request, observation, node, threads)
