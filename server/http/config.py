"""What a page needs to know before anybody has signed in."""

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

import msgspec
from aiohttp import web

from server.http.body import json_response
from server.http.proxies import Networks, origin


@dataclass(frozen=True)
class PageConfig:
    """Where the gateway is (None: same host as the page, on `gateway_port`), and a demo's accounts."""

    gateway_public_url: str | None
    gateway_port: int
    demo_accounts: list[dict[str, str]] | None
    trusted_proxies: Networks = ()

    def gateway_url(self, request: web.Request) -> str:
        """The address a browser connects to; a page served over TLS needs a gateway behind TLS."""
        if self.gateway_public_url is not None:
            return self.gateway_public_url
        asked = origin(request.remote or "", request.scheme, request.headers, self.trusted_proxies)
        scheme = "wss" if asked.scheme == "https" else "ws"
        host = request.url.host or "localhost"
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.gateway_port}/ws"


class ConfigView(msgspec.Struct):
    """Where the gateway is, and, of a demo, who may be signed in as."""

    gateway_url: str
    version: str
    demo: bool
    demo_accounts: list[dict[str, str]]


def routes(config: PageConfig) -> list[web.RouteDef]:
    """`GET /api/v1/config`."""

    async def show(request: web.Request) -> web.Response:
        demo = config.demo_accounts
        return json_response(ConfigView(config.gateway_url(request), program_version(), demo is not None, demo or []))

    return [web.get("/api/v1/config", show)]


def program_version() -> str:
    """The installed version; a checkout that was not installed says so."""
    try:
        return version("wealthcast")
    except PackageNotFoundError:
        return "checkout"
