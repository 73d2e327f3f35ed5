from pathlib import Path

import msgspec
import numpy as np
import pytest
import tiny_painters
import tiny_pictures

from wonderzoom.generation.embedded.consistency import observed, seen
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.upscale_klein import KleinUpscaler
from wonderzoom.scene_graph.ports import Cancelled, Control


@pytest.fixture
def options(tmp_path_factory: pytest.TempPathFactory) -> KleinUpscaler.Options:
    folder = tiny_pictures.kept(tmp_path_factory, "klein", tiny_painters.save_klein)
    return KleinUpscaler.Options(
        model=ModelReference(path=str(folder), dtype="float32"), steps=1, tile=64, overlap=16
    )


@pytest.mark.parametrize(("factor", "side"), [(2.5, 80), (16.0, 48)])
def test_it_looks_like_the_observation_through_coarse_pixels_and_is_finer(
    options: KleinUpscaler.Options, tmp_path: Path, factor: float, side: int
) -> None:
    context = tiny_pictures.zoom(factor, side=side)
    upscaler = KleinUpscaler(tiny_pictures.bench(tmp_path), options)
    told: list[float] = []
    image = upscaler.upscale(context, ("moss", "bark"), Control(progress=told.append))
    observation = context.observation
    assert image.shape == observation.color.shape and 0 <= image.min() and image.max() <= 1
    wrong = seen(image, factor) - observed(observation.color, factor)
    assert -10 * np.log10((wrong**2).mean()) >= 40.0
    assert np.std(image - observation.color) > 0.01
    assert told == sorted(told) and told[-1] == pytest.approx(1.0)
    if side < 64:  # one tile a pass
        assert np.array_equal(upscaler.upscale(context, ("moss", "bark"), Control()), image)
        assert not np.array_equal(upscaler.upscale(context, ("snow",), Control()), image)


def test_it_is_called_off_between_tiles(options: KleinUpscaler.Options, tmp_path: Path) -> None:
    told: list[float] = []
    upscaler = KleinUpscaler(tiny_pictures.bench(tmp_path), options)
    with pytest.raises(Cancelled):
        upscaler.upscale(tiny_pictures.zoom(2.0, side=80), (), Control(lambda: len(told) > 2, told.append))
    assert len(told) == 3


def test_options_are_bounded(options: KleinUpscaler.Options) -> None:
    model = {"path": options.model.path}
    for wrong in ({"tile": 65}, {"tile": 64, "overlap": 64}, {"steps": 0}, {"colour": 1}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"model": model, **wrong}, KleinUpscaler.Options)
