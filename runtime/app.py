"""The composition root: what a program is made of, put together here and nowhere else.

Owns the choice of renderer, fitter and generator, and their life; the only room besides ``cli`` that reads
the machine. Everything is made when it is first needed: ``info`` loads no kernel, ``render`` no generator.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from wonderzoom.generation.ablations import Ablations
from wonderzoom.generation.jobs import Created, CreateRequest, Watch, Zoomed, ZoomRequest
from wonderzoom.runtime import graphics
from wonderzoom.runtime.errors import UsageError
from wonderzoom.runtime.generators import EMBEDDED, from_recipe, recipe_of
from wonderzoom.runtime.platform import usable_memory_bytes, usable_threads
from wonderzoom.runtime.progress import Reporter
from wonderzoom.scene_graph.page_cache import PageCache
from wonderzoom.scene_graph.world import World

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from wonderzoom.generation.pipeline import Pipeline
    from wonderzoom.generation.stages import Generator as Stages
    from wonderzoom.runtime.renderers.cpu import CpuRenderer
    from wonderzoom.runtime.renderers.cuda import CudaRenderer
    from wonderzoom.runtime.renderers.opengl import OpenGLRenderer
    from wonderzoom.scene_graph.ports import Fitter

DEFAULT_GENERATOR = EMBEDDED
MEMORY_SHARE = 0.25  # of the machine's: the worker that zooms takes more than half (``workers.MEMORY_SHARE``)
_USUAL_MEMORY = 8 << 30  # bytes, where the system doesn't say
IMAGINED_SIZE = (768, 512)  # of a picture that is made from words: H_ref on the short side
_PATIENCE_S = 1.0  # loading compiled kernels ends within it


def _embedded(threads: int) -> Stages:
    from wonderzoom.generation.embedded.generator import EmbeddedGenerator

    return EmbeddedGenerator(threads)


def _warm_embedded() -> threading.Thread:
    from wonderzoom.generation.embedded.generator import warm_up_in_background

    return warm_up_in_background()


# Name on the command line -> how it is made from a number of threads.
GENERATORS: dict[str, Callable[[int], Stages]] = {DEFAULT_GENERATOR: _embedded}
# Those whose zooms have kernels to compile -> how that is begun in another thread.
WARM_UPS: dict[str, Callable[[], threading.Thread]] = {DEFAULT_GENERATOR: _warm_embedded}
_BOUNDS, _CHOICES = "bounds", "choices"  # among what is warmed up
_WARMING = "Preparing what comes next: kernels are compiled once on a machine (about a minute), then kept."


def _opengl(memory: int) -> OpenGLRenderer:
    """Half of ``memory`` bytes for surfels on the graphics card, which may be this same memory, half beside them."""
    from wonderzoom.runtime.renderers.opengl import OpenGLRenderer, OpenGLUnavailable

    try:
        renderer = OpenGLRenderer(memory // 2)
        try:
            renderer.check_ids()
        except OpenGLUnavailable:
            renderer.close()
            raise
    except OpenGLUnavailable as error:
        raise UsageError(f"{graphics.CHOICE_VARIABLE} is opengl, but: {error}") from error
    return renderer


class App:
    """Renderer, fitter and generators of one program; a context manager that ends their threads."""

    def __init__(
        self, threads: int | None = None, reporter: Reporter | None = None, memory: int | None = None
    ) -> None:
        """``memory``: bytes for the blocks of worlds, as they are read and as they are drawn; half each."""
        self.threads = threads or usable_threads()
        self._memory = memory or int(MEMORY_SHARE * (usable_memory_bytes() or _USUAL_MEMORY))
        self.pages = PageCache(self._memory // 2)
        self.clock = time.monotonic
        self.reporter = reporter or Reporter(self.clock)
        self._renderer: CpuRenderer | CudaRenderer | OpenGLRenderer | None = None
        self._stages: dict[str, Stages] = {}
        self._pipelines: dict[str, Pipeline] = {}
        self._warming: dict[str, threading.Thread] = {}
        self._ablations = Ablations()

    @property
    def renderer(self) -> CpuRenderer | CudaRenderer | OpenGLRenderer:
        """Made once, ready to draw; the first start on a machine compiles it and says so.

        Which one: ``graphics.chosen``. Raises UsageError when one is asked for that can't draw here.
        """
        if self._renderer is None:
            drawer = graphics.chosen(os.environ, self.reporter.note)
            if drawer == "cuda":
                from wonderzoom.runtime.renderers.cuda import CudaRenderer

                self._renderer = CudaRenderer(mode=graphics.cuda_mode(os.environ))
            elif drawer == "opengl":
                self._renderer = _opengl(self._memory - self._memory // 2)
            else:
                from wonderzoom.runtime.renderers.cpu import CpuRenderer

                self._renderer = CpuRenderer(self.threads, self._memory - self._memory // 2)
            self._renderer.warm_up(self.reporter.note)
            from wonderzoom.runtime.renderers.selection_kernels import warm_up_in_background

            self._warming[_CHOICES] = warm_up_in_background()
        return self._renderer

    def _fitter(self) -> Fitter:
        """Fits where the renderer draws."""
        if self.renderer.name == "cuda":
            from wonderzoom.runtime.renderers.cuda_fitter import CudaFitter

            return CudaFitter()
        from wonderzoom.runtime.renderers.cpu_fitter import CpuFitter

        return CpuFitter(self.threads)

    def stages(self, generator: str) -> Stages:
        """The generator of that name, or of that recipe's file, made once. Raises UsageError."""
        if generator not in self._stages:
            if generator in GENERATORS:
                made = GENERATORS[generator](self.threads)
            else:
                recipe, embedded = recipe_of(generator), self.stages(DEFAULT_GENERATOR)
                made = from_recipe(recipe, embedded, lambda: self.renderer, self.threads)
            self._stages[generator] = made
        return self._stages[generator]

    def pipeline(self, generator: str) -> Pipeline:
        """Generation with the generator of that name, made once. Raises UnknownGenerator."""
        stages = self.stages(generator)
        if generator not in self._pipelines:
            from wonderzoom.generation.pipeline import Pipeline
            from wonderzoom.runtime.renderers.coverage_kernels import warm_up_in_background

            if _BOUNDS not in self._warming:
                self._warming[_BOUNDS] = warm_up_in_background()
            self._pipelines[generator] = Pipeline(
                stages, self.renderer, self._fitter(), self.threads, ablations=self._ablations
            )
        return self._pipelines[generator]

    # ---- generation as commands need it ---------------------------------------------------------
    def generator_name(self, generator: str) -> str:
        """Name and version, as nodes record it."""
        return self.stages(generator).name

    def imagine(self, generator: str, prompt: str, seed: int, watch: Watch) -> NDArray[np.uint8]:
        """A picture of what the words say, [H, W, 3] sRGB. Raises UsageError where the generator makes none."""
        maker = self.stages(generator).text_to_image
        if maker is None:
            raise UsageError(
                f"the generator {generator!r} makes no pictures from words: give an IMAGE, or another --generator"
            )
        return maker.imagine(prompt, *IMAGINED_SIZE, seed, watch.control("edit"))

    def create(self, generator: str, request: CreateRequest, watch: Watch) -> Created:
        """E_0 of a picture. What zooms need is compiled meanwhile: one will come, now or in another process."""
        pipeline = self.pipeline(generator)
        if generator in WARM_UPS and generator not in self._warming:
            self._warming[generator] = WARM_UPS[generator]()
        return pipeline.create(request, watch)

    def zoom(self, generator: str, world: World, request: ZoomRequest, watch: Watch) -> Zoomed:
        """E_i at a camera; in the mode ``replace`` the named node goes in the same commit."""
        return self.pipeline(generator).zoom(world, request, watch)

    def ablated(self, ablations: Ablations) -> App:
        """This program with parts of the method left out; renderer and generators are shared, and ended by this."""
        other = App(self.threads, self.reporter)
        other._renderer, other._stages, other._warming = self.renderer, self._stages, self._warming
        other._ablations = ablations
        return other

    # ---- life -----------------------------------------------------------------------------------
    def close(self) -> None:
        """End the threads; what is being compiled is finished first, as the next process would start again."""
        for thread in self._warming.values():
            thread.join(_PATIENCE_S)
            if thread.is_alive():
                self.reporter.note(_WARMING)
                thread.join()
        self._close()

    def _close(self) -> None:
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
        self._pipelines.clear()
        self._stages.clear()
        self._warming.clear()

    def __enter__(self) -> App:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:  # whoever is interrupted, or in error, is not kept waiting; these threads end with the process
            self._close()
