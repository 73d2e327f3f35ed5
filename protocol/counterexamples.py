"""Bytes that are no message: what either end must refuse, by name.

Most are a message of ``examples.py`` with one thing wrong: a field changed or left out. Every kind of message has
some. The test vectors are made of them, and the load client sends them.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from wonderzoom.protocol import limits
from wonderzoom.protocol.examples import CLIENT, SERVER, plain
from wonderzoom.protocol.messages import FromClient, FromServer


def _pack(value: object) -> bytes:
    return msgspec.msgpack.encode(value)


def _camera(**changes: Any) -> bytes:
    return _pack({"type": "camera", "seq": 1, "cameras": [_pose() | changes]})


def _pose() -> dict[str, Any]:
    return plain(CLIENT["camera"])["cameras"][0]


def _zoom(**changes: Any) -> bytes:
    return _pack(plain(CLIENT["zoom at a spot"]) | changes)


def _client(name: str, /, **changes: Any) -> bytes:
    """A message of a client with other fields; one that is ``...`` is left out."""
    return _changed(CLIENT[name], changes)


def _server(name: str, /, **changes: Any) -> bytes:
    """A message of the server with other fields; one that is ``...`` is left out."""
    return _changed(SERVER[name], changes)


def _changed(message: FromClient | FromServer, changes: dict[str, Any]) -> bytes:
    fields = plain(message) | changes
    return _pack({name: value for name, value in fields.items() if value is not ...})


def _view(**changes: Any) -> dict[str, Any]:
    return plain(SERVER["frame"])["views"][0] | changes


def _depth(**changes: Any) -> dict[str, Any]:
    return plain(SERVER["frame with depth"])["views"][0]["depth"] | changes


def _node(**changes: Any) -> dict[str, Any]:
    return plain(SERVER["welcome"])["nodes"][0] | changes


def _somebody(**changes: Any) -> dict[str, Any]:
    return plain(SERVER["presence"])["viewers"][0] | changes


def _waited_for(**changes: Any) -> dict[str, Any]:
    return plain(SERVER["presence"])["zooms"][0] | changes


def _place(**changes: Any) -> dict[str, Any]:
    return plain(SERVER["picked"])["place"] | changes


def _level(**changes: Any) -> dict[str, Any]:
    return plain(SERVER["surfels"])["levels"][0] | changes


def _level_without(field: str) -> dict[str, Any]:
    return {name: value for name, value in _level().items() if name != field}


def _shown(**changes: Any) -> dict[str, Any]:
    return plain(SERVER["surfels"])["show"][0] | changes


def _patch(**changes: Any) -> dict[str, Any]:
    return plain(SERVER["surfels after a commit"])["bounds"][0] | changes


def _bomb(depth: int) -> bytes:
    return b"\x91" * depth + b"\xc0"


INVALID_FROM_CLIENT: dict[str, bytes] = {
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
    "three eyes": _pack({"type": "camera", "seq": 1, "cameras": [_pose()] * 3}),
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
    "an upload without a name": _client("upload_begin", name=""),
    "a hello without versions": _client("hello", protocol=...),
    "a hello of one version": _client("hello", protocol=[1]),
    "a version below zero": _client("hello", protocol=[-1, 1]),
    "a version of 17 bits": _client("hello", protocol=[1, 1 << 16]),
    "a hello of no program": _client("hello", client=...),
    "a program of 33 characters": _client("hello", client="c" * 33),
    "a name of 33 characters": _client("hello", name="n" * 33),
    "nine codecs": _client("hello", codecs=["jpeg"] * 9),
    "one codec that is no list": _client("hello", codecs="jpeg"),
    "a token of 129 characters": _client("hello", token="t" * 129),
    "a token of bytes": _client("hello", token=b"t" * 43),
    "a resume of 129 characters": _client("hello", resume="r" * 129),
    "video that nobody asked for": _client("configure", codec="av1"),
    "nine formats of surfels": _client("hello", surfel_formats=[1] * 9),
    "a format of nine bits": _client("hello", surfel_formats=[256]),
    "an unknown stream": _client("configure", stream="both"),
    "a budget of nothing": _client("configure", surfel_budget=0),
    "a budget of a billion": _client("configure", surfel_budget=1_000_000_000),
    "a bias of NaN": _client("configure", lod_bias=math.nan),
    "a bias of nine octaves": _client("configure", lod_bias=9.0),
    "depth of 16 bits": _client("configure", depth=16),
    "fetching a little": _client("configure", fetch=1),
    "121 frames a second": _client("configure", max_fps=121.0),
    "half a frame a second": _client("configure", max_fps=0.5),
    "NaN frames a second": _client("configure", max_fps=math.nan),
    "a best quality of nothing": _client("configure", best_quality=0),
    "a best quality of 101": _client("configure", best_quality=101),
    "a best quality between two": _client("configure", best_quality=70.5),
    "an ack of nothing": _client("ack", frame=...),
    "an ack of a frame before the first": _client("ack", frame=-1),
    "an ack of frame 2^53": _client("ack", frame=1 << 53),
    "an ack of a frame that is true": _client("ack", frame=True),
    "an ack of a text": _client("ack", frame="3"),
    "an ack of both": _client("ack", delta=3),
    "an ack of a delta before the first": _client("ack of a delta", delta=-1),
    "having nothing": _client("have", levels=[]),
    "having what has no name": _client("have", levels=[{"bounds_revision": 1}]),
    "having a level of 15 bytes": _client("have", levels=[{"hash": bytes(15), "bounds_revision": 1}]),
    "having a level by its text": _client("have", levels=[{"hash": "0" * 16, "bounds_revision": 1}]),
    "having bounds of revision -1": _client("have", levels=[{"hash": bytes(16), "bounds_revision": -1}]),
    "having 1001 levels": _client("have", levels=[{"hash": bytes(16), "bounds_revision": 1}] * 1001),
    "evicting nothing": _client("evicted", hashes=[]),
    "evicting a level of 17 bytes": _client("evicted", hashes=[bytes(17)]),
    "evicting 1001 levels": _client("evicted", hashes=[bytes(16)] * 1001),
    "decoded before it came": _client("ack", decode=-1.0),
    "decoded in NaN milliseconds": _client("ack", decode=math.nan),
    "a cancel of nothing": _client("cancel", request=...),
    "a cancel of a number": _client("cancel", request=1),
    "a pick of nowhere": _client("pick", at=...),
    "a pick in no frame": _client("pick", at={"u": 0.0, "v": 1.0}),
    "a pick in a frame and by a camera": _client("pick", at={"frame": 3, "seq": 3, "u": 0.5, "v": 0.5}),
    "a pick by a camera before the first": _client("pick", at={"seq": -1, "u": 0.5, "v": 0.5}),
    "a pick above the frame": _client("pick", at={"frame": 3, "u": 0.5, "v": -0.01}),
    "a pick at NaN": _client("pick", at={"frame": 3, "u": math.nan, "v": 1.0}),
    "a pick nobody asks for": _client("pick", request=...),
    "removing nothing": _client("remove_node", node=...),
    "removing null": _client("remove_node", node=None),
    "a node id with a path": _client("remove_node", node="../../etc/passwd"),
    "a node id of 65 characters": _client("remove_node", node="a" * 65),
    "a removal nobody asks for": _client("remove_node", request=...),
    "restoring nothing": _client("restore_node", node=...),
    "restoring a path": _client("restore_node", node="../../etc/passwd"),
    "a restoring nobody asks for": _client("restore_node", request=...),
    "following a path": _client("follow", viewer="../../etc/passwd"),
    "following for nobody": _client("follow", request=...),
    "a bookmark without a name": _client("bookmark", name=""),
    "a bookmark of 33 characters": _client("bookmark", name="n" * 33),
    "a bookmark of nowhere": _client("bookmark", camera=...),
    "a bookmark at NaN": _client("bookmark", camera=_pose() | {"ln_fx": math.nan}),
    "a bookmark that is a path": _client("bookmark", request="a/b"),
    "removing no bookmark": _client("remove_bookmark", bookmark=...),
    "removing a bookmark by its path": _client("remove_bookmark", bookmark="a/b"),
    "kicking nobody": _client("kick", viewer=...),
    "kicking null": _client("kick", viewer=None),
    "a kick nobody asks for": _client("kick", request=...),
    "granting nothing": _client("grant", role=...),
    "granting an unknown role": _client("grant", role="admin"),
    "granting to nobody": _client("grant", viewer=...),
    "locking by 1": _client("lock", locked=1),
    "neither locking nor unlocking": _client("lock", locked=...),
    "a chunk of nothing": _client("upload_chunk", data=b""),
    "a chunk of text": _client("upload_chunk", data="text"),
    "a chunk of 60 KiB and a byte": _client("upload_chunk", data=bytes(limits.MAX_CHUNK + 1)),
    "a chunk before the first byte": _client("upload_chunk", offset=-1),
    "a chunk beyond 64 MiB": _client("upload_chunk", offset=limits.MAX_UPLOAD + 1),
    "a chunk of no upload": _client("upload_chunk", upload=...),
    "the end of no upload": _client("upload_end", upload=...),
    "the end of an upload with a path": _client("upload_end", upload="a/b"),
    "a bye of 501 characters": _client("bye", reason="x" * 501),
    "a bye for no reason": _client("bye", reason=None),
}
INVALID_FROM_SERVER: dict[str, bytes] = {
    "nothing": b"",
    "not a map": _pack([1, 2]),
    "a map without a type": _pack({"revision": 1}),
    "an unknown type": _pack({"type": "shutdown"}),
    "a type that is no text": _pack({"type": 7}),
    "a message of a client": _pack(CLIENT["hello"]),
    "half a message": _pack(SERVER["frame"])[:-5],
    "two messages": _pack(SERVER["bye"]) * 2,
    "nested a thousand deep": _bomb(1_000),
    "deep in a field that is ignored": b"\x82\xa4type\xa3bye\xa1x" + _bomb(60_000),
    "a list that claims 4 billion": b"\xdd\xff\xff\xff\xff",
    "bytes that claim 4 GB": b"\xc6\xff\xff\xff\xff",
    "text that is no UTF-8": b"\x83\xa4type\xa3bye\xa4code\xcd\x03\xe9\xa6reason\xa2\xff\xfe",
    "a welcome to nobody": _server("welcome", viewer=...),
    "a welcome in version -1": _server("welcome", protocol=-1),
    "a stream of both kinds": _server("stream", kind="auto"),
    "a stream of no kind": _server("stream", kind=...),
    "an unknown role": _server("welcome", role="admin"),
    "a color by name": _server("welcome", color="orange"),
    "a color with a line end": _server("welcome", color="#ff8800\n"),
    "a resume of 129 characters": _server("welcome", resume="r" * 129),
    "a world of 33 characters": _server("welcome", world="w" * 33),
    "a world before its first revision": _server("welcome", revision=-1),
    "revision 2^53": _server("welcome", revision=1 << 53),
    "pictures of 8 pixels": _server("welcome", h_ref=8),
    "a clock of NaN": _server("welcome", clock=math.nan),
    "a node with a path": _server("welcome", nodes=[_node(id="../../etc/passwd")]),
    "a node without a camera": _server("welcome", nodes=[{"id": "9ffad37a3e", "ln_magnification": 3.25}]),
    "a node magnified by NaN": _server("welcome", nodes=[_node(ln_magnification=math.nan)]),
    "a first camera of NaN": _server("welcome", camera=_pose() | {"ln_fx": math.nan}),
    "worlds of nothing": _server("worlds", worlds=...),
    "worlds that are one": _server("worlds", worlds="garden"),
    "a world of the list with 33 characters": _server("worlds", worlds=["garden", "w" * 33]),
    "1001 worlds": _server("worlds", worlds=["w"] * 1001),
    "an unknown metric": _server("welcome", metric="taxicab"),
    "a background of two colors": _server("welcome", background=[0.5, 0.5]),
    "a background of NaN": _server("welcome", background=[math.nan] * 3),
    "a secret of 129 characters": _server("welcome", blocks="b" * 129),
    "surfels without a number": _server("surfels", delta=...),
    "surfels of no revision": _server("surfels", revision=...),
    "surfels for a negative camera": _server("surfels", camera_seq=-1),
    "surfels that are complete by 1": _server("surfels", complete=1),
    "a level without a name": _server("surfels", levels=[_level_without("hash")]),
    "a level of no block": _server("surfels", levels=[_level_without("block")]),
    "a level nowhere": _server("surfels", levels=[_level_without("cell")]),
    "a level without bounds": _server("surfels", levels=[_level_without("bounds")]),
    "a level named by 15 bytes": _server("surfels", levels=[_level(hash=bytes(15))]),
    "a level named by a text": _server("surfels", levels=[_level(hash="0" * 16)]),
    "a level of a node with a path": _server("surfels", levels=[_level(node="../../etc/passwd")]),
    "level -1": _server("surfels", levels=[_level(level=-1)]),
    "level 65": _server("surfels", levels=[_level(level=65)]),
    "a level of no surfels": _server("surfels", levels=[_level(count=0)]),
    "a level of 32769 surfels": _server("surfels", levels=[_level(count=limits.MAX_SURFELS + 1)]),
    "a payload of text": _server("surfels", levels=[_level(payload="text")]),
    "a payload of 576 KiB and a byte": _server(
        "surfels", levels=[_level(payload=bytes(limits.MAX_PAYLOAD + 1))]
    ),
    "bounds of 72 KiB and a byte": _server("surfels", bounds=[_patch(bounds=bytes(limits.MAX_BOUNDS + 1))]),
    "bounds of nothing": _server("surfels", bounds=[{"bounds": b"", "bounds_revision": 1}]),
    "bounds of revision 2^53": _server("surfels", bounds=[_patch(bounds_revision=1 << 53)]),
    "a block shown from fine to finer": _server("surfels", show=[_shown(finest=4)]),
    "a block shown by level 65": _server("surfels", show=[_shown(coarsest=65)]),
    "a block shown twice as much": _server("surfels", show=[_shown(residency=2.0)]),
    "a block replaced by NaN": _server("surfels", show=[_shown(child_residency=math.nan)]),
    "10001 blocks shown": _server("surfels", show=[_shown()] * (limits.MAX_SHOWN + 1)),
    "a level dropped by 15 bytes": _server("surfels", drop=[bytes(15)]),
    "a frame without a number": _server("frame", frame=...),
    "a frame of no pictures": _server("frame", views=[]),
    "a frame of three pictures": _server("frame", views=[_view()] * 3),
    "depth of no width": _server("frame", views=[_view(depth=_depth(width=0))]),
    "depth that is 4096 wide": _server("frame", views=[_view(depth=_depth(width=4096))]),
    "depth of two million samples": _server("frame", views=[_view(depth=_depth(width=2048, height=1024))]),
    "depth without a step": _server("frame", views=[_view(depth=_depth(step=0.0))]),
    "depth in steps of NaN": _server("frame", views=[_view(depth=_depth(step=math.nan))]),
    "depth that is text": _server("frame", views=[_view(depth=_depth(payload="deep"))]),
    "depth of half a megabyte and more": _server(
        "frame", views=[_view(depth=_depth(payload=bytes(limits.MAX_DEPTH + 1)))]
    ),
    "a picture of text": _server("frame", views=[_view(payload="text")]),
    "a picture from nowhere": _server("frame", views=[{"payload": b"\xff\xd8\xff\xd9"}]),
    "a picture without pixels": _server("frame", views=[_view(camera=_pose() | {"width": 0})]),
    "a picture of 1 MB": _server("frame", views=[_view(payload=bytes(limits.MAX_PICTURE + 1))]),
    "an unknown codec": _server("frame", codec="avif"),
    "a key that is 1": _server("frame", key=1),
    "a still that is 1": _server("frame", still=1),
    "a quality of nothing": _server("frame", quality=0),
    "a frame for a negative camera": _server("frame", camera_seq=-1),
    "drawn before it was begun": _server("frame", render=-1.0),
    "encoded in NaN milliseconds": _server("frame", encode=math.nan),
    "picked for nobody": _server("picked", request=...),
    "a place without a cell": _server("picked", place={"offset": [0.0, 0.0, 0.0]}),
    "a place at NaN": _server("picked", place=_place(offset=[math.nan, 0.0, 0.0])),
    "a place 1025 edges from its cell": _server("picked", place=_place(offset=[1025.0, 0.0, 0.0])),
    "an infinite depth": _server("picked", zeta=math.inf),
    "a picked node without a name": _server("picked", node=""),
    "a status of no zoom": _server("zoom_status queued", request=...),
    "a zoom in no state": _server("zoom_status queued", state=...),
    "an unknown state": _server("zoom_status queued", state="paused"),
    "a place before the first": _server("zoom_status queued", position=-1),
    "committed before now": _server("zoom_status queued", eta=-1.0),
    "an unknown stage": _server("zoom_status running", stage="think"),
    "three halves of a stage": _server("zoom_status running", fraction=1.5),
    "a preview of text": _server("zoom_status running", preview="text"),
    "a preview of 64 KiB and a byte": _server("zoom_status running", preview=bytes(limits.MAX_PREVIEW + 1)),
    "65 words": _server("zoom_status committed", placed=["word"] * 65),
    "a word of 33 characters": _server("zoom_status committed", ignored=["w" * 33]),
    "a status with an unknown code": _server("zoom_status failed", code="tired"),
    "a commit of no revision": _server("commit", revision=...),
    "a commit of half a revision": _server("commit", revision=2.5),
    "added is a node and no list": _server("commit", added=_node()),
    "removed with a path": _server("commit", removed=["../../etc/passwd"]),
    "removed null": _server("commit", removed=[None]),
    "a commit by 33 characters": _server("commit", by="n" * 33),
    "presence of nobody": _server("presence", viewers=...),
    "somebody without a role": _server("presence", viewers=[{"id": "v1", "name": "Ada", "color": "#ff8800"}]),
    "somebody with half a color": _server("presence", viewers=[_somebody(color="#ff8")]),
    "somebody who looks from NaN": _server(
        "presence", viewers=[_somebody(camera=_pose() | {"cx": math.nan})]
    ),
    "waiting for a zoom to nowhere": _server("presence", zooms=[{"request": "z1", "viewer": "v1"}]),
    "waiting in an unknown stage": _server("presence", zooms=[_waited_for(stage="think")]),
    "somebody who follows a path": _server("presence", viewers=[_somebody(following="a/b")]),
    "locked by 1": _server("presence", locked=1),
    "led by a path": _server("led", viewer="../../etc/passwd"),
    "led to NaN": _server("led", camera=_pose() | {"cx": math.nan}),
    "an empty secret": _server("blocks", blocks=""),
    "another secret of 129 characters": _server("blocks", blocks="b" * 129),
    "bookmarks of nothing": _server("bookmarks", bookmarks=...),
    "a kept place without a name": _server("bookmarks", bookmarks=[{"id": "b1", "camera": _pose()}]),
    "a kept place of nowhere": _server("bookmarks", bookmarks=[{"id": "b1", "name": "moss"}]),
    "a kept place without an id": _server("bookmarks", bookmarks=[{"name": "moss", "camera": _pose()}]),
    "257 bookmarks": _server(
        "bookmarks", bookmarks=[{"id": "b", "name": "n", "camera": _pose()}] * (limits.MAX_BOOKMARKS + 1)
    ),
    "an upload without a state": _server("upload_status", state=...),
    "an upload in an unknown state": _server("upload_status", state="lost"),
    "less than nothing received": _server("upload_status", received=-1),
    "stats without a latency": _server("stats", latency=...),
    "stats of NaN": _server("stats", fps=math.nan),
    "stats of 1001 frames a second": _server("stats", fps=1001.0),
    "a scale of two": _server("stats", scale=2.0),
    "a quality of 101": _server("stats", quality=101),
    "a rate below zero": _server("stats", bytes_per_s=-1.0),
    "an unknown error": _server("error", code="tired"),
    "an error without a message": _server("error", message=...),
    "an error of 501 characters": _server("error", message="x" * 501),
    "an error for a path": _server("error", request="../../etc/passwd"),
    "a bye without a code": _server("bye", code=...),
    "a bye of code 999": _server("bye", code=999),
    "a bye of code 5000": _server("bye", code=5000),
    "a bye without a reason": _server("bye", reason=...),
    "come back before now": _server("bye", retry_after=-1.0),
}
