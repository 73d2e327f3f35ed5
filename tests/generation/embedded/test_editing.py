"""The edit: prompts become things and materials of the right size, said honestly, the same every time."""

from dataclasses import replace

import numpy as np
import pytest
from photo_world import PhotoWorld, photo

from wonderzoom.generation.embedded.chart import Charts
from wonderzoom.generation.embedded.editing import PROMPTED, EditorStage, Prompted
from wonderzoom.generation.embedded.lexicon import LONGEST_PROMPT
from wonderzoom.generation.embedded.upscaling import EmbeddedUpscaler
from wonderzoom.generation.jobs import GenerationError
from wonderzoom.generation.stages import Edited, ZoomContext
from wonderzoom.scene_graph.ports import Cancelled, Control

SIDE = 96
MARGIN = 8
FACTOR = 4.0


def context_of(
    prompt: str, seed: int = 3, tilt: float = 0.5, threads: int = 1, sky: bool = False
) -> ZoomContext:
    """A zoom into a photo on a tilted plane, with overscan."""
    found = PhotoWorld.of(photo(), tilt)
    camera = found.zoomed(FACTOR, side=SIDE).widened(MARGIN)
    observation = replace(found.observed(camera, FACTOR), margin=MARGIN)
    if sky:  # nothing known in the upper half
        zeta = observation.zeta.copy()
        zeta[: SIDE // 2] = np.nan
        observation = replace(observation, zeta=zeta)
    context = found.context(observation, threads=threads)
    return replace(context, request=replace(context.request, prompt=prompt, seed=seed))


def edit(context: ZoomContext, **control: object) -> Edited:
    return EditorStage().edit(context, context.observation.color, Control(**control))  # type: ignore[arg-type]


def prompted(context: ZoomContext) -> Prompted:
    found = context.shared[PROMPTED]
    assert isinstance(found, Prompted)
    return found


def frame(values: np.ndarray) -> np.ndarray:
    return values[MARGIN:-MARGIN, MARGIN:-MARGIN]


@pytest.mark.parametrize("kind", ["ladybug", "mushroom", "feather", "house", "dewdrop", "key"])
def test_a_thing_fills_a_fair_share_of_the_frame(kind: str) -> None:
    edited = edit(context_of(f"a {kind}"))
    assert edited.placed == (kind,) and edited.ignored == ()
    assert 0.13 <= frame(edited.structure).mean() <= 0.62
    assert frame(edited.new).mean() >= 0.05
    assert (edited.new | ~edited.structure).all()
    assert edited.structure_zeta is not None and np.isfinite(edited.structure_zeta[edited.structure]).all()


@pytest.mark.parametrize("prompt", ["three daisies", "five ants and a bee"])
def test_several_things_share_the_frame(prompt: str) -> None:
    context = context_of(prompt)
    edited = edit(context)
    assert len(prompted(context).things) == sum(
        int(part.split()[0]) if part[0].isdigit() else 1 for part in edited.placed
    )
    assert 0.12 <= frame(edited.structure).mean() <= 0.65


def test_words_for_size_count() -> None:
    shares = [
        frame(edit(context_of(f"a {size} pebble")).structure).mean() for size in ("tiny", "small", "", "huge")
    ]
    assert shares == sorted(shares) and shares[0] < 0.14 and shares[-1] > 0.4


def test_colour_words_colour_the_thing() -> None:
    plain, blue = (edit(context_of(f"a {word} beetle")) for word in ("", "blue"))
    means = [each.image[each.structure].mean(0) for each in (plain, blue)]
    assert means[1][2] > means[1][0] and means[1][2] - means[0][2] > 0.05


def test_the_thing_stands_where_the_person_looked() -> None:
    edited = edit(context_of("a ladybug"))
    rows, columns = np.nonzero(edited.structure)
    middle = edited.structure.shape[0] / 2
    assert abs(rows.mean() - middle) < 0.15 * SIDE and abs(columns.mean() - middle) < 0.15 * SIDE


def test_new_depth_is_near_the_surface_it_stands_on() -> None:
    context = context_of("a ladybug")
    edited = edit(context)
    zeta = edited.structure_zeta
    assert zeta is not None
    above = (context.observation.zeta - zeta)[edited.structure]
    assert np.median(above) > 0  # toward the viewer
    assert np.abs(above).max() < 1.2 * SIDE


def test_under_is_the_picture_without_the_thing_in_its_shadow() -> None:
    context = context_of("a ladybug")
    edited = edit(context)
    assert edited.under is not None
    assert (edited.under <= context.observation.color + 1e-5).all()
    beside = ~edited.new
    assert np.abs(edited.under - edited.image)[beside].max() < 0.03


def test_what_can_not_be_made_is_said_and_changes_nothing() -> None:
    context = context_of("a purple dragon")
    edited = edit(context)
    assert edited.ignored == ("dragon", "purple") and edited.placed == ()
    assert not edited.new.any() and not edited.structure.any()
    assert np.array_equal(edited.image, context.observation.color)
    assert prompted(context) == Prompted()


def test_a_stand_in_is_named() -> None:
    assert edit(context_of("a wasp")).placed == ("bee (for wasp)",)


def test_a_material_covers_much_of_the_frame_with_an_irregular_edge() -> None:
    context = context_of("moss")
    edited = edit(context)
    share = frame(edited.new).mean()
    assert edited.placed == ("moss",) and not edited.structure.any()
    assert 0.2 < share < 0.95
    (patch,) = prompted(context).materials
    assert patch.material == "moss" and patch.radius > 0 and patch.chart == ""
    green = edited.image[edited.new].mean(0) - context.observation.color[edited.new].mean(0)
    assert green[1] > green[0]


def test_the_chart_of_the_upscaler_gives_the_same_patch_as_the_cameras() -> None:
    """With another generator's upscaler there is no chart to share: the cameras say the same."""
    alone, after = context_of("moss"), context_of("moss")
    EmbeddedUpscaler(Charts()).upscale(after, (), Control())
    edit(alone)
    edit(after)
    (a,), (b,) = prompted(alone).materials, prompted(after).materials
    assert a.center == pytest.approx(b.center, abs=0.5) and a.radius == pytest.approx(b.radius, rel=0.05)


def test_a_thing_stands_on_the_laid_material() -> None:
    edited = edit(context_of("a frog on moss, moss"))
    assert edited.placed == ("frog", "moss")
    assert edited.structure.any() and (edited.new & ~edited.structure).mean() > 0.1


def test_things_do_not_stand_on_what_nobody_knows() -> None:
    edited = edit(context_of("two pebbles", sky=True))
    assert edited.structure.any()


def test_the_same_request_makes_the_same_bytes_and_another_seed_another_thing() -> None:
    one, again, other = (
        context_of("a bee", threads=1),
        context_of("a bee", threads=3),
        context_of("a bee", seed=4),
    )
    first, second, third = (edit(each) for each in (one, again, other))
    assert np.array_equal(first.image, second.image) and prompted(one) == prompted(again)
    assert not np.array_equal(first.image, third.image)


def test_a_flood_of_words_is_an_error_of_this_stage() -> None:
    with pytest.raises(GenerationError, match="edit"):
        edit(context_of("a" * (LONGEST_PROMPT + 1)))


def test_a_cancelled_edit_stops() -> None:
    with pytest.raises(Cancelled):
        edit(context_of("a ladybug"), cancelled=lambda: True)
