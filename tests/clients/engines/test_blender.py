"""The add-on for Blender: what it reads is what was written, and in Blender it is where and as it should be."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from splat_clouds import random_cloud

from wonderzoom.clients.engines.blender.wonderzoom_splats import (
    TO_BLENDER,
    NotSplats,
    Splats,
    linear_of,
    read_splats,
)
from wonderzoom.scene_graph.camera import quat_to_matrix
from wonderzoom.scene_graph.formats.cloud import Cloud
from wonderzoom.scene_graph.formats.ply import Model, write_ply


def written(cloud: Cloud, model: Model = "3dgs") -> bytes:
    stream = io.BytesIO()
    write_ply(stream, cloud, model)
    return stream.getvalue()


def read(tmp_path: Path, data: bytes) -> Splats:
    file = tmp_path / "splats.ply"
    file.write_bytes(data)
    return read_splats(file)


def spread(quats: NDArray[np.floating], sizes: NDArray[np.floating]) -> NDArray[np.float64]:
    """Covariances [N, 3, 3]."""
    axes = quat_to_matrix(quats) * sizes.astype(np.float64)[:, None, :]
    return axes @ axes.transpose(0, 2, 1)


@given(seed=st.integers(0, 1000), model=st.sampled_from(["3dgs", "2dgs"]))
def test_what_is_read_is_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, seed: int, model: Model
) -> None:
    cloud = random_cloud(seed, n=20)
    splats = read(tmp_path_factory.getbasetemp(), written(cloud, model))
    assert np.allclose(splats.positions, cloud.means @ TO_BLENDER.T, atol=1e-5)
    sizes = np.exp(cloud.log_scales.astype(np.float64))
    flat = np.eye(3)[sizes.argmin(1)] if model == "3dgs" else np.array([0.0, 0.0, 1.0])
    expected = TO_BLENDER @ spread(cloud.quats, sizes * (1.0 - flat)) @ TO_BLENDER.T
    found = spread(splats.rotations, np.concatenate([splats.sizes, np.zeros((20, 1))], 1))
    assert np.allclose(found, expected, atol=1e-5 * float(np.abs(expected).max()))
    assert np.allclose(splats.colors, linear_of(cloud.colors), atol=1e-6)
    assert np.allclose(splats.opacities, cloud.opacities, atol=1e-3)


def test_axes_are_those_of_the_conformance_pack(repository: Path) -> None:
    pack = json.loads(
        (repository / "clients" / "engines" / "conformance" / "axes.json").read_text(encoding="utf-8")
    )
    assert np.array_equal(TO_BLENDER, np.array(pack["blender"]["point"]["rows"]))


GOOD = written(random_cloud(1, n=3))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no PLY"),
        (b"glTF" + GOOD, "no PLY"),
        (b"ply\n" + b"comment x\n" * 10_000, "no PLY"),
        (GOOD.replace(b"binary_little_endian", b"ascii"), "binary_little_endian"),
        (GOOD[:-1], "is cut"),
        (GOOD.replace(b"rot_3", b"rot_x"), "rot_3"),
        (GOOD.replace(b"float opacity", b"uchar opacity"), "not float32"),
        (GOOD.replace(b"element vertex 3", b"element face 3"), "something else than points"),
        (GOOD[:-4] + np.float32(np.nan).tobytes(), "numbers that are none"),
        (GOOD[:-16] + bytes(16), "numbers that are none"),
    ],
)
def test_what_holds_no_splats_is_said_so(tmp_path: Path, data: bytes, said: str) -> None:
    with pytest.raises(NotSplats, match=said):
        read(tmp_path, data)


THREE = Cloud(  # red to the right, green below, blue and tall above to the left
    np.array([[4.0, 0.0, 10.0], [0.0, 2.0, 10.0], [-3.0, -2.0, 10.0]], np.float32),
    np.array([[1.0, 0.0, 0.0, 0.0]] * 3, np.float32),
    np.log(np.array([[0.5, 0.5, 0.01], [0.5, 0.5, 0.01], [0.1, 1.0, 0.01]])).astype(np.float32),
    np.full(3, 0.99, np.float32),
    np.eye(3, dtype=np.float32),
)

if sys.version_info[:2] == (3, 11):  # the version that Blender's package is made for

    @pytest.mark.system
    def test_in_blender_splats_are_where_the_picture_has_them(repository: Path, tmp_path: Path) -> None:
        if (folder := os.environ.get("BPY")) is None:
            pytest.skip("Blender is not here: pip install --target FOLDER bpy 'numpy<2', and FOLDER in BPY")
        world, picture, saved = (tmp_path / name for name in ("three.ply", "three.png", "three.blend"))
        world.write_bytes(written(THREE))
        addon = repository / "clients" / "engines" / "blender" / "wonderzoom_splats.py"
        environment = os.environ | {"PYTHONPATH": folder}

        def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [sys.executable, *map(str, words)],
                env=environment,
                capture_output=True,
                text=True,
                timeout=300,
            )

        done = run(repository / "tests" / "support" / "blender_look.py", addon, world, picture)
        assert done.returncode == 0, done.stdout + done.stderr
        told = json.loads(next(line for line in done.stdout.splitlines() if line.startswith("{")))
        kinds = {"rotation": "QUATERNION", "size": "FLOAT_VECTOR", "color": "FLOAT_COLOR", "opacity": "FLOAT"}
        assert kinds.items() <= told["attributes"].items()
        assert "no PLY" in told["refused"]
        placed = np.array(told["placed"])
        assert np.allclose(placed[:, :3, 3], THREE.means @ TO_BLENDER.T, atol=1e-5)
        sizes = np.array([[0.5, 0.5, 1.0], [0.5, 0.5, 1.0], [0.1, 1.0, 1.0]])
        assert np.allclose(placed[:, :3, :3], TO_BLENDER[None] * sizes[:, None, :], atol=1e-5)
        # 24 mm of 36 mm on 96 pixels: 64 pixels of focal length.
        pixels = np.asarray(Image.open(picture).convert("RGB"), np.int64)
        for (x, y, z), channel in zip(THREE.means.tolist(), range(3), strict=True):
            seen = pixels[int(32 + 64 * y / z), int(48 + 64 * x / z)]
            assert seen[channel] > 200 and np.delete(seen, channel).max() < 40, (channel, seen)
        assert pixels[5, 90].max() < 10 and pixels[60, 5].max() < 10  # nobody is there

        done = run(addon, "--", world, saved)
        assert done.returncode == 0 and "3 splats" in done.stdout, done.stdout + done.stderr
        assert saved.stat().st_size > 10_000
        done = run(addon, "--", picture, saved)
        assert done.returncode == 1 and "no PLY" in done.stderr
