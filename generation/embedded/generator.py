"""The generator that needs no weights, put together: every stage of the control loop, named "embedded/1".

Owns the choice of the stages and the warming of their kernels. Kernels are compiled once per machine and cached
beside the package; until then a first zoom would wait for the compiler, so a program starts ``warm_up`` in the
background as soon as it runs.
"""

from __future__ import annotations

import threading

import numpy as np

from wonderzoom.generation.embedded.auxiliary import AuxiliaryStage
from wonderzoom.generation.embedded.chart import Charts
from wonderzoom.generation.embedded.depth_stage import EmbeddedDepth
from wonderzoom.generation.embedded.describing import EmbeddedDescriber
from wonderzoom.generation.embedded.detail import synthesise
from wonderzoom.generation.embedded.editing import EditorStage
from wonderzoom.generation.embedded.hidden_layers import HiddenLayersStage
from wonderzoom.generation.embedded.initial_depth import InitialDepthStage
from wonderzoom.generation.embedded.ladders import LADDERS
from wonderzoom.generation.embedded.laying import cover_of
from wonderzoom.generation.embedded.memory import LaidMaterial
from wonderzoom.generation.embedded.outpainting import OutpaintingStage
from wonderzoom.generation.embedded.remembering import MemoryStage
from wonderzoom.generation.embedded.things import Thing, canonical_window
from wonderzoom.generation.embedded.tracing import Lighting, light_at, trace
from wonderzoom.generation.embedded.upscaling import EmbeddedUpscaler
from wonderzoom.generation.stages import Generator

NAME = "embedded/1"
WARM_PX = 16  # a picture this small runs every kernel


def EmbeddedGenerator(threads: int = 1) -> Generator:
    """The stages; ``threads`` for those that get no context (a zoom's context says how many it may use)."""
    charts = Charts()
    depth = EmbeddedDepth()
    return Generator(
        name=NAME,
        initial_depth=InitialDepthStage(threads),
        inpaint=HiddenLayersStage(threads),
        describe=EmbeddedDescriber(charts),
        upscale=EmbeddedUpscaler(charts),
        edit=EditorStage(),
        depth=depth,
        segment=depth,
        auxiliary=AuxiliaryStage(),
        memory=MemoryStage(),
        outpaint=OutpaintingStage(),
    )


def warm_up() -> None:
    """Compile, or load from the cache, every kernel of a zoom."""
    size = (WARM_PX, WARM_PX)
    places = np.zeros((*size, 2))
    synthesise(places, np.zeros(size, np.int64), 0.0, 1.0, 1e-3, 1.0, ladders=LADDERS, seed=1)
    cover_of(LaidMaterial("moss", (0.0, 0.0), 1.0, 1), places, np.ones(size), 1)
    thing = Thing("ladybug", 1)
    lighting = Lighting((0.3, -0.4, 0.8))
    trace(thing.shape, canonical_window(thing, *size), lighting, 1, thing.metres_per_unit)
    light_at(thing.shape, np.zeros((*size, 3)), np.ones(size, np.bool_), lighting.unit)


def warm_up_in_background() -> threading.Thread:
    """Start ``warm_up`` in a daemon thread, so that a program may end before it does; returns the thread."""
    thread = threading.Thread(target=warm_up, name="warm-up", daemon=True)
    thread.start()
    return thread
