"""GLB: what another reader finds in it, accessor by accessor."""

import io
import json
import os
import shutil
import struct
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from splat_clouds import covariances, random_cloud, splat_transform

from wonderzoom.scene_graph.formats import glb
from wonderzoom.scene_graph.formats.cloud import SH_C0, Cloud, FormatError
from wonderzoom.scene_graph.formats.glb import EXTENSION, write_glb
from wonderzoom.scene_graph.formats.ply import write_ply


def written(cloud: Cloud) -> bytes:
    stream = io.BytesIO()
    write_glb(stream, cloud)
    return stream.getvalue()


def unpacked(data: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The document and the attributes of the first primitive, by the rules of glTF 2.0."""
    magic, version, total = struct.unpack("<III", data[:12])
    assert (magic, version, total) == (0x46546C67, 2, len(data))
    size, kind = struct.unpack("<II", data[12:20])
    assert kind == 0x4E4F534A and size % 4 == 0
    document = json.loads(data[20 : 20 + size])
    body_size, body_kind = struct.unpack("<II", data[20 + size : 28 + size])
    body = data[28 + size :]
    assert body_kind == 0x004E4942 and body_size == len(body) and body_size % 4 == 0
    found = {}
    for name, number in document["meshes"][0]["primitives"][0]["attributes"].items():
        accessor = document["accessors"][number]
        view = document["bufferViews"][accessor["bufferView"]]
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor["type"]]
        dtype = {5126: "<f4", 5121: "u1"}[accessor["componentType"]]
        assert view["byteOffset"] % 4 == 0
        count = accessor["count"] * width
        start = view["byteOffset"] + accessor.get("byteOffset", 0)
        found[name] = np.frombuffer(body, dtype, count, start).reshape(-1, width)
    return document, found


def test_the_attributes_are_those_of_the_extension() -> None:
    cloud = random_cloud(1, 33)
    document, found = unpacked(written(cloud))
    assert document["extensionsUsed"] == [EXTENSION]
    primitive = document["meshes"][0]["primitives"][0]
    assert primitive["mode"] == 0
    assert primitive["extensions"][EXTENSION]["kernel"] == "ellipse"
    assert primitive["extensions"][EXTENSION]["colorSpace"] == "srgb_rec709_display"
    flip = np.array([1.0, -1.0, -1.0])  # y up, z backward
    np.testing.assert_array_equal(found["POSITION"], cloud.means * flip)
    position = document["accessors"][primitive["attributes"]["POSITION"]]
    assert position["min"] == found["POSITION"].min(0).tolist()
    assert position["max"] == found["POSITION"].max(0).tolist()
    rotation = found[f"{EXTENSION}:ROTATION"]
    np.testing.assert_allclose(np.linalg.norm(rotation, axis=1), 1.0, atol=1e-6)
    sizes = found[f"{EXTENSION}:SCALE"]
    read = Cloud(
        found["POSITION"].copy(),
        np.roll(rotation, 1, 1),
        np.log(sizes),
        found[f"{EXTENSION}:OPACITY"][:, 0].copy(),
        cloud.colors,
    )
    np.testing.assert_allclose(
        covariances(read), covariances(cloud) * np.outer(flip, flip), rtol=1e-4, atol=1e-6
    )
    np.testing.assert_array_equal(read.opacities, cloud.opacities)
    np.testing.assert_allclose(
        0.5 + SH_C0 * found[f"{EXTENSION}:SH_DEGREE_0_COEF_0"], cloud.colors, atol=1e-6
    )


def test_points_have_linear_colours_for_programs_without_splats() -> None:
    cloud = random_cloud(1, 33)
    _, found = unpacked(written(cloud))
    linear = found["COLOR_0"][:, :3] / 255.0
    srgb = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    np.testing.assert_allclose(srgb, cloud.colors, atol=0.03)
    np.testing.assert_allclose(found["COLOR_0"][:, 3] / 255.0, cloud.opacities, atol=1e-6)


def test_what_its_lengths_cannot_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(glb, "_MAX_BYTES", 1000)
    with pytest.raises(FormatError, match="export less"):
        written(random_cloud())


@pytest.mark.system
def test_splat_transform_writes_the_same_turned_around(tmp_path: Path) -> None:
    """It has a picture's axis along +z, we along -z where glTF's own cameras look: half a turn around y."""
    cloud = random_cloud(4, 100).flattened()  # rotations of length 1
    with (tmp_path / "cloud.ply").open("wb") as stream:
        write_ply(stream, cloud)
    splat_transform(tmp_path, "cloud.ply", "theirs.glb")
    document, theirs = unpacked((tmp_path / "theirs.glb").read_bytes())
    here, ours = unpacked(written(cloud))
    assert theirs.keys() == ours.keys()
    theirs["POSITION"] = theirs["POSITION"] * np.array([-1.0, 1.0, -1.0])
    for name in ("POSITION", "SCALE", "OPACITY", "SH_DEGREE_0_COEF_0"):
        name = name if name == "POSITION" else f"{EXTENSION}:{name}"
        np.testing.assert_allclose(theirs[name], ours[name], rtol=1e-4, atol=1e-5)
    told, said = (each["meshes"][0]["primitives"][0]["extensions"] for each in (document, here))
    assert told == said
    x, y, z, w = theirs[f"{EXTENSION}:ROTATION"].T
    turned = np.stack([z, w, -x, -y], 1)  # j (w + xi + yj + zk), as xyzw
    cosine = np.abs((turned * ours[f"{EXTENSION}:ROTATION"]).sum(1))
    np.testing.assert_allclose(cosine, 1.0, atol=1e-5)


@pytest.mark.system
def test_a_glb_is_sound_gltf(tmp_path: Path) -> None:
    """Khronos' validator knows no splats yet: it minds the names of their attributes, and nothing else."""
    node, folder = shutil.which("node"), os.environ.get("GLTF_VALIDATOR")
    if node is None or folder is None:
        pytest.skip("the validator is not here: npm install gltf-validator, and its folder in GLTF_VALIDATOR")
    (tmp_path / "cloud.glb").write_bytes(written(random_cloud()))
    code = "require(process.argv[1]).validateBytes(new Uint8Array(require('fs').readFileSync('cloud.glb')))"
    code += ".then(found => console.log(JSON.stringify(found.issues.messages)))"
    told = subprocess.run(
        [node, "-e", code, folder], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=120
    )
    wrong = [each for each in json.loads(told.stdout) if each["severity"] < 2]
    assert all(each["code"] == "MESH_PRIMITIVE_INVALID_ATTRIBUTE" for each in wrong), wrong
    assert all(f"attributes/{EXTENSION}:" in each["pointer"] for each in wrong), wrong
