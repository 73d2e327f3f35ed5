"""The zoom service with real processes that misbehave in every way at once, on a real world."""

import asyncio
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import psutil
import pytest
from zoom_garden import LEFT, RIGHT, Garden

from wonderzoom.generation.committing import CommitThread
from wonderzoom.generation.executors.child import ChildLimits
from wonderzoom.generation.executors.process import ProcessExecutor, ProcessLimits
from wonderzoom.generation.service import ServiceLimits, ZoomRefused, ZoomService
from wonderzoom.generation.zoom_events import ZoomCommitted, ZoomEnd, ZoomFailed
from wonderzoom.generation.zoom_ticket import ZoomTicket
from wonderzoom.runtime.platform import resident_bytes

CHILD = str(Path(__file__).resolve().parent.parent / "support" / "worker_child.py")
CHILD_LIMITS = ChildLimits(
    silence_s=3.0, no_progress_s=3.0, call_off_s=2.0, ping_s=0.1, watch_s=0.05, memory_bytes=2**29
)
LIMITS = ProcessLimits(CHILD_LIMITS, first_delay_s=0.05, longest_delay_s=0.2, hopeless=100)
BAD = ("crash", "exit", "hang", "freeze", "garbage", "endless", "grow", "work", "covered", "refuse")


async def chaos(garden: Garden, seed: int, requests: int) -> list[ZoomEnd]:
    rng = np.random.default_rng(seed)
    incoming = garden.store.path / "incoming"
    command = [sys.executable, CHILD, str(garden.store.path)]
    executor = ProcessExecutor(command, incoming, LIMITS, None, resident_bytes)
    commits = CommitThread(garden.committer)
    service = ZoomService(executor, commits.commit, ServiceLimits(deadline_s=20.0))
    await service.start()
    tickets: list[ZoomTicket] = []
    for number in range(requests):
        prompt = str(rng.choice(BAD)) if rng.random() < 0.5 else f"moss {number}"
        at = LEFT if rng.random() < 0.5 else RIGHT
        viewer = f"v{rng.integers(3)}"
        try:
            wanted = garden.request(at, prompt=prompt, seed=number)
            tickets.append(service.submit(viewer, str(number), wanted, "planes"))
        except ZoomRefused:
            pass
        await asyncio.sleep(float(rng.exponential(0.3)))
        if rng.random() < 0.2:
            late = tickets[rng.integers(len(tickets))]
            service.cancel(late.viewer, late.key)
        if rng.random() < 0.1 and executor.pid is not None:
            psutil.Process(executor.pid).kill()
    ends = [await ticket.ended() for ticket in tickets]
    # Whatever came before, the next good one is made.
    last = service.submit("v9", "last", garden.request(RIGHT, prompt="last", seed=requests), "planes")
    ends.append(await last.ended())
    await service.drain(5.0)
    commits.close()
    assert list(incoming.iterdir()) == [] and psutil.Process().children() == []
    return ends


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_every_request_ends_and_the_world_has_what_was_acknowledged(tmp_path: Path, seed: int) -> None:
    garden = Garden(tmp_path / "garden")
    ends = asyncio.run(chaos(garden, seed, requests=40))
    assert isinstance(ends[-1], ZoomCommitted)
    told = {end.revision: end.node for end in ends if isinstance(end, ZoomCommitted)}
    made = {commit.revision: commit.added[0].id for commit in garden.store.commits(after=1)}
    assert told == made
    assert garden.seen().check() == [] and garden.seen().digest() == garden.committer.world.digest()
    kinds = Counter(type(end).__name__ for end in ends)
    codes = {end.code for end in ends if isinstance(end, ZoomFailed)}
    assert len(kinds) == 3 and "internal" not in codes and len(codes) >= 3, (kinds, codes)
    garden.store.close()
