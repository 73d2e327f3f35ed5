"""The window's side of a conversation with the real server: nothing blocks, everything comes as news."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from house_thread import WITHIN_S, house_thread
from houses import Served
from zoom_garden import ROOT

from wonderzoom.clients.desktop.remote import Changed, News, Over, Picked, Progress, Remote, Shown, Told
from wonderzoom.clients.errors import NotAllowed, RequestFailed
from wonderzoom.protocol import messages
from wonderzoom.runtime.renderers.cpu import CpuRenderer

VIEW = ROOT.resized(96, 72)


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(1) as made:
        yield made


@pytest.fixture
def served(tmp_path: Path, renderer: CpuRenderer) -> Iterator[Served]:
    with house_thread(tmp_path / "garden", renderer) as made:
        yield made


@pytest.fixture
def remote(served: Served) -> Iterator[Remote]:
    made = Remote(served.link(), "Ada")
    yield made
    made.close()


class Heard:
    """The news so far."""

    def __init__(self, remote: Remote) -> None:
        self.remote, self.all = remote, list[News]()

    def until(self, kind: type, wanted: Callable[[Any], bool] = lambda _: True) -> Any:
        end = time.monotonic() + WITHIN_S
        while time.monotonic() < end:
            self.all += self.remote.news()
            for news in self.all:
                if isinstance(news, kind) and wanted(news):
                    return news
            time.sleep(0.005)
        raise AssertionError(f"no {kind.__name__} in {self.all}")


def test_sheets_have_depth_where_it_is_asked_for(served: Served, remote: Remote) -> None:
    deep = Remote(served.link(), depth=True)
    try:
        for each, has in ((remote, False), (deep, True)):
            each.look(VIEW)
            sheet = Heard(each).until(Shown, lambda news: news.sheet.still).sheet
            assert (sheet.zeta is not None) == has
            if has:
                assert sheet.zeta.shape == (-(-VIEW.height // 4), -(-VIEW.width // 4))
    finally:
        deep.close()


def test_look_pick_zoom_remove_and_restore(remote: Remote) -> None:
    heard, woken = Heard(remote), list[int]()
    remote.wake = lambda: woken.append(1)
    remote.look(VIEW)
    shown = heard.until(Shown, lambda news: news.sheet.still and news.sheet.camera == VIEW)
    assert shown.sheet.pixels.shape == (72, 96, 3) and shown.sheet.revision == 1 and woken
    request = remote.pick(shown.sheet.frame, 0.4, 0.6)
    assert heard.until(Picked, lambda news: news.request == request).found.place is not None
    missed = remote.pick(999, 0.4, 0.6)
    assert heard.until(Picked, lambda news: news.request == missed).found is None
    zoom = remote.zoom(ROOT.zoomed(4.0), "moss", 7)
    done = heard.until(Progress, lambda news: news.status and news.status.state == "committed")
    assert done.request == zoom
    assert any(isinstance(news, Progress) and news.preview is not None for news in heard.all)
    node = done.status.node
    heard.until(Told, lambda news: isinstance(news.event, messages.Commit) and bool(news.event.added))
    assert node in remote.world.nodes
    remote.remove(node)
    assert heard.until(Changed, lambda news: news.removed).error is None
    remote.restore(node)
    assert heard.until(Changed, lambda news: not news.removed).error is None
    remote.remove("n0thing")
    assert isinstance(heard.until(Changed, lambda news: news.node == "n0thing").error, RequestFailed)


def test_surfels_come_and_settle_and_frames_again(served: Served) -> None:
    remote = Remote(served.link(), surfel_budget=100_000)
    try:
        heard = Heard(remote)
        assert remote.streams_surfels and remote.settings.h_ref == 64
        remote.look(VIEW)
        end = time.monotonic() + WITHIN_S
        while not (remote.settled and remote.drawn().surfel_count):
            assert time.monotonic() < end
            time.sleep(0.01)
        assert remote.drawn() is remote.drawn() and remote.drawn().surfel_count > 50
        remote.stream("frames")
        assert heard.until(Shown).sheet.camera == VIEW
        remote.stream("surfels")
        remote.look(VIEW.zoomed(1.5))
        while not (remote.settled and remote.drawn().surfel_count > 50):
            assert time.monotonic() < end
            time.sleep(0.01)
    finally:
        remote.close()


def test_the_server_chooses_and_says_so(served: Served) -> None:
    remote = Remote(served.link(), surfel_budget=100_000, auto=True)
    try:
        heard = Heard(remote)
        remote.look(VIEW)
        heard.until(Shown)
        told = heard.until(
            Told, lambda news: isinstance(news.event, messages.Streamed) and news.event.kind == "surfels"
        )
        assert told and remote.world.streamed == "surfels"
        end = time.monotonic() + WITHIN_S
        while not (remote.settled and remote.drawn().surfel_count > 50):
            assert time.monotonic() < end
            time.sleep(0.01)
    finally:
        remote.close()


def test_a_zoom_that_no_server_takes_is_told_as_one_that_failed(remote: Remote) -> None:
    heard = Heard(remote)
    request = remote.zoom(ROOT, "x" * 100_000, 1)
    assert heard.until(Progress).request == request
    assert heard.until(Progress).error is not None


def test_the_end_is_told(served: Served) -> None:
    remote = Remote(served.link(), patience=0.1)
    heard = Heard(remote)
    served.stop.set()
    over = heard.until(Over)
    assert over.error is not None
    remote.look(VIEW)  # nobody hears it
    remote.close()


def test_whoever_is_not_let_in_is_told_at_once(served: Served) -> None:
    with pytest.raises(NotAllowed):
        Remote(served.link().partition("#")[0] + "#token=" + "x" * 43)
