"""Carries out what people say: judged, kept, published, then acknowledged. I/O only through ports."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from msgspec import structs

from chat import commands
from chat.acts import Act
from chat.archive import Archive, CommentRecord
from chat.broker import Broker
from chat.connection_events import Ack
from chat.envelope import Audience, seal
from chat.errors import Unavailable, id_reused
from chat.events import CommentPosted, Pinned, Verdict
from chat.moderation import Judge, Judgement
from chat.monitor_desk import MonitorDesk
from chat.normalising import normalise
from chat.ports import Principal, StreamClock, TipDesk
from chat.repetition import Repetition
from chat.restrictions import Restrictions
from chat.talk_desk import TalkDesk
from chat.withdrawals import Withdrawals

Spoken = (
    commands.PostComment
    | commands.Tip
    | commands.Pin
    | commands.Remove
    | commands.MonitorsCommand
    | commands.TalkCommand
)

# What others read: a mute holds for all of it, whoever says it.
_SAID = commands.PostComment | commands.Answer | commands.Announce | commands.OpenPoll


@dataclass(frozen=True, slots=True)
class Speaker:
    """Who speaks, in which room, and whether it rehearses (then only staff hear it)."""

    principal: Principal
    broadcast_id: str
    rehearsing: bool


class Conversation:
    """An `Ack` that returns is durable in Postgres; every error leaves a command that may be sent again."""

    def __init__(
        self,
        *,
        archive: Archive,
        broker: Broker,
        moderator: Judge,
        tips: TipDesk,
        clock: StreamClock,
        new_id: Callable[[str], str],
        now: Callable[[], datetime],
        restrictions: Restrictions,
        desk: MonitorDesk,
        talk: TalkDesk,
        withdrawals: Withdrawals,
        repetition: Repetition | None = None,
        tip_timeout_s: float = 5.0,
    ) -> None:
        """`now` is UTC, aware."""
        self._archive = archive
        self._broker = broker
        self._withdrawals = withdrawals
        self._moderator = moderator
        self._tips = tips
        self._clock = clock
        self._new_id = new_id
        self._now = now
        self._restrictions = restrictions
        self._desk = desk
        self._talk = talk
        self._repetition = repetition or Repetition()
        self._tip_timeout_s = tip_timeout_s

    async def carry_out(self, command: Spoken, speaker: Speaker) -> Ack:
        """Do it and say so. Raises CommandRefused, TipRefused, Unavailable."""
        if isinstance(command, _SAID):
            now_s = self._now().timestamp()
            self._restrictions.check_silenced(speaker.broadcast_id, speaker.principal.account_id, now_s)
        match command:
            case commands.PostComment():
                return await self._post(command, speaker)
            case commands.Tip():
                return await self._tip(command, speaker)
            case commands.Pin():
                return await self._pin(command, speaker)
            case commands.Remove():
                return await self._remove(command, speaker)
            case (
                commands.PickQuestion()
                | commands.Answer()
                | commands.Announce()
                | commands.OpenPoll()
                | commands.ClosePoll()
                | commands.Vote()
            ):
                return await self._talk.carry_out(command, speaker.principal, speaker.broadcast_id)
            case _:
                return await self._desk.carry_out(command, speaker.principal, speaker.broadcast_id)

    async def _post(self, command: commands.PostComment, speaker: Speaker) -> Ack:
        judgement = self._judge(command, speaker)
        stream_time_ms = await self._clock.stream_time_ms(speaker.broadcast_id)
        stored = await self._archive.store(self._record(command, speaker, judgement, stream_time_ms))
        record = stored.record
        if (record.text, record.kind) != (judgement.text, command.kind):
            raise id_reused()
        # Whoever kept it may have died, or lost Redis, before publishing it: then the repeat does, however late.
        if record.verdict != "block" and stored.due:
            await self._publish(record)
            self._archive.note_published(record)
        return Ack(command.id, record.verdict, record.shown(with_verdict=False))

    def _judge(self, command: commands.PostComment, speaker: Speaker) -> Judgement:
        """Judge the text, and of viewers whether they may talk now and have not said it too often."""
        judgement = self._moderator.judge(command.text)
        if speaker.principal.role != "viewer":
            return judgement
        account_id, now_s = speaker.principal.account_id, self._now().timestamp()
        self._restrictions.check_talk(speaker.broadcast_id, account_id, command.id, now_s)
        folded = normalise(command.text).folded or command.text
        finding = self._repetition.find(speaker.broadcast_id, account_id, command.id, folded, now_s)
        if finding is None:
            return judgement
        verdict: Verdict = "hold" if finding == "flood" and judgement.verdict != "block" else "block"
        return replace(judgement, verdict=verdict, reasons=(*judgement.reasons, finding))

    def _record(
        self, command: commands.PostComment, speaker: Speaker, judgement: Judgement, stream_time_ms: int | None
    ) -> CommentRecord:
        principal = speaker.principal
        everyone = judgement.verdict == "pass" and not speaker.rehearsing
        audience: Audience = "all" if everyone else "staff"
        return CommentRecord(
            self._new_id("cm"),
            speaker.broadcast_id,
            principal.account_id,
            command.id,
            principal.nickname,
            principal.role,
            command.kind,
            judgement.text,
            judgement.verdict,
            judgement.reasons,
            audience,
            self._now(),
            stream_time_ms,
        )

    async def _publish(self, record: CommentRecord) -> None:
        comment = record.shown(with_verdict=record.verdict == "hold")
        event = CommentPosted(**structs.asdict(comment))
        await self._broker.publish(record.broadcast_id, seal(event, audience=record.audience))

    async def _tip(self, command: commands.Tip, speaker: Speaker) -> Ack:
        key = f"{speaker.broadcast_id}/{command.id}"
        try:
            async with asyncio.timeout(self._tip_timeout_s):
                balance = await self._tips.tip(speaker.principal.account_id, speaker.broadcast_id, command.points, key)
        except TimeoutError as error:
            raise Unavailable("points cannot be tipped now") from error
        return Ack(command.id, "done", points_balance=balance)

    async def _pin(self, command: commands.Pin, speaker: Speaker) -> Ack:
        act = Act(speaker.principal.account_id, None, self._now(), command.id)
        comment = await self._archive.pin(speaker.broadcast_id, command.comment_id, act)
        await self._broker.publish(speaker.broadcast_id, seal(Pinned(comment)))
        return Ack(command.id, "done")

    async def _remove(self, command: commands.Remove, speaker: Speaker) -> Ack:
        act = Act(speaker.principal.account_id, command.reason, self._now(), command.id)
        await self._withdrawals.tell(await self._archive.remove(speaker.broadcast_id, command.comment_id, act))
        return Ack(command.id, "done")
