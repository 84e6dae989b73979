"""The contract of a packet writer for packets that come together: one message, in order, and to everybody."""

from __future__ import annotations

import errno
import gc
import socket
from collections.abc import Callable

import pytest

from streaming.egress import PacketWriter, WriterPeer
from streaming.egress_native import MANY_LANES
from streaming.forwarding import Lane, RelayedPacket
from streaming.ice_lite import Address
from streaming.rtp import parse_rtp, serialize_rtp
from streaming.srtp_pylibsrtp import SrtpKeys
from tests.streaming.harness import eventually
from tests.streaming.writers import (
    Maker,
    NativeMaker,
    StuffySocket,
    lane_to,
    new_keys,
    opposite,
    packet,
)

SIZES = [100, 100, 101, 101, 40, 101, 101, 101, 101, 60]


def burst() -> list[RelayedPacket]:
    """Packets as an encoder cuts frames: nearly equal, the last of each shorter; more than leave in one call."""
    return [packet(1 + i, bytes([i]) * size) for i, size in enumerate(SIZES)]


def sequences_by_port(sent: list[tuple[bytes, Address]], keys: list[SrtpKeys]) -> dict[int, list[int]]:
    seen: dict[int, list[int]] = {}
    inbound = [opposite(k) for k in keys]
    for data, address in sent:
        plain = inbound[address[1] - 100].unprotect_rtp(data)
        assert plain is not None
        seen.setdefault(address[1], []).append(parse_rtp(plain).sequence)
    return seen


def gather_burst(writer: PacketWriter, peers: int) -> tuple[list[SrtpKeys], list[Lane[WriterPeer]]]:
    keys = [new_keys() for _ in range(peers)]
    lanes = [lane_to(writer, k, ("127.0.0.1", 100 + i), 50 + i) for i, k in enumerate(keys)]
    table = writer.table(lanes)
    for one in burst():
        writer.gather(one, table)
    return keys, lanes


async def test_what_was_gathered_leaves_by_itself_in_order_to_every_peer(stuffy: StuffySocket, make: Maker) -> None:
    writer = make(stuffy)
    keys, lanes = gather_burst(writer, 30)
    await eventually("the burst has left", lambda: len(stuffy.sent) == 30 * len(SIZES))
    assert sequences_by_port(stuffy.sent, keys) == {100 + i: list(range(1, len(SIZES) + 1)) for i in range(30)}
    assert [(lane.packets, lane.octets) for lane in lanes] == [(len(SIZES), sum(SIZES))] * 30
    assert writer.counters.packets_sent == 30 * len(SIZES)


async def test_a_frame_for_many_leaves_with_its_last_packet_or_without_it_after_a_moment(
    stuffy: StuffySocket,
) -> None:
    writer = NativeMaker()(stuffy)
    lanes = [lane_to(writer, new_keys(), ("127.0.0.1", 100 + i)) for i in range(MANY_LANES)]
    table = writer.table(lanes)
    for sequence, marker in ((1, False), (2, True)):
        writer.gather(RelayedPacket(sequence, 0, b"payload", marker, False, 0.0), table)
    assert len(stuffy.sent) == 2 * MANY_LANES
    assert stuffy.messages == MANY_LANES
    writer.gather(RelayedPacket(3, 1, b"payload", False, False, 0.0), table)
    assert len(stuffy.sent) == 2 * MANY_LANES
    await eventually("it left without waiting for more", lambda: len(stuffy.sent) == 3 * MANY_LANES)


async def test_every_other_call_comes_after_what_was_gathered(stuffy: StuffySocket, make: Maker) -> None:
    writer = make(stuffy)
    lane = lane_to(writer, new_keys(), ("127.0.0.1", 9))
    table = writer.table([lane])
    calls: tuple[Callable[[], None], ...] = (
        lambda: writer.write_rtcp(lane.peer, bytes([0x80, 201, 0, 1, 0, 0, 0, 9])),
        lambda: writer.write_rtp(lane.peer, serialize_rtp(97, 4, 6000, 8, b"again")),
        lambda: writer.write_plain(b"stun", lane.peer.address),
        lambda: writer.write(packet(9), writer.table([lane])),
    )
    for number, call in enumerate(calls):
        writer.gather(packet(1 + number), table)
        call()
        assert len(stuffy.sent) == 2 * (number + 1)
        assert stuffy.sent[-2][0][2:4] == (1 + number).to_bytes(2, "big")


async def test_a_viewer_removed_between_gather_and_flush_gets_what_was_gathered_and_nothing_after(
    stuffy: StuffySocket, make: Maker
) -> None:
    writer, keys = make(stuffy), [new_keys() for _ in range(3)]
    lanes = [lane_to(writer, one, ("127.0.0.1", 100 + i)) for i, one in enumerate(keys)]
    writer.gather(packet(1), writer.table(lanes))
    del lanes[0]
    table = writer.table(lanes)
    gc.collect()
    writer.gather(packet(2), table)
    writer.flush()
    assert sequences_by_port(stuffy.sent, keys) == {100: [1], 101: [1, 2], 102: [1, 2]}


async def test_a_gathered_burst_across_a_full_socket_keeps_order_and_counts_each_packet_once(
    stuffy: StuffySocket, make: Maker
) -> None:
    writer = make(stuffy)
    stuffy.room = 25
    keys, lanes = gather_burst(writer, 20)
    writer.flush()
    stuffy.room = 100_000
    await eventually("what waited is sent", lambda: len(stuffy.sent) == 20 * len(SIZES))
    assert sequences_by_port(stuffy.sent, keys) == {100 + i: list(range(1, len(SIZES) + 1)) for i in range(20)}
    assert [(lane.packets, lane.octets) for lane in lanes] == [(len(SIZES), sum(SIZES))] * 20
    writer.close()


async def test_equal_packets_of_a_burst_are_one_message_to_the_kernel(stuffy: StuffySocket) -> None:
    writer = NativeMaker()(stuffy)
    gather_burst(writer, 5)
    writer.flush()
    # The first call takes eight packets: 100+100, 101+101+40, 101+101+101; the second 101+60.
    assert stuffy.messages == 5 * 4
    assert len(stuffy.sent) == 5 * len(SIZES)


@pytest.mark.parametrize(("refusal", "later"), [(errno.EIO, 8), (errno.EINVAL, 2)])
async def test_where_no_segments_are_taken_packets_go_one_by_one(
    stuffy: StuffySocket, refusal: int, later: int, caplog: pytest.LogCaptureFixture
) -> None:
    writer = NativeMaker()(stuffy)
    stuffy.segments_refused = refusal
    keys, lanes = gather_burst(writer, 5)
    writer.flush()
    assert sequences_by_port(stuffy.sent, keys) == {100 + i: list(range(1, len(SIZES) + 1)) for i in range(5)}
    assert writer.counters.dropped == 0
    # A way that cannot carry them is remembered until the address changes; one that does not take a packet is not.
    stuffy.segments_refused, stuffy.messages = 0, 0
    assert writer.counters.unsegmented == (5 if refusal == errno.EIO else 0)
    table = writer.table(lanes[:1])
    for sequence in range(20, 28):
        writer.gather(packet(sequence, bytes(100 if sequence < 24 else 90)), table)
    writer.flush()
    assert stuffy.messages == later
    lanes[0].peer.address = ("127.0.0.1", 100)
    stuffy.messages = 0
    for sequence in range(30, 34):
        writer.gather(packet(sequence, bytes(100)), table)
    writer.flush()
    assert stuffy.messages == 1
    assert len([one for one in caplog.records if "segmented" in one.message]) == (refusal == errno.EIO)


async def test_an_address_that_is_refused_a_burst_costs_the_others_nothing(stuffy: StuffySocket, make: Maker) -> None:
    writer = make(stuffy)
    stuffy.refused = {("127.0.0.1", 103)}
    keys, lanes = gather_burst(writer, 20)
    writer.flush()
    expected = {100 + i: list(range(1, len(SIZES) + 1)) for i in range(20) if i != 3}
    assert sequences_by_port(stuffy.sent, keys) == expected
    assert writer.counters.dropped == len(SIZES)
    assert lanes[3].packets == 0


async def test_the_kernel_delivers_a_burst_as_the_packets_that_went_in(make: Maker) -> None:
    sender, receiver = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    receiver.bind(("127.0.0.1", 0))
    receiver.settimeout(30)
    writer, keys = make(sender), new_keys()
    table = writer.table([lane_to(writer, keys, receiver.getsockname())])
    for one in burst():
        writer.gather(one, table)
    writer.flush()
    inbound = opposite(keys)
    seen = [parse_rtp(inbound.unprotect_rtp(receiver.recv(2048)) or b"") for _ in SIZES]
    assert [(one.sequence, one.payload) for one in seen] == [(one.sequence, one.payload) for one in burst()]
    sender.close()
    receiver.close()


async def test_packets_about_the_size_of_an_ethernet_frame_arrive_whole_alone_and_in_a_burst(make: Maker) -> None:
    sizes = [1_171, 1_172, 1_172, 1_200, 1_428, 1_428, 1_460, 1_472]
    sender, receiver = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    receiver.bind(("127.0.0.1", 0))
    receiver.settimeout(30)
    writer, keys = make(sender), new_keys()
    table = writer.table([lane_to(writer, keys, receiver.getsockname())])
    for number, size in enumerate(sizes, start=1):
        writer.gather(packet(number, bytes([number]) * size), table)
    writer.flush()
    inbound = opposite(keys)
    seen = [parse_rtp(inbound.unprotect_rtp(receiver.recv(4096)) or b"") for _ in sizes]
    assert [one.payload for one in seen] == [bytes([n]) * size for n, size in enumerate(sizes, start=1)]
    assert writer.counters.dropped == 0
    sender.close()
    receiver.close()


async def test_a_v4_peer_is_reached_from_a_port_of_both_families(make: Maker) -> None:
    try:
        sender = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        sender.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sender.bind(("::", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.settimeout(30)
    writer, keys = make(sender), new_keys()
    mapped = (f"::ffff:{receiver.getsockname()[0]}", receiver.getsockname()[1], 0, 0)
    table = writer.table([lane_to(writer, keys, mapped)])
    for one in burst():
        writer.gather(one, table)
    writer.flush()
    inbound = opposite(keys)
    assert [parse_rtp(inbound.unprotect_rtp(receiver.recv(2048)) or b"").sequence for _ in SIZES] == [
        one.sequence for one in burst()
    ]
    sender.close()
    receiver.close()
