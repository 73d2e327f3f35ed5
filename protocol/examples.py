"""One message of each kind: what the test vectors are made of.

A client in any language tests itself with ``vectors/``; these are the objects behind them. What has to be
refused is in ``counterexamples.py``.
"""

from __future__ import annotations

from typing import Any

import msgspec

from wonderzoom.protocol.errors import ErrorCode
from wonderzoom.protocol.messages import (
    Ack,
    AddBookmark,
    Blocks,
    Bookmarks,
    Bye,
    Camera,
    Cancel,
    Commit,
    Configure,
    Error,
    Evicted,
    Follow,
    Frame,
    FromClient,
    FromServer,
    Grant,
    Have,
    Hello,
    Kick,
    Leave,
    Led,
    Lock,
    Pick,
    Picked,
    Presence,
    RemoveBookmark,
    RemoveNode,
    RestoreNode,
    Spot,
    Stats,
    Streamed,
    Surfels,
    UploadBegin,
    UploadChunk,
    UploadEnd,
    UploadStatus,
    Welcome,
    Worlds,
    Zoom,
    ZoomStatus,
)
from wonderzoom.protocol.values import (
    Bookmark,
    BoundsPatch,
    CameraPose,
    CellAddress,
    Depth,
    KnownLevel,
    NodeSummary,
    PendingZoom,
    Place,
    ShownBlock,
    SurfelLevel,
    View,
    ViewerSummary,
    index_bytes,
)

PLACE = Place(
    cell=CellAddress(level=7, x=index_bytes(2796202), y=index_bytes(-1), z=index_bytes(0)),
    offset=(0.25, 0.5, 0.75),
)
POSE = CameraPose(
    pivot=PLACE,
    quat=(1.0, 0.0, 0.0, 0.0),
    ln_distance=1.5,
    ln_fx=6.0,
    ln_fy=6.0,
    cx=320.0,
    cy=180.0,
    width=640,
    height=360,
)
# What is in one: vectors/depth_maps.json.
DEPTH = Depth(width=2, height=1, step=1.0 / 28.0, payload=bytes.fromhex("7801fbcff04a060005f00206"))
NODE = NodeSummary(
    id="9ffad37a3e", camera=POSE, ln_magnification=3.25, parent="45cc5502d1", prompt="moss", by="Ada"
)
# Messages carry payloads as they are; what is in one: vectors/surfel_blocks.json.
LEVEL = SurfelLevel(
    hash=bytes(range(16)),
    block=bytes(range(16, 32)),
    node="9ffad37a3e",
    cell=PLACE.cell,
    level=2,
    count=16,
    payload=b"\x01\x0c\x00\x00",
    bounds=b"\x78\x9c",
    bounds_revision=2,
)
CLIENT: dict[str, FromClient] = {
    "hello": Hello(protocol=(1, 1), client="test/1", codecs=["jpeg", "h264"], token="t" * 43, name="Ada"),
    "configure": Configure(max_fps=60.0, best_quality=70, codec="h264"),
    "hello of one who reads surfels": Hello(
        protocol=(1, 1), client="test/1", token="t" * 43, surfel_formats=[1]
    ),
    "configure frames with depth": Configure(depth=True, lod_bias=1.5),
    "configure surfels": Configure(stream="surfels", surfel_budget=250_000, lod_bias=-0.5, fetch=True),
    "configure auto": Configure(stream="auto", surfel_budget=600_000),
    "camera": Camera(seq=7, cameras=[POSE], time=123.5),
    "camera of two eyes": Camera(seq=8, cameras=[POSE, msgspec.structs.replace(POSE, cx=310.0)]),
    "ack": Ack(frame=3, decode=2.5),
    "ack of a delta": Ack(delta=5, decode=1.5),
    "have": Have(levels=[KnownLevel(hash=LEVEL.hash, bounds_revision=2)]),
    "evicted": Evicted(hashes=[LEVEL.hash]),
    "zoom at a spot": Zoom(
        request="z1", at=Spot(frame=3, u=0.25, v=0.5), factor=6.0, prompt="a ladybug", seed=9
    ),
    "zoom to a camera": Zoom(request="z2", camera=POSE, mode="replace", node="9ffad37a3e"),
    "cancel": Cancel(request="z1"),
    "pick": Pick(request="p1", at=Spot(frame=3, u=0.0, v=1.0)),
    "pick by a camera": Pick(request="p2", at=Spot(seq=7, u=1.0, v=0.0)),
    "remove_node": RemoveNode(request="r1", node="9ffad37a3e"),
    "restore_node": RestoreNode(request="r2", node="9ffad37a3e"),
    "follow": Follow(request="f1", viewer="v2"),
    "follow nobody": Follow(request="f2"),
    "bookmark": AddBookmark(request="b1", name="the moss", camera=POSE),
    "remove_bookmark": RemoveBookmark(request="r3", bookmark="b1"),
    "kick": Kick(request="k1", viewer="v2"),
    "grant": Grant(request="g1", viewer="v2", role="viewer"),
    "lock": Lock(request="l1", locked=True),
    "upload_begin": UploadBegin(upload="u1", name="photo.jpg", bytes=5, sha256=bytes(range(32))),
    "upload_chunk": UploadChunk(upload="u1", offset=0, data=b"\x00\x01\x02\xfe\xff"),
    "upload_end": UploadEnd(upload="u1"),
    "bye": Leave(reason="closing the page"),
}
SERVER: dict[str, FromServer] = {
    "welcome": Welcome(
        protocol=1, viewer="v1", name="Ada", color="#ff8800", role="editor", resume="r" * 43, world="garden",
        revision=2, h_ref=512, clock=1000.0, nodes=[NODE], camera=POSE,
    ),
    "welcome to surfels": Welcome(
        protocol=1, viewer="v2", name="Bob", color="#648fff", role="viewer", resume="r" * 43, world="garden",
        revision=2, h_ref=512, clock=1000.0, surfel_format=1, blocks="b" * 43, metric="radial",
        background=(0.25, 0.5, 0.75), recorded=True,
    ),
    "worlds": Worlds(worlds=["garden", "beach-day"]),
    "stream": Streamed(kind="surfels", why="motions don't wait for a frame, which takes 60 ms"),
    "frame": Frame(
        frame=3, camera_seq=7, camera_time=123.5, revision=2, views=[View(camera=POSE, payload=b"\xff\xd8\xff\xd9")],
        still=True, quality=92, waited=1.5, render=30.25, encode=2.0,
    ),
    "frame with depth": Frame(
        frame=5, camera_seq=9, revision=2, quality=82,
        views=[View(camera=POSE, payload=b"\xff\xd8\xff\xd9", depth=DEPTH)],
    ),
    "frame for two eyes": Frame(
        frame=6, camera_seq=8, revision=2, quality=82,
        views=[
            View(camera=POSE, payload=b"\xff\xd8\xff\xd9"),
            View(camera=msgspec.structs.replace(POSE, cx=310.0), payload=b"\xff\xd8\xff\xd9"),
        ],
    ),
    "frame of video": Frame(
        frame=4, camera_seq=8, revision=2, views=[View(camera=POSE, payload=b"\x00\x00\x00\x01\x67")], codec="h264",
        key=True, quality=68,
    ),
    "surfels": Surfels(
        delta=5, revision=2, camera_seq=7, anew=True, levels=[LEVEL],
        show=[ShownBlock(block=LEVEL.block, finest=2, coarsest=3)],
    ),
    "surfels that are fetched": Surfels(delta=6, revision=2, levels=[msgspec.structs.replace(LEVEL, payload=None)]),
    "surfels after a commit": Surfels(
        delta=7, revision=3, camera_seq=7,
        bounds=[BoundsPatch(hash=LEVEL.hash, bounds=b"\x78\x9c\x03", bounds_revision=3)],
        show=[
            ShownBlock(block=LEVEL.block, finest=2, coarsest=2, child_residency=1.0),
            ShownBlock(block=bytes(16), finest=0, coarsest=0, residency=0.0),
        ],
        drop=[bytes(16), LEVEL.hash], complete=True,
    ),
    "picked": Picked(request="p1", place=PLACE, zeta=-12.5, node="9ffad37a3e", prompt="moss"),
    "picked nothing": Picked(request="p1"),
    "zoom_status queued": ZoomStatus(request="z1", state="queued", camera=POSE, position=2, eta=15000.0),
    "zoom_status running": ZoomStatus(request="z1", state="running", stage="edit", fraction=0.5, preview=b"\xff\xd8"),
    "zoom_status committed": ZoomStatus(
        request="z1", state="committed", node="9ffad37a3e", revision=3, placed=["ladybug"], ignored=["shiny"]
    ),
    "zoom_status failed": ZoomStatus(request="z1", state="failed", code=ErrorCode.LOST, message="a worker was lost"),
    "commit": Commit(revision=3, added=[NODE], removed=["45cc5502d1"], by="Ada"),
    "presence": Presence(
        viewers=[ViewerSummary(id="v1", name="Ada", color="#ff8800", role="editor", camera=POSE)],
        zooms=[PendingZoom(request="z1", viewer="v1", camera=POSE, prompt="moss", stage="depth", fraction=0.25)],
    ),
    "presence of a locked world": Presence(
        viewers=[
            ViewerSummary(id="v1", name="Ada", color="#ff8800", role="host", camera=POSE),
            ViewerSummary(id="v2", name="Bob", color="#648fff", role="viewer", camera=POSE, following="v1"),
        ],
        locked=True,
    ),
    "led": Led(viewer="v1", camera=POSE),
    "led by nobody": Led(),
    "blocks": Blocks(blocks="c" * 43),
    "bookmarks": Bookmarks(bookmarks=[Bookmark(id="b1", name="the moss", camera=POSE, by="Ada")]),
    "upload_status": UploadStatus(upload="u1", received=5, state="done", world="photo"),
    "stats": Stats(fps=29.5, latency=12.0, bytes_per_s=2.5e6, scale=0.75, quality=70, viewers=2, ln_render_scale=-3.0),
    "error": Error(code=ErrorCode.NOT_FOUND, message="that frame is gone", request="p1"),
    "bye": Bye(code=1001, reason="the server stops", retry_after=2000.0),
}  # fmt: skip


def plain(message: FromClient | FromServer) -> dict[str, Any]:
    """A message as the dicts and lists that any msgpack library would see."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(message))
