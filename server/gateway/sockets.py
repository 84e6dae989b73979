"""The sockets of a gateway, from accept to loss; those that have not opened yet are few. No I/O of its own."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

from server.gateway.addresses import Addresses, AddressLimits
from server.gateway.counters import GatewayCounters


class Socket(Protocol):
    """A connection; neither blocks nor raises."""

    def give_up(self) -> None:
        """Be gone without a word."""

    def sweep(self) -> None:
        """As RawConnection."""


class Sockets:
    """Counts who has connected and not yet finished the handshake, all together and by address.

    Overflow policy: *the one that has waited longest goes*. An honest handshake takes a moment, so those that say
    nothing go first, and however many they are, whoever comes gets in. Proxies and exempt networks count as one
    crowd, within the bound of all.
    """

    def __init__(
        self, counters: GatewayCounters, addresses: AddressLimits, *, unopened: int, unopened_per_address: int
    ) -> None:
        self._counters = counters
        self._addresses = Addresses(replace(addresses, exempt=(*addresses.exempt, *addresses.trusted_proxies)))
        self._most = unopened
        self._most_of_one = unopened_per_address
        self._all: set[Socket] = set()
        self._unopened: dict[Socket, str | None] = {}
        self._by_address: dict[str, dict[Socket, None]] = {}

    def __iter__(self) -> Iterator[Socket]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)

    @property
    def unopened(self) -> int:
        """How many have not finished their handshake."""
        return len(self._unopened)

    def accept(self, socket: Socket, peer: str) -> None:
        """Count one that was accepted just now."""
        address = self._addresses.key(peer, {})
        self._all.add(socket)
        self._unopened[socket] = address
        if len(self._unopened) > self._most:
            self._give_up(next(iter(self._unopened)))
        if address is None:
            return
        same = self._by_address.setdefault(address, {})
        same[socket] = None
        if len(same) > self._most_of_one:
            self._give_up(next(iter(same)))

    def open(self, socket: Socket) -> None:
        """Count it as opened: its handshake is done."""
        address = self._unopened.pop(socket, None)
        if address is not None and (same := self._by_address.get(address)) is not None:
            same.pop(socket, None)
            if not same:
                del self._by_address[address]

    def lose(self, socket: Socket) -> None:
        """Count it no more."""
        self.open(socket)
        self._all.discard(socket)

    def _give_up(self, socket: Socket) -> None:
        self._counters.unopened_closes += 1
        self.open(socket)
        socket.give_up()
