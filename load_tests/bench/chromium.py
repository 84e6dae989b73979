"""Chromium as a viewer of benches: started headless, its offer carried to WHEP. Starts a browser; I/O: HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from aiohttp import ClientSession
from playwright.async_api import Page, async_playwright

from load_tests.bench.processes import BenchFailed

_PROGRAM: Final = "/usr/bin/chromium"
_ARGUMENTS: Final = ["--headless=new", "--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]


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
            await page.set_content(content)
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
