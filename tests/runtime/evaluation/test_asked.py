"""What a command asks for is what is made, and the rest says how it could be had."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

from wonderzoom.generation.models.locks import Locks
from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.evaluation import niqe
from wonderzoom.runtime.evaluation.asked import fitted_to, learned_scores
from wonderzoom.runtime.evaluation.learned import METRICS

PHOTOS = (data.grass(), data.gravel(), data.brick(), data.coins())


def test_nothing_is_made_unless_asked_for() -> None:
    learned = learned_scores(False, None)
    assert learned.keys == () and list(learned.missing) == [metric.key for metric in METRICS]
    assert set(learned.missing.values()) == {"needs --learned", "needs --pristine FOLDER"}


def test_networks_that_are_not_here_say_what_they_need(tmp_path: Path) -> None:
    learned = learned_scores(True, None, Locks(tmp_path / "none"), tmp_path)
    assert learned.keys == ()
    assert learned.missing["clip"].endswith("wonderzoom models download scores")
    assert "pyiqa" in learned.missing["clip_iqa_plus"]


def test_niqe_is_fitted_to_the_photos_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(niqe, "LEAST_PATCHES", 70)
    for name, photo in zip(("a.png", "b.PNG", "c.png", "d.png"), PHOTOS, strict=True):
        Image.fromarray(photo).save(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not a photo")
    learned = learned_scores(False, tmp_path)
    assert learned.keys == ("niqe_fitted",) and "niqe_fitted" not in learned.missing
    assert (learned.score([data.astronaut()], "")["niqe_fitted"] or 0.0) > 0.0
    assert fitted_to(tmp_path).photos == 4


def test_a_folder_that_makes_no_model_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="there is no such folder of photos"):
        learned_scores(False, tmp_path / "none")
    with pytest.raises(
        CommandError, match="0 sharp patches of 96 pixels in 0 photos; 360 are needed: add sharp"
    ):
        learned_scores(False, tmp_path)
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "small.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with pytest.raises(CommandError, match=r"broken\.png: "):
        learned_scores(False, tmp_path)
