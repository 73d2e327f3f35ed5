"""The shipped recipes, chained on tiny random models: worlds whose laws hold, made again bit for bit.

The recipes are the real ones; only the models are replaced by checkpoints of kilobytes, and the numbers of steps.
"""

import shutil
import tomllib
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_painters
import tiny_perception
import tiny_pictures
from tiny_models import photo

from wonderzoom.generation.embedded.generator import EmbeddedGenerator
from wonderzoom.generation.jobs import CreateRequest, GenerationError, Stage, Watch, ZoomRequest
from wonderzoom.generation.models.errors import ModelUnavailable
from wonderzoom.generation.models.generator import build
from wonderzoom.generation.models.locks import Locks
from wonderzoom.generation.models.recipes import SHIPPED, Recipe, recipe_from
from wonderzoom.generation.models.shelf import Shelf
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.generation.pipeline import Pipeline
from wonderzoom.runtime.frames import aim
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.renderers.cpu_fitter import CpuFitter
from wonderzoom.scene_graph.ports import Cancelled, FitSettings
from wonderzoom.scene_graph.world import World

# diffusers' Euler scheduler turns tensors into arrays in a way that NumPy 2 wants otherwise.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

WIDTH, HEIGHT = 72, 64
SMALL_VACE: dict[str, Any] = {
    "groups": 1,
    "steps": 1,
    "adding": 2,
    "most_pixels": 48 * 48,
    "depth_pixels": 196,
}
# Adapter -> options that make a tiny model quick; models are filled in by ``Tiny``.
QUICK: dict[str, dict[str, Any]] = {
    "depth_anything": {"most_pixels": 28 * 28},
    "prompt_da": {"most_pixels": 28 * 28},
    "klein_inpaint": {"steps": 1, "most_layers": 2},
    "sd_inpaint": {"steps": 1, "most_layers": 2},
    "qwen_vl": {"most_tokens": 4, "most_pixels": 64 * 64},
    "sd_x4": {"steps": 1, "tile": 16, "overlap": 4},
    "instruct_pix2pix": {"steps": 1},
    "qwen_edit": {"steps": 1, "guidance": 1.0, "most_pixels": 64 * 64},
    "sam2": {"points": 4},
    "wan_vace": SMALL_VACE,
    "klein_outpaint": {"steps": 1},
    "sd_outpaint": {"steps": 1},
    "klein_text": {"steps": 1, "most_pixels": 48 * 48},
    "sd_text": {"steps": 1, "most_pixels": 48 * 48},
}
PROMPT = "a ladybug"


class Tiny:
    """Checkpoints of kilobytes, each made when a recipe asks for it first."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        self._factory = factory

    def folder(self, adapter: str, field: str) -> Path:
        """The checkpoint for one model of an adapter."""
        name, make = self._which(adapter, field)
        place = self._factory.getbasetemp() / f"tiny_{name}"
        if not place.exists():
            make(place)
        return place

    def _which(self, adapter: str, field: str) -> tuple[str, Callable[[Path], Any]]:
        perception, painters, pictures = tiny_perception, tiny_painters, tiny_pictures
        if field == "sam" or adapter == "sam2":
            return "sam", perception.save_sam
        if field == "dino":
            return "dino", perception.save_grounding_dino
        if adapter == "prompt_da" or field == "depth":
            return "prompted", lambda place: perception.save_depth_anything(place, "metric", prompted=True)
        if adapter == "depth_anything":
            return "metric", lambda place: perception.save_depth_anything(place, "metric")
        if adapter.startswith("klein"):
            return "klein", painters.save_klein
        return adapter, {
            "sd_inpaint": painters.save_sd_inpaint,
            "sd_outpaint": painters.save_sd_inpaint,
            "sd_text": painters.save_sd_text,
            "wan_vace": painters.save_vace,
            "qwen_vl": pictures.qwen_vl,
            "sd_x4": pictures.sd_x4,
            "instruct_pix2pix": pictures.instruct_pix2pix,
            "qwen_edit": pictures.qwen_edit,
        }[adapter]

    def recipe(self, name: str) -> Recipe:
        """A shipped recipe with tiny models in the places of its own."""
        text = (files("wonderzoom.generation.models") / "recipes" / f"{name}.toml").read_text(
            encoding="utf-8"
        )
        table = tomllib.loads(text)
        for stage in table.values():
            if not isinstance(stage, dict):
                continue
            adapter = stage["adapter"]
            for field, value in stage.items():
                if isinstance(value, dict):
                    stage[field] = {"path": str(self.folder(adapter, field)), "dtype": "float32"}
            stage.update(QUICK.get(adapter, {"steps": 1}))
            if adapter == "depth_anything" and "trained_focal" not in stage:
                stage["steps"] = 1
        return recipe_from(name, table)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Tiny:
    return Tiny(tmp_path_factory)


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(1) as made:
        yield made


@pytest.fixture
def small_canvas(monkeypatch: pytest.MonkeyPatch) -> None:
    """A megapixel of the edit pipeline's own choosing takes a tiny model seconds on a CPU."""
    import diffusers.pipelines.qwenimage.pipeline_qwenimage_edit_plus as pipeline

    monkeypatch.setattr(pipeline, "CONDITION_IMAGE_SIZE", 56 * 56)
    monkeypatch.setattr(pipeline, "VAE_IMAGE_SIZE", 64 * 64)


def pipeline(recipe: Recipe | None, renderer: CpuRenderer, place: Path) -> Pipeline:
    """Generation by a recipe; None: by the embedded generator."""
    generator = EmbeddedGenerator(1)
    if recipe is not None:
        bench = Workbench(Shelf(Locks(place / "lock"), cache=place / "cache"), renderer)
        generator = build(recipe, bench, generator)
    return Pipeline(generator, renderer, CpuFitter(1), 1, FitSettings(iterations=4))


def picture() -> np.ndarray:
    """A soft landscape: a bright upper part over a darker lower one."""
    image = photo(WIDTH, HEIGHT)
    image[: HEIGHT // 3] = 0.5 + 0.4 * image[: HEIGHT // 3]
    return (image * 255).astype(np.uint8)


def request_in(world: World, renderer: CpuRenderer, prompt: str = PROMPT, factor: float = 3.0) -> ZoomRequest:
    node = next(reversed(world.nodes.values()))
    return ZoomRequest(aim(world, renderer, node, (0.5, 0.6), factor).camera, prompt, 5)


def created(made: Pipeline) -> World:
    answer = made.create(CreateRequest(picture(), focal=70.0, prompt="a hill", seed=1))
    world = World(answer.header)
    world.apply(answer.commit)
    return world


# One of them always: what differs between them is covered stage by stage.
@pytest.mark.usefixtures("small_canvas")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name == "paper" else pytest.mark.slow) for name in SHIPPED]
)
def test_a_recipe_makes_a_world_whose_laws_hold_and_makes_it_again(
    name: str, tiny: Tiny, renderer: CpuRenderer, tmp_path: Path
) -> None:
    recipe = tiny.recipe(name)
    made = pipeline(recipe, renderer, tmp_path)
    world = created(made)
    request = request_in(world, renderer)
    zoomed = made.zoom(world, request)
    before = {block.hash for block in world.octree.blocks()}
    world.apply(zoomed.commit)
    assert before <= {block.hash for block in world.octree.blocks()}  # nothing that exists was touched
    node = world.node(zoomed.node)
    told = dict(node.provenance)
    assert node.generator == f"{name}/{recipe.version}"
    assert {key for key in told if key.startswith("model.")} == {f"model.{stage}" for stage in recipe.stages}
    assert "notes" not in told or "without its model" not in told["notes"]
    assert sorted(zoomed.placed + zoomed.ignored) != []
    view = node.main
    assert view.image is not None and np.isfinite(view.zeta[view.mask]).all()
    assert world.check() == []

    # Deeper, by the generator without weights: the picture that models made is its chart.
    embedded = pipeline(None, renderer, tmp_path)
    deeper = embedded.zoom(world, request_in(world, renderer, "moss"))
    world.apply(deeper.commit)
    assert world.node(deeper.node).parent == zoomed.node and world.check() == []

    # A world can be replayed from what its nodes record.
    again = pipeline(recipe, renderer, tmp_path / "again")
    replayed = created(again)
    replayed.apply(again.zoom(replayed, request).commit)
    replayed.apply(embedded.zoom(replayed, request_in(replayed, renderer, "moss")).commit)
    assert replayed.digest() == world.digest()


STAGES: tuple[Stage, ...] = (
    "describe",
    "upscale",
    "edit",
    "depth",
    "segment",
    "auxiliary",
    "optimise",
    "commit",
)


@pytest.mark.slow
@pytest.mark.usefixtures("small_canvas")
@pytest.mark.parametrize("name", SHIPPED)
def test_calling_off_at_any_stage_leaves_the_world_as_it_was(
    name: str, tiny: Tiny, renderer: CpuRenderer, tmp_path: Path
) -> None:
    made = pipeline(tiny.recipe(name), renderer, tmp_path)
    world = created(made)
    digest, request = world.digest(), request_in(world, renderer)
    for stage in STAGES:
        begun: list[Stage] = []

        def is_off(begun: list[Stage] = begun, stage: Stage = stage) -> bool:
            return stage in begun

        watch = Watch(is_off, lambda event, begun=begun: begun.append(event.stage))
        with pytest.raises(Cancelled):
            made.zoom(world, request, watch)
        assert begun[-1] == stage
        assert world.digest() == digest
    after = made.zoom(world, request)
    fresh = pipeline(tiny.recipe(name), renderer, tmp_path / "fresh")
    hashes = [block.hash for block in fresh.zoom(world, request).commit.blocks]
    assert [block.hash for block in after.commit.blocks] == hashes


@pytest.mark.usefixtures("small_canvas")
def test_a_model_that_fails_at_any_stage_leaves_the_world_as_it_was(
    tiny: Tiny, renderer: CpuRenderer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = tiny.recipe("light")
    world = created(pipeline(recipe, renderer, tmp_path))
    digest, request = world.digest(), request_in(world, renderer)
    for stage, part in recipe.stages.items():
        if stage in ("initial_depth", "inpaint", "outpaint", "text_to_image"):
            continue  # of other requests
        broken = tmp_path / f"broken_{stage}"
        folder = Path(next(iter(part.models.values())).path)
        shutil.copytree(folder, broken)
        weights = max(broken.rglob("*.safetensors"), key=lambda path: path.stat().st_size)
        weights.write_bytes(weights.read_bytes()[:200])
        only = {"adapter": part.adapter, "model": {"path": str(broken), "dtype": "float32"}}
        made = pipeline(
            recipe_from("broken", {stage: {**only, **QUICK.get(part.adapter, {})}}), renderer, tmp_path
        )
        with pytest.raises(ModelUnavailable, match="damaged") as caught:
            made.zoom(world, request)
        assert isinstance(caught.value, GenerationError) and caught.value.stage == stage
        assert world.digest() == digest
