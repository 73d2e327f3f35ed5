import warnings
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import tiny_painters
import tiny_pictures
from tiny_models import SHA, published
from tiny_pictures import zoom

from wonderzoom.generation.models.edit import InstructPix2PixEditor, KleinEditor, instruction
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.stages import ZoomContext
from wonderzoom.scene_graph.ports import Cancelled, Control

PROMPT = "a red ladybug"
# What its scheduler does to numpy 2 is diffusers' to change.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning"
)


def quietly(folder: Path) -> None:
    with warnings.catch_warnings(action="ignore"):
        tiny_pictures.instruct_pix2pix(folder)


@pytest.fixture(params=["klein", "instruct_pix2pix"])
def editor(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Any, dict[str, Any]]:
    """(class, options): of each editor in turn."""
    klein = request.param == "klein"
    build = tiny_painters.save_klein if klein else quietly
    folder = tiny_pictures.kept(tmp_path_factory, request.param, build)
    model = ModelReference(path=str(folder), dtype="float32")
    kind = KleinEditor if klein else InstructPix2PixEditor
    return kind, {"model": model, "steps": 2, "most_pixels": 128 * 128}


def made_by(kind: Any, options: dict[str, Any], place: Path) -> Any:
    return kind(tiny_pictures.bench(place), kind.Options(**options))


def image_of(context: ZoomContext) -> np.ndarray:
    return context.observation.color


def test_outside_what_changed_the_picture_is_as_it_was(editor: Any, tmp_path: Path) -> None:
    kind, options = editor
    context = zoom(3.0, PROMPT, side=80)
    told: list[float] = []
    made = made_by(kind, options, tmp_path).edit(context, image_of(context), Control(progress=told.append))
    assert made.image.shape == (80, 80, 3) and np.isfinite(made.image).all()
    assert 0.0 <= made.image.min() and made.image.max() <= 1.0
    # random weights make a picture that is new all over or nearly
    assert made.new.any() and made.placed == (PROMPT,) and made.ignored == ()
    assert np.array_equal(made.image[~made.new], image_of(context)[~made.new])
    assert not (made.structure & ~made.new).any()
    assert told == sorted(told) and told[-1] == 1.0


def test_another_seed_and_another_prompt_give_another_picture(editor: Any, tmp_path: Path) -> None:
    kind, options = editor
    adapter = made_by(kind, options, tmp_path)
    pictures = [
        adapter.edit(context, image_of(context), Control()).image
        for context in (zoom(3.0, PROMPT), zoom(3.0, PROMPT, seed=4), zoom(3.0, "snow"))
    ]
    assert not np.array_equal(pictures[0], pictures[1]) and not np.array_equal(pictures[0], pictures[2])


def test_called_off_within_a_step_and_the_same_afterwards(editor: Any, tmp_path: Path) -> None:
    kind, options = editor
    adapter, context = made_by(kind, options, tmp_path), zoom(3.0, PROMPT)
    before = adapter.edit(context, image_of(context), Control()).image
    told: list[float] = []
    with pytest.raises(Cancelled):
        adapter.edit(context, image_of(context), Control(lambda: bool(told), told.append))
    assert len(told) == 1
    assert np.array_equal(adapter.edit(context, image_of(context), Control()).image, before)


def test_without_a_prompt_no_weights_are_loaded(editor: Any, tmp_path: Path) -> None:
    kind, options = editor
    nowhere = options | {"model": ModelReference(repo="acme/none", revision=SHA)}
    context = zoom(3.0)
    made = made_by(kind, nowhere, tmp_path).edit(context, image_of(context), Control())
    assert made.image is image_of(context) and not made.new.any()


def test_from_a_hubs_cache(editor: Any, tmp_path: Path) -> None:
    kind, options = editor
    published(Path(options["model"].path), "acme/pen", tmp_path / "cache")
    there = options | {"model": ModelReference(repo="acme/pen", revision=SHA, dtype="float32")}
    context = zoom(3.0, PROMPT)
    pictures = [
        made_by(kind, found, tmp_path).edit(context, image_of(context), Control()).image
        for found in (options, there)
    ]
    assert np.array_equal(pictures[0], pictures[1])


def test_options_are_bounded(editor: Any) -> None:
    kind, options = editor
    path = {"path": options["model"].path}
    for wrong in ({"steps": 0}, {"sam": path}, {"most_pixels": 4}, {"colour": 1}):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"model": path, **wrong}, kind.Options)
    assert msgspec.convert({"model": path, "sam": path, "dino": path}, kind.Options).sam is not None


def test_names_of_things_become_instructions() -> None:
    assert instruction("  a red\nladybug ") == "add a red ladybug in the middle of the picture"
    assert instruction("Cover it with snow") == "Cover it with snow"
