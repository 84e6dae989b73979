"""Both packet writers on a socket that a test fills up, and the keys to read what they sent."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from typing import Any, Protocol

from streaming.egress import PacketWriter, WriterPeer
from streaming.egress_native import NativePacketWriter
from streaming.egress_python import PythonPacketWriter
from streaming.forwarding import Lane, RelayedPacket
from streaming.ice_lite import Address
from streaming.native.extension import Binding
from streaming.srtp_pylibsrtp import InboundSrtp, SrtpKeys, SrtpProfile
from tests.streaming.native_binding import native_binding

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


def lane_to(writer: PacketWriter, keys: SrtpKeys, address: Address, ssrc: int = 7) -> Lane[WriterPeer]:
    return writer.lane(writer.attach(keys, address), ssrc, 96)
