from pathlib import Path

import numpy as np
import pytest
import tiny_pictures
from tiny_models import SHA, published

from wonderzoom.generation.embedded.consistency import observed, seen
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.upscale_sd_x4 import PIPELINE, SdX4Upscaler
from wonderzoom.scene_graph.ports import Cancelled, Control

WORDS = ("moss", "bark")


@pytest.fixture
def options(tmp_path_factory: pytest.TempPathFactory) -> SdX4Upscaler.Options:
    folder = tiny_pictures.kept(tmp_path_factory, "sd_x4", tiny_pictures.sd_x4)
    return SdX4Upscaler.Options(
        model=ModelReference(path=str(folder), dtype="float32"), steps=2, tile=16, overlap=4
    )


@pytest.mark.parametrize("factor", [3.0, 11.0])
def test_it_looks_like_the_observation_through_coarse_pixels_and_is_finer(
    options: SdX4Upscaler.Options, tmp_path: Path, factor: float
) -> None:
    context = tiny_pictures.zoom(factor)
    upscaler = SdX4Upscaler(tiny_pictures.bench(tmp_path), options)
    told: list[float] = []
    image = upscaler.upscale(context, WORDS, Control(progress=told.append))
    observation = context.observation
    assert image.shape == observation.color.shape and 0 <= image.min() and image.max() <= 1
    wrong = seen(image, factor) - observed(observation.color, factor)
    assert -10 * np.log10((wrong**2).mean()) >= 40.0
    assert np.std(image - observation.color) > 0.01
    assert told == sorted(told) and told[-1] == pytest.approx(1.0)
    assert np.array_equal(upscaler.upscale(context, WORDS, Control()), image)


def test_a_prompt_goes_through_the_text_encoder_once(options: SdX4Upscaler.Options, tmp_path: Path) -> None:
    bench = tiny_pictures.bench(tmp_path)
    left_out = {"safety_checker": None, "feature_extractor": None, "watermarker": None}
    pipeline = bench.shelf.pipeline("upscale", options.model, PIPELINE, left_out)
    runs: list[int] = []
    pipeline.text_encoder.register_forward_hook(lambda *_: runs.append(1))
    SdX4Upscaler(bench, options).upscale(tiny_pictures.zoom(3.0), WORDS, Control())
    assert len(runs) == 2  # the prompt, and what is unwanted; for four tiles


def test_called_off_within_a_step_and_the_same_afterwards(
    options: SdX4Upscaler.Options, tmp_path: Path
) -> None:
    context = tiny_pictures.zoom(3.0)
    upscaler = SdX4Upscaler(tiny_pictures.bench(tmp_path), options)
    before = upscaler.upscale(context, WORDS, Control())
    told: list[float] = []
    with pytest.raises(Cancelled):
        upscaler.upscale(context, WORDS, Control(lambda: bool(told), told.append))
    assert len(told) == 1
    assert np.array_equal(upscaler.upscale(context, WORDS, Control()), before)


def test_from_a_hubs_cache_without_guidance(options: SdX4Upscaler.Options, tmp_path: Path) -> None:
    published(Path(options.model.path), "acme/x4", tmp_path / "cache")
    there = ModelReference(repo="acme/x4", revision=SHA, dtype="float32")
    found = SdX4Upscaler.Options(model=there, steps=1, tile=32, overlap=4, guidance=1.0)
    context = tiny_pictures.zoom(4.0, side=48)
    assert SdX4Upscaler(tiny_pictures.bench(tmp_path), found).upscale(context, (), Control()).shape == (
        48,
        48,
        3,
    )
