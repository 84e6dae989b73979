"""A lean WebRTC client for load: one UDP socket, ICE as the controlling side, DTLS-SRTP. Speaks public protocols only.

Hundreds fit in one process, which stock peer connections do not. The handshake is pyOpenSSL on a memory BIO; SRTP is
libsrtp. Media arrive as raw datagrams through a callback, so that a viewer pays only for what it looks at.
"""

from __future__ import annotations

import asyncio
import datetime
import re
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from aioice import stun
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL
from pylibsrtp import Policy, Session

_RECEIVE_BUFFER_BYTES: Final = 1 << 20
_MAX_DATAGRAM: Final = 2048
_BATCH: Final = 32
_PROFILES: Final = {
    b"SRTP_AEAD_AES_128_GCM": (Policy.SRTP_PROFILE_AEAD_AES_128_GCM, 16, 12),
    b"SRTP_AES128_CM_SHA1_80": (Policy.SRTP_PROFILE_AES128_CM_SHA1_80, 16, 14),
}
_RETRANSMIT_S: Final = 0.3


class ConnectFailed(Exception):
    """The client did not become connected; the text says how far it came."""


class Identity:
    """One certificate and one OpenSSL context for all clients of a process."""

    def __init__(self) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "load")])
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        certificate = (
            builder.not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2))
            .sign(key, hashes.SHA256())
        )
        self.fingerprint = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
        self.context = SSL.Context(SSL.DTLS_METHOD)
        self.context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        self.context.use_certificate(certificate)
        self.context.use_privatekey(key)
        self.context.set_cipher_list(b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305")
        self.context.set_tlsext_use_srtp(b":".join(_PROFILES))


@dataclass(frozen=True, slots=True)
class Remote:
    """What an answer says about the other end."""

    ufrag: str
    password: str
    address: tuple[str, int]

    @classmethod
    def parse(cls, sdp: str, *, ipv6: bool = False) -> Remote:
        """Read an answer, for one family of addresses; raises ConnectFailed where something is missing."""
        ufrag = re.search(r"^a=ice-ufrag:(\S+)", sdp, re.MULTILINE)
        password = re.search(r"^a=ice-pwd:(\S+)", sdp, re.MULTILINE)
        named = re.findall(r"^a=candidate:\S+ 1 udp \d+ (\S+) (\d+) typ host", sdp, re.MULTILINE)
        candidates = [candidate for candidate in named if (":" in candidate[0]) == ipv6]
        if ufrag is None or password is None or not candidates:
            raise ConnectFailed("the answer lacks credentials or a host candidate of our family")
        host, port = next((c for c in candidates if c[0].startswith(("127.", "::1"))), candidates[0])
        return cls(ufrag.group(1), password.group(1), (host, int(port)))


class WebRtcClient:
    """One connection. `media` is called with each RTP or RTCP datagram as it came, still protected.

    With `watched` False somebody else reads the socket, and hands over by `take` what is not media.
    """

    def __init__(
        self, identity: Identity, media: Callable[[memoryview], None], host: str = "127.0.0.1", *, watched: bool = True
    ) -> None:
        self.ufrag, self.password = secrets.token_hex(4), secrets.token_hex(12)
        self._ipv6 = ":" in host
        self.socket = socket.socket(socket.AF_INET6 if self._ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        self.socket.bind((host, 0))
        self.address: tuple[str, int] = self.socket.getsockname()[:2]
        self.heard_s = 0.0
        self.dismissed = False
        """Whether the other end has said goodbye."""
        self.identity = identity
        self.inbound: Any = None
        self.outbound: Any = None
        self._media = media
        self._loop = asyncio.get_running_loop()
        self._remote: Remote | None = None
        self._reachable = asyncio.Event()
        self._connected = asyncio.Event()
        self._tls: SSL.Connection | None = None
        self._buffer = bytearray(_MAX_DATAGRAM)
        self._view = memoryview(self._buffer)
        if watched:
            self._loop.add_reader(self.socket, self._readable)

    async def connect(self, answer: str, timeout_s: float) -> None:
        """Check the pair, nominate it, agree on keys; raises ConnectFailed or TimeoutError."""
        self._remote = Remote.parse(answer, ipv6=self._ipv6)
        async with asyncio.timeout(timeout_s):
            await self._repeat(self._reachable, self.check)
            self._tls = SSL.Connection(self.identity.context, None)
            self._tls.set_ciphertext_mtu(1200)
            self._tls.set_connect_state()
            self._handshake()
            await self._repeat(self._connected, self._retransmit)

    async def _repeat(self, until: asyncio.Event, act: Callable[[], None]) -> None:
        act()
        while not until.is_set():
            try:
                async with asyncio.timeout(_RETRANSMIT_S):
                    await until.wait()
            except TimeoutError:
                act()

    def check(self) -> None:
        """Send a binding request; while connected it also renews consent (RFC 7675)."""
        assert self._remote is not None
        request = stun.Message(message_method=stun.Method.BINDING, message_class=stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{self._remote.ufrag}:{self.ufrag}"
        request.attributes["PRIORITY"] = 0x6E0001FF
        request.attributes["ICE-CONTROLLING"] = 1
        request.attributes["USE-CANDIDATE"] = None
        request.add_message_integrity(self._remote.password.encode())
        self.send(bytes(request))

    def send(self, datagram: bytes) -> None:
        """Send a finished datagram to the other end; a full socket loses it, as a network would."""
        assert self._remote is not None
        try:
            self.socket.sendto(datagram, self._remote.address)
        except (BlockingIOError, ConnectionError):
            return

    def close(self) -> None:
        """Say goodbye in DTLS and free the socket."""
        if self._tls is not None and self._connected.is_set():
            self._tls.shutdown()
            self._flush()
        self._loop.remove_reader(self.socket)
        self.socket.close()

    def _readable(self) -> None:
        for _ in range(_BATCH):
            try:
                size = self.socket.recv_into(self._buffer)
            except (BlockingIOError, ConnectionError):
                return
            self.take(self._view[:size])

    def take(self, datagram: memoryview) -> None:
        """Deal with one datagram that came (RFC 7983)."""
        self.heard_s = self._loop.time()
        first = datagram[0] if datagram else 255
        if 128 <= first < 192:
            self._media(datagram)
        elif first < 4:
            self._stun(bytes(datagram))
        elif self._tls is not None:
            self._tls.bio_write(bytes(datagram))
            self._handshake()

    def _stun(self, datagram: bytes) -> None:
        message = stun.parse_message(datagram)
        if message.message_class == stun.Class.RESPONSE:
            self._reachable.set()
        elif message.message_class == stun.Class.REQUEST and self._remote is not None:
            response = stun.Message(
                message_method=stun.Method.BINDING,
                message_class=stun.Class.RESPONSE,
                transaction_id=message.transaction_id,
            )
            response.attributes["XOR-MAPPED-ADDRESS"] = self._remote.address
            response.add_message_integrity(self.password.encode())
            self.send(bytes(response))

    def _handshake(self) -> None:
        assert self._tls is not None
        if not self._connected.is_set():
            try:
                self._tls.do_handshake()
                self._derive()
            except SSL.WantReadError:
                pass
        else:
            self._hear_goodbye()
        self._flush()

    def _hear_goodbye(self) -> None:
        """Nothing but alerts is spoken over DTLS once the keys are agreed on."""
        assert self._tls is not None
        try:
            self._tls.recv(1)
        except SSL.ZeroReturnError:
            self.dismissed = True
        except SSL.Error:
            return

    def _retransmit(self) -> None:
        assert self._tls is not None
        self._tls.DTLSv1_handle_timeout()
        self._flush()

    def _flush(self) -> None:
        """Send what OpenSSL wrote, one record a datagram: a memory BIO loses datagrams' edges."""
        assert self._tls is not None
        try:
            written = self._tls.bio_read(1 << 16)
        except SSL.WantReadError:
            return
        position = 0
        while position + 13 <= len(written):
            size = 13 + int.from_bytes(written[position + 11 : position + 13], "big")
            self.send(written[position : position + size])
            position += size

    def _derive(self) -> None:
        assert self._tls is not None
        profile, key, salt = _PROFILES[self._tls.get_selected_srtp_profile()]
        material = self._tls.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        client, server = material[:key], material[key : 2 * key]
        client_salt, server_salt = material[2 * key : 2 * key + salt], material[2 * key + salt :]
        self.outbound = Session(Policy(client + client_salt, Policy.SSRC_ANY_OUTBOUND, 0, profile))
        self.inbound = Session(Policy(server + server_salt, Policy.SSRC_ANY_INBOUND, 0, profile))
        self._connected.set()
