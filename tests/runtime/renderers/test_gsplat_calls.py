"""What we call of gsplat is what 1.5.3 has, argument by argument; and what is said where it can't be called."""

import inspect
import sys
import types
from pathlib import Path
from typing import Any

import pytest
import torch
from gsplat_stand_in import StandIn

from wonderzoom.runtime.renderers import gsplat_calls
from wonderzoom.runtime.renderers.cuda_projection import Splats
from wonderzoom.runtime.renderers.gsplat_calls import TILE, USED, CudaUnavailable, Gsplat

# Parameters of gsplat 1.5.3, from its wheel: names in order, with defaults where there are any.
REAL: dict[str, str] = {
    "isect_tiles": "means2d radii depths tile_size tile_width tile_height sort=True segmented=False packed=False"
    " n_images=None image_ids=None gaussian_ids=None",
    "isect_offset_encode": "isect_ids n_images tile_width tile_height",
    "rasterize_to_pixels": "means2d conics colors opacities image_width image_height tile_size isect_offsets"
    " flatten_ids backgrounds=None masks=None packed=False absgrad=False",
    "rasterize_to_indices_in_range": "range_start range_end transmittances means2d conics opacities image_width"
    " image_height tile_size isect_offsets flatten_ids",
}


def parameters(function: Any) -> str:
    shown = inspect.signature(function).parameters.values()
    return " ".join(p.name if p.default is p.empty else f"{p.name}={p.default}" for p in shown)


def splats(*images: int) -> Splats:
    """One opaque surfel for each number, in that image, in the middle of 20 x 18 pixels."""
    n = len(images)
    return Splats(
        torch.full((n, 2), 9.5),
        torch.tensor([[0.5, 0.0, 0.5]]).repeat(n, 1),
        torch.linspace(0.5, 0.9, n),
        torch.full((n, 2), 5, dtype=torch.int32),
        torch.linspace(2.0, 1.0, n),
        torch.rand(n, 4),
        torch.tensor(images),
        torch.arange(n),
    )


# ---- the calls ------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", USED)
def test_the_stand_in_has_the_signatures_of_the_pinned_gsplat(name: str) -> None:
    assert parameters(getattr(StandIn(), name)) == REAL[name]


@pytest.mark.parametrize("name", USED)
def test_an_installed_gsplat_has_them_too(name: str) -> None:
    import gsplat

    assert parameters(getattr(gsplat, name)).startswith(REAL[name])  # a newer one may have more behind
    assert Gsplat(gsplat).version == gsplat.__version__


def test_every_argument_is_one_that_the_function_has_and_means() -> None:
    stand_in = StandIn()
    library, some = Gsplat(stand_in), splats(0, 1, 1, 2)
    tiles = library.sort(some, 3, 20, 18)
    library.blend(some, tiles, some.colors, 20, 18)
    library.met(some, tiles, 1, 20, 18)
    calls = dict(stand_in.calls)  # the stand-in itself checks dtype, shape, device and contiguity
    assert set(calls) == set(USED)
    sort = calls["isect_tiles"]
    assert (sort["tile_size"], sort["tile_width"], sort["tile_height"]) == (TILE, 2, 2)
    assert sort["packed"] and sort["n_images"] == 3 and sort["sort"] and not sort["segmented"]
    assert sort["means2d"] is some.means and sort["depths"] is some.keys
    assert sort["image_ids"] is some.images and sort["gaussian_ids"] is some.ids
    encode = calls["isect_offset_encode"]
    assert (encode["n_images"], encode["tile_width"], encode["tile_height"]) == (3, 2, 2)
    blend = calls["rasterize_to_pixels"]
    assert blend["packed"] and blend["backgrounds"] is None  # 1.5.3 refuses both together for three images
    assert (blend["image_width"], blend["image_height"], blend["tile_size"]) == (20, 18, TILE)
    assert blend["isect_offsets"].shape == (3, 2, 2)
    met = calls["rasterize_to_indices_in_range"]
    assert met["transmittances"].shape == (18, 20) and met["means2d"].shape == (2, 2)
    assert met["isect_offsets"].shape == (2, 2) and int(met["isect_offsets"][0, 0]) == 0


def test_several_images_do_not_mix() -> None:
    library, some = Gsplat(StandIn()), splats(0, 1, 1, 2)
    tiles = library.sort(some, 4, 20, 18)
    shown, alphas = library.blend(some, tiles, some.colors, 20, 18)
    assert shown.shape == (4, 18, 20, 4) and alphas.shape == (4, 18, 20)
    assert alphas[0, 9, 9] == pytest.approx(0.5, abs=0.1) and not alphas[3].any()
    for image, mine in ((0, [0]), (1, [1, 2]), (2, [3]), (3, [])):
        if mine:
            rows, pixels = library.met(some, tiles, image, 20, 18)
            assert sorted(set(rows.tolist())) == mine
            at_the_middle = rows[pixels == 9 * 20 + 9].tolist()
            assert at_the_middle == sorted(mine, reverse=True)  # front to back: keys fall with the number


def test_a_gsplat_that_has_changed_is_named() -> None:
    def renamed(isect_ids: Any, images: int, tile_width: int, tile_height: int) -> None: ...

    changed = StandIn("2.0.0")
    changed.isect_offset_encode = renamed  # type: ignore[method-assign, assignment]
    with pytest.raises(CudaUnavailable, match="2.0.0: isect_offset_encode takes no n_images"):
        Gsplat(changed)
    without = types.SimpleNamespace(__version__="0.9")
    with pytest.raises(CudaUnavailable, match="has no isect_tiles"):
        Gsplat(without)


@pytest.mark.parametrize(
    ("version", "clamp"), [("1.5.3", 0.999), ("1.5.3+pt24cu124", 0.999), ("1.6.0", 0.99), ("2.0", 0.99)]
)
def test_the_clamp_of_alpha_is_the_versions(version: str, clamp: float) -> None:
    assert Gsplat(StandIn(version)).max_alpha == clamp


# ---- where it can't be called ----------------------------------------------------------------------
@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine with a card, gsplat 1.5.3, nvcc, and an empty folder of extensions; the folder."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gsplat_calls.importlib.util, "find_spec", lambda _: types.SimpleNamespace(
        submodule_search_locations=[str(tmp_path / "package")]
    ))  # fmt: skip
    monkeypatch.setattr(gsplat_calls.importlib.metadata, "version", lambda _: "1.5.3")
    monkeypatch.setenv("TORCH_EXTENSIONS_DIR", str(tmp_path / "extensions"))
    home = tmp_path / "cuda"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "nvcc").write_text("#!/bin/sh\n")
    (home / "bin" / "nvcc").chmod(0o755)
    monkeypatch.setenv("CUDA_HOME", str(home))
    return tmp_path / "extensions" / "gsplat_cuda"


def imported(monkeypatch: pytest.MonkeyPatch, module: Any, backend: Any) -> None:
    monkeypatch.setitem(sys.modules, "gsplat", module)
    monkeypatch.setitem(sys.modules, "gsplat.cuda", types.ModuleType("gsplat.cuda"))
    monkeypatch.setitem(sys.modules, "gsplat.cuda._backend", types.SimpleNamespace(_C=backend))


def test_a_sound_machine_loads_it(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported(monkeypatch, StandIn(), object())
    gsplat_calls.check()
    assert gsplat_calls.load().version == "1.5.3"


def test_no_torch_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(CudaUnavailable, match="torch does not load"):
        gsplat_calls.check()


def test_no_card_is_said_and_told_from_a_torch_for_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(CudaUnavailable, match="build for the CPU"):
        gsplat_calls.check()
    monkeypatch.setattr(torch.version, "cuda", "12.8")
    with pytest.raises(CudaUnavailable, match="finds no graphics card"):
        gsplat_calls.check()


def test_no_gsplat_and_an_old_one_are_said(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gsplat_calls.importlib.metadata, "version", lambda _: "1.4.0")
    with pytest.raises(CudaUnavailable, match=r"1\.4\.0 is too old"):
        gsplat_calls.check()
    monkeypatch.setattr(gsplat_calls.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(CudaUnavailable, match="not installed"):
        gsplat_calls.check()


def test_no_compiler_is_said_unless_it_is_compiled_already(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gsplat_calls, "nvcc", lambda: None)
    with pytest.raises(CudaUnavailable, match="no nvcc"):
        gsplat_calls.check()
    machine.mkdir(parents=True)
    (machine / "gsplat_cuda.so").write_bytes(b"")
    gsplat_calls.check()


def test_a_compiler_that_gsplat_does_not_find_is_said(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    imported(monkeypatch, StandIn(), None)
    with pytest.raises(CudaUnavailable, match="no nvcc"):
        gsplat_calls.load()


def test_a_failed_compilation_names_the_folder_that_it_left(
    machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(name: str) -> Any:
        machine.mkdir(parents=True, exist_ok=True)
        raise ImportError("gsplat_cuda.so: cannot open shared object file\nand more")

    monkeypatch.setattr(gsplat_calls.importlib, "import_module", fails)
    with pytest.raises(CudaUnavailable, match="cannot open shared object file") as error:
        gsplat_calls.load()
    assert f"delete {machine}" in str(error.value) and "and more" not in str(error.value)
    assert gsplat_calls.half_made() == machine


def test_compiling_now_clears_what_a_failed_try_left(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.mkdir(parents=True)
    (machine / "build.ninja").write_text("")
    imported(monkeypatch, StandIn(), object())
    said: list[str] = []
    assert gsplat_calls.compile_now(said.append).version == "1.5.3"
    assert not machine.exists()
    assert len(said) == 3 and "deleting" in said[0] and "compiling" in said[1] and "ready" in said[2]


def test_the_folder_of_extensions_is_torchs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from torch.utils import cpp_extension

    for chosen in (str(tmp_path), None):
        if chosen is None:
            monkeypatch.delenv("TORCH_EXTENSIONS_DIR")
            monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
            monkeypatch.setenv("HOME", str(tmp_path))
        else:
            monkeypatch.setenv("TORCH_EXTENSIONS_DIR", chosen)
        expected = cpp_extension._get_build_directory("gsplat_cuda", verbose=False)  # it makes the folder
        assert gsplat_calls.extension_folder() == Path(expected)
