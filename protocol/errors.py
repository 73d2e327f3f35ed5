"""What can go wrong between two peers: the codes on the wire, and the exceptions of this package.

ProtocolError
├── Malformed        bytes that are no message
│   └── TooLarge     more bytes than a message may have
└── Violation        a message at the wrong time
"""

from __future__ import annotations

import enum


class ErrorCode(enum.StrEnum):
    """``error.code``. What a person reads is in ``error.message``."""

    MALFORMED = "malformed"  # not a message; nothing of it was used
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"  # messages a second
    UNEXPECTED = "unexpected"  # a message at the wrong time, a second hello
    UNSUPPORTED = "unsupported"  # understood, and not offered here
    FORBIDDEN = "forbidden"  # the role does not allow it
    NOT_FOUND = "not_found"  # a frame, node, request or upload that is not there (any more)
    NOTHING_THERE = "nothing_there"  # a pick or zoom on the sky, or outside
    ALREADY_COVERED = "already_covered"  # this place has content of this scale; give a prompt
    INVALID = "invalid"  # a value that no zoom or upload can have
    BUSY = "busy"  # a full queue or quota; later it may work
    LOST = "lost"  # a worker was lost; asking again may work
    TIMED_OUT = "timed_out"
    OUT_OF_SPACE = "out_of_space"
    CONFLICT = "conflict"  # the world changed under a job again and again
    FAILED = "failed"  # anything else; the message says what

    @property
    def retryable(self) -> bool:
        """Whether the same request may succeed later."""
        return self in _RETRYABLE


_RETRYABLE = frozenset(
    {
        ErrorCode.TOO_MANY,
        ErrorCode.BUSY,
        ErrorCode.LOST,
        ErrorCode.TIMED_OUT,
        ErrorCode.OUT_OF_SPACE,
        ErrorCode.CONFLICT,
    }
)


class CloseCode(enum.IntEnum):
    """Websocket close codes (4000 to 4999 are for applications, RFC 6455, 7.4.2)."""

    NORMAL = 1000
    GOING_AWAY = 1001  # the server drains; reconnect
    MALFORMED = 4400
    WRONG_TOKEN = 4401
    FORBIDDEN = 4403
    NO_WORLD = 4404  # the world that was asked for is not here, or can't be opened
    HELLO_TIMEOUT = 4408
    VERSION = 4426  # no protocol version in common
    TOO_MANY = 4429
    STALLED = 4430  # nothing was acknowledged for too long
    SERVER_FULL = 4503

    @property
    def retryable(self) -> bool:
        """Whether a client should connect again by itself."""
        return self in (
            CloseCode.GOING_AWAY,
            CloseCode.STALLED,
            CloseCode.SERVER_FULL,
            CloseCode.HELLO_TIMEOUT,
        )


class ProtocolError(Exception):
    """Any failure of this package."""

    code = ErrorCode.FAILED


class Malformed(ProtocolError):
    """Bytes that are no message of this protocol; the text says which field and why."""

    code = ErrorCode.MALFORMED


class TooLarge(Malformed):
    """A message with more bytes than allowed; it was not decoded."""

    code = ErrorCode.TOO_LARGE


class Violation(ProtocolError):
    """A well-formed message at a time when it may not come."""

    code = ErrorCode.UNEXPECTED
