"""What can go wrong for a client, as one tree.

ClientError
├── BadLink            not a link to a server
├── CannotConnect      nobody answers there, or somebody who is no WonderZoom server
├── NotAllowed         the token, or where one comes from
├── BadServer          the server broke the protocol
├── Ended              the conversation is over: the server's close code and reason, or ours
├── RequestFailed      one zoom, pick, removal or upload; the conversation goes on
└── ZoomCancelled      somebody cancelled it
"""

from __future__ import annotations

from wonderzoom.protocol.errors import CloseCode, ErrorCode


class ClientError(Exception):
    """Any failure of this package. ``retryable``: the same may succeed a little later."""

    retryable = False


class BadLink(ClientError, ValueError):
    """Not a link that ``wonderzoom serve`` prints; the text says what is wrong, and no token."""


class CannotConnect(ClientError):
    """No connection. Final where something answers that is no server of this protocol."""

    def __init__(self, text: str, *, retryable: bool = True) -> None:
        super().__init__(text)
        self.retryable = retryable


class NotAllowed(ClientError):
    """The server does not let one in."""


class BadServer(ClientError):
    """The server sent what no server of this protocol sends."""


class Ended(ClientError):
    """The conversation is over.

    ``code`` as in ``protocol.errors.CloseCode``, or another websocket close code (RFC 6455, 7.4.1; 1006: the
    connection broke); ``retry_after``: seconds, where the server said so.
    """

    def __init__(self, code: int, reason: str, retry_after: float | None = None) -> None:
        super().__init__(f"the conversation ended ({code}): {reason}" if reason else f"it ended ({code})")
        self.code, self.reason, self.retry_after = code, reason, retry_after
        # Without a code of the protocol: a broken connection, or a server or proxy in trouble (1011 to 1014).
        known = code in set(CloseCode)
        self.retryable = CloseCode(code).retryable if known else code in (1006, 1011, 1012, 1013, 1014)


class RequestFailed(ClientError):
    """One request was not served; ``code`` says why."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(f"{code}: {message}" if message else str(code))
        self.code, self.message = code, message
        self.retryable = code.retryable


class ZoomCancelled(ClientError):
    """A zoom was cancelled before it was committed."""
