"""Every cell of the one permission table, asked of the whole application over HTTP."""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
import redis.asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from server.admin_http import admin_application
from server.app import Parts
from server.auth.permissions import PERMISSIONS, allowed
from server.auth.principal import ROLES
from server.http import health
from server.http.operations import OPERATIONS
from server.public_http import public_application
from server.settings import Settings, load_settings
from tests.commerce.bank import DATA_KEYS
from tests.server.people import TOKENS, seed_people, session

B = "/api/v1/broadcasts/bc_none"
# One call a permission; none of the things named exists, so whoever may try gets another answer than 403.
CALLS: dict[str, tuple[str, str, Any]] = {
    "account.read": ("GET", "/api/v1/me", None),
    "broadcast.list": ("GET", "/api/v1/broadcasts", None),
    "broadcast.read": ("GET", B, None),
    "broadcast.create": ("POST", "/api/v1/broadcasts", {"title": ""}),
    "broadcast.edit": ("PATCH", B, {}),
    "broadcast.move": ("POST", f"{B}/moves", {"move": "end"}),
    "broadcast.readiness": ("GET", f"{B}/readiness", None),
    "encoder_token.issue": ("POST", f"{B}/encoder-tokens", None),
    "encoder_token.revoke": ("DELETE", f"{B}/encoder-tokens/et_none", None),
    "product.read": ("GET", "/api/v1/products", None),
    "product.make": ("PATCH", "/api/v1/products/pr_none", {}),
    "product.check": ("POST", "/api/v1/products/pr_none/moves", {"move": "approve"}),
    "product.withdraw": ("POST", "/api/v1/products/pr_none/moves", {"move": "withdraw"}),
    "document.read": ("GET", "/api/v1/documents/dc_none", None),
    "shelf.read": ("GET", f"{B}/shelf", None),
    "card.read": ("GET", f"{B}/card", None),
    "card.feature": ("PUT", f"{B}/card", {"product_id": "pr_none"}),
    "card.pull": ("DELETE", f"{B}/card", None),
    "assessment.take": ("POST", "/api/v1/assessments", {}),
    "gate.read": ("GET", f"{B}/gate?product_id=pr_none", None),
    "acknowledgement.create": ("POST", "/api/v1/acknowledgements", {}),
    "order.create": ("POST", "/api/v1/orders", {}),
    "order.submit": ("POST", "/api/v1/orders/or_none/submit", None),
    "order.cancel": ("POST", "/api/v1/orders/or_none/cancel", None),
    "order.read": ("GET", "/api/v1/orders", None),
    "tip.refund": ("POST", f"{B}/tips/tp_none/refund", {"reason": "x"}),
    "points.read": ("GET", "/api/v1/points", None),
    "figures.read": ("GET", f"{B}/figures", None),
    "moderation.read": ("GET", f"{B}/moderation", None),
    "talk.read": ("GET", f"{B}/questions", None),
    "report.read": ("GET", f"{B}/report", None),
}
# The other operations, each of which shares one of those permissions.
MORE_CALLS: tuple[tuple[str, str, str, Any], ...] = (
    ("account.read", "POST", "/api/v1/sessions/refresh", None),
    ("assessment.take", "GET", "/api/v1/questionnaire", None),
    ("assessment.take", "GET", "/api/v1/assessments", None),
    ("assessment.take", "POST", "/api/v1/assessments/as_none/confirm", None),
    ("order.submit", "POST", "/api/v1/identity-proofs", {"password": ""}),
    ("order.submit", "POST", "/api/v1/orders/or_none/extend", None),
    ("order.read", "GET", "/api/v1/orders/or_none", None),
    ("product.read", "GET", "/api/v1/products/pr_none", None),
    ("product.make", "POST", "/api/v1/products", {}),
    ("product.make", "POST", "/api/v1/products/pr_none/moves", {"move": "submit"}),
    ("product.check", "POST", "/api/v1/products/pr_none/moves", {"move": "reject"}),
    ("talk.read", "GET", f"{B}/polls", None),
    ("report.read", "GET", f"{B}/report.csv", None),
)
ALL_CALLS = (*((name, *call) for name, call in CALLS.items()), *MORE_CALLS)
# Media is asked at signalling, with the broadcast's own rules: tests/server/test_media_gate.py walks those two.
ELSEWHERE = {"media.publish", "media.view"}
PEOPLE = dict(zip(ROLES, ("viewer", "host", "guest", "monitor", "checker", "operator"), strict=True))


def settings() -> Settings:
    return load_settings(
        database_url="postgres://unused",
        redis_url="redis://unused",
        jwt_secret=TOKENS.secret,
        data_keys=DATA_KEYS,
        roles=("api", "commerce"),
    )


@pytest.fixture
async def client(pool: asyncpg.Pool, redis_client: redis.asyncio.Redis) -> AsyncIterator[TestClient[Any, Any]]:
    await seed_people(pool)
    parts = Parts(settings(), pool, redis_client)
    async with TestClient(TestServer(public_application(parts))) as client:
        yield client
    parts.passwords.close()


def test_every_permission_is_walked() -> None:
    assert set(CALLS) | ELSEWHERE == set(PERMISSIONS)


def test_every_operation_is_walked() -> None:
    called = [(method, path.partition("?")[0]) for _, method, path, _ in ALL_CALLS]
    for one in OPERATIONS:
        pattern = re.compile(re.sub(r"\{\w+\}", "[^/]+", one.path))
        assert one.public or any(method == one.method and pattern.fullmatch(path) for method, path in called), one


async def test_every_cell_of_the_table_holds_over_http(client: TestClient[Any, Any]) -> None:
    wrong = []
    for permission, method, path, body in ALL_CALLS:
        for role in ROLES:
            headers = {**session(PEOPLE[role]), "Idempotency-Key": "k1"}
            async with client.request(method, path, json=body, headers=headers) as response:
                refused = response.status == 403 and "the role" in (await response.text())
                if refused == allowed(role, permission) or response.status >= 500:
                    wrong.append((permission, role, response.status))
    assert wrong == []


async def test_nothing_is_given_without_a_session(client: TestClient[Any, Any]) -> None:
    for _, method, path, body in ALL_CALLS:
        async with client.request(method, path, json=body) as response:
            assert response.status == 401, path
            assert response.content_type == "application/problem+json"
            assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_a_token_in_the_address_opens_nothing(client: TestClient[Any, Any]) -> None:
    token = session("host")["Authorization"].removeprefix("Bearer ")
    for _, method, path, body in ALL_CALLS:
        for name in ("access_token", "token"):
            asked = f"{path}{'&' if '?' in path else '?'}{name}={token}"
            async with client.request(method, asked, json=body) as response:
                assert response.status == 401, asked


async def test_an_unknown_path_and_a_wrong_method_are_problems_too(client: TestClient[Any, Any]) -> None:
    async with client.get("/api/v1/nothing") as response:
        assert response.status == 404
        assert (await response.json(content_type=None))["code"] == "not_found"
    async with client.delete("/api/v1/me") as response:
        assert response.status == 405
        assert response.headers["Allow"]
        assert (await response.json(content_type=None))["code"] == "method_not_allowed"


async def test_health_and_readiness_say_what_is_there(client: TestClient[Any, Any], pool: asyncpg.Pool) -> None:
    async with client.get("/healthz") as response:
        assert response.status == 200
    async with client.get("/readyz") as response:
        assert await response.json() == {"ready": True, "parts": {"postgres": "ok", "migrations": "ok", "redis": "ok"}}
    await pool.execute("DELETE FROM schema_migrations")
    async with client.get("/readyz") as response:
        assert response.status == 503
        assert (await response.json())["parts"]["migrations"] == "MigrationsPending"


async def test_metrics_are_on_the_admin_port_and_not_public(
    client: TestClient[Any, Any], pool: asyncpg.Pool, redis_client: redis.asyncio.Redis
) -> None:
    async with client.get("/metrics") as response:
        assert response.status == 404
    parts = Parts(settings(), pool, redis_client)
    async with TestClient(TestServer(admin_application(parts))) as admin, admin.get("/metrics") as response:
        assert "process_cpu_seconds_total" in await response.text()
    parts.passwords.close()


async def test_a_database_ahead_by_what_was_added_is_served_and_one_that_took_something_away_is_not(
    client: TestClient[Any, Any], pool: asyncpg.Pool
) -> None:
    await pool.execute("INSERT INTO schema_migrations (version) VALUES ('20990101000000')")
    async with client.get("/readyz") as response:
        assert response.status == 200
        assert (await response.json())["parts"]["migrations"] == "ok, the database is ahead by 1"
    await pool.execute("UPDATE schema_floor SET version = '20990101000000'")
    async with client.get("/readyz") as response:
        assert response.status == 503
        assert (await response.json())["parts"]["migrations"] == "SchemaTooNew"


async def test_who_starts_or_drains_is_alive_and_not_ready(
    pool: asyncpg.Pool, redis_client: redis.asyncio.Redis
) -> None:
    parts = Parts(settings(), pool, redis_client)
    async with TestClient(TestServer(public_application(parts))) as client:
        parts.phase.now = "draining"
        async with client.get("/healthz") as response:
            assert response.status == 200
            assert response.headers["Connection"] == "close"
        async with client.get("/readyz") as response:
            assert response.status == 503
            assert (await response.json())["parts"]["process"] == "draining"
    parts.passwords.close()


async def test_a_store_that_never_answers_keeps_no_probe_waiting() -> None:
    async def silent() -> None:
        await asyncio.Event().wait()

    application = web.Application()
    application.add_routes(health.routes({"store": silent, "other": silent}, health.Phase()))
    async with TestClient(TestServer(application)) as asking, asyncio.timeout(20), asking.get("/readyz") as response:
        assert response.status == 503
        assert (await response.json())["parts"] == {"store": "no answer in 2 s", "other": "no answer in 2 s"}
