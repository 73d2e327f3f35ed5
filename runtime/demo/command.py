"""The demo: our own picture, a plan of zooms into it, and what one wants to see of the result.

Everything ends up in ``demo/`` where the command is called: the world, a picture of where the descent ends,
and the film of it. A second run finds what is there and goes on, or serves at once.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from wonderzoom.runtime import commands
from wonderzoom.runtime.authoring import built_world
from wonderzoom.runtime.build import Maker, OtherWorld
from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.film import film_comment
from wonderzoom.runtime.serving import serve
from wonderzoom.runtime.viewing import draw_film, draw_picture, film_provenance
from wonderzoom.scene_graph.store import WorldStore

FOLDER = Path("demo")
SHIPPED, PLAN = files("wonderzoom.runtime.demo"), "demo.toml"
SIZE = (960, 540)  # sharp enough to share, and half the work of 720p


def demo(command: commands.Demo, maker: Maker) -> int:
    """Build the world of the plan that is shipped, draw it, and open it to the browser."""
    world_path = FOLDER / "world"
    picture = commands.Render(world_path, FOLDER / "view.png", size=SIZE)
    film = commands.Render(world_path, FOLDER / "descent.mp4", size=SIZE)
    FOLDER.mkdir(exist_ok=True)
    with as_file(SHIPPED) as shipped:
        try:
            built_world(shipped / PLAN, world_path, maker)
        except OtherWorld as error:  # of another version of the demo, or not ours at all
            raise CommandError(f"{error}, or remove {world_path} and call the demo again") from error
    with WorldStore.open(world_path) as store:
        world = store.load(maker.pages)
    # The film is drawn last and says what it shows: with it, everything is there already.
    if not picture.output.exists() or film_comment(film.output) != film_provenance(world, film):
        draw_picture(picture, None, world, maker)
        draw_film(film, None, world, maker)
    print(picture.output)
    print(film.output)
    return 0 if command.once else serve(commands.Serve(world_path, port=command.port), maker)
