"""Who may publish and watch, asked of real tables."""

import time
from datetime import UTC, datetime

import asyncpg
import pytest

from server.auth.encoder_tokens_postgres import EncoderTokens
from server.auth.identities import LocalIdentities
from server.http.signalling import Permit, SignallingRefused
from server.media_gate import MediaGate
from streaming.broadcast import Draft
from streaming.broadcasts_postgres import PostgresBroadcasts
from tests.server.people import TOKENS, seed_people, session

SHOW = "bc_show"


@pytest.fixture
async def gate(pool: asyncpg.Pool) -> MediaGate:
    await seed_people(pool)
    store = PostgresBroadcasts(pool)
    for broadcast_id in (SHOW, "bc_other"):
        await store.create(broadcast_id, "ac_host", Draft("x", "", "ac_host", "ac_monitor", None), datetime.now(UTC))
    await pool.execute("UPDATE broadcasts SET state = 'live'")
    return MediaGate(store, LocalIdentities(TOKENS), EncoderTokens(pool, ttl_s=60), {"ac_banned"}.__contains__)


def token_of(name: str, broadcast_id: str | None = None, now_s: int | None = None) -> str:
    return session(name, broadcast_id=broadcast_id, now_s=now_s)["Authorization"].removeprefix("Bearer ")


async def refusal(gate: MediaGate, what: str, token: str, broadcast_id: str = SHOW) -> tuple[int, str]:
    with pytest.raises(SignallingRefused) as refused:
        await (gate.may_publish if what == "publish" else gate.may_view)(broadcast_id, token)
    return refused.value.status, refused.value.code


async def test_the_host_publishes_and_everyone_signed_in_watches(gate: MediaGate) -> None:
    assert (await gate.may_publish(SHOW, token_of("host"))).holder_id == "ac_host"
    assert (await gate.may_view(SHOW, token_of("viewer"))).holder_id == "ac_viewer"


@pytest.mark.parametrize("name", ["viewer", "monitor", "other_host", "checker", "guest", "operator"])
async def test_nobody_else_publishes(gate: MediaGate, name: str) -> None:
    assert await refusal(gate, "publish", token_of(name)) == (403, "forbidden")


@pytest.mark.parametrize("what", ["publish", "view"])
async def test_bad_tokens_are_refused(gate: MediaGate, what: str) -> None:
    assert await refusal(gate, what, "nonsense") == (401, "bad_token")
    assert await refusal(gate, what, token_of("host", now_s=1_000)) == (401, "token_expired")
    assert await refusal(gate, what, token_of("host", broadcast_id="bc_other")) == (403, "forbidden")
    assert await refusal(gate, what, token_of("host"), "bc_none") == (404, "no_such_broadcast")
    assert await refusal(gate, what, token_of("host"), "'; DROP TABLE") == (404, "no_such_broadcast")


async def test_an_encoder_token_opens_its_broadcast_only_and_not_once_revoked(
    gate: MediaGate, pool: asyncpg.Pool
) -> None:
    tokens = EncoderTokens(pool, ttl_s=60)
    issued = await tokens.issue("et_1", SHOW, "ac_host", datetime.now(UTC))
    assert await gate.may_publish(SHOW, issued.token) == Permit("et_1", issued.expires_at.timestamp())
    assert await refusal(gate, "publish", issued.token, "bc_other") == (403, "forbidden")
    assert await refusal(gate, "view", issued.token) == (401, "bad_token")
    await tokens.revoke("et_1", SHOW, datetime.now(UTC))
    assert await refusal(gate, "publish", issued.token) == (401, "bad_token")


@pytest.mark.parametrize(
    ("state", "publish", "view"),
    [
        ("draft", "not_live", "not_live"),
        ("approved", "not_live", "not_live"),
        ("rehearsal", None, "not_live"),
        ("paused", None, None),
        ("ended", "not_live", "broadcast_over"),
        ("terminated", "not_live", "broadcast_over"),
    ],
)
async def test_the_broadcast_state_decides(
    gate: MediaGate, pool: asyncpg.Pool, state: str, publish: str | None, view: str | None
) -> None:
    await pool.execute("UPDATE broadcasts SET state = $1", state)
    if publish is None:
        await gate.may_publish(SHOW, token_of("host"))
    else:
        assert await refusal(gate, "publish", token_of("host")) == (409, publish)
    if view is None:
        await gate.may_view(SHOW, token_of("viewer"))
    else:
        assert await refusal(gate, "view", token_of("viewer")) == (409, view)


async def test_who_is_kept_out_by_the_state_alone_is_named_so_that_they_may_end_their_session(
    gate: MediaGate, pool: asyncpg.Pool
) -> None:
    await pool.execute("UPDATE broadcasts SET state = 'terminated'")
    for ask, name, holder_id in (
        (gate.may_publish, "host", "ac_host"), (gate.may_view, "viewer", "ac_viewer"),
        (gate.may_publish, "viewer", None), (gate.may_view, "nobody", None),
    ):  # fmt: skip
        with pytest.raises(SignallingRefused) as refused:
            await ask(SHOW, "nonsense" if name == "nobody" else token_of(name))
        assert refused.value.holder_id == holder_id


async def test_staff_watch_a_rehearsal(gate: MediaGate, pool: asyncpg.Pool) -> None:
    await pool.execute("UPDATE broadcasts SET state = 'rehearsal'")
    assert (await gate.may_view(SHOW, token_of("monitor"))).holder_id == "ac_monitor"


async def test_a_banned_account_watches_nothing(gate: MediaGate) -> None:
    token, _ = TOKENS.issue("ac_banned", "viewer", "x", now_s=int(time.time()))
    assert await refusal(gate, "view", token) == (403, "banned")
