"""What a server of one open world needs around it, where a test makes the world's session itself."""

import asyncio

from wonderzoom.runtime.participants import Participant
from wonderzoom.runtime.world_session import WorldSession


class OneRoom:
    """A gallery of one world that is open."""

    def __init__(self, session: WorldSession) -> None:
        self._session = session
        self._frames = asyncio.create_task(session.frames.run(), name="frame loop")

    async def session(self, _name: str = "") -> WorldSession:
        return self._session

    async def goodbye(self) -> None:
        await self._session.close()

    async def close(self) -> None:
        self._frames.cancel()
        await asyncio.gather(self._frames, return_exceptions=True)


class NoUploads:
    """Nobody sends photos."""

    def left(self, _who: Participant) -> None:
        pass
