"""What a window shows of frames, without the window: in relief where they have depth."""

import numpy as np
import pytest
from plane_and_step import PlaneAndStep

from wonderzoom.clients.desktop.hud import Hud
from wonderzoom.clients.desktop.remote import Sheet
from wonderzoom.clients.desktop.screen import Screen
from wonderzoom.clients.reprojection import reprojected
from wonderzoom.runtime.renderers.opengl import open_context
from wonderzoom.scene_graph.camera import Camera

pytestmark = pytest.mark.system
SCENE = PlaneAndStep(96)


def decibels(a: np.ndarray, b: np.ndarray) -> float:
    return float(10.0 * np.log10(255.0**2 / max(np.mean((a.astype(np.float64) - b) ** 2), 1e-9)))


def seen(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    view, zeta, _ = SCENE.view(camera.rotation @ SCENE.camera.rotation.T)
    return (np.clip(view.target, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8), zeta.astype(np.float32)


def test_a_sheet_with_depth_is_shown_in_relief() -> None:
    context = open_context()
    try:
        screen = Screen(context)
        target = context.framebuffer([context.texture((96, 96), 4)])

        def shown(sheets: list[Sheet], camera: Camera) -> np.ndarray:
            screen.sheets(sheets, camera)
            screen.present(Hud(96, 96), target)
            return screen.read(target, 96, 96)

        colors, zeta = seen(SCENE.camera)
        deep, flat = Sheet(colors, SCENE.camera, zeta=zeta[::2, ::2]), Sheet(colors, SCENE.camera)
        assert np.abs(shown([deep], SCENE.camera).astype(int) - colors).max() <= 2
        for yaw, pitch in ((0.12, 0.0), (-0.08, 0.1)):
            camera = SCENE.camera.orbited(yaw, pitch)
            truth, _ = seen(camera)
            relief, plane = shown([flat, deep], camera), shown([deep, flat], camera)
            expected = reprojected(colors, zeta[::2, ::2], SCENE.camera, camera)
            middle = expected.there & expected.known
            assert np.abs(relief.astype(int) - expected.colors)[middle].mean() < 4.0
            assert decibels(relief[middle], truth[middle]) > decibels(plane[middle], truth[middle]) + 4.0
        assert context.error == "GL_NO_ERROR"
    finally:
        context.release()
