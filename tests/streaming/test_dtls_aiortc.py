"""The DTLS server agrees on keys with a stock client, and every private name of aiortc it uses is still there."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest
from aiortc.rtcdtlstransport import (
    SRTP_PROFILES,
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    SRTPProtectionProfile,
    State,
)
from OpenSSL import SSL

from streaming.dtls_aiortc import MAILBOX_DATAGRAMS, DtlsServer, _Mailbox, generate_certificate
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
    """A stock client and our server joined in memory."""

    def __init__(self, fingerprint: str | None = None, losses: frozenset[int] = frozenset()) -> None:
        self.closed = 0
        self.transport = ClientTransport()
        self.transport.losses = set(losses)
        certificate = RTCCertificate.generateCertificate()
        self.client = RTCDtlsTransport(self.transport, [certificate])  # type: ignore[arg-type]
        value = fingerprint or certificate.getFingerprints()[0].value
        self.server = DtlsServer(CERTIFICATE, (("sha-256", value),), self.transport.inbox.put_nowait, self._note_closed)
        self.transport.server = self.server
        self.expected = RTCDtlsParameters([RTCDtlsFingerprint("sha-256", CERTIFICATE.sha256_fingerprint)])

    def _note_closed(self) -> None:
        self.closed += 1

    async def connect(self) -> SrtpKeys | None:
        _, keys = await asyncio.gather(self.client.start(self.expected), self.server.handshake(PATIENCE_S))
        return keys

    async def end(self) -> None:
        await self.client.stop()
        self.transport.inbox.put_nowait(None)
        await self.server.stop()


@pytest.mark.parametrize("losses", [frozenset[int](), frozenset({1}), frozenset({2})])
async def test_keys_are_agreed_with_a_stock_client_even_when_a_flight_is_lost(losses: frozenset[int]) -> None:
    link = Link(losses=losses)
    keys = await link.connect()
    assert keys is not None
    packet = bytes([0x80, 96, 0, 1]) + bytes(8) + b"payload"
    protected = OutboundSrtp(keys).protect_rtp(packet)
    assert protected is not None
    assert link.client._rx_srtp.unprotect(protected) == packet
    assert InboundSrtp(keys).unprotect_rtp(link.client._tx_srtp.protect(packet)) == packet
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


async def test_a_handshake_that_never_comes_ends_in_time() -> None:
    server = DtlsServer(CERTIFICATE, (("sha-256", "00"),), lambda _: None, lambda: None)
    assert await server.handshake(timeout_s=0.05) is None
    await server.stop()


async def test_arbitrary_handshake_datagrams_only_fail_the_handshake() -> None:
    server = DtlsServer(CERTIFICATE, (("sha-256", "00"),), lambda _: None, lambda: None)
    for length in (1, 12, 13, 100, 1500):
        server.receive(b"\x16" + b"\xfe\xfd" * (length // 2))
    assert await server.handshake(timeout_s=0.2) is None
    await server.stop()


async def test_the_mailbox_is_bounded_survives_cancellation_and_wakes_its_reader_on_close() -> None:
    mailbox = _Mailbox(lambda _: None)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(mailbox._recv(), 0.01)
    for index in range(MAILBOX_DATAGRAMS + 10):
        mailbox.put(bytes([index]))
    assert await mailbox._recv() == b"\x00"
    mailbox.close()
    for _ in range(2):
        with pytest.raises(ConnectionError):
            await mailbox._recv()
    with pytest.raises(ConnectionError):
        await mailbox._send(b"late")


async def test_one_context_serves_all_connections() -> None:
    first, second = Link(), Link()
    assert await first.connect() is not None
    context = CERTIFICATE._context
    assert await second.connect() is not None
    assert CERTIFICATE._context is context
    assert isinstance(context, SSL.Context)
    await first.end()
    await second.end()


@pytest.mark.parametrize(
    "name",
    ["_set_state", "_setup_srtp", "start", "stop", "state", "on", "remove_all_listeners"],
)
def test_transport_names_we_rely_on_still_exist(name: str) -> None:
    assert hasattr(RTCDtlsTransport, name)


@pytest.mark.parametrize("name", ["_ssl", "_srtp_profiles", "_task", "_role"])
def test_transport_attributes_we_rely_on_are_still_set_at_birth(name: str) -> None:
    transport: Any = RTCDtlsTransport(ClientTransport(), [CERTIFICATE])  # type: ignore[arg-type]
    assert name in vars(transport)


def test_the_handshake_still_calls_the_hooks_we_override() -> None:
    assert "self._setup_srtp()" in inspect.getsource(RTCDtlsTransport.start)
    assert "_create_ssl_context(" in inspect.getsource(RTCDtlsTransport.start)
    assert "srtp_profiles=self._srtp_profiles" in inspect.getsource(RTCDtlsTransport.start)
    assert "self.transport._recv()" in inspect.getsource(RTCDtlsTransport._recv_next)
    assert "self.transport._send(" in inspect.getsource(RTCDtlsTransport._write_ssl)
    assert list(inspect.signature(RTCCertificate._create_ssl_context).parameters) == ["self", "srtp_profiles"]
    assert State.FAILED.name == "FAILED"


def test_srtp_profiles_still_tell_their_key_lengths() -> None:
    assert {profile.openssl_profile for profile in SRTP_PROFILES} >= {b"SRTP_AES128_CM_SHA1_80"}
    assert all(isinstance(profile, SRTPProtectionProfile) for profile in SRTP_PROFILES)
    for profile in SRTP_PROFILES:
        material = bytes(range(2 * (profile.key_length + profile.salt_length)))
        assert len(profile.get_key_and_salt(material, 1)) == profile.key_length + profile.salt_length
