"""Hostile peers on a live engine, from outside and from inside a session: a viewer beside them loses nothing."""

import asyncio
import socket
import time
from collections.abc import Callable
from random import Random

from load_tests.bench.signalling import HEADERS, post_offer
from load_tests.bench.webrtc_client import Identity, WebRtcClient
from streaming.errors import StreamingError, TooManyHandshakes
from streaming.feedback_budget import BURST_OCTETS, OCTETS_PER_S
from streaming.ice_lite import Credentials
from streaming.media_events import ViewerLeft
from streaming.media_settings import MediaSettings
from streaming.rtcp import build_nack
from tests.fuzz.half_open import dangle
from tests.fuzz.media import rtcp_compound, rtp_packet
from tests.fuzz.mutation import mutated
from tests.fuzz.transport import HONEST, stun_request
from tests.streaming.aiortc_clients import Client, publish, watch
from tests.streaming.harness import PATIENCE_S, Station, eventually, station
from tests.streaming.test_sdp_answer import VIEWER

IDENTITY = Identity()
LONGEST_SRTP_INPUT = 1_300


async def innocent(show: Station) -> tuple[Client, Client]:
    """A show of its own and one who watches it."""
    host = await publish(show, "quiet")
    viewer = await watch(show, "quiet")
    await eventually("video decodes", lambda: viewer.frames["video"] >= 5)
    return host, viewer


async def unharmed(show: Station, host: Client, viewer: Client) -> None:
    before = viewer.frames["video"]
    await eventually("video still decodes", lambda: viewer.frames["video"] >= before + 15)
    # On a machine that is too busy the viewer's own process is late to read: that is no loss of the relay's.
    assert await viewer.packets_lost() <= viewer.dropped_by_its_own_sockets()
    assert not [left for left in show.of_type(ViewerLeft) if getattr(left, "broadcast_id", "") == "quiet"]
    await viewer.leave()
    await host.leave()


async def hostile(show: Station, protocol: str) -> WebRtcClient:
    """Somebody who came in by the rules."""
    client = WebRtcClient(IDENTITY, lambda _: None)
    direction = "sendonly" if protocol == "whip" else "recvonly"
    await client.connect(await post_offer(show.http, f"{show.base_url}/{protocol}/loud", client, direction), PATIENCE_S)
    return client


async def paced(rounds: int, act: Callable[[], None]) -> None:
    for _ in range(rounds):
        for _ in range(20):
            act()
        await asyncio.sleep(0.002)


async def test_strangers_and_hostile_members_cost_another_shows_viewer_nothing() -> None:
    chance = Random(11)
    async with station() as show:
        show.http.headers.update(HEADERS)
        host, viewer = await innocent(show)
        publisher, spectator = await hostile(show, "whip"), await hostile(show, "whep")
        stranger = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        replayed = publisher.outbound.protect(bytes([0x80, 96]) + bytes(6) + b"\0\0\0\1payload")

        def storm() -> None:
            forged = Credentials(chance.choice(sorted(show.engine._port._by_ufrag)), "x" * 24, "theirs")  # type: ignore[union-attr]
            requests = (stun_request(chance, forged), mutated(chance, stun_request(chance, HONEST)))
            datagram = chance.choice((rtp_packet(chance), rtcp_compound(chance), *requests))[:9_000]
            stranger.sendto(datagram, ("127.0.0.1", show.engine.local_port))
            publisher.send(datagram[:9_000])
            publisher.send(replayed)
            inner = rtp_packet(chance)[:LONGEST_SRTP_INPUT]
            if len(inner) >= 12 and inner[0] >> 6 == 2:
                publisher.send(_protected(publisher.outbound.protect, inner))
            for member in (publisher, spectator):
                member.send(_protected(member.outbound.protect_rtcp, rtcp_compound(chance)[:LONGEST_SRTP_INPUT]))

        await paced(100, storm)
        stranger.close()
        await unharmed(show, host, viewer)
        assert show.engine.snapshot().unknown_address > 100
        assert show.engine.snapshot().stun_rejected > 100
        for client in (publisher, spectator):
            client.close()


def _protected(protect: Callable[[bytes], bytes], plain: bytes) -> bytes:
    """As the client's libsrtp would send it; what it refuses to protect goes plain."""
    try:
        return protect(plain)
    except Exception:  # the library's own refusal of what is no RTP
        return plain


async def test_a_viewers_flood_of_nacks_is_read_within_its_budget_and_costs_nobody_else_anything() -> None:
    """Every compound asks for 2,125 packets: half a millisecond of the loop each, if all were read."""
    async with station() as show:
        show.http.headers.update(HEADERS)
        host, viewer = await innocent(show)
        spectator = await hostile(show, "whep")
        source = next(iter(show.engine._relays["loud"].viewers.values()))._sources["video"].ssrc
        compound = b"".join(build_nack(1, source, [17 * number + step for step in range(17)]) for number in range(80))
        began_s = time.monotonic()
        await paced(100, lambda: spectator.send(spectator.outbound.protect_rtcp(compound)))
        most = (BURST_OCTETS + OCTETS_PER_S * (time.monotonic() - began_s)) * 17 / 16
        await unharmed(show, host, viewer)
        asked = next(row.nacks_received for row in show.engine.snapshot().broadcasts if row.broadcast_id == "loud")
        assert 0 < asked <= most
        spectator.close()


async def test_ten_thousand_half_open_handshakes_are_bounded_and_freed() -> None:
    settings = MediaSettings(bind_host="127.0.0.1", handshake_timeout_s=2.0, joins_per_s=100_000)
    async with station(settings) as show:
        host, viewer = await innocent(show)
        refused = 0
        for number in range(10_000):
            try:
                await show.engine.view("loud", f"viewer-{number}", VIEWER)
            except TooManyHandshakes:
                refused += 1
            except StreamingError as error:
                raise AssertionError(error.code) from error
            if number % 50 == 0:
                await asyncio.sleep(0)
        assert refused >= 10_000 - 20 * settings.max_half_open
        assert show.engine.snapshot().half_open <= settings.max_half_open
        await eventually("they are freed", lambda: show.engine.snapshot().half_open == 0)
        assert len(show.engine._resources) == 2
        await unharmed(show, host, viewer)


async def test_true_client_hellos_that_go_no_further_are_answered_bounded_and_freed() -> None:
    """A slice of `python -m tests.fuzz.half_open 10000`."""
    settings = MediaSettings(bind_host="127.0.0.1", handshake_timeout_s=1.0, joins_per_s=100_000, max_half_open=100)
    async with station(settings) as show:
        show.http.headers.update(HEADERS)
        host, viewer = await innocent(show)
        dangling = (dangle(show.http, f"{show.base_url}/whep/loud", IDENTITY) for _ in range(240))
        outcomes = await asyncio.gather(*dangling)
        assert sum(answered for answered, _ in outcomes) > 10
        assert sum(refusals for _, refusals in outcomes) > 0
        await eventually("they are freed", lambda: show.engine.snapshot().half_open == 0)
        assert len(show.engine._resources) == 2
        await unharmed(show, host, viewer)
