"""Write ``docs/serve.png``: the page of ``heygem serve`` with the example, before and after it is rendered.

    python -m tools.page_screenshot

It needs the extra ``test`` and Chromium.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

REPOSITORY = Path(__file__).parents[1]
EXAMPLES = REPOSITORY / "examples"
TARGET = REPOSITORY / "docs" / "serve.png"
SIZE = {"width": 740, "height": 860}
GAP = 12
COLORS = 256
SECONDS = 120


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Serve from a folder; yield the address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "heygem_cli", "serve", "--quiet", "--folder", str(folder), "--port", str(port)]
    server = subprocess.Popen(command)
    try:
        wait_until_ready(f"http://127.0.0.1:{port}/readyz", server)
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait()


def wait_until_ready(url: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until jobs can be rendered."""
    while not is_ready(url):
        if server.poll() is not None:
            raise SystemExit("heygem serve did not start")
        time.sleep(0.5)


def is_ready(url: str) -> bool:
    """Return whether jobs can be rendered."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own server
            return bool(answer.status == 200)
    except OSError:
        return False


def pictures(page: Page, address: str) -> list[bytes]:
    """Make the example on the page; return a picture of the form and one of the finished job."""
    page.goto(address)
    page.locator("#audio input[type=file]").set_input_files(EXAMPLES / "audio.wav")
    page.locator("#face input[type=file]").set_input_files(EXAMPLES / "face.mp4")
    page.locator("#people-picture img").wait_for()
    page.wait_for_timeout(1000)  # what fades in
    form = page.screenshot()
    page.locator("#start").click()
    page.locator("#job-result video").wait_for()
    page.evaluate("document.querySelector('video').currentTime = 3")
    page.wait_for_timeout(1000)
    return [form, page.screenshot()]


def side_by_side(images: list[bytes]) -> Image.Image:
    """Join pictures of one size, with few colours, so that the file is small."""
    opened = [Image.open(BytesIO(image)).convert("RGB") for image in images]
    width, height = opened[0].size
    joined = Image.new("RGB", (len(opened) * (width + GAP) - GAP, height), "#94a3b8")
    for number, image in enumerate(opened):
        joined.paste(image, (number * (width + GAP), 0))
    return joined.quantize(COLORS, dither=Image.Dither.NONE)


def main() -> None:
    """Write the picture."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no chromium: apt-get install chromium")
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as address, sync_playwright() as programs:
        browser = programs.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE, locale="en-US")  # type: ignore[arg-type]
        page.set_default_timeout(1000 * SECONDS)
        side_by_side(pictures(page, address)).save(TARGET, optimize=True)
        browser.close()
    print(TARGET)


if __name__ == "__main__":
    main()
