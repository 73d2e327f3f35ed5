"""What a client has to say and has not said yet: in order, of cameras only the newest, and never too fast.

Without sockets and clocks: ``next`` is told the time. The pace stays below what servers allow (``MESSAGES_PER_S``,
with bursts of ``MESSAGE_BURST``), so that no program is thrown out for calling ``look`` in a loop.
"""

from __future__ import annotations

from collections import deque
from typing import TypeVar

import msgspec

from wonderzoom.clients.errors import RequestFailed
from wonderzoom.protocol import limits
from wonderzoom.protocol.codec import decode_from_client, encode
from wonderzoom.protocol.errors import ErrorCode, ProtocolError
from wonderzoom.protocol.messages import Ack, Camera, Follow, FromClient

_Message = TypeVar("_Message", bound=FromClient)

CAMERA_S = 1.0 / limits.MAX_FPS  # nobody is shown more
_PER_S = 0.8 * limits.MESSAGES_PER_S
_BURST = 0.5 * limits.MESSAGE_BURST
_MAX_WAITING = 1024  # messages


class Outbox:
    """See the module docstring. Times are in seconds, of any clock that only goes forward."""

    def __init__(self) -> None:
        self._waiting: deque[FromClient] = deque()
        self._camera: Camera | None = None
        self._camera_due = self._counted = float("-inf")
        self._allowance = _BURST

    def put(self, message: FromClient) -> None:
        """Say this, after what waits already. Raises RequestFailed where too much waits."""
        full = len(self._waiting) >= _MAX_WAITING
        if isinstance(message, Ack):
            if not full:  # only a server that sends without credit gets that far
                self._waiting.appendleft(message)  # the server waits for it with the next frame
        elif isinstance(message, Follow) and self._camera is not None and not full:
            self._waiting += (self._camera, message)  # a camera that comes after it would end it
            self._camera = None
        elif full:
            raise RequestFailed(ErrorCode.BUSY, f"{_MAX_WAITING} messages wait to be sent already")
        else:
            self._waiting.append(message)

    def look(self, camera: Camera) -> None:
        """Say this camera instead of one that is not said yet."""
        self._camera = camera

    def clear(self) -> None:
        """Forget everything: there is a new connection, which allows a new burst."""
        self._waiting.clear()
        self._camera = None
        self._camera_due, self._allowance = float("-inf"), _BURST

    def next(self, now: float) -> FromClient | float | None:
        """A message to say now, or the seconds to wait for one, or None: there is nothing to say."""
        if not self._waiting and self._camera is None:
            return None
        gained = 0.0 if self._counted == float("-inf") else max(0.0, now - self._counted) * _PER_S
        self._allowance, self._counted = min(self._allowance + gained, _BURST), max(self._counted, now)
        if self._allowance < 1.0:
            return (1.0 - self._allowance) / _PER_S + 1e-4
        behind = any(isinstance(each, Follow) for each in self._waiting)
        if self._camera is not None and now >= self._camera_due and not behind:
            message: FromClient = self._camera
            self._camera, self._camera_due = None, now + CAMERA_S
        elif self._waiting:
            message = self._waiting.popleft()
        else:
            return self._camera_due - now
        self._allowance -= 1.0
        return message


def checked(message: _Message) -> _Message:
    """The message, if a server would take it. Raises ValueError."""
    try:
        decode_from_client(encode(message))
    except (ProtocolError, OverflowError, TypeError, msgspec.MsgspecError) as error:
        raise ValueError(f"{type(message).__name__}: {error}") from None
    return message
