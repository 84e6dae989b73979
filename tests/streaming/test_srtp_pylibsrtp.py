"""What one peer may send under: an honest session's SSRCs, and no more of a hostile one's than is bounded."""

from __future__ import annotations

import os

import pytest
from pylibsrtp import Policy, Session

from streaming.srtp_pylibsrtp import MAX_INBOUND_SSRCS, InboundSrtp, SrtpKeys, SrtpProfile

KEYS = SrtpKeys(SrtpProfile.AEAD_AES_128_GCM, os.urandom(28), os.urandom(28))


def sender() -> Session:
    policy = Policy(key=KEYS.inbound, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=KEYS.profile.value)
    return Session(policy)


def rtp(ssrc: int, sequence: int) -> bytes:
    return bytes([0x80, 96]) + sequence.to_bytes(2, "big") + bytes(4) + ssrc.to_bytes(4, "big") + b"payload"


def rtcp(ssrc: int) -> bytes:
    return bytes([0x80, 201, 0, 1]) + ssrc.to_bytes(4, "big")


@pytest.mark.parametrize("kind", ["rtp", "rtcp"])
def test_ssrcs_without_end_neither_grow_nor_slow_the_session_and_known_ones_are_heard(kind: str) -> None:
    inbound, session = InboundSrtp(KEYS), sender()
    heard = 0
    for ssrc in range(1, 4 * MAX_INBOUND_SSRCS):
        if kind == "rtp":
            heard += inbound.unprotect_rtp(session.protect(rtp(ssrc, 1))) is not None
        else:
            heard += inbound.unprotect_rtcp(session.protect_rtcp(rtcp(ssrc))) is not None
    assert heard == MAX_INBOUND_SSRCS
    assert inbound.unprotect_rtp(session.protect(rtp(1, 2))) is not None
    assert inbound.unprotect_rtcp(session.protect_rtcp(rtcp(1))) is not None


def test_a_stranger_cannot_use_up_the_ssrcs_of_a_peer() -> None:
    inbound = InboundSrtp(KEYS)
    for ssrc in range(1, 4 * MAX_INBOUND_SSRCS):
        assert inbound.unprotect_rtp(rtp(ssrc, 1) + os.urandom(16)) is None
    assert inbound.unprotect_rtp(sender().protect(rtp(9_999, 1))) is not None
