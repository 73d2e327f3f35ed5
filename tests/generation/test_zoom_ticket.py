"""A waiter's stream: whatever comes and however it is read, it is bounded, in order, and ends once."""

import numpy as np
import virtual_time
from hypothesis import given
from hypothesis import strategies as st

from wonderzoom.generation.jobs import STAGES, Stage
from wonderzoom.generation.zoom_events import ZoomCancelled, ZoomEvent, ZoomQueued, ZoomRunning
from wonderzoom.generation.zoom_ticket import ZoomTicket

PREVIEW = np.zeros((1, 1, 3), np.uint8)
# What a service may say: a number is a place in the queue, a stage how far it is.
SAYINGS = st.lists(st.integers(1, 5) | st.sampled_from(STAGES), max_size=40)


def said(what: int | Stage, number: int) -> ZoomEvent:
    if isinstance(what, int):
        return ZoomQueued(what, 8.0 * what)
    return ZoomRunning(what, number / 100, PREVIEW if what == "edit" else None)


async def waiting(ticket: ZoomTicket) -> list[ZoomEvent]:
    """All that waits to be read."""
    found: list[ZoomEvent] = []
    while ticket._pending:
        found.append(await anext(ticket))
    return found


@given(SAYINGS, st.sets(st.integers(0, 40)))
def test_a_reader_hears_the_newest_of_each_stage_in_order_and_the_end(
    sayings: list[int | Stage], reads: set[int]
) -> None:
    async def main() -> None:
        ticket = ZoomTicket("a", "1")
        unread: list[ZoomEvent] = []
        for number, what in enumerate(sayings):
            event = said(what, number)
            ticket.offer(event)
            # The model: a place voids all that was unread; a stage replaces itself and every place.
            if isinstance(event, ZoomQueued):
                unread = [event]
            else:
                assert isinstance(event, ZoomRunning)
                unread = [each for each in unread if not isinstance(each, ZoomQueued)]
                same = [i for i, each in enumerate(unread) if each.stage == event.stage]  # type: ignore[union-attr]
                unread[same[0] if same else len(unread) : (same[0] + 1) if same else len(unread)] = [event]
            assert len(ticket._pending) <= len(STAGES)
            if number in reads:
                assert await waiting(ticket) == unread
                unread = []
        ticket.offer(ZoomCancelled())
        heard = [event async for event in ticket]
        assert heard == [*(e for e in unread if not isinstance(e, ZoomQueued)), ZoomCancelled()]
        assert all(e.preview is PREVIEW for e in heard if isinstance(e, ZoomRunning) and e.stage == "edit")
        assert await ticket.ended() == ticket.end == ZoomCancelled()

    virtual_time.run(main())


def test_a_preview_that_was_not_read_is_kept_when_its_stage_goes_on() -> None:
    async def main() -> None:
        ticket = ZoomTicket("a", "1")
        ticket.offer(ZoomRunning("edit", 0.5, PREVIEW))
        ticket.offer(ZoomRunning("edit", 1.0))
        event = await anext(ticket)
        assert isinstance(event, ZoomRunning) and event.fraction == 1.0 and event.preview is PREVIEW

    virtual_time.run(main())
