"""The relay's transport doors: STUN, DTLS and the port as a whole. One loopback socket."""

import contextlib
from random import Random

from OpenSSL import SSL

from load_tests.bench.webrtc_client import Identity
from streaming.dtls_openssl import DtlsServer, generate_certificate
from streaming.errors import MalformedPacket
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
from streaming.port import MAX_ADDRESSES, MediaPort
from streaming.srtp_pylibsrtp import SrtpKeys
from tests.fuzz.media import rtcp_compound, rtp_packet
from tests.fuzz.mutation import mutated
from tests.fuzz.target import Broken

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
