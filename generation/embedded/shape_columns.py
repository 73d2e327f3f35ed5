"""How shapes lie in arrays: kinds, outlines, patterns, and the columns of primitives, bounds and materials.

The kernels read these columns, the builder (``shapes``) writes them; neither needs the other.
"""

from __future__ import annotations

# Kinds of primitive (column KIND).
ELLIPSOID, CONE, BOX, TORUS, SHEET, REVOLUTION, CYLINDER, CONVEX, FOLIAGE = range(9)
# Outlines of a sheet (its width along its length).
PETAL, LEAF, ELLIPSE, FAN, STRIP, BLADE, FORK, LOBED = range(8)
# How a primitive joins its part (column OPERATION).
UNION, CUT, INTERSECT = 1.0, -1.0, 0.0
# What grows in a foliage volume.
BROAD_LEAF, NEEDLE, HAIR = range(3)

# Columns of a primitive row.
KIND, POSITION, ROTATION, PARAM = 0, 1, 4, 13
MATERIAL, BLEND, OPERATION, GROUP, REACH, CENTRE, LIPSCHITZ, ALONG, PRIMITIVE_COLUMNS = (
    23, 24, 25, 26, 27, 28, 31, 32, 34,
)  # fmt: skip

# Columns of a bounds row: what the union needs of every primitive, packed into one cache line.
# Around each lies a ball, and a capsule: the points within THIN of the segment from BALL - AXIS to BALL + AXIS.
BALL, BALL_REACH, BALL_BLEND, BALL_OPERATION, BALL_GROUP, AXIS, THIN, BOUNDS_COLUMNS = (
    0,
    3,
    4,
    5,
    6,
    7,
    10,
    11,
)

# Colour patterns: how ``color`` and ``second`` are mixed over the surface.
(
    PLAIN, SPOTS, BANDS, PETAL_STREAKS, LEAF_VEINS, WING_MARGIN, HEIGHT, CLOUDS, RINGS, LADYBUG, BRICKS,
    LENGTH, RADIAL, DISC_RINGS, SPECKLE, CHAIN_BANDS, SCALES, FEATHERS, LEAF_TINT, SHINGLES, IRIS,
) = range(21)  # fmt: skip

# Columns of a material row.
(
    COLOR, SECOND, PATTERN, PATTERN_SCALE, PATTERN_OFFSET, REFLECTANCE, ROUGHNESS, GLOSS, METAL, OPACITY,
    TRANSLUCENCY, COAT, MOTTLE, MOTTLE_FREQUENCY, HUE, SHARED, SHEEN, REFRACTION, RELIEF, LARGEST,
) = (0, 3, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23)  # fmt: skip
MATERIAL_COLUMNS = 24
NO_FLOOR = -10.0  # an ellipsoid cut below this height is not cut
