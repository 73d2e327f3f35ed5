"""CLIP scores of a tiny random CLIP, laid into a hub's cache and loaded as the real one is."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_clip import SIDE, in_a_hub, prepared, tiny_clip
from tiny_models import SHA, clip_tokenizer, photo

from wonderzoom.generation.models.locks import Locks
from wonderzoom.runtime.evaluation import clip_scores
from wonderzoom.runtime.evaluation.clip_scores import BAD, CLIP, GOOD, ClipScores, planes_of
from wonderzoom.runtime.evaluation.learned import Unavailable

pytestmark = pytest.mark.models  # it imports transformers
WORDS = "a snail on a leaf"


@pytest.fixture(scope="module")
def model() -> Any:
    return tiny_clip(0)


@pytest.fixture(scope="module")
def hub(model: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Locks, Path]:
    """The locks of a user, and a cache with the model in it."""
    return in_a_hub(model, CLIP, tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def scores(hub: tuple[Locks, Path]) -> ClipScores:
    return ClipScores(*hub)


def pictures() -> list[np.ndarray]:
    return [(255.0 * photo(60, 40, seed)).astype(np.uint8) for seed in range(3)]


def test_scores_are_cosines_and_shares_of_the_model_itself(scores: ClipScores, model: Any) -> None:
    found = scores.score(pictures(), WORDS)
    planes = torch.from_numpy(np.stack([planes_of(picture, SIDE) for picture in pictures()]))
    tokenizer = clip_tokenizer()

    def direction(features: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(features, dim=-1)

    with torch.inference_mode():
        seen = direction(model.get_image_features(planes).pooler_output)
        said = [
            direction(model.get_text_features(**tokenizer([text], return_tensors="pt")).pooler_output)[0]
            for text in (WORDS, GOOD, BAD)
        ]
    cosines = [float((seen[i] @ said[0]).clamp(min=0.0)) for i in range(3)]
    scale = float(model.logit_scale.detach().exp())
    good = [1.0 / (1.0 + np.exp(scale * float(seen[i] @ (said[2] - said[1])))) for i in range(3)]
    assert found == {
        "clip": pytest.approx(np.mean(cosines), abs=1e-5),
        "clip_iqa": pytest.approx(np.mean(good), abs=1e-4),
    }
    assert 0.0 < np.mean(cosines) < 1.0 and np.ptp(good) > 1e-4  # this model tells these pictures apart


def test_without_words_there_is_nothing_to_compare_a_picture_with(scores: ClipScores) -> None:
    found, with_words = (scores.score(pictures(), text) for text in ("", WORDS))
    assert found["clip"] is None and found["clip_iqa"] == pytest.approx(with_words["clip_iqa"], abs=1e-6)


def test_a_prompt_of_any_length_is_scored(scores: ClipScores) -> None:
    assert scores.score(pictures(), "leaf " * 200)["clip"] is not None


def test_a_picture_is_prepared_as_clip_wants_it() -> None:
    for size in ((60, 40), (40, 60), (50, 50), (32, 32), (33, 32)):
        picture = (255.0 * photo(*size)).astype(np.uint8)
        np.testing.assert_allclose(planes_of(picture, SIDE), prepared(picture), atol=1e-5)


def test_what_is_not_here_is_one_line_with_what_to_do(hub: tuple[Locks, Path], tmp_path: Path) -> None:
    locks, cache = hub
    for asked in ((Locks(tmp_path / "none"), cache), (locks, tmp_path)):
        with pytest.raises(
            Unavailable, match="needs openai/clip-vit-large-patch14: .*models download scores$"
        ):
            ClipScores(*asked)


def test_weights_that_lack_a_tensor_score_nothing(model: Any, tmp_path: Path) -> None:
    kept = {key: value for key, value in model.state_dict().items() if "visual_projection" not in key}
    with pytest.raises(Unavailable, match="1 of its tensors are not in the files"):
        ClipScores(*in_a_hub(model, CLIP, tmp_path, state_dict=kept))


def test_without_the_library_its_name_is_said(
    hub: tuple[Locks, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(Unavailable, match=r"pip install 'wonderzoom-runtime\[models\]'"):
        ClipScores(*hub)


def test_the_revision_is_part_of_what_scores_depend_on(scores: ClipScores) -> None:
    assert scores.identity == f"{CLIP.repo} {SHA}" and clip_scores.KEYS == ("clip", "clip_iqa")
