"""Who cannot reach the relay directly: TURN through a real coturn, and IPv6; what is advertised is what is answered."""

import asyncio
import base64
import hashlib
import hmac
import re
import socket
from functools import partial
from pathlib import Path
from typing import Literal

import pytest
from playwright.async_api import async_playwright

from load_tests.bench.signalling import HEADERS, post_offer
from load_tests.bench.source import Source
from load_tests.bench.webrtc_client import Identity, WebRtcClient
from server.doctor_media import media_addresses, turn_servers
from server.http.ice_servers import IceServers, rest_credentials
from server.http.pages import routes
from server.settings import Settings, SettingsError, load_settings
from streaming.media_settings import MediaSettings
from tests.chromium_program import CHROMIUM, needs_chromium
from tests.commerce.bank import DATA_KEYS
from tests.server.test_page_media import SITE, decodes, play_page
from tests.streaming.aiortc_clients import publish
from tests.streaming.coturn import SECRET, coturn, needs_coturn
from tests.streaming.harness import PATIENCE_S, eventually, station
from tests.streaming.test_sdp_answer import VIEWER

IDENTITY = Identity()
RELAY_ONLY = """
window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(configuration) { super({...configuration, iceTransportPolicy: "relay"}); }
};
"""
SELECTED = """async () => {
  const report = await session.peer.getStats();
  const transport = [...report.values()].find((entry) => entry.type === "transport");
  const pair = report.get(transport.selectedCandidatePairId);
  const local = report.get(pair.localCandidateId), remote = report.get(pair.remoteCandidateId);
  return [local.candidateType, local.relayProtocol, remote.address, remote.port];
}"""


def test_credentials_are_what_the_turn_rest_api_says() -> None:
    username, password = rest_credentials("north", "ac_mei", 1_800_000_000)
    assert username == "1800000000:ac_mei"
    assert base64.b64decode(password) == hmac.new(b"north", b"1800000000:ac_mei", hashlib.sha1).digest()


def test_each_server_has_a_link_and_only_turn_servers_get_credentials() -> None:
    servers = IceServers(("stun:stun.bank.example", "turn:turn.bank.example?transport=udp"), "north", 600)
    stun, turn = servers.links("ac_mei", 1_000.5)
    assert stun == '<stun:stun.bank.example>; rel="ice-server"'
    assert turn.startswith(
        '<turn:turn.bank.example?transport=udp>; rel="ice-server"; username="1600:ac_mei"; credential="'
    )
    assert turn.endswith('; credential-type="password"')


@pytest.mark.parametrize("protocol", ["whip", "whep"])
async def test_ice_servers_are_handed_to_whoever_may_come_in_and_to_nobody_else(protocol: str) -> None:
    async with station(ice_servers=IceServers(("turn:192.0.2.1:3478",), SECRET)) as show:
        url = f"{show.base_url}/{protocol}/show"
        async with show.http.options(url) as preflight:
            assert preflight.status == 204
            assert "Link" not in preflight.headers
        async with show.http.options(url, headers={"Authorization": "Bearer expired"}) as refused:
            assert refused.status == 401
            assert "Link" not in refused.headers
        async with show.http.options(url, headers={"Authorization": "Bearer anna"}) as allowed:
            assert allowed.status == 204
            (link,) = allowed.headers.getall("Link")
            assert re.search(r'^<turn:192\.0\.2\.1:3478>; rel="ice-server"; username="\d+:anna"', link)


@needs_coturn
@pytest.mark.browser
@needs_chromium
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_a_viewer_that_can_only_be_relayed_sees_the_show(transport: str, tmp_path: Path) -> None:
    async with coturn(tmp_path) as relay, async_playwright() as playwright:
        site = routes(lambda request: f"ws://{request.host}/ws", SITE)
        servers = IceServers((relay.url(transport),), SECRET)
        async with station(more=site, ice_servers=servers) as show:
            host = await publish(show)
            browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            try:
                page = await browser.new_page()
                await page.add_init_script(RELAY_ONLY)
                await play_page(page, show)
                await decodes(page, 20)
                selected = await page.evaluate(SELECTED)
                assert selected == ["relay", transport, "127.0.0.1", show.engine.local_port]
            finally:
                await browser.close()
                await host.leave()


def settings_of(**given: object) -> Settings:
    return load_settings(
        database_url="postgresql://x", redis_url="redis://x", jwt_secret="k" * 40, data_keys=DATA_KEYS, **given
    )


@needs_coturn
@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_the_doctor_allocates_and_tells_a_wrong_secret_from_a_right_one(transport: str, tmp_path: Path) -> None:
    async with coturn(tmp_path) as relay:
        for secret, well in ((SECRET, True), ("another-secret-altogether", False)):
            settings = settings_of(turn_urls=(relay.url(transport),), turn_secret=secret)
            (finding,) = await asyncio.to_thread(turn_servers, settings)
            assert (finding.mend is None) == well
            assert secret not in finding.found
            assert ("relays from 127.0.0.1:" in finding.found) == well


def test_the_doctor_looks_at_every_advertised_address() -> None:
    settings = settings_of(media_advertised_ip="127.0.0.1, 203.0.113.7 2001:db8::7")
    loopback, behind_nat, ipv6 = media_addresses(settings)
    assert loopback.mend is not None
    assert "NAT" in behind_nat.found
    assert ipv6.mend is None
    assert settings.media_bind_host == "::"
    (deaf,) = media_addresses(settings_of(host="192.0.2.1", media_advertised_ip="2001:db8::7"))
    assert deaf.mend == "HOST 192.0.2.1 does not listen on IPv6"
    (missing,) = media_addresses(settings_of())
    assert missing.mend is not None


def test_turn_servers_without_a_secret_and_urls_of_another_kind_are_refused() -> None:
    with pytest.raises(SettingsError, match="turn_secret"):
        settings_of(turn_urls=("turn:192.0.2.1",))
    with pytest.raises(SettingsError, match="turn_urls"):
        settings_of(turn_urls=('turn:evil>; rel="x"',), turn_secret="k" * 20)
    assert settings_of(turn_urls=("stun:192.0.2.1",)).turn_secret is None


def candidates(sdp: str) -> set[tuple[str, str]]:
    return set(re.findall(r"^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host\r$", sdp, re.MULTILINE))


async def test_the_candidates_answered_are_exactly_the_addresses_advertised() -> None:
    told = ("203.0.113.7", "2001:db8::7")
    settings = MediaSettings(bind_host="127.0.0.1", advertised_ips=told, advertised_port=443)
    async with station(settings) as show:
        _, answer, _ = await show.post("/whep/show", VIEWER)
        assert candidates(answer) == {(ip, "443") for ip in told}
        assert answer.index("203.0.113.7") < answer.index("2001:db8::7")


def _own_ipv6() -> str | None:
    """An IPv6 address of this machine that is not loopback: browsers gather no candidates on loopback."""
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        if probe.connect_ex(("2001:db8::1", 9)) != 0:  # sends nothing, only asks for the route
            return None
        return str(probe.getsockname()[0])


def _has_ipv6() -> bool:
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        return probe.connect_ex(("::1", 9)) == 0


@pytest.mark.skipif(not _has_ipv6(), reason="no IPv6 on this machine")
@pytest.mark.parametrize("writer", ["python", "auto"])
async def test_one_socket_serves_viewers_of_both_families(writer: Literal["python", "auto"]) -> None:
    settings = MediaSettings(bind_host="::", advertised_ips=("::1", "127.0.0.1"), packet_writer=writer)
    async with station(settings) as show, asyncio.TaskGroup() as tasks:
        show.http.headers.update(HEADERS)
        source = Source(IDENTITY)
        await source.publish(show.http, f"{show.base_url}/whip/show", PATIENCE_S)
        sending = tasks.create_task(source.run())
        for address in ("::1", "127.0.0.1"):
            packets: list[int] = []
            client = WebRtcClient(IDENTITY, partial(_note, packets), address)
            answer = await post_offer(show.http, f"{show.base_url}/whep/show", client, "recvonly")
            assert candidates(answer) == {(ip, str(show.engine.local_port)) for ip in settings.advertised_ips}
            await client.connect(answer, PATIENCE_S)
            await eventually("media flow", lambda seen=packets: len(seen) > 10)  # type: ignore[misc]
            client.close()
        sending.cancel()
        source.close()


def _note(packets: list[int], packet: memoryview) -> None:
    packets.append(len(packet))


@pytest.mark.browser
@needs_chromium
@pytest.mark.skipif(_own_ipv6() is None, reason="this machine has no IPv6 address beside loopback")
async def test_a_browser_watches_over_ipv6() -> None:
    own = str(_own_ipv6())
    site = routes(lambda request: f"ws://{request.host}/ws", SITE)
    settings = MediaSettings(bind_host="::", advertised_ips=(own,))
    async with station(settings, more=site) as show, async_playwright() as playwright:
        host = await publish(show)
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        try:
            page = await browser.new_page()
            await play_page(page, show)
            await decodes(page, 20)
            assert (await page.evaluate(SELECTED))[2:] == [own, show.engine.local_port]
        finally:
            await browser.close()
            await host.leave()
