"""`./run bench feedback`: CPU of a viewer's RTCP, from the datagram to what is sent for it. I/O: one socket.

Measured is what happens between the arrival of a datagram and the next: SRTCP, parsing, and acting, answers included
(RTX packets protected and sent to a socket that nobody reads). What `recvmsg` itself takes is left out.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import socket
import time
from typing import Any, Final

from streaming.egress import PacketWriter
from streaming.egress_choice import choose_writer
from streaming.ingest import Source, _Format
from streaming.layered_stream import LayeredStream
from streaming.retransmission import PacketRing
from streaming.rtcp import build_nack, build_pli, build_receiver_report, build_remb, build_report_block
from streaming.rtp import RtpPacket
from streaming.sdp_answer import AnsweringSource
from streaming.sdp_negotiation import CodecId, NegotiatedCodec, NegotiatedMedia
from streaming.srtp_pylibsrtp import InboundSrtp, OutboundSrtp, SrtpKeys, SrtpProfile
from streaming.stream_relay import StreamRelay
from streaming.viewer import Viewer

_VIDEO_SSRC, _OWN = 7, 99
_RING: Final = 512
_VP8: Final = CodecId("VP8")


class _Bench:
    """One viewer with a full ring behind it, and the client's end of its SRTCP."""

    def __init__(self, writer: PacketWriter, sink: tuple[str, int]) -> None:
        server, client = bytes(range(28)), bytes(range(28, 56))
        profile = SrtpProfile.AEAD_AES_128_GCM
        self._inbound = InboundSrtp(SrtpKeys(profile, server, client))
        self._client = OutboundSrtp(SrtpKeys(profile, client, server))
        media = NegotiatedMedia("video", "0", (NegotiatedCodec(_VP8, 96, 97, 90_000, ("nack",)),), {}, (), {})
        video = LayeredStream(lambda: StreamRelay("video", 90_000, writer, PacketRing(_RING, 1e9, 10_000_000)))
        source = Source(1, _Format("video", _VP8, 90_000, None), repairable=True)
        peer: Any = type("Peer", (), {"writer_peer": writer.attach(SrtpKeys(profile, server, client), sink)})()
        negotiation: Any = type("Negotiation", (), {"media": (media,)})()
        sources = {"video": AnsweringSource(_VIDEO_SSRC, _VIDEO_SSRC + 1)}
        self.viewer = Viewer("r", "v", peer, negotiation, sources, "cname", 1_000_000, random.Random(1))
        self.viewer.attach({"video": video}, writer, 0.0)
        for sequence in range(_RING):
            payload = (b"\x10\x00" if sequence == 0 else b"\x10\x01") + bytes(1_100)
            video.forward(source, RtpPacket(96, sequence, sequence * 3000, 1, payload), 0.0)
        self.newest = self.viewer.streams["video"].lane.sequence_delta + _RING

    def measure_us(self, compounds: list[bytes]) -> float:
        """Microseconds of this thread's CPU a datagram."""
        datagrams = [protected for compound in compounds if (protected := self._client.protect_rtcp(compound))]
        begun = time.thread_time()
        for index, datagram in enumerate(datagrams):
            compound = self._inbound.unprotect_rtcp(datagram)
            assert compound is not None, "the bench's own packets are sound"
            self.viewer.peer_rtcp(compound, 1.0 + index)
        return (time.thread_time() - begun) * 1e6 / len(datagrams)


def main(arguments: list[str]) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(prog="./run bench feedback", description=__doc__)
    parser.add_argument("--packets", type=int, default=20_000, help="of each kind")
    parser.add_argument("--writer", choices=["auto", "native", "python"], default="auto")
    parser.add_argument("--json", action="store_true", help="print the last line only")
    given = parser.parse_args(arguments)
    found = asyncio.run(run(given.packets, given.writer))
    if not given.json:
        for name, value in found.items():
            print(f"  {name}: {value}")
    print(json.dumps(found))
    return 0


async def run(packets: int, writer_name: Any) -> dict[str, Any]:
    """Measure each kind of packet that Chrome sends."""
    choice = choose_writer(writer_name)
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender,
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sink,
    ):
        sink.bind(("127.0.0.1", 0))
        sender.setblocking(False)
        writer = choice.make(sender, asyncio.get_running_loop(), 1024)
        bench = _Bench(writer, sink.getsockname())
        block = build_report_block(_VIDEO_SSRC, 3, 12, 1000, 40, 77, 0.2)
        report = build_receiver_report(_OWN, [block, block])
        kinds = {
            "report_and_remb_us": [report + build_remb(_OWN, 900_000 + i, [_VIDEO_SSRC]) for i in range(packets)],
            "nack_of_two_us": [
                report
                + build_nack(_OWN, _VIDEO_SSRC, [(bench.newest - 9 - i % 400) & 0xFFFF, (bench.newest - 5) & 0xFFFF])
                for i in range(packets)
            ],
            "pli_us": [build_pli(_OWN, _VIDEO_SSRC)] * packets,
        }
        found: dict[str, Any] = {name: round(bench.measure_us(compounds), 2) for name, compounds in kinds.items()}
        found["retransmitted"] = bench.viewer.retransmitted
        found["writer"] = choice.name
        writer.close()
    return found
