"""Every metric that a process tells is in the table and in the operators' manual, and the figures move."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import asyncpg
import pytest
import redis.asyncio
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from chat.broker import Deliver, Delivery, Gap
from chat.envelope import Sealed
from chat.errors import Unavailable
from chat.keys_redis import position_key
from server.metrics import room_echo
from server.metrics.collector import Sample, Sources
from server.metrics.families import FAMILIES
from server.metrics.loop_lag import watch_loop
from server.metrics.room_echo import RoomEcho
from server.program import Running, running
from server.settings import load_settings
from server.supervisor.admin import RollState, worker_samples
from server.supervisor.plan import Worker
from server.supervisor.slot import Slot
from tests.commerce.bank import DATA_KEYS
from tests.server.people import TOKENS

MANUAL = Path(__file__).resolve().parents[2] / "docs" / "operations.md"
PATIENCE_S = 20.0


def test_the_manual_lists_every_metric_with_its_kind_and_labels() -> None:
    rows = re.findall(r"^\| `(wealthcast_\w+)` \| (\w+) \| ([^|]*?) ?\|", MANUAL.read_text(), re.MULTILINE)
    assert rows == [(f.shown, f.kind, ", ".join(f"`{label}`" for label in f.labels)) for f in FAMILIES]


@asynccontextmanager
async def program(postgres_url: str, redis_url: str, recordings: Path) -> AsyncIterator[Running]:
    settings = load_settings(
        database_url=postgres_url, redis_url=redis_url, jwt_secret=TOKENS.secret, data_keys=DATA_KEYS,
        http_port=0, gateway_port=0, media_port=0, admin_port=0, recording_dir=recordings, drain_s=0.1,
    )  # fmt: skip
    async with running(settings) as ports:
        yield ports


async def scrape(port: int) -> dict[str, dict[tuple[str, ...], float]]:
    """Give every sample by its name, then by its labels' values."""
    async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
        assert answer.status == 200
        text = await answer.text()
    found: dict[str, dict[tuple[str, ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sample.labels.values())] = sample.value
    return found


async def so(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not await condition():  # noqa: ASYNC110  # another process's figures
            await asyncio.sleep(0.05)


async def test_a_process_with_every_role_tells_every_metric_and_no_other(
    postgres_url: str, redis_url: str, pool: asyncpg.Pool, tmp_path: Path
) -> None:
    async with program(postgres_url, redis_url, tmp_path) as ports, aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{ports.http_port}/healthz") as answer:
            assert answer.status == 200

        async def echoed() -> bool:
            told = await scrape(ports.admin_port)
            lags = ("wealthcast_room_lag_seconds_count", "wealthcast_event_loop_lag_seconds_count")
            return all(told[name][()] > 0 for name in lags)

        await so(echoed)
        found = await scrape(ports.admin_port)
        assert await pool.fetchval("SELECT count(*) FROM accounts") == 0  # `serve` never seeds
    named = {name for name in found if name.startswith("wealthcast_")}
    expected: set[str] = set()
    for family in FAMILIES:
        endings = ("_bucket", "_sum", "_count", "_created") if family.kind == "histogram" else ("",)
        expected |= {family.shown + ending for ending in endings}
    assert named <= expected
    occurring = {
        "wealthcast_orders_total", "wealthcast_core_answers_total", "wealthcast_gateway_events_total",
        "wealthcast_media_joins_refused_total",
    }  # fmt: skip
    supervisors = {family.shown for family in FAMILIES if family.where == "supervisor"}
    created = {name for name in expected if name.endswith("_created")}
    assert expected - named - created == occurring | supervisors
    assert found["wealthcast_ready"][()] == 1
    assert found["wealthcast_http_requests_total"][("GET", "/healthz", "2xx")] == 1
    assert found["wealthcast_event_loop_tasks"][()] > 1


async def test_facts_that_their_room_cannot_take_now_wait_and_one_that_nobody_can_read_is_set_aside(
    postgres_url: str, redis_client: redis.asyncio.Redis, redis_url: str, pool: asyncpg.Pool, tmp_path: Path
) -> None:
    async with program(postgres_url, redis_url, tmp_path) as ports:
        assert (await scrape(ports.admin_port))["wealthcast_outbox_waiting"][()] == 0

        async def shows(**expected: float) -> bool:
            found = await scrape(ports.admin_port)
            return all(found[f"wealthcast_outbox_{name}"][()] >= least for name, least in expected.items())

        # Redis refuses every command for this room: its place is taken by something of another type.
        await redis_client.set(position_key("bc_away"), "not a hash")
        pulled = """INSERT INTO commerce_outbox (kind, broadcast_id, payload, at) VALUES
            ('card_pulled', $1, '{"product_id": "pr_a", "reason": "done"}', now() - interval '1 minute')"""
        await pool.execute(pulled, "bc_away")
        await so(lambda: shows(failures_total=1, waiting=1, oldest_age_seconds=60))
        await redis_client.delete(position_key("bc_away"))
        await so(lambda: shows(facts_total=1))
        # A payload that is no event holds nobody back.
        await pool.execute(
            "INSERT INTO commerce_outbox (kind, broadcast_id, payload, at) VALUES ('quota', 'bc_x', '{}', now())"
        )
        await pool.execute(pulled, "bc_y")
        await so(lambda: shows(facts_total=2, set_aside=1))
        assert (await scrape(ports.admin_port))["wealthcast_outbox_waiting"][()] == 0
        row = await pool.fetchrow(
            "SELECT kind, set_aside_at IS NOT NULL AS marked, set_aside_because FROM commerce_outbox"
        )
        assert (row["kind"], row["marked"]) == ("quota", True)
        assert "missing required field" in row["set_aside_because"]


def test_the_supervisor_tells_its_own_and_every_name_is_of_the_table() -> None:
    async def nobody(_: object) -> object:
        raise AssertionError

    slot = Slot(Worker("api", ("api",)), nobody, nobody, lambda _: None)  # type: ignore[arg-type]  # never started
    rolls = RollState()
    rolls.ended("abandoned: a new process did not become ready")
    registry = CollectorRegistry()
    registry.register(Sources([lambda: worker_samples([slot], rolls)]))
    text = generate_latest(registry).decode()
    assert 'wealthcast_supervisor_serving{worker="api"} 0.0' in text
    assert 'wealthcast_supervisor_rolls_total{outcome="abandoned"} 1.0' in text
    names = {sample.name for sample in worker_samples([slot], rolls)}
    assert {f"wealthcast_{name}" for name in names} == {f.name for f in FAMILIES if f.where == "supervisor"}


def test_a_name_outside_the_table_is_refused() -> None:
    with pytest.raises(KeyError):
        list(Sources([lambda: [Sample("made_up", 1)]]).collect())


async def test_a_loop_that_is_held_up_shows_as_lag() -> None:
    observed: list[float] = []
    watching = asyncio.create_task(watch_loop(observed.append))
    await asyncio.sleep(0.02)
    blocked_until_s = asyncio.get_running_loop().time() + 0.4
    while asyncio.get_running_loop().time() < blocked_until_s:
        pass
    await so(lambda: asyncio.sleep(0, bool(observed)))
    watching.cancel()
    await asyncio.wait([watching])
    assert max(observed) >= 0.2


class _Line:
    """A broker that delivers at once, or nothing; away while `away`."""

    def __init__(self) -> None:
        self.away = False
        self.loses = False
        self._deliver: Deliver | None = None

    async def subscribe(self, _: str, deliver: Deliver, gap: Gap) -> None:
        if self.away:
            raise Unavailable("away")
        self._deliver = deliver

    async def publish(self, _: str, sealed: Sealed) -> None:
        assert self._deliver is not None
        if not self.loses:
            self._deliver(Delivery(None, False, sealed.data))


async def test_an_echo_that_does_not_come_back_is_counted_and_never_mixed_up_with_anothers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(room_echo, "_EVERY_S", 0.01)
    monkeypatch.setattr(room_echo, "_LOST_AFTER_S", 0.05)
    line, observed = _Line(), list[float]()
    line.away = True
    echo = RoomEcho(line, "gw-1", observed.append)  # type: ignore[arg-type]  # the two calls that it makes
    running_echo = asyncio.create_task(echo.run())
    await so(lambda: asyncio.sleep(0, echo.lost > 0))
    line.away = False
    await so(lambda: asyncio.sleep(0, len(observed) > 3))
    before, line.loses = echo.lost, True
    await so(lambda: asyncio.sleep(0, echo.lost > before))
    heard = len(observed)
    assert line._deliver is not None
    line._deliver(Delivery(None, False, b"gw-2 1"))
    line._deliver(Delivery(None, False, b"nonsense"))
    assert len(observed) == heard
    running_echo.cancel()
    await asyncio.wait([running_echo])
