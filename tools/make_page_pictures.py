"""Take the pictures of the page in docs/page: a real browser before a real server of the demo's world.

    python -m tools.make_page_pictures [--world demo/world] [--output docs/page]

The world is copied first, so that what people do in the pictures stays out of it. Needs the extra ``dev`` and
Chromium on the PATH; the picture in a headset also the npm package iwer, its folder in ``IWER``. Surfels are drawn by
whatever Chromium has: without a graphics card that takes minutes.
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DESKTOP = {"width": 1280, "height": 720}
PHONE = {"width": 390, "height": 844}
QUALITY = 88  # of the JPEG files
STILL = "body[data-line=open][data-shown=still]"
SURFELS = "?stream=surfels&budget=1200000"  # as many as a good card draws, whatever draws here
HEADSET = """
const headset = new IWER.XRDevice(IWER.metaQuest3);
headset.stereoEnabled = true;
headset.installRuntime({forceInstall: true});
"""
PATIENCE_MS = 480_000
# Where people click, as shares of the viewport: the path, the flowers in front.
ON_THE_PATH, IN_THE_FLOWERS = (0.3, 0.72), (0.62, 0.8)


@contextmanager
def served(world: Path, folder: Path) -> Generator[str]:
    """The link to a server of a world."""
    command = [sys.executable, "-m", "wonderzoom.runtime.cli", "serve", str(world), "--port", "0"]
    environment = {**os.environ, "WONDERZOOM_DATA": str(folder)}
    server = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    )
    try:
        assert server.stdout is not None
        yield server.stdout.readline().strip()
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


class Camera:
    """Takes pictures of pages."""

    def __init__(self, browser: Browser, link: str, output: Path) -> None:
        self._browser, self._link, self._output = browser, link, output

    def page(self, name: str, stream: str = "?stream=frames", script: str = "", **context: Any) -> Page:
        """A page of somebody with that name, when it shows a still."""
        page = self._browser.new_context(**context).new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.add_init_script(f"localStorage.setItem('wonderzoom.name', '{name}'); {script}")
        page.goto(self._link.replace("/#", f"/{stream}#"))
        self.still(page)
        return page

    @staticmethod
    def still(page: Page) -> None:
        """Wait until nothing moves any more."""
        for _ in range(3):
            page.wait_for_timeout(500)
            page.locator(STILL).wait_for()

    def take(self, page: Page, name: str) -> None:
        """One picture."""
        with Image.open(io.BytesIO(page.screenshot())) as image:
            shown = image.convert("RGB")
            if shown.height > 1.5 * shown.width:  # a phone has more pixels than a document needs
                shown = shown.resize((PHONE["width"], PHONE["height"]), Image.Resampling.LANCZOS)
            shown.save(self._output / f"{name}.jpg", quality=QUALITY)
        print(self._output / f"{name}.jpg", flush=True)


def click(page: Page, at: tuple[float, float]) -> None:
    """A click at shares of the viewport."""
    size = page.viewport_size or DESKTOP
    page.mouse.click(at[0] * size["width"], at[1] * size["height"])
    page.locator("#prompt").wait_for()
    page.wait_for_timeout(600)


def take_all(camera: Camera) -> None:
    """What a newcomer sees, in the order in which it happens."""
    ada = camera.page("Ada Lovelace", viewport=DESKTOP)
    camera.take(ada, "desktop")
    bob = camera.page(
        "Bob", viewport=PHONE, has_touch=True, is_mobile=True, device_scale_factor=2, locale="en"
    )
    camera.take(bob, "phone")
    click(ada, ON_THE_PATH)
    ada.fill("#prompt-text", "a snail")
    camera.take(ada, "prompt")
    ada.keyboard.press("Enter")
    ada.locator(".job[data-state=running] .job-image:not([hidden])").wait_for()
    ada.wait_for_timeout(400)
    camera.take(ada, "progress")
    ada.locator(".job[data-state=committed]").wait_for()
    camera.still(ada)
    camera.take(ada, "made")
    ada.locator("#ladder .dot").last.click(force=True)
    camera.still(ada)
    ada.keyboard.press("Home")
    ada.wait_for_timeout(3000)
    camera.still(ada)
    click(bob, IN_THE_FLOWERS)
    camera.take(bob, "phone-prompt")
    bob.fill("#prompt-text", "moss and dewdrops")
    bob.keyboard.press("Enter")
    bob.locator(".job[data-state=running]").wait_for()
    camera.still(ada)
    camera.take(ada, "presence")


def take_surfels(camera: Camera) -> None:
    """The same world, drawn by the page itself; and in a headset."""
    page = camera.page("Ada Lovelace", SURFELS, viewport=DESKTOP)
    camera.take(page, "surfels")
    page.context.close()
    folder = os.environ.get("IWER")
    if folder is None:
        print("no picture in a headset: IWER is not set")
        return
    emulator = (Path(folder) / "build" / "iwer.min.js").read_text(encoding="utf-8")
    page = camera.page("Ada Lovelace", SURFELS, emulator + HEADSET, viewport=DESKTOP)
    page.locator("#headset").click()
    page.wait_for_function("Number(document.body.dataset.headsetFrames) > 3")
    page.wait_for_function("document.body.dataset.shown === 'still'")
    camera.take(page, "headset")
    page.context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--world", type=Path, default=Path("demo/world"))
    parser.add_argument("--output", type=Path, default=Path("docs/page"))
    parser.add_argument("--surfels", action="store_true", help="only what the page draws itself")
    arguments = parser.parse_args()
    browser = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        raise SystemExit("no Chromium on the PATH")
    arguments.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        world = Path(folder) / "meadow"
        shutil.copytree(arguments.world, world)
        running = driver.chromium.launch(
            executable_path=browser, args=["--no-sandbox", "--enable-unsafe-swiftshader"]
        )
        with served(world, Path(folder)) as link:
            camera = Camera(running, link, arguments.output)
            if not arguments.surfels:
                take_all(camera)
            take_surfels(camera)
        running.close()


if __name__ == "__main__":
    main()
