"""Which learned scores a command asks for, and what has to be here for them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.models.locks import Locks
from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.evaluation import clip_scores, niqe, pyiqa_scores
from wonderzoom.runtime.evaluation.learned import METRICS, Learned, Offer, Scorer, Unavailable
from wonderzoom.runtime.generators import locks as user_locks
from wonderzoom.runtime.pictures import opened

PHOTOS = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp")


def learned_scores(
    networks: bool, pristine: Path | None, locks: Locks | None = None, cache: Path | None = None
) -> Learned:
    """``networks``: all that a network takes. ``pristine``: photos for NIQE. Raises CommandError."""
    if networks:
        offers = [Offer(clip_scores.KEYS, partial(clip_scores.ClipScores, locks or user_locks(), cache))]
        offers += pyiqa_scores.offers()
    else:
        keys = tuple(metric.key for metric in METRICS if metric.key != niqe.KEY)
        offers = [Offer(keys, partial(_not_asked_for, "--learned"))]
    if pristine is not None:
        fitted = niqe.FittedNiqe(fitted_to(pristine))
        offers.append(Offer((niqe.KEY,), lambda: fitted))
    else:
        offers.append(Offer((niqe.KEY,), partial(_not_asked_for, "--pristine FOLDER")))
    return Learned(offers)


def fitted_to(folder: Path) -> niqe.Pristine:
    """NIQE's model of the photos in a folder. Raises CommandError."""
    if not folder.is_dir():
        raise CommandError(f"{folder}: there is no such folder of photos")
    try:
        return niqe.fit(_photos(folder))
    except niqe.TooFewPatches as error:
        raise CommandError(f"{folder}: {error}: add sharp photos") from error


def _photos(folder: Path) -> Iterator[NDArray[np.uint8]]:
    for path in sorted(each for each in folder.iterdir() if each.suffix.lower() in PHOTOS):
        with opened(path) as image:
            yield np.asarray(image.convert("RGB"), np.uint8)


def _not_asked_for(option: str) -> Scorer:
    raise Unavailable(f"needs {option}")
