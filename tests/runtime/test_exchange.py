"""Export and import at the command line: files appear, worlds come back, and what can't be is one line."""

import gzip
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from desk import Desk, loaded, nodes
from noted_pages import NotedPages
from released_world import columns, save

from wonderzoom.runtime import exchange
from wonderzoom.runtime.importers import standing
from wonderzoom.runtime.importers.files import read_cloud
from wonderzoom.scene_graph.formats.ply import FLAT_COMMENT


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures as small as the clouds of these tests."""
    monkeypatch.setattr(standing, "SHORT_SIDES", (64, 1024))


def surfels(path: str) -> int:
    return sum(len(block.surfels) for block in loaded(path).blocks)


@pytest.mark.parametrize("suffix", [".ply", ".splat", ".spz"])
def test_a_world_goes_out_and_comes_back(garden: Desk, suffix: str) -> None:
    out = garden.must("export", "garden", "-o", f"garden{suffix}")
    cloud, _ = read_cloud(Path(f"garden{suffix}"))
    assert out == f"garden{suffix}: {len(cloud):,} splats\n"
    assert 0 < len(cloud) < surfels("garden")
    told = garden.must("import", f"garden{suffix}", "-o", "again")
    (root,) = nodes("again")
    assert f"a world of {surfels('again'):,} surfels, root {root.id}" in told
    assert surfels("again") == len(cloud) and loaded("again").check() == []


def test_an_imported_world_is_looked_at_and_zoomed_like_any_other(garden: Desk) -> None:
    garden.must("export", "garden", "-o", "garden.ply", "--model", "2dgs", "--detail", "1")
    assert FLAT_COMMENT.encode() in Path("garden.ply").read_bytes()[:200]
    garden.must("import", "garden.ply", "-o", "again")
    garden.must("render", "again", "-o", "again.png")
    garden.must("zoom", "again", "--at", "0.5,0.5", "--factor", "4")
    assert len(nodes("again")) == 2 and loaded("again").check() == []


def test_a_node_is_exported_alone_and_what_is_not_is_told(garden: Desk) -> None:
    zoomed = nodes()[-1].id
    ended = garden("export", "garden", "-o", "leaf.glb", "--node", zoomed)
    assert ended.code == 0 and Path("leaf.glb").read_bytes()[:4] == b"glTF"
    assert "of other layers are left out" in ended.err
    assert f"outside the frame of node {zoomed}" in ended.err


def test_only_what_a_frame_shows_is_read(garden: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    garden.must("zoom", "garden", "--at", "0.2,0.2", "--factor", "8", "--node", nodes()[0].id)
    pages: list[NotedPages] = []
    monkeypatch.setattr(exchange, "PageCache", lambda bytes: pages.append(NotedPages(bytes)) or pages[-1])
    garden.must("export", "garden", "-o", "all.ply")
    garden.must("export", "garden", "-o", "one.ply", "--node", nodes()[1].id)
    whole, one = pages
    assert whole.count("surfels") == len(loaded().blocks) and len(whole.files("surfels")) == 3
    assert one.count("surfels") < whole.count("surfels") and len(one.files("surfels")) == 2
    assert whole.count("view") == one.count("view") == 0


def test_of_a_damaged_world_what_is_coarser_is_written(garden: Desk) -> None:
    """As where a file is missing: the same bytes, and what is lost is said."""
    garden.must("zoom", "garden", "--at", "0.5,0.5", "--factor", "4")
    shutil.copytree("garden", "missing")
    next(Path("missing/commits").glob("00000003-*")).unlink()
    file = next(Path("garden/commits").glob("00000003-*"))
    content = bytearray(file.read_bytes())
    length = int.from_bytes(content[:8], "little")
    content[8 + length + json.loads(content[8 : 8 + length])["surfels.means"]["data_offsets"][0]] ^= 1
    file.write_bytes(content)
    ended = [garden("export", name, "-o", f"{name}.ply") for name in ("garden", "missing")]
    assert [each.code for each in ended] == [0, 0]
    assert f"garden: {nodes()[-1].id} is lost: revision 3: its bytes have changed" in ended[0].err
    assert Path("garden.ply").read_bytes() == Path("missing.ply").read_bytes()


def test_a_published_world_comes_in_with_its_levels(desk: Desk) -> None:
    save(Path("lego.pth"), columns((1.0, 4.0)))
    out = desk.must("import", "lego.pth", "-o", "lego")
    assert "in 2 nodes" in out
    root, finer = nodes("lego")
    assert finer.parent == root.id and dict(root.provenance)["file"] == "lego.pth"
    desk.must("zoom", "lego", "--at", "0.5,0.5", "--factor", "4")


def test_what_cannot_be_exported_is_one_line(garden: Desk) -> None:
    assert "must end with .ply, .splat, .spz, .glb" in garden.fails("export", "garden", "-o", "x.obj", code=2)
    line = garden.fails("export", "garden", "-o", "x.spz", "--model", "2dgs", code=2)
    assert "--model 2dgs is for .ply" in line
    assert "there is no such directory" in garden.fails("export", "nowhere", "-o", "x.ply")
    assert "there is no node" in garden.fails("export", "garden", "-o", "x.ply", "--node", "abc")
    assert "there is no folder" in garden.fails("export", "garden", "-o", "no/x.ply")
    assert "--detail" in garden.fails("export", "garden", "-o", "x.ply", "--detail", "0", code=2)
    assert not list(Path().glob("x.*"))


def test_what_cannot_be_imported_is_one_line_and_leaves_nothing(desk: Desk) -> None:
    Path("bad.ply").write_bytes(b"ply\nformat ascii 1.0\nelement vertex 99\nend_header\n")
    Path("bad.spz").write_bytes(gzip.compress(b"no"))
    Path("bad.splat").write_bytes(np.full(8, np.nan, "<f4").tobytes())
    Path("bad.pth").write_bytes(b"PK")
    for name in ("bad.ply", "bad.spz", "bad.splat", "bad.pth"):
        assert desk.fails("import", name, "-o", "made").startswith(f"wonderzoom: {name}: ")
    assert not Path("made").exists()
    assert "are read" in desk.fails("import", "photo.png", "-o", "made", code=2)
    Path("taken").mkdir()
    Path("taken/file").touch()
    assert "taken" in desk.fails("import", "bad.ply", "-o", "taken")
