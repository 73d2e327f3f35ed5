"""The blocking client against the real server: everything that it does, from a thread that only waits."""

import io
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from house_thread import house_thread
from houses import Served
from PIL import Image
from zoom_garden import ROOT

import wonderzoom.clients
from wonderzoom.clients import blocking
from wonderzoom.clients.errors import BadLink, CannotConnect, Ended, NotAllowed, RequestFailed, ZoomCancelled
from wonderzoom.protocol import messages
from wonderzoom.protocol.errors import ErrorCode
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


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate()}


def test_look_pick_zoom_remove_and_restore(served: Served) -> None:
    with wonderzoom.clients.connect(served.link(), name="Ada") as world:
        (root,) = world.nodes
        assert world.welcome.world == "garden" and world.worlds == ["garden"] and world.ended is None
        picture = world.frame(world.look(VIEW), timeout=30.0)
        assert picture.still and picture.camera == VIEW == world.camera
        assert Image.open(io.BytesIO(picture.jpeg)).size == (96, 72)
        assert world.frame(timeout=0.5) is picture  # the server sends it once
        picked = world.pick(picture.spot(0.4, 0.6))
        assert picked.node == root and picked.place is not None
        zoom = world.zoom("moss", at=picture.spot(0.4, 0.6))
        statuses = list(zoom)
        assert statuses[-1].state == "committed" and zoom.done and zoom.status is statuses[-1]
        assert "running" in [status.state for status in statuses]
        node = zoom.result(30.0)
        assert world.nodes[node.id] == node and (node.by, node.parent, node.prompt) == ("Ada", root, "moss")
        after = world.frame(timeout=30.0)
        assert after is not picture and after.message.revision == world.revision == 2
        assert world.remove(node.id) == 3 and list(world.nodes) == [root]
        assert world.restore(node.id) == 4 and node.id in world.nodes
        with pytest.raises(RequestFailed) as caught:
            world.remove("n0thing")
        assert caught.value.code is ErrorCode.NOT_FOUND
        assert world.presence is not None
    assert "world" not in threads()


def test_what_happens_is_told_from_the_call_on(served: Served) -> None:
    with blocking.connect(served.link()) as world, blocking.connect(served.link(), name="Bob") as other:
        events = world.events()
        other.zoom("moss", camera=ROOT.zoomed(4.0)).result(30.0)
        commits = (event for event in events if isinstance(event, messages.Commit))
        assert next(commits).by == "Bob"
        events.close()


def test_frames_come_while_one_moves(served: Served) -> None:
    with blocking.connect(served.link()) as world:
        world.look(VIEW)
        frames: Generator = world.frames()
        seen = []
        for k, picture in enumerate(frames, 1):
            seen.append(picture.seq)
            with pytest.raises(RuntimeError, match="frames"):
                world.frame(world.look(VIEW.orbited(0.01 * k, 0.0)), timeout=20.0)
            if k == 4:
                break
        frames.close()
        assert seen == sorted(set(seen)) and len(seen) == 4
        assert world.frame(timeout=30.0).camera == world.camera


def test_several_threads_ask_at_once(served: Served) -> None:
    with blocking.connect(served.link()) as world, ThreadPoolExecutor(4) as pool:
        picture = world.frame(world.look(VIEW), timeout=30.0)
        jobs = [pool.submit(world.pick, picture.spot(0.1 * k, 0.5)) for k in range(10)]
        assert {job.result(30.0).node for job in jobs} == set(world.nodes)


def test_a_zoom_is_called_off(tmp_path: Path, renderer: CpuRenderer) -> None:
    go_on = threading.Event()
    with house_thread(tmp_path / "garden", renderer, lambda: (go_on.wait(30.0), None)[1]) as served:
        with blocking.connect(served.link()) as world:
            zoom = world.zoom("moss", camera=ROOT.zoomed(4.0))
            assert any(status.state == "running" for status in zoom)  # and no further
            with pytest.raises(TimeoutError):
                zoom.result(0.05)
            zoom.cancel()
            go_on.set()
            with pytest.raises(ZoomCancelled):
                zoom.result(30.0)
            assert [status.state for status in zoom][-1:] in ([], ["cancelled"])


def test_a_world_that_was_left_says_so(served: Served) -> None:
    world = blocking.connect(served.link())
    events = world.events()
    world.close()
    world.close()
    with pytest.raises(Ended, match="left"):
        world.frame()
    with pytest.raises(Ended, match="left"):
        world.look(VIEW)
    with pytest.raises(Ended, match="left"):
        list(events)


def test_whoever_is_not_let_in_leaves_no_thread(served: Served) -> None:
    link = served.link()
    with pytest.raises(NotAllowed):
        blocking.connect(link.partition("#")[0] + "#token=" + "x" * 43)
    with pytest.raises(BadLink):
        blocking.connect("no link")
    with pytest.raises(CannotConnect):
        blocking.connect("http://127.0.0.1:9/#token=" + "x" * 43)
    assert "world" not in threads()


def test_a_notebook_shows_pictures(served: Served) -> None:
    with blocking.connect(served.link()) as world:
        world.look(VIEW)
        shown = world._repr_html_()
        assert 'src="data:image/jpeg;base64,/9j/' in shown and "garden, revision 1, 1 nodes" in shown
        picture = world.frame()
        assert picture._repr_jpeg_() == picture.jpeg
        zoom = world.zoom("<moss>", at=picture.spot(0.5, 0.5))
        zoom.result(30.0)
        assert "&lt;moss&gt;: committed" in zoom._repr_html_()
    assert "no picture" in world._repr_html_() and "garden" in world._repr_html_()


def test_a_call_inside_the_thread_is_an_error_and_no_deadlock(served: Served) -> None:
    with blocking.connect(served.link()) as world:

        def inside() -> None:
            world._thread.do(lambda: None)

        with pytest.raises(RuntimeError, match="waits for the thread"):
            world._thread.do(inside)
