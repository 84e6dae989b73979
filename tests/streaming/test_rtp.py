"""RTP is read as RFC 3550 lays it out, and lies about lengths harm nobody."""

from __future__ import annotations

import contextlib
import struct

import pytest
from aiortc.rtcrtpparameters import RTCRtpHeaderExtensionParameters, RTCRtpParameters
from aiortc.rtp import HeaderExtensions, HeaderExtensionsMap
from aiortc.rtp import RtpPacket as ForeignPacket
from aiortc.rtp import wrap_rtx as foreign_wrap_rtx
from hypothesis import given
from hypothesis import strategies as st

from streaming.errors import MalformedPacket
from streaming.rtp import header_extensions, is_rtcp, parse_rtp, serialize_rtp, unwrap_rtx
from streaming.sdp_negotiation import MID, TRANSPORT_CC

U16 = st.integers(0, 0xFFFF)
U32 = st.integers(0, 0xFFFFFFFF)


@given(data=st.binary(max_size=2000))
def test_arbitrary_bytes_are_parsed_or_refused(data: bytes) -> None:
    with contextlib.suppress(MalformedPacket):
        packet = parse_rtp(data)
        assert len(packet.payload) <= len(data) - 12
        list(header_extensions(packet))


@given(head=st.integers(0x80, 0xBF), rest=st.binary(min_size=11, max_size=200))
def test_lying_csrc_extension_and_padding_lengths_are_refused(head: int, rest: bytes) -> None:
    with contextlib.suppress(MalformedPacket):
        list(header_extensions(parse_rtp(bytes([head]) + rest)))


@given(
    payload_type=st.integers(0, 127), sequence=U16, timestamp=U32, ssrc=U32, payload=st.binary(), marker=st.booleans()
)
def test_what_is_built_is_what_is_read(
    payload_type: int, sequence: int, timestamp: int, ssrc: int, payload: bytes, marker: bool
) -> None:
    packet = parse_rtp(serialize_rtp(payload_type, sequence, timestamp, ssrc, payload, marker=marker))
    read = (packet.payload_type, packet.sequence, packet.timestamp, packet.ssrc, packet.payload, packet.marker)
    assert read == (payload_type, sequence, timestamp, ssrc, payload, marker)


def test_header_extensions_of_a_foreign_packet_are_found() -> None:
    packet = ForeignPacket(payload_type=96, sequence_number=7, timestamp=8, ssrc=9, payload=b"abc")
    packet.extensions = HeaderExtensions(mid="v", transport_sequence_number=4711)
    extensions = RTCRtpParameters(
        headerExtensions=[
            RTCRtpHeaderExtensionParameters(id=4, uri=MID),
            RTCRtpHeaderExtensionParameters(id=3, uri=TRANSPORT_CC),
        ]
    )
    mapping = HeaderExtensionsMap()
    mapping.configure(extensions)
    read = parse_rtp(packet.serialize(mapping))
    assert dict(header_extensions(read)) == {4: b"v", 3: struct.pack("!H", 4711)}
    assert read.payload == b"abc"


def test_padding_is_taken_off() -> None:
    packet = ForeignPacket(payload_type=96, payload=b"abc")
    packet.padding_size = 9
    assert parse_rtp(packet.serialize()).payload == b"abc"


def test_rtx_gives_back_the_packet_it_carries() -> None:
    original = ForeignPacket(payload_type=96, sequence_number=65_535, timestamp=5, ssrc=1, payload=b"abc", marker=1)
    wrapped = foreign_wrap_rtx(original, payload_type=97, sequence_number=3, ssrc=2)
    inner = unwrap_rtx(parse_rtp(wrapped.serialize()), 96, 1)
    assert inner is not None
    assert (inner.sequence, inner.ssrc, inner.payload_type) == (65_535, 1, 96)
    assert (inner.payload, inner.marker) == (b"abc", True)


@pytest.mark.parametrize("payload", [b"", b"\x00", b"\x00\x01"])
def test_rtx_that_only_pads_gives_nothing(payload: bytes) -> None:
    assert unwrap_rtx(parse_rtp(serialize_rtp(97, 1, 1, 1, payload)), 96, 1) is None


def test_rtcp_is_told_from_rtp() -> None:
    assert is_rtcp(bytes([0x80, 200]))
    assert is_rtcp(bytes([0x81, 206]))
    assert not is_rtcp(bytes([0x80, 96]))
    assert not is_rtcp(bytes([0x80, 0x80 | 111]))
