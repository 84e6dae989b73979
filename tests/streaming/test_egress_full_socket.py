"""The contract of a packet writer where the socket is full or refuses: order, overflow, and who goes short."""

from __future__ import annotations

import asyncio
import gc
import socket

import pytest

from streaming.datagram_sender import RESERVED_PACKETS
from streaming.rtp import parse_rtp, serialize_rtp
from tests.streaming.harness import eventually
from tests.streaming.writers import (
    Maker,
    StuffySocket,
    lane_to,
    new_keys,
    opposite,
    packet,
)


async def test_a_full_socket_keeps_the_order_and_overflow_drops_the_newest(stuffy: StuffySocket, make: Maker) -> None:
    writer, keys = make(stuffy, queue=4), new_keys()
    lane = lane_to(writer, keys, ("127.0.0.1", 9))
    stuffy.room = 2
    for sequence in range(1, 11):
        writer.write(packet(sequence), writer.table([lane]))
    assert writer.counters.queued == 4
    assert writer.counters.dropped == 4
    stuffy.room = 10_000
    await eventually("what waited is sent", lambda: len(stuffy.sent) == 6)
    inbound = opposite(keys)
    seen = [inbound.unprotect_rtp(data) for data, _ in stuffy.sent]
    assert [parse_rtp(plain).sequence for plain in seen if plain] == [1, 2, 3, 4, 5, 6]
    writer.write(packet(11), writer.table([lane]))
    assert len(stuffy.sent) == 7
    writer.close()


async def test_under_steady_overflow_no_lane_goes_much_shorter_than_another(stuffy: StuffySocket, make: Maker) -> None:
    """The socket takes 30 of 100 datagrams every other time, and all of them the times between."""
    writer = make(stuffy, queue=4)
    lanes = [lane_to(writer, new_keys(), ("127.0.0.1", 100 + i), 50 + i) for i in range(100)]
    table = writer.table(lanes)
    for sequence in range(1, 41):
        stuffy.room = len(stuffy.sent) + (30 if sequence % 2 else 100)
        writer.write(packet(sequence), table)
        stuffy.room = 100_000
        await eventually("what waited is sent", lambda: len(stuffy.sent) == writer.counters.packets_sent)
    assert writer.counters.dropped == 20 * 66
    served = [lane.packets for lane in lanes]
    assert sum(served) == len(stuffy.sent) == 20 * 134
    assert max(served) - min(served) <= 2
    writer.close()


async def test_what_sessions_live_by_finds_room_where_media_do_not(stuffy: StuffySocket, make: Maker) -> None:
    writer = make(stuffy, queue=4)
    lane = lane_to(writer, new_keys(), ("127.0.0.1", 9))
    stuffy.room = 0
    for sequence in range(1, 11):
        writer.write(packet(sequence), writer.table([lane]))
    writer.write_rtp(lane.peer, serialize_rtp(97, 4, 6000, 8, b"again"))
    assert (writer.counters.queued, writer.counters.dropped) == (4, 7)
    writer.write_rtcp(lane.peer, bytes([0x80, 201, 0, 1, 0, 0, 0, 9]))
    for _ in range(2 * RESERVED_PACKETS):
        writer.write_plain(b"stun", lane.peer.address)
    assert writer.counters.queued == 4 + RESERVED_PACKETS
    stuffy.room = 100_000
    await eventually("what waited is sent", lambda: len(stuffy.sent) == 4 + RESERVED_PACKETS)
    assert stuffy.sent[-1][0] == b"stun"
    writer.close()


async def test_closing_forgets_what_waits(stuffy: StuffySocket, make: Maker) -> None:
    writer = make(stuffy)
    stuffy.room = 0
    writer.write_plain(b"waits", ("127.0.0.1", 9))
    writer.close()
    stuffy.room = 10
    await asyncio.sleep(0.02)
    assert stuffy.sent == []


@pytest.mark.parametrize("room", [0, 1, 63, 64, 65, 130, 199])
async def test_what_a_batch_could_not_send_follows_in_order_and_no_viewer_is_left_out(
    stuffy: StuffySocket, make: Maker, room: int
) -> None:
    writer, keys = make(stuffy), new_keys()
    lanes = [lane_to(writer, keys, ("127.0.0.1", 100 + i), ssrc=7) for i in range(200)]
    table = writer.table(lanes)
    stuffy.room = room
    writer.write(packet(1), table)
    writer.write(packet(2), table)
    assert len(stuffy.sent) == room
    assert writer.counters.queued == 400 - room
    stuffy.room = 100_000
    await eventually("what waited is sent", lambda: len(stuffy.sent) == 400)
    assert [address[1] for _, address in stuffy.sent] == [100 + i for i in range(200)] * 2
    assert [(lane.packets, lane.octets) for lane in lanes] == [(2, 14)] * 200
    assert (writer.counters.packets_sent, writer.counters.dropped) == (400, 0)
    writer.close()


async def test_packets_that_found_no_room_are_not_counted_as_sent(stuffy: StuffySocket, make: Maker) -> None:
    writer = make(stuffy, queue=3)
    lanes = [lane_to(writer, new_keys(), ("127.0.0.1", 100 + i)) for i in range(10)]
    stuffy.room = 2
    writer.write(packet(1), writer.table(lanes))
    assert [lane.packets for lane in lanes] == [1] * 5 + [0] * 5
    counters = writer.counters
    assert (counters.packets_sent, counters.queued, counters.dropped) == (5, 3, 5)
    writer.close()


async def test_a_socket_that_takes_a_few_at_a_time_or_is_interrupted_loses_nothing(
    stuffy: StuffySocket, make: Maker
) -> None:
    writer = make(stuffy)
    lanes = [lane_to(writer, new_keys(), ("127.0.0.1", 100 + i)) for i in range(150)]
    stuffy.most_at_once, stuffy.interruptions = 7, 3
    writer.write(packet(1), writer.table(lanes))
    assert [address[1] for _, address in stuffy.sent] == [100 + i for i in range(150)]
    assert writer.counters.dropped == 0


async def test_an_address_the_kernel_refuses_costs_the_others_nothing(make: Maker) -> None:
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.settimeout(30)
    writer = make(sender, 16)
    unreachable = lane_to(writer, new_keys(), ("255.255.255.255", 9))
    fine = lane_to(writer, new_keys(), receiver.getsockname())
    writer.write(packet(1), writer.table([unreachable, fine]))
    assert receiver.recv(2048)
    assert writer.counters.dropped == 1
    sender.close()
    receiver.close()


async def test_a_refused_address_amid_a_batch_costs_only_itself(stuffy: StuffySocket, make: Maker) -> None:
    writer = make(stuffy)
    lanes = [lane_to(writer, new_keys(), ("127.0.0.1", 100 + i)) for i in range(70)]
    stuffy.refused = {("127.0.0.1", 100), ("127.0.0.1", 133), ("127.0.0.1", 169)}
    writer.write(packet(1), writer.table(lanes))
    assert len(stuffy.sent) == 67
    assert writer.counters.dropped == 3
    assert sum(lane.packets for lane in lanes) == 67


async def test_a_viewer_removed_while_packets_wait_gets_none_of_the_next(stuffy: StuffySocket, make: Maker) -> None:
    writer = make(stuffy)
    stays = lane_to(writer, new_keys(), ("127.0.0.1", 1))
    goes = lane_to(writer, new_keys(), ("127.0.0.1", 2))
    table = writer.table([goes, stays])
    stuffy.room = 1
    writer.write(packet(1), table)
    table = writer.table([stays])
    del goes
    gc.collect()
    writer.write(packet(2), table)
    stuffy.room = 100
    await eventually("what waited is sent", lambda: len(stuffy.sent) == 3)
    assert [address[1] for _, address in stuffy.sent] == [2, 1, 1]
    writer.close()
