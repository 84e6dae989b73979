"""DTLS-SRTP as the server's side, pumped datagram by datagram: no task and, after the handshake, no SSL object. No I/O.

pyOpenSSL on memory BIOs. One certificate and one context serve the whole process, which is a third of a handshake's
cost; a shared context is frozen by its first connection. When keys are agreed the SSL object (85 KB) goes: kept are
the last flight, for a client that lost it, a close_notify made in advance, and the keys that read the client's.
"""

from __future__ import annotations

import datetime
import logging
import secrets
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL

from streaming.dtls_records import ALERT, READABLE_CIPHER, ClosingKeys, pack_records, split_records
from streaming.srtp_pylibsrtp import SrtpKeys, SrtpProfile

logger = logging.getLogger(__name__)

_DATAGRAM_BYTES = 1200
_BIO_BYTES = 1 << 16
_MAX_RESENDS = 10
"""How often a lost last flight is sent again; a stranger who forges the address gains nothing by asking."""
_CERTIFICATE_DAYS = 30
_PROFILES = {
    b"SRTP_AEAD_AES_128_GCM": (SrtpProfile.AEAD_AES_128_GCM, 16, 12),
    b"SRTP_AES128_CM_SHA1_80": (SrtpProfile.AES128_CM_SHA1_80, 16, 14),
    b"SRTP_AEAD_AES_256_GCM": (SrtpProfile.AEAD_AES_256_GCM, 32, 12),
}
"""By preference, with key and salt length. AES-128-GCM first: one pass over the packet with AES-NI."""
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha-256": hashes.SHA256(),
    "sha-384": hashes.SHA384(),
    "sha-512": hashes.SHA512(),
}
_CIPHERS = b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA"


class SharedCertificate:
    """A self-signed P-256 certificate and the context that all connections share."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self.sha256_fingerprint = certificate.fingerprint(hashes.SHA256()).hex(":").upper()
        self.context = SSL.Context(SSL.DTLS_METHOD)
        self.context.set_options(SSL.OP_NO_TICKET | SSL.OP_CIPHER_SERVER_PREFERENCE)
        self.context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
        # Any certificate passes here: the offer's fingerprint, not an authority, says who the peer is (RFC 5763 §5).
        self.context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: True)
        self.context.use_certificate(certificate)
        self.context.use_privatekey(key)
        self.context.set_cipher_list(_CIPHERS)
        self.context.set_tlsext_use_srtp(b":".join(_PROFILES))


def generate_certificate() -> SharedCertificate:
    """Make a fresh certificate, valid for 30 days."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, secrets.token_hex(16))])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_CERTIFICATE_DAYS))
    )
    return SharedCertificate(key, builder.sign(key, hashes.SHA256()))


class DtlsServer:
    """One association in which the peer is the client; all calls return at once.

    `send` gets datagrams for the peer. `established` is called once, with keys or with None where the handshake failed
    or the fingerprint did not match; `closed` once if the peer closes after that.
    """

    __slots__ = (
        "_closed",
        "_closing_keys",
        "_established",
        "_farewell",
        "_fingerprints",
        "_last_flight",
        "_resends",
        "_send",
        "_tls",
    )

    def __init__(
        self,
        certificate: SharedCertificate,
        fingerprints: tuple[tuple[str, str], ...],
        send: Callable[[bytes], None],
        established: Callable[[SrtpKeys | None], None],
        closed: Callable[[], None],
    ) -> None:
        self._fingerprints = fingerprints
        self._send = send
        self._established: Callable[[SrtpKeys | None], None] | None = established
        self._closed: Callable[[], None] | None = closed
        self._closing_keys: ClosingKeys | None = None
        self._last_flight: list[bytes] = []
        self._farewell: list[bytes] = []
        self._resends = 0
        self._tls: SSL.Connection | None = SSL.Connection(certificate.context, None)
        self._tls.set_ciphertext_mtu(_DATAGRAM_BYTES)
        self._tls.set_accept_state()

    def receive(self, datagram: bytes) -> None:
        """Take a DTLS datagram from the port."""
        records = split_records(datagram)
        if self._established is not None:
            self._handshake(records)
        elif self._tls is not None:
            self._read(records)
        elif self._closing_keys is not None:
            self._after_release(self._closing_keys, records)

    def retransmit(self) -> None:
        """Send a flight again whose answer is overdue; called by the clock while the handshake goes on."""
        if self._tls is not None and self._established is not None:
            try:
                self._tls.DTLSv1_handle_timeout()
            except SSL.Error:
                self._conclude(None)  # OpenSSL has sent the flight often enough
                return
            self._flush()

    def stop(self) -> None:
        """Send close_notify and free everything; no callback follows."""
        self._established = self._closed = self._closing_keys = None
        if self._tls is not None:
            self._farewell = self._say_goodbye(self._tls)
            self._tls = None
        for datagram in self._farewell:
            self._send(datagram)
        self._farewell = []

    def _handshake(self, records: list[bytes]) -> None:
        assert self._tls is not None, "the SSL object lives until the handshake has ended"
        for record in records:
            self._tls.bio_write(record)
        try:
            self._tls.do_handshake()
        except SSL.WantReadError:
            self._flush()
            return
        except SSL.Error as error:
            logger.debug("DTLS handshake failed: %s", error)
            self._flush()
            self._conclude(None)
            return
        self._last_flight = self._flush()
        keys = self._export(self._tls)
        if keys is not None:
            self._release(self._tls)
        self._conclude(keys)

    def _conclude(self, keys: SrtpKeys | None) -> None:
        established, self._established = self._established, None
        if established is not None:
            established(keys)

    def _export(self, tls: SSL.Connection) -> SrtpKeys | None:
        """Derive the SRTP keys (RFC 5764 §4.2), if the certificate is the one that the offer named."""
        profile = _PROFILES.get(tls.get_selected_srtp_profile())
        certificate = tls.get_peer_certificate(as_cryptography=True)
        if profile is None or certificate is None or not self._is_offered(certificate):
            return None
        name, key, salt = profile
        material = tls.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * (key + salt))
        salts = 2 * key
        return SrtpKeys(
            name,
            outbound=material[key:salts] + material[salts + salt :],
            inbound=material[:key] + material[salts : salts + salt],
        )

    def _is_offered(self, certificate: x509.Certificate) -> bool:
        return any(
            certificate.fingerprint(_HASHES[algorithm]).hex(":").upper() == value.upper()
            for algorithm, value in self._fingerprints
            if algorithm in _HASHES
        )

    def _release(self, tls: SSL.Connection) -> None:
        """Let the SSL object go; a client with a cipher suite we cannot read keeps it."""
        client_random, server_random = tls.client_random(), tls.server_random()
        if tls.get_cipher_name() != READABLE_CIPHER or client_random is None or server_random is None:
            return
        self._closing_keys = ClosingKeys(tls.master_key() or b"", client_random, server_random)
        self._farewell = self._say_goodbye(tls)
        self._tls = None

    @staticmethod
    def _say_goodbye(tls: SSL.Connection) -> list[bytes]:
        try:
            tls.shutdown()
            return pack_records(tls.bio_read(_BIO_BYTES), _DATAGRAM_BYTES)
        except SSL.Error:
            return []

    def _after_release(self, keys: ClosingKeys, records: list[bytes]) -> None:
        if any(keys.closes(record) for record in records):
            self._note_closed()
        elif records and records[0][0] != ALERT and self._resends < _MAX_RESENDS:
            self._resends += 1
            for datagram in self._last_flight:
                self._send(datagram)

    def _read(self, records: list[bytes]) -> None:
        assert self._tls is not None
        for record in records:
            self._tls.bio_write(record)
        try:
            while True:  # to the last byte, or OpenSSL would keep what a peer sends that is none of DTLS-SRTP's
                self._tls.recv(_BIO_BYTES)
        except SSL.WantReadError:
            self._flush()
        except SSL.Error:
            self._note_closed()

    def _note_closed(self) -> None:
        closed, self._closed = self._closed, None
        if closed is not None:
            closed()

    def _flush(self) -> list[bytes]:
        """Send what OpenSSL wrote; returns the datagrams."""
        assert self._tls is not None
        try:
            datagrams = pack_records(self._tls.bio_read(_BIO_BYTES), _DATAGRAM_BYTES)
        except SSL.WantReadError:
            return []
        for datagram in datagrams:
            self._send(datagram)
        return datagrams
