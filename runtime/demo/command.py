"""The demo: our own picture, a plan of zooms into it, and what one wants to see of the result.

Everything ends up in ``demo/`` where the command is called: the world, a picture of where the descent ends,
and the film of it. A second run finds what is there and goes on, or has nothing left to do.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from wonderzoom.runtime import commands
from wonderzoom.runtime.authoring import built_world
from wonderzoom.runtime.build import Maker
from wonderzoom.runtime.film import film_comment
from wonderzoom.runtime.viewing import draw_film, draw_picture, film_provenance
from wonderzoom.scene_graph.store import WorldStore

FOLDER = Path("demo")
SIZE = (960, 540)  # sharp enough to share, and half the work of 720p
PLAN = "demo.toml"


def demo(maker: Maker) -> int:
    """Build the world of the plan that is shipped, then draw it."""
    FOLDER.mkdir(exist_ok=True)
    with as_file(files("wonderzoom.runtime.demo")) as folder:
        built_world(folder / PLAN, FOLDER / "world", maker)
    with WorldStore.open(FOLDER / "world") as store:
        world = store.load()
    picture = commands.Render(FOLDER / "world", FOLDER / "view.png", size=SIZE)
    draw_picture(picture, None, world, maker)
    film = commands.Render(FOLDER / "world", FOLDER / "descent.mp4", size=SIZE)
    if film_comment(film.output) != film_provenance(world, film):
        draw_film(film, None, world, maker)
    print(picture.output)
    print(film.output)
    return 0
