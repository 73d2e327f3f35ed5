"""Shapes as data: what a thing is made of, before any ray meets it.

Owns: the vocabulary of a thing (primitives, the way they blend, materials) and its flattening into the
arrays that the tracing kernels read. Does not own: how a distance is computed (``sdf_kernels``) or which
things exist (``things``). A thing is written as a short function that calls the builder, so adding one
needs no new kernel.

Object coordinates: z up, x forward, base at z = 0, about one unit in radius. Real size is a property of the
kind (``things.METRES``), not of the shape. Materials name their surface ladder; names become row indices
only when arrays are built, so this room does not depend on the registry of ladders.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wonderzoom.generation.embedded.shape_columns import (
    ALONG,
    AXIS,
    BALL,
    BALL_GROUP,
    BALL_REACH,
    BLEND,
    BOUNDS_COLUMNS,
    BOX,
    BROAD_LEAF,
    CENTRE,
    COLOR,
    CONE,
    CONVEX,
    CYLINDER,
    ELLIPSOID,
    FOLIAGE,
    GROUP,
    KIND,
    LIPSCHITZ,
    MATERIAL,
    MATERIAL_COLUMNS,
    NO_FLOOR,
    OPACITY,
    OPERATION,
    PARAM,
    PATTERN,
    PETAL,
    PLAIN,
    POSITION,
    PRIMITIVE_COLUMNS,
    REACH,
    REVOLUTION,
    ROTATION,
    SECOND,
    SHEET,
    TORUS,
    TRANSLUCENCY,
    UNION,
)
from wonderzoom.generation.embedded.shape_frames import aligned, capsule, rounded

Array = NDArray[np.float64]
RGB = tuple[float, float, float]

BOUND_SLACK = 1.02  # bounding spheres are this much larger than the primitive, for rounding


@dataclass(frozen=True, slots=True)
class Material:
    """How a surface looks: linear RGB, a pattern of two colours, gloss, and the ladder of its micro detail."""

    color: RGB
    second: RGB | None = None
    pattern: int = PLAIN
    scale: float = 1.0  # pattern repeats per object unit
    offset: float = 0.0  # the pattern's own parameter (threshold, phase)
    reflectance: float = 0.04  # at normal incidence
    roughness: float = 0.5  # 0 mirror .. 1 matt
    gloss: float = 1.0  # strength of all reflections
    metal: float = 0.0
    opacity: float = 1.0  # below 1: wings, drops
    translucency: float = 0.0  # light that comes through from behind
    coat: float = 0.0  # 1: reflections ignore the micro relief (a lacquer over it)
    mottle: float = 0.12  # amplitude of cloudy brightness
    mottle_frequency: float = 3.0  # per object unit
    hue: float = 0.05  # amplitude of warm-cold drift
    shared: bool = True  # False: every primitive gets its own seed (petals, leaves)
    sheen: float = 0.0  # velvet rim of fuzzy surfaces
    refraction: float = 0.0  # refractive index of clear bodies, 0 for opaque ones
    relief: float = 1.0  # factor on the ladder's height
    ladder: str | None = "generic"  # name in the ladder registry; None: perfectly smooth
    largest: float = 1.0  # largest ladder element drawn, object units

    def row(self) -> Array:
        row = np.zeros(MATERIAL_COLUMNS)
        row[COLOR : COLOR + 3] = self.color
        row[SECOND : SECOND + 3] = self.color if self.second is None else self.second
        row[PATTERN:OPACITY + 1] = (
            self.pattern, self.scale, self.offset, self.reflectance, self.roughness, self.gloss, self.metal,
            self.opacity,
        )  # fmt: skip
        row[TRANSLUCENCY:] = (
            self.translucency, self.coat, self.mottle, self.mottle_frequency, self.hue, float(self.shared),
            self.sheen, self.refraction, self.relief, self.largest,
        )  # fmt: skip
        return row


@dataclass(frozen=True, slots=True, eq=False)
class ShapeArrays:
    """A shape as the kernels read it; immutable and safe to share between threads."""

    primitives: Array  # [P, PRIMITIVE_COLUMNS]
    bounds: Array  # [P, BOUNDS_COLUMNS]
    tables: Array  # [K, 4] profile points (radius, height) and planes (nx, ny, nz, d)
    materials: Array  # [M, MATERIAL_COLUMNS]
    ladders: tuple[str | None, ...]  # [M] ladder names
    centre: Array  # [3] of the bounding sphere
    radius: float


class Shape:
    """Collects primitives and materials. Primitives of one *part* blend; parts are joined by plain union."""

    def __init__(self) -> None:
        self._rows: list[Array] = []
        self._capsules: list[list[float]] = []  # half axis and radius, one a row
        self._materials: list[Material] = []
        self._tables: list[tuple[float, float, float, float]] = []
        self._group = 0

    def material(self, material: Material) -> int:
        """Register a material and return its index."""
        self._materials.append(material)
        return len(self._materials) - 1

    def variant(self, index: int, **changes: object) -> int:
        """Register a changed copy of a material already there."""
        # pyright: ignore[reportArgumentType]
        return self.material(replace(self._materials[index], **changes))

    def part(self) -> None:
        """Start a new part: what follows does not blend with, or cut, what came before."""
        self._group += 1

    def _add(
        self, kind: int, position: ArrayLike, rotation: Array | None, params: Sequence[float], material: int,
        blend: float, operation: float, reach: float, centre: ArrayLike | None = None, lipschitz: float = 1.0,
        along: tuple[float, float] = (0.0, 0.0), axis: ArrayLike | None = None, thin: float = 0.0,
    ) -> None:  # fmt: skip
        """Append a row. ``reach``: radius of its ball around ``centre``; ``axis`` (local) and ``thin``: its capsule."""
        turn = np.eye(3) if rotation is None else rotation
        row = np.zeros(PRIMITIVE_COLUMNS)
        row[KIND] = kind
        row[POSITION : POSITION + 3] = position
        row[ROTATION : ROTATION + 9] = turn.ravel()
        row[PARAM : PARAM + len(params)] = params
        row[MATERIAL], row[BLEND], row[OPERATION], row[GROUP] = material, blend, operation, self._group
        row[REACH], row[LIPSCHITZ] = reach * BOUND_SLACK, lipschitz
        row[CENTRE : CENTRE + 3] = position if centre is None else centre
        row[ALONG : ALONG + 2] = along
        self._rows.append(row)
        half = np.zeros(3) if axis is None else turn.T @ np.asarray(axis, np.float64)
        self._capsules.append([*half, (reach if axis is None else thin) * BOUND_SLACK])

    def ellipsoid(
        self, position: ArrayLike, radii: ArrayLike, material: int, rotation: Array | None = None, blend: float = 0.0,
        operation: float = UNION, floor: float = NO_FLOOR,
    ) -> None:  # fmt: skip
        """Ellipsoid of the given radii; ``floor`` cuts it flat below that local height."""
        r = np.asarray(radii, np.float64)
        axis, thin = capsule(r)
        self._add(
            ELLIPSOID,
            position,
            rotation,
            [*r, floor],
            material,
            blend,
            operation,
            float(r.max()),
            axis=axis,
            thin=thin,
        )

    def ball(self, position: ArrayLike, radius: float, material: int, blend: float = 0.0) -> None:
        self.ellipsoid(position, (radius, radius, radius), material, blend=blend)

    def cone(
        self, start: ArrayLike, end: ArrayLike, radius: float, end_radius: float, material: int, blend: float = 0.0,
        operation: float = UNION, along: tuple[float, float] | None = None, side: ArrayLike | None = None,
    ) -> Array:  # fmt: skip
        """Round cone between two balls; returns its rotation. ``along`` is the chain coordinate at both ends."""
        a, b = np.asarray(start, np.float64), np.asarray(end, np.float64)
        length = float(np.linalg.norm(b - a))
        # One ball inside the other has no cone: the surface is then the larger ball's, slightly drawn out.
        end_radius = float(np.clip(end_radius, radius - 0.98 * length, radius + 0.98 * length))
        rotation = aligned(b - a, side)
        self._add(
            CONE, a, rotation, [length, radius, end_radius], material, blend, operation,
            length / 2 + max(radius, end_radius), (a + b) / 2, along=(0.0, length) if along is None else along,
            axis=(0, 0, length / 2), thin=max(radius, end_radius),
        )  # fmt: skip
        return rotation

    def chain(
        self, points: Sequence[ArrayLike], radius: float | Sequence[float], end_radius: float, material: int,
        blend: float = 0.01, span: tuple[float, float] | None = None,
    ) -> None:  # fmt: skip
        """A bent limb: round cones through the points, textured continuously along their length.

        ``radius`` may list one radius a point; ``span`` replaces the length as the chain coordinate.
        """
        path = np.asarray(points, np.float64)
        radii = np.linspace(radius, end_radius, len(path)) if isinstance(radius, float | int) else np.asarray(
            radius,
        )  # fmt: skip
        travelled = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(path, axis=0), axis=1))])
        if span is not None:
            travelled = span[0] + (span[1] - span[0]) * np.arange(len(path)) / (len(path) - 1)
        side: Array | None = None
        for i in range(len(path) - 1):
            rotation = self.cone(
                path[i], path[i + 1], float(radii[i]), float(radii[i + 1]), material, blend if i else 0.0,
                along=(float(travelled[i]), float(travelled[i + 1])), side=side,
            )  # fmt: skip
            side = rotation[0]  # parallel transport keeps the texture from twisting at joints

    def box(
        self, position: ArrayLike, half: ArrayLike, material: int, rotation: Array | None = None,
        rounding: float = 0.01, blend: float = 0.0, operation: float = UNION,
    ) -> None:  # fmt: skip
        h = np.asarray(half, np.float64)
        axis = np.where(np.arange(3) == h.argmax(), h, 0.0)
        self._add(
            BOX, position, rotation, [*h, rounding], material, blend, operation, float(np.linalg.norm(h)),
            axis=axis, thin=float(np.linalg.norm(h - axis)),
        )  # fmt: skip

    def torus(
        self, position: ArrayLike, radius: float, thickness: float, material: int, rotation: Array | None = None,
        blend: float = 0.0,
    ) -> None:  # fmt: skip
        self._add(TORUS, position, rotation, [radius, thickness], material, blend, UNION, radius + thickness)

    def cylinder(
        self, position: ArrayLike, radius: float, half_height: float, material: int, rotation: Array | None = None,
        rounding: float = 0.01, blend: float = 0.0, operation: float = UNION,
    ) -> None:  # fmt: skip
        reach = float(np.hypot(radius, half_height))
        long = half_height > radius
        self._add(
            CYLINDER, position, rotation, [radius, half_height, rounding], material, blend, operation, reach,
            axis=(0, 0, half_height if long else 0), thin=radius if long else reach,
        )  # fmt: skip

    def sheet(
        self, position: ArrayLike, rotation: Array, length: float, width: float, material: int, outline: int = PETAL,
        bend: float = 0.0, cup: float = 0.0, thickness: float = 0.008, curl: float = 0.0, wave: float = 0.0,
        blend: float = 0.0,
    ) -> None:  # fmt: skip
        """A thin curved blade from its root along local x: bend (quadratic), curl (cubic), cup (across), wave."""
        u = np.linspace(0.0, 1.0, 33)
        spine = (bend * u * u + curl * u**3) * length
        slack = abs(cup) * width + thickness + abs(wave)
        # Lowest and highest local z, for a box that rejects far points without evaluating the outline.
        low, high = float(spine.min()) - slack, float(spine.max()) + slack
        # The capsule lies along the chord, the ball around its middle.
        tip = np.array([length, 0.0, float(spine[-1])])
        chord = tip / np.linalg.norm(tip)
        points = np.stack([u * length, 0 * u, spine], 1)
        away = np.linalg.norm(points - np.outer(points @ chord, chord), axis=1).max()
        reach = np.hypot(np.linalg.norm(points - tip / 2, axis=1).max(), width) + slack
        slope = 0.6 * (2 * abs(bend) + 3 * abs(curl)) ** 2 + 2.4 * cup * cup + (3 * wave / width) ** 2
        self._add(
            SHEET, position, rotation, [length, width, outline, bend, cup, thickness, curl, wave, low, high], material,
            blend, UNION, float(reach), np.asarray(position, np.float64) + rotation.T @ (tip / 2),
            lipschitz=0.75 / float(np.sqrt(1 + slope)), axis=tip / 2, thin=float(np.hypot(away, width)) + slack,
        )  # fmt: skip

    def revolve(
        self, position: ArrayLike, profile: Sequence[tuple[float, float]], material: int, rotation: Array | None = None,
        rounding: float = 0.0, blend: float = 0.0, operation: float = UNION, lobes: int = 0, lobe_depth: float = 0.0,
        squash: float = 1.0, smooth: bool = True,
    ) -> None:  # fmt: skip
        """A closed (radius, height) profile turned about local z; ``squash`` flattens it along local y.

        ``smooth`` rounds the profile through its points; its closing edge stays straight.
        """
        points = rounded(np.asarray(profile, np.float64)) if smooth else np.asarray(profile, np.float64)
        start = len(self._tables)
        self._tables += [(float(r), float(z), 0.0, 0.0) for r, z in points]
        middle = float((points[:, 1].min() + points[:, 1].max()) / 2)
        reach = (
            float(np.hypot(points[:, 0], points[:, 1] - middle).max()) * (1 + lobe_depth) * max(1.0, squash)
            + rounding
        )
        turn = np.eye(3) if rotation is None else rotation
        lipschitz = (0.7 if lobes else 1.0) * min(1.0, squash)
        self._add(
            REVOLUTION, position, turn, [start, len(points), rounding, lobes, lobe_depth, squash], material,
            blend, operation, reach, np.asarray(position, np.float64) + turn.T @ np.array([0.0, 0.0, middle]),
            lipschitz=lipschitz,
        )  # fmt: skip

    def convex(
        self, position: ArrayLike, planes: Sequence[tuple[float, float, float, float]], material: int, reach: float,
        rotation: Array | None = None, bevel: float = 0.01, centre: ArrayLike | None = None,
    ) -> None:  # fmt: skip
        """A faceted body: the points with ``n . p <= d`` for every plane (nx, ny, nz, d); normals of any length."""
        start = len(self._tables)
        for nx, ny, nz, d in planes:
            size = float(np.sqrt(nx * nx + ny * ny + nz * nz))
            self._tables.append((nx / size, ny / size, nz / size, d / size))
        self._add(
            CONVEX, position, rotation, [start, len(planes), bevel], material, 0.0, UNION, reach, centre,
        )  # fmt: skip

    def foliage(
        self, position: ArrayLike, radii: ArrayLike, material: int, cell: float, growth: int = BROAD_LEAF,
        slender: float = 0.45, hollow: float = 0.0, seed: int = 1, density: float = 1.0, rotation: Array | None = None,
    ) -> None:  # fmt: skip
        """An ellipsoid filled with one small leaf, needle or hair per lattice cell: thousands of blades in one row.

        ``slender``: width over length; ``hollow``: nothing grows inside this fraction of the radii.
        """
        r = np.asarray(radii, np.float64)
        params = [*r, cell, float(growth), slender, hollow, float(seed), density]
        axis, thin = capsule(r + cell)
        self._add(
            FOLIAGE,
            position,
            rotation,
            params,
            material,
            0.0,
            UNION,
            float(r.max()) + cell,
            axis=axis,
            thin=thin,
        )

    def arrays(self) -> ShapeArrays:
        """Freeze into arrays. The bounding sphere covers everything that can be seen (cuts cannot add)."""
        rows = np.array(self._rows)
        solid = rows[rows[:, OPERATION] > 0]
        low = (solid[:, CENTRE : CENTRE + 3] - solid[:, REACH, None]).min(0)
        high = (solid[:, CENTRE : CENTRE + 3] + solid[:, REACH, None]).max(0)
        centre = (low + high) / 2
        apart = np.linalg.norm(solid[:, CENTRE : CENTRE + 3] - centre, axis=1)
        far = apart + solid[:, REACH] + solid[:, BLEND]
        tables = np.array(self._tables) if self._tables else np.zeros((1, 4))
        materials = np.array([m.row() for m in self._materials])
        ladders = tuple(m.ladder for m in self._materials)
        bounds = np.zeros((len(rows), BOUNDS_COLUMNS))
        bounds[:, BALL : BALL + 3] = rows[:, CENTRE : CENTRE + 3]
        bounds[:, BALL_REACH : BALL_GROUP + 1] = rows[:, [REACH, BLEND, OPERATION, GROUP]]
        bounds[:, AXIS:] = self._capsules
        for array in (rows, bounds, tables, materials, centre):
            array.setflags(write=False)
        return ShapeArrays(rows, bounds, tables, materials, ladders, centre, float(far.max()))
