"""The measurements for graphics cards, as far as a CPU reaches: they refuse without a card, their world is one, and
every part runs and checks itself on the stand-in."""

import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from gsplat_stand_in import StandIn

from wonderzoom.runtime.renderers.cuda import CudaRenderer
from wonderzoom.runtime.renderers.cuda_fitter import CudaFitter
from wonderzoom.runtime.renderers.gsplat_calls import CudaUnavailable, Gsplat
from wonderzoom.scene_graph.ports import RenderSettings
from wonderzoom.scene_graph.visible_set import visible_set


@pytest.fixture
def gpu(repository: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """``benchmarks.gpu.__main__``: benchmarks are run from the repository's root."""
    import importlib

    monkeypatch.syspath_prepend(str(repository))
    return importlib.import_module("benchmarks.gpu.__main__")


@pytest.fixture
def renderer() -> Any:
    with CudaRenderer(1 << 27, "cpu", Gsplat(StandIn())) as made:
        yield made


def test_without_a_card_nothing_is_measured(
    gpu: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    def none(_say: object) -> None:
        raise CudaUnavailable("no card here")

    monkeypatch.setattr(gpu, "compile_now", none)
    assert gpu.main(["--quick"]) == gpu.NO_CARD
    out, err = capsys.readouterr()
    assert out == "" and "need a graphics card. no card here" in err


def test_the_script_can_be_run_and_tells_its_options(repository: Path) -> None:
    script = repository / "benchmarks" / "gpu" / "run.sh"
    assert script.stat().st_mode & 0o100
    subprocess.run(["sh", "-n", str(script)], check=True)


def test_options_have_the_issue_s_sizes_and_quick_is_the_first_of_them(gpu: ModuleType) -> None:
    assert gpu.options([]).surfels == [1e6, 5e6, 20e6, 100e6] and gpu.options([]).seconds < 600
    assert gpu.options(["--quick"]).surfels == [1e6] and gpu.options(["--quick"]).rounds <= 10
    assert gpu.options(["--surfels", "3e5", "7e5"]).surfels == [3e5, 7e5]


def test_a_sheet_leaves_out_what_has_no_time_and_goes_on_after_a_failure(gpu: ModuleType) -> None:
    now = [0.0]
    sheet = gpu.Sheet(10.0, lambda: now[0])

    def wrong() -> Any:
        raise gpu.parts.Wrong("too dark")

    sheet.run("first", lambda: [["a", "b", "c", "d"]])
    sheet.run("second", wrong)
    now[0] = 11.0
    sheet.run("third", wrong)
    assert sheet.failed and [row[:2] for row in sheet.rows] == [
        ["a", "b"], ["second", "FAILED"], ["third", "left out: no time was left"],
    ]  # fmt: skip
    assert "too dark" in sheet.table()


@pytest.mark.slow
def test_the_tiled_world_is_five_scales_that_hand_over_to_each_other(gpu: ModuleType, renderer: Any) -> None:
    world = gpu.TiledWorld.of(1e6)
    assert world.surfels == 5 * 64 * 4096
    settings = RenderSettings(h_ref=45)
    for scale in (1.5, 4.0):
        camera = world.camera(scale, 60, 45, aside=0.1)
        visible = visible_set(world, camera, settings)
        view = renderer.render(visible, camera, settings)
        assert view.alpha.mean() > 0.95 and view.drawn < 4 * 60 * 45 * (65 if scale == 1.5 else 1)
        assert {block.node for block in visible.blocks} <= {f"scale-{k}" for k in range(5)}
    assert len({block.hash for block in world.octree.blocks()}) == 5 * 64
    with pytest.raises(ValueError, match="multiple of 8"):
        gpu.TiledWorld(12)


@pytest.mark.slow
def test_every_part_runs_and_checks_itself(gpu: ModuleType, renderer: Any) -> None:
    parts, card = gpu.parts, gpu.Card()
    fitter = CudaFitter("cpu", Gsplat(StandIn()))
    world = gpu.TiledWorld.of(1e6)
    assert len(parts.correctness(renderer, [(2.0, "optical_mass")], size=(24, 16))) == 1
    rows = parts.frames(renderer, card, world, 1, (24, 16), (2.0,))
    assert [row[1] for row in rows] == ["E2, optical_mass", "E2, none"]
    assert "fps" in rows[0][2] and "GB" in rows[0][3]
    (fitted,) = parts.fitting(fitter, card, 20, 16)
    assert fitted[1] == "320 surfels"
    with CudaRenderer(1 << 27, "cpu", Gsplat(StandIn()), "2dgs") as discs:
        (correct,) = parts.correctness(discs, [(2.0, "optical_mass")], size=(24, 16))
        assert correct[1] == "E2, optical_mass, 2dgs"
        assert parts.frames(discs, card, world, 1, (24, 16), (2.0,))[0][1] == "E2, optical_mass, 2dgs"
    shared, alone = gpu.through_the_loop(renderer, card, world, 3, 6.0, (24, 16), (3.5, 4.0))
    assert "frames a call" in shared[1] and "fps each" in shared[2] and alone[1] == "one frame a call"
    (row,) = parts.viewers(renderer, card, world, 3, 2, 1, (24, 16))
    assert row[0] == "3 viewers, 24x16"
    alone, beside = parts.beside_a_fit(renderer, fitter, card, world, 3, (24, 16), (10, 8))
    assert "p95" in alone[2] and "p95" in beside[2]


@pytest.mark.slow
def test_a_wrong_picture_is_found(gpu: ModuleType, renderer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    blend = Gsplat.blend

    def darker(self: Gsplat, *arguments: Any) -> tuple[torch.Tensor, torch.Tensor]:
        shown, alphas = blend(self, *arguments)
        return 0.97 * shown, alphas

    monkeypatch.setattr(Gsplat, "blend", darker)
    with pytest.raises(gpu.parts.Wrong, match="dB"):
        gpu.parts.correctness(renderer, [(2.0, "optical_mass")], size=(24, 16))
    monkeypatch.setattr(Gsplat, "blend", lambda self, *a: tuple(0 * each for each in blend(self, *a)))
    with pytest.raises(gpu.parts.Wrong, match="holes"):
        gpu.parts.frames(renderer, gpu.Card(), gpu.TiledWorld.of(1e6), 1, (24, 16), (2.0,))
    assert np.isfinite(gpu.parts.a_picture(4, 4).means).all()
