"""What a viewer lost as the last before a pause is sent twice, although nothing follows that could take it along."""

from __future__ import annotations

import asyncio

from load_tests.bench.offers import VIDEO_PAYLOAD_TYPE
from load_tests.bench.signalling import HEADERS, post_offer
from load_tests.bench.source import Source
from load_tests.bench.webrtc_client import Identity, WebRtcClient
from streaming.rtcp import build_nack
from streaming.rtp import RtpPacket, is_rtcp, parse_rtp, unwrap_rtx
from tests.streaming.harness import PATIENCE_S, Station, eventually, station

IDENTITY = Identity()
RTX_PAYLOAD_TYPE = 97


class Listener:
    """A viewer that keeps the picture's packets, and those that came again."""

    def __init__(self) -> None:
        self.client = WebRtcClient(IDENTITY, self._media)
        self.video: list[RtpPacket] = []
        self.again: list[RtpPacket] = []

    def _media(self, datagram: memoryview) -> None:
        if not is_rtcp(bytes(datagram[:2])):
            packet = parse_rtp(self.client.inbound.unprotect(bytes(datagram)))
            kept = {VIDEO_PAYLOAD_TYPE: self.video, RTX_PAYLOAD_TYPE: self.again}.get(packet.payload_type)
            if kept is not None:
                kept.append(packet)


async def test_the_second_copy_of_a_lost_packet_leaves_by_the_clock_when_nothing_follows_it() -> None:
    async with station() as show:
        show.http.headers.update(HEADERS)
        source, listener = Source(IDENTITY), Listener()
        await source.publish(show.http, f"{show.base_url}/whip/show", PATIENCE_S)
        sending = asyncio.create_task(source.run())
        answer = await post_offer(show.http, f"{show.base_url}/whep/show", listener.client, "recvonly")
        await listener.client.connect(answer, PATIENCE_S)
        await eventually("the picture flows", lambda: len(listener.video) > 20)
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        await eventually("all that the relay took has come", lambda: listener.video[-1].sequence == newest_of(show))
        lost = listener.video[-1]
        listener.client.send(listener.client.outbound.protect_rtcp(build_nack(1, lost.ssrc, [lost.sequence])))
        await eventually("it came twice", lambda: len(listener.again) == 2)
        first, second = listener.again
        assert second.sequence == first.sequence + 1
        for one in listener.again:
            inner = unwrap_rtx(one, VIDEO_PAYLOAD_TYPE, lost.ssrc)
            assert inner is not None
            assert (inner.sequence, inner.timestamp, inner.payload) == (lost.sequence, lost.timestamp, lost.payload)
        listener.client.close()
        source.close()


def newest_of(show: Station) -> int:
    """The newest packet's number as the one viewer knows it."""
    (viewer,) = show.engine._relays["show"].viewers.values()
    newest = next(show.engine._relays["show"]._video.lines).newest
    assert newest is not None
    return viewer.streams["video"].lane.sequence_of(newest)
