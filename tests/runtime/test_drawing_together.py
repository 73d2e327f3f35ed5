"""Frames of several viewers by one call of the renderer: what each would see alone."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from worlds import nested_world

from wonderzoom.runtime.drawing import Drawing
from wonderzoom.runtime.frame_loop import STILL, Drawn, Order
from wonderzoom.runtime.pacing import LADDER
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
        Order((cameras[0],), STILL, True, "a"),
        Order((cameras[1].orbited(0.1, 0.0),), LADDER[3], False, "b"),
        Order((cameras[1].resized(40, 20),), LADDER[0], False, "c"),
    ]

    async def body() -> tuple[list[Drawn], list[Drawn]]:
        assert drawing.together is not None and drawing.together.most == 3
        shared = [await each for each in await drawing.together.draw(orders)]
        return shared, [await drawing.draw(order) for order in orders]

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
        assert (one.views, one.revision) == (other.views, other.revision)
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
