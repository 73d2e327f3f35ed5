"""The zooms that a window asked for: how each stands, its picture while it is made, and its card."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from wonderzoom.clients.desktop import motions
from wonderzoom.clients.desktop.hud import Card
from wonderzoom.clients.desktop.remote import Progress, Sheet
from wonderzoom.scene_graph.camera import Camera

# What each stage of a zoom is for a person, and how far the whole is when it begins.
_STAGES = {
    "observe": ("looking", 0.0),
    "describe": ("thinking", 0.05),
    "upscale": ("sharpening", 0.08),
    "edit": ("painting", 0.35),
    "depth": ("shaping", 0.5),
    "segment": ("shaping", 0.53),
    "auxiliary": ("looking around", 0.56),
    "lift": ("building", 0.64),
    "optimise": ("refining", 0.7),
    "commit": ("keeping", 0.97),
}
_SHOWN_S = 5.0  # that a card is shown when its zoom has ended


@dataclass(slots=True)
class _Zoom:
    """One of them."""

    title: str
    camera: Camera
    state: str = "asked"
    done: float = 0.0  # share of the whole
    problem: bool = False
    ended: bool = False
    called_off: bool = False  # from this window
    gone_at: float = math.inf  # when its card goes; that of a failure stays until it is closed
    preview: Sheet | None = None
    revision: int | None = None  # that it was committed with


@dataclass(slots=True)
class Zooms:
    """All of them that are not forgotten. Times are in seconds of the caller's clock."""

    _zooms: dict[int, _Zoom] = field(default_factory=dict[int, _Zoom])

    def begin(self, request: int, title: str, camera: Camera) -> None:
        """One was asked for."""
        self._zooms[request] = _Zoom(title, camera)

    def hear(self, news: Progress, now: float) -> str:
        """How one stands; what is to be said of it as a problem, else ''."""
        zoom, status = self._zooms.get(news.request), news.status
        if zoom is None:
            return ""
        if status is None:
            # A failure that no status has told: the request itself was refused, or the conversation is over.
            return "" if zoom.ended else self._failed(zoom, str(news.error))
        if status.state == "queued":
            eta = f", about {math.ceil(status.eta / 1e3)} s" if status.eta else ""
            zoom.state = f"{status.position} before it{eta}" if status.position else f"begins{eta}"
        elif status.state == "running":
            zoom.state = _STAGES[status.stage][0] if status.stage in _STAGES else "working"
            zoom.done = progress(status.stage, status.fraction)
            if news.preview is not None:
                height, width = news.preview.shape[:2]
                zoom.preview = Sheet(news.preview, motions.covering(zoom.camera, width, height))
        elif status.state == "committed":
            without = f", without: {', '.join(status.ignored)}" if status.ignored else ""
            zoom.state = f"it is here{without} {status.message}".strip()
            zoom.ended, zoom.done, zoom.revision = True, 1.0, status.revision
            zoom.gone_at = now + _SHOWN_S * (3.0 if without or status.message else 1.0)
        elif status.state == "cancelled" and zoom.called_off:
            zoom.ended, zoom.gone_at, zoom.preview = True, now, None
        elif status.state == "cancelled":
            return self._failed(zoom, "the server has called it off")
        else:
            return self._failed(zoom, status.message or "it could not be made")
        return ""

    def call_off(self) -> int | None:
        """The newest that has not ended, which is to be called off; else the card of the last failure closes."""
        if waiting := self.waiting:
            self._zooms[waiting[-1]].called_off = True
            return waiting[-1]
        for request in [request for request, zoom in self._zooms.items() if zoom.problem][-1:]:
            del self._zooms[request]
        return None

    def shown(self, revision: int) -> None:
        """The world itself is shown in a revision: no picture of a zoom that is in it is needed any more."""
        for zoom in self._zooms.values():
            if zoom.revision is not None and revision >= zoom.revision:
                zoom.preview = None

    def step(self, now: float) -> None:
        """Forget those that have ended, were shown, and have no picture that still fills a gap."""
        for request, zoom in list(self._zooms.items()):
            if now >= zoom.gone_at and zoom.preview is None:
                del self._zooms[request]

    @property
    def waiting(self) -> list[int]:
        """Those that have not ended, oldest first."""
        return [request for request, zoom in self._zooms.items() if not zoom.ended]

    @property
    def previews(self) -> list[Sheet]:
        """Pictures of those that are not shown yet."""
        return [zoom.preview for zoom in self._zooms.values() if zoom.preview is not None]

    def cards(self, now: float) -> tuple[Card, ...]:
        """What is written about them."""
        return tuple(
            Card(z.title, z.state, z.done, z.problem) for z in self._zooms.values() if now < z.gone_at
        )

    def _failed(self, zoom: _Zoom, text: str) -> str:
        """It stays to be read: a zoom may take minutes, in which nobody looks."""
        zoom.state, zoom.problem, zoom.ended, zoom.preview = f"{text} (C closes this)", True, True, None
        return f"{zoom.title}: {text}"


def progress(stage: str | None, fraction: float) -> float:
    """How far a zoom is, of the whole, by its stage and the share of that."""
    if stage not in _STAGES:
        return 0.0
    begins = _STAGES[stage][1]
    ends = min([1.0, *(start for _, start in _STAGES.values() if start > begins)])
    return begins + fraction * (ends - begins)
