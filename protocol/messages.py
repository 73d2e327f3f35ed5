"""The messages: each a map with a ``type``. First what clients say, then what the server says."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from wonderzoom.protocol import limits as l
from wonderzoom.protocol.errors import ErrorCode
from wonderzoom.protocol.together import (
    AddBookmark,
    Blocks,
    Bookmarks,
    ClientMessage,
    Commit,
    Follow,
    Grant,
    Kick,
    Led,
    Lock,
    Presence,
    RemoveBookmark,
    ServerMessage,
    Streamed,
    Worlds,
)
from wonderzoom.protocol.values import (
    BoundsPatch,
    CameraPose,
    Color,
    Counter,
    Hash,
    Id,
    KnownLevel,
    Ln,
    Milliseconds,
    Name,
    NodeSummary,
    Place,
    Prompt,
    Role,
    Share,
    ShownBlock,
    Side,
    Stage,
    SurfelLevel,
    Text,
    Value,
    View,
    Words,
    Zeta,
)

Codec = Literal["jpeg", "h264"]
Digest = Annotated[bytes, Meta(min_length=32, max_length=32)]
Version = Annotated[int, Meta(ge=0, le=65535)]
Quality = Annotated[int, Meta(ge=1, le=100)]
Fps = Annotated[float, Meta(ge=1.0, le=l.MAX_FPS)]
Format = Annotated[int, Meta(ge=0, le=255)]
Token = Annotated[str, Meta(max_length=l.MAX_TOKEN)]


# ---- client to server ---------------------------------------------------------------------------------
class Hello(ClientMessage, frozen=True, kw_only=True, tag="hello"):
    """The first message, within HELLO_WITHIN_S and of at most MAX_BEFORE_WELCOME bytes."""

    protocol: tuple[Version, Version]  # oldest and newest that the client speaks
    client: Name  # program and version, for logs
    codecs: Annotated[
        list[Name], Meta(max_length=8)
    ] = []  # that it can show, of Codec; "jpeg" is taken for granted
    token: Token | None = None
    name: Name = ""  # that others see; empty: the server makes one up
    resume: Token | None = None  # of an earlier welcome: be the same viewer again
    world: Name = ""  # of those that a welcome lists; empty: the first
    surfel_formats: Annotated[list[Format], Meta(max_length=8)] = []  # of payloads that it reads


class Configure(ClientMessage, frozen=True, kw_only=True, tag="configure"):
    """What it wants to be sent from now on."""

    # Pictures, or what they are drawn from; auto: what suits the link and the surfels that it keeps, told by `stream`.
    stream: Literal["frames", "surfels", "auto"] = "frames"
    max_fps: Fps = 30.0
    best_quality: Quality = 85  # of moving frames; stills are better
    # Of moving frames; auto: h264 where the link is too slow for jpeg.
    codec: Literal["auto", "jpeg", "h264"] = "auto"
    # Surfels that it keeps at most, of which three quarters may show in one view.
    surfel_budget: Annotated[int, Meta(ge=l.MIN_BUDGET, le=l.MAX_BUDGET)] = 1_000_000
    # Octaves that views are coarser, or finer; of surfels the client draws by it, too.
    lod_bias: Annotated[float, Meta(ge=-l.MAX_LOD_BIAS, le=l.MAX_LOD_BIAS)] = 0.0
    depth: bool = False  # with frames, where the link has room for it
    fetch: bool = False  # it gets payloads by their hash, and says `have` of what came


class Camera(ClientMessage, frozen=True, kw_only=True, tag="camera"):
    """Where it looks from now on; the newest ``seq`` wins. The size of a camera is that of its viewport.

    Two cameras are two eyes: each frame has a view of each of them.
    """

    seq: Counter
    cameras: Annotated[list[CameraPose], Meta(min_length=1, max_length=l.MAX_VIEWS)]
    time: Milliseconds = 0.0  # of the client's clock; comes back in the frame


class Ack(ClientMessage, frozen=True, kw_only=True, tag="ack"):
    """A frame arrived, or a delta of surfels.

    Without acknowledgements the server stops after MAX_IN_FLIGHT frames, and after MAX_UNACKED bytes of surfels.
    """

    frame: Counter | None = None
    delta: Counter | None = None
    decode: Milliseconds = 0.0

    def __post_init__(self) -> None:
        if (self.frame is None) == (self.delta is None):
            raise ValueError("an ack is of either a `frame` or a `delta`")


class Have(ClientMessage, frozen=True, kw_only=True, tag="have"):
    """Levels that are here already: before ``configure``, from an earlier connection; later, fetched by their hash."""

    levels: Annotated[list[KnownLevel], Meta(min_length=1, max_length=l.MAX_NAMED)]


class Evicted(ClientMessage, frozen=True, kw_only=True, tag="evicted"):
    """Levels that the client gave up by itself, and may be sent again."""

    hashes: Annotated[list[Hash], Meta(min_length=1, max_length=l.MAX_NAMED)]


class Spot(Value, frozen=True, kw_only=True):
    """A point of a frame that was shown, or of what a camera message saw: (0, 0) is its top left corner, (1, 1) its
    bottom right one."""

    frame: Counter | None = None
    seq: Counter | None = None  # of a camera message: of who draws from surfels
    u: Share
    v: Share

    def __post_init__(self) -> None:
        if (self.frame is None) == (self.seq is None):
            raise ValueError("a point is of a `frame` or of the camera `seq`")


class Zoom(ClientMessage, frozen=True, kw_only=True, tag="zoom"):
    """Generate finer content. The same ``request`` is the same job, however often it is sent."""

    request: Id
    at: Spot | None = None  # where, ``factor`` times finer ...
    camera: CameraPose | None = None  # ... or exactly this view
    factor: Annotated[float, Meta(ge=l.MIN_FACTOR, le=l.MAX_FACTOR)] = 4.0
    prompt: Prompt = ""
    mode: Literal["add", "replace"] = "add"
    node: Id | None = None  # with ``replace``: the node that goes
    seed: Annotated[int, Meta(ge=0, le=(1 << 53) - 1)] = 0

    def __post_init__(self) -> None:
        if (self.at is None) == (self.camera is None):
            raise ValueError("a zoom has either `at` or `camera`")
        if (self.node is None) == (self.mode == "replace"):
            raise ValueError("`node` goes with the mode `replace`")


class Cancel(ClientMessage, frozen=True, kw_only=True, tag="cancel"):
    """No longer wait for a zoom; it ends if nobody else waits."""

    request: Id


class Pick(ClientMessage, frozen=True, kw_only=True, tag="pick"):
    """What is at a point of a frame?"""

    request: Id
    at: Spot


class RemoveNode(ClientMessage, frozen=True, kw_only=True, tag="remove_node"):
    """Undo a zoom, with everything that was built on it."""

    request: Id
    node: Id


class RestoreNode(ClientMessage, frozen=True, kw_only=True, tag="restore_node"):
    """Bring back a node that was removed, with everything that went with it."""

    request: Id
    node: Id


class UploadBegin(ClientMessage, frozen=True, kw_only=True, tag="upload_begin"):
    """A picture that becomes a new world. Sent again with the same id it goes on where it stopped."""

    upload: Id
    name: Annotated[str, Meta(min_length=1, max_length=l.MAX_FILE_NAME)]
    bytes: Annotated[int, Meta(ge=1, le=l.MAX_UPLOAD)]
    sha256: Digest


class UploadChunk(ClientMessage, frozen=True, kw_only=True, tag="upload_chunk"):
    """Bytes of it; ``offset`` is what the last upload_status said was received."""

    upload: Id
    offset: Annotated[int, Meta(ge=0, le=l.MAX_UPLOAD)]
    data: Annotated[bytes, Meta(min_length=1, max_length=l.MAX_CHUNK)]


class UploadEnd(ClientMessage, frozen=True, kw_only=True, tag="upload_end"):
    """All was sent: check it and make the world."""

    upload: Id


class Leave(ClientMessage, frozen=True, kw_only=True, tag="bye"):
    """The client goes, and does not come back to resume."""

    reason: Text = ""


# ---- server to client ---------------------------------------------------------------------------------
class Welcome(ServerMessage, frozen=True, kw_only=True, tag="welcome"):
    """The answer to a hello that is let in."""

    protocol: Version
    viewer: Id
    name: Name
    color: Color
    role: Role
    resume: Token
    world: Name
    revision: Counter
    h_ref: Side  # pixels on the short side of every generated picture
    clock: Milliseconds  # of the server
    nodes: Annotated[list[NodeSummary], Meta(max_length=l.MAX_NODES)] = []
    camera: CameraPose | None = None  # where to begin: of the resumed viewer, or the first picture's
    worlds: Annotated[list[Name], Meta(max_length=l.MAX_WORLDS)] = []  # that this server has
    ln_metres: Ln | None = None  # ln of the metres in a root edge, an estimate; None: unknown
    surfel_format: Format | None = None  # of payloads, if there is one in common: surfels can be streamed
    blocks: Token = ""  # payloads are at /s/<blocks>/blocks/<hash, hexadecimal>
    metric: Literal["depth", "radial"] = "depth"  # what the scale of a point grows with
    background: tuple[Share, Share, Share] = (0.0, 0.0, 0.0)  # behind all surfels: red, green, blue, sRGB
    recorded: bool = False  # what people do is kept in a file; they are told so


class Frame(ServerMessage, frozen=True, kw_only=True, tag="frame"):
    """What a viewer sees."""

    frame: Counter
    camera_seq: Counter
    camera_time: Milliseconds = 0.0
    revision: Counter
    codec: Codec = "jpeg"  # of each view; h264: Annex B, one packet a view, none of which may be left out
    key: bool = False  # h264: a decoder begins here; a configure makes the next one such a frame
    views: Annotated[list[View], Meta(min_length=1, max_length=l.MAX_VIEWS)]
    still: bool = False  # full resolution and quality; nothing follows until something changes
    quality: Quality
    waited: Milliseconds = 0.0  # from the camera message to the start of drawing
    render: Milliseconds = 0.0
    encode: Milliseconds = 0.0


class Surfels(ServerMessage, frozen=True, kw_only=True, tag="surfels"):
    """A delta: what a viewer needs next of a world to draw it by itself. All of it takes effect at once.

    First ``levels`` and ``bounds`` are taken, then ``show`` is obeyed, then ``drop``.
    """

    delta: Counter  # to be acknowledged
    revision: Counter  # of the world
    camera_seq: Counter = 0  # that it was chosen for
    anew: bool = False  # blocks that ``show`` of this message does not name are not shown any more
    levels: Annotated[list[SurfelLevel], Meta(max_length=l.MAX_LEVELS)] = []  # the most useful first
    bounds: Annotated[list[BoundsPatch], Meta(max_length=l.MAX_LEVELS)] = []
    show: Annotated[list[ShownBlock], Meta(max_length=l.MAX_SHOWN)] = []  # the others as before
    drop: Annotated[list[Hash], Meta(max_length=l.MAX_SHOWN)] = []  # levels to free
    complete: bool = False  # all that this camera asks for is there; nothing follows until something changes


class Picked(ServerMessage, frozen=True, kw_only=True, tag="picked"):
    """The answer to a pick; without ``place`` nothing is there."""

    request: Id
    place: Place | None = None  # on the surface: a pivot to orbit about and to zoom at
    zeta: Zeta = 0.0  # depth of it relative to the pivot of the frame's camera, pixels of that camera
    node: Id | None = None
    prompt: Prompt = ""


class ZoomStatus(ServerMessage, frozen=True, kw_only=True, tag="zoom_status"):
    """How a zoom stands. After committed, failed or cancelled nothing more comes of it."""

    request: Id
    state: Literal["queued", "running", "committed", "failed", "cancelled"]
    camera: CameraPose | None = None  # of the zoom, when it is queued: fly in at once
    position: Counter = 0  # queued: how many are before it
    eta: Milliseconds | None = None  # until the commit, when known
    stage: Stage | None = None
    fraction: Share = 0.0  # of the stage
    preview: Annotated[bytes, Meta(max_length=l.MAX_PREVIEW)] | None = None  # JPEG of the new picture
    node: Id | None = None
    revision: Counter = 0
    placed: Words = []  # words that something was made for
    ignored: Words = []  # words that nothing was made for
    code: ErrorCode | None = None
    message: Text = ""  # failed: why; committed: what was done otherwise than asked


class UploadStatus(ServerMessage, frozen=True, kw_only=True, tag="upload_status"):
    """How far an upload is; ``world`` is the new one when it is done."""

    upload: Id
    received: Counter
    state: Literal["receiving", "creating", "done", "failed"]
    fraction: Share = 0.0  # of creating
    world: Name = ""
    code: ErrorCode | None = None
    message: Text = ""


class Stats(ServerMessage, frozen=True, kw_only=True, tag="stats"):
    """What the server gives this viewer now, once a second while it moves."""

    fps: Annotated[float, Meta(ge=0.0, le=1000.0)]
    latency: Milliseconds  # from sending a frame to its acknowledgement
    bytes_per_s: Annotated[float, Meta(ge=0.0, le=1e12)] = 0.0
    scale: Share = 1.0  # of the viewport's sides
    quality: Quality = 85
    viewers: Counter = 1
    ln_render_scale: Ln = 0.0


class Error(ServerMessage, frozen=True, kw_only=True, tag="error"):
    """A message that could not be served; the connection goes on."""

    code: ErrorCode
    message: Text
    request: Id | None = None


class Bye(ServerMessage, frozen=True, kw_only=True, tag="bye"):
    """The server ends the connection and says why; a close with the same meaning follows."""

    code: Annotated[int, Meta(ge=1000, le=4999)]
    reason: Text
    retry_after: Milliseconds | None = None


FromClient = (
    Hello
    | Configure
    | Camera
    | Ack
    | Have
    | Evicted
    | Zoom
    | Cancel
    | Pick
    | RemoveNode
    | RestoreNode
    | Follow
    | AddBookmark
    | RemoveBookmark
    | Kick
    | Grant
    | Lock
    | UploadBegin
    | UploadChunk
    | UploadEnd
    | Leave
)
FromServer = (
    Welcome
    | Worlds
    | Streamed
    | Frame
    | Surfels
    | Picked
    | ZoomStatus
    | Commit
    | Presence
    | Led
    | Blocks
    | Bookmarks
    | UploadStatus
    | Stats
    | Error
    | Bye
)
