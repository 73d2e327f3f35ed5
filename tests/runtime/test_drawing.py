"""Frames of a world in threads: what several share is what each would be alone, and none waits for pyramids."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from worlds import nested_world

from wonderzoom.runtime.drawing import Drawing
from wonderzoom.runtime.frame_loop import STILL, Drawn, Order
from wonderzoom.runtime.pacing import LADDER, Rung
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.ports import BatchRenderer, Look


class Several(CpuRenderer):
    """A CPU renderer that takes several pictures at once, one after the other."""

    together = 3

    def __init__(self) -> None:
        super().__init__(1)
        self.calls: list[int] = []

    def render_colors(self, looks: Sequence[Look]) -> list[NDArray[np.uint8]]:
        self.calls.append(len(looks))
        return [self.render_color(look.visible, look.camera, look.settings) for look in looks]


def test_a_call_for_several_viewers_draws_for_each_what_it_would_see_alone() -> None:
    world, cameras = nested_world(1, width=36, height=27)
    orders = [
        Order(cameras[0], STILL, True, "a"),
        Order(cameras[1].orbited(0.1, 0.0), LADDER[3], False, "b"),
        Order(cameras[1].resized(40, 20), LADDER[0], False, "c"),
    ]

    async def body() -> tuple[list[Drawn], list[Drawn]]:
        assert drawing.together is not None and drawing.together.most == 3
        shared = [await each for each in await drawing.together.draw(orders)]
        return shared, [
            await drawing.draw(order.camera, order.rung, order.still, order.viewer) for order in orders
        ]

    with Several() as renderer:
        drawing = Drawing(world.copy(), renderer)
        try:
            asyncio.run(body())
            drawing._pyramids._thread.submit(lambda: None).result()  # pyramids are there from now on
            renderer.calls.clear()
            shared, alone = asyncio.run(body())
        finally:
            drawing.close()
        assert renderer.calls == [3]
    for one, other in zip(shared, alone, strict=True):
        assert (one.payload, one.camera, one.revision) == (other.payload, other.camera, other.revision)
        assert (one.sharing, other.sharing) == (3, 1)
        assert one.cost_s == pytest.approx(one.render_s / 3 + one.encode_s)
    assert len({one.render_s for one in shared}) == 1


def test_the_cpu_draws_one_frame_in_a_call() -> None:
    world, _ = nested_world(1, width=36, height=27)
    with CpuRenderer(1) as renderer:
        assert not isinstance(renderer, BatchRenderer)
        drawing = Drawing(world.copy(), renderer)
        assert drawing.together is None
        drawing.close()


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
