"""Write the photos of the suite from scikit-image, which ships them (extra ``dev``).

    python -m benchmarks.evaluation.make_pictures

They land beside suite.toml: astronaut, chelsea, coffee and rocket. The fifth picture is the demo's meadow.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from skimage import data

PHOTOS = {"astronaut": data.astronaut, "chelsea": data.chelsea, "coffee": data.coffee, "rocket": data.rocket}


def main(folder: Path = Path(__file__).parent) -> None:
    for name, photo in PHOTOS.items():
        Image.fromarray(photo()).save(folder / f"{name}.png")
        print(folder / f"{name}.png")


if __name__ == "__main__":
    main()
