"""The materials as data: what each is made of, from metres down to nanometres.

Owns: the rungs of every material and of the endless tail below all of them. Sizes are those of the real
things down to cells and fibrils; below about a micrometre they are free invention in the same spirit. Rules
that the pictures taught: one rung per factor 4-6, gaps no darker than one half at fine scales, and no three
lattices in a row (they look like cobbles): elements alternate with streaks, clouds, nets and pits.

``petalo``, ``leafo``, ``disc``, ``cuticle``, ``hairy``, ``limb``, ``eye`` and ``wing`` are surfaces of traced
things.
"""

from __future__ import annotations

from wonderzoom.generation.embedded.rungs import Kind, Rung

BLADES, LEAVES, PEBBLES, CELLS, SCALES, WEAVE = (
    Kind.BLADES, Kind.LEAVES, Kind.PEBBLES, Kind.CELLS, Kind.SCALES, Kind.WEAVE,
)  # fmt: skip
RIPPLES, CLOUDS, PITS, CRACKS, FACETS = Kind.RIPPLES, Kind.CLOUDS, Kind.PITS, Kind.CRACKS, Kind.FACETS
DROPS, VEINS, STREAKS, GRAINS, BEADS = Kind.DROPS, Kind.VEINS, Kind.STREAKS, Kind.GRAINS, Kind.BEADS

Rungs = tuple[Rung, ...]

# fmt: off
# ---- what materials share below their visible structure ----

PLANT_CELL: Rungs = (
    Rung(DROPS, 9e-6, light=0.20, hue=0.12, height=0.8, shade=0.5, density=0.8,
         tint=(0.95, 1.05, 0.90)),  # chloroplasts
    Rung(STREAKS, 1.7e-6, 5.0, light=0.18, hue=0.07, height=0.5, shade=0.30),
    Rung(BEADS, 4.2e-7, light=0.12, hue=0.13, height=0.7, shade=0.45, density=0.94, accent=0.08,
         accent_tint=(1.3, 1.25, 1.0)),
    Rung(VEINS, 1.0e-7, light=0.14, hue=0.07, height=0.4, shade=0.35),
    Rung(BLADES, 2.2e-8, 12.0, 0.9, light=0.16, hue=0.11, height=0.9, shade=0.45),
    Rung(CLOUDS, 5e-9, light=0.12, hue=0.12, height=0.4, shade=0.2),
)
FIBRIL: Rungs = (  # keratin, cellulose, silk
    Rung(STREAKS, 6e-6, 9.0, light=0.14, hue=0.07, height=0.5, shade=0.30),
    Rung(BLADES, 1.3e-6, 16.0, 0.35, light=0.16, hue=0.11, height=0.9, shade=0.45),
    Rung(BEADS, 2.8e-7, light=0.10, hue=0.13, height=0.6, shade=0.40, density=0.96),
    Rung(STREAKS, 7e-8, 6.0, light=0.14, hue=0.07, height=0.5, shade=0.30),
    Rung(BLADES, 1.5e-8, 14.0, 0.5, light=0.15, hue=0.11, height=0.9, shade=0.45),
    Rung(VEINS, 3.4e-9, light=0.14, hue=0.07, height=0.4, shade=0.35),
)
MINERAL: Rungs = (  # quartz, feldspar, ice and metal grains
    Rung(FACETS, 3e-5, light=0.15, hue=0.12, height=0.5, shade=0.35, accent=0.08,
         accent_tint=(1.25, 1.2, 1.15)),
    Rung(STREAKS, 6.5e-6, 7.0, light=0.14, hue=0.07, height=0.45, shade=0.30),
    Rung(PITS, 1.6e-6, light=0.12, hue=0.07, height=0.5, shade=0.45, density=0.45),
    Rung(CRACKS, 3.6e-7, light=0.12, hue=0.08, height=0.5, shade=0.5),
    Rung(STREAKS, 8e-8, 5.0, light=0.14, hue=0.07, height=0.5, shade=0.30),
    Rung(BEADS, 1.8e-8, light=0.12, hue=0.13, height=0.6, shade=0.40, density=0.95, accent=0.1,
         accent_tint=(1.2, 1.1, 0.9)),
    Rung(FACETS, 4e-9, light=0.14, hue=0.12, height=0.45, shade=0.30),
)
ANIMAL_CELL: Rungs = (
    Rung(CELLS, 3.6e-5, 1.1, light=0.10, hue=0.12, height=0.35, shade=0.35, vein=0.7),
    Rung(CLOUDS, 9e-6, light=0.12, hue=0.12, height=0.3, shade=0.15),
    Rung(DROPS, 2.2e-6, light=0.18, hue=0.12, height=0.7, shade=0.35, density=0.7, tint=(1.04, 0.98, 0.96)),
    Rung(BLADES, 4.5e-7, 14.0, 1.2, light=0.15, hue=0.11, height=0.9, shade=0.45),
    Rung(BEADS, 1.0e-7, light=0.12, hue=0.13, height=0.7, shade=0.40, density=0.93),
    Rung(VEINS, 2.4e-8, light=0.14, hue=0.07, height=0.4, shade=0.35),
    Rung(STREAKS, 5e-9, 4.0, light=0.14, hue=0.07, height=0.5, shade=0.30),
)
CHITIN: Rungs = (  # below the sculpture of an insect's shell
    Rung(STREAKS, 2.6e-6, 5.0, light=0.07, hue=0.04, height=0.25, shade=0.15),
    Rung(PITS, 8e-7, light=0.10, hue=0.04, height=0.4, shade=0.40, density=0.4),
    Rung(BLADES, 1.7e-7, 16.0, 0.5, light=0.12, hue=0.07, height=0.7, shade=0.35),
    Rung(BEADS, 3.8e-8, light=0.10, hue=0.08, height=0.6, shade=0.35, density=0.95),
    Rung(STREAKS, 9e-9, 5.0, light=0.12, hue=0.04, height=0.4, shade=0.25),
)

# Scale-free: the sizes are set by the walk, each TAIL_RATIO below the one before, for ever.
TAIL_RATIO = 4.8
TAIL: Rungs = (
    Rung(FACETS, 1.0, light=0.12, hue=0.12, height=0.35, shade=0.30),
    Rung(STREAKS, 1.0, 4.0, light=0.15, hue=0.07, height=0.45, shade=0.30),
    Rung(BEADS, 1.0, light=0.12, hue=0.13, height=0.6, shade=0.40, density=0.95, accent=0.06,
         accent_tint=(1.25, 1.1, 0.85)),
    Rung(VEINS, 1.0, light=0.14, hue=0.07, height=0.4, shade=0.35),
    Rung(BLADES, 1.0, 13.0, 0.8, light=0.15, hue=0.11, height=0.8, shade=0.40),
    Rung(PITS, 1.0, light=0.14, hue=0.07, height=0.5, shade=0.45, density=0.6),
    Rung(CELLS, 1.0, 1.3, light=0.12, hue=0.12, height=0.5, shade=0.40, vein=0.6),
    Rung(CLOUDS, 1.0, light=0.13, hue=0.12, height=0.45, shade=0.25),
    Rung(GRAINS, 1.0, light=0.14, hue=0.12, height=0.5, shade=0.40),
    Rung(STREAKS, 1.0, 7.0, light=0.15, hue=0.07, height=0.45, shade=0.30),
)

MATERIALS: dict[str, Rungs] = {
    # ---- what photos show: plants ----
    "grass": (
        Rung(CLOUDS, 0.6, light=0.10, hue=0.05, height=0.0, shade=0.2),
        Rung(BLADES, 0.011, 16.0, 0.45, light=0.30, hue=0.07, height=1.1, shade=0.65, sample=1.5),
        Rung(STREAKS, 0.0016, 14.0, light=0.12, hue=0.03, height=0.35, shade=0.2),
        Rung(VEINS, 0.00042, 3.0, light=0.10, height=0.25, shade=0.3),
        Rung(CELLS, 6.5e-5, 2.2, light=0.14, hue=0.05, height=0.45, shade=0.45, vein=0.7),
        *PLANT_CELL,
    ),
    "foliage": (
        Rung(PEBBLES, 0.9, light=0.12, hue=0.05, height=0.5, shade=0.45),
        Rung(LEAVES, 0.16, 1.5, 0.9, light=0.22, hue=0.05, height=0.5, shade=0.75, sample=1.0, turn=True),
        Rung(LEAVES, 0.055, 1.9, 0.9, light=0.26, hue=0.06, height=0.55, shade=0.7, sample=1.0,
             turn=True, vein=5.0),
        Rung(CLOUDS, 0.010, light=0.08, hue=0.04, height=0.15, shade=0.1),
        Rung(VEINS, 0.0022, light=0.13, height=0.30, shade=0.35),
        Rung(VEINS, 0.00045, light=0.10, height=0.25, shade=0.3),
        Rung(CLOUDS, 0.00018, light=0.08, hue=0.05, height=0.15, shade=0.1),
        Rung(CELLS, 5.5e-5, 1.2, light=0.14, hue=0.05, height=0.45, shade=0.45, vein=0.7),
        *PLANT_CELL,
    ),
    "leafo": (
        Rung(CLOUDS, 0.012, light=0.08, hue=0.03, height=0.1, shade=0.08),
        Rung(VEINS, 0.0019, light=0.11, height=0.28, shade=0.25),
        Rung(VEINS, 0.00042, light=0.10, height=0.25, shade=0.25),
        Rung(CLOUDS, 0.00016, light=0.08, hue=0.05, height=0.15, shade=0.1),
        Rung(CELLS, 4.5e-5, 1.3, light=0.14, hue=0.05, height=0.45, shade=0.45, vein=0.7),
        *PLANT_CELL,
    ),
    "petal": (
        Rung(LEAVES, 0.05, 2.6, 0.5, light=0.14, hue=0.04, height=0.5, shade=0.45, sample=1.0),
        Rung(STREAKS, 0.004, 9.0, light=0.10, hue=0.03, height=0.35, shade=0.2),
        Rung(STREAKS, 0.0007, 7.0, light=0.10, hue=0.03, height=0.4, shade=0.2),
        Rung(CLOUDS, 0.0002, light=0.07, hue=0.05, height=0.15, shade=0.1),
        Rung(CELLS, 6e-5, 1.5, light=0.12, hue=0.04, height=0.9, shade=0.5, vein=0.25),
        Rung(STREAKS, 8e-6, 6.0, light=0.12, height=0.6, shade=0.3),
        Rung(DROPS, 2e-6, light=0.16, height=0.7, shade=0.35, density=0.7, tint=(1.06, 0.98, 0.9)),
        *PLANT_CELL[2:],
    ),
    "petalo": (
        Rung(STREAKS, 0.0016, 14.0, light=0.07, hue=0.02, height=0.25, shade=0.12),
        Rung(STREAKS, 0.0004, 9.0, light=0.07, hue=0.02, height=0.30, shade=0.15),
        Rung(CLOUDS, 0.00014, light=0.06, hue=0.05, height=0.15, shade=0.1),
        Rung(CELLS, 5e-5, 1.5, light=0.12, hue=0.04, height=0.8, shade=0.45, vein=0.25),
        Rung(STREAKS, 7e-6, 6.0, light=0.12, height=0.6, shade=0.3),
        Rung(DROPS, 1.8e-6, light=0.16, height=0.7, shade=0.35, density=0.7, tint=(1.06, 0.98, 0.9)),
        *PLANT_CELL[2:],
    ),
    "disc": (
        Rung(PEBBLES, 0.0034, light=0.22, hue=0.06, height=1.3, shade=0.7, accent=0.25,
             accent_tint=(1.7, 1.5, 1.0)),
        Rung(BLADES, 0.0005, 7.0, 0.8, light=0.24, hue=0.05, height=1.2, shade=0.5, density=0.8, accent=0.15,
             accent_tint=(1.8, 1.6, 0.9)),
        Rung(STREAKS, 0.00016, 5.0, light=0.10, hue=0.05, height=0.3, shade=0.2),
        Rung(CELLS, 5e-5, 2.0, light=0.14, hue=0.05, height=0.6, shade=0.45, vein=0.4),
        Rung(DROPS, 1.1e-5, light=0.18, height=0.8, shade=0.45, density=0.9, accent=0.2,
             accent_tint=(1.5, 1.3, 0.8)),
        *PLANT_CELL[1:],
    ),
    "moss": (
        Rung(PEBBLES, 0.05, light=0.12, hue=0.05, height=0.9, shade=0.5, tint=(0.75, 0.95, 0.45)),
        Rung(LEAVES, 0.006, 2.2, 0.9, light=0.26, hue=0.07, height=0.7, shade=0.7, turn=True,
             tint=(0.95, 1.05, 0.8)),
        Rung(LEAVES, 0.0016, 2.6, 0.9, light=0.26, hue=0.07, height=0.7, shade=0.7, turn=True, vein=2.0),
        Rung(STREAKS, 2e-4, 6.0, light=0.10, hue=0.03, height=0.3, shade=0.2),
        Rung(CELLS, 4e-5, 2.0, light=0.14, hue=0.05, height=0.45, shade=0.45, vein=0.7),
        *PLANT_CELL,
    ),
    "wood": (
        Rung(STREAKS, 0.05, 14.0, light=0.10, hue=0.03, height=0.1, shade=0.15),
        Rung(STREAKS, 0.012, 18.0, light=0.15, hue=0.03, height=0.2, shade=0.25),
        Rung(STREAKS, 0.003, 20.0, light=0.15, hue=0.03, height=0.35, shade=0.3),
        Rung(STREAKS, 0.0008, 22.0, light=0.15, hue=0.03, height=0.5, shade=0.35),
        Rung(PITS, 0.00035, 8.0, light=0.15, height=0.5, shade=0.5, density=0.4),
        Rung(CELLS, 6e-5, 4.0, light=0.14, height=0.6, shade=0.45),
        Rung(PITS, 1.6e-5, 1.5, light=0.12, height=0.5, shade=0.45, density=0.5),
        *FIBRIL,
    ),
    "bark": (
        Rung(CRACKS, 0.09, 2.6, light=0.24, hue=0.03, height=1.1, shade=0.75),
        Rung(CRACKS, 0.018, 2.0, light=0.18, hue=0.03, height=0.9, shade=0.65),
        Rung(SCALES, 0.004, light=0.16, height=0.7, shade=0.5),
        Rung(STREAKS, 0.0008, 8.0, light=0.16, height=0.6, shade=0.4),
        Rung(VEINS, 0.0002, 1.6, light=0.12, height=0.4, shade=0.35),
        Rung(CELLS, 4.5e-5, 3.0, light=0.14, height=0.6, shade=0.5),
        *FIBRIL,
    ),
    # ---- ground, stone, water, weather ----
    "soil": (
        Rung(CLOUDS, 0.4, light=0.15, hue=0.03, height=0.2, shade=0.2),
        Rung(PEBBLES, 0.045, light=0.26, hue=0.05, height=0.8, shade=0.7, sample=1.0),
        Rung(CLOUDS, 0.012, light=0.20, hue=0.05, height=0.6, shade=0.35),
        Rung(GRAINS, 0.0024, light=0.26, hue=0.06, height=0.7, shade=0.55, sample=0.6, accent=0.12,
             accent_tint=(1.5, 1.45, 1.35)),
        Rung(PITS, 0.0006, light=0.15, height=0.5, shade=0.5, density=0.5),
        Rung(GRAINS, 0.00014, light=0.20, hue=0.06, height=0.6, shade=0.5, accent=0.1,
             accent_tint=(1.35, 1.3, 1.2)),
        *MINERAL,
    ),
    "sand": (
        Rung(RIPPLES, 0.12, 1.6, light=0.10, height=0.5, shade=0.2),
        Rung(CLOUDS, 0.02, light=0.06, hue=0.02, height=0.2, shade=0.1),
        Rung(GRAINS, 0.0011, light=0.24, hue=0.06, height=0.8, shade=0.6, sample=0.5, accent=0.08,
             accent_tint=(0.45, 0.42, 0.42)),
        Rung(FACETS, 0.00022, light=0.14, hue=0.03, height=0.5, shade=0.35),
        Rung(PITS, 6e-5, light=0.2, height=0.5, shade=0.5, density=0.5),
        Rung(CRACKS, 1.3e-5, light=0.12, height=0.5, shade=0.5),
        *MINERAL[1:],
    ),
    "rock": (
        Rung(CRACKS, 0.8, light=0.16, hue=0.03, height=0.8, shade=0.6),
        Rung(CLOUDS, 0.22, light=0.18, hue=0.03, height=0.5, shade=0.3),
        Rung(CRACKS, 0.05, light=0.14, hue=0.03, height=0.6, shade=0.6),
        Rung(CLOUDS, 0.016, light=0.12, hue=0.05, height=0.4, shade=0.2),
        Rung(GRAINS, 0.006, light=0.22, hue=0.05, height=0.45, shade=0.4, accent=0.14,
             accent_tint=(1.45, 1.4, 1.4)),
        Rung(FACETS, 0.0011, light=0.18, hue=0.04, height=0.5, shade=0.4, accent=0.07,
             accent_tint=(0.35, 0.35, 0.38)),
        Rung(STREAKS, 0.00025, 5.0, light=0.12, height=0.4, shade=0.3),
        Rung(CRACKS, 9e-5, light=0.12, height=0.5, shade=0.5),
        *MINERAL,
    ),
    "water": (
        Rung(RIPPLES, 0.9, 2.4, light=0.10, height=0.35, shade=0.0),
        Rung(RIPPLES, 0.16, 2.0, light=0.09, height=0.30, shade=0.0),
        Rung(RIPPLES, 0.03, 1.6, light=0.07, height=0.25, shade=0.0),
        Rung(DROPS, 0.006, light=0.2, height=0.8, shade=0.3, density=0.12),
        Rung(RIPPLES, 0.002, 1.3, light=0.07, height=0.2, shade=0.0),
        Rung(DROPS, 0.0006, light=0.25, height=0.8, shade=0.3, density=0.2, tint=(1.0, 1.03, 1.0)),
        Rung(CLOUDS, 0.0002, light=0.08, hue=0.03, height=0.2, shade=0.1),
        Rung(CELLS, 5e-5, 2.0, light=0.10, height=0.3, shade=0.25, density=0.3, vein=0.8),  # plankton
        Rung(DROPS, 1.1e-5, light=0.2, height=0.6, shade=0.3, density=0.35),
        Rung(VEINS, 2.4e-6, light=0.12, height=0.3, shade=0.25),
        *ANIMAL_CELL[3:],
    ),
    "sky": (
        Rung(CLOUDS, 60.0, light=0.035, hue=0.01, height=0.0, shade=0.05),
        Rung(CLOUDS, 9.0, light=0.03, hue=0.01, height=0.0, shade=0.04),
        Rung(CLOUDS, 1.2, light=0.025, hue=0.008, height=0.0, shade=0.03),
        Rung(CLOUDS, 0.15, light=0.025, hue=0.008, height=0.0, shade=0.03),
        Rung(CLOUDS, 0.02, light=0.03, height=0.0, shade=0.03),
        Rung(DROPS, 0.0018, light=0.12, height=0.3, shade=0.1, density=0.3),
        Rung(CLOUDS, 0.0006, light=0.05, height=0.1, shade=0.05),
        Rung(DROPS, 0.00015, light=0.15, height=0.4, shade=0.15, density=0.5),
        Rung(STREAKS, 6e-5, 6.0, light=0.10, height=0.2, shade=0.1),
        Rung(DROPS, 1.4e-5, light=0.15, height=0.5, shade=0.2, density=0.7),
        Rung(CLOUDS, 4e-6, light=0.10, hue=0.04, height=0.3, shade=0.1),
        Rung(DROPS, 9e-7, light=0.15, height=0.5, shade=0.2, density=0.6),
        Rung(VEINS, 2e-7, light=0.12, height=0.3, shade=0.25),
        Rung(BEADS, 4.5e-8, light=0.10, hue=0.05, height=0.5, shade=0.3, density=0.7),
        Rung(STREAKS, 1e-8, 4.0, light=0.14, height=0.4, shade=0.25),
    ),
    "snow": (
        Rung(CLOUDS, 0.3, light=0.05, hue=0.0, height=0.3, shade=0.1),
        Rung(CLOUDS, 0.02, light=0.05, height=0.4, shade=0.1),
        Rung(GRAINS, 0.0012, light=0.12, hue=0.02, height=0.7, shade=0.4, accent=0.1,
             accent_tint=(1.3, 1.3, 1.35)),
        Rung(FACETS, 0.00025, light=0.12, hue=0.02, height=0.6, shade=0.3),
        Rung(BLADES, 4e-5, 9.0, 0.7, light=0.14, hue=0.02, height=0.8, shade=0.4),
        *MINERAL[1:],
    ),
    "frost": (
        Rung(CLOUDS, 0.03, light=0.10, height=0.2, shade=0.1, tint=(0.90, 1.0, 1.14)),
        Rung(BLADES, 0.0030, 12.0, 1.4, light=0.16, hue=0.02, height=0.9, shade=0.35, density=0.75,
             tint=(1.12, 1.14, 1.2)),
        Rung(BLADES, 0.0007, 9.0, 1.4, light=0.16, hue=0.02, height=0.9, shade=0.35, tint=(1.08, 1.09, 1.1)),
        Rung(FACETS, 0.00012, light=0.14, height=0.6, shade=0.3),
        Rung(STREAKS, 3e-5, 5.0, light=0.12, height=0.4, shade=0.25),
        Rung(BLADES, 8e-6, 9.0, 0.8, light=0.14, hue=0.02, height=0.8, shade=0.4),
        *MINERAL[2:],
    ),
    "cracked": (
        Rung(CRACKS, 0.06, light=0.12, hue=0.03, height=0.9, shade=0.9),
        Rung(CRACKS, 0.014, light=0.10, hue=0.02, height=0.5, shade=0.75),
        Rung(CLOUDS, 0.004, light=0.10, height=0.4, shade=0.2),
        Rung(GRAINS, 0.0008, light=0.18, hue=0.04, height=0.5, shade=0.5),
        Rung(PITS, 0.00018, light=0.12, height=0.5, shade=0.45, density=0.5),
        *MINERAL,
    ),
    # ---- animals and people ----
    "skin": (
        Rung(CLOUDS, 0.03, light=0.05, hue=0.025, height=0.1, shade=0.1),
        Rung(VEINS, 0.0022, 1.6, light=0.03, hue=0.02, height=0.16, shade=0.14),
        Rung(PITS, 0.0013, light=0.08, height=0.18, shade=0.25, density=0.3),
        Rung(VEINS, 0.00035, 1.4, light=0.05, height=0.18, shade=0.2),
        Rung(CLOUDS, 0.00013, light=0.06, hue=0.03, height=0.2, shade=0.1),
        *ANIMAL_CELL,
    ),
    "fur": (
        Rung(CLOUDS, 0.03, light=0.10, hue=0.03, height=0.0, shade=0.1),
        Rung(BLADES, 0.0016, 30.0, 0.38, light=0.26, hue=0.05, height=1.1, shade=0.6, sample=1.5),
        Rung(BLADES, 0.00045, 28.0, 0.30, light=0.26, hue=0.05, height=1.0, shade=0.6, sample=1.0),
        Rung(STREAKS, 0.00013, 12.0, light=0.10, hue=0.03, height=0.3, shade=0.2),
        Rung(SCALES, 3.6e-5, light=0.12, height=0.7, shade=0.5),
        *FIBRIL,
    ),
    "fibre": (  # hair, straw, rope: strands seen close
        Rung(STREAKS, 0.03, 9.0, light=0.10, hue=0.03, height=0.2, shade=0.15),
        Rung(BLADES, 0.0042, 26.0, 0.30, light=0.16, hue=0.04, height=0.7, shade=0.45, sample=1.2),
        Rung(BLADES, 0.0011, 26.0, 0.28, light=0.18, hue=0.04, height=0.8, shade=0.5, sample=1.0),
        Rung(BLADES, 0.00030, 24.0, 0.25, light=0.18, hue=0.04, height=0.8, shade=0.5),
        Rung(STREAKS, 0.0001, 10.0, light=0.10, hue=0.02, height=0.3, shade=0.2),
        Rung(SCALES, 3.4e-5, light=0.12, height=0.6, shade=0.4),
        *FIBRIL,
    ),
    "cuticle": (  # elytra, beaks, shells of seeds
        Rung(PITS, 1.0e-4, light=0.05, height=0.30, shade=0.30, density=0.85),
        Rung(CELLS, 1.5e-5, 1.15, light=0.05, hue=0.03, height=0.22, shade=0.30),
        *CHITIN,
    ),
    "hairy": (
        Rung(BLADES, 6e-5, 24.0, 0.35, light=0.24, hue=0.05, height=1.1, shade=0.6),
        Rung(BLADES, 2.2e-5, 22.0, 0.3, light=0.2, hue=0.05, height=1.0, shade=0.5),
        Rung(SCALES, 4.5e-6, light=0.12, height=0.7, shade=0.5),
        *FIBRIL[1:],
    ),
    "limb": (
        Rung(STREAKS, 1.2e-4, 5.0, light=0.10, height=0.3, shade=0.2),
        Rung(BLADES, 3e-5, 14.0, 0.5, light=0.15, hue=0.03, height=0.8, shade=0.4, density=0.45),
        Rung(SCALES, 8e-6, light=0.1, height=0.5, shade=0.4),
        *CHITIN,
    ),
    "eye": (
        Rung(BEADS, 2.6e-5, light=0.05, height=0.8, shade=0.45, density=1.0),
        Rung(PITS, 4e-6, light=0.08, height=0.3, shade=0.3, density=0.8),
        *CHITIN[1:],
    ),
    "wing": (
        Rung(SCALES, 1.1e-4, light=0.16, hue=0.05, height=0.5, shade=0.35),
        Rung(CLOUDS, 3.5e-5, light=0.08, hue=0.05, height=0.15, shade=0.1),
        Rung(STREAKS, 1.1e-5, 14.0, light=0.16, height=0.6, shade=0.35),
        Rung(PITS, 2.2e-6, light=0.1, height=0.4, shade=0.4, density=0.6),
        Rung(VEINS, 5e-7, light=0.10, height=0.4, shade=0.3),
        *CHITIN[2:],
    ),
    # ---- made by hand ----
    "fabric": (
        Rung(CLOUDS, 0.05, light=0.05, hue=0.01, height=0.2, shade=0.1),
        Rung(WEAVE, 0.0018, light=0.12, hue=0.02, height=0.8, shade=0.55),
        Rung(BLADES, 0.00016, 26.0, 0.25, light=0.20, hue=0.04, height=1.0, shade=0.55),
        Rung(STREAKS, 6e-5, 9.0, light=0.08, hue=0.02, height=0.25, shade=0.15),
        Rung(SCALES, 1.8e-5, light=0.10, height=0.5, shade=0.4),
        *FIBRIL,
    ),
    "metal": (
        Rung(CLOUDS, 0.05, light=0.04, hue=0.01, height=0.06, shade=0.1),
        Rung(STREAKS, 0.0035, 40.0, light=0.05, height=0.06, shade=0.1),
        Rung(STREAKS, 0.0009, 40.0, light=0.10, height=0.12, shade=0.2),
        Rung(PITS, 0.0007, light=0.1, height=0.25, shade=0.5, density=0.12),
        Rung(STREAKS, 0.00012, 30.0, light=0.10, height=0.2, shade=0.25),
        Rung(FACETS, 2.4e-5, light=0.16, hue=0.03, height=0.35, shade=0.4),
        *MINERAL[1:],
    ),
    "rust": (
        Rung(CLOUDS, 0.05, light=0.22, hue=0.10, height=0.4, shade=0.3, tint=(1.05, 0.72, 0.45)),
        Rung(SCALES, 0.012, light=0.16, hue=0.08, height=0.5, shade=0.5, accent=0.2,
             accent_tint=(0.6, 0.4, 0.35)),
        Rung(PITS, 0.004, light=0.2, height=0.7, shade=0.7, density=0.6, accent=0.5,
             accent_tint=(0.5, 0.35, 0.3)),
        Rung(GRAINS, 0.0007, light=0.24, hue=0.10, height=0.7, shade=0.6),
        Rung(CLOUDS, 0.00018, light=0.16, hue=0.08, height=0.4, shade=0.25),
        *MINERAL,
    ),
    "plaster": (
        Rung(CLOUDS, 0.25, light=0.07, hue=0.015, height=0.2, shade=0.1),
        Rung(CLOUDS, 0.03, light=0.07, hue=0.015, height=0.35, shade=0.15),
        Rung(PITS, 0.006, light=0.1, height=0.5, shade=0.5, density=0.3),
        Rung(GRAINS, 0.0011, light=0.13, hue=0.03, height=0.45, shade=0.4),
        Rung(CLOUDS, 0.0003, light=0.12, hue=0.04, height=0.4, shade=0.2),
        Rung(BLADES, 8e-5, 7.0, 1.4, light=0.14, hue=0.03, height=0.7, shade=0.4),  # gypsum needles
        Rung(CLOUDS, 2.2e-5, light=0.08, hue=0.04, height=0.2, shade=0.15),
        *MINERAL[1:],
    ),
    "glaze": (  # enamel, glass, varnish, smooth paint and plastic
        Rung(CLOUDS, 0.2, light=0.025, hue=0.010, height=0.03, shade=0.02),
        Rung(CLOUDS, 0.03, light=0.025, hue=0.015, height=0.05, shade=0.03),
        Rung(PITS, 0.007, light=0.06, hue=0.03, height=0.10, shade=0.35, density=0.10),
        Rung(STREAKS, 0.0011, 60.0, 0.2, light=0.05, hue=0.02, height=0.05, shade=0.06),
        Rung(PITS, 0.0009, light=0.08, hue=0.05, height=0.15, shade=0.35, density=0.22),
        Rung(CLOUDS, 0.00025, light=0.07, hue=0.07, height=0.2, shade=0.08),
        Rung(CRACKS, 7e-5, light=0.08, hue=0.07, height=0.18, shade=0.40),  # crazing
        Rung(DROPS, 1.6e-5, light=0.13, hue=0.10, height=0.5, shade=0.3, density=0.6),  # bubbles
        Rung(CLOUDS, 4e-6, light=0.10, hue=0.10, height=0.3, shade=0.12),
        Rung(FACETS, 9e-7, light=0.14, hue=0.12, height=0.45, shade=0.30, accent=0.08,
             accent_tint=(1.25, 1.2, 1.1)),
        Rung(BLADES, 2.2e-7, 12.0, 0.7, light=0.14, hue=0.10, height=0.8, shade=0.35),
        *MINERAL[4:],
    ),
    "generic": (  # cloth, paper, hair, paint: felted fibres suit them all
        Rung(CLOUDS, 0.08, light=0.08, hue=0.03, height=0.25, shade=0.10),
        Rung(CLOUDS, 0.012, light=0.08, hue=0.04, height=0.30, shade=0.10),
        Rung(STREAKS, 0.0028, 4.0, light=0.09, hue=0.04, height=0.25, shade=0.12),
        Rung(BLADES, 0.00062, 17.0, 0.8, light=0.15, hue=0.07, height=0.7, shade=0.40),
        Rung(CLOUDS, 0.00016, light=0.09, hue=0.07, height=0.25, shade=0.12),
        Rung(STREAKS, 4.5e-5, 6.0, light=0.13, hue=0.06, height=0.45, shade=0.28),
        Rung(CELLS, 1.3e-5, 1.4, light=0.12, hue=0.10, height=0.4, shade=0.3, vein=0.5),
        Rung(DROPS, 3e-6, light=0.15, hue=0.10, height=0.6, shade=0.3, density=0.55),
        Rung(BLADES, 8e-7, 13.0, 0.9, light=0.14, hue=0.10, height=0.8, shade=0.4),
        Rung(CLOUDS, 1.8e-7, light=0.10, hue=0.10, height=0.3, shade=0.15),
        *MINERAL[4:],
    ),
}
