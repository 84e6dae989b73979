"""What breaks around the gateway, and what it does then."""

import asyncio
import socket
import time
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import msgspec
import pytest
import redis.asyncio
from websockets.asyncio.client import connect

from chat.acts import Act
from chat.archive_postgres import PostgresArchive
from chat.broker_redis import RedisBroker
from chat.envelope import Sealed, seal
from chat.errors import Unavailable
from chat.events import CardShown, OrderChanged, Speaker, StateChanged
from chat.presence_redis import RedisPresence
from chat.rooms import RoomTimes
from chat.talk_postgres import PostgresTalk
from chat.talk_store import NewPoll, NewWord
from server.gateway.gateway import SUBPROTOCOL
from tests.chat.fakes import BROADCAST
from tests.server.gateway_rig import Client, Rig, connected, joined, redis_of_ones_own


@pytest.fixture
def rig(pool: asyncpg.Pool, redis_client: redis.asyncio.Redis) -> Rig:
    return Rig(pool, redis_client)


async def test_termination_sends_everyone_away(rig: Rig) -> None:
    async with (
        rig.gateway() as here,
        rig.gateway() as there,
        joined(rig, here, ("ac_a", "viewer"), ("ac_host", "host")) as (a, host),
        joined(rig, there, ("ac_b", "viewer")) as (b,),
    ):
        rig.broadcasts.states[BROADCAST] = "terminated"
        began_s = time.monotonic()
        await RedisBroker(rig.redis).publish(BROADCAST, seal(StateChanged("terminated", "none", 9_000)))
        endings = set(await asyncio.gather(a.closed(), host.closed(), b.closed()))
        took_s = time.monotonic() - began_s
        assert endings == {(4504, "broadcast_over")}
        assert [event["type"] for event in b.events[-3:]] == ["state", "position", "bye"]
        assert b.events[-1]["reconnect"] is False
        print(f"everyone was sent away after {took_s * 1000:.0f} ms")  # the promise is 1 s; a busy machine gets five
        assert took_s < 5.0
        async with connected(there) as late:
            await late.hello(rig.authenticator.issue("ac_c"))
            assert await late.closed() == (4504, "broadcast_over")


async def test_a_redis_that_lost_everything_is_said_to_have_and_how_things_stand_is_told(rig: Rig) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, ("ac_a", "viewer"), ("ac_b", "viewer")) as (a, b):
        await a.comment("before")
        await b.next_of("comment")
        # Redis loses what it had; this comment was stored while nobody listened, and is in no stream.
        await rig.redis.flushall()
        await rig.pool.execute(
            "INSERT INTO comments (comment_id, broadcast_id, account_id, client_message_id, nickname, role, kind, text,"
            " verdict, reasons, audience, at, stream_time_ms)"
            " VALUES ('cm_gap', $1, 'ac_z', 'z', '远方', 'viewer', 'comment', 'in the gap',"
            " 'pass', '{}', 'all', now(), 1)",
            BROADCAST,
        )
        await rig.redis.client_kill_filter(_type="pubsub")
        restored = (await b.next_of("snapshot"))["snapshot"]
        assert [comment["text"] for comment in restored["comments"]] == ["before", "in the gap"]
        assert (await b.next_of("position"))["lost"] is True
        await a.comment("after")
        assert (await b.next_of("comment"))["text"] == "after"
        assert b.texts() == ["before", "after"]


async def test_those_who_stayed_through_a_loss_are_given_what_was_said_and_withdrawn_meanwhile(rig: Rig) -> None:
    people = (("ac_a", "viewer"), ("ac_host", "host"), ("ac_monitor", "monitor"))
    async with rig.gateway() as gateway, joined(rig, gateway, *people) as (viewer, host, monitor):
        bad = (await host.comment("to be withdrawn"))["comment"]["comment_id"]
        asked = (await viewer.comment("when?", kind="question"))["comment"]["comment_id"]
        held = (await viewer.comment("这是最好的"))["comment"]["comment_id"]
        talk, archive = PostgresTalk(rig.pool), PostgresArchive(rig.pool)
        now = datetime.now(UTC)
        # All of it is kept, and then Redis loses what it was told before anyone heard of it.
        await archive.remove(BROADCAST, bad, Act("ac_monitor", "off topic", now, "r"))
        await talk.pick(BROADCAST, asked, "ac_host", now)
        await talk.open_poll(NewPoll("pl_1", BROADCAST, "which?", ("a", "b"), "ac_host", "p", now))
        speaker = Speaker("ac_host", "林晓", "F301")
        await talk.say(NewWord("wd_1", BROADCAST, "announcement", None, "soon", speaker, "w", now, None))
        await rig.redis.flushall()
        await rig.redis.client_kill_filter(_type="pubsub")
        restored = (await viewer.next_of("snapshot"))["snapshot"]
        assert [comment["comment_id"] for comment in restored["comments"]] == [asked]
        assert restored["talk"]["question"]["comment_id"] == asked
        assert restored["talk"]["poll"]["poll_id"] == "pl_1"
        assert restored["talk"]["announcement"]["text"] == "soon"
        assert len([event for event in viewer.events if event["type"] == "snapshot"]) == 1
        await monitor.next_of("snapshot")
        of_staff = (await monitor.next_of("snapshot"))["snapshot"]
        assert [comment["comment_id"] for comment in of_staff["comments"]] == [asked, held]


async def test_a_room_that_ended_during_a_gap_is_left(rig: Rig) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, ("ac_a", "viewer")) as (a,):
        rig.broadcasts.states[BROADCAST] = "ended"
        await rig.redis.client_kill_filter(_type="pubsub")
        assert await a.closed() == (4504, "broadcast_over")


async def test_an_order_is_told_to_its_owner_only(rig: Rig) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, ("ac_a", "viewer"), ("ac_b", "viewer")) as (a, b):
        broker = RedisBroker(rig.redis)
        order = OrderChanged("or_1", "accepted", 1_000_000, "CNY", "pr_1")
        await broker.publish(BROADCAST, seal(order, to="ac_a"))
        assert (await a.next_of("order"))["order_id"] == "or_1"
        await b.comment("x")
        await a.next_of("comment")
        assert all(event["type"] != "order" for event in b.events)


async def test_a_card_switches_tips_off_and_carries_its_bytes_through(rig: Rig) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, ("ac_a", "viewer")) as (a,):
        card = {"product_id": "pr_1", "name": "稳健一号", "quota_left_minor": 3 * 10**17}
        await RedisBroker(rig.redis).publish(BROADCAST, seal(CardShown(card, 1, 2)))
        assert (await a.next_of("card_shown"))["card"] == card
        await a.send(type="tip", id="t", points=1)
        assert (await a.next_of("error"))["code"] == "tips_disabled"


async def test_something_that_is_not_an_envelope_is_dropped(rig: Rig) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, ("ac_a", "viewer"), ("ac_b", "viewer")) as (a, b):
        await RedisBroker(rig.redis).publish(BROADCAST, Sealed(b"\xff{"))
        await a.comment("still fine")
        assert (await b.next_of("comment"))["text"] == "still fine"


async def test_postgres_away_refuses_the_comment_and_the_retry_stores_it_once(rig: Rig) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, ("ac_a", "viewer")) as (a,):
        await rig.pool.execute("ALTER TABLE comments RENAME TO comments_away")
        refused = await a.comment("hello", message_id="m")
        assert (refused["code"], refused["id"]) == ("unavailable", "m")
        assert refused["retry_after_ms"] > 0
        await rig.pool.execute("ALTER TABLE comments_away RENAME TO comments")
        assert (await a.comment("hello", message_id="m"))["verdict"] == "pass"
        assert await rig.pool.fetchval("SELECT count(*) FROM comments") == 1


async def test_a_comment_kept_but_not_published_is_published_by_the_retry(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with rig.gateway() as gateway, joined(rig, gateway, ("ac_a", "viewer"), ("ac_b", "viewer")) as (a, b):

        async def lost(*_: object) -> None:
            raise Unavailable("cut between keeping and publishing")

        with monkeypatch.context() as cut:
            cut.setattr(RedisBroker, "publish", lost)
            assert (await a.comment("hello", message_id="m"))["code"] == "unavailable"
        assert (await a.comment("hello", message_id="m"))["verdict"] == "pass"
        await a.comment("end")
        await b.next_of("comment", where=lambda event: event["text"] == "end")
        assert b.texts() == ["hello", "end"]


async def test_a_drain_tells_everyone_to_return_at_their_own_time(rig: Rig) -> None:
    async with rig.gateway() as gateway:
        people = tuple((f"ac_{i}", "viewer") for i in range(8))
        async with joined(rig, gateway, *people) as clients:
            # One call more than the rig's own stop makes; stopping twice is harmless.
            draining = asyncio.create_task(gateway.stop(drain_s=4.0))
            endings = await asyncio.gather(*(client.closed() for client in clients))
            await draining
        assert set(endings) == {(4001, "draining")}
        delays = [client.events[-1]["retry_after_ms"] for client in clients]
        assert len(set(delays)) > 1
        assert all(200 <= delay <= 5_000 for delay in delays)


async def test_heartbeats_come_without_being_asked_for(rig: Rig) -> None:
    async with rig.gateway(heartbeat_s=0.1) as gateway, joined(rig, gateway, ("ac_a", "viewer")) as (a,):
        beats = [await a.next_of("heartbeat") for _ in range(3)]
        assert beats[0]["server_time_ms"] < beats[2]["server_time_ms"]


async def test_while_redis_is_away_hearts_beat_and_one_who_is_gone_without_a_word_is_found(
    pool: asyncpg.Pool, embedded_dir: Path
) -> None:
    async with redis_of_ones_own(embedded_dir / "beat") as (valkey, client):
        rig = Rig(pool, client)
        async with (
            rig.gateway(heartbeat_s=0.1, ping_s=0.4) as gateway,
            joined(rig, gateway, ("ac_a", "viewer"), ("ac_b", "viewer")) as (a, gone),
        ):
            valkey.stop()
            gone.socket.transport.pause_reading()  # it hears no ping, and answers none
            for _ in range(3):
                await a.next_of("heartbeat")
            async with asyncio.timeout(30):
                while gateway.counters.connections > 1:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            await a.next_of("heartbeat")
            gone.socket.transport.abort()


async def test_the_monitor_is_seen_while_connected(rig: Rig) -> None:
    presence = RedisPresence(rig.redis)
    async with rig.gateway() as gateway, joined(rig, gateway, ("ac_a", "viewer"), ("ac_monitor", "monitor")):
        async with asyncio.timeout(15):
            while (seen := await presence.monitor_last_seen(BROADCAST, "ac_monitor")) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert abs(seen.timestamp() - time.time()) < 10
        assert await presence.monitor_last_seen(BROADCAST, "ac_a") is None


async def test_a_token_is_refreshed_before_it_expires(rig: Rig) -> None:
    async with rig.gateway() as gateway, connected(gateway) as a, connected(gateway) as b:
        for client, account_id in ((a, "ac_a"), (b, "ac_b")):
            await client.hello(rig.authenticator.issue(account_id, ttl_s=2.0))
        await a.send(type="auth.refresh", token=rig.authenticator.issue("ac_b"))
        assert (await a.next_of("error"))["code"] == "token_refused"
        await a.send(type="auth.refresh", token=rig.authenticator.issue("ac_a"))
        assert await b.closed() == (4003, "token_expired")
        assert (await a.comment("still here"))["verdict"] == "pass"


async def test_an_empty_room_is_swept_and_opens_again(rig: Rig) -> None:
    async with rig.gateway(times=RoomTimes(presence_s=0.05, empty_s=0.1)) as gateway:
        async with joined(rig, gateway, ("ac_a", "viewer")):
            assert len(gateway.rooms) == 1
        async with asyncio.timeout(10):
            while len(gateway.rooms):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        async with joined(rig, gateway, ("ac_a", "viewer"), ("ac_b", "viewer")) as (a, b):
            await a.comment("again")
            assert (await b.next_of("comment"))["text"] == "again"


def test_server_frames_are_arrays_of_known_events() -> None:
    assert msgspec.json.decode(seal(StateChanged("live", "flowing", 1)).data) == {
        "to": None,
        "audience": "all",
        "event": {"type": "state", "state": "live", "publisher": "flowing", "stream_time_ms": 1},
        "importance": "must",
    }


async def test_a_handshake_under_way_at_the_drain_is_finished_and_told_to_come_again(rig: Rig) -> None:
    async with rig.gateway() as gateway:
        url = f"ws://127.0.0.1:{gateway.port}/ws"
        with socket.create_connection(("127.0.0.1", gateway.port)) as early:
            for _ in range(1_000):
                if gateway._sockets:
                    break
                await asyncio.sleep(0.01)
            stopping = asyncio.create_task(gateway.stop(drain_s=30.0))
            await asyncio.sleep(0.05)  # it accepts nobody more by now
            async with connect(url, sock=early, subprotocols=[SUBPROTOCOL], compression=None) as late:
                client = Client(late)
                assert (await client.closed())[0] == 4001
                assert client.events[0]["retry_after_ms"] > 0
            await stopping
