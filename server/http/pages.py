"""Pages and their assets, read once into memory, served with a strict Content-Security-Policy. Reads `server/static`.

Assets stand under `/static/{digest}/…`, where the digest is of all of them: a page names its own set, which may be
kept for ever, and relative imports between modules stay inside that set. Pages themselves are always asked for anew.
"""

import gzip
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

STATIC = Path(__file__).resolve().parent.parent / "static"
_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".md": "text/plain; charset=utf-8",
}
_PAGES = {
    "/": "index.html",
    "/watch/{broadcast_id}": "viewer.html",
    "/console": "console.html",
    "/monitor": "monitor.html",
    "/monitor/{broadcast_id}": "monitor.html",
}
_IMPORT = re.compile(r'^(?:import|export)\b[^;"]*"(\.[^"]+)";', re.MULTILINE)
_MODULE = re.compile(r'<script type="module" src="\{\{assets\}\}/([^"]+)">')
_FOREVER = "public, max-age=31536000, immutable"
_DEVICES = {"console.html": "camera=(self), microphone=(self)"}


@dataclass(frozen=True)
class Asset:
    """A file as it is answered: its bytes, the same compressed, its type, one weak tag for both."""

    body: bytes
    compressed: bytes
    content_type: str
    etag: str


@dataclass(frozen=True)
class Site:
    """All assets by path, the digest of them all, and the pages by file name with their places filled in."""

    assets: dict[str, Asset]
    digest: str
    pages: dict[str, Asset]


def load_site(folder: Path = STATIC) -> Site:
    """Read everything under `folder`; raises OSError when it is not there, KeyError for an unknown file type."""
    files = {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()
    }
    sources = {name: body for name, body in files.items() if not name.endswith(".html")}
    digest = _digest(sources)
    assets = {name: _asset(body, _TYPES[Path(name).suffix]) for name, body in sources.items()}
    pages = {
        name: _asset(_filled(body.decode(), digest, sources), "text/html; charset=utf-8")
        for name, body in files.items()
        if name.endswith(".html")
    }
    return Site(assets, digest, pages)


def routes(gateway_url: Callable[[web.Request], str], site: Site | None = None) -> list[web.RouteDef]:
    """Routes of the pages and their assets.

    `gateway_url` gives the WebSocket address as this client reaches it (the one `/api/v1/config` tells); it is the
    only foreign origin that a page may connect to.
    """
    known = site or load_site()

    def page(name: str) -> web.RouteDef:
        async def show(request: web.Request) -> web.Response:
            headers = {
                "Cache-Control": "no-cache",
                "Content-Security-Policy": content_security_policy(gateway_url(request)),
                "Permissions-Policy": _DEVICES.get(_PAGES[name], "camera=(), microphone=()"),
            }
            return _answer(request, known.pages[_PAGES[name]], headers)

        return web.get(name, show)

    async def asset(request: web.Request) -> web.Response:
        found = known.assets.get(request.match_info["path"])
        if found is None:
            raise web.HTTPNotFound
        # A page of another version asks for its own set while both run side by side: answered, but not kept.
        current = request.match_info["digest"] == known.digest
        return _answer(request, found, {"Cache-Control": _FOREVER if current else "no-cache"})

    return [*(page(name) for name in _PAGES), web.get("/static/{digest}/{path:.+}", asset)]


def content_security_policy(gateway_url: str) -> str:
    """Compose the policy of a page that may talk to its own origin and to this gateway. Raises ValueError."""
    parts = urlsplit(gateway_url)
    if parts.scheme not in ("ws", "wss") or not re.fullmatch(r"[A-Za-z0-9.\-:\[\]]+", parts.netloc):
        raise ValueError("the gateway's address is a ws:// or wss:// URL without credentials")
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"connect-src 'self' {parts.scheme}://{parts.netloc}",
            "img-src 'self' data:",
            "media-src 'self' blob:",
            "font-src 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
            "form-action 'self'",
            "require-trusted-types-for 'script'",
        ]
    )


def module_closure(main: str, sources: dict[str, bytes]) -> list[str]:
    """List the modules that `main` imports, itself first, each once, so that a page can ask for all at once."""
    found, waiting = [], [main]
    while waiting:
        name = waiting.pop(0)
        if name in found:
            continue
        found.append(name)
        folder = Path(name).parent
        waiting += [_normal(folder / imported) for imported in _IMPORT.findall(sources[name].decode())]
    return found


def _normal(path: Path) -> str:
    parts: list[str] = []
    for part in path.parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


def _digest(sources: dict[str, bytes]) -> str:
    whole = hashlib.sha256()
    for name, body in sources.items():
        whole.update(f"{name}\0{len(body)}\0".encode() + body)
    return whole.hexdigest()[:16]


def _filled(page: str, digest: str, sources: dict[str, bytes]) -> bytes:
    modules = [name for main in _MODULE.findall(page) for name in module_closure(main, sources)]
    links = "\n".join(f'    <link rel="modulepreload" href="{{{{assets}}}}/{name}" />' for name in modules)
    return page.replace("{{preload}}", links).replace("{{assets}}", f"/static/{digest}").encode()


def _asset(body: bytes, content_type: str) -> Asset:
    etag = f'W/"{hashlib.sha256(body).hexdigest()[:24]}"'
    return Asset(body, gzip.compress(body, 9, mtime=0), content_type, etag)


def _answer(request: web.Request, asset: Asset, headers: dict[str, str]) -> web.Response:
    headers = {**headers, "ETag": asset.etag, "Vary": "Accept-Encoding", "X-Content-Type-Options": "nosniff"}
    if request.headers.get("If-None-Match") == asset.etag:
        return web.Response(status=304, headers=headers)
    squeezed = "gzip" in request.headers.get("Accept-Encoding", "")
    if squeezed:
        headers["Content-Encoding"] = "gzip"
    headers["Content-Type"] = asset.content_type
    return web.Response(body=asset.compressed if squeezed else asset.body, headers=headers)
