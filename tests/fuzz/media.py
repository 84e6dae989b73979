"""The relay's media doors: RTP, RTCP, SRTP, and forwarding as a whole. Loopback sockets only."""

import asyncio
import contextlib
import socket
from random import Random

from load_tests.bench.offers import offer
from streaming.depacketising import h264_data, vp8_data
from streaming.egress_choice import choose_writer
from streaming.errors import MalformedPacket
from streaming.ingest import Ingest
from streaming.keyframes import starts_keyframe
from streaming.retransmission import PacketRing, Repeater
from streaming.rtcp import build_bye, build_nack, build_pli, build_remb, build_sender_report, parse_rtcp
from streaming.rtp import header_extensions, parse_rtp
from streaming.sdp_negotiation import negotiate_publisher, negotiate_viewer
from streaming.sdp_offer import parse_offer
from streaming.srtp_pylibsrtp import InboundSrtp, OutboundSrtp, SrtpKeys, SrtpProfile
from streaming.stream_relay import StreamRelay
from streaming.viewer_stream import ViewerStream
from tests.fuzz.mutation import LONGEST, mutated
from tests.fuzz.target import Broken

PUBLISHER_OFFER = offer("abcd", "p" * 24, "AB:" * 31 + "AB", ("192.0.2.1", 9), "sendonly")
VIEWER_OFFER = offer("abcd", "p" * 24, "AB:" * 31 + "AB", ("192.0.2.1", 9), "recvonly")
_LENGTHS = (0, 1, 2, 3, 11, 12, 13, 100, 1_200, 1_460, 2_027, 2_028, 2_048, 9_000, LONGEST)
_STEP_S = 0.001


def rtp_packet(chance: Random) -> bytes:
    """An RTP packet with CSRCs, an extension, padding and payload as chance will have them, then mostly mutated."""
    csrcs, extended, padded = chance.randrange(16), chance.random() < 0.5, chance.random() < 0.3
    head = bytearray([0x80 | (0x10 if extended else 0) | (0x20 if padded else 0) | csrcs])
    head.append(chance.choice((96, 97, 111, 224, 225, 239, chance.randrange(256))))
    head += chance.randbytes(6) + chance.choice((1, 2, 3, chance.randrange(1 << 32))).to_bytes(4, "big")
    head += chance.randbytes(4 * csrcs)
    if extended:
        words = chance.randrange(6)
        head += chance.choice((b"\xbe\xde", b"\x10\x00", chance.randbytes(2))) + words.to_bytes(2, "big")
        head += chance.randbytes(4 * words)
    size = chance.choice(_LENGTHS) if chance.random() < 0.02 else chance.randrange(40)
    packet = bytes(head) + chance.randbytes(size) + (bytes([chance.randrange(256)]) if padded else b"")
    return (mutated(chance, packet, 3) if chance.random() < 0.7 else packet)[:LONGEST]


def rtcp_compound(chance: Random) -> bytes:
    """Some sound reports and feedback, mutated."""
    parts = (
        build_sender_report(1, 3.9e9, chance.randrange(1 << 32), 5, 6, "cname"),
        build_nack(1, 2, sorted(chance.sample(range(1 << 16), chance.randrange(1, 20)))),
        build_pli(1, 2),
        build_remb(1, chance.randrange(1, 10**7), [2, 3]),
        build_bye([1, 2]),
    )
    return mutated(chance, b"".join(chance.choices(parts, k=chance.randint(1, 4))))


class Rtp:
    """A publisher's packets after decryption, through everything that reads them."""

    name = "rtp"

    def __init__(self) -> None:
        self._ingest = Ingest(negotiate_publisher(parse_offer(PUBLISHER_OFFER)), 7, 10**12)
        self._now_s = 0.0

    def make(self, chance: Random) -> bytes:
        return rtp_packet(chance)

    def feed(self, data: bytes) -> None:
        self._now_s += _STEP_S
        with contextlib.suppress(MalformedPacket):
            packet = parse_rtp(data)
            list(header_extensions(packet))
            for codec in ("VP8", "H264", "opus"):
                starts_keyframe(codec, packet.payload)
            vp8_data(packet.payload)
            h264_data(packet.payload)
            self._ingest.receive(data, self._now_s)
        if int(self._now_s * 1_000) % 50 == 0:
            for compound in self._ingest.frequent_feedback(self._now_s):
                parse_rtcp(compound)  # what we build is sound, whatever came
            self._ingest.reports(self._now_s)


class Rtcp:
    """A peer's feedback and reports after decryption."""

    name = "rtcp"

    def __init__(self) -> None:
        self._ingest = Ingest(negotiate_publisher(parse_offer(PUBLISHER_OFFER)), 7, 10**12)
        self._now_s = 0.0

    def make(self, chance: Random) -> bytes:
        return rtcp_compound(chance)

    def feed(self, data: bytes) -> None:
        self._now_s += _STEP_S
        self._ingest.receive_rtcp(data, self._now_s, 1.7e9 + self._now_s)


class Srtp:
    """Protected packets, replayed and damaged: only what was sent comes out, and only once."""

    name = "srtp"

    def __init__(self) -> None:
        keys = SrtpKeys(SrtpProfile.AEAD_AES_128_GCM, bytes(range(28)), bytes(range(28)))
        self._out, self._in = OutboundSrtp(keys), InboundSrtp(keys)
        self._sent: list[bytes] = []
        self._seen: set[bytes] = set()
        self._sequence = 0

    def make(self, chance: Random) -> bytes:
        if not self._sent or chance.random() < 0.3:
            self._sequence += 1
            head = b"\x80\x60" + (self._sequence & 0xFFFF).to_bytes(2, "big") + bytes(4) + b"\0\0\0\1"
            protected = self._out.protect_rtp(head + chance.randbytes(20))
            assert protected is not None
            self._sent = [*self._sent[-63:], protected]
            return protected
        again = chance.choice(self._sent)
        return again if chance.random() < 0.3 else mutated(chance, again, 2)

    def feed(self, data: bytes) -> None:
        plain = self._in.unprotect_rtp(data)
        self._in.unprotect_rtcp(data)
        if plain is None:
            return
        if data in self._seen or (self._sent and data not in self._sent):
            raise Broken("a replayed or forged packet was taken")
        self._seen = {*self._seen, data} if len(self._seen) < 256 else {data}


class Relay:
    """A hostile publisher's packets through ingest, the caches and the active writer, to a viewer who NACKs wildly."""

    name = "relay"

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
        for opened in self._sockets:
            opened.bind(("127.0.0.1", 0))
            opened.setblocking(False)
        self._writer = choose_writer("auto").make(self._sockets[0], self._loop, 64)
        self._ingest = Ingest(negotiate_publisher(parse_offer(PUBLISHER_OFFER)), 7, 10**12)
        keys = SrtpKeys(SrtpProfile.AEAD_AES_128_GCM, bytes(28), bytes(28))
        peer = self._writer.attach(keys, self._sockets[1].getsockname())
        self._streams: dict[str, tuple[StreamRelay, ViewerStream]] = {}
        for number, media in enumerate(negotiate_viewer(parse_offer(VIEWER_OFFER), None).media):
            clock_rate = media.codecs[0].clock_rate
            stream = StreamRelay(media.kind, clock_rate, self._writer, PacketRing(256, 2.0, 100_000))
            lane = self._writer.lane(peer, 10 + number, media.codecs[0].payload_type)
            viewer = ViewerStream(media, lane, Repeater(20 + number, 1, 400), 1, 1)
            stream.add(viewer, 0.0)
            self._streams[media.kind] = stream, viewer
        self._now_s = 0.0

    def __del__(self) -> None:
        self._writer.close()
        for opened in self._sockets:
            opened.close()
        self._loop.close()

    def make(self, chance: Random) -> bytes:
        return rtp_packet(chance)

    def feed(self, data: bytes) -> None:
        self._now_s += _STEP_S
        with contextlib.suppress(MalformedPacket):
            received = self._ingest.receive(data, self._now_s)
            if received is None:
                return
            source, packet = received
            stream, viewer = self._streams[source.kind]
            stream.forward(source, packet, self._now_s)
            if packet.sequence % 16 == 0:
                viewer.repeat((packet.sequence, packet.timestamp & 0xFFFF), self._now_s)
                stream.sender_report(viewer, "cname", self._now_s)
                stream.remove(viewer)
                stream.add(viewer, self._now_s)
