"""Picks the packet writer: the native one where it was built, the pure-Python one otherwise. Loads the module."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import dataclass
from typing import Literal

from streaming.egress import PacketWriter
from streaming.egress_native import NativePacketWriter
from streaming.egress_python import PythonPacketWriter
from streaming.native.build import PACKET_WRITER
from streaming.native.extension import Binding, NativeUnavailable

_UDP_SEGMENT = 103
"""linux/udp.h; Python's socket module has no name for it."""
WriterName = Literal["auto", "native", "python"]


@dataclass(frozen=True, slots=True)
class WriterChoice:
    """Which writer is active and why; `binding` is the native one's module."""

    name: Literal["native", "python"]
    reason: str
    binding: Binding | None

    def make(self, udp_socket: socket.socket, loop: asyncio.AbstractEventLoop, queue_packets: int) -> PacketWriter:
        """Make the writer on a socket that somebody else owns."""
        if self.binding is not None:
            return NativePacketWriter(self.binding, udp_socket, loop, queue_packets)
        return PythonPacketWriter(udp_socket, loop, queue_packets)


def _cuts_apart() -> bool:
    """Say whether this kernel knows UDP segmentation (Linux 4.18); a single way may still refuse it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.setsockopt(socket.IPPROTO_UDP, _UDP_SEGMENT, 0)
        except OSError:
            return False
    return True


def choose_writer(wanted: WriterName) -> WriterChoice:
    """Choose; "native" raises NativeUnavailable where "auto" falls back."""
    if wanted == "python":
        return WriterChoice("python", "the settings ask for it", None)
    try:
        segments = "bursts cut apart by the kernel" if _cuts_apart() else "no UDP segmentation in this kernel"
        return WriterChoice("native", f"one call a burst: OpenSSL and sendmmsg, {segments}", PACKET_WRITER.load())
    except NativeUnavailable as error:
        if wanted == "native":
            raise
        return WriterChoice("python", f"the native writer is not used: {error}", None)
