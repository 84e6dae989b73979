"""The native writer's SRTP against the vectors of RFC 3711 appendix B.3 and RFC 7714 sections 16 and 17."""

from __future__ import annotations

from typing import Any

import pytest

from streaming.native.extension import Binding
from streaming.srtp_pylibsrtp import SrtpProfile
from tests.streaming.native_binding import native_binding

SALT = b"Quid pro quo"
PLAIN_RTP = bytes.fromhex("8040f17b8041f8d35501a0b2") + b"Gallia est omnis divisa in partes tres"
SEALED_RTP = {
    SrtpProfile.AEAD_AES_128_GCM: "f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833"
    "899d7f27beb16a9152cf765ee4390cce",
    SrtpProfile.AEAD_AES_256_GCM: "32b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b"
    "7aa3db36dfffd6b0f9bb7878d7a76c13",
}
PLAIN_RTCP = bytes.fromhex(
    "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61deadbeefdeadbeefdeadbeefdeadbeefdeadbeef"
)
SEALED_RTCP = {
    SrtpProfile.AEAD_AES_128_GCM: "63e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded"
    "0bb9275bc84aa45896cf4d2fc5abf87245d9eade800005d4",
    SrtpProfile.AEAD_AES_256_GCM: "d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de047"
    "6f1b6fad1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
}


@pytest.fixture
def binding() -> Binding:
    return native_binding()


def gcm_peer(binding: Binding, profile: SrtpProfile) -> Any:
    ffi, lib = binding.ffi, binding.lib
    session, key = ffi.new("wc_session_keys *"), bytes(range(16 if profile is SrtpProfile.AEAD_AES_128_GCM else 32))
    for name, value in (("rtp_key", key), ("rtcp_key", key), ("rtp_salt", SALT), ("rtcp_salt", SALT)):
        ffi.buffer(getattr(session, name))[: len(value)] = value
    return ffi.gc(lib.wc_peer_new(profile.value, session), lib.wc_peer_free)


def test_session_keys_are_derived_as_in_rfc_3711_b_3(binding: Binding) -> None:
    master = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6")
    session = binding.ffi.new("wc_session_keys *")
    assert binding.lib.wc_derive(SrtpProfile.AES128_CM_SHA1_80.value, master, len(master), session) == 0
    assert bytes(session.rtp_key)[:16].hex() == "c61e7a93744f39ee10734afe3ff7a087"
    assert bytes(session.rtp_salt).hex() == "30cbbc08863d8c85d49db34a9ae1"
    assert bytes(session.rtp_auth).hex() == "cebe321f6ff7716b6fd4ab49af256a156d38baa4"


@pytest.mark.parametrize("profile", list(SEALED_RTP))
def test_rtp_is_sealed_as_in_rfc_7714_16(binding: Binding, profile: SrtpProfile) -> None:
    peer, out = gcm_peer(binding, profile), binding.ffi.new("uint8_t[]", binding.lib.WC_SLOT_BYTES)
    size = binding.lib.wc_protect_rtp(peer, PLAIN_RTP, len(PLAIN_RTP), out)
    assert bytes(binding.ffi.buffer(out, size)) == PLAIN_RTP[:12] + bytes.fromhex(SEALED_RTP[profile])


@pytest.mark.parametrize("profile", list(SEALED_RTCP))
def test_rtcp_is_sealed_as_in_rfc_7714_17(binding: Binding, profile: SrtpProfile) -> None:
    peer, out = gcm_peer(binding, profile), binding.ffi.new("uint8_t[]", binding.lib.WC_SLOT_BYTES)
    size = -1
    for _ in range(0x5D4):  # the vector is the packet with this SRTCP index
        size = binding.lib.wc_protect_rtcp(peer, PLAIN_RTCP, len(PLAIN_RTCP), out)
    assert bytes(binding.ffi.buffer(out, size)) == PLAIN_RTCP[:8] + bytes.fromhex(SEALED_RTCP[profile])


def test_keys_of_a_wrong_length_or_profile_are_refused(binding: Binding) -> None:
    session = binding.ffi.new("wc_session_keys *")
    for profile, size in ((1, 28), (7, 30), (8, 28), (7, 0), (2, 30), (99, 28), (-1, 28)):
        assert binding.lib.wc_derive(profile, bytes(size), size, session) == -1
    assert binding.lib.wc_peer_new(99, session) == binding.ffi.NULL


def test_a_peer_has_room_for_eight_sources_and_refuses_the_ninth(binding: Binding) -> None:
    peer = gcm_peer(binding, SrtpProfile.AEAD_AES_128_GCM)
    made = [binding.lib.wc_stream_of(peer, ssrc) for ssrc in range(binding.lib.WC_MAX_STREAMS)]
    assert binding.ffi.NULL not in made
    assert binding.lib.wc_stream_of(peer, 3) == made[3]
    assert binding.lib.wc_stream_of(peer, 1000) == binding.ffi.NULL


def test_an_address_of_neither_kind_is_refused(binding: Binding) -> None:
    peer = gcm_peer(binding, SrtpProfile.AEAD_AES_128_GCM)
    assert [binding.lib.wc_peer_address(peer, bytes(n), n, 9, 0, 0) for n in (0, 3, 4, 5, 16, 17)] == [
        -1, -1, 0, -1, 0, -1,
    ]  # fmt: skip
