"""The composition root: everything is made once, when it is needed, and ends with the program."""

import io
import subprocess
import sys
import threading
from typing import Any

import pytest
from plane_maker import request

from wonderzoom.generation.ablations import Ablations
from wonderzoom.generation.jobs import CreateRequest, Watch
from wonderzoom.runtime import app as app_room
from wonderzoom.runtime.app import DEFAULT_GENERATOR, App
from wonderzoom.runtime.errors import UsageError
from wonderzoom.runtime.generators import UnknownGenerator
from wonderzoom.runtime.progress import Reporter

LOADED = """
import sys
import threading
from wonderzoom.runtime.app import App
with App():
    pass
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def quiet() -> Reporter:
    return Reporter(lambda: 0.0, io.StringIO())


def test_a_program_that_draws_and_generates_nothing_loads_no_kernels() -> None:
    result = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True)
    assert {"numba", "cv2", "scipy", "av", "torch"}.isdisjoint(result.stdout.split())


def test_an_unknown_generator_is_named_with_those_that_there_are() -> None:
    with App(1, quiet()) as app:
        for asked in (app.generator_name, app.pipeline, app.stages):
            with pytest.raises(UnknownGenerator, match=f"'magic'; there is: .*{DEFAULT_GENERATOR}"):
                asked("magic")
        with pytest.raises(UnknownGenerator):
            app.create("magic", request(), Watch())


def test_the_name_of_a_generator_needs_no_renderer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stages:
        name = "stages/3"

    made: list[int] = []
    monkeypatch.setitem(app_room.GENERATORS, "stages", lambda threads: (made.append(threads), Stages())[1])
    with App(2, quiet()) as app:
        assert app.generator_name("stages") == app.generator_name("stages") == "stages/3"
        assert made == [2]
        assert app._renderer is None


def test_renderer_and_pipeline_are_made_once_and_their_threads_end() -> None:
    with App(2, quiet()) as app:
        assert app.renderer is app.renderer
        assert app.pipeline(DEFAULT_GENERATOR) is app.pipeline(DEFAULT_GENERATOR)
        assert app.generator_name(DEFAULT_GENERATOR) == app.pipeline(DEFAULT_GENERATOR).generator.name
    app.close()  # twice is once


def test_an_ablated_program_shares_all_but_its_pipelines() -> None:
    without = Ablations(registration=False)
    with App(1, quiet()) as app:
        other = app.ablated(without)
        assert other.renderer is app.renderer and other.threads == app.threads
        assert other.stages(DEFAULT_GENERATOR) is app.stages(DEFAULT_GENERATOR)
        assert other.pipeline(DEFAULT_GENERATOR)._ablations == without
        assert app.pipeline(DEFAULT_GENERATOR)._ablations == Ablations()


def test_zooms_are_prepared_while_a_world_is_made_and_an_error_waits_for_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    release, ended = threading.Event(), threading.Event()
    begun: list[str] = []

    def warm() -> threading.Thread:
        def work() -> None:
            release.wait()
            ended.set()

        begun.append("once")
        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        return thread

    class MakesNothing:
        def create(self, request: CreateRequest, watch: Watch) -> None:
            return None

    monkeypatch.setitem(app_room.WARM_UPS, DEFAULT_GENERATOR, warm)
    monkeypatch.setattr(app_room, "_PATIENCE_S", 0.0)
    monkeypatch.setattr(App, "pipeline", lambda self, name: MakesNothing())
    with pytest.raises(KeyboardInterrupt), App(1, quiet()) as app:
        app.create(DEFAULT_GENERATOR, request(), Watch())
        raise KeyboardInterrupt
    assert begun == ["once"] and not ended.is_set()
    stream = io.StringIO()
    with App(1, Reporter(lambda: 0.0, stream)) as app:
        app.create(DEFAULT_GENERATOR, request(), Watch())
        app.create(DEFAULT_GENERATOR, request(), Watch())
        threading.Timer(0.2, release.set).start()
    assert begun == ["once", "once"] and ended.is_set()
    assert "compiled once" in stream.getvalue()


def test_threads_are_those_that_the_machine_has_unless_told_otherwise() -> None:
    assert App(3, quiet()).threads == 3
    assert App(reporter=quiet()).threads >= 1


def test_renderer_and_fitter_are_on_the_card_together(monkeypatch: pytest.MonkeyPatch) -> None:
    from gsplat_stand_in import StandIn

    from wonderzoom.runtime.renderers import cuda, cuda_fitter, gsplat_calls

    made: dict[str, Any] = {"library": gsplat_calls.Gsplat(StandIn()), "device": "cpu"}
    renderer, fitter = cuda.CudaRenderer, cuda_fitter.CudaFitter
    monkeypatch.setattr(app_room.graphics, "chosen", lambda *_: "cuda")
    monkeypatch.setattr(cuda, "CudaRenderer", lambda mode: renderer(1 << 20, mode=mode, **made))
    monkeypatch.setattr(cuda_fitter, "CudaFitter", lambda: fitter(**made))
    with App(1, quiet()) as app:
        assert app.renderer.name == app._fitter().name == "cuda"
        assert isinstance(app.renderer, renderer) and app.renderer.mode == "3dgs"
    monkeypatch.setenv(app_room.graphics.CHOICE_VARIABLE, "cuda-2dgs")
    with App(1, quiet()) as app:
        assert isinstance(app.renderer, renderer) and app.renderer.mode == "2dgs"
    monkeypatch.setattr(app_room.graphics, "chosen", lambda *_: "cpu")
    with App(1, quiet()) as app:
        assert app.renderer.name == app._fitter().name == "cpu"


@pytest.mark.system
def test_opengl_draws_where_it_is_asked_for_and_the_cpu_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(app_room.graphics.CHOICE_VARIABLE, "opengl")
    with App(1, quiet(), memory=64 << 20) as app:
        assert (app.renderer.name, app._fitter().name) == ("opengl", "cpu")


def test_opengl_that_can_not_draw_is_an_error_that_says_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    from wonderzoom.runtime.renderers import opengl

    def fails() -> None:
        raise opengl.OpenGLUnavailable("no EGL: install a driver")

    monkeypatch.setenv(app_room.graphics.CHOICE_VARIABLE, "opengl")
    monkeypatch.setattr(opengl, "open_context", fails)
    with App(1, quiet()) as app, pytest.raises(UsageError, match="is opengl, but: no EGL: install a driver"):
        _ = app.renderer
