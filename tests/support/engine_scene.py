"""The scene of the conformance pack: what any client of surfels must draw like the reference renderer.

A plane that runs away from the eye, seen at two scales that hand over to each other in the middle of a fade, its far
part by the coarser levels of pyramids; and a pane of dim glass that cuts through it. All of it 70 octaves down, where
no absolute coordinate is left, and of hard little patches, so that blurring or sorting otherwise is seen.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from worlds import Placed, Plane, facing, first_camera, insert, joined, lift, make_node, pictured, plane_view

from wonderzoom.clients.blocks import block_of
from wonderzoom.clients.poses import address_of, camera_of, cell_of, pose_of
from wonderzoom.protocol import messages
from wonderzoom.protocol.codec import decode_from_client, decode_from_server, encode
from wonderzoom.protocol.limits import PROTOCOL, SURFEL_FORMAT
from wonderzoom.protocol.values import ShownBlock, SurfelLevel
from wonderzoom.runtime.renderers.projection import DrawnBlock
from wonderzoom.runtime.surfel_blocks import bounds_of, payload_of, wire_name
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.scale_node import ScaleNode, View
from wonderzoom.scene_graph.surfels import SURFACE, Block
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

H_REF = 64
BACKGROUND = (0.1, 0.2, 0.35)
OCTAVES_DOWN = 70
FADED = 0.4  # how far the zoom has come
SIZE = (96, 64)


@dataclass(frozen=True)
class Scene:
    """Three messages, and what they say."""

    welcome: messages.Welcome
    camera_message: messages.Camera
    surfels: messages.Surfels

    @property
    def hexes(self) -> dict[str, str]:
        """Name of a message -> its bytes, in hexadecimal."""
        told = {"welcome": self.welcome, "camera": self.camera_message, "surfels": self.surfels}
        return {name: encode(message).hex() for name, message in told.items()}

    @staticmethod
    def read(hexes: dict[str, str]) -> "Scene":
        """The scene that these bytes say."""
        welcome = decode_from_server(bytes.fromhex(hexes["welcome"]))
        camera = decode_from_client(bytes.fromhex(hexes["camera"]))
        surfels = decode_from_server(bytes.fromhex(hexes["surfels"]))
        assert isinstance(welcome, messages.Welcome) and isinstance(surfels, messages.Surfels)
        assert isinstance(camera, messages.Camera)
        return Scene(welcome, camera, surfels)

    @property
    def camera(self) -> Camera:
        return camera_of(self.camera_message.cameras[0])

    @property
    def settings(self) -> RenderSettings:
        return RenderSettings(
            h_ref=self.welcome.h_ref,
            metric=self.welcome.metric,
            background=self.welcome.background,
            mips=True,
        )

    @property
    def drawn(self) -> list[tuple[SurfelLevel, DrawnBlock]]:
        """What is drawn when all fades are over, in the order of ``show`` and of levels."""
        found: list[tuple[SurfelLevel, DrawnBlock]] = []
        for show in self.surfels.show:
            for level in self.surfels.levels:
                if level.block == show.block and show.finest <= level.level <= show.coarsest:
                    assert level.payload is not None
                    cell, name = cell_of(level.cell), level.hash.hex()
                    block = block_of(level.node, cell, level.payload, level.bounds, name)
                    span = (show.finest, show.coarsest)
                    how = DrawnBlock(block, show.residency, show.child_residency, level.level, span)
                    found.append((level, how))
        return found

    @property
    def visible(self) -> VisibleSet:
        """The same for a renderer."""
        drawn = [how for _, how in self.drawn]
        return VisibleSet(
            tuple(each.block for each in drawn),
            tuple(each.mip for each in drawn),
            tuple(each.residency for each in drawn),
            self.surfels.revision,
            tuple(each.shared for each in drawn),
            tuple(each.child_residency for each in drawn),
        )


def made() -> Scene:
    """The scene, from nothing."""
    world, camera, finest = _world()
    view = camera.zoomed(2.0).orbited(0.12, 0.06).resized(*SIZE)
    settings = RenderSettings(h_ref=H_REF, background=BACKGROUND, mips=True)
    visible = visible_set(world, view, settings)
    return Scene(
        messages.Welcome(
            protocol=PROTOCOL, viewer="v1", name="tester", color="#336699", role="viewer", resume="r" * 22,
            world="conformance", revision=world.revision, h_ref=H_REF, clock=0.0, camera=pose_of(view),
            surfel_format=SURFEL_FORMAT, blocks="b" * 22, background=BACKGROUND,
        ),
        messages.Camera(seq=1, cameras=[pose_of(view)]),
        messages.Surfels(
            delta=1, revision=world.revision, camera_seq=1, anew=True, complete=True,
            levels=list(_levels(world, visible)), show=list(_shown(world, visible, finest)),
        ),
    )  # fmt: skip


def _world() -> tuple[World, Camera, str]:
    """The plane, a zoom into it, a pane that cuts it; the camera of the first and the name of the zoom."""
    camera = first_camera(84, H_REF, 70.0, OCTAVES_DOWN)
    ground = facing(camera, 1.15)
    world = World(WorldHeader(h_ref=H_REF))
    root = insert(world, *_painted(camera, ground, None, 0.9, seed=1))
    zoomed = camera.zoomed(4.0)
    finest = insert(world, *_painted(zoomed, Plane(zoomed.pivot, ground.normal), root, 0.9, seed=2))
    uv = camera.pixel_centres()
    middle = (abs(uv[..., 0] - 50.0) < 13.0) & (abs(uv[..., 1] - 27.0) < 12.0)
    pane = facing(camera, -0.5, 1.2)
    insert(world, *_painted(camera, pane, root, 0.45, seed=3, mask=middle))
    return world, camera, finest


def _painted(
    camera: Camera,
    plane: Plane,
    parent: str | None,
    opacity: float,
    seed: int,
    mask: NDArray[np.bool_] | None = None,
) -> tuple[ScaleNode, list[Placed]]:
    """A node that shows patches of 3 x 2 pixels in colours of the seed."""
    view: View = plane_view(camera, plane, mask)
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (camera.height // 2 + 1, camera.width // 3 + 1, 3))
    smooth = 127.5 + 127.5 * np.sin(np.linspace(0.0, 6.0, camera.width) + seed)
    patches = small.repeat(2, 0).repeat(3, 1)[: camera.height, : camera.width]
    image = (0.55 * patches + 0.45 * smooth[None, :, None]).astype(np.uint8)
    view = pictured(view, image)
    node = make_node([view], parent, seed=seed)
    return node, joined([lift(view, plane, kind=SURFACE, opacity=opacity)])


def _hash_of(block: Block) -> bytes:
    return bytes.fromhex(block.hash)


def _pyramid(world: World, level: Block) -> Block:
    """The block whose pyramid a level is of."""
    (found,) = [block for block in world.blocks if block.key == level.key]
    return found


def _levels(world: World, visible: VisibleSet) -> Iterable[SurfelLevel]:
    for level, number in zip(visible.blocks, visible.mips, strict=True):
        yield SurfelLevel(
            hash=wire_name(level, number),
            block=_hash_of(_pyramid(world, level)),
            node=level.node,
            cell=address_of(level.cell),
            level=number,
            count=level.count,
            payload=payload_of(level),
            bounds=bounds_of(level),
            bounds_revision=level.bounds.revision,
        )


def _shown(world: World, visible: VisibleSet, finest: str) -> Iterable[ShownBlock]:
    """R is ``FADED`` for the zoom, and R_child for what it covers."""
    spans: dict[bytes, list[int]] = {}
    residencies: dict[bytes, float] = {}
    for level, number in zip(visible.blocks, visible.mips, strict=True):
        name = _hash_of(_pyramid(world, level))
        spans.setdefault(name, []).append(number)
        residencies[name] = FADED if level.node == finest else 1.0
    for name, numbers in spans.items():
        yield ShownBlock(
            block=name,
            finest=min(numbers),
            coarsest=max(numbers),
            residency=residencies[name],
            child_residency=FADED,
        )
