"""The command line's zoom: the service's path, with the ends and the errors that a command has."""

import io
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from plane_maker import GENERATOR, PlaneMaker, PointRenderer, request

from wonderzoom.generation.jobs import STAGES, AlreadyCovered, GenerationError, StageEvent, Watch, ZoomRequest
from wonderzoom.runtime.build import start_world
from wonderzoom.runtime.progress import Reporter
from wonderzoom.runtime.zooming import zoom_once
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.store_errors import NoSpace
from wonderzoom.scene_graph.world import UnknownNode, World


class Desk:
    """A world of one picture, open for writing."""

    def __init__(self, path: Path) -> None:
        self.maker = PlaneMaker(PointRenderer(), Reporter(lambda: 0.0, io.StringIO()))
        self.store: WorldStore = start_world(path, self.maker.create(GENERATOR, request(), Watch()))
        self.world: World = self.store.load()
        self.events: list[StageEvent] = []

    def zoom(self, prompt: str = "moss", node: str | None = None) -> str:
        assert self.world.root is not None
        camera = self.world.root.main.camera
        point = camera.unproject(np.array([camera.cx, camera.cy]), np.array(0.0))
        wanted = ZoomRequest(camera.looking_at(point).zoomed(4.0), prompt, node=node)
        watch = Watch(event=self.events.append)
        return zoom_once(self.store, self.world, wanted, GENERATOR, self.maker, watch).node


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path / "garden")
    yield made
    assert made.store.revision == made.world.revision
    assert made.store.load().digest() == made.world.digest()
    made.store.close()


def test_a_zoom_is_durable_and_real_and_its_stages_are_told(desk: Desk) -> None:
    node = desk.zoom("moss unicorn")
    assert desk.world.node(node).prompt == "moss unicorn" and desk.store.revision == 2
    stages = [event.stage for event in desk.events]
    assert stages == sorted(stages, key=STAGES.index) and "upscale" in stages and stages[-1] == "commit"


@pytest.mark.parametrize(
    "error", [GenerationError("depth", "no"), AlreadyCovered("n"), UnknownNode("n"), ZeroDivisionError()]
)
def test_an_error_is_the_one_that_was_raised(
    desk: Desk, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(number: int) -> None:
        raise error

    desk.maker.before_zoom = fail
    with pytest.raises(type(error)) as raised:
        desk.zoom()
    assert raised.value is error and desk.world.revision == 1
    assert capsys.readouterr().err == ""  # whoever catches it tells of it


def test_a_full_disk_is_an_error_and_the_zoom_may_be_made_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_commit: object) -> None:
        raise NoSpace(desk.store.path, "full", "free some")

    with monkeypatch.context() as patch:
        patch.setattr(desk.store, "append", full)
        with pytest.raises(NoSpace):
            desk.zoom()
    desk.world = desk.store.load()  # a command ends here
    assert desk.world.node(desk.zoom()).prompt == "moss"


@pytest.mark.skipif(sys.platform == "win32", reason="signals to oneself are POSIX")
@pytest.mark.usefixtures("ctrl_c")
def test_ctrl_c_calls_the_zoom_off(desk: Desk) -> None:
    ended = threading.Event()

    def interrupted(number: int) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)  # a step
        ended.set()

    desk.maker.before_zoom = interrupted
    with pytest.raises(KeyboardInterrupt):
        desk.zoom()
    assert ended.is_set() and desk.store.revision == 1
