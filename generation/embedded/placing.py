"""Where the things of a prompt stand, how large they are and which way they face.

Owns: sites on what a view shows, sizes as shares of the frame, poses that show a kind well. Does not own: words
(``lexicon``), drawing (``standing``), or what happens to the picture (``editing``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.depth_registration import fill_from_nearest
from wonderzoom.generation.embedded.lexicon import Placement
from wonderzoom.generation.embedded.lighting import Light
from wonderzoom.generation.embedded.memory import Place, PlacedThing
from wonderzoom.generation.embedded.standing import SUNK
from wonderzoom.generation.embedded.things import UPRIGHT, YAW, Silhouette, build, silhouette
from wonderzoom.generation.stages import Observation
from wonderzoom.scene_graph.camera import NEAR, Camera, matrix_to_quat

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Share of the requested frame that new things fill together when no word says how large they are.
USUAL_SHARE, SEVERAL_SHARE = 0.30, 0.34
LEAST_SHARE, MOST_SHARE = 0.17, 0.55  # whatever their outline: 15 to 60 % with room for perspective
# ... and when a word does: a "tiny" thing can still be seen, a "giant" one leaves some surface.
LEAST_SIZED, MOST_SIZED = 0.06, 0.80
FILLED = 0.94  # of the frame's width and height, at most: a thing is seen whole unless it would be a thread
# A normal of estimated depth is trusted this much; the rest is a surface seen from above its front.
TRUST = 0.35
FROM_ABOVE = np.array([0.0, -0.62, -0.78])
STEEPEST = 0.9  # slope of the surface that counts, per axis
GRAVITY_TILT = 0.33  # upright kinds lean this much toward the eye, so that they show some of their top
FACING_LYING, FACING_UPRIGHT = 1.3, 0.6  # radians: most turn away from facing the viewer
# A site keeps this far from jumps in depth (share of the frame's short side).
EDGE_ROOM = 0.02
JUMP = 0.1  # ... which are steps beyond this share of the short side within EDGE_ROOM
CANDIDATES = 48  # sites tried for each of several things
SPREAD = 0.36  # of the frame to either side of its centre, where several things stand
# A thing that the surface would hide in part tries these further turns (radians) and places (of the short side).
TURNS = (0.0, 0.8, -0.8)
MOVES = ((0.0, 0.0), (0.0, 0.08), (-0.08, 0.0), (0.08, 0.0), (0.0, -0.08), (-0.1, 0.1), (0.1, 0.1))
FREE = 0.03  # hidden share that nobody notices
PER_MOVE, PER_TURN = (
    0.4,
    0.03,
)  # hidden share that a move by the whole short side, a radian of turn, must save
ROUGHEST = 0.06  # of the short side: the surface is smoothed this much before its slope is taken


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """What things can stand on: the view's surface, known everywhere and free of noise."""

    camera: Camera
    frame: tuple[int, int, int, int]  # (left, top, right, bottom) of the requested frame
    surface: F32  # [H, W] zeta, filled
    zeta: F32  # [H, W] the same, smoothed
    usable: Mask  # [H, W] known and not beside a jump in depth

    @staticmethod
    def of(observation: Observation) -> Ground:
        camera, margin = observation.camera, observation.margin
        frame = (margin, margin, camera.width - margin, camera.height - margin)
        known = np.isfinite(observation.zeta)
        zeta = fill_from_nearest(np.where(known, observation.zeta, 0.0).astype(np.float32), known)
        short = min(frame[2] - frame[0], frame[3] - frame[1])
        reach = max(3, 2 * round(EDGE_ROOM * short) + 1)
        window = np.ones((reach, reach), np.uint8)
        smooth = cv2.medianBlur(zeta, 5)
        flat = cv2.dilate(smooth, window) - cv2.erode(smooth, window) < JUMP * short
        room = cv2.erode(known.astype(np.uint8), window) > 0
        blurred = cv2.GaussianBlur(zeta, (0, 0), ROUGHEST * short, borderType=cv2.BORDER_REFLECT)
        inside = np.zeros(known.shape, np.bool_)
        inside[frame[1] : frame[3], frame[0] : frame[2]] = True
        surface, soft = np.asarray(smooth, np.float32), np.asarray(blurred, np.float32)
        return Ground(camera, frame, surface, soft, flat & room & inside)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the requested frame."""
        return self.frame[2] - self.frame[0], self.frame[3] - self.frame[1]

    @property
    def middle(self) -> tuple[float, float]:
        """The pixel that was asked about: the pivot, if it is in the frame."""
        left, top, right, bottom = self.frame
        u, v = self.camera.cx, self.camera.cy
        if left <= u <= right and top <= v <= bottom:
            return u, v
        return 0.5 * (left + right), 0.5 * (top + bottom)

    def site(self, u: float, v: float) -> tuple[int, int]:
        """The usable pixel nearest to (u, v); that pixel itself when none is usable."""
        rows, columns = np.nonzero(self.usable)
        x = int(np.clip(u, self.frame[0], self.frame[2] - 1))
        y = int(np.clip(v, self.frame[1], self.frame[3] - 1))
        if not len(rows) or self.usable[y, x]:
            return x, y
        nearest = int(np.argmin((columns + 0.5 - u) ** 2 + (rows + 0.5 - v) ** 2))
        return int(columns[nearest]), int(rows[nearest])

    def point(self, x: int, y: int) -> F64:
        """View point [3] of the surface at a pixel."""
        return self.camera.unproject(np.array([x + 0.5, y + 0.5]), self.zeta[y, x])

    def normal(self, x: int, y: int) -> F64:
        """Unit normal [3] in view axes: the surface's, pulled toward one seen from above its front."""
        height, width = self.zeta.shape
        x, y = int(np.clip(x, 2, width - 3)), int(np.clip(y, 2, height - 3))
        slope = (
            np.array([self.zeta[y, x + 2] - self.zeta[y, x - 2], self.zeta[y + 2, x] - self.zeta[y - 2, x]])
            / 4
        )
        slope = np.clip(slope, -STEEPEST, STEEPEST)
        own = np.array([slope[0], slope[1], -1.0])
        mixed = TRUST * own / np.linalg.norm(own) + (1 - TRUST) * FROM_ABOVE
        return mixed / np.linalg.norm(mixed)


@dataclass(frozen=True, slots=True, eq=False)
class _Wanted:
    """One thing before it has a place."""

    kind: str
    seed: int
    color: tuple[float, float, float] | None
    share: float  # of the frame
    yaw: float
    sized: bool


def _pose(kind: str, normal: F64, yaw: float, camera: Camera) -> F64:
    """Object -> view axes [3, 3]: z along the normal (or against gravity), x turned ``yaw`` from the viewer."""
    toward = np.array([0.0, 0.0, -1.0])
    if kind in UPRIGHT:
        up = camera.rotation @ np.array([0.0, -1.0, 0.0])
        up = up - GRAVITY_TILT * np.array([0.0, 0.0, 1.0])
        normal = up / np.linalg.norm(up)
    ahead = toward - normal * (toward @ normal)
    if (
        float(np.linalg.norm(ahead)) < 0.2
    ):  # seen from right above: its front is the lower edge of the picture
        ahead = np.array([0.0, 1.0, 0.0])
        ahead = ahead - normal * (ahead @ normal)
    ahead = ahead / np.linalg.norm(ahead)
    forward = math.cos(yaw) * ahead + math.sin(yaw) * np.cross(normal, ahead)
    return np.stack([forward, np.cross(normal, forward), normal], 1)


def _wanted(placements: Sequence[Placement], rng: np.random.Generator) -> list[_Wanted]:
    """One entry a thing, with its share of the frame."""
    count = sum(placement.count for placement in placements)
    usual = USUAL_SHARE if count == 1 else SEVERAL_SHARE / count
    wanted: list[_Wanted] = []
    for placement in placements:
        sized = placement.size != 1.0
        share = usual * placement.size**2
        if sized:
            share = min(max(share, LEAST_SIZED / count), MOST_SIZED)
        for _ in range(placement.count):
            upright = placement.kind in UPRIGHT
            turn = rng.uniform(-1, 1) * (FACING_UPRIGHT if upright else FACING_LYING)
            wanted.append(
                _Wanted(
                    placement.kind,
                    int(rng.integers(1 << 31)),
                    placement.color,
                    share,
                    float(turn + YAW.get(placement.kind, 0.0)),
                    sized,
                )  # fmt: skip
            )
    return wanted


def _unit_px(seen: Silhouette, wanted: _Wanted, alone: bool, frame: tuple[int, int]) -> float:
    """Length of an object unit on the screen, so that the outline fills its share."""
    area = frame[0] * frame[1] / max(seen.area, 1e-6)
    usual = math.sqrt(wanted.share * area)
    if wanted.sized:
        return usual
    whole = min(FILLED * frame[0] / seen.extent[0], FILLED * frame[1] / seen.extent[1])
    least = math.sqrt((LEAST_SHARE if alone else LEAST_SHARE * wanted.share / SEVERAL_SHARE) * area)
    return max(min(usual, whole), least)


def _hidden(ground: Ground, base: F64, seen: Silhouette, unit_px: float) -> float:
    """Share of a thing's outline that the surface would hide, if it stood at the view point ``base``."""
    if not len(seen.points):
        return 0.0
    camera = ground.camera
    points = base + unit_px * seen.points
    uv, _ = camera.project(points)
    column = np.clip(uv[:, 0].astype(np.int64), 0, camera.width - 1)
    row = np.clip(uv[:, 1].astype(np.int64), 0, camera.height - 1)
    return float((points[:, 2] > ground.surface[row, column] + SUNK * unit_px).mean())


def _stand(
    wanted: _Wanted, ground: Ground, at: tuple[float, float], alone: bool, scale: float
) -> tuple[F64, F64, float]:
    """(base [3], object -> view axes, pixels of an object unit at the base): the pose that is hidden least.

    Turns and moves a little from what was drawn by lot only where the surface would hide a part.
    """
    camera = ground.camera
    shape = build(wanted.kind, wanted.seed, wanted.color)
    short = min(ground.size)
    best: tuple[float, F64, F64, float] | None = None
    for turned in TURNS:
        for moved in MOVES:
            u, v = at[0] + moved[0] * short, at[1] + moved[1] * short
            x, y = ground.site(u, v)
            turn = _pose(wanted.kind, ground.normal(x, y), wanted.yaw + turned, camera)
            seen = silhouette(shape, turn)
            unit_px = scale * _unit_px(seen, wanted, alone, ground.size)
            # The outline's middle goes to the chosen pixel; the base stands where that leaves it.
            x, y = ground.site(u - seen.centre[0] * unit_px, v - seen.centre[1] * unit_px)
            base = ground.point(x, y)
            unit_px *= max(1.0 + float(base[2]) * camera.inverse_f, NEAR)
            hidden = _hidden(ground, base, seen, unit_px)
            cost = hidden + PER_MOVE * math.hypot(*moved) + PER_TURN * abs(turned)
            if best is None or cost < best[0]:
                best = (cost, base, turn, unit_px)
            if hidden < FREE:  # later ones are farther from what was wanted
                return best[1:]
    assert best is not None
    return best[1:]


def _spread_out(ground: Ground, count: int, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Pixels for the outlines' centres: the pivot for one thing, else well apart, on usable ground."""
    u, v = ground.middle
    if count == 1:
        return [(u, v)]
    width, height = ground.size
    chosen: list[tuple[float, float]] = []
    for _ in range(count):
        best, best_score = (u, v), -math.inf
        for _ in range(CANDIDATES):
            dx, dy = rng.uniform(-SPREAD, SPREAD, 2)
            at = (u + dx * width, v + dy * height)
            x, y = int(at[0]), int(at[1])
            inside = 0 <= y < ground.usable.shape[0] and 0 <= x < ground.usable.shape[1]
            apart = min(
                (math.hypot(at[0] - a, at[1] - b) for a, b in chosen), default=0.5 * min(width, height)
            )
            score = apart * (1.0 if inside and ground.usable[y, x] else 0.3)
            if score > best_score:
                best, best_score = at, score
        chosen.append(best)
    return chosen


def place_things(
    placements: Sequence[Placement],
    ground: Ground,
    light: Light,
    rng: np.random.Generator,
    scale: float = 1.0,
) -> list[PlacedThing]:
    """The things of a prompt, standing on what the view shows. ``scale`` multiplies their usual size.

    Deterministic in ``rng``; draws the same numbers whatever ``scale`` is.
    """
    wanted = _wanted(placements, rng)
    centres = _spread_out(ground, len(wanted), rng)
    camera = ground.camera
    placed: list[PlacedThing] = []
    for each, (u, v) in zip(wanted, centres, strict=True):
        base, turn, unit_px = _stand(each, ground, (u, v), len(wanted) == 1, scale)
        ln_unit = camera.ln_scale + math.log(unit_px)
        w, i, j, k = (float(q) for q in matrix_to_quat(camera.rotation.T @ turn))
        placed.append(
            PlacedThing(
                each.kind,
                each.seed,
                Place.of(camera.position(base)),
                (w, i, j, k),
                ln_unit,
                light.sun,
                light.sky,
                light.ground,
                each.color,
            )  # fmt: skip
        )
    return placed
