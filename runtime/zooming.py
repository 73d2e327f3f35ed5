"""One zoom by the zoom service, in this process: what the command line takes the server's path by.

The service, its queue and its committer are the server's; only the executor is another one, a thread, as a
command has nobody else to protect from a crash.
"""

from __future__ import annotations

import asyncio
import logging
import math

from wonderzoom.generation.committing import Committer, CommitThread
from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.executors.inline import InlineExecutor
from wonderzoom.generation.jobs import StageEvent, Watch, ZoomRequest
from wonderzoom.generation.service import ServiceLimits, ZoomService
from wonderzoom.generation.zoom_events import JobFailed, ZoomCommitted, ZoomFailed, ZoomRunning
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.runtime.build import Maker
from wonderzoom.runtime.paged import Paged
from wonderzoom.scene_graph.ports import Cancelled
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.world import World

# A command raises what goes wrong; printing it in the log as well would tell it twice.
logging.getLogger("wonderzoom.generation").addHandler(logging.NullHandler())
# A person who interrupts a command waits no longer than this for the step that is under way.
_PATIENCE_S = 0.5
_NO_DEADLINE = ServiceLimits(deadline_s=math.inf)  # a person at a terminal sees how far it is, and interrupts


def zoom_once(
    store: WorldStore, world: World, request: ZoomRequest, generator: str, maker: Maker, watch: Watch
) -> ZoomCommitted:
    """Make one zoom durable, and real in ``world``; ``watch`` is told of its stages.

    Raises what the zoom raises; then the world is as it was.
    """
    return asyncio.run(_zoom(store, world, request, generator, maker, watch))


async def _zoom(
    store: WorldStore, world: World, request: ZoomRequest, generator: str, maker: Maker, watch: Watch
) -> ZoomCommitted:
    def make(wish: ZoomWish, inner: Watch) -> Proposal:
        return Proposal(maker.zoom(wish.generator, world, wish.request, inner), world.revision)

    commits = CommitThread(Committer(Paged(store, maker.pages), world))
    service = ZoomService(InlineExecutor(make, _PATIENCE_S), commits.commit, _NO_DEADLINE)
    try:
        await service.start()
        ticket = service.submit("command line", "zoom", request, generator)
        async for event in ticket:
            if isinstance(event, ZoomRunning):
                watch.event(StageEvent(event.stage, event.fraction, event.preview))
    finally:
        await service.drain(0.0)
        commits.close()
    match ticket.end:
        case ZoomCommitted():
            return ticket.end
        case ZoomFailed():
            raise ticket.end.cause or JobFailed(ticket.end)
        case _:
            raise Cancelled
