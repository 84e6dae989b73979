"""A browser window at the pages, served by a small fake."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser, Page, async_playwright

from server.http.pages import routes
from tests.chromium_program import CHROMIUM
from tests.pages.door import PATIENCE_S, SITE, Door


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
async def origin(door: Door) -> AsyncIterator[str]:
    async def config(request: web.Request) -> web.Response:
        accounts = [{"login": "mei", "password": "right", "role": "viewer", "display_name": "小梅"}]
        body = {"gateway_url": f"ws://{request.host}/ws", "demo": True, "demo_accounts": accounts}
        return web.json_response({**body, "version": "0"})

    async def sign_in(request: web.Request) -> web.Response:
        problem = {"type": "about:blank", "title": "Not signed in", "status": 401, "code": "bad_credentials"}
        return web.json_response(problem, status=401, content_type="application/problem+json")

    application = web.Application()
    application.add_routes(routes(lambda request: f"ws://{request.host}/ws", SITE))
    application.add_routes([web.get("/ws", door.serve), web.get("/api/v1/config", config)])
    application.add_routes([web.post("/api/v1/sessions", sign_in)])
    async with TestServer(application) as server:
        yield str(server.make_url("/")).rstrip("/")


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        running = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield running
        await running.close()


@pytest.fixture
async def page(browser: Browser, origin: str) -> AsyncIterator[Page]:
    """A page, closed before the server is, which would else wait for its sockets."""
    context = await browser.new_context(locale="zh-CN", viewport={"width": 390, "height": 844})
    context.set_default_timeout(PATIENCE_S * 1000)
    yield await context.new_page()
    await context.close()
