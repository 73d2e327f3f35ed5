"""Frames do not wait for pyramids: the first are drawn without, later ones with them."""

import asyncio

import pytest
from worlds import nested_world

from wonderzoom.runtime.drawing import Drawing
from wonderzoom.runtime.pacing import Rung
from wonderzoom.runtime.renderers.cpu import CpuRenderer

FULL = Rung(1.0, 90)


@pytest.mark.parametrize("budget", [None, 300])
def test_pyramids_are_made_beside_the_frames(budget: int | None) -> None:
    """With a budget the first frame waits, and keeps to it."""
    world, cameras = nested_world(1, width=64, height=64)
    camera = cameras[0].zoomed(0.3)
    world.header = type(world.header)(h_ref=64)
    with CpuRenderer(1) as renderer:
        drawing = Drawing(world, renderer, budget=budget)
        try:
            asyncio.run(drawing.draw(camera, FULL, False, "somebody"))
            first = renderer.statistics.drawn
            drawing._pyramids._thread.submit(lambda: None).result()  # what was asked before it is done
            asyncio.run(drawing.draw(camera, FULL, False, "somebody"))
            second = renderer.statistics.drawn
        finally:
            drawing.close()
    if budget is None:
        assert 0 < second < 0.5 * first
    else:
        assert 0 < second == first <= budget
    assert any(block.mips for block in world.blocks)
