"""Moving pictures as H.264 without delay: what goes in comes out as one packet, before the next goes in.

Measured on a textured flight at 640x360: at equal PSNR an eighth of JPEG's bytes and less, for 3 ms more of one core
(``benchmarks/video.py``). A stream begins with a key frame, and then refreshes itself column by column
(x264's intra refresh): no picture is ten times as large as its neighbours. Its packets depend on each other: none may
be left out.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

# x264: `superfast` is the fastest that searches motion well enough; `ultrafast` needs twice the bytes.
_OPTIONS = {"preset": "superfast", "tune": "zerolatency", "intra-refresh": "1", "keyint": "300"}
_CLOCK = Fraction(1, 90_000)  # of the timestamps, which say nothing but the order
_TICK = 3_000
_BT709 = 1  # tags of the stream; see film.py
_LIMITED = 1


@dataclass(frozen=True, slots=True)
class Packet:
    """One picture."""

    payload: bytes  # Annex B
    key: bool  # a decoder may begin with it


def crf_of(quality: int) -> int:
    """x264's rate factor: 1 dB below JPEG of that quality, for 40 to 82 (as ``pacing.LADDER`` has), for a tenth of its
    bytes."""
    return max(18, min(34, round(21 + 0.17 * (82 - quality))))


class Video:
    """One stream of pictures of one size; ``encode`` in any thread, one at a time."""

    def __init__(self, width: int, height: int, quality: int) -> None:
        self.width, self.height, self.quality = width, height, quality
        codec: Any = av.CodecContext.create("libx264", "w")
        codec.width, codec.height = width + width % 2, height + height % 2  # chroma has half of each side
        codec.pix_fmt, codec.time_base, codec.thread_count = "yuv420p", _CLOCK, 1
        codec.color_range, codec.colorspace = _LIMITED, _BT709
        codec.color_primaries = codec.color_trc = _BT709
        codec.options = {**_OPTIONS, "crf": str(crf_of(quality))}
        self._codec, self._count = codec, 0

    def encode(self, picture: NDArray[np.uint8]) -> Packet:
        """sRGB [H, W, 4] RGBA (alpha is left out) of this size; an odd side gets its last pixels twice."""
        height, width = picture.shape[:2]
        if (width, height) != (self.width, self.height):
            raise ValueError(f"a stream of {self.width}x{self.height} can't take {width}x{height}")
        if width % 2 or height % 2:
            picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), "edge")
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgba")
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709", dst_color_range="MPEG")
        frame.pts, frame.time_base = self._count * _TICK, _CLOCK
        self._count += 1
        (packet,) = self._codec.encode(frame)
        return Packet(bytes(packet), bool(packet.is_keyframe))


class Videos:
    """The streams of viewers, at most ``most``; those used longest ago go first. Any thread may ask."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._streams: OrderedDict[str, Video] = OrderedDict()

    def encode(self, viewer: str, picture: NDArray[np.uint8], quality: int) -> Packet:
        """The viewer's next picture; a new stream begins when there is none, or size or quality are others."""
        height, width = picture.shape[:2]
        with self._lock:
            stream = self._streams.pop(viewer, None)
        if stream is None or (stream.width, stream.height, stream.quality) != (width, height, quality):
            stream = Video(width, height, quality)
        packet = stream.encode(picture)  # where that fails, the next one begins a new stream
        with self._lock:
            self._streams[viewer] = stream
            while len(self._streams) > self.most:
                self._streams.popitem(last=False)
        return packet

    def begin(self, viewer: str) -> None:
        """The viewer's next picture begins a new stream."""
        with self._lock:
            self._streams.pop(viewer, None)
