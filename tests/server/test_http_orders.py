"""The purchase over HTTP: statuses, codes, shapes, and everything a buyer can send wrong."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from commerce.settings import CommerceSettings
from server.auth.tokens import TokenError
from tests.server.people import TOKENS, session
from tests.server.shop import PROOFS, Shop, open_shop

ORDER_FIELDS = {
    "order_id", "state", "product_id", "product_name", "card_version", "broadcast_id", "amount_minor", "currency",
    "fee_minor", "reserved_until", "created_at", "stream_time_ms",
    "allowed",
}  # fmt: skip
RECEIPT_FIELDS = {
    "order_id", "customer_name", "product", "risk_rating", "risk_tolerance", "amount", "card_version",
    "disclosure_text", "disclosure_sha256", "acknowledgement_text", "acknowledgement_method",
    "acknowledged_at", "accepted_at",
    "stream_time_ms", "broadcast_title", "host", "licence_no",
}  # fmt: skip


@pytest.fixture
async def shop(pool: asyncpg.Pool) -> AsyncIterator[Shop]:
    async with open_shop(pool) as opened:
        yield opened


async def test_a_customer_buys_from_the_gate_to_the_receipt(shop: Shop) -> None:
    await shop.opened()
    status, gate = await shop.call("GET", "/broadcasts/bc_a/gate?product_id=pr_a", "viewer")
    assert (status, gate["allowed"], gate["refusals"], gate["minimum_dwell_ms"]) == (200, True, [], 3_000)
    assert gate["customer"]["available_minor"] == 100_000_000
    status, order = await shop.reserve()
    assert (status, order["state"]) == (201, "reserved")
    assert set(order) == ORDER_FIELDS
    assert order["reserved_until"] == "2026-11-23T02:04:00Z"
    path = f"/orders/{order['order_id']}"
    status, accepted = await shop.call("POST", f"{path}/submit", "viewer", Idempotency_Key="k2")
    assert (status, accepted["state"]) == (200, "accepted")
    assert set(accepted["receipt"]) == RECEIPT_FIELDS
    assert accepted["receipt"]["amount"] == {"amount_minor": 200_000, "currency": "CNY"}
    assert await shop.call("GET", path, "viewer") == (200, accepted)
    assert await shop.call("GET", "/orders", "viewer") == (200, {"orders": [accepted], "next": None})
    card = (await shop.call("GET", "/broadcasts/bc_a/card", "viewer"))[1]
    assert card["quota_left_minor"] == 300_000_000 - 200_000
    status, cancelled = await shop.call("POST", f"{path}/cancel", "viewer", Idempotency_Key="k3")
    assert (status, cancelled["state"]) == (200, "cancelled")


@pytest.mark.parametrize(
    "amount",
    ["0", "-1", "200000.0", "200000.5", "2e5", '"200000"', "null", "true", "[200000]", "9223372036854775808",
     "1" + "0" * 40, "1e400"],
)  # fmt: skip
async def test_an_amount_that_is_no_amount(shop: Shop, amount: str) -> None:
    await shop.opened()
    acknowledgement_id = (await shop.acknowledged())[1]["acknowledgement_id"]
    raw = f'{{"acknowledgement_id": "{acknowledgement_id}", "amount_minor": {amount}, "currency": "CNY"}}'
    status, body = await shop.call("POST", "/orders", "viewer", raw=raw, Idempotency_Key="k1")
    assert (status, body["code"]) in {(422, "bad_amount"), (400, "bad_json"), (422, "bad_field")}
    if amount != "1e400":
        assert body["code"] == "bad_amount"
    assert await shop.bank.taken_minor() == 0


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"amount_minor": 90_000}, 422, "below_minimum"),
        ({"amount_minor": 105_000}, 422, "bad_increment"),
        ({"amount_minor": 60_000_000}, 422, "over_limit"),
        ({"currency": "USD"}, 422, "bad_amount"),
        ({"currency": "RMB"}, 422, "bad_amount"),
        ({"currency": 1}, 422, "bad_amount"),
        ({"acknowledgement_id": "ak_none"}, 422, "disclosure_missing"),
        ({"acknowledgement_id": "'; DROP TABLE orders"}, 422, "bad_field"),
        ({"price": 1}, 422, "bad_field"),
    ],
)
async def test_an_order_that_is_refused(shop: Shop, changes: dict[str, Any], status: int, code: str) -> None:
    await shop.opened()
    answer = await shop.reserve(**changes)
    assert (answer[0], answer[1]["code"]) == (status, code)
    assert await shop.bank.taken_minor() == 0


async def test_the_second_buyer_beyond_what_is_left_hears_quota_empty(shop: Shop) -> None:
    await shop.opened(quota_total_minor=300_000)
    assert (await shop.reserve("viewer"))[0] == 201
    status, body = await shop.reserve("other_viewer")
    assert (status, body["code"]) == (409, "quota_empty")
    assert body["type"] == "about:blank"
    assert body["status"] == 409


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"typed_text": "我愿意"}, "disclosure_missing"),
        ({"documents_opened": []}, "disclosure_missing"),
        ({"dwell_ms": 10}, "disclosure_missing"),
        ({"method": "pasted"}, "bad_field"),
        ({"method": "steps", "typed_text": ""}, "disclosure_missing"),
        ({"dwell_ms": -1}, "bad_field"),
        ({"dwell_ms": "9000"}, "bad_field"),
        ({"documents_opened": ["\x00"]}, "bad_field"),
        ({"card_version": 2**40}, "bad_field"),
        ({"broadcast_id": "bc_none"}, "no_such_broadcast"),
        ({"product_id": "pr_other"}, "card_pulled"),
        ({"card_version": 2}, "card_version_stale"),
    ],
)
async def test_an_acknowledgement_that_is_refused(shop: Shop, changes: dict[str, Any], code: str) -> None:
    await shop.opened()
    assert (await shop.acknowledged(**changes))[1]["code"] == code


async def test_the_receipt_says_how_the_sentence_was_agreed_to(shop: Shop) -> None:
    await shop.opened()
    for method in ("steps", "typed"):
        _, kept = await shop.acknowledged(method=method)
        _, order = await shop.reserve(key=f"r-{method}", acknowledgement_id=kept["acknowledgement_id"])
        path = f"/orders/{order['order_id']}/submit"
        _, accepted = await shop.call("POST", path, "viewer", Idempotency_Key=f"s-{method}")
        assert accepted["receipt"]["acknowledgement_method"] == method


async def test_an_unsuitable_customer_is_told_by_the_gate_and_stopped_at_the_reading(shop: Shop) -> None:
    await shop.opened(issuer_rating="R5")
    status, gate = await shop.call("GET", "/broadcasts/bc_a/gate?product_id=pr_a", "viewer")
    assert (status, gate["allowed"], [r["code"] for r in gate["refusals"]]) == (200, False, ["risk_mismatch"])
    status, body = await shop.acknowledged()
    assert (status, body["code"]) == (422, "risk_mismatch")


@pytest.mark.parametrize("query", ["", "?product_id=", "?product_id=1", "?product_id=pr_%00"])
async def test_a_gate_that_does_not_say_which_card(shop: Shop, query: str) -> None:
    assert (await shop.call("GET", f"/broadcasts/bc_a/gate{query}", "viewer"))[1]["code"] == "bad_field"


async def test_another_customers_order_does_not_exist(shop: Shop) -> None:
    await shop.opened()
    path = f"/orders/{(await shop.reserve())[1]['order_id']}"
    for method, target in (("GET", path), ("POST", f"{path}/submit"), ("POST", f"{path}/cancel")):
        status, body = await shop.call(method, target, "other_viewer", Idempotency_Key="k1")
        assert (status, body["code"]) == (404, "no_such_order")
    assert await shop.call("GET", "/orders", "other_viewer") == (200, {"orders": [], "next": None})
    assert (await shop.call("GET", "/orders/%00", "viewer"))[1]["code"] == "no_such_order"


async def test_another_customers_acknowledgement_opens_nothing(shop: Shop) -> None:
    await shop.opened()
    stolen = (await shop.acknowledged("viewer"))[1]["acknowledgement_id"]
    status, body = await shop.reserve("other_viewer", acknowledgement_id=stolen)
    assert (status, body["code"]) == (422, "disclosure_missing")


@pytest.mark.parametrize("who", ["host", "monitor", "checker", "operator", "guest"])
async def test_staff_buy_nothing_here(shop: Shop, who: str) -> None:
    for method, path in (
        ("GET", "/orders"), ("POST", "/orders"), ("POST", "/acknowledgements"), ("GET", "/points"),
        ("POST", "/orders/or_1/submit"), ("GET", "/broadcasts/bc_a/gate?product_id=pr_a"),
    ):  # fmt: skip
        status, body = await shop.call(method, path, who)
        assert (status, body["code"]) == (403, "forbidden")


async def test_a_key_is_needed_and_has_a_form(shop: Shop) -> None:
    await shop.opened()
    order = (await shop.reserve())[1]
    path = f"/orders/{order['order_id']}/submit"
    status, body = await shop.call("POST", path, "viewer")
    assert (status, body["code"]) == (400, "missing_idempotency_key")
    for key in ("x" * 129, "with space", "é"):
        assert (await shop.call("POST", path, "viewer", Idempotency_Key=key))[1]["code"] == "bad_idempotency_key"


async def test_the_same_key_repeats_its_answer_and_conflicts_with_another_body(shop: Shop) -> None:
    await shop.opened()
    acknowledgement_id = (await shop.acknowledged())[1]["acknowledgement_id"]
    body = {"acknowledgement_id": acknowledgement_id, "amount_minor": 200_000, "currency": "CNY"}
    first = await shop.call("POST", "/orders", "viewer", body, Idempotency_Key="k1")
    assert first[0] == 201
    assert await shop.call("POST", "/orders", "viewer", body, Idempotency_Key="k1") == first
    other = await shop.call("POST", "/orders", "viewer", {**body, "amount_minor": 210_000}, Idempotency_Key="k1")
    assert (other[0], other[1]["code"]) == (409, "idempotency_conflict")
    assert await shop.bank.taken_minor() == 200_000


async def test_a_button_hit_ten_times_buys_once(shop: Shop) -> None:
    await shop.opened()
    acknowledgement_id = (await shop.acknowledged())[1]["acknowledgement_id"]
    body = {"acknowledgement_id": acknowledgement_id, "amount_minor": 200_000, "currency": "CNY"}
    answers = await asyncio.gather(
        *(shop.call("POST", "/orders", "viewer", body, Idempotency_Key="k1") for _ in range(10))
    )
    assert Counter(status for status, _ in answers) == {201: 10}
    assert len({answer["order_id"] for _, answer in answers}) == 1
    assert await shop.bank.taken_minor() == 200_000


@pytest.mark.parametrize("fact", ["monitor_absent", "recording_unavailable"])
async def test_what_passes_by_waiting_says_when_to_return(shop: Shop, fact: str) -> None:
    await shop.opened()
    acknowledgement_id = (await shop.acknowledged())[1]["acknowledgement_id"]
    shop.bank.broadcasts.change("bc_a", **{fact: True})
    body = {"acknowledgement_id": acknowledgement_id, "amount_minor": 200_000, "currency": "CNY"}
    async with shop.client.post(
        "/api/v1/orders", json=body, headers={**session("viewer"), "Idempotency-Key": "k1"}
    ) as response:
        assert response.status == 409
        assert (await response.json(content_type=None))["code"] == fact
        assert int(response.headers["Retry-After"]) >= 1


async def test_an_expired_reservation_and_a_second_submit(shop: Shop) -> None:
    await shop.opened()
    first = (await shop.reserve(key="k1"))[1]["order_id"]
    second = (await shop.reserve(key="k2"))[1]["order_id"]
    assert (await shop.call("POST", f"/orders/{second}/submit", "viewer", Idempotency_Key="s1"))[0] == 200
    status, body = await shop.call("POST", f"/orders/{second}/submit", "viewer", Idempotency_Key="s2")
    assert (status, body["code"], body["state"], body["allowed"]) == (409, "illegal_move", "accepted", ["cancel"])
    shop.bank.clock.advance(minutes=4)
    status, body = await shop.call("POST", f"/orders/{first}/submit", "viewer", Idempotency_Key="s3")
    assert (status, body["code"]) == (422, "reservation_expired")


async def test_orders_come_in_pages(shop: Shop) -> None:
    await shop.opened()
    ids = [(await shop.reserve(key=f"k{n}"))[1]["order_id"] for n in range(3)]
    first = (await shop.call("GET", "/orders?limit=2", "viewer"))[1]["orders"]
    rest = (await shop.call("GET", f"/orders?limit=2&before={first[-1]['order_id']}", "viewer"))[1]["orders"]
    assert [order["order_id"] for order in [*first, *rest]] == ids[::-1]


async def test_a_reservation_is_extended_once_and_an_open_purchase_is_listed(shop: Shop) -> None:
    await shop.opened()
    _, order = await shop.reserve()
    path = f"/orders/{order['order_id']}"
    assert order["allowed"] == ["submit", "cancel", "extend"]
    status, extended = await shop.call("POST", f"{path}/extend", "viewer", Idempotency_Key="e1")
    assert (status, extended["reserved_until"], extended["allowed"]) == (
        200,
        "2026-11-23T02:08:00Z",
        ["submit", "cancel"],
    )
    status, problem = await shop.call("POST", f"{path}/extend", "viewer", Idempotency_Key="e2")
    assert (status, problem["code"]) == (409, "illegal_move")
    assert (await shop.call("POST", f"{path}/extend", "viewer"))[0] == 400
    assert (await shop.call("POST", f"{path}/extend", "other_viewer", Idempotency_Key="e3"))[0] == 404
    assert await shop.call("GET", "/orders?open=true", "viewer") == (200, {"orders": [extended], "next": None})
    await shop.call("POST", f"{path}/submit", "viewer", Idempotency_Key="k2")
    assert await shop.call("GET", "/orders?open=true", "viewer") == (200, {"orders": [], "next": None})
    assert (await shop.call("GET", "/orders?open=maybe", "viewer"))[0] == 422


async def test_where_it_is_set_submitting_takes_a_fresh_proof_of_ones_own_password(pool: asyncpg.Pool) -> None:
    async with open_shop(pool, CommerceSettings(reauthentication_within_s=300)) as shop:
        shop.bank.clock.now = datetime.now(UTC)
        await shop.opened()
        _, order = await shop.reserve()
        path = f"/orders/{order['order_id']}/submit"
        status, problem = await shop.call("POST", path, "viewer", Idempotency_Key="k2")
        assert (status, problem["code"]) == (403, "reauthentication_required")
        status, problem = await shop.call("POST", "/identity-proofs", "viewer", {"password": "wrong"})
        assert (status, problem["code"]) == (403, "bad_credentials")
        _, others = await shop.call("POST", "/identity-proofs", "other_viewer", {"password": "viewer2"})
        for forged in (others["identity_proof"], "not.a.proof", ""):
            status, problem = await shop.call("POST", path, "viewer", {"identity_proof": forged}, Idempotency_Key="k2")
            assert (status, problem["code"]) == (403, "reauthentication_required")
        status, proof = await shop.call("POST", "/identity-proofs", "viewer", {"password": "viewer"})
        assert status == 201
        shop.bank.clock.now = datetime.now(UTC)
        status, accepted = await shop.call("POST", path, "viewer", proof, Idempotency_Key="k2")
        assert (status, accepted["state"]) == (200, "accepted")


def test_a_session_is_no_proof_of_identity_and_a_proof_no_session() -> None:
    session_token, _ = TOKENS.issue("ac_viewer", "viewer", "小梅", now_s=1_000)
    assert PROOFS.read(session_token, "ac_viewer", now_s=1_001) is None
    proof = PROOFS.issue("ac_viewer", now_s=1_000)
    assert PROOFS.read(proof, "ac_viewer", now_s=1_001) == datetime.fromtimestamp(1_000, UTC)
    assert PROOFS.read(proof, "ac_viewer", now_s=5_000) is None
    assert PROOFS.read(proof, "ac_viewer", now_s=999) is None
    with pytest.raises(TokenError):
        TOKENS.verify(proof, now_s=1_001)
