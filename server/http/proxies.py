"""The real address and scheme of a request that came through trusted proxies. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address

Networks = Sequence[IPv4Network | IPv6Network]


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asked, as far as it can be believed."""

    address: str
    scheme: str


def origin(peer: str, scheme: str, headers: Mapping[str, str], trusted: Networks) -> Origin:
    """Walk `X-Forwarded-For` from the right past trusted proxies; what an untrusted peer claims is ignored.

    The scheme is believed only from a trusted peer (`X-Forwarded-Proto`, its last value).
    """
    if not _is_trusted(peer, trusted):
        return Origin(peer, scheme)
    claimed = headers.get("X-Forwarded-Proto", "").rsplit(",", 1)[-1].strip().lower()
    address = peer
    for hop in reversed([part.strip() for part in headers.get("X-Forwarded-For", "").split(",")]):
        if not _is_address(hop):
            break
        address = hop
        if not _is_trusted(hop, trusted):
            break
    return Origin(address, claimed if claimed in ("http", "https") else scheme)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_trusted(text: str, trusted: Networks) -> bool:
    if not _is_address(text):
        return False
    address = ip_address(text)
    return any(address in network for network in trusted if network.version == address.version)
