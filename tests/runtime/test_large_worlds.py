"""A world larger than the memory it may take: it opens, and all of it is drawn."""

import importlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from noted_pages import NotedPages
from plane_maker import PlaneMaker, PointRenderer

from wonderzoom.runtime import commands
from wonderzoom.runtime.authoring import zoom
from wonderzoom.runtime.progress import Reporter
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.sight import Sight
from wonderzoom.scene_graph.page_cache import PageCache
from wonderzoom.scene_graph.ports import RenderSettings
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.visible_set import visible_set

REPOSITORY = Path(__file__).parents[2]
GIB = 1 << 30
MIB = 1 << 20
SMALL_SIDE, SMALL_NODES = 80, 5


@pytest.fixture(scope="module")
def large_world() -> ModuleType:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(REPOSITORY))
        return importlib.import_module("benchmarks.large_world")


@pytest.fixture(scope="module")
def place(large_world: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("large") / "world"
    large_world.write(path, SMALL_NODES, SMALL_SIDE)
    return path


def test_a_world_of_many_times_its_memory_is_drawn_as_if_all_were_there(
    place: Path, large_world: ModuleType
) -> None:
    """A quarter of a megabyte of surfels to read, of a world of two: the same pictures to the byte."""
    pages, settings = PageCache(MIB // 4), RenderSettings(h_ref=SMALL_SIDE)
    with WorldStore.open(place) as store:
        lazy, whole = store.load(pages), store.load()
    assert lazy.digest() == whole.digest()
    surfels = sum(block.count for block in lazy.blocks)
    assert surfels == SMALL_NODES * SMALL_SIDE**2 and 62 * surfels > 6 * pages.max_bytes
    views = [camera.resized(80, 60) for camera in large_world.cameras(SMALL_NODES, SMALL_SIDE)]
    with CpuRenderer(1, MIB) as little, CpuRenderer(1) as plenty:
        for camera in (*views, views[0]):
            seen = Sight(
                lambda block: block.in_memory,
                lambda block: len(block.surfels) == len(block.bounds),
                0,
            ).whole(lazy, camera, settings)
            expected = plenty.render_color(visible_set(whole, camera, settings), camera, settings)
            assert np.array_equal(little.render_color(seen, camera, settings), expected)
            assert expected[..., :3].std() > 10.0
            assert pages.statistics.held_bytes <= pages.max_bytes
        assert little.memory_bytes < plenty.memory_bytes
    assert pages.statistics.evictions > 0


def test_a_zoom_reads_what_its_view_shows_and_nothing_else(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of four zooms side by side the last, and of its neighbour what is at the rim of its frame."""
    copy = tmp_path / "world"
    shutil.copytree(place, copy)
    maker = PlaneMaker(PointRenderer(), Reporter(lambda: 0.0))
    maker.pages = pages = NotedPages()
    with WorldStore.open(copy) as store:
        before, files = store.load(PageCache(0)), [row.hash for row in store.rows()]
    inside = list(before.nodes)[-1]
    assert zoom(commands.Zoom(copy, at=(0.5, 0.5), factor=4.0, node=inside, json=True), maker) == 0
    assert json.loads(capsys.readouterr().out)["parent"] == inside
    with WorldStore.open(copy) as store:
        assert store.load().check() == []
    assert pages.files("surfels") == {files[0], files[3], files[4]}
    assert pages.count("surfels") < len(before.blocks) / 2
    assert pages.files("view") == {files[0], files[4]} and pages.count("view.0.0.image") == 0


CHILD = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[2]), int(sys.argv[2])))
sys.path.insert(0, sys.argv[3])
from benchmarks.large_world import cameras, peak_bytes
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.sight import all_of_it
from wonderzoom.scene_graph.page_cache import PageCache
from wonderzoom.scene_graph.ports import RenderSettings
from wonderzoom.scene_graph.store import WorldStore

pages = PageCache(128 << 20)
with WorldStore.open(sys.argv[1]) as store:
    world = store.load(pages)
side = world.header.h_ref
settings, alphas = RenderSettings(h_ref=side), []
with CpuRenderer(1, 128 << 20) as renderer:
    for number, camera in enumerate(cameras(len(world.nodes), side)):
        # Far enough for the zooms to have no weight in the first picture, near enough for it to have none in them.
        camera = camera.zoomed(1.1 if number else 0.9).resized(640, 480)
        visible = all_of_it().whole(world, camera, settings)
        view = renderer.render(visible, camera, settings)
        alphas.append(float(view.alpha[120:360, 160:480].min()))  # beside the first picture there is nothing
print(json.dumps({
    "surfels": sum(block.count for block in world.blocks),
    "alpha": min(alphas),
    "views": len(alphas),
    "held": pages.statistics.held_bytes,
    "evictions": pages.statistics.evictions,
    "peak": peak_bytes(),
}))
"""


COMMANDS = """
import json, resource, sys
resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[2]), int(sys.argv[2])))
sys.path[:0] = [sys.argv[3], sys.argv[3] + "/tests/support"]
from dataclasses import replace
from pathlib import Path
from benchmarks.large_world import peak_bytes
from plane_maker import PlaneMaker
from wonderzoom.runtime import commands
from wonderzoom.runtime.authoring import zoom
from wonderzoom.runtime.exchange import export
from wonderzoom.runtime.progress import Reporter
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.page_cache import PageCache

class Small(PlaneMaker):
    def zoom(self, generator, world, request, watch):
        return super().zoom(generator, world, replace(request, camera=request.camera.resized(256, 256)), watch)

world = Path(sys.argv[1])
with CpuRenderer(1, 128 << 20) as renderer:
    maker = Small(renderer, Reporter(lambda: 0.0, sys.stderr))
    maker.pages = PageCache(128 << 20)
    if sys.argv[4] == "zoom":
        zoom(commands.Zoom(world, at=(0.5, 0.5), factor=4.0, json=True), maker)
    else:
        export(commands.Export(world, output=world.parent / sys.argv[4]), maker)
print(json.dumps({"peak": peak_bytes()}))
"""


@pytest.fixture(scope="module")
def huge_world(large_world: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("huge") / "world"
    large_world.write(path, 20, 1024)
    return path


def in_a_gibibyte(code: str, world: Path, *more: str) -> list[str]:
    """What a process prints that has no more data than that, by the system's limit."""
    told = subprocess.run(
        [sys.executable, "-c", code, str(world), str(GIB), str(REPOSITORY), *more],
        capture_output=True,
        text=True,
        check=False,
    )
    assert told.returncode == 0, told.stderr[-2000:]
    return told.stdout.splitlines()


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory is Linux's")
def test_twenty_million_surfels_in_a_gibibyte(huge_world: Path) -> None:
    """All data of the process within the limit, enforced by the system; so is what it has mapped at most."""
    found = json.loads(in_a_gibibyte(CHILD, huge_world)[-1])
    assert found["surfels"] == 20 * 1024**2 and found["views"] == 20
    assert found["peak"] < GIB and found["held"] <= 128 << 20 and found["evictions"] > 0
    assert found["alpha"] > 0.9


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(sys.platform != "linux", reason="the limit on memory is Linux's")
@pytest.mark.parametrize("what", ["all.ply", "all.splat", "all.spz", "all.glb", "zoom"])
def test_twenty_million_surfels_are_exported_and_zoomed_in_a_gibibyte(huge_world: Path, what: str) -> None:
    """As above; what a zoom makes is no matter of the world's, and small here."""
    *_, line, peak = in_a_gibibyte(COMMANDS, huge_world, what)
    assert json.loads(peak)["peak"] < GIB
    if what == "zoom":
        assert json.loads(line)["revision"] == 21
        return
    splats = int(line.removesuffix(" splats").rpartition(" ")[2].replace(",", ""))
    assert splats > 19 * 1024**2
    (huge_world.parent / what).unlink()
