"""However a program calls, a server that counts messages is content, and the last camera arrives."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wonderzoom.clients.errors import RequestFailed
from wonderzoom.clients.outbox import CAMERA_S, Outbox
from wonderzoom.protocol.codec import encode
from wonderzoom.protocol.examples import CLIENT, POSE, SERVER
from wonderzoom.protocol.messages import Ack, Camera, Cancel, Welcome
from wonderzoom.protocol.session import ServerSession

HELLO, WELCOME = CLIENT["hello"], SERVER["welcome"]


def camera(seq: int) -> Camera:
    return Camera(seq=seq, cameras=[POSE])


@given(
    st.lists(
        st.tuples(st.sampled_from(["look", "cancel", "ack"]), st.integers(0, 200), st.floats(0.0, 0.3)),
        max_size=30,
    )
)
def test_no_program_says_too_much_and_everything_is_said(calls: list[tuple[str, int, float]]) -> None:
    outbox, now, seq = Outbox(), 1000.0, 0
    session = ServerSession(now)
    assert isinstance(WELCOME, Welcome)
    session.receive_data(encode(HELLO), now)
    session.welcome(WELCOME)
    heard: list[object] = []
    said: list[object] = []

    def send_until(end: float) -> None:
        nonlocal now
        while True:
            due = outbox.next(now)
            if due is None or (isinstance(due, float | int) and now + due > end):
                now = max(now, end)
                return
            if isinstance(due, float | int):
                assert due > 0.0
                now += due
                continue
            session.receive_data(encode(due), now)
            heard.append(due)

    for call, times, pause in calls:
        for _ in range(times):
            seq += 1
            if call == "look":
                outbox.look(camera(seq))
            else:
                message = Cancel(request=f"z{seq}") if call == "cancel" else Ack(frame=seq)
                try:
                    outbox.put(message)
                    said.append(message)
                except RequestFailed:
                    assert call == "cancel"
        send_until(now + pause)
    send_until(now + 60.0)
    assert session.closed is None
    cancels = [message for message in heard if isinstance(message, Cancel)]
    assert cancels == [message for message in said if isinstance(message, Cancel)]
    seqs = [message.seq for message in heard if isinstance(message, Camera)]
    assert seqs == sorted(seqs)
    if any(call == "look" and times for call, times, _ in calls):
        looked = 0
        total = 0
        for call, times, _ in calls:
            total += times
            if call == "look" and times:
                looked = total
        assert seqs[-1] == looked


def test_cameras_keep_the_pace_of_a_display_and_other_things_do_not_wait_for_them() -> None:
    outbox = Outbox()
    outbox.look(camera(1))
    assert outbox.next(0.0) == camera(1)
    outbox.look(camera(2))
    outbox.look(camera(3))
    wait = outbox.next(0.0)
    assert wait == pytest.approx(CAMERA_S)
    outbox.put(Cancel(request="z1"))
    outbox.put(Ack(frame=1))
    assert outbox.next(0.0) == Ack(frame=1) and outbox.next(0.0) == Cancel(request="z1")
    assert outbox.next(CAMERA_S) == camera(3) and outbox.next(CAMERA_S) is None


def test_what_waits_is_bounded_and_forgotten_with_the_connection() -> None:
    outbox = Outbox()
    with pytest.raises(RequestFailed, match="1024 messages wait"):
        for number in range(2000):
            outbox.put(Cancel(request=f"z{number}"))
    outbox.put(Ack(frame=1))
    outbox.look(camera(1))
    outbox.clear()
    assert outbox.next(0.0) is None
