"""RTCP is read and written so that another implementation agrees."""

from __future__ import annotations

import contextlib

from aiortc.rtp import (
    RtcpByePacket,
    RtcpPacket,
    RtcpPsfbPacket,
    RtcpReceiverInfo,
    RtcpRrPacket,
    RtcpRtpfbPacket,
    RtcpSdesPacket,
    RtcpSenderInfo,
    RtcpSrPacket,
    pack_remb_fci,
    unpack_remb_fci,
)
from hypothesis import given
from hypothesis import strategies as st

from streaming.errors import MalformedPacket
from streaming.rtcp import (
    MAX_NACKED,
    BitrateEstimate,
    Bye,
    KeyframeRequest,
    Nack,
    ReceptionReport,
    SenderReport,
    build_bye,
    build_nack,
    build_pli,
    build_receiver_report,
    build_remb,
    build_report_block,
    build_sender_report,
    build_transport_feedback,
    parse_rtcp,
)

U32 = st.integers(0, 0xFFFFFFFF)


@given(data=st.binary(max_size=1500))
def test_arbitrary_bytes_are_parsed_or_refused(data: bytes) -> None:
    with contextlib.suppress(MalformedPacket):
        parse_rtcp(data)


@given(kind=st.sampled_from([200, 201, 202, 203, 205, 206]), count=st.integers(0, 31), words=st.binary(max_size=400))
def test_every_kind_survives_a_body_that_makes_no_sense(kind: int, count: int, words: bytes) -> None:
    body = words[: len(words) // 4 * 4]
    parse_rtcp(bytes([0x80 | count, kind]) + (len(body) // 4).to_bytes(2, "big") + body)


@given(sequences=st.sets(st.integers(0, 0xFFFF), min_size=1, max_size=100))
def test_nack_names_exactly_what_is_missing(sequences: set[int]) -> None:
    asked = sorted(sequences)
    assert parse_rtcp(build_nack(1, 2, asked)) == [Nack(2, tuple(asked))]
    foreign = RtcpPacket.parse(build_nack(1, 2, asked))[0]
    assert isinstance(foreign, RtcpRtpfbPacket)
    assert sorted(foreign.lost) == asked


def test_nack_wraps_with_the_sequence_number() -> None:
    assert parse_rtcp(build_nack(1, 2, [65_534, 65_535, 0, 3])) == [Nack(2, (65_534, 65_535, 0, 3))]


def test_a_nack_of_everything_is_cut_to_a_bound() -> None:
    (nack,) = parse_rtcp(build_nack(1, 2, range(5000)))
    assert isinstance(nack, Nack)
    assert len(nack.sequences) == MAX_NACKED


@given(bitrate_bps=st.integers(1, 10**10), ssrcs=st.lists(U32, max_size=4))
def test_remb_is_understood_elsewhere_and_here(bitrate_bps: int, ssrcs: list[int]) -> None:
    built = build_remb(1, bitrate_bps, ssrcs)
    foreign = RtcpPacket.parse(built)[0]
    assert isinstance(foreign, RtcpPsfbPacket)
    assert unpack_remb_fci(foreign.fci)[1] == ssrcs
    (estimate,) = parse_rtcp(bytes(RtcpPsfbPacket(15, 1, 0, pack_remb_fci(bitrate_bps, ssrcs))))
    assert isinstance(estimate, BitrateEstimate)
    assert abs(estimate.bitrate_bps - bitrate_bps) <= bitrate_bps / 2**17


def test_keyframe_requests_of_both_kinds_are_read() -> None:
    fir = RtcpPsfbPacket(4, 1, 0, (77).to_bytes(4, "big") + b"\x01\x00\x00\x00")
    assert parse_rtcp(build_pli(1, 55) + bytes(fir)) == [KeyframeRequest(55), KeyframeRequest(77)]
    foreign = RtcpPacket.parse(build_pli(1, 55))[0]
    assert isinstance(foreign, RtcpPsfbPacket)
    assert (foreign.fmt, foreign.media_ssrc) == (1, 55)


def test_sender_report_is_understood_elsewhere() -> None:
    report, description = RtcpPacket.parse(build_sender_report(9, 3_900_000_000.5, 1234, 5, 600, "name"))
    assert isinstance(report, RtcpSrPacket)
    assert isinstance(description, RtcpSdesPacket)
    info = report.sender_info
    assert info.ntp_timestamp == (3_900_000_000 << 32) | 1 << 31
    assert (info.rtp_timestamp, info.packet_count, info.octet_count) == (1234, 5, 600)
    assert description.chunks[0].items == [(1, b"name")]


def test_a_foreign_sender_report_is_read() -> None:
    info = RtcpSenderInfo(ntp_timestamp=(1000 << 32) | 1 << 30, rtp_timestamp=77, packet_count=1, octet_count=2)
    (report,) = parse_rtcp(bytes(RtcpSrPacket(ssrc=5, sender_info=info)))
    assert report == SenderReport(5, 1000.25, (1000 << 16) | 1 << 14, 77)


@given(lost=st.integers(-(1 << 25), 1 << 25), fraction=st.integers(0, 255), highest=U32, jitter=U32)
def test_reception_reports_agree_with_another_implementation(
    lost: int, fraction: int, highest: int, jitter: int
) -> None:
    block = build_report_block(3, fraction, lost, highest, jitter, 0, 0.0)
    (foreign,) = RtcpPacket.parse(build_receiver_report(1, [block]))
    assert isinstance(foreign, RtcpRrPacket)
    clamped = max(-(1 << 23), min(lost, (1 << 23) - 1))
    expected = RtcpReceiverInfo(3, fraction, clamped, highest, jitter, 0, 0)
    assert foreign.reports == [expected]
    assert parse_rtcp(bytes(foreign)) == [ReceptionReport(3, fraction, clamped, highest, jitter)]


def test_goodbye_names_its_streams() -> None:
    (foreign,) = RtcpPacket.parse(build_bye([4, 5]))
    assert isinstance(foreign, RtcpByePacket)
    assert foreign.sources == [4, 5]
    assert parse_rtcp(build_bye([4, 5])) == [Bye((4, 5))]


def test_transport_feedback_is_padded_to_whole_words() -> None:
    (foreign,) = RtcpPacket.parse(build_transport_feedback(1, 2, b"\x00" * 9))
    assert isinstance(foreign, RtcpRtpfbPacket)
    assert foreign.fmt == 15
