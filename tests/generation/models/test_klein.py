from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_painters
import tiny_pictures
from tiny_models import SHA, photo, published

from wonderzoom.generation.models.errors import ModelUnavailable
from wonderzoom.generation.models.klein import PIPELINE, Klein, text_layers
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.scene_graph.ports import Cancelled, Control

PROMPT = "moss on bark"


@pytest.fixture
def model(tmp_path_factory: pytest.TempPathFactory) -> ModelReference:
    folder = tiny_pictures.kept(tmp_path_factory, "klein", tiny_painters.save_klein)
    return ModelReference(path=str(folder), dtype="float32")


def test_a_picture_depends_on_picture_prompt_and_seed_only(model: ModelReference, tmp_path: Path) -> None:
    bench = tiny_pictures.bench(tmp_path)
    klein = Klein(bench, "edit", model, 2)
    told: list[float] = []
    first = klein.picture(photo(64, 80), PROMPT, 1, Control(progress=told.append), 0.5, 1.0)
    assert first.shape == (80, 64, 3) and first.dtype == np.float32 and np.std(first) > 0.01
    assert told == [0.75, 1.0]
    for image, prompt, seed, same in (
        (photo(64, 80), PROMPT, 1, True),
        (photo(64, 80), PROMPT, 2, False),
        (photo(64, 80), "a beetle", 1, False),
        (photo(64, 80, 4), PROMPT, 1, False),
    ):
        again = klein.picture(image, prompt, seed, Control())
        assert np.array_equal(again, first) == same, (prompt, seed)


def test_a_prompt_goes_through_the_text_encoder_once(model: ModelReference, tmp_path: Path) -> None:
    bench = tiny_pictures.bench(tmp_path)
    encoder = bench.shelf.pipeline("edit", model, PIPELINE).text_encoder
    runs: list[int] = []
    handle = encoder.register_forward_hook(lambda *_: runs.append(1))
    editor, upscaler = Klein(bench, "edit", model, 1), Klein(bench, "upscale", model, 1)
    for klein, prompt in ((editor, PROMPT), (upscaler, PROMPT), (editor, "a beetle"), (upscaler, "a beetle")):
        klein.picture(photo(), prompt, 1, Control())
    handle.remove()
    assert len(runs) == 2


def test_called_off_within_a_step_and_the_same_afterwards(model: ModelReference, tmp_path: Path) -> None:
    klein = Klein(tiny_pictures.bench(tmp_path), "edit", model, 3)
    before = klein.picture(photo(), PROMPT, 7, Control())
    told: list[float] = []
    with pytest.raises(Cancelled):
        klein.picture(photo(), PROMPT, 7, Control(lambda: len(told) >= 2, told.append))
    assert told == pytest.approx([1 / 3, 2 / 3])
    assert np.array_equal(klein.picture(photo(), PROMPT, 7, Control()), before)


def test_from_a_hubs_cache_and_from_nowhere(model: ModelReference, tmp_path: Path) -> None:
    bench = tiny_pictures.bench(tmp_path)
    published(Path(model.path), "acme/klein", tmp_path / "cache")
    there = ModelReference(repo="acme/klein", revision=SHA, dtype="float32")
    same = Klein(bench, "edit", model, 1).picture(photo(), PROMPT, 1, Control())
    assert np.array_equal(Klein(bench, "edit", there, 1).picture(photo(), PROMPT, 1, Control()), same)
    nowhere = ModelReference(repo="acme/none", revision=SHA)
    with pytest.raises(ModelUnavailable, match="acme/none"):
        Klein(bench, "edit", nowhere, 1).picture(photo(), PROMPT, 1, Control())


@pytest.mark.parametrize("size", [(20, 300), (512, 512), (3000, 2000), (65, 63)])
def test_it_works_at_sizes_that_its_pipeline_takes(
    model: ModelReference, tmp_path: Path, size: tuple[int, int]
) -> None:
    wide, high = Klein(tiny_pictures.bench(tmp_path), "edit", model, 1).size(*size, 2**22)
    assert wide % 16 == high % 16 == 0 and min(wide, high) >= 64 and wide * high <= 1024 * 1024


def test_the_layers_of_a_text_encoder_are_those_that_it_was_trained_with() -> None:
    def pipeline(layers: int) -> SimpleNamespace:
        return SimpleNamespace(text_encoder=SimpleNamespace(config=SimpleNamespace(num_hidden_layers=layers)))

    assert text_layers(pipeline(36)) == (9, 18, 27)
    assert text_layers(pipeline(4)) == (1, 2, 3)
