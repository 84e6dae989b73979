"""`demo --lan`: one address in what is printed, in the QR code and in the candidates; pages on plain http."""

import io
import re
from pathlib import Path

import aiohttp
import pytest
import segno

from load_tests.bench.signalling import post_offer
from load_tests.bench.webrtc_client import Identity, WebRtcClient
from server.demo.bank import SHOW_ID
from server.demo.places import DemoError, lan_address
from tests.chromium_program import needs_chromium
from tests.journey.chromium import DESK, PHONE, Screen, chromium
from tests.journey.demo import Demo, running_demo

try:
    ADDRESS = lan_address()
except DemoError:
    ADDRESS = ""
pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not ADDRESS, reason="this machine is in no network"),
    needs_chromium,
]
INSECURE = "[isSecureContext, typeof crypto.randomUUID, typeof navigator.clipboard, typeof navigator.mediaDevices]"


async def test_a_phone_in_the_network_watches_and_talks_and_the_console_says_why_it_has_no_camera(
    demo_dir: Path,
) -> None:
    async with running_demo(demo_dir, "--lan", "--no-crowd") as demo:
        base = demo.base.replace("127.0.0.1", ADDRESS)
        watch = f"{base}/watch/{SHOW_ID}"
        text = await demo.printed()
        assert re.findall(r"^(?:Viewer|On a phone in the same network:) +(\S+)", text, re.MULTILINE) == [watch, watch]
        assert qr_code(watch) in text
        async with chromium(base) as windows:
            await watches_and_talks(await windows.screen("phone", PHONE))
            assert await candidate_addresses(demo, base) == {ADDRESS}  # the show is on the air by now
            await goes_live_without_a_camera(await windows.screen("insecure-host", DESK), demo)


def qr_code(text: str) -> str:
    """The code as a terminal shows it; codes are equal where their texts are."""
    out = io.StringIO()
    segno.make(text).terminal(out=out, compact=True, border=2)
    return out.getvalue()


async def candidate_addresses(demo: Demo, base: str) -> set[str]:
    """Where a viewer is told to send."""
    headers = {"Authorization": f"Bearer {await demo.sign_in('bo')}"}
    viewer = WebRtcClient(Identity(), lambda _: None, ADDRESS)
    try:
        async with aiohttp.ClientSession(headers=headers) as http:
            answer = await post_offer(http, f"{base}/whep/{SHOW_ID}", viewer, "recvonly")
    finally:
        viewer.close()
    return set(re.findall(r"^a=candidate:\S+ 1 udp \d+ (\S+) ", answer, re.MULTILINE))


async def watches_and_talks(phone: Screen) -> None:
    await phone.open(f"/watch/{SHOW_ID}", "mei")
    await phone.plays()
    assert await phone.page.evaluate(INSECURE) == [False, "undefined", "undefined", "undefined"]
    await phone.at("comment-input").fill("手机上也看得到")
    await phone.at("comment-send").click()
    await phone.sees("comment", "手机上也看得到")
    await phone.shot("lan-watching")
    assert mistakes(phone) == []


async def goes_live_without_a_camera(host: Screen, demo: Demo) -> None:
    await host.open("/console", "linxiao")
    await host.at("open-broadcast").click()
    port = demo.base.rpartition(":")[2]
    why = host.page.get_by_role("alert").filter(has_text=f"http://localhost:{port}/console")
    await why.filter(has_text="https").wait_for()
    await host.at("encoder-open").click()
    await host.at("encoder-issue").click()
    await host.at("encoder-token-copy").click()
    await host.page.get_by_text("已复制").wait_for()
    await host.shot("lan-encoder")
    await host.page.keyboard.press("Escape")
    await host.at("go-live").click()
    await host.sees("broadcast-state", "直播中")
    await host.shot("lan-console")
    assert mistakes(host) == []


def mistakes(screen: Screen) -> list[str]:
    """What the browser complains of, but for its note that it passes over a header on plain http."""
    return [complaint for complaint in screen.complaints if "Cross-Origin-Opener-Policy" not in complaint]
