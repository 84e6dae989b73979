"""The contract of a packet writer; the native writer of later work will pass the same tests."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from pylibsrtp import Policy, Session

from streaming.egress import PythonPacketWriter, WriterPeer
from streaming.forwarding import Lane, RelayedPacket
from streaming.ice_lite import Address
from streaming.rtp import parse_rtp, serialize_rtp
from streaming.srtp_pylibsrtp import InboundSrtp, SrtpKeys, SrtpProfile
from tests.streaming.harness import eventually

KEY_BYTES = {
    SrtpProfile.AES128_CM_SHA1_80: 30,
    SrtpProfile.AEAD_AES_128_GCM: 28,
    SrtpProfile.AEAD_AES_256_GCM: 44,
}


def new_keys(profile: SrtpProfile = SrtpProfile.AEAD_AES_128_GCM) -> SrtpKeys:
    return SrtpKeys(profile, os.urandom(KEY_BYTES[profile]), os.urandom(KEY_BYTES[profile]))


def opposite(keys: SrtpKeys) -> InboundSrtp:
    return InboundSrtp(SrtpKeys(keys.profile, keys.inbound, keys.outbound))


def packet(sequence: int, payload: bytes = b"payload") -> RelayedPacket:
    return RelayedPacket(sequence, sequence * 3000, payload, True, False, 0.0)


class StuffySocket:
    """A socket that takes so many datagrams, then is full until it is emptied."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.sent: list[tuple[bytes, Address]] = []
        self._real = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def sendto(self, data: Any, address: Address) -> int:
        if len(self.sent) >= self.room:
            raise BlockingIOError
        self.sent.append((bytes(data), address))
        return len(data)

    def fileno(self) -> int:
        return self._real.fileno()

    def close(self) -> None:
        self._real.close()


@pytest.fixture
def stuffy() -> Iterator[StuffySocket]:
    made = StuffySocket(room=10_000)
    yield made
    made.close()


def writer_on(stuffy: StuffySocket, queue: int = 1024) -> PythonPacketWriter:
    return PythonPacketWriter(stuffy, asyncio.get_running_loop(), queue)  # type: ignore[arg-type]


def lane_to(writer: PythonPacketWriter, keys: SrtpKeys, address: Address, ssrc: int = 7) -> Lane[WriterPeer]:
    lane = Lane(writer.attach(keys, address), ssrc, 96)
    return lane


@pytest.mark.parametrize("profile", list(SrtpProfile))
async def test_output_is_byte_identical_to_libsrtp_on_the_rewritten_packet(
    stuffy: StuffySocket, profile: SrtpProfile
) -> None:
    writer, keys = writer_on(stuffy), new_keys(profile)
    lane = lane_to(writer, keys, ("127.0.0.1", 9))
    lane.begin(packet(1), 65_534, 0xFFFFF000)
    policy = Policy(key=keys.outbound, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=profile.value)
    policy.allow_repeat_tx = True
    reference = Session(policy)
    for sequence in range(1, 6):
        writer.write(packet(sequence), [lane])
        timestamp = (0xFFFFF000 + (sequence - 1) * 3000) & 0xFFFFFFFF
        plain = serialize_rtp(96, (65_533 + sequence) & 0xFFFF, timestamp, 7, b"payload", marker=True)
        assert stuffy.sent[-1][0] == reference.protect(plain)


@pytest.mark.parametrize("profile", list(SrtpProfile))
async def test_a_receiver_follows_across_the_roll_over(stuffy: StuffySocket, profile: SrtpProfile) -> None:
    writer, keys = writer_on(stuffy), new_keys(profile)
    lane = lane_to(writer, keys, ("127.0.0.1", 9))
    lane.begin(packet(1), 30_000, 0)
    inbound = opposite(keys)
    for sequence in range(1, 140_000, 997):
        writer.write(packet(sequence), [lane])
        plain = inbound.unprotect_rtp(stuffy.sent[-1][0])
        assert plain is not None
        assert parse_rtp(plain).sequence == (29_999 + sequence) & 0xFFFF


async def test_every_viewer_gets_its_own_header_and_keys(stuffy: StuffySocket) -> None:
    writer = writer_on(stuffy)
    keys = [new_keys() for _ in range(5)]
    lanes = [lane_to(writer, k, ("127.0.0.1", 100 + i), ssrc=50 + i) for i, k in enumerate(keys)]
    for index, lane in enumerate(lanes):
        lane.payload_type = 96 + index
        lane.begin(packet(1), 1000 * index, index)
    writer.write(packet(1), lanes)
    for index, (data, address) in enumerate(stuffy.sent):
        plain = opposite(keys[index]).unprotect_rtp(data)
        assert plain is not None
        seen = parse_rtp(plain)
        assert address == ("127.0.0.1", 100 + index)
        assert (seen.ssrc, seen.payload_type, seen.sequence) == (50 + index, 96 + index, 1000 * index)
        assert (seen.timestamp, seen.payload, seen.marker) == (index, b"payload", True)
    assert [(lane.packets, lane.octets) for lane in lanes] == [(1, 7)] * 5


async def test_a_full_socket_keeps_the_order_and_overflow_drops_the_newest(stuffy: StuffySocket) -> None:
    writer, keys = writer_on(stuffy, queue=4), new_keys()
    lane = lane_to(writer, keys, ("127.0.0.1", 9))
    stuffy.room = 2
    for sequence in range(1, 11):
        writer.write(packet(sequence), [lane])
    assert writer.counters.queued == 4
    assert writer.counters.dropped == 4
    stuffy.room = 10_000
    await eventually("what waited is sent", lambda: len(stuffy.sent) == 6)
    inbound = opposite(keys)
    seen = [inbound.unprotect_rtp(data) for data, _ in stuffy.sent]
    assert [parse_rtp(plain).sequence for plain in seen if plain] == [1, 2, 3, 4, 5, 6]
    writer.write(packet(11), [lane])
    assert len(stuffy.sent) == 7
    writer.close()


async def test_closing_forgets_what_waits(stuffy: StuffySocket) -> None:
    writer = writer_on(stuffy)
    stuffy.room = 0
    writer.write_plain(b"waits", ("127.0.0.1", 9))
    writer.close()
    stuffy.room = 10
    await asyncio.sleep(0.02)
    assert stuffy.sent == []


async def test_an_address_the_kernel_refuses_costs_the_others_nothing() -> None:
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.settimeout(30)
    writer = PythonPacketWriter(sender, asyncio.get_running_loop(), 16)
    unreachable = lane_to(writer, new_keys(), ("255.255.255.255", 9))
    fine = lane_to(writer, new_keys(), receiver.getsockname())
    writer.write(packet(1), [unreachable, fine])
    assert receiver.recv(2048)
    assert writer.counters.dropped == 1
    sender.close()
    receiver.close()


async def test_a_packet_too_long_for_the_buffer_is_dropped_and_counted(stuffy: StuffySocket) -> None:
    writer = writer_on(stuffy)
    lane = lane_to(writer, new_keys(), ("127.0.0.1", 9))
    writer.write(packet(1, bytes(65_000)), [lane])
    writer.write_rtp(lane.peer, bytes(65_000))
    assert stuffy.sent == []
    assert writer.counters.dropped == 2


async def test_a_new_address_holds_from_the_next_packet_on(stuffy: StuffySocket) -> None:
    writer = writer_on(stuffy)
    lane = lane_to(writer, new_keys(), ("127.0.0.1", 9))
    writer.write(packet(1), [lane])
    lane.peer.address = ("127.0.0.2", 10)
    writer.write(packet(2), [lane])
    assert [address for _, address in stuffy.sent] == [("127.0.0.1", 9), ("127.0.0.2", 10)]


async def test_rtcp_is_protected_for_the_peer(stuffy: StuffySocket) -> None:
    writer, keys = writer_on(stuffy), new_keys()
    peer = writer.attach(keys, ("127.0.0.1", 9))
    compound = bytes([0x80, 201, 0, 1, 0, 0, 0, 9])
    writer.write_rtcp(peer, compound)
    assert opposite(keys).unprotect_rtcp(stuffy.sent[0][0]) == compound
    assert opposite(new_keys()).unprotect_rtcp(stuffy.sent[0][0]) is None


async def test_a_replayed_or_damaged_packet_is_not_believed(stuffy: StuffySocket) -> None:
    writer, keys = writer_on(stuffy), new_keys()
    writer.write(packet(1), [lane_to(writer, keys, ("127.0.0.1", 9))])
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
