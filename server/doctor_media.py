"""The doctor's look at how viewers reach media: advertised addresses, and an allocation on each TURN server. I/O."""

import asyncio
import ipaddress
import re
import socket
import time

from aioice.turn import create_turn_endpoint

from server.finding import Finding
from server.http.ice_servers import rest_credentials
from server.settings import Settings

_TIMEOUT_S = 5
_DEFAULT_PORT = 3478
_URL = re.compile(r"turn:(?P<host>\[[^\]]+\]|[^:?\[]+)(?::(?P<port>\d+))?(?:\?transport=(?P<transport>udp|tcp))?")
Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def media_addresses(settings: Settings) -> list[Finding]:
    """Say of each advertised address whether viewers can reach it, as far as this machine knows."""
    if not settings.media_advertised_ip:
        mend = "set it to the addresses at which viewers reach the media port"
        return [Finding("MEDIA_ADVERTISED_IP", "not set", mend)]
    return [_media_address(address, settings) for address in settings.media_advertised_ip]


def _media_address(address: Address, settings: Settings) -> Finding:
    if address.is_unspecified or address.is_loopback:
        return Finding("MEDIA_ADVERTISED_IP", str(address), "viewers cannot reach this address")
    listens_on_ipv6 = ":" in settings.media_bind_host
    if address.version == 6 and not listens_on_ipv6:
        return Finding("MEDIA_ADVERTISED_IP", str(address), f"HOST {settings.host} does not listen on IPv6")
    if not is_ours(address):
        return Finding(
            "MEDIA_ADVERTISED_IP",
            f"{address}, on no interface here: right behind NAT that forwards UDP {settings.media_port}",
        )
    return Finding("MEDIA_ADVERTISED_IP", str(address))


def is_ours(address: Address) -> bool:
    """Whether an interface of this machine has it."""
    family = socket.AF_INET if address.version == 4 else socket.AF_INET6
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((str(address), 0))
        except OSError:
            return False
    return True


def turn_servers(settings: Settings) -> list[Finding]:
    """Allocate a relayed address on each TURN server, with the credentials that viewers would get."""
    return [_turn_server(url, settings) for url in settings.turn_urls if url.startswith(("turn:", "turns:"))]


class _Allocation(asyncio.DatagramProtocol):
    """What was allocated, until it is given back."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set()


def _turn_server(url: str, settings: Settings) -> Finding:
    match = _URL.fullmatch(url)
    if match is None:
        return Finding("TURN_URLS", f"{url}: not tried (only turn: is)")
    assert settings.turn_secret is not None, "the settings ask for it"
    username, password = rest_credentials(settings.turn_secret.get_secret_value(), "doctor", int(time.time()) + 60)
    server = (match["host"].strip("[]"), int(match["port"] or _DEFAULT_PORT))

    async def allocate() -> str:
        async with asyncio.timeout(_TIMEOUT_S):
            transport, allocation = await create_turn_endpoint(
                _Allocation, server, username, password, transport=match["transport"] or "udp"
            )
            host, port = transport.get_extra_info("sockname")[:2]
            transport.close()
            await allocation.ended.wait()
            return f"{host}:{port}"

    try:
        return Finding("TURN_URLS", f"{url} relays from {asyncio.run(allocate())}")
    except Exception as error:  # whatever the client raises means that viewers cannot use it either
        mend = "is it reachable from here, and is TURN_SECRET its static-auth-secret?"
        return Finding("TURN_URLS", f"{url} cannot be used: {type(error).__name__}", mend)
