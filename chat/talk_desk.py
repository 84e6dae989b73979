"""Carries out questions, official words and polls: judged, kept, then told. I/O only through ports."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from msgspec import structs

from chat import commands
from chat.broker import Broker
from chat.connection_events import Ack
from chat.envelope import seal
from chat.errors import CommandRefused, Unavailable
from chat.events import Announced, Answered, PollChanged, PollCounted, QuestionMoved, Speaker
from chat.moderation import Judge
from chat.normalising import says_something
from chat.ports import BroadcastReader, Principal, StreamClock
from chat.talk_store import NewPoll, NewWord, TalkStore, WordKind

# A tally is told on this many ticks after a vote: another gateway's older one may arrive between.
_TOLD_TICKS = 2


class TalkDesk:
    """An `Ack` that returns is durable in Postgres. `tick_polls` tells changed votes, at most once a tick."""

    def __init__(
        self,
        *,
        store: TalkStore,
        broker: Broker,
        judge: Judge,
        broadcasts: BroadcastReader,
        clock: StreamClock,
        new_id: Callable[[str], str],
        now: Callable[[], datetime],
        port_timeout_s: float = 5.0,
    ) -> None:
        """`now` is UTC, aware."""
        self._store = store
        self._broker = broker
        self._judge = judge
        self._broadcasts = broadcasts
        self._clock = clock
        self._new_id = new_id
        self._now = now
        self._port_timeout_s = port_timeout_s
        self._voted: dict[str, tuple[str, int]] = {}

    async def carry_out(self, command: commands.TalkCommand, principal: Principal, broadcast_id: str) -> Ack:
        """Do it and say so. Raises CommandRefused, Unavailable."""
        match command:
            case commands.PickQuestion():
                comment = await self._store.pick(broadcast_id, command.comment_id, principal.account_id, self._now())
                await self._broker.publish(broadcast_id, seal(QuestionMoved("picked", comment)))
            case commands.Answer():
                await self._answer(command, principal, broadcast_id)
            case commands.Announce():
                await self._announce(command, principal, broadcast_id)
            case commands.OpenPoll():
                await self._open_poll(command, principal, broadcast_id)
            case commands.ClosePoll():
                poll = await self._store.close_poll(broadcast_id, command.poll_id, principal.account_id, self._now())
                await self._broker.publish(broadcast_id, seal(PollChanged(poll)))
            case commands.Vote():
                account_id = principal.account_id
                await self._store.vote(broadcast_id, command.poll_id, account_id, command.choice, self._now())
                self._voted[command.poll_id] = (broadcast_id, _TOLD_TICKS)
        return Ack(command.id, "done")

    async def _answer(self, command: commands.Answer, principal: Principal, broadcast_id: str) -> None:
        self._check(command.text)
        speaker = await self._speaker(principal, broadcast_id)
        if not speaker.licence_no:
            raise CommandRefused("forbidden", "an official answer needs a licence on record")
        word = await self._word(command.id, "answer", command.text, speaker, broadcast_id, command.comment_id)
        said = await self._store.say(word)
        await self._broker.publish(broadcast_id, seal(Answered(**structs.asdict(said)), once=said.word_id))
        if said.comment is not None:
            moved = QuestionMoved("answered", said.comment)
            await self._broker.publish(broadcast_id, seal(moved, once=f"{said.word_id}/question"))

    async def _announce(self, command: commands.Announce, principal: Principal, broadcast_id: str) -> None:
        self._check(command.text)
        speaker = await self._speaker(principal, broadcast_id)
        word = await self._word(command.id, "announcement", command.text, speaker, broadcast_id, None)
        said = await self._store.say(word)
        await self._broker.publish(broadcast_id, seal(Announced(**structs.asdict(said)), once=said.word_id))

    async def _open_poll(self, command: commands.OpenPoll, principal: Principal, broadcast_id: str) -> None:
        for text in (command.question, *command.options):
            self._check(text)
        if len({option.strip() for option in command.options}) < len(command.options):
            raise CommandRefused("bad_options", "two options are the same")
        poll = await self._store.open_poll(
            NewPoll(
                self._new_id("pl"),
                broadcast_id,
                command.question,
                tuple(command.options),
                principal.account_id,
                command.id,
                self._now(),
            )
        )
        await self._broker.publish(broadcast_id, seal(PollChanged(poll)))

    def _check(self, text: str) -> None:
        """What the bank says goes through the same check; nobody is there to release it, so it is to be reworded."""
        if not says_something(text):
            raise CommandRefused("text_empty", "there is nothing in it")
        judgement = self._judge.judge(text)
        if judgement.verdict != "pass" or judgement.text != text:
            why = ", ".join(judgement.reasons) or "personal data"
            raise CommandRefused("text_refused", f"please put it in other words: {why}")

    async def _speaker(self, principal: Principal, broadcast_id: str) -> Speaker:
        """Name who speaks, with the licence that the broadcast shows of its host."""
        try:
            async with asyncio.timeout(self._port_timeout_s):
                facts = await self._broadcasts.read(broadcast_id)
        except TimeoutError as error:
            raise Unavailable("the broadcast cannot be read now") from error
        host = {} if facts is None else facts.broadcast.get("host") or {}
        if host.get("account_id") != principal.account_id:
            return Speaker(principal.account_id, principal.nickname, "")
        return Speaker(principal.account_id, host.get("display_name") or "", host.get("licence_no") or "")

    async def _word(
        self, message_id: str, kind: WordKind, text: str, by: Speaker, broadcast_id: str, comment_id: str | None
    ) -> NewWord:
        stream_time_ms = await self._clock.stream_time_ms(broadcast_id)
        return NewWord(
            self._new_id("wd"), broadcast_id, kind, comment_id, text, by, message_id, self._now(), stream_time_ms
        )

    async def tick_polls(self) -> None:
        """Tell the votes of polls that got some here; to be called about twice a second. Raises Unavailable."""
        voted = self._voted
        if not voted:
            return
        self._voted = {poll_id: (room, left - 1) for poll_id, (room, left) in voted.items() if left > 1}
        try:
            for poll in await self._store.tallies(voted):
                tally = PollCounted(poll.poll_id, poll.votes)
                await self._broker.publish(voted[poll.poll_id][0], seal(tally))
        except Unavailable:
            self._voted = {**voted, **self._voted}
            raise
