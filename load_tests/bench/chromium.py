"""Chromium as a viewer of benches: started headless, its offer carried to WHEP. Starts a browser; I/O: HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from aiohttp import ClientSession
from playwright.async_api import Page, Route, async_playwright

from load_tests import barcode
from load_tests.bench.processes import BenchFailed

_PROGRAM: Final = "/usr/bin/chromium"
_ARGUMENTS: Final = ["--headless=new", "--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]
_ADDRESS: Final = "http://localhost/"
"""Answered by the page's own content, never asked of the network: some interfaces are for such origins only."""
READ_CELLS: Final = f"""
const cells = new OffscreenCanvas({barcode.COLUMNS}, {barcode.ROWS}).getContext('2d', {{willReadFrequently: true}});
cells.imageSmoothingQuality = 'high';
function readCells(screen, frame) {{
  const x = frame.width / {barcode.PICTURE_WIDTH}, y = frame.height / {barcode.PICTURE_HEIGHT}, size = {barcode.CELL};
  for (let row = 0; row < {barcode.ROWS}; row++) for (let column = 0; column < {barcode.COLUMNS}; column++)
    cells.drawImage(screen, ({barcode.LEFT} + (column + .25) * size) * x, ({barcode.TOP} + (row + .25) * size) * y,
      size / 2 * x, size / 2 * y, column, row, 1, 1);
  const pixels = cells.getImageData(0, 0, {barcode.COLUMNS}, {barcode.ROWS}).data;
  const means = [];
  for (let i = 0; i < pixels.length; i += 4) means.push((pixels[i] + pixels[i + 1] + pixels[i + 2]) / 3);
  return means;
}}"""
"""A page's function: the mean of each cell of a presented frame's barcode, as `barcode.decode_cells` wants them."""


def require() -> None:
    """Raise SystemExit where it is not installed."""
    if not Path(_PROGRAM).exists():
        raise SystemExit("this bench needs Chromium: apt install chromium")


@asynccontextmanager
async def page_with(content: str) -> AsyncIterator[Page]:
    """Give a page of a browser that lives as long as the block."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=_PROGRAM, args=_ARGUMENTS)
        try:
            page = await browser.new_page()

            async def answer(route: Route) -> None:
                await route.fulfill(body=content, content_type="text/html")

            await page.route(f"{_ADDRESS}**", answer)
            await page.goto(_ADDRESS)
            yield page
        finally:
            await browser.close()


async def exchange(http: ClientSession, url: str, offer: str) -> str:
    """POST an offer to WHIP or WHEP; returns the answer. Raises BenchFailed."""
    async with http.post(url, data=offer.encode(), headers={"Content-Type": "application/sdp"}) as response:
        text = await response.text()
        if response.status != 201:
            raise BenchFailed(f"{url} answered {response.status}: {text}")
        return text
