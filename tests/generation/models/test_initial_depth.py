"""Depth and sky of E_0 by tiny random networks, and what a person supplies instead."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch
from tiny_models import SHA, photo, published
from tiny_perception import save_depth_anything, save_segformer

from wonderzoom.generation.initial_scene import frame_scene
from wonderzoom.generation.jobs import CreateRequest, GenerationError
from wonderzoom.generation.models.depth import PLAIN
from wonderzoom.generation.models.errors import ModelUnavailable
from wonderzoom.generation.models.initial_depth import INDOOR_FOCAL, SEMANTIC, DepthAnythingEstimator
from wonderzoom.generation.models.locks import Locks
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.shelf import Shelf
from wonderzoom.generation.models.workbench import Workbench, references
from wonderzoom.scene_graph.ports import Cancelled, Control

NO_RENDERER: Any = None
HEIGHT, WIDTH = 64, 80
PICTURE = (photo(WIDTH, HEIGHT) * 255).astype(np.uint8)
FOCAL = INDOOR_FOCAL * WIDTH
ROWS = np.mgrid[:HEIGHT, :WIDTH][0].astype(np.float32)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    place = tmp_path_factory.mktemp("initial")
    return {
        "relative": save_depth_anything(place / "relative", "relative"),
        "metric": save_depth_anything(place / "metric", "metric"),
        "sky": save_segformer(place / "sky"),
        "no_sky": save_segformer(place / "no_sky", sky="cloud"),
    }


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    shelf = Shelf(Locks(tmp_path / "lock"), cache=tmp_path / "cache")
    yield Workbench(shelf, NO_RENDERER)
    shelf.close()


def local(folder: Path) -> ModelReference:
    return ModelReference(path=str(folder), dtype="float32")


def estimator(
    bench: Workbench, depth: ModelReference | Path, sky: ModelReference | Path | None = None
) -> DepthAnythingEstimator:
    depth = local(depth) if isinstance(depth, Path) else depth
    sky = local(sky) if isinstance(sky, Path) else sky
    options = DepthAnythingEstimator.Options(model=depth, sky=sky, most_pixels=70 * 70)
    return DepthAnythingEstimator(bench, options)


def seeing(monkeypatch: pytest.MonkeyPatch, bench: Workbench, folder: Path, said: np.ndarray) -> None:
    """The network in ``folder`` says ``said`` [H, W]."""
    network = bench.shelf.module("depth", local(folder), PLAIN)

    def forward(pixel_values: torch.Tensor) -> Any:
        planes = torch.from_numpy(said.astype(np.float32))[None, None]
        planes = torch.nn.functional.interpolate(planes, size=pixel_values.shape[-2:], mode="bilinear")
        return type("Answer", (), {"predicted_depth": planes[:, 0]})

    monkeypatch.setattr(network, "forward", forward)


@pytest.mark.parametrize("kind", ["relative", "metric"])
def test_it_makes_a_scene_of_any_picture(kind: str, bench: Workbench, folders: dict[str, Path]) -> None:
    told: list[float] = []
    request = CreateRequest(PICTURE)
    stage = estimator(bench, folders[kind])
    found = stage.estimate(request, FOCAL, Control(progress=told.append))
    assert found.depth.shape == found.sky.shape == (HEIGHT, WIDTH) and found.depth.dtype == np.float32
    assert np.isfinite(found.depth).all() and found.depth.min() > 0 and found.notes
    assert told == sorted(told) and told[-1] == 1.0
    assert np.isfinite(frame_scene(request, found, FOCAL).main.zeta[~found.sky]).all()
    assert np.array_equal(stage.estimate(request, FOCAL, Control()).depth, found.depth)


def test_a_relative_network_says_one_over_depth(
    bench: Workbench, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = 1.0 + ROWS / 8.0
    seeing(monkeypatch, bench, folders["relative"], 3.0 / truth)
    found = estimator(bench, folders["relative"]).estimate(CreateRequest(PICTURE), FOCAL, Control())
    ratio = found.depth / truth
    assert np.ptp(ratio[4:-4]) < 0.05 * ratio.mean()
    assert "relative" in found.notes[0] and found.metres_per_unit > 0


def test_a_metric_network_says_metres_for_its_own_lens(
    bench: Workbench, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = 1.0 + ROWS / 8.0
    seeing(monkeypatch, bench, folders["metric"], truth)
    stage = estimator(bench, folders["metric"])
    same, twice = (stage.estimate(CreateRequest(PICTURE), f * FOCAL, Control()) for f in (1.0, 2.0))
    assert np.abs(same.depth - truth).max() < 0.1 and same.metres_per_unit == pytest.approx(1.0)
    assert twice.metres_per_unit == pytest.approx(2.0) and "2.00 times" in twice.notes[0]
    assert "times" not in same.notes[0]


def test_a_speck_in_front_does_not_set_the_scale(
    bench: Workbench, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    said = 1.0 + ROWS / 8.0
    said[20:22, 20:22] = 1e-5
    seeing(monkeypatch, bench, folders["metric"], said)
    seeing(monkeypatch, bench, folders["relative"], 1.0 / said)
    for kind in ("metric", "relative"):
        found = estimator(bench, folders[kind]).estimate(CreateRequest(PICTURE), FOCAL, Control())
        assert found.depth.min() >= 0.4 * np.quantile(found.depth, 0.05)


@pytest.mark.parametrize(("kind", "said"), [("relative", 0.0), ("metric", np.nan), ("metric", -1.0)])
def test_what_is_no_depth_is_an_error(
    kind: str, said: float, bench: Workbench, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    seeing(monkeypatch, bench, folders[kind], np.full((HEIGHT, WIDTH), said))
    with pytest.raises(GenerationError, match="depth"):
        estimator(bench, folders[kind]).estimate(CreateRequest(PICTURE), FOCAL, Control())


# ---- sky --------------------------------------------------------------------------------------------
def test_sky_is_where_the_label_is_likeliest(
    bench: Workbench, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    network = bench.shelf.module("depth", local(folders["sky"]), SEMANTIC)

    def forward(pixel_values: torch.Tensor) -> Any:
        logits = torch.zeros(1, 6, 16, 16)
        logits[:, 2, :8] = 1.0
        logits[:, 4, 8:] = 1.0
        return type("Answer", (), {"logits": logits})

    monkeypatch.setattr(network, "forward", forward)
    stage = estimator(bench, folders["metric"], folders["sky"])
    found = stage.estimate(CreateRequest(PICTURE), FOCAL, Control())
    assert found.sky[:30].all() and not found.sky[34:].any()
    given = np.zeros((HEIGHT, WIDTH), np.bool_)
    given[:5] = True
    assert np.array_equal(
        stage.estimate(CreateRequest(PICTURE, sky=given), FOCAL, Control()).sky, given
    )  # a person knows better
    depth = stage.estimate(CreateRequest(PICTURE, depth=2.0 + ROWS), FOCAL, Control())
    assert depth.sky[:30].all() and not depth.sky[34:].any() and np.allclose(depth.depth, 2.0 + ROWS)


def test_a_random_network_labels_every_pixel(bench: Workbench, folders: dict[str, Path]) -> None:
    found = estimator(bench, folders["metric"], folders["sky"]).estimate(
        CreateRequest(PICTURE), FOCAL, Control()
    )
    assert found.sky.shape == (HEIGHT, WIDTH) and found.sky.dtype == np.bool_


def test_a_network_that_knows_no_sky_is_the_wrong_one(bench: Workbench, folders: dict[str, Path]) -> None:
    with pytest.raises(ModelUnavailable, match="sky") as caught:
        estimator(bench, folders["metric"], folders["no_sky"]).estimate(
            CreateRequest(PICTURE), FOCAL, Control()
        )
    assert caught.value.reason == "wrong_kind"


# ---- what is given, and what is missing -------------------------------------------------------------
def test_a_given_depth_map_needs_no_model(bench: Workbench, tmp_path: Path) -> None:
    request = CreateRequest(PICTURE, depth=2.0 + ROWS, metres_per_unit=0.5)
    found = estimator(bench, tmp_path / "nowhere").estimate(request, FOCAL, Control())
    assert np.allclose(found.depth, 2.0 + ROWS) and found.metres_per_unit == 0.5
    with pytest.raises(ModelUnavailable) as caught:
        estimator(bench, tmp_path / "nowhere").estimate(CreateRequest(PICTURE), FOCAL, Control())
    assert caught.value.stage == "depth"


def test_it_comes_from_the_cache_too(bench: Workbench, folders: dict[str, Path], tmp_path: Path) -> None:
    for name in ("metric", "sky"):
        published(folders[name], f"acme/{name}", tmp_path / "cache")
    depth, sky = (ModelReference(repo=f"acme/{n}", revision=SHA, dtype="float32") for n in ("metric", "sky"))
    found = estimator(bench, depth, sky).estimate(CreateRequest(PICTURE), FOCAL, Control())
    assert found.depth.min() > 0


def test_it_can_be_called_off(bench: Workbench, folders: dict[str, Path]) -> None:
    stage = estimator(bench, folders["metric"], folders["sky"])
    for polls in range(4):
        asked: list[int] = []

        def cancelled(asked: list[int] = asked, polls: int = polls) -> bool:
            asked.append(1)
            return len(asked) > polls

        with pytest.raises(Cancelled):
            stage.estimate(CreateRequest(PICTURE), FOCAL, Control(cancelled=cancelled))


def test_its_options_name_the_models_that_it_needs() -> None:
    table: dict[str, Any] = {"model": {"path": "one", "dtype": "float32"}}
    assert set(references(msgspec.convert(table, DepthAnythingEstimator.Options))) == {"model"}
    table["sky"] = {"path": "two"}
    assert set(references(msgspec.convert(table, DepthAnythingEstimator.Options))) == {"model", "sky"}
