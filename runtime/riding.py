"""Who is sent a picture that is drawn for somebody else: those who follow one leader, in viewports of one size.

A JPEG is anybody's. Packets of H.264 need those before them: who rides along in video is sent every packet of
somebody's stream from a key frame on (``Viewer.video`` says whose), or none. Streams are joined towards the leader, and
else towards who came first, so that one encode serves all of one size and quality. Whoever can't take a packet, as its
link is slow, drops out into a stream of its own and stays there for a while: nobody is slowed by a follower, and as a
key frame is large, nobody sees one more often than every KEY_EVERY_S on others' account.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from wonderzoom.runtime.orders import Order
from wonderzoom.runtime.viewer import Viewer

TICK_S = 1e-4  # timers may fire this much early: what is due within it is due now
SOON = 0.5  # of the time between two frames of a viewer, after which it takes one that is drawn for another
KEY_EVERY_S = 5.0  # in which a stream begins anew for somebody who joins
ALONE_S = 10.0  # that somebody who could not take a packet has a stream of their own
WAITS = 2.0  # times between two frames that whoever rides along waits for the next
SLOWER = 1.25  # times between two frames of the other, of who may ride along

Room = Callable[[Viewer], bool]


class Riding:
    """``has_room``: whether one more frame of a viewer may be under way; ``begin_video``: the next packet of that
    viewer's stream is one that a decoder can begin with."""

    def __init__(self, has_room: Room, begin_video: Callable[[str], None]) -> None:
        self._has_room, self._begin_video = has_room, begin_video

    def head(self, viewer: Viewer, others: Iterable[Viewer], revision: int) -> Viewer:
        """Who begins a frame in somebody's turn: whoever it rides along with, where that one may as well."""
        if viewer.video in (None, viewer.id) or not viewer.moving(revision):
            return viewer
        for head in others:
            if head.id == viewer.video:
                ready = head.cameras == viewer.cameras and not head.drawing and self._has_room(head)
                return head if ready and head.moving(revision) and head.pacer.codec == "h264" else viewer
        return viewer

    @staticmethod
    def interval(viewer: Viewer) -> float:
        """Seconds from the start of one frame of a viewer to that of the next."""
        waits = viewer.video not in (None, viewer.id) and viewer.pacer.codec == "h264"
        return viewer.pacer.interval() * (WAITS if waits else 1.0)

    def begin(self, viewer: Viewer, now: float) -> None:
        """A packet of a viewer's own stream is being made."""
        if viewer.video != viewer.id:
            self._key(viewer, now)
            viewer.video = viewer.id

    def along(
        self, order: Order, head: Viewer, others: Iterable[Viewer], revision: int, now: float, share: float
    ) -> list[Viewer]:
        """Who rides along with a picture that is begun for ``head``."""
        rides: list[Viewer] = []
        if order.rung.codec != "h264":
            for viewer in others:
                same = not viewer.drawing and viewer.sees == order.viewer and viewer.cameras == order.cameras
                if same and self._takes(viewer, order, revision, now, share):
                    rides.append(viewer)
            return rides
        joining: list[Viewer] = []
        for viewer in others:
            if viewer is head or (viewer.video != head.id and viewer.sees != head.sees):
                continue
            same = not viewer.drawing and viewer.sees == head.sees and viewer.cameras == order.cameras
            takes = same and self._takes_video(viewer, head, order, revision, now, share)
            if takes and viewer.video == head.id:
                rides.append(viewer)
            elif takes and now >= viewer.alone_until and _rank(head) < _rank(viewer):
                joining.append(viewer)
            elif viewer.video == head.id:
                viewer.video, viewer.alone_until = None, now + ALONE_S
        if joining and (head.keyed_at == now or now >= head.keyed_at + KEY_EVERY_S):
            self._key(head, now)
            for viewer in joining:
                viewer.video = head.id
            rides += joining
        return rides

    @staticmethod
    def left(gone: Viewer, others: Iterable[Viewer]) -> None:
        """Somebody is sent nothing any more, nor is who rode along with them."""
        for viewer in others:
            if viewer.video == gone.id:
                viewer.video = None

    # ---- inside ---------------------------------------------------------------------------------
    def _key(self, head: Viewer, now: float) -> None:
        head.keyed_at = now
        self._begin_video(head.id)

    def _takes(self, viewer: Viewer, order: Order, revision: int, now: float, share: float) -> bool:
        """Whether a viewer takes a JPEG: it would be due soon, and gets no other one then."""
        if not (self._has_room(viewer) and _shows(viewer, order)):
            return False
        if not viewer.moving(revision):
            return order.still and not viewer.still_shown
        soon = viewer.begun_at + SOON * viewer.pacer.interval()
        return not order.still and now + TICK_S >= soon and viewer.pacer.choose(now, share) == order.rung

    def _takes_video(
        self, viewer: Viewer, head: Viewer, order: Order, revision: int, now: float, share: float
    ) -> bool:
        """Whether a viewer can take every packet of a stream, as far as is known."""
        if not (self._has_room(viewer) and _shows(viewer, order) and viewer.moving(revision)):
            return False
        if viewer.pacer.choose(now, share) != order.rung:
            return False
        return viewer.pacer.interval() <= SLOWER * head.pacer.interval()


def _shows(viewer: Viewer, order: Order) -> bool:
    """Whether a picture is as coarse as a viewer wants it, and has the depth that it waits for."""
    return viewer.lod_bias == order.lod_bias and (order.depth or not viewer.pacer.wants_depth(order.still))


def _rank(viewer: Viewer) -> tuple[bool, int, str]:
    """The leader first, then who came first."""
    return viewer.sees != viewer.id, len(viewer.id), viewer.id
