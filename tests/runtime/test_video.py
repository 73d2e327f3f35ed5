"""Pictures as H.264: each comes out as it goes in, close to what it was, in a fraction of JPEG's bytes."""

from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from wonderzoom.runtime.encoders import encode_jpeg
from wonderzoom.runtime.video import Packet, Videos, crf_of

Picture = NDArray[np.uint8]


def pan(frames: int, width: int = 160, height: int = 90) -> list[Picture]:
    """A window that moves over smooth colours."""
    rng = np.random.default_rng(0)
    coarse = rng.uniform(0, 255, (12, 20, 3))
    rows, columns = np.linspace(0, 11, height + frames), np.linspace(0, 19, width + 2 * frames)
    ground = map_coordinates(coarse, np.meshgrid(rows, columns, range(3), indexing="ij"), order=1)
    opaque = np.dstack([ground, np.full(ground.shape[:2], 255.0)]).astype(np.uint8)
    return [opaque[k : k + height, 2 * k : 2 * k + width].copy() for k in range(frames)]


class Decoder:
    """What a client does."""

    def __init__(self) -> None:
        self.codec: Any = None

    def show(self, packet: Packet) -> Picture:
        if packet.key:
            self.codec = av.CodecContext.create("h264", "r")
        (frame,) = self.codec.decode(av.Packet(packet.payload))
        return frame.reformat(format="rgb24", src_colorspace="ITU709", src_color_range="MPEG").to_ndarray()


def psnr(one: Picture, other: Picture) -> float:
    return float(10 * np.log10(255**2 / np.mean((one.astype(np.float64) - other) ** 2)))


@pytest.mark.parametrize(("width", "height"), [(160, 90), (161, 91)])
def test_each_picture_comes_out_as_it_goes_in(width: int, height: int) -> None:
    videos, decoder = Videos(4), Decoder()
    for number, picture in enumerate(pan(12, width, height)):
        packet = videos.encode("a", picture, 82)
        assert packet.key == (number == 0)
        shown = decoder.show(packet)
        assert shown.shape == (height + height % 2, width + width % 2, 3)
        assert psnr(shown[:height, :width], picture[..., :3]) > 28.0


def test_it_needs_a_fraction_of_the_bytes() -> None:
    videos, pictures = Videos(4), pan(20)
    sizes = [len(videos.encode("a", picture, 68).payload) for picture in pictures]
    assert sum(sizes[1:]) < sum(len(encode_jpeg(picture, 68)) for picture in pictures[1:]) / 4
    assert max(sizes[1:]) < sizes[0]  # no second key frame


def test_a_stream_begins_anew_when_it_must() -> None:
    """For another size or quality, when it is asked to, and for one of whom too many others were drawn since."""
    videos, (first, second) = Videos(2), pan(2)
    small = pan(1, 80, 46)[0]
    wishes = [("a", first, 82), ("a", second, 82), ("a", second, 60), ("a", small, 60), ("b", first, 60)]
    assert [videos.encode(*wish).key for wish in wishes] == [True, False, True, True, True]
    assert not videos.encode("a", small, 60).key
    videos.begin("a")
    assert videos.encode("a", small, 60).key
    videos.encode("c", first, 60)  # b was drawn longest ago
    assert not videos.encode("a", small, 60).key and videos.encode("b", first, 60).key


def test_less_quality_is_a_higher_rate_factor() -> None:
    factors = [crf_of(quality) for quality in range(1, 101)]
    assert factors == sorted(factors, reverse=True) and factors[81] == 21 and factors[41] == 28
