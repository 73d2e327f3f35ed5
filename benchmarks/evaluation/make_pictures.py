"""Write the photos of the suite, and those that NIQE is fitted to, from scikit-image, which ships them (extra ``dev``).

    python -m benchmarks.evaluation.make_pictures

They land beside suite.toml: astronaut, chelsea, coffee and rocket. The fifth picture is the demo's meadow. In
``pristine`` are all eight photographs of everyday things that come with the package, three of them of surfaces.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from skimage import data

PHOTOS = {"astronaut": data.astronaut, "chelsea": data.chelsea, "coffee": data.coffee, "rocket": data.rocket}
PRISTINE = PHOTOS | {"brick": data.brick, "camera": data.camera, "grass": data.grass, "gravel": data.gravel}


def main(folder: Path = Path(__file__).parent) -> None:
    for place, photos in ((folder, PHOTOS), (folder / "pristine", PRISTINE)):
        place.mkdir(exist_ok=True)
        for name, photo in photos.items():
            Image.fromarray(photo()).save(place / f"{name}.png")
            print(place / f"{name}.png")


if __name__ == "__main__":
    main()
