"""The assembled generator: a photo becomes a world, a prompt becomes a thing in it that deeper zooms draw again."""

from collections.abc import Iterator

import numpy as np
import pytest
from photo_world import photo

from wonderzoom.generation.embedded.generator import NAME, EmbeddedGenerator, warm_up_in_background
from wonderzoom.generation.embedded.memory import decode, gather
from wonderzoom.generation.jobs import CreateRequest, Zoomed, ZoomRequest
from wonderzoom.generation.pipeline import Pipeline
from wonderzoom.runtime.frames import aim
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.renderers.cpu_fitter import CpuFitter
from wonderzoom.scene_graph.ports import FitSettings
from wonderzoom.scene_graph.world import World

FIT = FitSettings(iterations=4)


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(1) as made:
        yield made


def pipeline(renderer: CpuRenderer, threads: int = 1) -> Pipeline:
    return Pipeline(EmbeddedGenerator(threads), renderer, CpuFitter(threads), threads, FIT)


def created(renderer: CpuRenderer, threads: int = 1) -> World:
    made = pipeline(renderer, threads).create(CreateRequest(photo(), seed=5))
    world = World(made.header)
    world.apply(made.commit)
    return world


def zoom(
    world: World, renderer: CpuRenderer, node: str, factor: float, prompt: str, threads: int = 1
) -> Zoomed:
    camera = aim(world, renderer, world.node(node), (0.5, 0.5), factor).camera
    zoomed = pipeline(renderer, threads).zoom(world, ZoomRequest(camera, prompt, seed=2))
    world.apply(zoomed.commit)
    return zoomed


@pytest.fixture(scope="module")
def descent(renderer: CpuRenderer) -> tuple[World, list[Zoomed]]:
    """A photo, a ladybug four times finer, and the ladybug's back four times finer still."""
    world = created(renderer)
    assert world.root is not None
    first = zoom(world, renderer, world.root.id, 4.0, "a ladybug")
    second = zoom(world, renderer, first.node, 4.0, "")
    return world, [first, second]


def test_a_prompted_thing_is_a_node_with_its_sides_and_what_it_hides(
    descent: tuple[World, list[Zoomed]],
) -> None:
    world, (first, _) = descent
    node = world.node(first.node)
    assert first.placed == ("ladybug",) and first.ignored == ()
    assert node.generator == NAME and {"main", "fill", "auxiliary"} <= {view.role for view in node.views}
    memory = decode(node.generator_state)
    assert [thing.kind for thing in memory.things] == ["ladybug"]
    assert world.check() == []


def test_a_deeper_zoom_draws_the_thing_again(descent: tuple[World, list[Zoomed]]) -> None:
    world, (first, second) = descent
    node = world.node(second.node)
    assert node.parent == first.node and second.placed == ()
    assert node.main.image is not None
    picture = node.main.image.astype(np.float64)
    assert np.abs(np.diff(picture, axis=1)).mean() > 1.0  # sharp, not an enlargement
    assert decode(node.generator_state).things == ()  # it is the other node's


def test_without_its_node_the_thing_is_gone(descent: tuple[World, list[Zoomed]]) -> None:
    world, (first, _) = descent
    rest = world.copy()
    rest.apply(rest.propose_removal(first.node))
    assert gather(world)[0] and not gather(rest)[0]


def test_the_same_requests_make_the_same_world_with_any_number_of_threads(
    renderer: CpuRenderer, descent: tuple[World, list[Zoomed]]
) -> None:
    world, (first, _) = descent
    again = created(renderer, threads=2)
    assert again.root is not None
    second = zoom(again, renderer, again.root.id, 4.0, "a ladybug", threads=2)
    assert second.node == first.node
    ours, theirs = ({b.key: b.hash for b in w.blocks_of(first.node)} for w in (world, again))
    assert ours == theirs


def test_kernels_warm_up_in_the_background() -> None:
    thread = warm_up_in_background()
    thread.join(600)
    assert not thread.is_alive()
