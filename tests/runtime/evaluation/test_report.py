"""Reports say what was measured, with its law, and nothing where nothing was."""

import json

import msgspec
import numpy as np
import pytest

from wonderzoom.runtime.evaluation import report
from wonderzoom.runtime.evaluation.measuring import SCORES
from wonderzoom.runtime.evaluation.plots import Panel
from wonderzoom.runtime.evaluation.report import (
    ALL,
    Report,
    Result,
    as_json,
    compared,
    law_text,
    markdown,
    mean,
    plotted,
    shown,
    variants_of,
)

BARE = dict.fromkeys((score.key for score in SCORES), None)


def result(zoom: str, variant: str = ALL, prompt: str = "", **values: float) -> Result:
    return Result(
        "garden", zoom, 1, 1, prompt, 4.0, variant, {**BARE, **values}, {"seconds": 3.0, "fps": 20.0}
    )


RESULTS = (
    result("leaf", render_db=34.0, holes=0.25),
    result("vein", "without modulation", render_db=20.0),
    result("vein", prompt="a vein", render_db=36.0),
)
REPORT = Report(
    "Evaluation of garden",
    "a machine",
    RESULTS,
    {"niqe": "needs a file"},
    ("a note",),
    (("nine views", "pictures/leaf.jpg"),),
)


def test_means_are_over_the_zooms_that_have_a_score() -> None:
    assert mean(RESULTS, ALL, "render_db") == (35.0, 2)
    assert mean(RESULTS, ALL, "holes") == (0.25, 1)
    assert mean(RESULTS, ALL, "slope") == (None, 0)
    assert mean(RESULTS, "without modulation", "seconds", costs=True) == (3.0, 1)
    assert variants_of(RESULTS[1:]) == [ALL, "without modulation"]


def test_a_report_has_every_variant_with_the_law_beside_it() -> None:
    text = markdown(REPORT)
    assert "| score, mean over zooms | all of it | without modulation | law |" in text
    assert "| render at C_i against I_i (dB) ↑ | 35.0 | 20.0 | >= 30 |" in text
    assert "| holes in the worst of the nine views (%) ↓ | 0.25 | - | <= 0.5 |" in text
    assert "slope of the spectrum" not in text.partition("## Costs")[0]  # nobody measured it
    assert "| drawing the nine views (frames/s) ↑ | 20.0 | 20.0 |" in text
    assert "| garden/vein | 4x | a vein | 36.0 |" in text
    assert "- NIQE: not scored: needs a file" in text and "- a note" in text
    assert "![nine views](pictures/leaf.jpg)" in text and "a machine" in text


def test_worlds_are_told_apart_where_there_are_several() -> None:
    assert "## Worlds" not in markdown(REPORT)
    other = msgspec.structs.replace(RESULTS[0], world="park", values={**BARE, "render_db": 20.0})
    text = markdown(Report("", "", (*RESULTS, other)))
    assert "| mean over zooms | garden | park | all | law |" in text
    assert "| render at C_i against I_i (dB) ↑ | 35.0 | 20.0 | **30.0** | >= 30 |" in text


def test_numbers_and_laws_as_people_read_them() -> None:
    assert (shown(None, 1), shown(3.14159, 2)) == ("-", "3.14")
    laws = {score.key: law_text(score) for score in SCORES}
    assert (laws["render_db"], laws["holes"], laws["slope"]) == (">= 30", "<= 0.5", "-2 to -1")
    assert laws["flicker"] == ""


def test_scores_and_costs_are_apart_in_json() -> None:
    told = json.loads(as_json(REPORT, costs=False))
    assert [zoom["zoom"] for zoom in told["zooms"]] == ["leaf", "vein", "vein"]
    assert told["zooms"][0]["render_db"] == 34.0 and told["zooms"][0]["slope"] is None
    assert told["not_scored"] == {"niqe": "needs a file"} and "seconds" not in told["zooms"][0]
    costs = json.loads(as_json(REPORT, costs=True))
    assert costs["machine"] == "a machine" and costs["zooms"][0]["seconds"] == 3.0
    assert "render_db" not in costs["zooms"][0]


def test_the_plot_has_what_was_measured() -> None:
    one = np.asarray(plotted(RESULTS))
    other = np.asarray(plotted((result("leaf", render_db=34.0),)))
    assert one.shape == other.shape and (one != other).any()


def test_variants_are_compared_by_their_means_at_each_depth(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[Panel] = []
    monkeypatch.setattr(report, "plot", lambda panels, _across: drawn.extend(panels))
    compared(RESULTS)
    panel = drawn[0]
    assert panel.title == "render at C_i against I_i (dB), law >= 30"
    assert panel.lines == {ALL: [(1.0, 35.0)], "without modulation": [(1.0, 20.0)]}
    assert [each.title for each in drawn if not each.lines]  # what nobody has measured is empty
