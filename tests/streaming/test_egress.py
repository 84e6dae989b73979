"""The contract of a packet writer: the pure-Python and the native one pass the same tests. Bytes and addresses."""

from __future__ import annotations

import gc
import random
import socket
from types import SimpleNamespace
from typing import Any

import pytest
from pylibsrtp import Policy, Session

from streaming.forwarding import RelayedPacket
from streaming.ice_lite import Address
from streaming.ingest import Source, _Format
from streaming.retransmission import PacketRing
from streaming.rtcp import build_nack
from streaming.rtp import RtpPacket, header_extensions, parse_rtp, serialize_rtp
from streaming.sdp_answer import AnsweringSource
from streaming.sdp_negotiation import ABS_SEND_TIME, CodecId, NegotiatedCodec, NegotiatedMedia
from streaming.srtp_pylibsrtp import SrtpProfile
from streaming.stream_relay import StreamRelay
from streaming.viewer import Viewer
from streaming.vp8_descriptor import picture_ids
from tests.streaming.writers import (
    Maker,
    NativeMaker,
    PythonMaker,
    StuffySocket,
    lane_to,
    new_keys,
    opposite,
    packet,
)

WIDE_IDS, NARROW_ID, TL0_ONLY = b"\x90\xe0\xff\xff\xff\x20", b"\x90\x80\x7f", b"\x90\x60\xff\x20"
"""VP8 payload descriptors whose numbers are about to wrap."""


@pytest.mark.parametrize("profile", list(SrtpProfile))
async def test_output_is_byte_identical_to_libsrtp_on_the_rewritten_packet(
    stuffy: StuffySocket, make: Maker, profile: SrtpProfile
) -> None:
    writer, keys = make(stuffy), new_keys(profile)
    lane = lane_to(writer, keys, ("127.0.0.1", 9))
    lane.begin(packet(1), 65_534, 0xFFFFF000)
    policy = Policy(key=keys.outbound, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile.value)
    policy.allow_repeat_tx = True
    reference = Session(policy)
    for sequence in range(1, 6):
        writer.write(packet(sequence), writer.table([lane]))
        timestamp = (0xFFFFF000 + (sequence - 1) * 3000) & 0xFFFFFFFF
        plain = serialize_rtp(96, (65_533 + sequence) & 0xFFFF, timestamp, 7, b"payload", marker=True)
        assert stuffy.sent[-1][0] == reference.protect(plain)


@pytest.mark.parametrize("profile", list(SrtpProfile))
async def test_a_receiver_follows_across_the_roll_over(stuffy: StuffySocket, make: Maker, profile: SrtpProfile) -> None:
    writer, keys = make(stuffy), new_keys(profile)
    lane = lane_to(writer, keys, ("127.0.0.1", 9))
    lane.begin(packet(1), 30_000, 0)
    inbound = opposite(keys)
    for sequence in range(1, 140_000, 997):
        writer.write(packet(sequence), writer.table([lane]))
        plain = inbound.unprotect_rtp(stuffy.sent[-1][0])
        assert plain is not None
        assert parse_rtp(plain).sequence == (29_999 + sequence) & 0xFFFF


async def test_every_viewer_gets_its_own_header_and_keys(stuffy: StuffySocket, make: Maker) -> None:
    writer = make(stuffy)
    keys = [new_keys() for _ in range(5)]
    lanes = [lane_to(writer, k, ("127.0.0.1", 100 + i), ssrc=50 + i) for i, k in enumerate(keys)]
    for index, lane in enumerate(lanes):
        lane.payload_type = 96 + index
        lane.begin(packet(1), 1000 * index, index)
    writer.write(packet(1), writer.table(lanes))
    for index, (data, address) in enumerate(stuffy.sent):
        plain = opposite(keys[index]).unprotect_rtp(data)
        assert plain is not None
        seen = parse_rtp(plain)
        assert address == ("127.0.0.1", 100 + index)
        assert (seen.ssrc, seen.payload_type, seen.sequence) == (50 + index, 96 + index, 1000 * index)
        assert (seen.timestamp, seen.payload, seen.marker) == (index, b"payload", True)
    assert [(lane.packets, lane.octets) for lane in lanes] == [(1, 7)] * 5


async def test_a_packet_too_long_for_the_buffer_is_dropped_and_counted(stuffy: StuffySocket, make: Maker) -> None:
    writer = make(stuffy)
    lane = lane_to(writer, new_keys(), ("127.0.0.1", 9))
    writer.write(packet(1, bytes(65_000)), writer.table([lane]))
    writer.write_rtp(lane.peer, bytes(65_000))
    assert stuffy.sent == []
    assert writer.counters.dropped == 2


async def test_a_new_address_holds_from_the_next_packet_on(stuffy: StuffySocket, make: Maker) -> None:
    writer = make(stuffy)
    lane = lane_to(writer, new_keys(), ("127.0.0.1", 9))
    writer.write(packet(1), writer.table([lane]))
    lane.peer.address = ("127.0.0.2", 10)
    writer.write(packet(2), writer.table([lane]))
    assert [address for _, address in stuffy.sent] == [("127.0.0.1", 9), ("127.0.0.2", 10)]


async def test_rtcp_is_protected_for_the_peer(stuffy: StuffySocket, make: Maker) -> None:
    writer, keys = make(stuffy), new_keys()
    peer = writer.attach(keys, ("127.0.0.1", 9))
    compound = bytes([0x80, 201, 0, 1, 0, 0, 0, 9])
    writer.write_rtcp(peer, compound)
    assert opposite(keys).unprotect_rtcp(stuffy.sent[0][0]) == compound
    assert opposite(new_keys()).unprotect_rtcp(stuffy.sent[0][0]) is None


async def test_a_replayed_or_damaged_packet_is_not_believed(stuffy: StuffySocket, make: Maker) -> None:
    writer, keys = make(stuffy), new_keys()
    writer.write(packet(1), writer.table([lane_to(writer, keys, ("127.0.0.1", 9))]))
    data, inbound = stuffy.sent[0][0], opposite(keys)
    damaged = data[:-1] + bytes([data[-1] ^ 1])
    assert inbound.unprotect_rtp(damaged) is None
    assert inbound.unprotect_rtp(data) is not None
    assert inbound.unprotect_rtp(data) is None
    assert inbound.unprotect_rtp(b"") is None
    assert inbound.unprotect_rtp(bytes(5000)) is None


def test_keys_do_not_show_in_logs() -> None:
    keys = new_keys()
    assert keys.outbound.hex() not in repr(keys)
    assert repr(keys.outbound) not in repr(keys)


@pytest.mark.parametrize("profile", list(SrtpProfile))
async def test_both_writers_give_the_same_bytes_for_the_same_packets(profile: SrtpProfile) -> None:
    """Random walks over sequence numbers, sizes, extensions, RTX and RTCP; only the two outputs are compared."""
    keys = [new_keys(profile) for _ in range(3)]
    outputs: list[list[tuple[bytes, Address]]] = []
    counts: list[list[tuple[int, int]]] = []
    for maker in (PythonMaker(), NativeMaker()):
        walk, stuffy = random.Random(11), StuffySocket(100_000)
        writer = maker(stuffy, now_s=1_234_567.891)
        lanes = [lane_to(writer, k, ("127.0.0.1", 100 + i), 50 + i) for i, k in enumerate(keys)]
        table, sequence = writer.table(lanes), 1
        for index, lane in enumerate(lanes):
            lane.begin(packet(1), (65_000, 32_700, 5)[index], 0xFFFFFF00)
            lane.abs_send_time_id = (0, 3, 14)[index]
            lane.picture_id_delta, lane.tl0_delta = (0, 32_767, 300)[index], (0, 255, 7)[index]
        for step in range(600):
            sequence = max(1, sequence + walk.choice((1, 1, 1, 2, 40, -1, -3, 700, -1020, -1030, 2999)))
            size = walk.choice((0, 1, 15, 16, 17, 1100, 2000, 2008, 2016, 2017, 2048))
            payload = walk.choice((b"", WIDE_IDS, NARROW_ID, TL0_ONLY)) + walk.randbytes(size)
            ids = picture_ids(payload) if payload[:1] == b"\x90" else None
            writer.write(RelayedPacket(sequence, sequence * 3000, payload, step % 3 == 0, False, 0, ids), table)
            peer = lanes[step % 3].peer
            header = bytes([0x90, 97, *walk.randbytes(10), 0xBE, 0xDE, 0, 1, *walk.randbytes(4)])
            header = header[:8] + bytes([0, 0, 0, 50 + step % 3]) + header[12:]
            writer.write_rtp(peer, header + walk.randbytes(size // 2))
            writer.write_rtcp(peer, bytes([0x81, 200, 0, 1, 0, 0, 0, step % 5]) + walk.randbytes(size // 4 * 4))
        outputs.append(stuffy.sent)
        counts.append([(lane.packets, lane.octets) for lane in lanes])
        counts[-1].append((writer.counters.dropped, writer.counters.packets_sent))
        stuffy.close()
    assert len(outputs[0]) > 1000
    assert outputs[0] == outputs[1]
    assert counts[0] == counts[1]


@pytest.mark.parametrize(
    ("payload", "seen_by_first", "seen_by_second"),
    [
        pytest.param(WIDE_IDS, b"\x90\xe0\x80\x01\x03\x20", b"\x90\xe0\xff\xfe\x00\x20", id="15 bits"),
        pytest.param(NARROW_ID, b"\x90\x80\x01", b"\x90\x80\x7e", id="7 bits"),
        pytest.param(TL0_ONLY, b"\x90\x60\x03\x20", b"\x90\x60\x00\x20", id="TL0PICIDX alone"),
    ],
)
async def test_picture_ids_are_rewritten_for_each_lane(
    stuffy: StuffySocket, make: Maker, payload: bytes, seen_by_first: bytes, seen_by_second: bytes
) -> None:
    writer, keys = make(stuffy), [new_keys(), new_keys()]
    lanes = [lane_to(writer, k, ("127.0.0.1", 9)) for k in keys]
    for lane, deltas in zip(lanes, [(2, 4), (-1, 1)], strict=True):
        lane.picture_id_delta, lane.tl0_delta = deltas[0] % 2**15, deltas[1]
    data = payload + b"frame"
    writer.write(RelayedPacket(1, 0, data, True, False, 0.0, picture_ids(data)), writer.table(lanes))
    writer.write(RelayedPacket(2, 0, data, True, False, 0.0), writer.table(lanes))
    seen = [opposite(keys[i % 2]).unprotect_rtp(sent) or b"" for i, (sent, _) in enumerate(stuffy.sent)]
    assert [plain[12:] for plain in seen] == [seen_by_first + b"frame", seen_by_second + b"frame", data, data]


async def test_abs_send_time_is_carried_where_the_peer_takes_it(stuffy: StuffySocket, make: Maker) -> None:
    writer, keys = make(stuffy, now_s=65.25), new_keys()
    lane = lane_to(writer, keys, ("127.0.0.1", 9))
    lane.abs_send_time_id = 5
    writer.write(packet(1), writer.table([lane]))
    plain = opposite(keys).unprotect_rtp(stuffy.sent[0][0])
    assert plain is not None
    ((identifier, value),) = header_extensions(parse_rtp(plain))
    assert (identifier, int.from_bytes(value, "big")) == (5, int(1.25 * (1 << 18)))
    assert parse_rtp(plain).payload == b"payload"


async def test_a_table_keeps_alive_what_it_names(stuffy: StuffySocket, make: Maker) -> None:
    writer = make(stuffy)
    table = writer.table([lane_to(writer, new_keys(), ("127.0.0.1", i)) for i in range(1, 5)])
    gc.collect()
    writer.write(packet(1), table)
    assert len(stuffy.sent) == 4


@pytest.mark.parametrize("profile", list(SrtpProfile))
async def test_retransmission_by_rtx_and_by_the_packet_itself(
    stuffy: StuffySocket, make: Maker, profile: SrtpProfile
) -> None:
    writer, keys = make(stuffy), new_keys(profile)
    lane = lane_to(writer, keys, ("127.0.0.1", 9))
    lane.begin(packet(1), 65_530, 0)
    for sequence in range(1, 12):
        writer.write(packet(sequence), writer.table([lane]))
    lost = serialize_rtp(96, 65_532, 2 * 3000, 7, b"payload", marker=True)
    writer.write_rtp(lane.peer, lost)
    assert stuffy.sent[-1] == stuffy.sent[2]  # from before the roll-over, under the same keystream
    writer.write_rtp(lane.peer, serialize_rtp(97, 4, 6000, 8, b"\xff\xfcpayload"))
    inbound = opposite(keys)
    for data, _ in stuffy.sent[:-2]:
        assert inbound.unprotect_rtp(data) is not None
    repaired = inbound.unprotect_rtp(stuffy.sent[-1][0])
    assert repaired is not None
    assert parse_rtp(repaired).ssrc == 8


@pytest.mark.parametrize("profile", list(SrtpProfile))
async def test_without_rtx_a_viewer_gets_the_very_bytes_again_and_by_rtx_others(
    stuffy: StuffySocket, make: Maker, profile: SrtpProfile
) -> None:
    """Other bytes under the same key, SSRC and index would tell GCM's authentication key (RFC 7714 §8.1)."""
    for kind, codec, rtx, feedback in (
        ("video", CodecId("VP8"), None, ("nack",)),
        ("video", CodecId("VP8"), 97, ("nack",)),
        ("audio", CodecId("opus"), None, ()),
    ):
        writer, rate = make(stuffy, now_s=5.0), 90_000 if kind == "video" else 48_000
        codecs = (NegotiatedCodec(codec, 96, rtx, rate, feedback),)
        media = NegotiatedMedia(kind, "0", codecs, {ABS_SEND_TIME: 3}, (), {})
        source = Source(1, _Format(kind, codec, rate, None), repairable=True)
        peer: Any = SimpleNamespace(writer_peer=writer.attach(new_keys(profile), ("127.0.0.1", 9)))
        negotiation: Any = SimpleNamespace(media=(media,))
        viewer = Viewer("r", "v", peer, negotiation, {kind: AnsweringSource(7, 8)}, "cname", 400, random.Random(1))
        line = StreamRelay(kind, rate, writer, PacketRing(64, 2.0, 100_000))
        viewer.attach({kind: line}, writer, 0.0)
        for sequence in range(1, 4):
            data = (b"\x10\x00" if sequence == 1 else b"\x10\x01") + b"payload"
            line.forward(source, rtp(sequence, data), 0.0)
        writer.flush()
        first = [data for data, _ in stuffy.sent]
        assert len(first) == 3
        lost = viewer.streams[kind].lane.sequence_delta + line.newest.sequence - 1 if line.newest else 0
        viewer.peer_rtcp(build_nack(99, 7, [lost]), 0.1)
        again = [data for data, _ in stuffy.sent[3:]]
        if rtx is not None:
            assert again
            assert not set(again) & set(first)
        else:
            assert again == ([first[1]] if feedback else [])
        assert (first[1][0] == 0x90) is (rtx is not None or not feedback)
        stuffy.sent.clear()


def rtp(sequence: int, payload: bytes) -> RtpPacket:
    return RtpPacket(96, sequence, sequence * 3000, 1, payload)


async def test_arbitrary_finished_packets_are_refused_or_sent_and_never_crash(
    stuffy: StuffySocket, make: Maker
) -> None:
    writer, chance = make(stuffy), random.Random(3)
    peer = writer.attach(new_keys(), ("127.0.0.1", 9))
    for _ in range(3000):
        size = chance.choice((0, 1, 7, 8, 11, 12, 15, 16, 60, 2027, 2028, 2029, 2048, 65_535))
        data = bytearray(chance.randbytes(size))
        if size > 12:
            data[0] = 0x80 | (data[0] & 0x3F)
            data[8:12] = bytes([0, 0, 0, data[8] & 3])
        writer.write_rtp(peer, bytes(data))
        writer.write_rtcp(peer, bytes(data))
    assert writer.counters.dropped > 0


async def test_an_ipv6_peer_is_reached(make: Maker) -> None:
    receiver = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    try:
        receiver.bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 loopback here")
    receiver.settimeout(30)
    sender = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    writer, keys = make(sender), new_keys()
    writer.write(packet(1), writer.table([lane_to(writer, keys, receiver.getsockname())]))
    assert opposite(keys).unprotect_rtp(receiver.recv(2048)) is not None
    sender.close()
    receiver.close()
