"""Splats beside memory: what was added comes back, and every file of them is that of the same cloud in memory."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from splat_clouds import random_cloud

from wonderzoom.scene_graph.formats import cloud as clouds
from wonderzoom.scene_graph.formats import spool as spools
from wonderzoom.scene_graph.formats.cloud import Cloud, joined
from wonderzoom.scene_graph.formats.glb import write_glb
from wonderzoom.scene_graph.formats.ply import write_ply
from wonderzoom.scene_graph.formats.splat import write_splat
from wonderzoom.scene_graph.formats.spool import Spool
from wonderzoom.scene_graph.formats.spz import write_spz

COLUMNS = ("means", "quats", "log_scales", "opacities", "colors")


@settings(max_examples=20)
@given(sizes=st.lists(st.integers(1, 40), max_size=6), memory=st.sampled_from([1, 2000, 1 << 20]))
def test_what_was_added_comes_back_in_order(sizes: list[int], memory: int) -> None:
    parts = [random_cloud(seed, n, flat=seed % 2 == 0) for seed, n in enumerate(sizes)]
    with pytest.MonkeyPatch.context() as patch, Spool(memory=memory) as spool:
        patch.setattr(spools, "ROWS", 16)
        for part in parts:
            spool.add(part)
        assert len(spool) == sum(sizes)
        for _ in range(2):  # as often as one asks
            back = list(spool.parts())
            assert [len(part) for part in back[:-1]] == [16] * len(back[:-1])
            if parts:
                for name in COLUMNS:
                    assert np.array_equal(getattr(joined(back), name), getattr(joined(parts), name))


@pytest.mark.parametrize("write", [write_ply, write_splat, write_spz, write_glb])
def test_a_file_does_not_depend_on_where_its_splats_were(
    write: Callable[[io.BytesIO, object], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cloud: Cloud = random_cloud(3, 1000)
    whole, spooled = io.BytesIO(), io.BytesIO()
    write(whole, cloud)
    monkeypatch.setattr(clouds, "ROWS", 64)
    monkeypatch.setattr(spools, "ROWS", 64)
    with Spool(tmp_path, memory=1000) as spool:
        for part in cloud.parts():
            spool.add(part)
        write(spooled, spool)
        assert list(tmp_path.iterdir()) == []  # its file has no name
    assert spooled.getvalue() == whole.getvalue()
