"""Who is here and what they wait for, as everybody is told."""

from __future__ import annotations

from collections.abc import Sequence

from wonderzoom.protocol import limits, messages, values
from wonderzoom.runtime.participants import Participant, Roster
from wonderzoom.runtime.wire import pose
from wonderzoom.runtime.zoom_desk import PendingZoom

PRESENCE_S = 0.1  # at most ten times a second


def presence(roster: Roster, pending: Sequence[PendingZoom], locked: bool) -> messages.Presence:
    """How things stand now, within what the protocol has room for."""
    waiting = [each for each in pending if roster.get(each.participant.id) is not None]
    return messages.Presence(
        viewers=[_summary(each) for each in roster.present[: limits.MAX_VIEWERS]],
        zooms=[_zoom(each) for each in waiting[: limits.MAX_PENDING]],
        locked=locked,
    )


def _summary(who: Participant) -> values.ViewerSummary:
    camera = who.viewer.camera
    return values.ViewerSummary(
        id=who.id, name=who.name, color=who.color, role=who.role.value,
        camera=None if camera is None else pose(camera), following=who.following,
    )  # fmt: skip


def _zoom(each: PendingZoom) -> values.PendingZoom:
    return values.PendingZoom(
        request=each.request, viewer=each.participant.id, camera=each.camera, prompt=each.wish.prompt,
        stage=each.last.stage if each.last else None, fraction=each.last.fraction if each.last else 0.0,
    )  # fmt: skip
