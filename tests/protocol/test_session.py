"""The conversation: who may say what when, and what ends it."""

from typing import cast

import msgspec
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from wire import from_client

from wonderzoom.protocol import limits
from wonderzoom.protocol.codec import decode_from_server, encode
from wonderzoom.protocol.errors import CloseCode, ErrorCode, Malformed, TooLarge, Violation
from wonderzoom.protocol.examples import CLIENT, SERVER
from wonderzoom.protocol.messages import (
    Ack,
    Bye,
    Camera,
    Commit,
    Error,
    Frame,
    FromClient,
    FromServer,
    Hello,
    Surfels,
    Welcome,
)
from wonderzoom.protocol.session import ClientSession, ServerSession, State

HELLO = cast("Hello", CLIENT["hello"])
WELCOME, FRAME = cast("Welcome", SERVER["welcome"]), cast("Frame", SERVER["frame"])


def frame(number: int) -> Frame:
    return Frame(frame=number, camera_seq=0, revision=0, views=FRAME.views, quality=50)


def delta(number: int, size: int = 100) -> Surfels:
    """One with a payload of that many bytes."""
    (level,) = cast("Surfels", SERVER["surfels"]).levels
    payload = {"payload": bytes(size)}
    return Surfels(delta=number, revision=0, levels=[msgspec.structs.replace(level, **payload)])


def opened() -> ServerSession:
    session = ServerSession(0.0)
    session.receive_data(encode(HELLO), 0.0)
    assert session.events_received() == [HELLO] and session.state is State.ANSWER
    session.welcome(WELCOME)
    assert said(session) == [WELCOME]
    return session


def said(session: ServerSession) -> list[FromServer]:
    return [decode_from_server(data) for data in session.data_to_send()]


def test_a_hello_within_five_seconds_or_never() -> None:
    session = ServerSession(100.0)
    session.tick(104.9)
    assert session.closed is None
    session.tick(105.0)
    assert session.closed is CloseCode.HELLO_TIMEOUT
    assert [type(message) for message in said(session)] == [Bye]


@pytest.mark.parametrize(
    "data", [b"", b"\xc1", encode(CLIENT["camera"]), "a text", encode(SERVER["welcome"]), bytes(2000)]
)
def test_whoever_does_not_say_hello_is_let_go_at_once(data: bytes | str) -> None:
    session = ServerSession(0.0)
    session.receive_data(data, 0.0)
    assert session.closed is CloseCode.MALFORMED and session.events_received() == []
    session.receive_data(encode(HELLO), 0.1)
    assert session.events_received() == []


def test_a_hello_has_a_kilobyte() -> None:
    long = Hello(
        protocol=(1, 1), client="x", codecs=["é" * limits.MAX_NAME] * 8, token="t" * 128, resume="r" * 128
    )
    assert len(encode(long)) <= limits.MAX_BEFORE_WELCOME
    session = ServerSession(0.0)
    session.receive_data(encode(long) + bytes(limits.MAX_BEFORE_WELCOME), 0.0)
    assert session.closed is CloseCode.MALFORMED


@pytest.mark.parametrize(
    ("versions", "spoken"), [((1, 1), True), ((0, 5), True), ((2, 3), False), ((0, 0), False)]
)
def test_a_version_in_common(versions: tuple[int, int], spoken: bool) -> None:
    session = ServerSession(0.0)
    session.receive_data(encode(Hello(protocol=versions, client="x")), 0.0)
    assert session.closed is (None if spoken else CloseCode.VERSION)


def test_nothing_is_said_between_hello_and_welcome() -> None:
    session = ServerSession(0.0)
    session.receive_data(encode(HELLO), 0.0)
    with pytest.raises(Violation):
        session.send(SERVER["stats"])
    session.receive_data(encode(CLIENT["ack"]), 0.0)
    assert session.closed is CloseCode.MALFORMED


def test_a_refusal_says_why_and_when_to_come_back() -> None:
    session = ServerSession(0.0)
    session.receive_data(encode(HELLO), 0.0)
    session.refuse(CloseCode.SERVER_FULL, "32 viewers are here", retry_after=5.0)
    assert said(session) == [Bye(code=4503, reason="32 viewers are here", retry_after=5000.0)]
    assert session.closed is CloseCode.SERVER_FULL and CloseCode.SERVER_FULL.retryable
    session.refuse(CloseCode.NORMAL, "again")
    assert said(session) == []


def test_two_frames_are_in_flight_and_no_more() -> None:
    session = opened()
    session.send(frame(1))
    session.send(frame(2))
    assert not session.may_send_frame
    with pytest.raises(Violation, match="in flight"):
        session.send(frame(3))
    session.receive_data(encode(Ack(frame=99)), 1.0)  # of a frame that is not on its way
    assert session.events_received() == [] and not session.may_send_frame
    session.receive_data(encode(Ack(frame=1)), 1.0)
    assert session.events_received() == [Ack(frame=1)] and session.may_send_frame
    session.receive_data(encode(Ack(frame=1)), 1.0)
    assert session.in_flight == {2}


def test_surfels_are_in_flight_up_to_a_megabyte() -> None:
    session = opened()
    size = limits.MAX_PAYLOAD
    session.send(delta(1, size))
    assert size < session.unacked < size + 1000 and session.may_send_surfels
    session.send(delta(2, size))  # the last one may go beyond
    assert not session.may_send_surfels and session.may_send_frame
    with pytest.raises(Violation, match="bytes of surfels"):
        session.send(delta(3))
    session.receive_data(encode(Ack(delta=9)), 1.0)
    session.receive_data(encode(Ack(frame=1)), 1.0)  # of a frame of that number, which there is none
    assert session.events_received() == [] and not session.may_send_surfels
    session.receive_data(encode(Ack(delta=1)), 1.0)
    assert session.events_received() == [Ack(delta=1)] and list(session.deltas) == [2]
    session.send(delta(3))
    session.receive_data(encode(Ack(delta=1)), 1.0)
    assert session.events_received() == [] and list(session.deltas) == [2, 3]


def test_a_second_hello_and_other_nonsense_is_an_error_and_the_third_time_the_end() -> None:
    session = opened()
    for data in (encode(HELLO), b"\xc1"):
        session.receive_data(data, 1.0)
        (error,) = said(session)
        assert isinstance(error, Error) and error.code in (ErrorCode.UNEXPECTED, ErrorCode.MALFORMED)
    session.receive_data(encode(CLIENT["ack"]), 1.0)  # what is well-formed is served in between
    assert session.closed is None
    session.receive_data("text", 1.0)
    assert session.closed is CloseCode.MALFORMED


def test_a_flood_of_bytes_ends_it_at_once() -> None:
    session = opened()
    session.receive_data(bytes(limits.MAX_FROM_CLIENT + 1), 1.0)
    assert session.closed is CloseCode.MALFORMED


def test_a_flood_of_messages_ends_it_and_a_fast_display_does_not() -> None:
    session, now = opened(), 0.0
    camera = encode(CLIENT["camera"])
    for _ in range(10_000):
        now += 1.0 / limits.MESSAGES_PER_S
        session.receive_data(camera, now)
    assert session.closed is None and len(session.events_received()) == 10_000
    for _ in range(limits.MESSAGE_BURST + 1):
        session.receive_data(camera, now)
    assert session.closed is CloseCode.TOO_MANY
    assert len(session.events_received()) <= limits.MESSAGE_BURST


def test_a_clock_that_goes_backwards_gives_nothing_away() -> None:
    session = opened()
    for k in range(limits.MESSAGE_BURST + 10):
        session.receive_data(encode(CLIENT["ack"]), 1000.0 if k % 2 else 0.0)
    # One step forward fills the bucket once; going back and forth does not fill it again and again.
    assert session.closed is CloseCode.TOO_MANY


def test_who_leaves_is_gone() -> None:
    session = opened()
    session.receive_data(encode(CLIENT["bye"]), 1.0)
    assert session.events_received() == [CLIENT["bye"]] and session.closed is CloseCode.NORMAL
    session.send(SERVER["stats"])
    assert session.data_to_send() == [] and not session.may_send_frame


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\xc1", ErrorCode.MALFORMED),
        (bytes(limits.MAX_FROM_CLIENT + 1), ErrorCode.TOO_LARGE),
        (encode(HELLO), ErrorCode.UNEXPECTED),
    ],
)
def test_it_is_known_why_nothing_of_a_message_was_used(data: bytes, why: ErrorCode) -> None:
    session = opened()
    session.receive_data(data, 1.0)
    assert session.rejected is why and session.events_received() == []
    if session.closed is None:
        session.receive_data(encode(CLIENT["camera"]), 1.0)
        assert session.rejected is None
        for _ in range(limits.MESSAGE_BURST + 1):
            session.receive_data(encode(CLIENT["camera"]), 1.0)
        assert session.rejected is ErrorCode.TOO_MANY


def test_a_goodbye_drops_the_frames_and_surfels_before_it_and_nothing_else() -> None:
    session = opened()
    session.send(frame(1))
    session.send(SERVER["commit"])
    session.send(frame(2))
    session.send(delta(1))
    assert session.next_to_send() == encode(frame(1))  # that one is on its way
    session.refuse(CloseCode.GOING_AWAY, "the server stops")
    bye = Bye(code=CloseCode.GOING_AWAY, reason="the server stops")
    assert said(session) == [SERVER["commit"], bye]
    assert session.next_to_send() is None


def test_the_next_to_send_is_the_first_of_all() -> None:
    session = opened()
    for each in (frame(1), SERVER["commit"]):
        session.send(each)
    assert session.next_to_send() == encode(frame(1))
    assert said(session) == [SERVER["commit"]] and session.next_to_send() is None


def test_a_client_waits_for_its_welcome() -> None:
    client = ClientSession(HELLO)
    assert client.data_to_send() == [encode(HELLO)]
    with pytest.raises(Violation):
        client.send(CLIENT["ack"])
    with pytest.raises(Violation, match="before the welcome"):
        client.receive_data(encode(FRAME))
    client = ClientSession(HELLO)
    assert client.data_to_send() == [encode(HELLO)]
    client.receive_data(encode(WELCOME))
    assert client.welcome == WELCOME and client.events_received() == [WELCOME]
    with pytest.raises(Violation, match="second welcome"):
        client.receive_data(encode(WELCOME))
    with pytest.raises(Malformed):
        client.receive_data("text")
    client.send(CLIENT["bye"])
    client.send(CLIENT["ack"])
    assert client.data_to_send() == [encode(CLIENT["bye"])] and client.closed is CloseCode.NORMAL


def test_a_client_hears_why_it_ends() -> None:
    client = ClientSession(HELLO)
    client.receive_data(encode(Bye(code=4401, reason="wrong token")))
    assert client.closed == 4401 and client.state is State.CLOSED
    client.receive_data(b"\xc1")  # whatever comes after the end is nobody's business


class Conversation(RuleBasedStateMachine):
    """A client and a server on a link that keeps messages whole and in order, and takes its time."""

    @initialize()
    def connect(self) -> None:
        self.now, self.frames, self.deltas = 0.0, 0, 0
        self.server, self.client = ServerSession(0.0), ClientSession(HELLO)
        self.up: list[bytes] = []
        self.down: list[bytes] = []
        self.asked: list[FromClient] = [HELLO]
        self.heard: list[FromClient] = []
        self.told: list[FromServer] = []
        self.seen: list[FromServer] = []

    def pump(self) -> None:
        self.up += self.client.data_to_send()
        self.down += self.server.data_to_send()

    @rule(seconds=st.floats(0.0, 0.5))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.server.tick(self.now)

    @precondition(lambda self: self.up or self.client.state is State.ANSWER)
    @rule()
    def deliver_up(self) -> None:
        self.pump()
        if self.up:
            self.server.receive_data(self.up.pop(0), self.now)
            self.heard += self.server.events_received()

    @rule()
    def deliver_down(self) -> None:
        self.pump()
        if self.down:
            self.client.receive_data(self.down.pop(0))
            self.seen += self.client.events_received()

    @precondition(lambda self: self.server.state is State.ANSWER)
    @rule()
    def let_in(self) -> None:
        self.server.welcome(WELCOME)
        self.told.append(WELCOME)

    @precondition(lambda self: self.server.may_send_frame)
    @rule()
    def show(self) -> None:
        self.frames += 1
        self.server.send(frame(self.frames))
        self.told.append(frame(self.frames))

    @precondition(lambda self: self.server.may_send_surfels)
    @rule(size=st.sampled_from([10, 400_000]))
    def stream(self, size: int) -> None:
        self.deltas += 1
        self.server.send(delta(self.deltas, size))
        self.told.append(delta(self.deltas, size))

    @precondition(lambda self: self.client.state is State.OPEN)
    @rule(message=from_client.filter(lambda message: not isinstance(message, Hello | Ack)))
    def say(self, message: FromClient) -> None:
        self.client.send(message)
        self.asked.append(message)

    @precondition(lambda self: any(isinstance(message, Frame) for message in self.seen))
    @rule()
    def acknowledge(self) -> None:
        last = next(message for message in reversed(self.seen) if isinstance(message, Frame))
        self.client.send(Ack(frame=last.frame))

    @precondition(lambda self: any(isinstance(message, Surfels) for message in self.seen))
    @rule()
    def acknowledge_surfels(self) -> None:
        last = next(message for message in reversed(self.seen) if isinstance(message, Surfels))
        self.client.send(Ack(delta=last.delta))

    @rule(reason=st.text(max_size=20))
    def stop(self, reason: str) -> None:
        if len(self.seen) > 8:
            self.server.refuse(CloseCode.GOING_AWAY, reason)

    @invariant()
    def holds(self) -> None:
        if not hasattr(self, "server"):
            return
        assert len(self.server.in_flight) <= limits.MAX_IN_FLIGHT
        assert self.server.unacked < limits.MAX_UNACKED + limits.MAX_FROM_SERVER
        seen = [message for message in self.seen if not isinstance(message, Bye | Error)]
        assert seen == self.told[: len(seen)]
        heard = [message for message in self.heard if not isinstance(message, Ack)]
        assert heard == self.asked[: len(heard)]
        assert sum(isinstance(message, Hello) for message in self.heard) <= 1


TestConversation = Conversation.TestCase


def test_cameras_are_what_a_session_hears_most() -> None:
    """In one message of 200 bytes or so: sixty a second are a few kB."""
    assert isinstance(CLIENT["camera"], Camera) and len(encode(CLIENT["camera"])) < 256


def test_more_than_a_client_takes_is_not_sent() -> None:
    session = opened()
    nodes = SERVER["commit"].added * 9_000  # type: ignore[union-attr]
    with pytest.raises(TooLarge, match="Commit"):
        session.send(Commit(revision=1, added=nodes))
    assert session.data_to_send() == [] and session.closed is None
