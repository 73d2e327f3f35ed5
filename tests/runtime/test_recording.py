"""A recording is whole up to wherever it was cut or changed, holds no server up, and says what was said."""

import asyncio
import errno
import logging
from io import FileIO
from pathlib import Path

import msgspec
import numpy as np
import pytest
import virtual_time
from hypothesis import given
from hypothesis import strategies as st
from live_world import Disk, places
from recorded import START, Evening, loop_time, recorded_evening
from wire import poses

from wonderzoom.protocol import messages
from wonderzoom.protocol.codec import encode
from wonderzoom.protocol.values import CameraPose
from wonderzoom.runtime import recorder as recorder_module
from wonderzoom.runtime import recording as r
from wonderzoom.runtime.recorder import CannotRecord, Recorder
from wonderzoom.runtime.recording import Recording
from wonderzoom.runtime.replay_film import Watching, moments
from wonderzoom.runtime.tape import CAMERA_S, Tape
from wonderzoom.runtime.wire import camera_of, pose


def written(path: Path, portions: list[list[r.AnyRecord]]) -> bytes:
    """A file of these portions."""
    data = r.opening(START) + b"".join(r.portion([r.encode(each) for each in some]) for some in portions)
    path.write_bytes(data)
    return data


PORTIONS: list[list[r.AnyRecord]] = [
    [r.Opened(0, 1, "garden", 1, b"log", 1), r.Entered(5, 1, "v1", "Ant", "host")],
    [r.Left(10, 1, "v1", True)],
    [r.Gone(10, 1, "v1"), r.Closed(20, 1)],
]


# ---- bytes ------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recordings") / "a.wzr"


@given(st.integers(0, 10**6), st.booleans())
def test_what_is_cut_off_or_changed_ends_it(place: Path, where: int, cut: bool) -> None:
    """Every record before the first portion that is not whole, and none after it."""
    data = written(place, PORTIONS)
    first = len(r.opening(START))
    at = first + where % (len(data) - first)
    ends = [first]
    for some in PORTIONS:
        ends.append(ends[-1] + len(r.portion([r.encode(each) for each in some])))
    changed = data[:at] if cut else data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
    place.write_bytes(changed)
    recording = Recording.open(place)
    whole = sum(end <= at for end in ends[1:])
    assert list(recording.records()) == [each for some in PORTIONS[:whole] for each in some]
    assert recording.lost == len(changed) - ends[whole]


@given(st.lists(poses, min_size=1, max_size=4))
def test_cameras_come_back_to_the_bit(said: list[CameraPose]) -> None:
    before: CameraPose | None = None
    again: CameraPose | None = None
    for pose_now in said:
        looked = r.Looked.of(7, 1, "v1", pose_now, before)
        (read,) = r._records.decode(r.portion([r.encode(looked)])[8:])
        assert isinstance(read, r.Looked)
        again = read.pose(again)
        assert again == pose_now
        before = pose_now


def test_a_camera_that_only_turns_is_small() -> None:
    """What the figure in docs/recordings.md rests on."""
    first, second, *_ = (pose(camera) for camera in places(48))
    turned = msgspec.structs.replace(first, quat=second.quat)
    assert len(r.encode(r.Looked.of(10**7, 1, "v1", turned, first))) < 64


# ---- writing ----------------------------------------------------------------------------------------
def test_what_is_put_is_read_in_its_order(tmp_path: Path) -> None:
    now = [0.0]
    recorder = Recorder(tmp_path / "a.wzr", START, lambda: now[0])
    for number in range(100):
        now[0] = 0.001 * number
        recorder.put(lambda at, number=number: r.Gone(at, 1, f"v{number}"))
    recorder.close()
    recorder.close()
    recording = Recording.open(tmp_path / "a.wzr")
    assert list(recording.records()) == [r.Gone(1000 * number, 1, f"v{number}") for number in range(100)]
    assert recording.lost == 0 and recording.start == START


def test_a_full_disk_ends_the_recording_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Half a portion is written as the disk fills up: the file is whole without it."""
    recorder = Recorder(tmp_path / "a.wzr", START, lambda: 0.0)
    real = recorder_module._append

    def full(file: FileIO, data: bytes) -> int:
        real(file, data[: len(data) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(recorder_module, "_append", full)
    with caplog.at_level(logging.ERROR):
        recorder.put(lambda at: r.Gone(at, 1, "v1"))
        while not recorder.stopped:
            recorder_module.threading.Event().wait(0.01)
        recorder.put(lambda at: r.Gone(at, 1, "v2"))
        recorder.close()
    (line,) = caplog.messages
    assert "No space left" in line and "The server goes on" in line
    recording = Recording.open(tmp_path / "a.wzr")
    assert list(recording.records()) == [] and recording.lost == 0


def test_a_disk_that_takes_nothing_costs_no_more_than_so_much_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "MOST_WAITING", 1000)
    recorder = Recorder(tmp_path / "a.wzr", START, lambda: 0.0)
    for _ in range(1000):
        recorder.put(lambda at: r.Gone(at, 1, "v1"))
        assert recorder._waiting_bytes <= 1000 + 20
    assert "too slow" in recorder.stopped
    recorder.close()
    assert Recording.open(tmp_path / "a.wzr").lost == 0


def test_a_file_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder_module, "MOST_BYTES", 10)
    recorder = Recorder(tmp_path / "a.wzr", START, lambda: 0.0)
    recorder.put(lambda at: r.Gone(at, 1, "v1"))
    recorder.close()
    assert "has reached" in recorder.stopped
    assert list(Recording.open(tmp_path / "a.wzr").records()) == []


def test_a_place_that_can_not_be_written_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(CannotRecord, match="already"):
        Recorder(tmp_path, START, lambda: 0.0)
    with pytest.raises(CannotRecord, match="no folder"):
        Recorder(tmp_path / "none" / "a.wzr", START, lambda: 0.0)


# ---- cameras ----------------------------------------------------------------------------------------
def test_cameras_are_written_down_thirty_times_a_second_and_the_last_one_always(tmp_path: Path) -> None:
    seen = [pose(camera) for camera in places(48)]

    async def fly() -> None:
        recorder = Recorder(tmp_path / "a.wzr", START, loop_time)
        tape = Tape(recorder, "garden", Disk(lambda: False), 1)  # type: ignore[arg-type]
        for step in range(240):
            tape.looked("v1", seen[step % 47])
            await asyncio.sleep(1.0 / 240.0)
        tape.looked("v1", seen[47])
        await asyncio.sleep(1.0)
        tape.looked("v1", seen[0])
        tape.looked("v1", seen[1])
        tape.settle("v1")  # it does something
        tape.closed()
        recorder.close()

    virtual_time.run(fly())
    looks = [each for each in Recording.open(tmp_path / "a.wzr").records() if isinstance(each, r.Looked)]
    assert 28 <= len(looks) - 3 <= 32
    assert np.diff([each.at for each in looks[:-2]]).min() >= 0.99e6 * CAMERA_S
    poses_then: list[CameraPose] = []
    for each in looks:
        poses_then.append(each.pose(poses_then[-1] if poses_then else None))
    assert poses_then[-3:] == [seen[47], seen[0], seen[1]]


def test_a_camera_that_is_said_again_is_written_down_again(tmp_path: Path) -> None:
    """Whoever followed somebody and says where they stood before follows nobody any more."""
    first, second, *_ = (pose(camera) for camera in places(48))
    path = tmp_path / "a.wzr"

    async def follow_and_stay() -> None:
        recorder = Recorder(path, START, loop_time)
        tape = Tape(recorder, "garden", Disk(lambda: False), 1)  # type: ignore[arg-type]
        for viewer in ("v1", "v2"):
            tape.put(lambda at, viewer=viewer: r.Entered(at, 1, viewer, viewer, "viewer"))
        tape.looked("v1", first)
        tape.looked("v2", second)
        said = msgspec.Raw(encode(messages.Follow(viewer="v1", request="f")))
        tape.put(lambda at: r.Heard(at, 1, "v2", said))
        await asyncio.sleep(1.0)
        tape.looked("v2", second)
        await asyncio.sleep(1.0)
        tape.closed()
        recorder.close()

    virtual_time.run(follow_and_stay())
    seen = [pose(each.camera) for each in moments(Recording.open(path).records(), "v2", 0.5)]
    assert seen[1] == first and seen[-1] == second


# ---- who saw what -------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def lived() -> Evening:
    return recorded_evening(9, 6, 6.0)


def all_records(evening: Evening, path: Path) -> list[r.AnyRecord]:
    path.write_bytes(evening.data)
    return list(Recording.open(path).records())


def test_everybody_is_known_to_look_where_they_looked(lived: Evening, tmp_path: Path) -> None:
    """The room itself said where, while people flew, followed each other, broke their lines and came back."""
    records = iter(all_records(lived, tmp_path / "a.wzr"))

    async def compare() -> int:
        watching, following = Watching(), 0
        upcoming = next(records)
        for at, viewer, camera in lived.house.looks:
            while 1e-6 * upcoming.at <= at:
                watching.take(upcoming)
                upcoming = next(records)
            assert watching.camera(viewer) == camera, f"{viewer} at {at:.3f} s"
            who = watching._roster.get(viewer)
            following += who is not None and who.following is not None
        watching.close()
        return following

    assert asyncio.run(compare()) > 0, "some were led"
    assert len(lived.house.looks) > 100


def test_who_moves_evenly_moves_evenly_in_a_film() -> None:
    """Cameras come when they come; a jump stays one, and so does another size."""
    start, rng = places(1)[0], np.random.default_rng(5)
    times = np.cumsum(rng.uniform(0.01, 0.06, 100))
    said = [(1.0 + at, start.zoomed(2.0**at)) for at in times.tolist()]
    said += [(said[-1][0] + 1.0, start), (said[-1][0] + 1.05, start.resized(64, 64))]
    records: list[r.AnyRecord] = [r.Opened(0, 1, "garden", 1, b"", 1), r.Entered(0, 1, "v1", "Ant", "host")]
    before: CameraPose | None = None
    for at, camera in said:
        records.append(r.Looked.of(round(1e6 * at), 1, "v1", now := pose(camera), before))
        before = now
    records.append(r.Closed(round(1e6 * (said[-1][0] + 1.0)), 1))
    seen = moments(records, "v1", 1.0 / 30.0)
    moving = [each for each in seen if said[0][0] <= each.seconds < said[99][0]]
    octaves = [(start.ln_scale - each.camera.ln_scale) / np.log(2.0) for each in moving]
    assert np.abs(np.array(octaves) - [each.seconds - 1.0 for each in moving]).max() < 1e-4
    rest = [each.camera for each in seen if each.seconds >= said[99][0]]
    assert set(rest) == {camera_of(pose(camera)) for _, camera in said[99:]}


def test_moments_are_evenly_apart_and_leave_out_who_is_away(lived: Evening, tmp_path: Path) -> None:
    records = all_records(lived, tmp_path / "a.wzr")
    viewer = next(each.viewer for each in records if isinstance(each, r.Left))
    seen = moments(records, viewer, 0.1)
    times = np.array([each.seconds for each in seen])
    assert np.allclose(np.round(times / 0.1), times / 0.1) and (np.diff(times) > 0.09).all()
    here = False
    away: list[float] = []
    for each in records:
        if isinstance(each, r.Entered | r.Left) and each.viewer == viewer:
            here = isinstance(each, r.Entered)
            away.append(1e-6 * each.at)
    assert not here and (times < away[-1] + 1e-9).all()
    assert [each.revision for each in seen] == sorted(each.revision for each in seen)
