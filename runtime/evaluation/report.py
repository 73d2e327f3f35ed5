"""The report of an evaluation: Markdown for people, JSON for programs, one plot over the depth of the zoom.

Owns what tables there are and how numbers are written. What depends on the machine and the moment (seconds, frames
a second) is apart from the scores: those are the same on every run.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from PIL import Image

from wonderzoom.runtime.evaluation.learned import METRICS, told
from wonderzoom.runtime.evaluation.measuring import COSTS, SCORES, Score, Values
from wonderzoom.runtime.evaluation.plots import Panel, plot

ALL = "all of it"
PLOTTED = ("render_db", "zoom_consistency_db", "depth_disagreement", "reprojection_db", "holes", "flicker")
COMPARED = (*PLOTTED, "flicker_peak", "surfels")
ACROSS = "depth: zooms from the photo"
LEARNED = tuple(Score(m.key, m.title, "", m.better, 3) for m in METRICS)


class Result(msgspec.Struct, frozen=True):
    """One zoom of one world, made and drawn in one way."""

    world: str
    zoom: str
    number: int  # 1: the first zoom of its world
    depth: int  # how many zooms lead to it
    prompt: str
    factor: float
    variant: str  # ALL, "without ..." or the name of another method
    values: Values
    costs: Values


@dataclass(frozen=True, slots=True)
class Report:
    """All that is told."""

    title: str
    machine: str
    results: tuple[Result, ...]
    missing: Mapping[str, str] = field(default_factory=dict)  # learned score -> why it is not there
    notes: tuple[str, ...] = ()
    pictures: tuple[tuple[str, str], ...] = ()  # caption, path beside the report


# ---- numbers --------------------------------------------------------------------------------------


def mean(results: Sequence[Result], variant: str, key: str, costs: bool = False) -> tuple[float | None, int]:
    """The mean of a score over the zooms of a variant that have it, and how many these are."""
    rows = [(r.costs if costs else r.values).get(key) for r in results if r.variant == variant]
    found = [value for value in rows if value is not None]
    return (math.fsum(found) / len(found) if found else None), len(found)


def variants_of(results: Sequence[Result]) -> list[str]:
    """In the order in which they came, ALL first."""
    return sorted(dict.fromkeys(result.variant for result in results), key=lambda name: name != ALL)


def shown(value: float | None, digits: int) -> str:
    """A number for people; a dash where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def law_text(score: Score) -> str:
    """``>= 30``, ``<= 0.5`` or ``-2 to -1``."""
    if score.law is None:
        return ""
    low, high = score.law
    if math.isinf(high):
        return f">= {low:g}"
    return f"<= {high:g}" if low == 0.0 else f"{low:g} to {high:g}"


# ---- Markdown -------------------------------------------------------------------------------------


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table: the first column left, the others right."""
    lines = [f"| {' | '.join(header)} |", "|---|" + "---:|" * (len(header) - 1)]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def markdown(report: Report) -> str:
    """The whole report."""
    results = report.results
    variants = variants_of(results)
    parts = [f"# {report.title}", report.machine]
    header = ["score, mean over zooms", *variants, "law"]
    rows = [
        [_titled(score), *(_mean_cell(results, name, score) for name in variants), law_text(score)]
        for score in (*SCORES, *LEARNED)
        if any(mean(results, name, score.key)[1] for name in variants)
    ]
    parts += ["## Scores", table(header, rows)]
    if report.missing:
        parts += ["\n".join(f"- {line}" for line in told(report.missing))]
    costs = [
        [_titled(score), *(shown(mean(results, name, score.key, True)[0], score.digits) for name in variants)]
        for score in COSTS
        if any(mean(results, name, score.key, True)[1] for name in variants)
    ]
    parts += ["## Costs", table(["mean over zooms", *variants], costs)]
    if len(worlds := list(dict.fromkeys(r.world for r in results))) > 1:
        parts += ["## Worlds", _worlds(results, worlds)]
    parts += ["## Zooms", _zooms(results)]
    if report.notes:
        parts += ["## Notes", "\n".join(f"- {note}" for note in report.notes)]
    if report.pictures:
        parts += [
            "## Pictures",
            "\n\n".join(f"![{text}]({path})\n\n{text}" for text, path in report.pictures),
        ]
    return "\n\n".join(parts) + "\n"


def _titled(score: Score) -> str:
    unit = f" ({score.unit})" if score.unit else ""
    arrow = {"higher": " ↑", "lower": " ↓"}.get(score.better, "")
    return f"{score.title}{unit}{arrow}"


def _mean_cell(results: Sequence[Result], variant: str, score: Score) -> str:
    return shown(mean(results, variant, score.key)[0], score.digits)


def _worlds(results: Sequence[Result], worlds: Sequence[str]) -> str:
    """Means of the whole method over the zooms of each world."""
    of = {world: [r for r in results if r.world == world] for world in worlds}
    rows = [
        [_titled(score), *(_mean_cell(of[world], ALL, score) for world in worlds),
         f"**{_mean_cell(results, ALL, score)}**", law_text(score)]
        for score in (*SCORES, *LEARNED)
        if mean(results, ALL, score.key)[1]
    ]  # fmt: skip
    return table(["mean over zooms", *worlds, "all", "law"], rows)


_ZOOM_COLUMNS = ("render_db", "back_projection_db", "back_projection_prompted_db", "depth_disagreement",
                 "reprojection_db", "holes", "flicker", "slope")  # fmt: skip
_SHORT = ("render", "back-proj.", "back-proj., words", "depth %", "reproj.", "holes %", "flicker", "slope")


def _zooms(results: Sequence[Result]) -> str:
    digits = {score.key: score.digits for score in SCORES}
    rows = [
        [f"{r.world}/{r.zoom}", f"{r.factor:.3g}x", f"{r.prompt or '-'}",
         *(shown(r.values.get(key), digits[key]) for key in _ZOOM_COLUMNS)]
        for r in results
        if r.variant == ALL
    ]  # fmt: skip
    return table(["zoom", "factor", "words", *_SHORT], rows)


# ---- JSON and the plot ------------------------------------------------------------------------------


def as_json(report: Report, costs: bool) -> str:
    """The scores, or what depends on machine and moment, of every zoom and variant."""
    rows = [
        {
            "world": r.world,
            "zoom": r.zoom,
            "prompt": r.prompt,
            "factor": r.factor,
            "variant": r.variant,
            **(r.costs if costs else r.values),
        }
        for r in report.results
    ]
    told: dict[str, object] = {"machine": report.machine} if costs else {"not_scored": dict(report.missing)}
    return json.dumps({**told, "zooms": rows}, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def plotted(results: Sequence[Result]) -> Image.Image:
    """A panel a score: its value over the depth of the zoom, a line a world, of the whole method."""
    whole = [r for r in results if r.variant == ALL]
    panels = [_panel(key, [(r.world, r.depth, r.values.get(key)) for r in whole]) for key in PLOTTED]
    return plot(panels, ACROSS)


def compared(results: Sequence[Result]) -> Image.Image:
    """A panel a score: its mean over the worlds at each depth, a line a variant."""
    panels: list[Panel] = []
    for key in COMPARED:
        points: list[tuple[str, int, float | None]] = []
        for variant in variants_of(results):
            rows = [r for r in results if r.variant == variant]
            for depth in sorted({r.depth for r in rows}):
                there = [r for r in rows if r.depth == depth]
                points.append((variant, depth, mean(there, variant, key)[0]))
        panels.append(_panel(key, points))
    return plot(panels, ACROSS)


def _panel(key: str, points: Sequence[tuple[str, int, float | None]]) -> Panel:
    """Of (name of the line, depth, value)."""
    score = next(score for score in SCORES if score.key == key)
    lines: dict[str, list[tuple[float, float]]] = {}
    for name, depth, value in points:
        if value is not None:
            lines.setdefault(name, []).append((float(depth), value))
    unit = f" ({score.unit})" if score.unit else ""
    law = f", law {law_text(score)}" if score.law else ""
    return Panel(f"{score.title}{unit}{law}", lines, score.law)
