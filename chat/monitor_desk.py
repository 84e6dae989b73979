"""Carries out what monitors decide and viewers report: kept with its record, then told. I/O only through ports."""

from collections.abc import Callable
from datetime import datetime, timedelta

from msgspec import structs

from chat import commands
from chat.acts import Act
from chat.archive import CommentRecord
from chat.broker import Broker
from chat.connection_events import Ack
from chat.envelope import seal
from chat.errors import CommandRefused
from chat.events import CommentPosted, Reported, Restricted, RulesChanged
from chat.moderation_store import InForce, ModerationStore
from chat.ports import Principal
from chat.restrictions import EVERYWHERE, Restriction, Restrictions, RoomRules


class MonitorDesk:
    """An `Ack` that returns is durable in Postgres; other processes act on it within a second.

    A repeat, by its client message id, is answered alike and only tells again how things stand by now.
    """

    def __init__(
        self,
        *,
        store: ModerationStore,
        broker: Broker,
        restrictions: Restrictions,
        restricted: Callable[[Restriction], None],
        published: Callable[[CommentRecord], None],
        now: Callable[[], datetime],
    ) -> None:
        """`restricted` is told at once of what was decided here, `published` of what was released to the room.

        `now` is UTC, aware.
        """
        self._store = store
        self._broker = broker
        self._restrictions = restrictions
        self._restricted = restricted
        self._published = published
        self._now = now

    async def carry_out(self, command: commands.MonitorsCommand, principal: Principal, broadcast_id: str) -> Ack:
        """Do it and say so. Raises CommandRefused, Unavailable."""
        act = Act(principal.account_id, command.reason, self._now(), command.id)
        match command:
            case commands.Release():
                await self._release(command, broadcast_id, act)
            case commands.Mute():
                await self._mute(command, broadcast_id, act)
            case commands.Ban():
                await self._ban(command, broadcast_id, act)
            case commands.SetRules():
                wanted = RoomRules(command.muted_all, command.slow_s)
                rules = await self._store.rule(broadcast_id, wanted, act)
                self._restrictions.rule(broadcast_id, rules)
                await self._broker.publish(broadcast_id, seal(RulesChanged(rules.muted_all, rules.slow_s)))
            case commands.Report():
                await self._report(command, broadcast_id, act)
        return Ack(command.id, "done")

    async def _release(self, command: commands.Release, broadcast_id: str, act: Act) -> None:
        record = await self._store.release(broadcast_id, command.comment_id, act)
        if record is None:
            return  # withdrawn since
        comment = record.shown(with_verdict=False)
        await self._broker.publish(broadcast_id, seal(CommentPosted(**structs.asdict(comment))))
        self._published(record)

    async def _mute(self, command: commands.Mute, broadcast_id: str, act: Act) -> None:
        _not_oneself(command.account_id, act)
        until_s = (act.at + timedelta(seconds=command.seconds)).timestamp()
        wanted = Restriction("mute", broadcast_id, command.account_id, until_s)
        holds = await self._store.restrict(wanted, broadcast_id, act, lifts=command.seconds == 0)
        self._restricted(holds.restriction)
        event = _restricted(holds, act.at.timestamp())
        await self._broker.publish(broadcast_id, seal(event, to=command.account_id))

    async def _ban(self, command: commands.Ban, broadcast_id: str, act: Act) -> None:
        _not_oneself(command.account_id, act)
        until_s = act.at.timestamp() if command.lift else None
        wanted = Restriction("ban", EVERYWHERE, command.account_id, until_s)
        holds = await self._store.restrict(wanted, broadcast_id, act, lifts=command.lift)
        self._restricted(holds.restriction)

    async def _report(self, command: commands.Report, broadcast_id: str, act: Act) -> None:
        count = await self._store.report(broadcast_id, command.comment_id, act.actor_id, command.reason, act.at)
        event = Reported(command.comment_id, count, command.reason)
        await self._broker.publish(broadcast_id, seal(event, audience="staff"))


def _restricted(holds: InForce, now_s: float) -> Restricted:
    until_s = holds.restriction.until_s
    if until_s is not None and until_s <= now_s:
        return Restricted("unmuted", None, holds.reason or "")
    return Restricted("muted", None if until_s is None else int(until_s * 1_000), holds.reason or "")


def _not_oneself(account_id: str, act: Act) -> None:
    if account_id == act.actor_id:
        raise CommandRefused("forbidden", "that is you")
