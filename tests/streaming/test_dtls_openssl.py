"""The DTLS server agrees on keys with a stock client, survives losses, and hears a close without its SSL object."""

from __future__ import annotations

import asyncio
import contextlib
import random

import pytest
from aiortc.rtcdtlstransport import (
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
)
from hypothesis import given
from hypothesis import strategies as st
from OpenSSL import SSL

from load_tests.bench.webrtc_client import Identity
from streaming.dtls_openssl import DtlsServer, generate_certificate
from streaming.dtls_records import ClosingKeys, pack_records, split_records
from streaming.srtp_pylibsrtp import InboundSrtp, OutboundSrtp, SrtpKeys
from tests.streaming.harness import PATIENCE_S, eventually

CERTIFICATE = generate_certificate()


class ClientTransport:
    """The stock client's side of an in-memory link; it drops what `losses` says."""

    role = "controlled"

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.server: DtlsServer | None = None
        self.losses: set[int] = set()
        self.sent = 0

    async def _recv(self) -> bytes:
        datagram = await self.inbox.get()
        if datagram is None:
            raise ConnectionError
        return datagram

    async def _send(self, data: bytes) -> None:
        self.sent += 1
        if self.server is not None and self.sent not in self.losses:
            self.server.receive(data)


class Link:
    """A stock client and our server joined in memory; the server's n-th datagram is lost if `server_losses` has n."""

    def __init__(
        self, fingerprint: str | None = None, losses: set[int] | None = None, server_losses: set[int] | None = None
    ) -> None:
        self.closed = 0
        self.outcomes: list[SrtpKeys | None] = []
        self.from_server: list[bytes] = []
        self.server_losses = server_losses or set()
        self.transport = ClientTransport()
        self.transport.losses = losses or set()
        certificate = RTCCertificate.generateCertificate()
        self.client = RTCDtlsTransport(self.transport, [certificate])  # type: ignore[arg-type]
        value = fingerprint or certificate.getFingerprints()[0].value
        self.server = DtlsServer(
            CERTIFICATE, (("sha-256", value),), self._from_server, self.outcomes.append, self._note_closed
        )
        self.transport.server = self.server
        self.expected = RTCDtlsParameters([RTCDtlsFingerprint("sha-256", CERTIFICATE.sha256_fingerprint)])

    def _from_server(self, datagram: bytes) -> None:
        self.from_server.append(datagram)
        if len(self.from_server) not in self.server_losses:
            self.transport.inbox.put_nowait(datagram)

    def _note_closed(self) -> None:
        self.closed += 1

    async def connect(self) -> SrtpKeys | None:
        async with asyncio.timeout(PATIENCE_S):
            clock = asyncio.create_task(self._retransmit())
            await self.client.start(self.expected)
            await eventually("the server has decided", lambda: bool(self.outcomes))
            clock.cancel()
            await asyncio.gather(clock, return_exceptions=True)
        return self.outcomes[0]

    async def _retransmit(self) -> None:
        while True:
            await asyncio.sleep(0.05)
            self.server.retransmit()

    async def end(self) -> None:
        with contextlib.suppress(ConnectionError):
            await self.client.stop()
        self.transport.inbox.put_nowait(None)
        self.server.stop()


@pytest.mark.parametrize("losses", [set[int](), {1}, {2}])
@pytest.mark.parametrize("server_losses", [set[int](), {1}, {2}])
async def test_keys_are_agreed_with_a_stock_client_whichever_flight_is_lost(
    losses: set[int], server_losses: set[int]
) -> None:
    link = Link(losses=losses, server_losses=server_losses)
    keys = await link.connect()
    assert keys is not None
    packet = bytes([0x80, 96, 0, 1]) + bytes(8) + b"payload"
    protected = OutboundSrtp(keys).protect_rtp(packet)
    assert protected is not None
    assert link.client._rx_srtp.unprotect(protected) == packet
    assert InboundSrtp(keys).unprotect_rtp(link.client._tx_srtp.protect(packet)) == packet
    assert link.server._tls is None
    await link.end()


async def test_a_client_that_lost_the_last_flight_gets_it_again_without_the_ssl_object() -> None:
    link = Link()
    assert await link.connect() is not None
    flights = len(link.from_server)
    link.server.receive(bytes([22, 0xFE, 0xFD]) + bytes(10))
    assert link.from_server[flights:] == link.from_server[flights - 1 : flights]
    for _ in range(100):
        link.server.receive(bytes([22, 0xFE, 0xFD]) + bytes(10))
    assert len(link.from_server) == flights + 10
    await link.end()


async def test_a_client_with_another_certificate_gets_no_keys() -> None:
    link = Link(fingerprint=":".join(["00"] * 32))
    assert await link.connect() is None
    await link.end()


async def test_close_notify_is_told_once() -> None:
    link = Link()
    assert await link.connect() is not None
    await link.client.stop()
    await eventually("the server hears of the close", lambda: link.closed > 0)
    await link.end()
    assert link.closed == 1


async def test_a_forged_close_is_not_believed() -> None:
    link, chance = Link(), random.Random(5)
    assert await link.connect() is not None
    for _ in range(1000):
        body = chance.randbytes(chance.choice((2, 26, 26, 26, 40)))
        link.server.receive(bytes([21, 0xFE, 0xFD, 0, 1]) + chance.randbytes(6) + len(body).to_bytes(2, "big") + body)
    assert link.closed == 0
    await link.end()


async def test_our_close_reaches_the_client() -> None:
    link = Link()
    assert await link.connect() is not None
    link.server.stop()
    await eventually("the client hears of the close", lambda: link.client.state == "closed")
    await link.end()


async def test_arbitrary_handshake_datagrams_never_raise_and_never_agree() -> None:
    outcomes: list[SrtpKeys | None] = []
    chance = random.Random(1)
    for _ in range(200):
        server = DtlsServer(CERTIFICATE, (("sha-256", "00"),), lambda _: None, outcomes.append, lambda: None)
        for length in (0, 1, 12, 13, 14, 60, 100, 1500):
            body = chance.randbytes(length)
            server.receive(b"\x16\xfe\xfd" + body)
            server.receive(b"\x16\xfe\xff" + bytes(8) + length.to_bytes(2, "big") + b"\x01" + body[1:])
            server.retransmit()
        server.stop()
    assert not any(outcomes)


async def test_all_connections_share_one_context() -> None:
    links = [Link(), Link()]
    for link in links:
        assert await link.connect() is not None
    await links[0].end()
    packet = bytes([0x80, 96, 0, 1]) + bytes(8) + b"payload"
    keys = links[1].outcomes[0]
    assert keys is not None
    assert InboundSrtp(keys).unprotect_rtp(links[1].client._tx_srtp.protect(packet)) == packet
    await links[1].end()


class TalkativeClient:
    """A client whose cipher suite makes the server keep its SSL object, and that then sends data of its own."""

    def __init__(self) -> None:
        identity = Identity()
        identity.context.set_cipher_list(b"ECDHE-ECDSA-CHACHA20-POLY1305")
        self.to_client: list[bytes] = []
        self.keys: list[SrtpKeys | None] = []
        self.closed = 0
        fingerprints = (("sha-256", identity.fingerprint),)
        self.server = DtlsServer(CERTIFICATE, fingerprints, self.to_client.append, self.keys.append, self._note_closed)
        self.tls = SSL.Connection(identity.context, None)
        self.tls.set_ciphertext_mtu(1200)
        self.tls.set_connect_state()

    def _note_closed(self) -> None:
        self.closed += 1

    def shake_hands(self) -> None:
        while not self.keys:
            with contextlib.suppress(SSL.WantReadError):
                self.tls.do_handshake()
            self.hand_over()
            for record in [record for datagram in self.to_client for record in split_records(datagram)]:
                self.tls.bio_write(record)
            self.to_client.clear()

    def hand_over(self) -> None:
        with contextlib.suppress(SSL.WantReadError):
            for datagram in pack_records(self.tls.bio_read(1 << 16), 1200):
                self.server.receive(datagram)


def test_what_a_client_sends_over_dtls_itself_is_read_to_the_end_and_kept_nowhere() -> None:
    client = TalkativeClient()
    client.shake_hands()
    tls = client.server._tls
    assert tls is not None
    for _ in range(200):
        client.tls.send(bytes(1_100))
        client.hand_over()
    with pytest.raises(SSL.WantReadError):
        tls.recv(1)
    client.tls.shutdown()
    client.hand_over()
    assert client.closed == 1
    client.server.stop()


@given(bodies=st.lists(st.binary(max_size=600), max_size=12), rest=st.binary(max_size=12))
def test_records_are_cut_and_packed_without_a_byte_lost(bodies: list[bytes], rest: bytes) -> None:
    records = [bytes([22, 0xFE, 0xFD]) + bytes(8) + len(body).to_bytes(2, "big") + body for body in bodies]
    assert split_records(b"".join(records) + rest) == records
    packed = pack_records(b"".join(records), 1200)
    assert b"".join(packed) == b"".join(records)
    assert all(len(datagram) <= 1200 for datagram in packed)


@given(data=st.binary(max_size=200))
def test_arbitrary_bytes_are_cut_into_records_that_lie_within_them(data: bytes) -> None:
    assert data.startswith(b"".join(split_records(data)))
    for record in split_records(data):
        assert not ClosingKeys(b"m", b"c", b"s").closes(record)
