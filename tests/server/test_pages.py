"""The pages as they are served, and what can be said of their sources without a browser."""

import gzip
import hashlib
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from commerce.product import CardContent
from server.http.pages import STATIC, content_security_policy, load_site, module_closure, routes

GATEWAY = "ws://bank.example:8081/ws"
OWN_SOURCES = sorted(path for path in STATIC.rglob("*.js") if "vendor" not in path.parts)
PAGES = sorted(STATIC.glob("*.html"))
PROTOCOL = Path(__file__).resolve().parents[2] / "docs" / "protocol.md"
ROOM_CODES = {
    "text_empty",
    "text_too_long",
    "rate_limited",
    "unavailable",
    "tips_off",
    "daily_cap",
    "insufficient_points",
}


@pytest.fixture
async def client() -> AsyncIterator[TestClient[web.Request, web.Application]]:
    application = web.Application()
    application.add_routes(routes(lambda request: GATEWAY))
    async with TestClient(TestServer(application)) as running:
        yield running


@pytest.mark.parametrize("path", ["/", "/watch/bc_demo", "/console", "/monitor", "/monitor/bc_demo"])
async def test_page_may_load_nothing_but_its_own_files_and_talk_to_its_gateway(
    client: TestClient[web.Request, web.Application], path: str
) -> None:
    response = await client.get(path)
    policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-cache"
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["connect-src"] == "'self' ws://bank.example:8081"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in response.headers["Content-Security-Policy"]


async def test_only_the_console_may_ask_for_camera_and_microphone(
    client: TestClient[web.Request, web.Application],
) -> None:
    console = await client.get("/console")
    viewer = await client.get("/watch/bc_demo")
    assert console.headers["Permissions-Policy"] == "camera=(self), microphone=(self)"
    assert viewer.headers["Permissions-Policy"] == "camera=(), microphone=()"


async def test_everything_a_page_names_is_there_and_kept_for_ever(
    client: TestClient[web.Request, web.Application],
) -> None:
    for page in ("/", "/watch/bc_demo", "/console", "/monitor"):
        named = re.findall(r'(?:href|src)="(/static/[^"]+)"', await (await client.get(page)).text())
        assert len(named) > 10
        for address in named:
            response = await client.get(address)
            assert response.status == 200, address
            assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"


async def test_assets_of_another_version_are_answered_but_not_kept(
    client: TestClient[web.Request, web.Application],
) -> None:
    response = await client.get("/static/0123456789abcdef/js/api.js")
    assert response.status == 200
    assert response.headers["Cache-Control"] == "no-cache"


async def test_unchanged_page_is_answered_without_its_body(client: TestClient[web.Request, web.Application]) -> None:
    first = await client.get("/console")
    again = await client.get("/console", headers={"If-None-Match": first.headers["ETag"]})
    assert again.status == 304
    assert await again.read() == b""


async def test_compressed_and_plain_answers_hold_the_same(client: TestClient[web.Request, web.Application]) -> None:
    plain = await client.get("/static/x/js/api.js", headers={"Accept-Encoding": "identity"})
    squeezed = await client.get("/static/x/js/api.js", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers
    assert squeezed.headers["Content-Encoding"] == "gzip"
    assert await plain.read() == await squeezed.read() == (STATIC / "js" / "api.js").read_bytes()
    assert gzip.decompress(load_site().assets["js/api.js"].compressed) == await plain.read()


@pytest.mark.parametrize("path", ["/static/x/../../settings.py", "/static/x/%2e%2e/pages.py", "/static/x/viewer.html"])
async def test_nothing_outside_the_assets_is_served(
    client: TestClient[web.Request, web.Application], path: str
) -> None:
    assert (await client.get(path)).status == 404


@pytest.mark.parametrize("address", ["http://x/ws", "ws://x; script-src *", "wss://user:pass@x/ws", "", "ws:///ws"])
def test_policy_refuses_what_is_no_gateway_address(address: str) -> None:
    with pytest.raises(ValueError, match="gateway"):
        content_security_policy(address)


def test_policy_takes_an_ipv6_gateway() -> None:
    assert "connect-src 'self' wss://[::1]:8081;" in content_security_policy("wss://[::1]:8081/ws")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_page_holds_no_inline_script_style_or_handler(page: Path) -> None:
    text = page.read_text()
    assert re.findall(r"<script(?![^>]*\bsrc=)", text) == []
    assert re.findall(r"<style|\sstyle=|\son[a-z]+=", text) == []


@pytest.mark.parametrize("source", OWN_SOURCES, ids=lambda path: path.name)
def test_module_needs_nothing_that_the_policy_forbids(source: Path) -> None:
    text = source.read_text()
    forbidden = r"\bstyle=|\.innerHTML|dangerouslySetInnerHTML|\beval\(|new Function|insertAdjacentHTML|document\.write"
    assert re.findall(forbidden, text) == []
    assert text.lstrip().startswith("/**") or source.name == "index.js", "a module says what it is for"


def test_every_module_is_reached_from_a_page() -> None:
    sources = {path.relative_to(STATIC).as_posix(): path.read_bytes() for path in STATIC.rglob("*.js")}
    mains = [name for name in sources if name.endswith("/main.js")]
    reached = {module for main in mains for module in module_closure(main, sources)}
    assert reached == set(sources)


def test_both_languages_have_the_same_keys_and_places() -> None:
    zh, en = _strings("zh"), _strings("en")
    assert list(zh) == list(en)
    for key in zh:
        assert zh[key].strip(), key
        assert en[key].strip(), key
        assert set(re.findall(r"\{\w+\}", zh[key])) >= set(re.findall(r"\{\w+\}", en[key])), key


def test_every_key_that_a_page_uses_exists_and_none_is_left_over() -> None:
    known = set(_strings("en"))
    text = "\n".join(path.read_text() for path in OWN_SOURCES if path.parent.name != "i18n")
    literal = set(re.findall(r'\bt\(\s*"([^"]+)"', text))
    assert literal <= known
    families = {match.split("${")[0] for match in re.findall(r"`([a-z]+\.[a-z_]*\$\{[^`]*)`", text)}
    quoted = set(re.findall(r'"([a-z]+\.[a-z_.]+)"', text))
    unused = {key for key in known - literal - quoted if not any(key.startswith(family) for family in families)}
    assert unused == set()


def test_what_a_card_says_by_a_code_has_words_in_both_languages() -> None:
    types = get_type_hints(CardContent)
    keys = {f"card.type_{kind}" for kind in get_args(types["product_type"])}
    keys |= {f"card.seller_{role}" for role in get_args(types["seller_role"])}
    keys |= {f"card.{rating}" for rating in get_args(types["issuer_rating"])}
    for language in ("zh", "en"):
        assert keys - set(_strings(language)) == set()
        assert {key for key in _strings(language) if key.startswith("card.type_")} <= keys


def test_every_refusal_of_the_protocol_has_words_in_both_languages() -> None:
    refusals = PROTOCOL.read_text().split("Refusals are 422 with one of")[1].split("The typed sentence")[0]
    codes = set(re.findall(r"\b[a-z]+_?[a-z_]*\b", " ".join(re.findall(r"`([a-z_ ]+)`", refusals)))) | ROOM_CODES
    assert {"risk_mismatch", "quota_empty", "busy"} <= codes
    for language in ("zh", "en"):
        assert {code for code in codes if f"error.{code}" not in _strings(language)} == set()


def test_vendored_code_is_what_its_record_says() -> None:
    vendor = STATIC / "vendor"
    record = (vendor / "VENDOR.md").read_text()
    for module in vendor.glob("*.js"):
        assert module.name in record
        assert hashlib.sha256(module.read_bytes()).hexdigest() in record
    for licence in ("LICENSE.htm.txt", "LICENSE.preact.txt"):
        assert licence in record
        assert (vendor / licence).stat().st_size > 1_000


def _strings(language: str) -> dict[str, str]:
    text = (STATIC / "js" / "i18n" / f"{language}.js").read_text()
    found = re.findall(r'^  "([^"]+)": "(.*)",$', text, re.MULTILINE)
    assert len(found) == len(dict(found)), "of two strings with one key the last would win"
    return dict(found)
