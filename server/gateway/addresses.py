"""How many connections one network address may hold and begin. Pure: time is an argument, monotonic seconds.

Sized for carrier NAT: thousands of honest phones stand behind one IPv4 address, so the limits stop a single machine
that opens sockets in a loop, not a crowd. An IPv6 host owns a /64, so that counts as one address. Counted in this
process.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from chat.rate_limit import AccountBuckets, Rate
from server.http.proxies import Networks, origin


@dataclass(frozen=True, slots=True)
class AddressLimits:
    """`handshakes` None does not count beginnings.

    `exempt` are networks of one's own: load generators, and proxies on this machine that nobody named.
    """

    connections: int = 1_500
    handshakes: Rate | None = field(default_factory=lambda: Rate(600, 60))
    trusted_proxies: Networks = ()
    exempt: tuple[IPv4Network | IPv6Network, ...] = (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))


class Addresses:
    """Counts what is open and what is begun by address."""

    def __init__(self, limits: AddressLimits) -> None:
        self._limits = limits
        self._handshakes = None if limits.handshakes is None else AccountBuckets(limits.handshakes)
        self._open: dict[str, int] = {}

    def key(self, peer: str, headers: Mapping[str, str]) -> str | None:
        """Return what a connection is counted under, by the real address behind trusted proxies; None is exempt."""
        claimed = origin(peer, "http", headers, self._limits.trusted_proxies).address
        try:
            address = ip_address(claimed.partition("%")[0])
        except ValueError:
            return claimed
        address = getattr(address, "ipv4_mapped", None) or address
        if any(address in network for network in self._limits.exempt if network.version == address.version):
            return None
        return str(address) if address.version == 4 else str(ip_network((address, 64), strict=False))

    def admit(self, key: str | None, now_s: float) -> float:
        """Return 0.0 when one more may begin, else the seconds after which to ask again."""
        if key is None:
            return 0.0
        if self._open.get(key, 0) >= self._limits.connections:
            return 30.0
        return 0.0 if self._handshakes is None else self._handshakes.take(key, now_s)

    def enter(self, key: str | None) -> None:
        """A connection is open; to be answered by `leave`."""
        if key is not None:
            self._open[key] = self._open.get(key, 0) + 1

    def leave(self, key: str | None) -> None:
        """A connection has ended."""
        if key is None:
            return
        self._open[key] -= 1
        if not self._open[key]:
            del self._open[key]
