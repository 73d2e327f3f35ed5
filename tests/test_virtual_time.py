"""The virtual clock that simulations stand on."""

import asyncio
import time

import pytest
import virtual_time


def test_an_hour_passes_at_once_and_in_order() -> None:
    heard: list[tuple[float, str]] = []

    async def wait(name: str, seconds: float) -> None:
        await asyncio.sleep(seconds)
        heard.append((round(asyncio.get_running_loop().time(), 6), name))

    async def main() -> float:
        await asyncio.gather(wait("b", 3600.0), wait("a", 0.5), wait("c", 3600.0))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(60.0):
                await asyncio.Event().wait()
        return asyncio.get_running_loop().time()

    began = time.monotonic()
    assert virtual_time.run(main()) == pytest.approx(3660.0)
    assert time.monotonic() - began < 600.0
    assert heard == [(0.5, "a"), (3600.0, "b"), (3600.0, "c")]


def test_work_for_a_thread_is_done_at_once_here() -> None:
    async def main() -> None:
        assert await asyncio.to_thread(lambda: 5) == 5
        with pytest.raises(KeyError):
            await asyncio.to_thread({}.__getitem__, "x")
        assert asyncio.get_running_loop().time() == 0.0

    virtual_time.run(main())


def test_what_can_never_end_says_so() -> None:
    with pytest.raises(virtual_time.Deadlock):
        virtual_time.run(_forever())


async def _forever() -> None:
    await asyncio.Event().wait()


def test_a_task_that_is_left_is_an_error() -> None:
    async def main() -> None:
        asyncio.create_task(asyncio.sleep(1.0), name="forgotten")  # noqa: RUF006

    with pytest.raises(AssertionError, match="forgotten"):
        virtual_time.run(main())
