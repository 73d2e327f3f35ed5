"""``wonderzoom evaluate``: worlds made, views drawn, scores and pictures written, in an order that can be resumed.

Owns the folder of an evaluation:

    worlds/             the worlds of a suite, each once, and once more for every ablation that makes another one
    parts/, learned/    the scores of each zoom; one that is there and still true is not taken again
    pictures/           nine views of each new scene; and one view with and without each part of the method
    report.md, scores.json, costs.json, plot.png, comparison.png
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime import commands
from wonderzoom.runtime.build import Maker
from wonderzoom.runtime.damage import damage_is_said
from wonderzoom.runtime.errors import CommandError, UsageError
from wonderzoom.runtime.evaluation import frame_files, sheets
from wonderzoom.runtime.evaluation.asked import learned_scores
from wonderzoom.runtime.evaluation.learned import Learned, told
from wonderzoom.runtime.evaluation.machine import machine
from wonderzoom.runtime.evaluation.measuring import depths, measure, of_pictures, to_bytes
from wonderzoom.runtime.evaluation.parts import Part, Taken
from wonderzoom.runtime.evaluation.report import (
    ALL,
    Report,
    Result,
    as_json,
    compared,
    markdown,
    mean,
    plotted,
    variants_of,
)
from wonderzoom.runtime.evaluation.steps import Step, drawn, factor_of, frames_of, steps
from wonderzoom.runtime.evaluation.suite import DEGREES, Entry, check_degrees, read_suite
from wonderzoom.runtime.evaluation.views import MIDDLE, ZoomCameras, descent_name, view_name, zoom_cameras
from wonderzoom.runtime.evaluation.worlds import (
    Subject,
    ablated_world,
    made_world,
    making_costs,
    opened_world,
)
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.scales import Modulation
from wonderzoom.scene_graph.world import World

U8 = NDArray[np.uint8]
Clock = Callable[[], float]
VERSION = 5  # of the scores: another one, and what was kept is taken again
SUITE = ".toml"
PLOT, COMPARISON = "plot.png", "comparison.png"
_Steps = Callable[[], dict[str, Step]]
MODULATION, REGISTRATION, AUXILIARY = "modulation", "registration", "auxiliary"


@dataclass
class Evaluation:
    """One run of the command, as far as it is."""

    output: Path
    maker: Maker
    clock: Clock
    degrees: float
    learned: Learned
    frames: Path | None = None
    write_frames: Path | None = None
    results: list[Result] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    pictures: list[tuple[str, str]] = field(default_factory=list)


def evaluate(command: commands.Evaluate, maker: Maker, clock: Clock) -> int:
    """Score a world or a suite; the exit code."""
    check_degrees("--degrees", command.degrees if command.degrees is not None else DEGREES)
    without = _without(command)
    is_suite = command.place.suffix.lower() == SUITE
    rebuilt = [name for name in without if name != MODULATION]
    if rebuilt and not is_suite:
        raise UsageError(
            f"--without-{rebuilt[0]} makes worlds again and needs a suite ({SUITE}); {command.place} is a world"
        )
    if command.output.exists() and not command.output.is_dir():
        raise CommandError(f"{command.output}: this is a file; name a folder for the evaluation")
    suite = read_suite(command.place) if is_suite else None
    degrees = command.degrees or (suite.degrees if suite is not None else DEGREES)
    command.output.mkdir(parents=True, exist_ok=True)
    learned = learned_scores(command.learned, command.pristine)
    run = Evaluation(command.output, maker, clock, degrees, learned, command.frames, command.write_frames)
    if suite is None:
        entries: list[Entry | None] = [None]
        subjects = [opened_world(command.place, maker.pages)]
    else:
        entries = [*suite.entries]
        subjects = [made_world(each, run.output / "worlds", maker, clock) for each in suite.entries]
    with damage_is_said(command.place if suite is None else run.output / "worlds"):
        _evaluate(run, [_case(run, *each) for each in zip(subjects, entries, strict=True)], without)
    _write(run, str(command.place))
    return 0


def _without(command: commands.Evaluate) -> list[str]:
    flags = (
        (MODULATION, command.without_modulation),
        (REGISTRATION, command.without_registration),
        (AUXILIARY, command.without_auxiliary),
    )
    return [name for name, asked in flags if asked]


@dataclass(frozen=True, slots=True)
class _Case:
    """One world, taken apart, and the cameras of its zooms."""

    subject: Subject
    entry: Entry | None  # of the suite
    digest: str
    taken: _Steps
    cameras: dict[str, ZoomCameras]


def _lazily(world: World) -> _Steps:
    """The steps of a world, taken apart once something has to be drawn: that takes seconds."""
    return cache(partial(steps, world))


def _case(run: Evaluation, subject: Subject, entry: Entry | None) -> _Case:
    frames = frames_of(subject.world, subject.zooms)
    cameras = {name: zoom_cameras(parent, frame, run.degrees) for name, (parent, frame) in frames.items()}
    return _Case(subject, entry, subject.world.digest(), _lazily(subject.world), cameras)


def _evaluate(run: Evaluation, cases: Sequence[_Case], without: Sequence[str]) -> None:
    """What costs least comes first: missing frames are named, then whole worlds are scored, then ablated ones."""
    if run.frames is not None:
        asked = {(case.subject.name, zoom): each for case in cases for zoom, each in case.cameras.items()}
        frame_files.check_frames(run.frames, asked)
    whole = [_whole(run, case) for case in cases]
    for case in cases:
        if run.frames is not None:
            _other_method(run, case, run.frames)
        if run.write_frames is not None:
            _our_frames(run, case, run.write_frames)
    for name in without:
        beside = [_ablated(run, case, name, scored) for case, scored in zip(cases, whole, strict=True)]
        _contact(run, name, beside)


# ---- one world --------------------------------------------------------------------------------------


def _whole(run: Evaluation, case: _Case) -> dict[str, _Part]:
    """Score a world as it is, and show its nine views."""
    return _scored(run, case, case.subject, case.taken, ALL, "optical_mass")


def _ablated(run: Evaluation, case: _Case, name: str, whole: dict[str, _Part]) -> dict[str, Path]:
    """Score a world without a part of the method, and show it beside the whole one: a picture for each zoom."""
    subject, taken = case.subject, case.taken
    modulation: Modulation = "none" if name == MODULATION else "optical_mass"
    if name != MODULATION:
        assert case.entry is not None
        subject = ablated_world(case.entry, subject, name, run.output / "worlds", run.maker, run.clock)
        run.notes += [subject.note] if subject.note else []
        taken = _lazily(subject.world)
    scored = _scored(run, case, subject, taken, f"without {name}", modulation)
    return {
        f"{case.subject.name}/{zoom}": _beside(run, case, zoom, name, part, whole[zoom])
        for zoom, part in scored.items()
    }


@dataclass(frozen=True, slots=True)
class _Part:
    """Pictures of one zoom, drawn when they are needed."""

    drawn: Callable[[Sequence[Camera]], Sequence[U8]]
    fresh: bool  # scored now: what pictures there are show something else


def _scored(
    run: Evaluation,
    case: _Case,
    subject: Subject,
    taken: _Steps,
    variant: str,
    modulation: Modulation,
) -> dict[str, _Part]:
    """The results of every zoom in one variant, kept or taken; ``subject``: the case's own world, or an ablated one."""
    digest = f"{case.digest} {subject.world.digest()}"
    found: dict[str, _Part] = {}
    what = f"scoring {subject.name}" if variant == ALL else f"scoring {subject.name} {variant}"
    with run.maker.reporter.task(what, len(subject.zooms)) as done:
        for number, (zoom, node) in enumerate(subject.zooms.items(), 1):
            question = (VERSION, digest, zoom, run.degrees, modulation)
            file = Path(variant.replace(" ", "-")) / subject.name / f"{zoom}.json"
            prompt, cams = subject.world.node(node).prompt, case.cameras[zoom]
            draw = partial(_drawn, run, taken, node, modulation=modulation)
            views: Sequence[U8] = ()  # drawn at most once
            part = Part(run.output / "parts" / file, question)
            kept = part.read()
            fresh = kept is None
            if kept is None:
                measured = measure(
                    taken()[node], cams, run.maker.renderer, run.clock, modulation, variant == ALL
                )
                costs = measured.costs | making_costs(subject.makings.get(node))
                kept, views = part.keep(Taken(measured.values, costs)), measured.views
            values = kept.values
            if run.learned.keys:
                part = Part(run.output / "learned" / file, (*question, run.learned.identity))
                learned = part.read()
                if learned is None:
                    views = views or draw(cams.views)
                    learned = part.keep(Taken(run.learned.score(views, prompt)))
                values = values | learned.values
            if variant == ALL:
                path = Path("pictures") / subject.name / f"{zoom}.jpg"
                if fresh or not (run.output / path).exists():
                    sheets.save(sheets.grid(views or draw(cams.views)), run.output / path)
                run.pictures.append((f"{subject.name}/{zoom}: the nine views", path.as_posix()))
            result = Result(
                subject.name, zoom, number, len(subject.world.path(node)) - 1, prompt,
                factor_of(cams.descent[0], cams.descent[-1]), variant, values, kept.costs,
            )  # fmt: skip
            run.results.append(result)
            found[zoom] = _Part(draw, fresh)
            done(number)
    return found


def _drawn(
    run: Evaluation,
    taken: _Steps,
    node: str,
    cameras: Sequence[Camera],
    modulation: Modulation = "optical_mass",
) -> list[U8]:
    """The world right after a zoom, as bytes: the pictures that are scored."""
    world = taken()[node].after
    return [to_bytes(drawn(world, camera, run.maker.renderer, modulation)[0].color) for camera in cameras]


def _beside(run: Evaluation, case: _Case, zoom: str, name: str, without: _Part, whole: _Part) -> Path:
    """The view that the ablation changes most, side by side: of modulation on the way, of others round the scene."""
    world, cameras = case.subject.name, case.cameras[zoom]
    path = Path("pictures") / world / f"{zoom}-without-{name}.jpg"
    if without.fresh or whole.fresh or not (run.output / path).exists():
        asked = cameras.descent if name == MODULATION else cameras.views
        ones, others = without.drawn(asked), whole.drawn(asked)
        index = sheets.most_different(ones, others)
        sheets.save(sheets.side_by_side(ones[index], others[index], name), run.output / path)
    run.pictures.append((f"{world}/{zoom}: without {name}, and with it", path.as_posix()))
    return run.output / path


def _contact(run: Evaluation, name: str, worlds: Sequence[dict[str, Path]]) -> None:
    """One sheet of an ablation: of each world the zoom that it changes most."""
    shown: list[tuple[U8, U8, str]] = []
    for beside in worlds:
        pairs = [(*sheets.pair(path), zoom) for zoom, path in beside.items()]
        if pairs:
            most = sheets.most_different([one for one, _, _ in pairs], [other for _, other, _ in pairs])
            shown.append(pairs[most])
    if len(worlds) > 1 and shown:
        path = Path("pictures") / f"without-{name}.jpg"
        sheets.save(sheets.contact(shown, name), run.output / path)
        text = f"without {name} (above) and with it: of each world the zoom that it changes most"
        run.pictures.append((text, path.as_posix()))


# ---- frames of other programs -----------------------------------------------------------------------


def _other_method(run: Evaluation, case: _Case, frames: Path) -> None:
    """Score another method's frames of the same paths, by what pictures tell."""
    name, subject, taken = frames.resolve().name, case.subject, case.taken()
    for number, (zoom, node) in enumerate(subject.zooms.items(), 1):
        cams = case.cameras[zoom]
        pictures = frame_files.read_frames(frame_files.folder_of(frames, subject.name, zoom), cams.named)
        nine = [pictures[view_name(i)] for i in range(len(cams.views))]
        descent = frame_files.as_floats([pictures[descent_name(i)] for i in range(len(cams.descent))])
        middle = frame_files.as_floats([nine[MIDDLE]])[0]
        values = of_pictures(descent, middle, cams, depths(taken[node], cams, run.maker.renderer))
        prompt = taken[node].node.prompt
        factor = factor_of(cams.descent[0], cams.descent[-1])
        depth = len(subject.world.path(node)) - 1
        values |= run.learned.score(nine, prompt)
        run.results.append(
            Result(subject.name, zoom, number, depth, prompt, factor, f"frames of {name}", values, {})
        )


def _our_frames(run: Evaluation, case: _Case, frames: Path) -> None:
    """Write the cameras, and our own pictures, as another method's are asked for."""
    subject, taken = case.subject, case.taken
    for zoom, node in subject.zooms.items():
        cams = case.cameras[zoom]
        names = cams.named
        pictures = dict(zip(names, _drawn(run, taken, node, list(names.values())), strict=True))
        folder = frame_files.folder_of(frames, subject.name, zoom)
        factor = factor_of(cams.descent[0], cams.descent[-1])
        frame_files.write_frames(folder, cams, pictures, subject.world.node(node).prompt, factor)


def _write(run: Evaluation, place: str) -> None:
    """Everything that is told, to files and in a few lines."""
    note = "Every score is of the stored surfels, drawn by the renderer."
    beside = len(variants_of(run.results)) > 1
    plots = [("scores over the depth of the zoom, a line a world", PLOT)]
    plots += [("means over the worlds, a line a variant", COMPARISON)] if beside else []
    report = Report(
        f"Evaluation of {place}",
        f"{machine()}. {note}",
        tuple(run.results),
        run.learned.missing,
        tuple(run.notes),
        (*plots, *run.pictures),
    )
    (run.output / "report.md").write_text(markdown(report), encoding="utf-8")
    (run.output / "scores.json").write_text(as_json(report, costs=False), encoding="utf-8")
    (run.output / "costs.json").write_text(as_json(report, costs=True), encoding="utf-8")
    sheets.save(plotted(run.results), run.output / PLOT)
    if beside:
        sheets.save(compared(run.results), run.output / COMPARISON)
    count = len([r for r in run.results if r.variant == ALL])
    render, _ = mean(run.results, ALL, "render_db")
    holes, _ = mean(run.results, ALL, "holes")
    said = f"render {render:.1f} dB, " if render is not None else ""
    hole = f"holes {holes:.2f} %" if holes is not None else ""
    print(f"{run.output / 'report.md'}: {count} zooms scored: {said}{hole}")
    for line in told(run.learned.missing):
        print(line)
