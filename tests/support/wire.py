"""Hypothesis strategies for messages of every kind, up to every bound."""

from hypothesis import strategies as st

from wonderzoom.protocol import limits
from wonderzoom.protocol.errors import ErrorCode
from wonderzoom.protocol.examples import CLIENT, SERVER
from wonderzoom.protocol.messages import (
    Camera,
    Commit,
    Error,
    Frame,
    FromClient,
    FromServer,
    Hello,
    UploadChunk,
    View,
    Zoom,
)
from wonderzoom.protocol.values import (
    CameraPose,
    CellAddress,
    NodeSummary,
    Place,
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
    st.builds(Error, code=st.sampled_from(list(ErrorCode)), message=st.text(max_size=limits.MAX_TEXT)),
)
