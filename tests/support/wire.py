"""Hypothesis strategies for messages of every kind, up to every bound."""

from hypothesis import strategies as st

from wonderzoom.protocol import limits
from wonderzoom.protocol.errors import ErrorCode
from wonderzoom.protocol.examples import CLIENT, SERVER
from wonderzoom.protocol.messages import (
    Camera,
    Commit,
    Error,
    Evicted,
    Frame,
    FromClient,
    FromServer,
    Have,
    Hello,
    Surfels,
    UploadChunk,
    View,
    Zoom,
)
from wonderzoom.protocol.values import (
    BoundsPatch,
    CameraPose,
    CellAddress,
    KnownLevel,
    NodeSummary,
    Place,
    ShownBlock,
    SurfelLevel,
    index_bytes,
)

_ids = st.text("abcXYZ019_-", min_size=1, max_size=limits.MAX_ID)
_indices = st.integers(-(1 << 2047), (1 << 2047) - 1) | st.integers(-300, 300)
_cells = st.builds(
    lambda level, index: CellAddress(
        level=level, **{k: index_bytes(v) for k, v in zip("xyz", index, strict=True)}
    ),
    st.integers(-limits.MAX_LEVEL, limits.MAX_LEVEL),
    st.tuples(_indices, _indices, _indices),
)


def _within(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_nan=False)


_ln = _within(-limits.MAX_LN, limits.MAX_LN)
poses = st.builds(
    lambda focal, stretch, **rest: CameraPose(ln_fx=focal, ln_fy=focal + stretch, **rest),
    _within(-1900.0, 1900.0),
    _within(-2.7, 2.7),
    pivot=st.builds(
        Place, cell=_cells, offset=st.tuples(*[_within(-limits.MAX_OFFSET, limits.MAX_OFFSET)] * 3)
    ),
    quat=st.sampled_from([(1.0, 0.0, 0.0, 0.0), (0.5, -0.5, 0.5, -0.5), (0.6, 0.0, -0.8, 0.0)]),
    ln_distance=_ln,
    cx=_within(-limits.MAX_PRINCIPAL, limits.MAX_PRINCIPAL),
    cy=_within(-limits.MAX_PRINCIPAL, limits.MAX_PRINCIPAL),
    width=st.integers(limits.MIN_SIDE, limits.MAX_SIDE),
    height=st.integers(limits.MIN_SIDE, limits.MAX_SIDE),
)
_texts = st.text(max_size=40)
_nodes = st.builds(
    NodeSummary, id=_ids, camera=poses, ln_magnification=_ln, parent=st.none() | _ids, prompt=_texts
)
_hashes = st.binary(min_size=16, max_size=16)
_revisions = st.integers(0, (1 << 53) - 1)
_levels = st.builds(
    SurfelLevel,
    hash=_hashes,
    block=_hashes,
    node=_ids,
    cell=_cells,
    level=st.integers(0, limits.MAX_PYRAMID),
    count=st.integers(1, limits.MAX_SURFELS),
    payload=st.none() | st.binary(max_size=300),
    bounds=st.binary(max_size=99),
    bounds_revision=_revisions,
)
_shown = st.builds(
    lambda span, **rest: ShownBlock(finest=min(span), coarsest=max(span), **rest),
    st.tuples(st.integers(0, limits.MAX_PYRAMID), st.integers(0, limits.MAX_PYRAMID)),
    block=_hashes,
    residency=_within(0.0, 1.0),
    child_residency=_within(0.0, 1.0),
)
from_client: st.SearchStrategy[FromClient] = st.one_of(
    st.sampled_from(list(CLIENT.values())),
    st.builds(Camera, seq=st.integers(0, (1 << 53) - 1), cameras=st.lists(poses, min_size=1, max_size=1)),
    st.builds(
        Zoom,
        request=_ids,
        camera=poses,
        factor=_within(1.5, 16.0),
        prompt=st.text(max_size=limits.MAX_PROMPT),
    ),
    st.builds(
        Hello,
        protocol=st.tuples(st.integers(0, 9), st.integers(0, 9)),
        client=st.text(max_size=limits.MAX_NAME),
    ),
    st.builds(
        Have,
        levels=st.lists(
            st.builds(KnownLevel, hash=_hashes, bounds_revision=_revisions), min_size=1, max_size=9
        ),
    ),
    st.builds(Evicted, hashes=st.lists(_hashes, min_size=1, max_size=9)),
    st.builds(
        UploadChunk,
        upload=_ids,
        offset=st.integers(0, limits.MAX_UPLOAD),
        data=st.binary(min_size=1, max_size=99),
    ),
)
from_server: st.SearchStrategy[FromServer] = st.one_of(
    st.sampled_from(list(SERVER.values())),
    st.builds(
        Commit,
        revision=st.integers(0, 99),
        added=st.lists(_nodes, max_size=3),
        removed=st.lists(_ids, max_size=3),
    ),
    st.builds(
        Frame,
        frame=st.integers(0, 1 << 40),
        camera_seq=st.integers(0, 1 << 40),
        revision=st.integers(0, 1 << 40),
        views=st.lists(
            st.builds(View, camera=poses, payload=st.binary(max_size=300)), min_size=1, max_size=1
        ),
        quality=st.integers(1, 100),
    ),
    st.builds(
        Surfels,
        delta=_revisions,
        revision=_revisions,
        camera_seq=_revisions,
        anew=st.booleans(),
        levels=st.lists(_levels, max_size=3),
        bounds=st.lists(
            st.builds(BoundsPatch, hash=_hashes, bounds=st.binary(max_size=99), bounds_revision=_revisions),
            max_size=3,
        ),
        show=st.lists(_shown, max_size=3),
        drop=st.lists(_hashes, max_size=3),
        complete=st.booleans(),
    ),
    st.builds(Error, code=st.sampled_from(list(ErrorCode)), message=st.text(max_size=limits.MAX_TEXT)),
)
