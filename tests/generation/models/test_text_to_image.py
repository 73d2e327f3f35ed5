from pathlib import Path

import numpy as np
import pytest
from tiny_models import SHA, published

from wonderzoom.generation.jobs import GenerationError
from wonderzoom.generation.models.locks import Locks
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.shelf import Shelf
from wonderzoom.generation.models.text_to_image import KleinText, SdText
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.scene_graph.ports import Cancelled, Control

WIDTH, HEIGHT = 70, 45  # no multiples of anything


@pytest.fixture(params=["klein", "sd"])
def painter(
    request: pytest.FixtureRequest, klein_folder: Path, sd_text_folder: Path, painting_bench: Workbench
) -> KleinText | SdText:
    if request.param == "klein":
        model = ModelReference(path=str(klein_folder), dtype="float32")
        return KleinText(painting_bench, KleinText.Options(model=model))
    model = ModelReference(path=str(sd_text_folder), dtype="float32")
    return SdText(painting_bench, SdText.Options(model=model, steps=3))


def test_words_and_seed_make_a_picture_of_the_size_that_was_asked_for(painter: KleinText | SdText) -> None:
    told: list[float] = []
    picture = painter.imagine("a mossy wood", WIDTH, HEIGHT, 1, Control(progress=told.append))
    assert picture.shape == (HEIGHT, WIDTH, 3) and picture.dtype == np.uint8
    assert picture.std() > 1.0
    assert told == sorted(told) and told[-1] == 1.0
    assert not np.array_equal(painter.imagine("a mossy wood", WIDTH, HEIGHT, 2, Control()), picture)
    assert not np.array_equal(painter.imagine("a beach", WIDTH, HEIGHT, 1, Control()), picture)
    steps: list[float] = []
    with pytest.raises(Cancelled):
        painter.imagine("a mossy wood", WIDTH, HEIGHT, 1, Control(lambda: len(steps) >= 1, steps.append))
    assert len(steps) == 1
    assert np.array_equal(painter.imagine("a mossy wood", WIDTH, HEIGHT, 1, Control()), picture)


def test_without_words_there_is_nothing_to_imagine(painter: KleinText | SdText) -> None:
    with pytest.raises(GenerationError, match="say in words"):
        painter.imagine("  ", WIDTH, HEIGHT, 1, Control())


def test_a_repository_serves_from_the_cache(
    sd_text_folder: Path, tmp_path: Path, painting_bench: Workbench
) -> None:
    published(sd_text_folder, "acme/words", tmp_path / "cache")
    shelf = Shelf(Locks(tmp_path / "lock"), cache=tmp_path / "cache")
    model = ModelReference(repo="acme/words", revision=SHA, dtype="float32")
    painter = SdText(Workbench(shelf, painting_bench.renderer), SdText.Options(model=model, steps=1))
    assert painter.imagine("a wood", 16, 16, 1, Control()).shape == (16, 16, 3)
    shelf.close()
