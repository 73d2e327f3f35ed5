"""Memory of each stage: what the card had at most while it ran, and nothing at all without a card."""

import sys
from types import SimpleNamespace

import pytest
from plain_generator import plain_generator
from step_world import step_zoom

from wonderzoom.generation import card_memory
from wonderzoom.generation.card_memory import StagePeaks, card_peak
from wonderzoom.generation.jobs import StageEvent, Watch
from wonderzoom.generation.pipeline import Pipeline
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.renderers.cpu_fitter import CpuFitter
from wonderzoom.scene_graph.ports import FitSettings


def test_each_stage_has_the_peak_of_its_own_time() -> None:
    readings = iter([99, 3, 8, 5, 6, 7])  # the first two are of the time before any stage
    heard: list[str] = []
    peaks = StagePeaks(lambda: next(readings))
    watch = peaks.watched(Watch(event=lambda event: heard.append(event.stage)))
    told = ["observe", "upscale", "upscale", "edit", "upscale", "commit"]
    for stage in told:
        watch.event(StageEvent(stage, 0.5))  # type: ignore[arg-type]
    assert heard == told
    assert peaks.bytes == {"observe": 8, "upscale": 7, "edit": 6}


def test_without_a_card_nothing_is_said() -> None:
    peaks = StagePeaks(lambda: None)
    watch = peaks.watched(Watch())
    watch.event(StageEvent("observe", 0.0))
    watch.event(StageEvent("commit", 0.0))
    assert peaks.bytes == {} and peaks.provenance() == {}


def test_what_a_node_remembers_is_rounded() -> None:
    readings = iter([0, 0, 11_840_000_000, 940_000_000])
    peaks = StagePeaks(lambda: next(readings))
    watch = peaks.watched(Watch())
    for stage in ("upscale", "edit", "commit"):
        watch.event(StageEvent(stage, 0.0))  # type: ignore[arg-type]
    assert peaks.provenance() == {"memory": "upscale 11.8 GB, edit 0.9 GB"}


def test_the_meter_asks_a_card_that_is_in_use_and_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    assert card_peak() is None  # torch is not loaded for it
    held, asleep = [5], [True]

    def reset() -> None:
        held[0] = 1

    cuda = SimpleNamespace(
        is_initialized=lambda: not asleep[0],
        max_memory_allocated=lambda: held[0],
        reset_peak_memory_stats=reset,
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))  # type: ignore[arg-type]
    assert card_peak() is None
    asleep[0] = False
    assert (card_peak(), card_peak()) == (5, 1)


def test_a_zoom_tells_its_stages_and_its_node_remembers_them() -> None:
    with CpuRenderer(1) as renderer:
        zoom = step_zoom(renderer)
        fit = FitSettings(iterations=1)

        def made(meter: card_memory.Meter) -> tuple[dict[str, int], dict[str, str]]:
            pipeline = Pipeline(plain_generator(), renderer, CpuFitter(1), 1, fit, meter=meter)
            zoomed = pipeline.zoom(zoom.world, zoom.context.request)
            return zoomed.memory, dict(zoomed.commit.added[0].provenance)

        memory, provenance = made(lambda: 2 * 10**9)
        assert set(memory) >= {"observe", "describe", "upscale", "edit", "depth", "lift", "optimise"}
        assert set(memory.values()) == {2 * 10**9} and "optimise 2.0 GB" in provenance["memory"]
        memory, provenance = made(lambda: None)
        assert memory == {} and "memory" not in provenance
