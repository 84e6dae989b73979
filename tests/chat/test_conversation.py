"""What an author's repeat brings into the room, time driven by hand, on a real Valkey and a real Postgres."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest
import redis.asyncio
from msgspec import json

from chat.archive_postgres import PostgresArchive
from chat.broker_memory import MemoryBroker, MemoryHub
from chat.broker_redis import RedisBroker
from chat.commands import Announce, Ban, Mute, OpenPoll, Pin, PostComment, Release, Remove, SetRules
from chat.connection_events import Ack
from chat.conversation import Conversation, Speaker, Spoken
from chat.envelope import Sealed, unseal
from chat.errors import CommandRefused, Unavailable
from chat.events import Comment
from chat.moderation import Moderator
from chat.moderation_postgres import PostgresModeration
from chat.monitor_desk import MonitorDesk
from chat.phrase_list import shipped_phrases
from chat.ports import Principal
from chat.restrictions import Restrictions
from chat.talk_desk import TalkDesk
from chat.talk_postgres import PostgresTalk
from chat.withdrawals import Withdrawals
from server.ids import new_id
from tests.chat.fakes import BROADCAST, FakeBroadcasts, FakeClock, FakeTips
from tests.server.people import seed_people

AUTHOR = Speaker(Principal("ac_a", "viewer", "小明", 4e9), BROADCAST, rehearsing=False)
MONITOR = Speaker(Principal("ac_m", "monitor", "监看", 4e9), BROADCAST, rehearsing=False)
HELLO, DOUBTFUL = PostComment("m1", "hello"), PostComment("m2", "这是最好的")
PATIENCE = 400
MODERATOR = Moderator(shipped_phrases())


class House:
    """Processes that come and go, one after the other, on one database; the room is what `hub` keeps."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.hub = MemoryHub()
        self.now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)

    @asynccontextmanager
    async def process(self, client: redis.asyncio.Redis | None = None) -> AsyncIterator[Conversation]:
        """Run a process; with `client` it publishes over that Redis, which may be one that nobody reaches."""
        broker = MemoryBroker(self.hub) if client is None else RedisBroker(client, timeout_s=0.3)
        archive, restrictions = PostgresArchive(self.pool), Restrictions()
        desk = MonitorDesk(
            store=PostgresModeration(self.pool), broker=broker, restrictions=restrictions, restricted=lambda _: None,
            published=archive.note_published, now=lambda: self.now,
        )  # fmt: skip
        talk = TalkDesk(
            store=PostgresTalk(self.pool), broker=broker, judge=MODERATOR, broadcasts=FakeBroadcasts(),
            clock=FakeClock(), new_id=new_id, now=lambda: self.now,
        )  # fmt: skip
        running = asyncio.create_task(archive.run())
        yield Conversation(
            archive=archive, broker=broker, moderator=MODERATOR, tips=FakeTips(), clock=FakeClock(), new_id=new_id,
            now=lambda: self.now, restrictions=restrictions, desk=desk, talk=talk,
            withdrawals=Withdrawals(archive, broker),
        )  # fmt: skip
        running.cancel()
        await asyncio.wait([running])

    def later(self) -> None:
        """Let a night pass, in which the broker forgets what it published."""
        self.now += timedelta(hours=20)
        self.hub.lose(BROADCAST)

    def heard(self) -> int:
        """How many events the room keeps since the last night."""
        return len(self.hub.rooms[BROADCAST].kept)

    async def until_marked(self) -> None:
        """Wait until the database says that all comments were heard."""
        for _ in range(PATIENCE):
            if not await self.pool.fetchval("SELECT count(*) FROM comments WHERE NOT published"):
                return
            await asyncio.sleep(0.05)
        pytest.fail("never marked")


@pytest.fixture
def house(pool: asyncpg.Pool) -> House:
    return House(pool)


@pytest.fixture
async def nowhere() -> AsyncIterator[redis.asyncio.Redis]:
    """A Redis that is away: nobody listens there."""
    client = redis.asyncio.Redis(host="127.0.0.1", port=1)
    yield client
    await client.aclose()


def comment_id(ack: Ack) -> str:
    assert isinstance(ack.comment, Comment)
    return ack.comment.comment_id


async def kept_unheard(house: House, nowhere: redis.asyncio.Redis, command: PostComment = HELLO) -> None:
    async with house.process(nowhere) as cut_off:
        with pytest.raises(Unavailable):
            await cut_off.carry_out(command, AUTHOR)
    assert await house.pool.fetchval("SELECT count(*) FROM comments") == 1


async def test_a_comment_kept_while_redis_was_away_is_published_by_a_repeat_however_late(
    house: House, nowhere: redis.asyncio.Redis
) -> None:
    await kept_unheard(house, nowhere)
    house.later()
    async with house.process() as conversation:
        ack = await conversation.carry_out(HELLO, AUTHOR)
        (delivery,) = house.hub.rooms[BROADCAST].kept
        assert unseal(delivery.envelope)[1].comment_id == comment_id(ack)
        await house.until_marked()


async def test_a_comment_that_was_published_is_not_published_again_by_a_late_repeat(house: House) -> None:
    async with house.process() as first:
        answered: Ack = await first.carry_out(HELLO, AUTHOR)
        assert house.heard() == 1
        await house.until_marked()
    house.later()
    async with house.process() as second:
        again = await second.carry_out(HELLO, AUTHOR)
        assert (again.comment, house.heard()) == (answered.comment, 0)


async def test_a_comment_that_was_withdrawn_unheard_stays_so(house: House, nowhere: redis.asyncio.Redis) -> None:
    await kept_unheard(house, nowhere)
    async with house.process() as conversation:
        kept = await house.pool.fetchval("SELECT comment_id FROM comments")
        await conversation.carry_out(Remove("r1", kept, "no"), MONITOR)
        house.later()
        await conversation.carry_out(HELLO, AUTHOR)
        assert house.heard() == 0


@pytest.mark.parametrize("again", ["r1", "r2"], ids=["sent again", "pressed again"])
async def test_a_removal_that_the_room_did_not_hear_takes_the_pin_down_when_it_is_repeated(
    house: House, nowhere: redis.asyncio.Redis, again: str
) -> None:
    async with house.process() as conversation:
        said = comment_id(await conversation.carry_out(HELLO, AUTHOR))
        await conversation.carry_out(Pin("p1", said), MONITOR)
        async with house.process(nowhere) as cut_off:
            with pytest.raises(Unavailable):
                await cut_off.carry_out(Remove("r1", said, "no"), MONITOR)
        heard = house.heard()
        await conversation.carry_out(Remove(again, said, "no"), MONITOR)
        told = [json.decode(unseal(one.envelope)[0].event) for one in list(house.hub.rooms[BROADCAST].kept)[heard:]]
    assert [one["type"] for one in told] == ["comment_removed", "pinned"]
    assert told[1]["comment"] is None


def last_told(house: House, before: int) -> list[dict[str, Any]]:
    kept = list(house.hub.rooms[BROADCAST].kept)[before:]
    return [json.decode(unseal(one.envelope)[0].event) for one in kept]


async def test_a_removal_that_the_room_did_not_hear_is_told_once_by_whichever_process_comes_first(
    house: House, nowhere: redis.asyncio.Redis
) -> None:
    async with house.process() as conversation:
        said = comment_id(await conversation.carry_out(HELLO, AUTHOR))
        await conversation.carry_out(Pin("p1", said), MONITOR)
        async with house.process(nowhere) as cut_off:
            with pytest.raises(Unavailable):
                await cut_off.carry_out(Remove("r1", said, "no"), MONITOR)
            heard = house.heard()
            await cut_off._withdrawals.tell_owed()  # it cannot yet, and nothing breaks
        for _ in range(2):
            await conversation._withdrawals.tell_owed()
    told = last_told(house, heard)
    assert [one["type"] for one in told] == ["comment_removed", "pinned"]
    assert (told[0]["comment_id"], told[1]["comment"]) == (said, None)


async def test_a_comment_that_comes_after_its_own_withdrawal_is_withdrawn_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    withdrawn = asyncio.Event()
    async with house.process() as slow, house.process() as quick:
        publish = slow._broker.publish

        async def late(room: str, sealed: Sealed) -> None:
            await withdrawn.wait()
            await publish(room, sealed)

        monkeypatch.setattr(slow._broker, "publish", late)
        saying = asyncio.create_task(slow.carry_out(HELLO, AUTHOR))
        for _ in range(PATIENCE):
            if (kept := await house.pool.fetchval("SELECT comment_id FROM comments")) is not None:
                break
            await asyncio.sleep(0.01)
        await quick.carry_out(Remove("r1", kept, "no"), MONITOR)
        withdrawn.set()
        await saying
        await house.until_marked()
        await quick._withdrawals.tell_owed()
    told = [one["type"] for one in last_told(house, 0) if one["type"] != "pinned"]
    assert told == ["comment_removed", "comment", "comment_removed"]


@pytest.mark.parametrize(
    ("first", "second", "speaker"),
    [
        (HELLO, PostComment("m1", "something else"), AUTHOR),
        (HELLO, PostComment("m1", "hello", "question"), AUTHOR),
        (Mute("a", "ac_viewer", 60, "spam"), Ban("a", "ac_viewer", "spam"), MONITOR),
        (Mute("a", "ac_viewer", 60, "spam"), Mute("a", "ac_viewer2", 60, "spam"), MONITOR),
        (SetRules("a", True, 0, "busy"), SetRules("a", False, 0, "calm"), MONITOR),
        (Announce("a", "soon"), Announce("a", "now"), MONITOR),
        (Pin("a", None), Remove("a", "cm_1", "no"), MONITOR),
        (OpenPoll("a", "which?", ["x", "y"]), OpenPoll("a", "who?", ["x", "y"]), MONITOR),
    ],
)
async def test_a_message_id_that_was_another_acts_is_refused_and_changes_nothing(
    house: House, first: Spoken, second: Spoken, speaker: Speaker
) -> None:
    await seed_people(house.pool)
    async with house.process() as conversation:
        done = await conversation.carry_out(first, speaker)
        heard = house.heard()
        with pytest.raises(CommandRefused) as refused:
            await conversation.carry_out(second, speaker)
        assert (refused.value.code, house.heard()) == ("idempotency_conflict", heard)
        assert (await conversation.carry_out(first, speaker)).verdict == done.verdict


async def test_a_release_that_the_room_did_not_hear_is_made_good_by_the_authors_repeat(
    house: House, nowhere: redis.asyncio.Redis
) -> None:
    async with house.process() as conversation:
        held = await conversation.carry_out(DOUBTFUL, AUTHOR)
        assert held.verdict == "hold"
        await house.until_marked()
    async with house.process(nowhere) as cut_off:
        with pytest.raises(Unavailable):
            await cut_off.carry_out(Release("l1", comment_id(held), "fine"), MONITOR)
    house.later()
    async with house.process() as conversation:
        assert (await conversation.carry_out(DOUBTFUL, AUTHOR)).verdict == "pass"
        (delivery,) = house.hub.rooms[BROADCAST].kept
        assert unseal(delivery.envelope)[0].audience == "all"
        await house.until_marked()


async def test_marks_wait_while_postgres_is_away(house: House, caplog: pytest.LogCaptureFixture) -> None:
    async with house.process() as conversation:
        await house.pool.execute("ALTER TABLE comments RENAME COLUMN published TO published_away")
        await conversation.carry_out(HELLO, AUTHOR)
        for _ in range(PATIENCE):
            if "not marked yet" in caplog.text:
                break
            await asyncio.sleep(0.05)
        else:
            pytest.fail("never tried")
        await house.pool.execute("ALTER TABLE comments RENAME COLUMN published_away TO published")
        await house.until_marked()
