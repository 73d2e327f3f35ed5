from pathlib import Path

import numpy as np
import pytest
import tiny_pictures
from tiny_models import SHA, published
from tiny_pictures import zoom

from wonderzoom.generation.models.edit_qwen import QwenEditor
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.scene_graph.ports import Cancelled, Control

PROMPT = "a red ladybug"


@pytest.fixture
def options(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> QwenEditor.Options:
    import diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_plus as pipeline

    # A megapixel of the pipeline's own choosing takes a tiny model seconds on a CPU.
    monkeypatch.setattr(pipeline, "CONDITION_IMAGE_SIZE", 56 * 56)
    monkeypatch.setattr(pipeline, "VAE_IMAGE_SIZE", 64 * 64)
    folder = tiny_pictures.kept(tmp_path_factory, "qwen_edit", tiny_pictures.qwen_edit)
    model = ModelReference(path=str(folder), dtype="float32")
    return QwenEditor.Options(model=model, steps=2, most_pixels=64 * 64)


def test_it_edits_and_keeps_the_rest_the_same_each_time(options: QwenEditor.Options, tmp_path: Path) -> None:
    context = zoom(3.0, PROMPT)
    image = context.observation.color
    editor = QwenEditor(tiny_pictures.bench(tmp_path), options)
    told: list[float] = []
    made = editor.edit(context, image, Control(progress=told.append))
    assert made.image.shape == image.shape and np.isfinite(made.image).all()
    assert np.array_equal(made.image[~made.new], image[~made.new])
    assert (made.placed, made.ignored) in (((PROMPT,), ()), ((), (PROMPT,)))
    assert told == sorted(told) and len(told) >= 2
    begun = len(told)
    with pytest.raises(Cancelled):
        editor.edit(context, image, Control(lambda: len(told) > begun, told.append))
    assert len(told) == begun + 1
    assert np.array_equal(editor.edit(context, image, Control()).image, made.image)


def test_its_picture_depends_on_picture_prompt_and_seed(options: QwenEditor.Options, tmp_path: Path) -> None:
    published(Path(options.model.path), "acme/qwen", tmp_path / "cache")
    bench = tiny_pictures.bench(tmp_path)
    there = ModelReference(repo="acme/qwen", revision=SHA, dtype="float32")
    here, cached = (
        QwenEditor(bench, QwenEditor.Options(model=model, steps=1, guidance=1.0))
        for model in (options.model, there)
    )
    image = zoom(3.0).observation.color
    first = here._run(image, "moss", 1, Control(), 0.0, 1.0)
    assert first.shape == image.shape and np.std(first) > 0.01
    assert np.array_equal(cached._run(image, "moss", 1, Control(), 0.0, 1.0), first)
    for other in ((image, "snow", 1), (image, "moss", 2), (np.ascontiguousarray(image[::-1]), "moss", 1)):
        assert not np.array_equal(here._run(*other, Control(), 0.0, 1.0), first)
