"""Tokens of the bank's own issuer: accepted everywhere like ours, through rotation, failure and hostile words."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import asyncpg
import jwt
import pytest
import redis.asyncio
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from chat.errors import AuthenticationFailed, Unavailable
from commerce.money import Money
from commerce.records import CustomerRecords
from server.auth.accounts_postgres import AccountStore
from server.auth.encoder_tokens_postgres import EncoderTokens
from server.auth.identities import BankIdentities, BankRecords
from server.auth.issuer import BadKeySet, IssuerRules, account_of, parse_keys
from server.auth.issuer_keys_http import IssuerKeys, IssuerUnavailable
from server.auth.session_ends_postgres import SessionEnds
from server.auth.tokens import TokenError
from server.http.signalling import SignallingRefused
from server.media_gate import MediaGate
from server.room_identity import RoomAuthenticator
from streaming.broadcast import Draft
from streaming.broadcasts_postgres import PostgresBroadcasts
from tests.commerce.bank import ENVELOPES, Bank
from tests.server.gateway_rig import Rig, connected
from tests.server.issuer_server import AUDIENCE, ISSUER, Issuer, issuer_server
from tests.server.people import TOKENS, seed_people
from tests.server.shop import open_shop
from tests.streaming.harness import station
from tests.streaming.test_sdp_answer import VIEWER

RULES = IssuerRules(ISSUER, AUDIENCE, leeway_s=30)
WANG = account_of(ISSUER, "62001234")


class Clock:
    """Time that moves when told to."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def bank(pool: asyncpg.Pool) -> Bank:
    return Bank(pool)


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with issuer_server() as served:
        yield served


def identities(pool: asyncpg.Pool, customers: CustomerRecords, keys: IssuerKeys) -> BankIdentities:
    records = BankRecords(AccountStore(pool, ENVELOPES), customers, SessionEnds(pool))
    return BankIdentities(TOKENS, RULES, keys, records)


def of(issuer: Issuer) -> Callable[[Bank], BankIdentities]:
    """The identities that a server with this issuer has."""
    return lambda bank: identities(bank.pool, bank.service.customers, IssuerKeys(issuer.url))


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def test_a_banks_customer_is_known_at_first_sight_over_http_room_and_media(
    pool: asyncpg.Pool, issuer: Issuer
) -> None:
    token = issuer.token("k1")
    async with open_shop(pool, identities=of(issuer)) as shop:
        await shop.opened()
        answer = await shop.client.get("/api/v1/broadcasts/bc_a/gate?product_id=pr_a", headers=bearer(token))
        assert answer.status == 200
        assert [one["code"] for one in (await answer.json())["refusals"]] == ["not_assessed"]
        row = await pool.fetchrow("SELECT branch, relationship_manager_id FROM customers WHERE customer_id = $1", WANG)
        assert row is not None
        assert tuple(row) == ("静安支行", "RM01")
        held = await pool.fetchval("SELECT personal FROM customers WHERE customer_id = $1", WANG)
        assert "王小梅".encode() not in held
        moved = issuer.token("k1", branch="徐汇支行")
        assert (await shop.client.get("/api/v1/orders", headers=bearer(moved))).status == 200
        assert await pool.fetchval("SELECT branch FROM customers WHERE customer_id = $1", WANG) == "徐汇支行"
        both = identities(pool, shop.bank.service.customers, IssuerKeys(issuer.url))
        assert (await RoomAuthenticator(both).authenticate(token)).account_id == WANG
        gate = MediaGate(PostgresBroadcasts(pool), both, EncoderTokens(pool, 60), lambda _: False)
        with pytest.raises(SignallingRefused) as nothing_there:
            await gate.may_view("bc_none", token)
        assert nothing_there.value.code == "no_such_broadcast"  # so it was let in
    assert issuer.asked == 2


async def test_a_banks_token_opens_a_rooms_socket_and_a_whep_session(
    bank: Bank, redis_client: redis.asyncio.Redis, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, token = bank.pool, issuer.token("k1")
    forged = f"{token.rsplit('.', 1)[0]}.{'A' * 86}"
    await seed_people(pool)
    store = PostgresBroadcasts(pool)
    await store.create("bc_a", "ac_host", Draft("x", "", "ac_host", "ac_monitor", None), datetime.now(UTC))
    await pool.execute("UPDATE broadcasts SET state = 'live'")
    known = of(issuer)(bank)
    rig = Rig(pool, redis_client, real_authenticator=RoomAuthenticator(known))
    async with rig.gateway() as gateway:
        async with connected(gateway) as client:
            assert (await client.hello(token))["type"] == "welcome"
            ack = await client.comment("你好")
            assert ack["type"] == "ack"
        async with connected(gateway) as client:
            assert (await client.hello(forged))["code"] == "unauthenticated"
    async with station() as show:
        media = MediaGate(store, known, EncoderTokens(pool, 60), lambda _: False)
        monkeypatch.setattr(show.gate, "may_view", media.may_view)
        status, answer, _ = await show.post("/whep/bc_a", VIEWER, token)
        assert (status, answer[:3]) == (201, "v=0")
        status, answer, _ = await show.post("/whep/bc_a", VIEWER, forged)
        assert (status, json.loads(answer)["code"]) == (401, "bad_token")


async def test_what_the_issuer_says_of_means_bounds_a_purchase_and_stays_when_it_is_not_said(
    bank: Bank, issuer: Issuer
) -> None:
    known, now_s = of(issuer)(bank), time.time()

    async def declared() -> Money | None:
        async with bank.service._units.begin() as unit:
            held = await unit.customers.read(WANG)
        assert held is not None
        return held.declared_means

    await known.verify(issuer.token("k1"), now_s=now_s)
    assert await declared() is None
    await known.verify(issuer.token("k1", declared_means={"amount_minor": 900, "currency": "CNY"}), now_s=now_s)
    assert await declared() == Money(900, "CNY")
    await known.verify(issuer.token("k1", branch="徐汇支行"), now_s=now_s)
    assert await declared() == Money(900, "CNY")
    await known.verify(issuer.token("k1", declared_means={"amount_minor": 70, "currency": "USD"}), now_s=now_s)
    assert await declared() == Money(70, "USD")


async def test_a_record_that_does_not_open_is_not_written_over_and_its_customer_may_watch(
    bank: Bank, issuer: Issuer
) -> None:
    known, now_s = of(issuer)(bank), time.time()
    await known.verify(issuer.token("k1", declared_means={"amount_minor": 900, "currency": "CNY"}), now_s=now_s)
    sealed = await bank.pool.fetchval("SELECT personal FROM customers WHERE customer_id = $1", WANG)
    damaged = sealed[:-1] + bytes([sealed[-1] ^ 1])
    await bank.pool.execute("UPDATE customers SET personal = $2 WHERE customer_id = $1", WANG, damaged)
    who = await of(issuer)(bank).verify(issuer.token("k1", branch="徐汇支行"), now_s=now_s)
    assert who.account_id == WANG
    assert await bank.pool.fetchval("SELECT personal FROM customers WHERE customer_id = $1", WANG) == damaged


async def test_who_is_not_verified_may_watch_and_not_buy(pool: asyncpg.Pool, issuer: Issuer) -> None:
    token = issuer.token("k1", real_name_verified=False)
    async with open_shop(pool, identities=of(issuer)) as shop:
        await shop.opened()
        assert (await shop.client.get("/api/v1/broadcasts/bc_a/card", headers=bearer(token))).status == 200
        body = {"acknowledgement_id": "ak_1", "amount_minor": 1, "currency": "CNY"}
        headers = {**bearer(token), "Idempotency-Key": "k1"}
        refused = await shop.client.post("/api/v1/orders", json=body, headers=headers)
        assert (refused.status, (await refused.json())["code"]) == (403, "real_name_missing")
    assert await pool.fetchval("SELECT count(*) FROM customers WHERE customer_id = $1", WANG) == 0


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_each_pinned_algorithm_is_understood(bank: Bank, issuer: Issuer, algorithm: str) -> None:
    issuer.rotate("other", algorithm)
    both = identities(bank.pool, bank.service.customers, IssuerKeys(issuer.url))
    who = await both.verify(issuer.token("other"), now_s=time.time())
    assert (who.account_id, who.role, who.of_bank, who.verified) == (WANG, "viewer", True, True)


async def test_a_rotated_key_is_fetched_once_and_an_unknown_one_asked_for_seldom(issuer: Issuer) -> None:
    clock = Clock()
    keys = IssuerKeys(issuer.url, clock)
    found = await asyncio.gather(*(keys.of("k1") for _ in range(50)))
    assert all(found)
    assert issuer.asked == 1, "all waited for one fetch"
    issuer.rotate("k2")
    clock.now += 11
    assert await keys.of("k2") is not None
    assert await keys.of("k1") is None, "a key that was taken back is good no more"
    for n in range(200):
        assert await keys.of(f"made-up-{n}") is None
    assert issuer.asked == 2
    clock.now += 11
    assert await keys.of("made-up") is None
    assert issuer.asked == 3


async def test_an_issuer_that_is_away_slow_or_talks_nonsense_locks_nobody_out_for_a_day(issuer: Issuer) -> None:
    clock = Clock()
    keys = IssuerKeys(issuer.url, clock)
    assert await keys.of("k1") is not None
    for nonsense in ((500, b""), (200, b"<html>"), (200, b'{"keys":[]}'), (200, b"x" * 300_000), (302, b"")):
        issuer.nonsense = nonsense
        clock.now += 3_600
        assert await keys.of("k1") is not None
    clock.now += 86_400
    with pytest.raises(IssuerUnavailable):
        await keys.of("k1")
    issuer.nonsense = None
    clock.now += 11
    assert await keys.of("k1") is not None
    await keys.aclose()


async def test_an_issuer_that_hangs_holds_up_nobody_whose_key_is_known(issuer: Issuer) -> None:
    clock = Clock()
    keys = IssuerKeys(issuer.url, clock)
    known = await keys.of("k1")
    issuer.delay_s = 30
    clock.now += 3_600
    renewal = asyncio.create_task(keys.run())
    unknown = [asyncio.create_task(keys.of("k2")) for _ in range(3)]
    while issuer.asked < 2:  # noqa: ASYNC110 - another task is at work
        await asyncio.sleep(0.01)
    for _ in range(3):
        at_once = keys.of("k1")
        with pytest.raises(StopIteration) as answered:
            at_once.send(None)  # it ends without ever waiting
        assert answered.value.value is known
    refused = await asyncio.gather(*unknown, return_exceptions=True)
    assert {type(one) for one in refused} == {IssuerUnavailable}, "a new key is waited for, not for ever"
    assert issuer.asked == 2, "all by one fetch"
    renewal.cancel()
    await keys.aclose()


async def test_a_key_that_was_taken_back_is_forgotten_though_nobody_asks(issuer: Issuer) -> None:
    keys = IssuerKeys(issuer.url)
    renewal = asyncio.create_task(keys.run(every_s=0.01))
    async with asyncio.timeout(30):
        assert await keys.of("k1") is not None
        issuer.rotate("k2")
        while await keys.of("k2") is None or await keys.of("k1") is not None:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    renewal.cancel()
    await keys.aclose()


async def test_nobody_can_be_named_while_the_issuer_was_never_heard(bank: Bank, issuer: Issuer) -> None:
    both = identities(bank.pool, bank.service.customers, IssuerKeys("http://127.0.0.1:1/jwks.json"))
    with pytest.raises(IssuerUnavailable):
        await both.verify(issuer.token("k1"), now_s=time.time())
    with pytest.raises(Unavailable):
        await RoomAuthenticator(both).authenticate(issuer.token("k1"))
    gate = MediaGate(PostgresBroadcasts(bank.pool), both, EncoderTokens(bank.pool, 60), lambda _: False)
    with pytest.raises(SignallingRefused) as refused:
        await gate.may_view("bc_a", issuer.token("k1"))
    assert (refused.value.status, refused.value.code) == (503, "issuer_unavailable")
    local, _ = TOKENS.issue("ac_viewer", "viewer", "小梅", now_s=int(time.time()))
    assert (await both.verify(local, now_s=time.time())).account_id == "ac_viewer"


async def test_a_caller_who_leaves_does_not_end_the_fetch_of_the_others(issuer: Issuer) -> None:
    issuer.delay_s = 0.2
    keys = IssuerKeys(issuer.url)
    first, second = (asyncio.create_task(keys.of("k1")) for _ in range(2))
    await asyncio.sleep(0.05)
    first.cancel()
    assert await second is not None
    assert issuer.asked == 1


async def test_the_time_of_the_last_proof_is_taken_where_it_can_be_true(bank: Bank, issuer: Issuer) -> None:
    both = identities(bank.pool, bank.service.customers, IssuerKeys(issuer.url))
    now_s = int(time.time())
    for said, taken in ((now_s - 50, True), (now_s + 1_000, False), (10**30, False), ("now", False), (True, False)):
        who = await both.verify(issuer.token("k1", auth_time=said), now_s=now_s)
        assert (who.authenticated_at is not None) is taken


async def test_clocks_may_differ_by_the_leeway_and_no_more(bank: Bank, issuer: Issuer) -> None:
    both = identities(bank.pool, bank.service.customers, IssuerKeys(issuer.url))
    now_s = time.time()
    token = issuer.token("k1", lives_s=0)
    assert (await both.verify(token, now_s=now_s + 20)).expires_at_s > now_s + 20
    with pytest.raises(TokenError, match="token_expired"):
        await both.verify(token, now_s=now_s + 40)
    early = issuer.token("k1", nbf=int(now_s) + 20)
    assert (await both.verify(early, now_s=now_s)).account_id == WANG
    with pytest.raises(TokenError, match="bad_token"):
        await both.verify(issuer.token("k1", nbf=int(now_s) + 100), now_s=now_s)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"}, {"aud": "another"}, {"iss": None}, {"aud": None}, {"exp": None},
        {"sub": None}, {"sub": ""}, {"sub": 7}, {"sub": "x" * 201}, {"sub": "a\x00b"}, {"birthdate": "1990-13-45"},
        {"exp": "soon"}, {"exp": 10**30}, {"exp": 4 * 10**9}, {"name": ["王"]},
        {"declared_means": 900}, {"declared_means": {"amount_minor": 9.5, "currency": "CNY"}},
        {"declared_means": {"amount_minor": -1, "currency": "CNY"}}, {"declared_means": {"amount_minor": 1}},
    ],
)  # fmt: skip
async def test_tokens_that_say_nonsense_are_refused(bank: Bank, issuer: Issuer, claims: dict[str, Any]) -> None:
    both = identities(bank.pool, bank.service.customers, IssuerKeys(issuer.url))
    with pytest.raises(TokenError, match="bad_token"):
        await both.verify(issuer.token("k1", **claims), now_s=time.time())
    assert await bank.pool.fetchval("SELECT count(*) FROM accounts WHERE account_id LIKE 'ac_b%'") == 0


async def test_a_token_cannot_choose_its_algorithm_or_its_key(bank: Bank, issuer: Issuer) -> None:
    issuer.rotate("rsa", "RS256")
    both = identities(bank.pool, bank.service.customers, IssuerKeys(issuer.url))
    public = (
        issuer.keys["rsa"][1]
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    claims = {"sub": "62001234", "iss": ISSUER, "aud": AUDIENCE, "exp": int(time.time()) + 600, "role": "operator"}
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    shared = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": "rsa"}).encode()).rstrip(b"=").decode()
    signed = f"{shared}.{body}"  # by the public key, as if it were a shared secret
    none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": "rsa"}).encode()).rstrip(b"=").decode()
    other = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    forged = [
        f"{signed}.{base64.urlsafe_b64encode(hmac.digest(public, signed.encode(), 'sha256')).rstrip(b'=').decode()}",
        f"{none}.{body}.",
        jwt.encode(claims, other, "RS256", headers={"kid": "rsa", "jku": "https://evil.example/jwks"}),
        jwt.encode(claims, issuer.keys["rsa"][1], "RS512", headers={"kid": "rsa"}),
        jwt.encode(claims, issuer.keys["k1"][1], "ES256", headers={"kid": "rsa"}),
        jwt.encode(claims, issuer.keys["rsa"][1], "RS256"),
    ]
    for token in forged:
        with pytest.raises(TokenError, match="bad_token"):
            await both.verify(token, now_s=time.time())
    with pytest.raises(AuthenticationFailed):
        await RoomAuthenticator(both).authenticate(forged[0])


def test_weak_private_and_foreign_keys_are_passed_over(issuer: Issuer) -> None:
    issuer.rotate("k1", "RS256")
    good = issuer.jwks()["keys"][0]
    weak = rsa.generate_private_key(public_exponent=65_537, key_size=1_024)
    weak_jwk = json.loads(jwt.get_algorithm_by_name("RS256").to_jwk(weak.public_key()))
    others = [
        {**weak_jwk, "kid": "weak"}, {**good, "kid": "enc", "use": "enc"}, {**good, "kid": "ps", "alg": "PS256"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"}, {"kty": "RSA", "kid": "broken"}, "text", {**good, "kid": 7},
    ]  # fmt: skip
    assert list(parse_keys(json.dumps({"keys": [*others, good]}).encode())) == ["k1"]
    for nonsense in (b"", b"[]", b"null", b'{"keys":7}', b'{"keys":[]}', json.dumps({"keys": [good] * 65}).encode()):
        with pytest.raises(BadKeySet):
            parse_keys(nonsense)
