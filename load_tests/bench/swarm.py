"""A process of viewers that count: `python -m load_tests.bench.swarm`, told what to do by JSON lines. I/O: HTTP, UDP.

Each viewer is a real DTLS-SRTP session with its own socket. Every packet is counted and checked for order in C
(`reader.c`), one in 64 is decrypted and its delay taken at the kernel's own time of arrival. Each viewer sends receiver
reports with REMB twice a second, as browsers do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import struct
import sys
import time
from typing import Any, Final

import uvloop

from load_tests.bench import pattern
from load_tests.bench.offers import VIDEO_PAYLOAD_TYPE
from load_tests.bench.processes import UNAVAILABLE
from load_tests.bench.reader import Reader, ReaderUnavailable
from load_tests.bench.signalling import JANUS_PREFIX, Signaller, signaller
from load_tests.bench.webrtc_client import Identity, WebRtcClient

TOKEN_VARIABLE: Final = "WEALTHCAST_LOAD_TOKEN"
"""The bearer of the viewers; not an argument, which everybody on the machine could read."""
SAMPLE_EVERY: Final = 64
_REPORT_EVERY_S: Final = 0.5
_CHECK_EVERY_S: Final = 5.0
_CONNECT_TIMEOUT_S: Final = 60.0
_AT_ONCE: Final = 16
_NICENESS: Final = 5
"""Many viewers may want a whole core: the publisher beside them goes first, or it would send in fits."""
_SO_MEMINFO: Final = 55


class CountingViewer:
    """One viewer; what it received is counted in `counted`, what was looked into here, both since the last reset."""

    def __init__(self, identity: Identity, host: str, reader: Reader) -> None:
        self.client = WebRtcClient(identity, lambda _: None, host, watched=False)
        self.counted = reader.add(self.client.socket.fileno(), self._taken)
        self.decrypted = self.undecryptable = 0
        self.delays_ns: list[int] = []
        self.jitter_ns = 0.0
        """Of the packets looked into, smoothed as in RFC 3550 §6.4.1."""
        self._asked_ns = time.time_ns()

    @property
    def first_frame_s(self) -> float | None:
        """From the offer until the end of the first frame of video stood in the socket."""
        at_ns = self.counted.first_frame_ns
        return (at_ns - self._asked_ns) / 1e9 if at_ns else None

    def reset(self) -> None:
        """Begin to count anew."""
        self.decrypted = self.undecryptable = 0
        self.delays_ns = []

    def _taken(self, datagram: memoryview, arrived_ns: int) -> None:
        if 128 <= datagram[0] < 192 and not 192 <= datagram[1] <= 223:
            self._sample(bytes(datagram), arrived_ns)
        else:
            self.client.take(datagram)

    def _sample(self, datagram: bytes, arrived_ns: int) -> None:
        if self.client.inbound is None:
            return  # what overtook the last flight of the handshake
        try:
            plain = self.client.inbound.unprotect(datagram)
        except Exception:
            # pylibsrtp raises its own Error; a packet that does not authenticate is a finding, not a crash.
            self.undecryptable += 1
            return
        self.decrypted += 1
        start = 20 if plain[0] & 0x10 else 12
        # The end of a real picture may be too short for a time; only the pattern's packets carry one.
        if arrived_ns and len(plain) - start >= pattern.SHORTEST_BYTES:
            delay_ns = arrived_ns - pattern.sent_ns(plain[start:])
            if self.delays_ns:
                self.jitter_ns += (abs(delay_ns - self.delays_ns[-1]) - self.jitter_ns) / 16
            self.delays_ns.append(delay_ns)

    def report(self) -> None:
        """Send a receiver report on every stream, with REMB."""
        counted = self.counted
        last = {counted.ssrc[number]: counted.last[number] for number in range(counted.streams)}
        ssrcs = list(last)
        blocks = b"".join(struct.pack("!LLLLLL", ssrc, 0, last[ssrc], 0, 0, 0) for ssrc in ssrcs)
        report = struct.pack("!BBHL", 0x80 | len(ssrcs), 201, 1 + 6 * len(ssrcs), 1) + blocks
        remb = struct.pack("!BBHLL", 0x8F, 206, 4 + len(ssrcs), 1, 0) + b"REMB"
        remb += struct.pack("!BBH", len(ssrcs), 4 << 2 | 3, 0xD090)
        remb += b"".join(struct.pack("!L", ssrc) for ssrc in ssrcs)
        self.client.send(self.client.outbound.protect_rtcp(report + remb))


def make_reader() -> Reader:
    """Make what reads the viewers' sockets; one for as many as there are in a process."""
    return Reader(SAMPLE_EVERY, 0x80 | VIDEO_PAYLOAD_TYPE)


def _dropped(udp_socket: socket.socket) -> int:
    """How many datagrams the kernel threw away because this process did not read in time: no loss of the relay's."""
    memory = struct.unpack("9I", udp_socket.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 36))
    return int(memory[8])


class Swarm:
    """All viewers of this process."""

    def __init__(self, url: str) -> None:
        self._url = url
        # Janus gathers no loopback candidates: its viewers must be able to send to this machine's other addresses.
        self._host = "0.0.0.0" if url.startswith(JANUS_PREFIX) else "127.0.0.1"
        self._identity = Identity()
        self._reader = make_reader()
        self.viewers: list[CountingViewer] = []

    async def join(self, count: int, per_s: float | None) -> None:
        """Connect so many more viewers, a few at a time or, with `per_s`, at that rate whatever happens."""
        gate = asyncio.Semaphore(_AT_ONCE if per_s is None else count)
        start_s = time.monotonic()
        async with (
            signaller(self._url, os.environ.get(TOKEN_VARIABLE, "bench")) as answer,
            asyncio.TaskGroup() as group,
        ):
            for index in range(count):
                await asyncio.sleep(start_s + index / per_s - time.monotonic() if per_s is not None else 0)
                group.create_task(self._one(gate, answer))

    async def _one(self, gate: asyncio.Semaphore, answer: Signaller) -> None:
        async with gate:
            viewer = CountingViewer(self._identity, self._host, self._reader)
            await viewer.client.connect(await answer(viewer.client), _CONNECT_TIMEOUT_S)
            self.viewers.append(viewer)

    async def report_forever(self) -> None:
        """Every viewer's RTCP and consent, spread over their intervals."""
        turn = 0
        while True:
            viewers = self.viewers
            for position, viewer in enumerate(viewers):
                if position % 10 == turn % 10:
                    viewer.report()
                if position % 100 == turn % 100:
                    viewer.client.check()
            turn += 1
            await asyncio.sleep(_REPORT_EVERY_S / 10)

    def reset(self) -> None:
        """Begin to count anew."""
        self._reader.reset()
        for viewer in self.viewers:
            viewer.reset()

    def close(self) -> None:
        """End every session."""
        self._reader.close()
        for viewer in self.viewers:
            viewer.client.close()

    def totals(self) -> dict[str, Any]:
        """Everything counted since the reset, over all viewers."""
        firsts = sorted(viewer.first_frame_s for viewer in self.viewers if viewer.first_frame_s is not None)
        jitters = sorted(viewer.jitter_ns for viewer in self.viewers)
        delays = sorted(delay for viewer in self.viewers for delay in viewer.delays_ns)
        return {
            "viewers": len(self.viewers),
            "received": sum(viewer.counted.received for viewer in self.viewers),
            "octets": sum(viewer.counted.octets for viewer in self.viewers),
            "missing": sum(viewer.counted.missing for viewer in self.viewers),
            "late": sum(viewer.counted.late for viewer in self.viewers),
            "dropped_here": sum(_dropped(viewer.client.socket) for viewer in self.viewers),
            "decrypted": sum(viewer.decrypted for viewer in self.viewers),
            "undecryptable": sum(viewer.undecryptable for viewer in self.viewers),
            "silent": sum(viewer.counted.received == 0 for viewer in self.viewers),
            "first_frames": len(firsts),
            "first_frame_p95_ms": firsts[len(firsts) * 95 // 100] * 1e3 if firsts else None,
            "jitter_p95_ms": jitters[len(jitters) * 95 // 100] / 1e6 if delays else None,
            "delay_p50_ms": delays[len(delays) // 2] / 1e6 if delays else None,
            "delay_p99_ms": delays[len(delays) * 99 // 100] / 1e6 if delays else None,
        }


async def serve(url: str) -> None:
    """Obey the lines of standard input until it ends; every line is answered by one line."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    try:
        swarm = Swarm(url)
    except ReaderUnavailable as reason:
        print(json.dumps({UNAVAILABLE: str(reason)}), flush=True)
        return
    reporting = asyncio.create_task(swarm.report_forever())
    while line := await reader.readline():
        order = json.loads(line)
        answer: dict[str, Any] = {}
        if order["do"] == "join":
            await swarm.join(order["viewers"], order.get("per_s"))
        elif order["do"] == "reset":
            swarm.reset()
        elif order["do"] == "addresses":
            answer["addresses"] = [viewer.client.address for viewer in swarm.viewers]
        elif order["do"] == "totals":
            answer = swarm.totals()
        print(json.dumps(answer), flush=True)
    reporting.cancel()
    await asyncio.gather(reporting, return_exceptions=True)
    swarm.close()


if __name__ == "__main__":
    os.nice(_NICENESS)
    arguments = argparse.ArgumentParser()
    arguments.add_argument("url", help="the WHEP address, or a unix socket that answers lines")
    uvloop.run(serve(arguments.parse_args().url))
