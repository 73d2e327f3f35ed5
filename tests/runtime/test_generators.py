from pathlib import Path

import pytest

from wonderzoom.generation.embedded.generator import EmbeddedGenerator
from wonderzoom.generation.models.recipes import SHIPPED, Recipe
from wonderzoom.runtime import generators
from wonderzoom.runtime.errors import UsageError
from wonderzoom.runtime.generators import UnknownGenerator, from_recipe, locks, recipe_of, render_bytes
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_recipe_can_be_read_and_put_together_without_weights(name: str) -> None:
    recipe = recipe_of(name)
    assert recipe.name == name and recipe.about
    made = from_recipe(recipe, EmbeddedGenerator(), lambda: pytest.fail("nothing is drawn"), 1)
    assert made.name == f"{name}/{recipe.version}"


def test_a_recipe_without_stages_is_the_embedded_generator_under_another_name() -> None:
    embedded = EmbeddedGenerator()
    made = from_recipe(Recipe("mine"), embedded, lambda: pytest.fail("nothing is drawn"), 1)
    assert made.name == "mine/1" and made.edit is embedded.edit and made.memory is embedded.memory


def test_a_recipe_that_is_wrong_says_where(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    for text, said in (
        ("[", "recipe mine: "),
        ("[juggle]\nadapter = 'x'", "there is no stage 'juggle'"),
        ("[edit]\nsteps = 4", "edit: adapter is missing"),
        ("[edit]\nadapter = 'magic'", "edit: there is no adapter 'magic'"),
        ("[edit]\nadapter = 'embedded'\nsteps = 4", "the embedded stage has no options; remove steps"),
        ("[edit]\nadapter = 'embedded'\nfallback = 'magic'", "fallback is 'embedded' or left out"),
        ("version = 0", "version a number from 1"),
    ):
        path.write_text(text)
        with pytest.raises(UsageError, match=said):
            recipe_of(str(path))
    with pytest.raises(UsageError, match="none.toml can't be read"):
        recipe_of(str(tmp_path / "none.toml"))
    with pytest.raises(UnknownGenerator):
        recipe_of("magic")


def test_revisions_are_kept_with_what_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WONDERZOOM_DATA", str(tmp_path))
    locks().settle("acme/eye", "1" * 40)
    assert [path.name for path in tmp_path.iterdir()] == [generators.LOCK_FILE]


def test_nodes_tell_the_revision_that_a_download_settled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WONDERZOOM_DATA", str(tmp_path))
    recipe = recipe_of("light")
    model = recipe.stages["edit"].models["model"]
    locks().settle(model.repo, "1" * 40)
    told = dict(
        from_recipe(recipe, EmbeddedGenerator(), lambda: pytest.fail("nothing is drawn"), 1).made_with
    )
    assert told["model.edit"] == f"instruct_pix2pix {model.repo}@1111111111"
    assert "@" not in told["model.describe"]  # nothing is settled for it yet
    (tmp_path / generators.LOCK_FILE).write_text("{")
    with pytest.raises(UsageError, match=generators.LOCK_FILE):
        from_recipe(recipe, EmbeddedGenerator(), lambda: pytest.fail("nothing is drawn"), 1)


def test_the_share_of_the_card_for_drawing_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(generators.RENDER_VARIABLE, "1024")
    assert render_bytes() == 1024
    monkeypatch.setenv(generators.RENDER_VARIABLE, "3 GB")
    with pytest.raises(UsageError, match="a number of bytes, not '3 GB'"):
        render_bytes()


def test_the_renderer_is_made_when_something_is_drawn() -> None:
    made: list[str] = []

    class Draws:
        name = "draws"

        def render(self, visible: VisibleSet, camera: object, settings: RenderSettings) -> str:
            return f"{visible.revision}"

    def make() -> Draws:
        made.append("once")
        return Draws()

    late = generators._WhenDrawn(make)  # type: ignore[arg-type]
    assert made == []
    assert late.render(VisibleSet((), (), (), 7), None, RenderSettings()) == "7"  # type: ignore[arg-type]
    assert made == ["once"]
