"""What a publisher sends is sorted, repaired and answered; what makes no sense goes no further."""

from __future__ import annotations

import contextlib
import struct

from aiortc.rtp import RtcpPacket, RtcpRtpfbPacket, RtcpSenderInfo, RtcpSrPacket
from hypothesis import given
from hypothesis import strategies as st

from streaming.errors import MalformedPacket
from streaming.ingest import MAX_SOURCES, Ingest
from streaming.rtcp import Nack, parse_rtcp
from streaming.rtp import serialize_rtp
from streaming.sdp_negotiation import REPAIRED_RID, RID, TRANSPORT_CC, negotiate_publisher
from streaming.sdp_offer import parse_offer
from tests.streaming.test_sdp_answer import PUBLISHER, SIMULCAST

NEGOTIATION = negotiate_publisher(parse_offer(PUBLISHER))
VIDEO = NEGOTIATION.media[1]
VP8 = VIDEO.codecs[0].payload_type
RTX = VIDEO.codecs[0].rtx_payload_type or 0
OPUS = NEGOTIATION.media[0].codecs[0].payload_type


def ingest() -> Ingest:
    return Ingest(NEGOTIATION, own_ssrc=1, max_bitrate_bps=6_000_000)


def video(sequence: int, payload: bytes = b"frame", ssrc: int = 7) -> bytes:
    return serialize_rtp(VP8, sequence, sequence * 3000 & 0xFFFFFFFF, ssrc, payload)


def rtx(original: int, payload: bytes = b"frame", ssrc: int = 8) -> bytes:
    return serialize_rtp(RTX, 1, 0, ssrc, original.to_bytes(2, "big") + payload)


@given(data=st.binary(max_size=1600), known=st.booleans())
def test_arbitrary_packets_are_forwarded_or_refused(data: bytes, known: bool) -> None:
    taken = ingest()
    if known:
        data = bytes([0x90, VP8]) + data
    with contextlib.suppress(MalformedPacket):
        taken.receive(data, 0.0)
    taken.receive_rtcp(data, 0.0, 0.0)
    taken.frequent_feedback(0.0)
    taken.reports(0.0)


def test_audio_and_video_are_told_apart_by_payload_type() -> None:
    taken = ingest()
    first = taken.receive(video(1), 0.0)
    second = taken.receive(serialize_rtp(OPUS, 1, 1, 9, b"sound"), 0.0)
    assert first is not None
    assert second is not None
    assert (first[0].kind, first[0].codec.name, second[0].kind, second[0].codec.name) == (
        "video",
        "VP8",
        "audio",
        "opus",
    )


def test_a_payload_type_nobody_negotiated_is_dropped() -> None:
    assert ingest().receive(serialize_rtp(1, 1, 1, 7, b"x"), 0.0) is None


def test_a_missing_packet_is_asked_for_and_taken_from_rtx() -> None:
    taken = ingest()
    for sequence in (65_535, 1):
        taken.receive(video(sequence), 0.0)
    (nack,) = [m for compound in taken.frequent_feedback(0.05) for m in parse_rtcp(compound) if isinstance(m, Nack)]
    assert nack == Nack(7, (0,))
    repaired = taken.receive(rtx(0), 0.1)
    assert repaired is not None
    assert (repaired[1].sequence, repaired[1].ssrc, repaired[1].payload) == (0, 7, b"frame")
    assert taken.frequent_feedback(0.3) == []


def test_padding_on_rtx_is_dropped_and_counts_for_nothing() -> None:
    taken = ingest()
    taken.receive(video(1), 0.0)
    assert taken.receive(rtx(1, b""), 0.0) is None
    assert taken.receive(serialize_rtp(RTX, 1, 0, 8, b""), 0.0) is None
    assert taken.padding_packets == 2


def test_rtx_before_any_media_has_nowhere_to_go() -> None:
    assert ingest().receive(rtx(1), 0.0) is None


def test_a_publisher_cannot_make_up_sources_without_end() -> None:
    taken = ingest()
    forwarded = sum(taken.receive(video(1, ssrc=ssrc), 0.0) is not None for ssrc in range(1, 1000))
    assert forwarded == MAX_SOURCES


def test_every_packet_is_reported_in_transport_wide_feedback() -> None:
    taken, identifier = ingest(), VIDEO.extensions[TRANSPORT_CC]
    for sequence in (10, 11, 13):
        extension = struct.pack("!HHBHB", 0xBEDE, 1, identifier << 4 | 1, sequence, 0)
        packet = video(sequence)
        taken.receive(bytes([packet[0] | 0x10]) + packet[1:12] + extension + packet[12:], sequence / 100)
    compound = taken.frequent_feedback(1.0)[0]
    (feedback,) = RtcpPacket.parse(compound)
    assert isinstance(feedback, RtcpRtpfbPacket)
    assert (feedback.fmt, feedback.media_ssrc) == (15, 7)
    assert struct.unpack_from("!HH", compound, 12) == (10, 4)


def test_a_sender_report_anchors_its_source_and_no_other() -> None:
    taken = ingest()
    received = taken.receive(video(1), 0.0)
    assert received is not None
    source = received[0]
    info = RtcpSenderInfo(ntp_timestamp=5000 << 32, rtp_timestamp=77, packet_count=1, octet_count=1)
    taken.receive_rtcp(bytes(RtcpSrPacket(ssrc=99, sender_info=info)), 1.0, 100.0)
    anchors = [source.anchor]
    taken.receive_rtcp(bytes(RtcpSrPacket(ssrc=7, sender_info=info)), 1.0, 100.0)
    anchors.append(source.anchor)
    assert [anchor and anchor.rtp_timestamp for anchor in anchors] == [None, 77]


def test_a_gap_too_large_to_repair_asks_for_a_keyframe() -> None:
    taken = ingest()
    taken.receive(video(1), 0.0)
    taken.receive(video(2000), 0.0)
    assert taken.unrepairable
    assert taken.keyframe_request([None]) is not None


LAYERED = negotiate_publisher(parse_offer(SIMULCAST))
LAYERED_VIDEO = LAYERED.media[1]
LAYERED_VP8, LAYERED_RTX = LAYERED_VIDEO.codecs[0].payload_type, LAYERED_VIDEO.codecs[0].rtx_payload_type or 0


def layered() -> Ingest:
    return Ingest(LAYERED, own_ssrc=1, max_bitrate_bps=6_000_000)


def with_rid(packet: bytes, uri: str, rid: bytes) -> bytes:
    """Put one header extension into a packet that has none."""
    element = bytes([LAYERED_VIDEO.extensions[uri] << 4 | len(rid) - 1]) + rid
    element += bytes(-len(element) % 4)
    return (
        bytes([packet[0] | 0x10]) + packet[1:12] + struct.pack("!HH", 0xBEDE, len(element) // 4) + element + packet[12:]
    )


def layer_packet(sequence: int, ssrc: int, payload: bytes = b"frame") -> bytes:
    return serialize_rtp(LAYERED_VP8, sequence, sequence * 3000, ssrc, payload)


def test_layers_are_told_apart_by_rid_and_remembered_by_ssrc() -> None:
    taken = layered()
    for layer, rid in enumerate((b"q", b"h", b"f")):
        named = taken.receive(with_rid(layer_packet(1, 50 + layer), RID, rid), 0.0)
        bare = taken.receive(layer_packet(2, 50 + layer), 0.0)
        assert [received and received[0].layer for received in (named, bare)] == [layer, layer]
    assert taken.receive(layer_packet(1, 90), 0.0) is None
    assert taken.receive(with_rid(layer_packet(1, 91), RID, b"x"), 0.0) is None
    assert taken.receive(with_rid(layer_packet(1, 92), RID, b"\xff"), 0.0) is None


def test_repairs_find_their_layer_by_repaired_rid_and_later_without_it() -> None:
    taken = layered()
    for layer, rid in enumerate((b"q", b"h")):
        taken.receive(with_rid(layer_packet(1, 50 + layer), RID, rid), 0.0)
    repair = serialize_rtp(LAYERED_RTX, 1, 0, 61, b"\x00\x05frame")
    assert taken.receive(repair, 0.0) is None
    for packet in (with_rid(repair, REPAIRED_RID, b"h"), repair):
        received = taken.receive(packet, 0.0)
        assert received is not None
        assert (received[0].ssrc, received[0].layer, received[1].sequence) == (51, 1, 5)


def test_a_keyframe_is_asked_of_the_layers_that_want_one() -> None:
    taken = layered()
    for layer, rid in enumerate((b"q", b"h", b"f")):
        taken.receive(with_rid(layer_packet(1, 50 + layer), RID, rid), 0.0)
    asked = [parse_rtcp(taken.keyframe_request(layers) or b"") for layers in ([1], [0, 2], [None], [7])]
    assert [[one.media_ssrc for one in requests] for requests in asked] == [[51], [50, 52], [50, 51, 52], []]  # type: ignore[union-attr]


def test_what_is_beyond_the_limit_is_shed_picture_first_and_not_reported_as_received() -> None:
    taken = Ingest(NEGOTIATION, own_ssrc=1, max_bitrate_bps=1_000_000)
    passed, heard = 0, 0
    for tick in range(1000):
        now_s = tick / 100
        passed += sum(taken.receive(video(10 * tick + i, bytes(1000)), now_s) is not None for i in range(10))
        heard += taken.receive(serialize_rtp(OPUS, tick, 960 * tick, 9, bytes(80)), now_s) is not None
    assert heard == 1000
    assert 1.0 * 10_000_000 < passed * 1012 * 8 < 1.5 * 10_000_000
    assert taken.limit.shedding
    assert not taken.limit.calmed(11.0)
    assert taken.limit.calmed(12.5)
    assert not taken.limit.shedding


def test_a_publisher_within_its_limit_loses_nothing_to_its_keyframes() -> None:
    taken = Ingest(NEGOTIATION, own_ssrc=1, max_bitrate_bps=1_000_000)
    for second in range(10):
        burst = [taken.receive(video(100 * second + i, bytes(1000)), float(second)) for i in range(90)]
        assert all(burst)
    assert not taken.limit.shedding


def test_nothing_is_asked_again_while_a_publisher_sends_too_much() -> None:
    taken = Ingest(NEGOTIATION, own_ssrc=1, max_bitrate_bps=100_000)
    for sequence in (*range(10), *range(15, 40)):
        taken.receive(video(sequence, bytes(1000)), 0.0)
    assert taken.limit.shedding
    assert not [m for compound in taken.frequent_feedback(0.1) for m in parse_rtcp(compound) if isinstance(m, Nack)]
