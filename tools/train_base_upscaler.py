"""Train the net of ``generation/embedded/base_upscaling.py`` on procedural pictures; no photograph is used.

    python -m tools.train_base_upscaler [--steps 5000] [--pictures 140] [--seed 0] [--output FILE.npz]

The pictures are "dead leaves": thousands of overlapping shapes of power-law sizes with flat, graded or textured
colours. Their edges, corners and occlusions have the statistics of photographs, which is what a small net can
learn. It adds a residual to cubic interpolation; the loss is the mean absolute difference to the full picture.
The shipped weights took 5,000 steps, 14 minutes on one core. Needs torch (extra ``dev``).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

F32 = NDArray[np.float32]

FACTOR = 4
CHANNELS = 32
CONVOLUTIONS = 6  # in residual pairs
SIDE = 256  # of a training picture
SUPERSAMPLING = 2
SIZE_POWER = 1.6  # of the distribution of radii: many small shapes, few large ones
PATCH = 96
BATCH = 12
START_RATE, TOP_RATE = 2e-3, 2.5e-3
OUTPUT = Path("generation/embedded/data/dead_leaves_x4.npz")


# ---- pictures -----------------------------------------------------------------------------------
def palette(rng: np.random.Generator) -> F32:
    """A handful of colours around one hue, [K, 3] RGB."""
    count = int(rng.integers(3, 9))
    hue = rng.uniform(0, 360) + rng.normal(0, rng.uniform(8, 90), count)
    saturation = np.clip(rng.beta(1.5, 2.5, count) + rng.normal(0, 0.1, count), 0, 1)
    value = np.clip(rng.beta(1.6, 1.4, count), 0.02, 1)
    hsv = np.stack([hue % 360, saturation, value], -1)[None].astype(np.float32)
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0]


def texture(side: int, rng: np.random.Generator) -> F32:
    """Log-brightness [side, side] of unit variance: none, stripes, blobs, streaks or a fractal."""
    kind = int(rng.integers(0, 5))
    noise = rng.normal(size=(side, side)).astype(np.float32)
    angle = rng.uniform(0, 2 * np.pi)
    if kind == 0:
        return np.zeros((side, side), np.float32)
    if kind == 1:
        y, x = np.mgrid[0:side, 0:side].astype(np.float32)
        sway = 24 * cv2.GaussianBlur(noise, (0, 0), 8)
        along = (x * np.cos(angle) + y * np.sin(angle)) * rng.uniform(0.02, 0.5) * 2 * np.pi
        return np.sin(along + sway).astype(np.float32)
    sigma = float(2 ** rng.uniform(-0.5, 4))
    if kind == 2:
        result = cv2.GaussianBlur(noise, (0, 0), sigma)
    elif kind == 3:
        streaks = cv2.GaussianBlur(noise, (0, 0), sigmaX=3 * sigma, sigmaY=max(0.6, 0.3 * sigma))
        turn = cv2.getRotationMatrix2D((side / 2, side / 2), float(np.degrees(angle)), 1.5)
        result = cv2.warpAffine(streaks, turn, (side, side), borderMode=cv2.BORDER_REFLECT)
    else:
        result = np.sum([cv2.GaussianBlur(noise, (0, 0), 2.0**k) * 2.0**k for k in range(6)], 0)
    return (result / (result.std() + 1e-6)).astype(np.float32)


def outline(
    radius: float, centre: tuple[float, float], shape: tuple[int, int], rng: np.random.Generator
) -> F32:
    """Coverage [h, w] of one shape: an ellipse, a polygon, a crooked line or a bar."""
    mask = np.zeros(shape, np.uint8)
    kind = int(rng.integers(0, 5))
    at = np.array(centre)
    if kind == 0:
        axes = (int(radius), max(1, int(radius * rng.uniform(0.15, 1))))
        turn = rng.uniform(0, 180)
        cv2.ellipse(mask, (int(at[0]), int(at[1])), axes, turn, 0, 360, 255, -1, cv2.LINE_AA)
        return (mask / 255).astype(np.float32)
    if kind == 2:
        points = at + np.cumsum(rng.normal(size=(6, 2)), 0) * radius * 0.35
        width = max(1, int(radius * rng.uniform(0.02, 0.25)))
        cv2.polylines(mask, [points.astype(np.int32)], False, 255, width, cv2.LINE_AA)
        return (mask / 255).astype(np.float32)
    if kind == 3:
        angle, half = rng.uniform(0, np.pi), radius * rng.uniform(0.05, 0.8)
        c, s = np.cos(angle), np.sin(angle)
        corners = np.array([[-radius, -half], [radius, -half], [radius, half], [-radius, half]])
        points = corners @ np.array([[c, s], [-s, c]]) + at
    else:
        angles = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 9))))
        reach = radius * rng.uniform(0.4, 1, len(angles))
        points = np.stack([at[0] + reach * np.cos(angles), at[1] + reach * np.sin(angles)], -1)
    cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    return (mask / 255).astype(np.float32)


def dead_leaves(rng: np.random.Generator, side: int = SIDE) -> F32:
    """One picture [side, side, 3], sRGB in [0, 1]."""
    wide = side * SUPERSAMPLING
    picture = np.zeros((wide, wide, 3), np.float32) + rng.uniform(0, 1, 3).astype(np.float32)
    colors = palette(rng)
    textures = [texture(wide, rng) for _ in range(4)]
    least, most = 2.0 * SUPERSAMPLING, wide * 0.35
    for _ in range(int(rng.uniform(150, 1400))):
        share = rng.uniform()
        power = -SIZE_POWER
        radius = (most**power + share * (least**power - most**power)) ** (1 / power)
        if rng.uniform() < 0.1:
            radius = rng.uniform(least, most)
        cx, cy = rng.uniform(-radius, wide + radius, 2)
        left, top = (int(max(0, c - radius - 2)) for c in (cx, cy))
        right, bottom = (int(min(wide, c + radius + 2)) for c in (cx, cy))
        if right - left < 2 or bottom - top < 2:
            continue
        cover = outline(radius, (cx - left, cy - top), (bottom - top, right - left), rng)[..., None]
        cover = cover * (1.0 if rng.uniform() < 0.9 else rng.uniform(0.3, 1))
        if rng.uniform() < 0.25:
            cover = cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.5, 6) * SUPERSAMPLING)[..., None]
        color = colors[rng.integers(len(colors))] * np.exp(rng.normal(0, 0.12))
        grain = textures[rng.integers(4)][top:bottom, left:right, None] * rng.choice([0, 0.03, 0.08, 0.2])
        y, x = np.mgrid[top:bottom, left:right]
        slope = ((x - cx) * rng.normal() + (y - cy) * rng.normal())[..., None] / (radius + 1)
        paint = np.clip(color * (1 + slope * rng.choice([0, 0.05, 0.15])) * np.exp(grain), 0, 1)
        under = picture[top:bottom, left:right]
        picture[top:bottom, left:right] = under * (1 - cover) + paint * cover
    picture = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    if rng.uniform() < 0.4:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 0.8))
    return np.clip(picture, 0, 1).astype(np.float32)


# ---- net and training ---------------------------------------------------------------------------
class Net(nn.Module):
    """Cubic interpolation plus a residual; parameter names are those that ``base_upscaling`` reads."""

    def __init__(self) -> None:
        super().__init__()
        self.h = nn.Conv2d(3, CHANNELS, 5, padding=2)
        self.b = nn.ModuleList(nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1) for _ in range(CONVOLUTIONS))
        self.t = nn.Conv2d(CHANNELS, 3 * FACTOR * FACTOR, 3, padding=1)

    def forward(self, small: torch.Tensor) -> torch.Tensor:
        """[B, 3, h, w] -> [B, 3, 4 h, 4 w]."""
        cubic = nn.functional.interpolate(small, scale_factor=FACTOR, mode="bicubic", align_corners=False)
        features = torch.relu(self.h(small))
        for i in range(0, CONVOLUTIONS, 2):
            features = features + self.b[i + 1](torch.relu(self.b[i](features)))
        return cubic + nn.functional.pixel_shuffle(self.t(torch.relu(features)), FACTOR)


def batches(pictures: list[NDArray[np.uint8]], rng: np.random.Generator) -> Iterator[torch.Tensor]:
    """Patches [BATCH, 3, PATCH, PATCH], flipped, turned and with their channels exchanged; for ever."""
    while True:
        patches: list[F32] = []
        for _ in range(BATCH):
            picture = pictures[rng.integers(len(pictures))]
            y, x = rng.integers(0, SIDE - PATCH, 2)
            patch = picture[y : y + PATCH, x : x + PATCH].astype(np.float32) / 255
            if rng.uniform() < 0.5:
                patch = patch[::-1]
            if rng.uniform() < 0.5:
                patch = patch[:, ::-1]
            if rng.uniform() < 0.5:
                patch = patch.transpose(1, 0, 2)
            patches.append(np.ascontiguousarray(patch[..., rng.permutation(3)], np.float32))
        yield torch.from_numpy(np.stack(patches)).permute(0, 3, 1, 2)


def train(pictures: list[NDArray[np.uint8]], steps: int, rng: np.random.Generator) -> Net:
    """Adam with one rising and falling rate; prints the loss every 250 steps."""
    net = Net()
    optimiser = torch.optim.Adam(net.parameters(), START_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, TOP_RATE, steps)
    total = 0.0
    for step, full in zip(range(1, steps + 1), batches(pictures, rng), strict=False):
        small = nn.functional.avg_pool2d(full, FACTOR)
        loss = (net(small) - full).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        total += loss.item()
        if step % 250 == 0:
            print(f"step {step}: mean absolute error {total / 250:.5f}", flush=True)
            total = 0.0
    return net


def save(net: Net, path: Path) -> None:
    """Weights as half floats: half the size, and rounding them is far below the net's own error."""
    np.savez(path, **{name: value.numpy().astype(np.float16) for name, value in net.state_dict().items()})


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--pictures", type=int, default=140)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    torch.manual_seed(options.seed)
    torch.set_num_threads(1)  # one order of additions: the same weights on every run
    pictures = [(dead_leaves(rng) * 255).astype(np.uint8) for _ in range(options.pictures)]
    save(train(pictures, options.steps, rng), options.output)


if __name__ == "__main__":
    main()
