"""A spot that was clicked, and the line that asks what should be there."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

from wonderzoom.clients.desktop import motions
from wonderzoom.clients.desktop.hud import Prompt
from wonderzoom.protocol import limits
from wonderzoom.scene_graph.camera import NEAR, Camera
from wonderzoom.scene_graph.cells import Position

_ASPECTS = (3 / 4, 16 / 9)  # of pictures that are generated
_LN_STEP = math.log(2.0) / 4.0  # of the factor, a key
_LN_ENDS = math.log(limits.MIN_FACTOR), math.log(limits.MAX_FACTOR)


@dataclass(slots=True)
class Spot:
    """A pixel of ``camera``; ``place``: what is there, once that is known."""

    u: float
    v: float
    camera: Camera
    place: Position | None = None
    text: str = ""
    ln_factor: float = math.log(4.0)
    pick: int | None = None  # the question what is there, while it is not answered
    sent: bool = False  # the wish was sent off before the answer came

    def write(self, letter: str) -> None:
        """A letter of the wish; what is no letter, or one too many, is left out."""
        if letter.isprintable() and len(self.text) < limits.MAX_PROMPT:
            self.text += letter

    def key(self, key: str) -> Literal["ask", "close"] | None:
        """What a key that is no letter means here."""
        match key:
            case "escape":
                return "close"
            case "enter" if self.pick is None:
                return "ask"
            case "enter":
                self.sent = True
            case "backspace":
                self.text = self.text[:-1]
            case "up" | "down":
                step = _LN_STEP if key == "up" else -_LN_STEP
                self.ln_factor = min(max(self.ln_factor + step, _LN_ENDS[0]), _LN_ENDS[1])
            case _:
                pass
        return None

    def target(self, camera: Camera) -> Camera | None:
        """The camera of the zoom, from where ``camera`` is now; None where the spot is out of sight."""
        point = camera.view_point(self.place or motions.place_at(self.camera, self.u, self.v))
        if 1.0 + float(point[2]) * camera.inverse_f <= NEAR:
            return None
        aimed = camera.looking_at(point).zoomed(math.exp(self.ln_factor))
        width, height = aimed.width, aimed.height
        aspect = min(max(width / height, _ASPECTS[0]), _ASPECTS[1])
        if width / height > aspect:
            width = round(height * aspect)
        else:
            height = round(width / aspect)
        return replace(aimed, width=width, height=height, cx=width / 2, cy=height / 2)

    def prompt(self, camera: Camera) -> Prompt:
        """What is written of it over what ``camera`` sees."""
        target, box = self.target(camera), None
        corners = None if target is None else motions.corners(target, camera)
        if corners is not None:
            xs, ys = [u for u, _ in corners], [v for _, v in corners]
            box = (min(xs), min(ys), max(xs), max(ys))
        return Prompt(self.text, math.exp(self.ln_factor), self.u, self.v, box)
