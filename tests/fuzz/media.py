"""The relay's doors: RTP, RTCP, STUN, SRTP, DTLS, the port as a whole, forwarding, and SDP. Loopback sockets only."""

import asyncio
import contextlib
import socket
from pathlib import Path
from random import Random

from OpenSSL import SSL

from load_tests.bench.offers import offer
from load_tests.bench.webrtc_client import Identity
from streaming.depacketising import h264_data, vp8_data
from streaming.dtls_openssl import DtlsServer, generate_certificate
from streaming.egress_choice import choose_writer
from streaming.errors import MalformedPacket, StreamingError
from streaming.ice_lite import (
    BINDING_REQUEST,
    ICE_CONTROLLING,
    PRIORITY,
    USE_CANDIDATE,
    USERNAME,
    Address,
    Credentials,
    IceLiteAgent,
    build_stun,
    parse_stun,
)
from streaming.ingest import Ingest
from streaming.keyframes import starts_keyframe
from streaming.port import MAX_ADDRESSES, MediaPort
from streaming.retransmission import PacketRing, Repeater
from streaming.rtcp import build_bye, build_nack, build_pli, build_remb, build_sender_report, parse_rtcp
from streaming.rtp import header_extensions, parse_rtp
from streaming.sdp_answer import (
    AnsweringSource,
    LocalTransport,
    build_answer,
    negotiate_publisher,
    negotiate_viewer,
)
from streaming.sdp_fragment import parse_fragment
from streaming.sdp_offer import parse_offer
from streaming.srtp_pylibsrtp import InboundSrtp, OutboundSrtp, SrtpKeys, SrtpProfile
from streaming.stream_relay import StreamRelay, ViewerStream
from tests.fuzz.mutation import LONGEST, mutated, mutated_text
from tests.fuzz.target import Broken

PUBLISHER_OFFER = offer("abcd", "p" * 24, "AB:" * 31 + "AB", ("192.0.2.1", 9), "sendonly")
VIEWER_OFFER = offer("abcd", "p" * 24, "AB:" * 31 + "AB", ("192.0.2.1", 9), "recvonly")
_LENGTHS = (0, 1, 2, 3, 11, 12, 13, 100, 1_200, 1_460, 2_027, 2_028, 2_048, 9_000, LONGEST)
_STEP_S = 0.001
_OFFERS = Path(__file__).resolve().parents[1] / "streaming" / "offers"


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
        self._ingest = Ingest(negotiate_publisher(parse_offer(PUBLISHER_OFFER)), 7, 6_000_000)
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
        self._ingest = Ingest(negotiate_publisher(parse_offer(PUBLISHER_OFFER)), 7, 6_000_000)
        self._now_s = 0.0

    def make(self, chance: Random) -> bytes:
        return rtcp_compound(chance)

    def feed(self, data: bytes) -> None:
        self._now_s += _STEP_S
        self._ingest.receive_rtcp(data, self._now_s, 1.7e9 + self._now_s)


HONEST = Credentials("ours", "p" * 24, "theirs")


def stun_request(chance: Random, credentials: Credentials) -> bytes:
    """A binding request that is right, or signed with a wrong password or for a wrong name."""
    password = credentials.password if chance.random() < 0.7 else "x" * 24
    name = f"{credentials.ufrag}:{chance.choice((credentials.remote_ufrag, 'forged'))}".encode()
    attributes = [(USERNAME, name), (PRIORITY, bytes(4)), (ICE_CONTROLLING, bytes(8)), (USE_CANDIDATE, b"")]
    return build_stun(BINDING_REQUEST, chance.randbytes(12), attributes, password)


class Stun:
    """Binding requests: whatever is forged changes nothing."""

    name = "stun"

    def __init__(self) -> None:
        self._agent = IceLiteAgent(HONEST, 0.0)
        self._signed: bytes = b""

    def make(self, chance: Random) -> bytes:
        request = stun_request(chance, HONEST)
        self._signed = request
        return mutated(chance, request) if chance.random() < 0.8 else request

    def feed(self, data: bytes) -> None:
        try:
            message = parse_stun(data)
        except MalformedPacket:
            return
        outcome = self._agent.handle(message, ("192.0.2.1", 9), 0.0)
        if self._signed and outcome.authenticated and not self._signed.startswith(message.integrity_covers[4:], 4):
            raise Broken("a message that nobody signed was authenticated")


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


class Dtls:
    """Handshake datagrams: a ClientHello and what may follow, mutated, against half-open associations."""

    name = "dtls"
    _LIFE = 64

    def __init__(self) -> None:
        self._certificate = generate_certificate()
        client = SSL.Connection(Identity().context, None)
        client.set_connect_state()
        with contextlib.suppress(SSL.WantReadError):
            client.do_handshake()
        self._hello = client.bio_read(4_096)
        self._fed = 0
        self._server = self._new()

    def _new(self) -> DtlsServer:
        return DtlsServer(self._certificate, (("sha-256", "AB"),), self._ignore, self._established, lambda: None)

    @staticmethod
    def _ignore(_: bytes) -> None:
        """Answers go nowhere."""

    @staticmethod
    def _established(keys: SrtpKeys | None) -> None:
        if keys is not None:
            raise Broken("a handshake without the offer's certificate gave keys")

    def make(self, chance: Random) -> bytes:
        return mutated(chance, self._hello) if chance.random() < 0.9 else chance.randbytes(chance.randrange(80))

    def feed(self, data: bytes) -> None:
        self._fed += 1
        if self._fed % self._LIFE == 0:
            self._server.stop()
            self._server = self._new()
        self._server.receive(data)


class _Endpoint:
    """A session that counts what reaches it."""

    def __init__(self, credentials: Credentials) -> None:
        self.ice = IceLiteAgent(credentials, 0.0)
        self.reached = 0

    def addressed(self, address: Address, *, nominated: bool, now_s: float) -> None:
        self.reached += 1

    def receive_dtls(self, datagram: bytes) -> None:
        self.reached += 1

    def receive_rtp(self, datagram: bytes, now_s: float) -> None:
        self.reached += 1

    def receive_rtcp(self, datagram: bytes, now_s: float) -> None:
        self.reached += 1


class Port:
    """Datagrams of every kind from eight known and any number of unknown addresses: no table grows."""

    name = "port"

    def __init__(self) -> None:
        self._port = MediaPort(
            "127.0.0.1", 0, send_buffer_bytes=1 << 16, receive_buffer_bytes=1 << 16, clock=lambda: 1.0
        )
        self._credentials = [Credentials(f"ours{index}", "p" * 24, "theirs") for index in range(8)]
        self._endpoints = [_Endpoint(credentials) for credentials in self._credentials]
        for endpoint in self._endpoints:
            self._port.register(endpoint)
        self._number = 0

    def __del__(self) -> None:
        self._port.stop()

    def make(self, chance: Random) -> bytes:
        kind = chance.randrange(4)
        if kind == 0:
            request = stun_request(chance, chance.choice(self._credentials))
            return mutated(chance, request, 2) if chance.random() < 0.5 else request
        if kind == 1:
            return rtp_packet(chance)
        if kind == 2:
            return rtcp_compound(chance)
        return chance.randbytes(chance.choice((0, 1, 11, 12, 13, 60)))

    def feed(self, data: bytes) -> None:
        self._number += 1
        self._port._dispatch(data, (f"192.0.2.{self._number % 7}", 1_000 + self._number % 1_009))
        if len(self._port._by_address) > MAX_ADDRESSES * len(self._endpoints):
            raise Broken("the table of addresses grows")
        if len(self._port._by_ufrag) != len(self._endpoints):
            raise Broken("a datagram changed the table of sessions")


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
        self._ingest = Ingest(negotiate_publisher(parse_offer(PUBLISHER_OFFER)), 7, 6_000_000)
        keys = SrtpKeys(SrtpProfile.AEAD_AES_128_GCM, bytes(28), bytes(28))
        peer = self._writer.attach(keys, self._sockets[1].getsockname())
        self._streams: dict[str, tuple[StreamRelay, ViewerStream]] = {}
        for number, media in enumerate(negotiate_viewer(parse_offer(VIEWER_OFFER), None).media):
            clock_rate = media.codecs[0].clock_rate
            stream = StreamRelay(media.kind, clock_rate, self._writer, PacketRing(256, 2.0))
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
                stream.repeat(viewer, (packet.sequence, packet.timestamp & 0xFFFF), self._now_s)
                stream.sender_report(viewer, "cname", self._now_s)
                stream.remove(viewer)
                stream.add(viewer, self._now_s)


class Sdp:
    """Offers of publishers and viewers, small and of Chromium's size."""

    name = "sdp"
    _WORDS = ("", "0", "1", "-1", "99999999999", "x" * 300, "a=mid:0", "*", "é", "\0", "m=video 9 UDP/TLS/RTP/SAVPF 96")

    def __init__(self) -> None:
        self._local = LocalTransport("ufrag", "p" * 24, "AB:" * 31 + "AB", (("192.0.2.1", 7_000),), 1, "cn")
        self._sources = {kind: AnsweringSource(1, 2) for kind in ("audio", "video")}
        self._large = [path.read_bytes().decode() for path in sorted(_OFFERS.glob("*.sdp"))]

    def make(self, chance: Random) -> bytes:
        large = chance.random() < 0.05
        text = chance.choice(self._large) if large else chance.choice((PUBLISHER_OFFER, VIEWER_OFFER))
        return mutated_text(chance, text, self._WORDS).encode("utf-8", "replace")

    def feed(self, data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        with contextlib.suppress(StreamingError):
            offered = parse_offer(text)
            with contextlib.suppress(StreamingError):
                negotiation = negotiate_publisher(offered)
                build_answer(negotiation, self._local)
                Ingest(negotiation, 7, 1_000_000)
                assert negotiation.bundle_tag.mid
            negotiation = negotiate_viewer(offered, None)
            answer = build_answer(negotiation, self._local, self._sources)
            if answer.count("\r\nm=") != len(offered.media):
                raise Broken("an answer has other sections than its offer")


class SdpFragment:
    """Bodies of PATCH."""

    name = "sdp_fragment"
    _SOUND = (
        "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:ysXw\r\n"
        "a=ice-pwd:vw5LmwG4y/e6dPP/zAP9Gp5k\r\na=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\n"
    )

    def make(self, chance: Random) -> bytes:
        return mutated_text(chance, self._SOUND, ("", "x" * 300, "a=ice-ufrag:other", "\0", "é")).encode()

    def feed(self, data: bytes) -> None:
        with contextlib.suppress(StreamingError):
            fragment = parse_fragment(data.decode("utf-8", "replace"))
            if any(character in fragment.ufrag + fragment.password for character in "\r\n\0 :"):
                raise Broken("credentials hold what would break a line")
