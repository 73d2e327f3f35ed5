"""The log of a server: one line a record, for people or for programs, and never a secret in it.

    2026-11-29T02:39:54.123Z info    runtime.server: a viewer came in viewer=v3 role=editor
    {"time": "2026-11-29T02:39:54.123Z", "level": "info", "logger": "wonderzoom.runtime.server", "event": ...}

Rooms log as everybody does (``logging.getLogger(__name__)``) and give ids as ``extra``; only ``logged`` here decides
what becomes of it. Whatever looks like a token is blacked out, wherever it comes from. Lines are written by a
thread of their own: a terminal that is held, or a pipe that nobody reads, must not stop the event loop.
"""

from __future__ import annotations

import json
import logging
import math
import queue
import re
import sys
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal, TextIO, cast

from wonderzoom.runtime.auth import TOKEN_BYTES

LogFormat = Literal["text", "json"]
REDACTED = "[redacted]"
WAITING_LINES = 10_000  # that nobody takes: what comes after them is lost, and counted

# What ends a word that names a secret: also X-API-Key, aws_secret_access_key, accessToken, %23token.
_PHRASES = r"passw(?:or)?d|passphrase|passcode|pwd"
_HEADERS = r"authorization|cookie"
_SECRETS = rf"{_PHRASES}|{_HEADERS}|token|resume|secret|credentials?|(?:api|access|private|secret)[_-]?key"
_PREFIX = r"(?<![\w.%-])[\w.%-]*?"
_QUOTE = r"\\*[\"']"  # also in a text that is quoted itself
_QUOTED = r"""b?\\*"(?:[^"\\\n]|\\.)*"?|b?\\*'(?:[^'\\\n]|\\.)*'?"""
_IN_BRACKETS = r"\[[^\]\n]*\]?|\([^)\n]*\)?|\{[^}\n]*\}?"


def _named(names: str, sign: str, value: str) -> re.Pattern[str]:
    """Finds values of what has such a name. However short: what stands there is nobody's business, so that no sentence
    of ours may read "wrong token: it ..."; what is quoted or in brackets goes as a whole."""
    after = rf"(?:{_QUOTE})?\]?[ \t]*(?:{sign})[ \t]*"
    return re.compile(
        rf"(?P<named>{_PREFIX}(?:{names})(?!\w){after})(?:{_QUOTED}|{_IN_BRACKETS}|{value})", re.IGNORECASE
    )


_RULES = (
    re.compile(r"(?P<named>-----BEGIN [A-Z ]*PRIVATE KEY-----).*?(?=-----END|\Z)", re.DOTALL),
    re.compile(r"(?P<named>://[^\s/@:]*:)[^\s@]+(?=@)"),  # scheme://user:password@host
    _named(_HEADERS, r"[:=]|%3[ad]", r"[^\n]+"),
    _named(_PHRASES, ":", r"[^&,;\"')}\]\n]+"),  # with spaces
    _named(_SECRETS, r"={1,2}>?|:=?|%3[ad]", r"(?:(?:bearer|basic|token)\s+)?[^\s\"'&,;)}\]]+"),
    re.compile(
        rf"(?P<named>{_PREFIX}(?:{_SECRETS})[ \t]+)(?:{_QUOTED})", re.IGNORECASE
    ),  # wrong password "..."
    re.compile(r"(?P<named>\bbearer\s+)[\w.~+/=-]+", re.IGNORECASE),
)
# Bare random tokens, as ``secrets.token_urlsafe`` makes them; no word of 43 letters mixes cases like that.
_LENGTH = math.ceil(8 * TOKEN_BYTES / 6)
_BARE = re.compile(rf"(?<![\w-])(?=[\w-]*[A-Z])(?=[\w-]*[a-z])[A-Za-z0-9_-]{{{_LENGTH}}}(?![\w-])")
_IS_SECRET_NAME = re.compile(rf"[\w.%-]*?(?:{_SECRETS})", re.IGNORECASE)

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "taskName",
}  # not given as ``extra``
_OURS = ("time", "level", "logger", "event", "exception", "stack")
_QUIET = ("wonderzoom.websocket", "asyncio")  # tells of every connection; at debug level of every byte of it

Value = str | int | float | bool | None


def redacted(text: str) -> str:
    """The text without what looks like a token, a password or another secret."""
    for rule in _RULES:
        text = rule.sub(lambda found: f"{found['named']}{REDACTED}", text)
    return _BARE.sub(REDACTED, text)


class _Formatter(logging.Formatter):
    """From a record to the one line that is written."""

    def fields(self, record: logging.LogRecord) -> dict[str, Value]:
        """What a record says, without secrets: time, level, logger, event, what was given as ``extra``, and what
        was raised."""
        try:
            event = record.getMessage()
        except Exception:  # a mistake in a log call is no reason to lose what it wanted to say
            event = f"{record.msg!r} (its arguments do not fit)"
        moment = datetime.fromtimestamp(record.created, UTC)
        said: dict[str, Value] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": redacted(event),
        }
        for key, value in cast("Mapping[str, object]", vars(record)).items():
            if key not in _OWN:
                said[f"{key}_" if key in _OURS else key] = _plain(key, value)
        if record.exc_info:
            said["exception"] = redacted(self.formatException(record.exc_info))
        if record.stack_info:
            said["stack"] = redacted(record.stack_info)
        return said


class JsonFormatter(_Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """See ``logging.Formatter.format``."""
        return json.dumps(self.fields(record))


class TextFormatter(_Formatter):
    """One line for people; a traceback follows it, indented."""

    def format(self, record: logging.LogRecord) -> str:
        """See ``logging.Formatter.format``."""
        said = self.fields(record)
        long = [str(said.pop(name)) for name in ("exception", "stack") if name in said]
        time, level, logger, event, *_ = said.values()
        line = f"{time} {level:<7} {str(logger).removeprefix('wonderzoom.')}: {_one_line(str(event))}"
        for key in list(said)[4:]:
            line += f" {_one_line(key)}={_word(said[key])}"
        return "\n    ".join([line, *(_one_line(each) for text in long for each in text.splitlines())])


def _plain(key: str, value: object) -> Value:
    """A value as JSON has it."""
    if _IS_SECRET_NAME.fullmatch(key):
        return REDACTED
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    try:
        return redacted(str(value))
    except Exception:  # as when it can't even say what it is
        return f"<{type(value).__name__}>"


def _one_line(text: str) -> str:
    """Without what would end the line, or do things to a terminal."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _word(value: Value) -> str:
    text = "" if value is None else str(value)
    plain = text.isprintable() and text and not set(text) & set(" \"'=")
    return text if plain else json.dumps(text)


class _Writer(logging.Handler):
    """Formats at once, writes in a thread of its own."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(logging.INFO)
        self._stream = stream
        self._lines: queue.Queue[str | None] = queue.Queue(WAITING_LINES)
        self._lost = 0
        self._thread = threading.Thread(target=self._write, name="log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Never blocks and never raises."""
        try:
            self._lines.put_nowait(self.format(record))
        except queue.Full:
            self._lost += 1

    def _write(self) -> None:
        for line in iter(self._lines.get, None):
            self._put(line)

    def _put(self, line: str) -> None:
        try:
            self._stream.write(f"{line}\n")
            self._stream.flush()
        except (OSError, ValueError):
            pass  # nobody reads any more

    def close(self) -> None:
        """Write what waits."""
        if self._thread.is_alive():
            self._lines.put(None)
            self._thread.join()
            if self._lost:
                lost = logging.makeLogRecord(
                    {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING"}
                )
                lost.msg = f"{self._lost} records of this log were lost: its reader was too slow"
                self._put(self.format(lost))
        super().close()


def json_line(text: str, level: int = logging.INFO, name: str = __name__) -> str:
    """What a line of the log for programs is, where nothing is ``logged`` yet, or any more."""
    said = {"name": name, "levelno": level, "levelname": logging.getLevelName(level), "msg": text}
    return JsonFormatter().format(logging.makeLogRecord(said))


@contextmanager
def logged(format: LogFormat = "text", stream: TextIO | None = None) -> Generator[None, None, None]:
    """Until the block ends, whatever is logged at INFO or above is written to ``stream`` (default: stderr)."""
    root = logging.getLogger()
    writer = _Writer(stream or sys.stderr)
    writer.setFormatter(JsonFormatter() if format == "json" else TextFormatter())
    loggers = {root: logging.INFO} | {logging.getLogger(name): logging.WARNING for name in _QUIET}
    before = {logger: logger.level for logger in loggers}
    for logger, level in loggers.items():
        logger.setLevel(level)
    root.addHandler(writer)
    logging.captureWarnings(True)
    try:
        yield
    finally:
        logging.captureWarnings(False)
        root.removeHandler(writer)
        for logger, level in before.items():
            logger.setLevel(level)
        writer.close()
