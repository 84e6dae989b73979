"""Real Chromium with fake camera and microphone, and what a test looks at in its pages."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, async_playwright

from tests.chromium_program import CHROMIUM

ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"
PATIENCE_MS = 60_000
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1440, "height": 900}
ARGUMENTS = [
    "--no-sandbox",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream=device-count=2",  # cameras
    "--disable-gpu",
    "--disable-background-networking",
    "--no-first-run",
    "--disable-component-update",
    "--disable-sync",
]

# Remembers a page's peer connections, so that their statistics can be read; it changes nothing else.
_WATCH_PEERS = """
window.__peers = [];
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...given) { super(...given); window.__peers.push(this); }
};
"""
_DECODED = """async () => {
  let frames = 0;
  for (const peer of window.__peers)
    for (const entry of (await peer.getStats()).values())
      if (entry.type === "inbound-rtp" && entry.kind === "video") frames += entry.framesDecoded;
  return frames;
}"""
_IS_HEARD = """async () => {
  for (const peer of window.__peers)
    for (const entry of (await peer.getStats()).values())
      if (entry.type === "inbound-rtp" && entry.kind === "audio" && entry.totalAudioEnergy > 0) return true;
  return false;
}"""
# Brightest against darkest of 32 × 32 points: a black or grey picture has no contrast.
_HAS_CONTRAST = """(wanted) => {
  const video = document.querySelector("video"), canvas = document.createElement("canvas");
  canvas.width = 32; canvas.height = 32;
  const draw = canvas.getContext("2d");
  draw.drawImage(video, 0, 0, 32, 32);
  const {data} = draw.getImageData(0, 0, 32, 32);
  let least = 255, most = 0;
  for (let i = 0; i < data.length; i += 4) {
    const light = (data[i] + data[i + 1] + data[i + 2]) / 3;
    least = Math.min(least, light); most = Math.max(most, light);
  }
  return most - least >= wanted;
}"""


class Screen:
    """One person's browser window."""

    def __init__(self, name: str, page: Page, base: str) -> None:
        self.name = name
        self.page = page
        self.base = base
        self.complaints: list[str] = []
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note(self, message: ConsoleMessage) -> None:
        # Chromium logs every answer of 400 and more by itself. Expected are: a purchase that is refused, a
        # submission that asks for the password first, a wrong password, and the end of a media session that the
        # monitor's cut has ended already. All else is the page's mistake.
        address = str(message.location.get("url", ""))
        refused = re.search(r"status of 4(09|22)", message.text) is not None
        gone = "status of 404" in message.text and re.search(r"/wh[ie]p/[^/]+/[^/]+$", address) is not None
        asked = "status of 403" in message.text and re.search(r"/submit$|/identity-proofs$", address) is not None
        if message.type in ("error", "warning") and not (refused or gone or asked):
            self.complaints.append(f"{message.text} {address}")

    def at(self, testid: str) -> Any:
        """The first element with this test id."""
        return self.page.get_by_test_id(testid).first

    async def open(self, path: str, login: str) -> None:
        """Open a page and sign in with its form."""
        answer = await self.page.goto(self.base + path)
        policy = "" if answer is None else answer.headers.get("content-security-policy", "")
        assert "script-src 'self'" in policy, path
        assert "unsafe" not in policy, path
        await self.at("login-name").fill(login)
        await self.at("login-password").fill("wealthcast")
        await self.at("login-submit").click()

    async def shot(self, what: str) -> None:
        """Write a screenshot to look at."""
        ARTIFACTS.mkdir(exist_ok=True)
        await self.page.screenshot(path=ARTIFACTS / f"{what}-{self.name}.png")

    async def plays(self) -> None:
        """Wait until 20 more frames are decoded and the picture is not black."""
        await self.until("() => document.querySelector('video')?.videoWidth > 0")
        before = await self.page.evaluate(_DECODED)
        await self.until(f"async frames => await ({_DECODED})() >= frames", before + 20)
        await self.until(_HAS_CONTRAST, 40)

    async def hears(self) -> None:
        """Wait until sound that is not silence has been decoded."""
        await self.until(_IS_HEARD)

    async def until(self, script: str, argument: Any = None) -> None:
        """Wait until the script's value is true."""
        await self.page.wait_for_function(script, arg=argument, polling=100, timeout=PATIENCE_MS)

    async def sees(self, testid: str, text: str | re.Pattern[str]) -> None:
        """Wait until an element with this test id holds the text."""
        await self.page.get_by_test_id(testid).filter(has_text=text).first.wait_for(timeout=PATIENCE_MS)


class Chromium:
    """A browser in which every person has a context of their own."""

    def __init__(self, browser: Browser, base: str) -> None:
        self._browser = browser
        self._base = base
        self._contexts: list[BrowserContext] = []

    async def screen(self, name: str, size: dict[str, int]) -> Screen:
        """A new person's window."""
        context = await self._browser.new_context(
            viewport={"width": size["width"], "height": size["height"]}, locale="zh-CN"
        )
        self._contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        await context.add_init_script(_WATCH_PEERS)
        return Screen(name, await context.new_page(), self._base)

    async def close(self) -> None:
        for context in self._contexts:
            await context.close()


@asynccontextmanager
async def chromium(base: str) -> AsyncIterator[Chromium]:
    """Debian's Chromium, headless."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        windows = Chromium(browser, base)
        try:
            yield windows
        finally:
            await windows.close()
            await browser.close()
