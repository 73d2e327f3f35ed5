"""One message of each kind, and bytes that are none: what the test vectors are made of.

A client in any language tests itself with ``vectors/``; these are the objects behind them.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from wonderzoom.protocol.errors import ErrorCode
from wonderzoom.protocol.messages import (
    Ack,
    Bye,
    Camera,
    Cancel,
    Commit,
    Configure,
    Error,
    Frame,
    FromClient,
    FromServer,
    Hello,
    Leave,
    Pick,
    Picked,
    Presence,
    RemoveNode,
    Spot,
    Stats,
    UploadBegin,
    UploadChunk,
    UploadEnd,
    UploadStatus,
    View,
    Welcome,
    Zoom,
    ZoomStatus,
)
from wonderzoom.protocol.values import (
    CameraPose,
    CellAddress,
    NodeSummary,
    PendingZoom,
    Place,
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
NODE = NodeSummary(
    id="9ffad37a3e", camera=POSE, ln_magnification=3.25, parent="45cc5502d1", prompt="moss", by="Ada"
)
CLIENT: dict[str, FromClient] = {
    "hello": Hello(protocol=(1, 1), client="test/1", codecs=["jpeg"], token="t" * 43, name="Ada"),
    "configure": Configure(max_fps=60.0, best_quality=70),
    "camera": Camera(seq=7, cameras=[POSE], time=123.5),
    "ack": Ack(frame=3, decode=2.5),
    "zoom at a spot": Zoom(
        request="z1", at=Spot(frame=3, u=0.25, v=0.5), factor=6.0, prompt="a ladybug", seed=9
    ),
    "zoom to a camera": Zoom(request="z2", camera=POSE, mode="replace", node="9ffad37a3e"),
    "cancel": Cancel(request="z1"),
    "pick": Pick(request="p1", at=Spot(frame=3, u=0.0, v=1.0)),
    "remove_node": RemoveNode(request="r1", node="9ffad37a3e"),
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
    "frame": Frame(
        frame=3, camera_seq=7, camera_time=123.5, revision=2, views=[View(camera=POSE, payload=b"\xff\xd8\xff\xd9")],
        still=True, quality=92, waited=1.5, render=30.25, encode=2.0,
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
    "upload_status": UploadStatus(upload="u1", received=5, state="done", world="photo"),
    "stats": Stats(fps=29.5, latency=12.0, bytes_per_s=2.5e6, scale=0.75, quality=70, viewers=2, ln_render_scale=-3.0),
    "error": Error(code=ErrorCode.NOT_FOUND, message="that frame is gone", request="p1"),
    "bye": Bye(code=1001, reason="the server stops", retry_after=2000.0),
}  # fmt: skip


def plain(message: FromClient | FromServer) -> dict[str, Any]:
    """A message as the dicts and lists that any msgpack library would see."""
    return msgspec.msgpack.decode(msgspec.msgpack.encode(message))


def _pack(value: object) -> bytes:
    return msgspec.msgpack.encode(value)


def _camera(**changes: Any) -> bytes:
    return _pack({"type": "camera", "seq": 1, "cameras": [_pose() | changes]})


def _pose() -> dict[str, Any]:
    return plain(CLIENT["camera"])["cameras"][0]


def _zoom(**changes: Any) -> bytes:
    return _pack(plain(CLIENT["zoom at a spot"]) | changes)


def _bomb(depth: int) -> bytes:
    return b"\x91" * depth + b"\xc0"


INVALID: dict[str, bytes] = {
    "nothing": b"",
    "not a map": _pack([1, 2]),
    "a map without a type": _pack({"seq": 1}),
    "an unknown type": _pack({"type": "shutdown"}),
    "a type that is no text": _pack({"type": 7}),
    "a message of the server": _pack(SERVER["welcome"]),
    "half a message": _pack(CLIENT["camera"])[:-5],
    "two messages": _pack(CLIENT["ack"]) * 2,
    "nested a thousand deep": _bomb(1_000),
    "nested sixty thousand deep": _bomb(60_000),
    "deep in a field that is ignored": b"\x82\xa4type\xa6cancel\xa1x" + _bomb(60_000),
    "a list that claims 4 billion": b"\xdd\xff\xff\xff\xff",
    "a map that claims 4 billion": b"\xdf\xff\xff\xff\xff",
    "bytes that claim 4 GB": b"\xc6\xff\xff\xff\xff",
    "text that is no UTF-8": b"\x82\xa4type\xa6cancel\xa7request\xa2\xff\xfe",
    "an extension type": b"\xc7\x04\x01abcd",
    "a camera of NaN": _camera(ln_fx=math.nan),
    "a quaternion of NaN": _camera(quat=[math.nan] * 4),
    "an infinite camera": _camera(ln_distance=math.inf),
    "a singular camera": _camera(ln_fx=1.0, ln_fy=9.0),
    "no orientation": _camera(quat=[0.0, 0.0, 0.0, 0.0]),
    "three numbers for four": _camera(quat=[1.0, 0.0, 0.0]),
    "no pixels": _camera(width=0),
    "a million pixels wide": _camera(width=1_000_000),
    "text for a number": _camera(cx="1"),
    "an index of 257 bytes": _camera(
        pivot={"cell": {"level": 0, "x": bytes(257), "y": b"\0", "z": b"\0"}, "offset": [0, 0, 0]}
    ),
    "an empty index": _camera(
        pivot={"cell": {"level": 0, "x": b"", "y": b"\0", "z": b"\0"}, "offset": [0, 0, 0]}
    ),
    "a level out of this world": _camera(
        pivot={"cell": {"level": 10**9, "x": b"\0", "y": b"\0", "z": b"\0"}, "offset": [0, 0, 0]}
    ),
    "no camera": _pack({"type": "camera", "seq": 1, "cameras": []}),
    "a hundred cameras": _pack({"type": "camera", "seq": 1, "cameras": [_pose()] * 100}),
    "a sequence number of 2^60": _pack({"type": "camera", "seq": 1 << 60, "cameras": [_pose()]}),
    "a negative sequence number": _pack({"type": "camera", "seq": -1, "cameras": [_pose()]}),
    "a zoom of nothing": _zoom(factor=0.0),
    "a zoom of 1e9": _zoom(factor=1e9),
    "a zoom of NaN": _zoom(factor=math.nan),
    "a prompt of 100 kB": _zoom(prompt="x" * 60_000),
    "a zoom to two places": _zoom(camera=_pose()),
    "a zoom to nowhere": _zoom(at=None),
    "a zoom outside the frame": _zoom(at={"frame": 1, "u": 1.5, "v": 0.5}),
    "replacing nothing": _zoom(mode="replace"),
    "an unknown mode": _zoom(mode="destroy"),
    "a request id with a path": _zoom(request="../../etc/passwd"),
    "an empty request id": _zoom(request=""),
    "a request id with a line end": _zoom(request="a\n"),
    "an upload of 1 GB": _pack(plain(CLIENT["upload_begin"]) | {"bytes": 1 << 30}),
    "an upload of nothing": _pack(plain(CLIENT["upload_begin"]) | {"bytes": 0}),
    "a short digest": _pack(plain(CLIENT["upload_begin"]) | {"sha256": b"abc"}),
}
