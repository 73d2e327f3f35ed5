"""The log: one line a record, in both formats; no secret in it; a reader that is slow stops nobody."""

import base64
import io
import json
import logging
import re
import secrets
import sys
import threading
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from zoom_garden import Garden

from wonderzoom.protocol import messages
from wonderzoom.protocol.codec import encode
from wonderzoom.runtime import commands, logs, serving
from wonderzoom.runtime.auth import TOKEN_BYTES
from wonderzoom.runtime.logs import REDACTED, LogFormat, logged, redacted
from wonderzoom.runtime.progress import Reporter
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.page_cache import PageCache

log = logging.getLogger("wonderzoom.runtime.of_this_test")
TOKEN = "mK3-x_9Qa7ZpL0vRtW2sYbN8cDfGhJkE4iUo1TqXw5A"  # what secrets.token_urlsafe(32) makes
FORMATS: tuple[LogFormat, ...] = ("text", "json")


def written(act: Any, format: LogFormat = "json") -> list[str]:
    """The lines that are written while something happens."""
    stream = io.StringIO()
    with logged(format, stream):
        act()
    return stream.getvalue().splitlines()


def said(act: Any) -> list[dict[str, Any]]:
    return [json.loads(line) for line in written(act)]


# ---- what is said -----------------------------------------------------------------------------------
def test_a_json_line_has_the_time_the_level_who_and_what_and_what_was_given() -> None:
    def act() -> None:
        log.warning("%s of %d", "frame", 3, extra={"viewer": "v3", "took": 0.25, "again": False, "why": None})

    (line,) = said(act)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert list(line.items()) == [
        ("level", "warning"),
        ("logger", "wonderzoom.runtime.of_this_test"),
        ("event", "frame of 3"),
        ("viewer", "v3"),
        ("took", 0.25),
        ("again", False),
        ("why", None),
    ]


def test_the_time_is_utc() -> None:
    record = logging.makeLogRecord({"msg": "then", "created": 1790000000.25})
    assert json.loads(logs.JsonFormatter().format(record))["time"] == "2026-09-21T14:13:20.250Z"


def test_a_line_for_people_says_the_same() -> None:
    def act() -> None:
        log.info("a viewer came in", extra={"viewer": "v3", "who": "two words", "none": ""})

    (line,) = written(act, "text")
    time, rest = line.split(" ", 1)
    assert time.endswith("Z")
    assert rest == 'info    runtime.of_this_test: a viewer came in viewer=v3 who="two words" none=""'


def test_values_that_json_does_not_have_are_words() -> None:
    class Shy:
        def __str__(self) -> str:
            raise RuntimeError

    def act() -> None:
        extra = {"path": Path("a/b"), "nan": float("nan"), "inf": float("inf"), "shy": Shy(), "time": "mine"}
        log.info("so", extra=extra)

    (line,) = said(act)
    assert (line["path"], line["nan"], line["inf"], line["shy"]) == ("a/b", "nan", "inf", "<Shy>")
    assert line["time_"] == "mine" and line["time"].endswith("Z")


def raise_and_log() -> None:
    try:
        raise ValueError("the paint\nis out")
    except ValueError:
        log.exception("it failed")


def test_what_was_raised_comes_along() -> None:
    (line,) = said(raise_and_log)
    assert line["event"] == "it failed" and line["level"] == "error"
    assert line["exception"].startswith("Traceback") and line["exception"].endswith("the paint\nis out")
    first, *rest = written(raise_and_log, "text")
    assert first.endswith("it failed") and "raise ValueError" in "\n".join(rest)
    assert rest and all(line.startswith("    ") for line in rest)  # a record begins where a line does


@pytest.mark.parametrize("format", FORMATS)
def test_nobody_can_write_a_line_of_their_own(format: LogFormat) -> None:
    """A prompt, a name or a path that ends the line, or says something to the terminal."""
    evil = "moss\n2026-01-01T00:00:00.000Z error   x: fake\r\x1b]0;title\x07\x1b[2J\u2028\u202e\x85"
    (line,) = written(lambda: log.info("asked for %s", evil, extra={"prompt": evil, evil: 1}), format)
    assert line.isprintable()


@given(st.text(), st.text(min_size=1), st.text())
@example(
    "half of a \ud800", "\ud800", "\ud800"
)  # not in the test above: pytest's own report has to be sent on
def test_any_text_is_one_line_in_both_formats(event: str, key: str, value: str) -> None:
    record = logging.makeLogRecord({"name": "x", "msg": event})
    if key not in vars(record):
        record.__dict__[key] = value
    text, line = logs.TextFormatter().format(record), logs.JsonFormatter().format(record)
    assert text.isprintable() and line.isprintable() and line.isascii()
    assert json.loads(line)["event"] == redacted(event)


def test_a_call_whose_arguments_do_not_fit_is_said_all_the_same() -> None:
    record = logging.makeLogRecord({"msg": "%d of them", "args": (f"token={TOKEN}",)})
    line = logs.JsonFormatter().format(record)
    assert "%d of them" in json.loads(line)["event"] and TOKEN not in line


def test_warnings_are_records_too() -> None:
    def act() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            logging.captureWarnings(True)  # as it is outside of a test, which catches them itself
            warnings.warn("that is old", stacklevel=1)

    (line,) = said(act)
    assert (line["logger"], line["level"]) == ("py.warnings", "warning") and "that is old" in line["event"]


def test_details_and_the_noise_of_libraries_stay_out() -> None:
    def act() -> None:
        log.debug("a detail")
        logging.getLogger("wonderzoom.websocket").info("connection open")
        logging.getLogger("wonderzoom.websocket").error("connection handler failed")

    assert [line["event"] for line in said(act)] == ["connection handler failed"]


def test_afterwards_everything_is_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    root, websocket = logging.getLogger(), logging.getLogger("wonderzoom.websocket")
    before = list(root.handlers), root.level, websocket.level
    with pytest.raises(RuntimeError), logged("text"):
        log.info("here")
        raise RuntimeError
    assert (list(root.handlers), root.level, websocket.level) == before
    out, err = capsys.readouterr()
    assert out == "" and "runtime.of_this_test: here" in err  # by default to stderr


# ---- secrets ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "text",
    [
        "token={}",
        "http://127.0.0.1:8700/#token={}",
        "GET /ws?token={}&x=1 HTTP/1.1",
        "#token%3D{}",
        "TOKEN = {}",
        "token='{}'",
        'Hello(client="x", token="{}")',
        '{{"token": "{}", "client": "x"}}',
        "{{'token': '{}'}}",
        "Token: {}",
        "resume={}",
        "resume_token={}",
        "hf_token={}",
        "X-API-Key: {}",
        "Authorization: Bearer {}",
        "authorization=Basic {}",
        "bearer {}",
        "password={}",
        "secret: {}",
    ],
)
@pytest.mark.parametrize("secret", [TOKEN, "of-somebody-elses-kind-0123456789"])
def test_what_is_called_a_secret_is_blacked_out(text: str, secret: str) -> None:
    line = redacted(text.format(secret))
    assert secret not in line and REDACTED in line


@pytest.mark.parametrize("text", ["somebody said {}", "({})", "a link /{}.", "b'\\xa5token\\xd9+{}'", "{}"])
def test_a_token_of_ours_is_blacked_out_also_where_nothing_says_that_it_is_one(text: str) -> None:
    assert redacted(text.format(TOKEN)) == text.format(REDACTED)


@pytest.mark.parametrize(
    "text",
    [
        "password: {}",
        "password: {}, user: ada",
        "Password:{}",
        "the password='{}' of ada",
        'password="{}"',
        '{{"password": "{}"}}',
        '"{{\\"password\\": \\"{}\\"}}"',
        "passwd={}&x=1",
        "pwd := {}",
        "passphrase: {}",
        "DB_PASSWORD={}",
        "db.password => {}",
        "wrong password '{}'",
        'params["password"] = "{}"',
        "password%3D{}",
        "password%3a{}",
        "password=['{}']",
        "password: ({}, 1)",
        "password=b'{}'",
        "token: {}",
        "token : {}",
        "accessToken: {}",
        "refresh-token={}",
        "X-Auth-Token: {}",
        "X-API-Key:{}",
        "api_key: {}",
        "apikey={}",
        "aws_secret_access_key = {}",
        "client_secret: {}",
        "private-key: {}",
        "credentials: {}",
        "resume: {}",
        "Authorization: {}",
        "Authorization: Bearer {}",
        "Proxy-Authorization: Digest username=x, response={}",
        "Cookie: a=b; session={}",
        "Set-Cookie: session={}; Path=/",
        "bearer {}",
        "https://ada:{}@example.org/x",
        "-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n{}",
    ],
)
@pytest.mark.parametrize("secret", ["x7", "hunter2", "a.b~c+d/e=="])
def test_however_short_a_secret_is_it_is_blacked_out(text: str, secret: str) -> None:
    line = redacted(text.format(secret))
    assert secret not in line and REDACTED in line


def test_a_password_may_have_spaces() -> None:
    assert redacted("password: correct horse battery\nnext") == f"password: {REDACTED}\nnext"
    assert redacted("password: 'correct horse' of ada") == f"password: {REDACTED} of ada"


@given(st.text(min_size=1), st.sampled_from(["password: '{}'", 'token="{}"', "{{'secret': '{}'}}"]))
def test_nothing_of_what_is_quoted_gets_through(value: str, text: str) -> None:
    quoted = "q" + "".join(c for c in value if c not in "\\\"'\n") + "q"
    assert quoted not in redacted(text.format(quoted))


def test_what_stands_around_a_secret_stays() -> None:
    assert redacted(f"GET /?token={TOKEN}&x=1 of v3") == f"GET /?token={REDACTED}&x=1 of v3"
    assert redacted(f"Hello(token='{TOKEN}', name='Ada')") == f"Hello(token={REDACTED}, name='Ada')"
    assert redacted(f"token={TOKEN}\nnext") == f"token={REDACTED}\nnext"


@pytest.mark.parametrize(
    "text",
    [
        "wrong token; the server may have been started anew; open the link that it printed",
        "a token is needed: open the link that the server printed, with the part behind #",
        "tokens=3",
        "node 3f2a9c81d0 of revision 17",
        "5d41402abc4b2a76b9719d911017c592ae4f3b8c1d2e5f60718293a4b5c6d7e8",  # a digest
        "test_a_worker_that_can_not_start_fails_jobs",  # 43 characters
        "the resumed viewer v3",
        "tokenizer: fast",
        "secretary: Ada",
        "passwords are asked for",
        "cookies: 3",
        "http://127.0.0.1:8700/ws",
        "see https://example.org/a@b",
    ],
)
def test_what_is_no_secret_is_left_alone(text: str) -> None:
    assert redacted(text) == text


@given(st.binary(min_size=TOKEN_BYTES, max_size=TOKEN_BYTES), st.sampled_from(" \n\t\"'=:/#&,;()[]{}<>.+%"))
def test_no_token_of_ours_gets_through_whatever_stands_beside_it(raw: bytes, beside: str) -> None:
    token = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    if token.lower() != token != token.upper():  # as all but one in a thousand million do
        assert token not in redacted(f"it was{beside}{token}{beside}here")
    assert token not in redacted(f"it was{beside}token={token}{beside}here")


@pytest.mark.parametrize("format", FORMATS)
def test_no_part_of_a_record_carries_a_secret_out(format: LogFormat) -> None:
    token = secrets.token_urlsafe(TOKEN_BYTES)
    hello = messages.Hello(protocol=(1, 1), client="test", token=token)

    def act() -> None:
        log.info("told %s", hello)
        log.info(f"told token={token}")
        log.info("told %r", encode(hello))
        log.info("told", extra={"token": "short", "hello": hello, "link": f"http://x/#token={token}"})
        log.info("told %(token)s", {"token": token}, stack_info=True)
        try:
            raise RuntimeError(f"token={token}")
        except RuntimeError:
            log.exception("it failed")

    text = "\n".join(written(act, format))
    assert text.count(REDACTED) >= 7 and token not in text and "short" not in text


# ---- readers ----------------------------------------------------------------------------------------
class Held(io.StringIO):
    """A terminal that is held until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.held, self.free = threading.Event(), threading.Event()

    def write(self, text: str) -> int:
        self.held.set()
        self.free.wait()
        return super().write(text)


def test_a_reader_that_takes_nothing_stops_nobody_and_is_told_what_it_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(logs, "WAITING_LINES", 5)
    stream = Held()
    with logged("json", stream):
        log.info("line", extra={"number": 0})
        stream.held.wait()
        for number in range(1, 50):
            log.info("line", extra={"number": number})  # returns, though nothing can be written
        stream.free.set()
    *lines, last = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["number"] for line in lines] == [0, 1, 2, 3, 4, 5]
    assert last["event"].startswith("44 records") and last["level"] == "warning"


class Gone(io.StringIO):
    """A pipe whose reader has ended."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_a_reader_that_is_gone_disturbs_nobody() -> None:
    closed = io.StringIO()
    closed.close()
    for stream in (Gone(), closed):
        with logged("text", stream):
            log.info("to nobody")


def test_many_threads_write_whole_lines() -> None:
    def act() -> None:
        def speak(number: int) -> None:
            for turn in range(100):
                log.info("line", extra={"thread_number": number, "turn": turn})

        threads = [threading.Thread(target=speak, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    lines = said(act)
    for number in range(4):
        assert [line["turn"] for line in lines if line["thread_number"] == number] == list(range(100))


@pytest.mark.parametrize("format", FORMATS)
def test_what_a_server_says_is_in_the_format_that_was_asked_for(
    format: LogFormat, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The link is on stdout and nowhere else."""
    garden = Garden(tmp_path / "garden")
    garden.store.close()

    async def run(*arguments: Any) -> None:
        log.info("serving")
        arguments[3](serving.Ready(8700))

    monkeypatch.setattr(serving, "run", run)
    monkeypatch.setenv("WONDERZOOM_DATA", str(tmp_path / "data"))
    with CpuRenderer(1) as renderer:
        maker: Any = SimpleNamespace(
            renderer=renderer,
            generator_name=str,
            reporter=Reporter(lambda: 0.0, sys.stderr),
            pages=PageCache(1 << 20),
        )
        maker.generator_name = lambda name: maker.reporter.note(f"kernels of {name} are compiled")
        assert serving.serve(commands.Serve(tmp_path / "garden", log_format=format), maker) == 0
    out, err = capsys.readouterr()
    link = out.removesuffix("\n")
    assert re.fullmatch(r"http://127\.0\.0\.1:8700/#token=[\w-]{43}", link) and link not in err
    if format == "json":
        assert [json.loads(line)["event"] for line in err.splitlines()] == [
            "kernels of embedded are compiled",
            "serving",
        ]
    else:
        assert "kernels of embedded are compiled\n" in err
        assert "info    runtime.of_this_test: serving\n" in err and "Open this link in a browser" in err


def test_the_default_is_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with logged():
        log.info("here")
    assert stream.getvalue().endswith("runtime.of_this_test: here\n")
