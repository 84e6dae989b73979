"""The contract of a packet writer: the pure-Python and the native one pass the same tests."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import random
import socket
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, Protocol

import pytest
from pylibsrtp import Policy, Session

from streaming.datagram_sender import RESERVED_PACKETS
from streaming.egress import PacketWriter, WriterPeer
from streaming.egress_native import MANY_LANES, NativePacketWriter
from streaming.egress_python import PythonPacketWriter
from streaming.forwarding import Lane, RelayedPacket
from streaming.ice_lite import Address
from streaming.ingest import Source, _Format
from streaming.native.extension import Binding
from streaming.retransmission import PacketRing
from streaming.rtcp import build_nack
from streaming.rtp import RtpPacket, header_extensions, parse_rtp, serialize_rtp
from streaming.sdp_answer import (
    ABS_SEND_TIME,
    AnsweringSource,
    CodecId,
    NegotiatedCodec,
    NegotiatedMedia,
)
from streaming.srtp_pylibsrtp import InboundSrtp, SrtpKeys, SrtpProfile
from streaming.stream_relay import StreamRelay
from streaming.viewer import Viewer
from streaming.vp8_descriptor import picture_ids
from tests.streaming.harness import eventually
from tests.streaming.native_binding import native_binding

WIDE_IDS, NARROW_ID, TL0_ONLY = b"\x90\xe0\xff\xff\xff\x20", b"\x90\x80\x7f", b"\x90\x60\xff\x20"
"""VP8 payload descriptors whose numbers are about to wrap."""
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
    """A socket that takes so many datagrams, then is full until it is given room; also as sendmmsg for C."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.sent: list[tuple[bytes, Address]] = []
        self.refused: set[Address] = set()
        self.most_at_once = 1_000
        self.interruptions = 0
        self.messages = 0
        """What C handed over in one piece, a burst for one peer perhaps."""
        self.segments_refused = 0
        """The errno with which messages of several datagrams are refused; 0: they are taken."""
        self._real = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._callback: Any = None

    def sendto(self, data: Any, address: Address) -> int:
        if len(self.sent) >= self.room:
            raise BlockingIOError
        if address in self.refused:
            raise PermissionError
        self.sent.append((bytes(data), address))
        return len(data)

    def sendmmsg(self, binding: Binding) -> Any:
        """The same socket behind sendmmsg(2): it stops at the first datagram that it does not take."""

        def send(_: int, messages: Any, count: int) -> int:
            if self.interruptions:
                self.interruptions -= 1
                return -errno.EINTR
            taken = 0
            while taken < min(count, self.most_at_once):
                header = messages[taken].msg_hdr
                name = bytes(binding.ffi.buffer(header.msg_name, header.msg_namelen))
                address = (socket.inet_ntop(socket.AF_INET, name[4:8]), int.from_bytes(name[2:4], "big"))
                if header.msg_iovlen > 1 and self.segments_refused:
                    return taken or -self.segments_refused
                pieces = [header.msg_iov[i] for i in range(header.msg_iovlen)]
                try:
                    self.sendto(bytes(binding.ffi.buffer(pieces[0].iov_base, pieces[0].iov_len)), address)
                except BlockingIOError:
                    return taken or -errno.EAGAIN
                except PermissionError:
                    return taken or -errno.EPERM
                self.sent += [
                    (bytes(binding.ffi.buffer(piece.iov_base, piece.iov_len)), address) for piece in pieces[1:]
                ]
                self.messages += 1
                taken += 1
            return taken

        self._callback = binding.ffi.callback("int(int, struct mmsghdr *, unsigned)", send)
        return self._callback

    def fileno(self) -> int:
        return self._real.fileno()

    def close(self) -> None:
        self._real.close()


@pytest.fixture
def stuffy() -> Iterator[StuffySocket]:
    made = StuffySocket(room=100_000)
    yield made
    made.close()


class Maker(Protocol):
    """Makes the writer under test on a socket."""

    name: str

    def __call__(self, udp_socket: Any, queue: int = 1024, now_s: float = 0.0) -> PacketWriter: ...


class PythonMaker:
    name = "python"

    def __call__(self, udp_socket: Any, queue: int = 1024, now_s: float = 0.0) -> PacketWriter:
        return PythonPacketWriter(udp_socket, asyncio.get_running_loop(), queue, lambda: now_s)


class NativeMaker:
    name = "native"

    def __init__(self) -> None:
        self.binding = native_binding()

    def __call__(self, udp_socket: Any, queue: int = 1024, now_s: float = 0.0) -> PacketWriter:
        send = udp_socket.sendmmsg(self.binding) if isinstance(udp_socket, StuffySocket) else None
        return NativePacketWriter(self.binding, udp_socket, asyncio.get_running_loop(), queue, lambda: now_s, send)


@pytest.fixture(params=["python", "native"])
def make(request: pytest.FixtureRequest) -> Maker:
    return PythonMaker() if request.param == "python" else NativeMaker()


def lane_to(writer: PacketWriter, keys: SrtpKeys, address: Address, ssrc: int = 7) -> Lane[WriterPeer]:
    return writer.lane(writer.attach(keys, address), ssrc, 96)


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
