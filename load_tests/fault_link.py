"""A UDP link with faults between WebRTC clients and the relay: loss, delay, a bottleneck with its queue. Does I/O.

Clients reach the relay through the link's port (the relay advertises it). STUN, DTLS and RTCP are never lost by chance
unless the link is told to spare nothing, but they wait in the same queue: what a bottleneck has no room for is dropped,
whatever it is.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

DATAGRAM_BYTES = 4096
_AT_ONCE = 64
_ENVELOPE_BYTES = 28
"""IPv4 and UDP headers count on a link too."""


@dataclass
class Direction:
    """What happens to datagrams one way; may be changed at any time."""

    delay_s: float = 0.0
    rate_bps: float | None = None
    """The bottleneck; None is none."""
    queue_s: float = 0.25
    """How long a datagram may wait before the bottleneck; one that would wait longer is dropped."""


class FaultLink:
    """A proxy in front of a relay; `loses` says of each media datagram, with True for upwards, whether it is lost.

    With `spares_nothing` it is asked of every datagram.

    It is the clients' network too: `move` gives them another address, `cut` kills the sockets they have now. Clients
    that were there at `spare` keep what they have.
    """

    def __init__(
        self, loses: Callable[[bytes, bool], bool] = lambda _datagram, _upwards: False, *, spares_nothing: bool = False
    ) -> None:
        self.loses = loses
        self._spares_nothing = spares_nothing
        self.down, self.up = Direction(), Direction()
        self.dropped = 0
        self.overflowed = 0
        self._free_s = {True: 0.0, False: 0.0}
        self._front = _bound()
        self._backs: dict[Any, socket.socket] = {}
        self._target = ("127.0.0.1", 0)
        self._host = "127.0.0.1"
        self._dead: set[Any] = set()
        self._spared: set[Any] = set()
        self.port: int = self._front.getsockname()[1]

    def open(self, target_port: int) -> None:
        """Begin to pass datagrams to the relay at this port of loopback."""
        self._target = ("127.0.0.1", target_port)
        asyncio.get_running_loop().add_reader(self._front, self._from_clients)

    def move(self, host: str) -> None:
        """From now on the relay sees every client at another address (a NAT that was restarted)."""
        self._host = host
        self._hang_up()

    def spare(self) -> None:
        """Let `move` and `cut` pass over the clients that are here now."""
        self._spared = set(self._backs)

    def cut(self) -> None:
        """Nothing passes any more from or to the sockets that clients use now (the old network is gone)."""
        self._dead |= set(self._backs) - self._spared
        self._hang_up()

    def _hang_up(self) -> None:
        for client in set(self._backs) - self._spared:
            opened = self._backs.pop(client)
            asyncio.get_running_loop().remove_reader(opened)
            opened.close()

    def close(self) -> None:
        """Stop; what is still under way is lost."""
        loop = asyncio.get_running_loop()
        for opened in (self._front, *self._backs.values()):
            loop.remove_reader(opened)
            opened.close()

    def _from_clients(self) -> None:
        # Several at a time: with one a turn of the loop, a busy loop has less room for datagrams than there are.
        for _ in range(_AT_ONCE):
            try:
                datagram, client = self._front.recvfrom(DATAGRAM_BYTES)
            except BlockingIOError:
                return
            if client not in self._dead:
                self._from_client(datagram, client)

    def _from_client(self, datagram: bytes, client: Any) -> None:
        back = self._backs.get(client)
        if back is None:
            back = self._backs[client] = _bound(self._host)
            asyncio.get_running_loop().add_reader(back, self._from_relay, back, client)
        self._pass(datagram, back, self._target, upwards=True)

    def _from_relay(self, back: socket.socket, client: Any) -> None:
        for _ in range(_AT_ONCE):
            try:
                datagram = back.recv(DATAGRAM_BYTES)
            except BlockingIOError:
                return
            self._pass(datagram, self._front, client, upwards=False)

    def _pass(self, datagram: bytes, out: socket.socket, address: Any, *, upwards: bool) -> None:
        if (self._spares_nothing or _is_media(datagram)) and self.loses(datagram, upwards):
            self.dropped += 1
            return
        loop = asyncio.get_running_loop()
        direction, now_s = self.up if upwards else self.down, loop.time()
        leaves_s = now_s
        if direction.rate_bps is not None:
            leaves_s = max(now_s, self._free_s[upwards])
            if leaves_s - now_s > direction.queue_s:
                self.overflowed += 1
                return
            leaves_s += 8 * (len(datagram) + _ENVELOPE_BYTES) / direction.rate_bps
            self._free_s[upwards] = leaves_s
        wait_s = leaves_s - now_s + direction.delay_s
        if wait_s > 0:
            loop.call_later(wait_s, _send, out, datagram, address)
        else:
            _send(out, datagram, address)


def _send(out: socket.socket, datagram: bytes, address: Any) -> None:
    if out.fileno() >= 0:
        with suppress(BlockingIOError):  # a full socket loses it, as a link does
            out.sendto(datagram, address)


def _is_media(datagram: bytes) -> bool:
    """RTP, neither RTCP nor anything else (RFC 7983, RFC 5761)."""
    return 128 <= datagram[0] < 192 and not 192 <= datagram[1] <= 223


def _bound(host: str = "127.0.0.1") -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.bind((host, 0))
    return made
