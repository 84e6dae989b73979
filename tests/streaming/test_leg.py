"""The leg's messages: what goes in comes out, numbers are given anew, and no message crashes the other end."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streaming.errors import MalformedPacket
from streaming.ingest import Source, described_source
from streaming.leg import LegReceiver, LegSender
from streaming.rtp import RtpPacket
from streaming.sdp_negotiation import CodecId
from streaming.sender_reports import TimestampAnchor

VP8, H264 = CodecId("VP8"), CodecId("H264", "42e0")


def carried(sender: LegSender, receiver: LegReceiver, source: Source, packet: RtpPacket) -> tuple[Source, RtpPacket]:
    """Send one packet over at the times 10 here and 500 there."""
    taken = [receiver.take(message, 500.0) for message in sender.messages(source, packet, 10.0)]
    assert taken[-1] is not None
    assert taken[:-1] == [None] * (len(taken) - 1)
    return taken[-1]


@given(
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.binary(max_size=1_500),
    st.booleans(),
    st.sampled_from([None, 0, 1, 2]),
)
def test_a_packet_is_the_same_at_the_other_end(
    sequence: int, timestamp: int, ssrc: int, payload: bytes, marker: bool, layer: int | None
) -> None:
    source = described_source(ssrc, "video", VP8, 90_000, layer)
    over, packet = carried(
        LegSender(), LegReceiver(), source, RtpPacket(96, sequence, timestamp, ssrc, payload, marker=marker)
    )
    assert (over.ssrc, over.kind, over.codec, over.clock_rate, over.layer) == (ssrc, "video", VP8, 90_000, layer)
    assert (packet.sequence, packet.timestamp, packet.payload, packet.marker) == (sequence, timestamp, payload, marker)


def test_a_source_is_described_once_and_again_when_its_codec_or_clock_changes() -> None:
    sender, receiver, source = LegSender(), LegReceiver(), described_source(1, "video", VP8, 90_000)
    packet = RtpPacket(96, 1, 2, 1, b"x")
    over, _ = carried(sender, receiver, source, packet)
    assert len(sender.messages(source, packet, 10.0)) == 1
    source.codec, source.anchor = H264, TimestampAnchor(3_900_000_000.0, 77, 9.5, 90_000)
    again, _ = carried(sender, receiver, source, packet)
    assert again is over
    assert over.codec == H264
    assert over.anchor is not None
    assert over.anchor.at(500.0) == source.anchor.at(10.0)


def test_publishers_may_come_and_go_for_ever() -> None:
    sender, receiver = LegSender(), LegReceiver()
    for ssrc in range(300):
        kind, rate = ("video", 90_000) if ssrc % 2 else ("audio", 48_000)
        source = described_source(ssrc, kind, VP8, rate)
        over, packet = carried(sender, receiver, source, RtpPacket(96, 1, 2, ssrc, b"x"))
        assert (over.ssrc, over.kind, over.clock_rate, packet.ssrc) == (ssrc, kind, rate, ssrc)


@pytest.mark.parametrize(
    "nonsense", ["", "{}", '{"index":0}', "[1]", b"", b"\x00" * 7, b"\x05" * 20, '{"index":99,"ssrc":1,"kind":"video"}']
)
def test_what_is_no_message_is_malformed(nonsense: str | bytes) -> None:
    with pytest.raises(MalformedPacket):
        LegReceiver().take(nonsense, 0.0)


@given(st.lists(st.one_of(st.binary(max_size=64), st.text(max_size=64)), max_size=20))
def test_arbitrary_messages_end_the_leg_and_nothing_else(messages: list[str | bytes]) -> None:
    receiver = LegReceiver()
    for message in messages:
        with contextlib.suppress(MalformedPacket):
            receiver.take(message, 0.0)
