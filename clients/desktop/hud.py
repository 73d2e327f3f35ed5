"""What is written over the world: where one is, what is being made, who else is here, and the line that asks.

A plain value goes in, a picture comes out: drawn anew only when the value has changed, so that a still window costs
nothing. Sizes are in pixels of the window times ``scale``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw, ImageFont

Box = tuple[float, float, float, float]  # left, top, right, bottom
_Color = tuple[int, int, int, int]

_PANEL: _Color = (11, 14, 20, 196)
_EDGE: _Color = (255, 255, 255, 40)
_BRIGHT: _Color = (240, 244, 250, 255)
_DIM: _Color = (168, 178, 192, 255)
_ACCENT: _Color = (120, 200, 255, 255)
_PROBLEM: _Color = (255, 150, 130, 255)
_TEXT, _SMALL = 15, 12
_PAD, _GAP = 10, 8
_CARD_WIDTH = 250
_PROMPT_WIDTH = 330
_SHOWN_PATH = 5  # nodes of a path; of a deeper one the last

HELP = (
    ("drag", "turn"),
    ("right drag, Shift", "orbit"),
    ("wheel, W S + -", "closer, farther"),
    ("arrows, A D", "look around, aside"),
    ("Q E R F", "orbit"),
    ("click, Enter", "ask for finer detail there"),
    ("U, Home", "up, to the first picture"),
    ("C", "call a zoom off, close its card"),
    ("Delete, Z", "remove this node, bring it back"),
    ("O", "the left button orbits"),
    ("M", "surfels or frames"),
    ("Tab", "hide all this"),
    ("F12", "keep a picture"),
    ("Esc", "close"),
)


@dataclass(frozen=True, slots=True)
class Card:
    """A zoom that this window asked for."""

    title: str
    state: str
    done: float  # share of the whole
    problem: bool = False


@dataclass(frozen=True, slots=True)
class Prompt:
    """The line that asks, beside a spot."""

    text: str
    factor: float
    u: float
    v: float
    target: Box | None = None  # what the zoom would show


@dataclass(frozen=True, slots=True)
class Other:
    """Somebody else who looks at the same, or a zoom that somebody waits for."""

    label: str
    color: str  # #rrggbb
    corners: tuple[tuple[float, float], ...]  # of what they look at
    done: float | None = None  # of a zoom


@dataclass(frozen=True, slots=True)
class Hud:
    """All that is written."""

    width: int
    height: int
    scale: float = 1.0
    world: str = ""
    path: tuple[str, ...] = ()
    corner: tuple[str, ...] = ()  # lines at the top right
    line: str = ""  # about the connection, where it is not as it should be
    cards: tuple[Card, ...] = ()
    notice: str = ""
    problem: bool = False
    prompt: Prompt | None = None
    others: tuple[Other, ...] = ()
    question: str = ""  # to be answered with Y or N
    help: bool = False


def draw(hud: Hud) -> NDArray[np.uint8]:
    """[H, W, 4] sRGB with alpha, not premultiplied."""
    image = Image.new("RGBA", (hud.width, hud.height), (0, 0, 0, 0))
    pen = _Pen(image, hud.scale)
    for other in hud.others:
        _other(pen, other)
    if hud.prompt is not None and hud.prompt.target is not None:
        pen.draw.rectangle(hud.prompt.target, outline=_ACCENT, width=pen.px(2))
    _path(pen, hud)
    _corner(pen, hud)
    _cards(pen, hud)
    if hud.notice:
        pen.banner(hud.notice, hud.height - pen.px(26), _PROBLEM if hud.problem else _BRIGHT)
    if hud.line:
        pen.banner(hud.line, pen.px(60), _PROBLEM)
    if hud.prompt is not None:
        _prompt(pen, hud, hud.prompt)
    if hud.question:
        pen.banner(f"{hud.question}   Y / N", hud.height / 2, _BRIGHT)
    if hud.help:
        _help(pen, hud)
    return np.asarray(image)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


class _Pen:
    """Panels and words on a picture."""

    def __init__(self, image: Image.Image, scale: float) -> None:
        self.image, self.scale = image, scale
        self.draw = ImageDraw.Draw(image)

    def px(self, length: float) -> int:
        return max(1, round(length * self.scale))

    def width(self, text: str, size: int = _TEXT) -> float:
        return self.draw.textlength(text, _font(self.px(size)))

    def text(self, x: float, y: float, text: str, color: _Color = _BRIGHT, size: int = _TEXT) -> None:
        """Left end of the words, and the middle of the line."""
        self.draw.text((x, y), text, color, _font(self.px(size)), anchor="lm")

    def panel(self, box: Box) -> None:
        self.draw.rounded_rectangle(box, self.px(8), _PANEL, _EDGE, 1)

    def fitted(self, text: str, room: float, size: int = _TEXT) -> str:
        """The words, cut where there is no room for all of them."""
        if self.width(text, size) <= room:
            return text
        while text and self.width(text + "...", size) > room:
            text = text[:-1]
        return text.rstrip() + "..."

    def banner(self, text: str, y: float, color: _Color) -> None:
        """A line in the middle of the window."""
        text = self.fitted(text, self.image.width - 4 * self.px(_PAD))
        half = self.width(text) / 2 + self.px(_PAD)
        middle, rise = self.image.width / 2, self.px(15)
        self.panel((middle - half, y - rise, middle + half, y + rise))
        self.text(middle - half + self.px(_PAD), y, text, color)

    def bar(self, x: float, y: float, width: float, share: float, color: _Color = _ACCENT) -> None:
        high = self.px(3)
        self.draw.rectangle((x, y, x + width, y + high), (255, 255, 255, 40))
        if share > 0.0:
            self.draw.rectangle((x, y, x + width * min(1.0, share), y + high), color)


def _path(pen: _Pen, hud: Hud) -> None:
    names = [hud.world, *hud.path[-_SHOWN_PATH:]] if hud.world else []
    if not names:
        return
    pad, middle = pen.px(_PAD), pen.px(12 + 15)
    words = [pen.fitted(name, pen.px(180)) for name in names]
    step = pen.width("  >  ")
    whole = sum(map(pen.width, words)) + step * (len(words) - 1)
    x = float(pen.px(12))
    pen.panel((x, middle - pen.px(15), x + whole + 2 * pad, middle + pen.px(15)))
    x += pad
    for number, word in enumerate(words):
        pen.text(x, middle, word, _BRIGHT if number == len(words) - 1 else _DIM)
        x += pen.width(word)
        if number < len(words) - 1:
            pen.text(x, middle, "  >  ", _DIM)
            x += step


def _corner(pen: _Pen, hud: Hud) -> None:
    if not hud.corner:
        return
    pad, high = pen.px(_PAD), pen.px(18)
    wide = max(pen.width(line, _SMALL) for line in hud.corner)
    right, top = hud.width - pen.px(12), pen.px(12)
    pen.panel((right - wide - 2 * pad, top, right, top + high * len(hud.corner) + pad))
    for number, line in enumerate(hud.corner):
        y = top + pad / 2 + high * (number + 0.5)
        pen.text(right - pad - wide, y, line, _BRIGHT if number == 0 else _DIM, _SMALL)


def _cards(pen: _Pen, hud: Hud) -> None:
    pad, high = pen.px(_PAD), pen.px(52)
    left, wide = pen.px(12), pen.px(_CARD_WIDTH)
    for number, card in enumerate(reversed(hud.cards)):
        bottom = hud.height - pen.px(12) - number * (high + pen.px(_GAP))
        pen.panel((left, bottom - high, left + wide, bottom))
        pen.text(left + pad, bottom - pen.px(38), pen.fitted(card.title, wide - 2 * pad))
        color = _PROBLEM if card.problem else _DIM
        pen.text(
            left + pad, bottom - pen.px(20), pen.fitted(card.state, wide - 2 * pad, _SMALL), color, _SMALL
        )
        pen.bar(left + pad, bottom - pen.px(9), wide - 2 * pad, card.done)


def _prompt(pen: _Pen, hud: Hud, prompt: Prompt) -> None:
    pad, wide, high = pen.px(_PAD), pen.px(_PROMPT_WIDTH), pen.px(66)
    aside = hud.width / (2 * prompt.factor) + 2 * pad
    left = prompt.u + aside if prompt.u + aside + wide + pad < hud.width else prompt.u - aside - wide
    left = min(max(left, pad), hud.width - wide - pad)
    top = min(max(prompt.v - high / 2, pad), hud.height - high - pad)
    pen.panel((left, top, left + wide, top + high))
    shown = prompt.text
    while shown and pen.width(shown) > wide - 2 * pad - pen.px(4):
        shown = shown[1:]  # the end is where one writes
    y = top + pen.px(20)
    if prompt.text:
        pen.text(left + pad, y, shown)
    else:
        pen.text(left + pad + pen.px(4), y, "What should be here?", _DIM)
    x = left + pad + pen.width(shown) + pen.px(1)
    pen.draw.line((x, y - pen.px(9), x, y + pen.px(9)), _ACCENT, pen.px(1))
    told = f"{prompt.factor:.3g} times closer (up, down)   Enter asks, Esc closes"
    pen.text(left + pad, top + pen.px(48), pen.fitted(told, wide - 2 * pad, _SMALL), _DIM, _SMALL)


def _other(pen: _Pen, other: Other) -> None:
    red, green, blue = ImageColor.getrgb(other.color)[:3]
    color = (red, green, blue, 220)
    pen.draw.polygon(other.corners, outline=color, width=pen.px(2))
    x = min(u for u, _ in other.corners)
    y = min(v for _, v in other.corners) - pen.px(10)
    pen.text(x, y, other.label, color, _SMALL)
    if other.done is not None:
        wide = max(u for u, _ in other.corners) - x
        pen.bar(x, max(v for _, v in other.corners) + pen.px(3), wide, other.done, color)


def _help(pen: _Pen, hud: Hud) -> None:
    pad, high = pen.px(16), pen.px(24)
    first = max(pen.width(keys) for keys, _ in HELP) + pen.px(20)
    wide = first + max(pen.width(what) for _, what in HELP) + 2 * pad
    tall = high * len(HELP) + 2 * pad
    left, top = (hud.width - wide) / 2, (hud.height - tall) / 2
    pen.panel((left, top, left + wide, top + tall))
    for number, (keys, what) in enumerate(HELP):
        y = top + pad + high * (number + 0.5)
        pen.text(left + pad, y, keys)
        pen.text(left + pad + first, y, what, _DIM)
