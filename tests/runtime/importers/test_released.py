"""Published worlds: their layout is read, and nothing in a file is trusted."""

import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from released_world import DEPTH, FOCAL, HEIGHT, WIDTH, columns, save, turned

from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.importers.released import read_released


def test_levels_are_read_in_our_conventions(tmp_path: Path) -> None:
    found = columns((1.0, 4.0))
    first, second = read_released(save(tmp_path / "world.pth", found))
    assert (first.focal, second.focal) == (FOCAL, 4.0 * FOCAL)
    assert len(first.cloud) == len(second.cloud) == WIDTH * HEIGHT
    np.testing.assert_array_equal(first.cloud.means, found["_xyz"][: WIDTH * HEIGHT] * [-1, -1, 1])
    np.testing.assert_allclose(first.native, np.log(DEPTH / FOCAL), atol=1e-6)
    assert first.cloud.opacities.max() == 1.0  # the tanh reaches beyond and is cut
    np.testing.assert_allclose(first.cloud.colors[:3, 0], [0.1, 0.2, 0.3], atol=1e-6)
    assert first.axis is not None and second.axis is not None
    np.testing.assert_allclose(first.axis, [0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(second.axis, turned(0.02, -0.01)[2], atol=1e-5)


def test_axes_turn_with_the_frame(tmp_path: Path) -> None:
    found = columns((1.0,))
    # Their x axis is ours turned back: a splat along theirs lies along ours, as half a turn around z keeps lines.
    found["_rotation"][:] = [np.cos(0.3), 0.0, 0.0, np.sin(0.3)]
    (level,) = read_released(save(tmp_path / "world.pth", found))
    w, x, y, z = level.cloud.quats[0]
    angle = 2 * np.arctan2(z, w)
    assert abs(x) + abs(y) < 1e-6
    assert np.cos(2 * angle) == pytest.approx(np.cos(1.2), abs=1e-5)
    assert np.sin(2 * angle) == pytest.approx(np.sin(1.2), abs=1e-5)


def test_what_is_deleted_or_replaced_is_left_out(tmp_path: Path) -> None:
    found = columns((1.0,))
    found["delete_mask_all"][:100] = True
    found["point_labels"][100:150] = 100000
    (level,) = read_released(save(tmp_path / "world.pth", found))
    assert len(level.cloud) == WIDTH * HEIGHT - 150
    found["delete_mask_all"][:] = True
    with pytest.raises(CommandError, match="deleted"):
        read_released(save(tmp_path / "world.pth", found))


def test_a_level_of_more_than_one_pose_has_no_axis(tmp_path: Path) -> None:
    found = columns((1.0, 4.0))
    rng = np.random.default_rng(0)
    found["now_scale"][WIDTH * HEIGHT :] *= rng.uniform(0.5, 2.0, WIDTH * HEIGHT).astype(np.float32)
    found["_features_dc"] = found["_features_dc"].transpose(0, 2, 1).copy()  # their other order
    _, second = read_released(save(tmp_path / "world.pth", found))
    assert second.axis is None


def test_splats_without_a_scale_have_that_of_their_depth(tmp_path: Path) -> None:
    found = columns((1.0,))
    found["now_scale"][:] = -np.inf
    (level,) = read_released(save(tmp_path / "world.pth", found))
    np.testing.assert_allclose(level.native, np.log(DEPTH / FOCAL), atol=1e-6)
    assert level.axis is None


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (print, ("this must never be run",))


def without(name: str) -> dict[str, Any]:
    found = columns((1.0,))
    del found[name]
    return found


def changed(name: str, value: Any) -> dict[str, Any]:
    return columns((1.0,)) | {name: value}


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (without("_xyz"), "no column _xyz"),
        (without("now_scale"), "no column now_scale"),
        (changed("_opacity", np.zeros((7, 1), np.float32)), "differ in length"),
        (changed("_xyz", np.zeros((5, 2), np.float32)), "has the shape"),
        (changed("_xyz", np.full((WIDTH * HEIGHT, 3), np.nan, np.float32)), "position"),
        (changed("_focal_length", np.zeros(WIDTH * HEIGHT, np.float32)), "focal length"),
        (changed("_focal_length", np.arange(1, WIDTH * HEIGHT + 1, dtype=np.float32)), "focal lengths"),
    ],
)
def test_what_is_no_world_is_told(tmp_path: Path, found: dict[str, Any], said: str) -> None:
    path = save(tmp_path / "world.pth", found)
    with pytest.raises(CommandError, match=said) as error:
        read_released(path)
    assert str(error.value).startswith(f"{path}: ")


def test_code_and_cut_files_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import torch

    evil = tmp_path / "evil.pth"
    torch.save({"_xyz": Evil()}, evil)
    with pytest.raises(CommandError, match="can't read it"):
        read_released(evil)
    assert "never be run" not in capsys.readouterr().out
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(CommandError, match=r"no file of torch\.save"):
        read_released(tmp_path / "bare.pth")
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(CommandError, match="not a dictionary"):
        read_released(tmp_path / "list.pth")
    whole = save(tmp_path / "world.pth", columns((1.0,))).read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CommandError, match="cut short"):
        read_released(tmp_path / "cut.pth")


def test_bombs_are_refused_before_they_are_read(tmp_path: Path) -> None:
    import torch

    packed = tmp_path / "packed.pth"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as parts:
        parts.writestr("archive/data/0", bytes(1 << 22))
    with pytest.raises(CommandError, match="packed in a way"):
        read_released(packed)
    # One number that a view repeats a thousand million times.
    found = {name: torch.from_numpy(column) for name, column in columns((1.0,)).items()}
    found["now_scale"] = torch.ones(1).expand(1 << 30)
    torch.save(found, tmp_path / "wide.pth")
    with pytest.raises(CommandError, match="more numbers than are there"):
        read_released(tmp_path / "wide.pth")
