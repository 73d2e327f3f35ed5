"""What this house asks of gsplat, and why it isn't to be had where it isn't. The only room that imports it.

Three of gsplat's stages are called: ``isect_tiles`` and ``isect_offset_encode`` (surfels sorted into tiles),
``rasterize_to_pixels`` (blending, and its gradients), and ``rasterize_to_indices_in_range`` (which surfels a
pixel met, in order). ``gsplat.rasterization`` puts the same stages behind a projection of its own, which can't
be used here: it sorts by view depth, not by ``P_z + 3 max(sx, sy)``, and a camera 1e9 pixels away has no
float32 depth left to sort by. ``cuda_projection`` does that part, with gsplat's antialiasing law.

The mode "2dgs" takes ``rasterize_to_pixels_2dgs`` and ``rasterize_to_indices_in_range_2dgs`` in their place, which
meet discs in space (``cuda_discs``); what they also give, normals, distortion and median depth, isn't asked for.

All four functions have the same parameters in 1.5.3 and on the way to 1.6; what differs is said here. Packed
arrays never go in with ``backgrounds``: 1.5.3 asserts a shape there that several images can't have.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import inspect
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TILE = 16  # pixels: the size that every version of gsplat is tested with
EXTENSION = "gsplat_cuda"  # what gsplat's compiled part is called in torch's folder of extensions
_ALL = 2**31 - 1  # batches of a tile: more than there are
OLDEST, KNOWN = (1, 5, 3), (1, 6)
# The functions and parameters that are used: name -> parameters given by keyword or place.
USED: dict[str, tuple[str, ...]] = {
    "isect_tiles": (
        *("means2d", "radii", "depths", "tile_size", "tile_width", "tile_height"),
        *("packed", "n_images", "image_ids", "gaussian_ids"),
    ),
    "isect_offset_encode": ("isect_ids", "n_images", "tile_width", "tile_height"),
    "rasterize_to_pixels": (
        *("means2d", "conics", "colors", "opacities", "image_width", "image_height", "tile_size"),
        *("isect_offsets", "flatten_ids", "packed"),
    ),
    "rasterize_to_indices_in_range": (
        *("range_start", "range_end", "transmittances", "means2d", "conics", "opacities"),
        *("image_width", "image_height", "tile_size", "isect_offsets", "flatten_ids"),
    ),
}
# The same of the mode "2dgs", beside the first two.
USED_2DGS: dict[str, tuple[str, ...]] = {
    "rasterize_to_pixels_2dgs": (
        *("means2d", "ray_transforms", "colors", "opacities", "normals", "densify", "image_width"),
        *("image_height", "tile_size", "isect_offsets", "flatten_ids", "packed"),
    ),
    "rasterize_to_indices_in_range_2dgs": (
        *("range_start", "range_end", "transmittances", "means2d", "ray_transforms", "opacities"),
        *("image_width", "image_height", "tile_size", "isect_offsets", "flatten_ids"),
    ),
}


class CudaUnavailable(RuntimeError):
    """Drawing on the graphics card is not possible here; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Tiles:
    """Splats sorted into the tiles of I images."""

    offsets: Any  # int32 [I, tiles down, tiles across]: where each tile's entries begin
    rows: Any  # int32 [E]: the splat of each entry, tile by tile, front to back


class Gsplat:
    """gsplat's functions under the names of what they do. Works with any module that has them (``USED``)."""

    def __init__(self, module: Any) -> None:
        self.version = str(getattr(module, "__version__", "unknown"))
        _check_signatures(module, self.version, USED)
        self._module = module
        # gsplat's clamp of alpha; the house's is 0.99 (``projection.MAX_ALPHA``), as is 1.6's.
        self.max_alpha = 0.999 if _numbers(self.version) < KNOWN else 0.99

    def check_2dgs(self) -> None:
        """CudaUnavailable when it lacks what the mode "2dgs" needs."""
        _check_signatures(self._module, self.version, USED_2DGS)

    def sort(self, splats: Any, images: int, width: int, height: int) -> Tiles:
        """Entries of ``splats`` (``cuda_projection.Splats``) in the tiles of ``images`` pictures."""
        across, down = -(-width // TILE), -(-height // TILE)
        _, keys, rows = self._module.isect_tiles(
            splats.means,
            splats.radii,
            splats.keys,
            TILE,
            across,
            down,
            packed=True,
            n_images=images,
            image_ids=splats.images,
            gaussian_ids=splats.ids,
        )
        return Tiles(self._module.isect_offset_encode(keys, images, across, down), rows)

    def blend(self, splats: Any, tiles: Tiles, channels: Any, width: int, height: int) -> tuple[Any, Any]:
        """``channels`` [M, C] of the splats blended: [I, H, W, C] over nothing, and alpha [I, H, W]."""
        place = (width, height, TILE, tiles.offsets, tiles.rows)
        if splats.flat:
            normals, densify = channels.new_zeros(len(channels), 3), channels.new_zeros(len(channels), 2)
            shown, alphas, *_ = self._module.rasterize_to_pixels_2dgs(
                splats.means, splats.shapes, channels, splats.opacities, normals, densify, *place, packed=True
            )
        else:
            shown, alphas = self._module.rasterize_to_pixels(
                splats.means, splats.shapes, channels, splats.opacities, *place, packed=True
            )
        return shown, alphas[..., 0]

    def met(self, splats: Any, tiles: Tiles, image: int, width: int, height: int) -> tuple[Any, Any]:
        """(splat, pixel) int64 [P] of every meeting in one image: pixel by pixel, each front to back.

        The splats of an image lie together, which ``cuda_projection`` sees to: gsplat asks for one image at a
        time here.
        """
        import torch

        first = int(torch.searchsorted(splats.images, image))
        last = int(torch.searchsorted(splats.images, image, right=True))
        starts = tiles.offsets[image]
        begin = int(starts[0, 0])
        end = int(tiles.offsets[image + 1][0, 0]) if image + 1 < len(tiles.offsets) else len(tiles.rows)
        module = self._module
        meet = (
            module.rasterize_to_indices_in_range_2dgs if splats.flat else module.rasterize_to_indices_in_range
        )
        rows, pixels, _ = meet(
            0,
            _ALL,
            torch.ones((height, width), dtype=torch.float32, device=starts.device),
            splats.means[first:last],
            splats.shapes[first:last],
            splats.opacities[first:last],
            width,
            height,
            TILE,
            starts - begin,
            tiles.rows[begin:end] - first,
        )
        return rows + first, pixels


def check() -> None:
    """CudaUnavailable with the reason and the remedy where gsplat can't be used. Quick: compiles nothing."""
    torch = _torch()
    if not torch.cuda.is_available():
        raise CudaUnavailable(no_cuda(torch))
    if importlib.util.find_spec("gsplat") is None:
        raise CudaUnavailable("gsplat is not installed: pip install 'wonderzoom-runtime[gpu]'")
    version = importlib.metadata.version("gsplat")
    if _numbers(version) < OLDEST:
        raise CudaUnavailable(f"gsplat {version} is too old: this needs 1.5.3 or newer")
    if not (compiled() or nvcc()):
        raise CudaUnavailable(NO_NVCC)


def load() -> Gsplat:
    """gsplat, compiled and ready; CudaUnavailable with the reason and the remedy where it can't be.

    The first call on a machine compiles it, which takes minutes (``wonderzoom doctor --compile-gsplat`` does
    that ahead of time).
    """
    check()
    try:
        module = importlib.import_module("gsplat")
        backend = getattr(importlib.import_module("gsplat.cuda._backend"), "_C", None)
    except (ImportError, AttributeError, OSError, RuntimeError) as error:
        raise CudaUnavailable(failed(error)) from error
    if backend is None:  # what gsplat leaves where it found no compiler
        raise CudaUnavailable(NO_NVCC)
    return Gsplat(module)


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise CudaUnavailable(
            f"torch does not load ({error}): pip install 'wonderzoom-runtime[gpu]'"
        ) from error
    return torch


def no_cuda(torch: Any) -> str:
    """Why torch has no CUDA device: a build for the CPU, or no driver or card."""
    if torch.version.cuda is None:
        return (
            f"torch {torch.__version__} is a build for the CPU; install one for CUDA"
            " (pytorch.org/get-started says which)"
        )
    return (
        f"torch {torch.__version__} (CUDA {torch.version.cuda}) finds no graphics card: is there an NVIDIA card,"
        " is its driver loaded (nvidia-smi), does CUDA_VISIBLE_DEVICES hide it?"
    )


NO_NVCC = (
    "gsplat is not compiled yet and there is no nvcc to compile it with: install the CUDA toolkit of torch's"
    " version (or set CUDA_HOME), then run: wonderzoom doctor --compile-gsplat"
)


def failed(error: BaseException) -> str:
    """What to do after a compilation that ended badly: it leaves a folder behind that every later try trips on."""
    folder = extension_folder()
    left = f" Then delete {folder} and try again." if folder is not None and folder.exists() else ""
    return (
        f"gsplat could not be compiled or loaded ({_first_line(error)}). It needs a CUDA toolkit of torch's version,"
        f" a C++ compiler and ninja; VERBOSE=1 shows what the compiler says.{left}"
    )


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def nvcc() -> str | None:
    """Where nvcc is: below CUDA_HOME or CUDA_PATH, on the path, or where toolkits usually are."""
    for home in (os.environ.get("CUDA_HOME"), os.environ.get("CUDA_PATH"), "/usr/local/cuda"):
        if home and (found := shutil.which("nvcc", path=str(Path(home) / "bin"))):
            return found
    return shutil.which("nvcc")


def extension_folder() -> Path | None:
    """Where torch keeps gsplat's compiled part; None where torch isn't there to say. Makes no folder."""
    try:
        from torch.utils import cpp_extension
    except ImportError:
        return None
    chosen = os.environ.get("TORCH_EXTENSIONS_DIR")
    if chosen:
        return Path(chosen) / EXTENSION
    import sys

    import torch

    cuda = torch.version.cuda
    accelerator = "cpu" if cuda is None else f"cu{cuda.replace('.', '')}"
    python = f"py{sys.version_info.major}{sys.version_info.minor}{getattr(sys, 'abiflags', '')}"
    return Path(cpp_extension.get_default_build_root()) / f"{python}_{accelerator}" / EXTENSION


def compiled() -> bool:
    """Whether gsplat's compiled part is there: in the package (a wheel with binaries), or made here before."""
    spec = importlib.util.find_spec("gsplat")
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    if any(file for place in places for file in Path(place).glob("csrc*.so")):
        return True
    folder = extension_folder()
    return folder is not None and (folder / f"{EXTENSION}.so").exists()


def half_made() -> Path | None:
    """A folder that an interrupted or failed compilation left: there, but without the compiled part."""
    folder = extension_folder()
    return folder if folder is not None and folder.exists() and not compiled() else None


def compile_now(say: Callable[[str], None]) -> Gsplat:
    """Compile gsplat now, from scratch where a try before failed; ``say`` hears what happens."""
    torch = _torch()
    if not torch.cuda.is_available():
        raise CudaUnavailable(no_cuda(torch))
    dead = half_made()
    if dead is not None:
        say(f"deleting {dead}: what is left of a compilation that did not end well")
        shutil.rmtree(dead, ignore_errors=True)
    say("gsplat is compiled already" if compiled() else "compiling gsplat for this card: some minutes, once")
    library = load()
    say(f"gsplat {library.version} is ready")
    return library


def _check_signatures(module: Any, version: str, used: dict[str, tuple[str, ...]]) -> None:
    """CudaUnavailable when a function or a parameter that is used here is not there."""
    for name, wanted in used.items():
        function = getattr(module, name, None)
        if function is None:
            raise CudaUnavailable(f"gsplat {version} has no {name}: install 1.5.3")
        there = inspect.signature(function).parameters
        missing = [parameter for parameter in wanted if parameter not in there]
        if missing:
            raise CudaUnavailable(
                f"gsplat {version}: {name} takes no {', '.join(missing)} any more; install 1.5.3"
            )


def _numbers(version: str) -> tuple[int, ...]:
    """``1.5.3+cu12`` -> (1, 5, 3); what is no number ends it."""
    numbers: list[int] = []
    for part in version.split("+")[0].split("."):
        if not part.isdigit():
            break
        numbers.append(int(part))
    return tuple(numbers)
