"""DTLS-SRTP by aiortc's RTCDtlsTransport: the only file that touches aiortc's private names.

aiortc is pinned; `tests/streaming/test_dtls_aiortc.py` fails if a name used here goes. The transport under aiortc is a
bounded mailbox that the port fills with DTLS datagrams only: SRTP and SRTCP never pass through aiortc. One certificate
and one OpenSSL context serve the whole process, which is a third of a handshake's cost.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from aiortc.rtcdtlstransport import (
    SRTP_PROFILES,
    RTCCertificate,
    RTCDtlsFingerprint,
    RTCDtlsParameters,
    RTCDtlsTransport,
    State,
)
from OpenSSL import SSL

from streaming.srtp_pylibsrtp import SrtpKeys, SrtpProfile

logger = logging.getLogger(__name__)

MAILBOX_DATAGRAMS = 32
"""DTLS datagrams that wait for the handshake; beyond it the newest is dropped and DTLS sends it again."""
_PREFERENCE = ("AEAD_AES_128_GCM", "AES128_CM_SHA1_80", "AEAD_AES_256_GCM")
"""AES-128-GCM first: one pass over the packet with AES-NI, about half of CM with HMAC-SHA1."""


class SharedCertificate(RTCCertificate):
    """A certificate whose OpenSSL context is made once and shared by all connections."""

    _context: SSL.Context | None = None

    def _create_ssl_context(self, srtp_profiles: Any) -> SSL.Context:
        if self._context is None:
            self._context = super()._create_ssl_context(srtp_profiles)
        return self._context

    @property
    def sha256_fingerprint(self) -> str:
        """Upper-case hexadecimal with colons, as `a=fingerprint` wants it."""
        return next(f.value for f in self.getFingerprints() if f.algorithm == "sha-256")


def generate_certificate() -> SharedCertificate:
    """Make a fresh P-256 certificate, valid for 30 days."""
    return SharedCertificate.generateCertificate()


class _Mailbox:
    """What RTCDtlsTransport needs of an ICE transport: `role`, `_recv`, `_send`. Closing wakes the reader."""

    role = "controlling"
    """aiortc makes the controlling side the DTLS server, which setup:passive demands."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send_datagram = send
        self._datagrams: asyncio.Queue[bytes | None] = asyncio.Queue(MAILBOX_DATAGRAMS)
        self._closed = False

    def put(self, datagram: bytes) -> None:
        if not self._closed and not self._datagrams.full():
            self._datagrams.put_nowait(datagram)

    def close(self) -> None:
        self._closed = True
        while not self._datagrams.empty():
            self._datagrams.get_nowait()
        self._datagrams.put_nowait(None)

    async def _recv(self) -> bytes:
        datagram = await self._datagrams.get()
        if datagram is None:
            self._datagrams.put_nowait(None)
            raise ConnectionError("closed")
        return datagram

    async def _send(self, data: bytes) -> None:
        if self._closed:
            raise ConnectionError("closed")
        self._send_datagram(data)


class _KeyExporter(RTCDtlsTransport):
    """Exports the SRTP keys where aiortc would make its own sessions."""

    srtp_keys: SrtpKeys | None = None

    def _setup_srtp(self) -> None:
        assert self._ssl is not None, "aiortc calls this after the handshake"
        selected = self._ssl.get_selected_srtp_profile()
        profile = next((p for p in self._srtp_profiles if p.openssl_profile == selected), None)
        if profile is None:
            self._set_state(State.FAILED)
            return
        material = self._ssl.export_keying_material(
            b"EXTRACTOR-dtls_srtp", 2 * (profile.key_length + profile.salt_length)
        )
        self.srtp_keys = SrtpKeys(
            SrtpProfile(profile.libsrtp_profile),
            outbound=profile.get_key_and_salt(material, 1),
            inbound=profile.get_key_and_salt(material, 0),
        )


class DtlsServer:
    """One DTLS association in which the peer is the client.

    `send` is called with datagrams for the peer. `closed` is called once if the peer closes after the handshake.
    """

    def __init__(
        self,
        certificate: SharedCertificate,
        fingerprints: tuple[tuple[str, str], ...],
        send: Callable[[bytes], None],
        closed: Callable[[], None],
    ) -> None:
        self._mailbox = _Mailbox(send)
        self._closed = closed
        self._stopping = False
        self._transport = _KeyExporter(self._mailbox, [certificate])  # type: ignore[arg-type]
        self._transport._srtp_profiles = _preferred_profiles()
        self._transport.on("statechange", self._state_changed)
        self._parameters = RTCDtlsParameters([RTCDtlsFingerprint(a, value) for a, value in fingerprints])

    def receive(self, datagram: bytes) -> None:
        """Take a DTLS datagram from the port."""
        self._mailbox.put(datagram)

    async def handshake(self, timeout_s: float) -> SrtpKeys | None:
        """Run the handshake; None when it failed, did not end in time, or the fingerprint did not match."""
        try:
            await asyncio.wait_for(self._transport.start(self._parameters), timeout_s)
        except (TimeoutError, SSL.Error) as error:
            logger.debug("DTLS handshake failed: %s", error)
            return None
        return self._transport.srtp_keys if self._transport.state == "connected" else None

    async def stop(self) -> None:
        """Send close_notify and end aiortc's reader; returns when its task is over."""
        self._stopping = True
        reader = self._transport._task
        await self._transport.stop()
        self._mailbox.close()
        self._transport.remove_all_listeners()
        if reader is not None:
            await asyncio.gather(reader, return_exceptions=True)

    def _state_changed(self) -> None:
        if self._transport.state == "closed" and not self._stopping:
            self._stopping = True
            self._closed()


def _preferred_profiles() -> list[Any]:
    def rank(profile: Any) -> int:
        return _PREFERENCE.index(profile.openssl_profile.decode().removeprefix("SRTP_"))

    return sorted(SRTP_PROFILES, key=rank)
