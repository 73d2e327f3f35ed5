"""The conformance pack says what the runtime says today, and catches who draws otherwise."""

import importlib.util
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_house import decibels
from engine_scene import Scene, made
from numpy.typing import NDArray
from PIL import Image

from wonderzoom.protocol.surfel_block import decode
from wonderzoom.runtime.renderers import projection
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.surfels import Block

HERE = Path(__file__).parent


def _load_maker() -> Any:
    spec = importlib.util.spec_from_file_location("make_conformance", HERE / "make_conformance.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


maker = _load_maker()


def read(name: str) -> Any:
    return json.loads((maker.FOLDER / f"{name}.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene.read(read("scene")["messages"])


@pytest.fixture(scope="module")
def picture() -> NDArray[np.uint8]:
    return np.asarray(Image.open(maker.FOLDER / "scene.png"))


def same(was: Any, now: Any, where: str) -> None:
    """Equal but for the last digits of numbers."""
    if isinstance(was, dict):
        assert was.keys() == now.keys(), where
        for key in was:
            same(was[key], now[key], f"{where}.{key}")
    elif isinstance(was, list):
        assert len(was) == len(now), where
        for i, (one, other) in enumerate(zip(was, now, strict=True)):
            same(one, other, f"{where}[{i}]")
    elif isinstance(was, float):
        assert was == pytest.approx(now, rel=1e-6, abs=1e-6), where
    else:
        assert was == now, where


@pytest.mark.parametrize("name", ["laws", "frames", "axes"])
def test_vectors_are_current(name: str) -> None:
    same(read(name), json.loads(maker.text_of(getattr(maker, name)())), name)


def test_the_scene_is_the_one_that_is_made(scene: Scene) -> None:
    """Surfels as they decode: the same numbers may deflate to other bytes with another zlib."""
    now = made()
    assert scene.welcome == now.welcome and scene.camera_message == now.camera_message
    assert scene.surfels.show == now.surfels.show
    for was, other in zip(scene.surfels.levels, now.surfels.levels, strict=True):
        assert (was.hash, was.block, was.cell, was.level) == (
            other.hash,
            other.block,
            other.cell,
            other.level,
        )
        assert was.payload is not None and other.payload is not None
        np.testing.assert_allclose(decode(was.payload).means, decode(other.payload).means, atol=1e-3)


def test_splats_and_facts_of_the_scene_are_current(scene: Scene, picture: NDArray[np.uint8]) -> None:
    was = read("scene")
    now = json.loads(maker.text_of(maker.scene(scene, picture)))
    same(was["splats"], now["splats"], "splats")
    assert was["picture"] == now["picture"] and picture.shape == (
        now["picture"]["height"],
        now["picture"]["width"],
        3,
    )


def test_the_scene_needs_every_part_of_the_format(scene: Scene) -> None:
    """Two nodes that hand over in a fade, levels that share a weight, and depth."""
    shown = scene.surfels.show
    assert {show.residency for show in shown} == {1.0, 0.4} and {show.child_residency for show in shown} == {
        0.4
    }
    assert {(show.finest, show.coarsest) for show in shown} == {(0, 0), (0, 1)}
    assert min(level.cell.level for level in scene.surfels.levels) > 60


def test_a_fast_renderer_passes(scene: Scene, picture: NDArray[np.uint8]) -> None:
    with CpuRenderer(1) as renderer:
        drawn = renderer.render_color(scene.visible, scene.camera, scene.settings)[..., :3]
    assert decibels(drawn, picture) > maker.LEAST_DB + 5.0


@pytest.mark.slow
def test_the_picture_is_current(scene: Scene, picture: NDArray[np.uint8]) -> None:
    assert decibels(maker.picture_of(scene), picture) > 60.0


# ---- mistakes that clients make ---------------------------------------------------------------------------------


def _linear(values: NDArray[Any]) -> NDArray[np.float64]:
    value = np.asarray(values, np.float64)
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def _encoded(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(values <= 0.0031308, values * 12.92, 1.055 * values ** (1 / 2.4) - 0.055)


def _in_linear_light(block: Block) -> Block:
    colors = np.rint(255.0 * _linear(block.surfels.colors / 255.0)).astype(np.uint8)
    columns = block.surfels.columns() | {"colors": colors}
    return replace(block, columns=replace(block.surfels, **columns))


MISTAKES = (
    "blends in linear light",
    "a low-pass of 0.3",
    "sorts by the depth of centres",
    "scales opacities, not masses",
    "knows no child residency",
    "draws all levels whole",
    "half a pixel off",
)


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_seen(
    mistake: str, scene: Scene, picture: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    visible, settings, camera = scene.visible, scene.settings, scene.camera
    if mistake == "a low-pass of 0.3":
        monkeypatch.setattr(projection, "BLUR", 0.3)
    elif mistake == "sorts by the depth of centres":
        monkeypatch.setattr(projection, "KEY_SIGMAS", 0.0)
    elif mistake == "scales opacities, not masses":
        settings = replace(settings, modulation="paper")
    elif mistake == "knows no child residency":
        visible = replace(visible, child_residencies=visible.residencies)
    elif mistake == "draws all levels whole":
        visible = replace(visible, shared=tuple((level, level) for level in visible.mips))
    elif mistake == "half a pixel off":
        camera = replace(camera, cx=camera.cx + 0.5)
    else:
        visible = replace(visible, blocks=tuple(_in_linear_light(block) for block in visible.blocks))
        background = tuple(float(part) for part in _linear(np.array(settings.background)))
        settings = replace(settings, background=background)
    drawn = maker.ReferenceRenderer().render(visible, camera, settings).color
    drawn = np.clip(drawn.astype(np.float64), 0.0, 1.0)
    drawn = _encoded(drawn) if mistake == "blends in linear light" else drawn
    found = decibels(np.rint(drawn * 255.0).astype(np.uint8), picture)
    print(f"{mistake}: {found:.1f} dB")
    assert found < maker.LEAST_DB
