"""What every participant of a gateway uses, made of the ports that the program gives it. No I/O."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

from chat.archive import Archive
from chat.attendance_book import AttendanceBook
from chat.audience import Audience
from chat.barred import BarringAuthenticator
from chat.broker import Broker
from chat.conversation import Conversation
from chat.figures import FigureStore
from chat.likes import LikeStore
from chat.moderation import Judge
from chat.moderation_store import ModerationStore
from chat.monitor_desk import MonitorDesk
from chat.nicknames import NamingAuthenticator
from chat.ports import Authenticator, BroadcastReader, StreamClock, TipDesk
from chat.presence import Presence
from chat.rate_limit import AccountBuckets
from chat.restriction_feed import RestrictionFeed
from chat.restrictions import Restrictions
from chat.rooms import Rooms
from chat.session import SessionLimits
from chat.snapshot import SnapshotBuilder
from chat.talk_desk import TalkDesk
from chat.talk_store import TalkStore
from chat.withdrawals import Withdrawals
from server.gateway.counters import GatewayCounters
from server.gateway.frames import text_frame
from server.gateway.options import GatewayOptions


class RoomTraces(Protocol):
    """Notes what happens in rooms, where an installation is traced; neither blocks nor raises."""

    def command(self, name: str) -> AbstractContextManager[object]:
        """Note the block, in which somebody's command is carried out, under the command's name."""

    def fanned_out(self, carried: Sequence[str], people: int, took_s: float) -> None:
        """As chat's FannedOut."""


@dataclass(frozen=True, slots=True)
class GatewayPorts:
    """What the gateway needs of the rest of the program."""

    authenticator: Authenticator
    broadcasts: BroadcastReader
    tips: TipDesk
    clock: StreamClock
    broker: Broker
    archive: Archive
    likes: LikeStore
    presence: Presence
    moderator: Judge
    moderation: ModerationStore
    talk: TalkStore
    figures: FigureStore
    restrictions: Restrictions
    restriction_feed: RestrictionFeed
    new_id: Callable[[str], str]
    traces: RoomTraces | None = None


@dataclass(frozen=True, slots=True)
class Services:
    """What every participant of a gateway uses."""

    authenticator: Authenticator
    tips: TipDesk
    rooms: Rooms
    conversation: Conversation
    talk: TalkDesk
    account_buckets: AccountBuckets
    limits: SessionLimits
    counters: GatewayCounters
    heartbeat_s: float
    port_timeout_s: float
    wall_s: Callable[[], float]
    attendance: AttendanceBook
    withdrawals: Withdrawals
    traces: RoomTraces | None


def make_services(
    ports: GatewayPorts,
    options: GatewayOptions,
    gateway_id: str,
    counters: GatewayCounters,
    make_audience: Callable[[], Audience],
) -> Services:
    """Put a gateway's parts together."""
    talk = TalkDesk(
        store=ports.talk,
        broker=ports.broker,
        judge=ports.moderator,
        broadcasts=ports.broadcasts,
        clock=ports.clock,
        new_id=ports.new_id,
        now=_now,
    )
    withdrawals = Withdrawals(ports.archive, ports.broker)
    return Services(
        authenticator=NamingAuthenticator(
            BarringAuthenticator(ports.authenticator, ports.restrictions), ports.moderator
        ),
        tips=ports.tips,
        rooms=_rooms(ports, options, gateway_id, make_audience),
        conversation=_conversation(ports, talk, withdrawals),
        talk=talk,
        account_buckets=AccountBuckets(options.session.comments),
        limits=options.session,
        counters=counters,
        heartbeat_s=options.heartbeat_s,
        port_timeout_s=options.port_timeout_s,
        wall_s=time.time,
        attendance=AttendanceBook(ports.figures, gateway_id, now_s=time.monotonic, now=_now),
        withdrawals=withdrawals,
        traces=ports.traces,
    )


def _rooms(
    ports: GatewayPorts, options: GatewayOptions, gateway_id: str, make_audience: Callable[[], Audience]
) -> Rooms:
    return Rooms(
        gateway_id=gateway_id,
        broker=ports.broker,
        snapshots=SnapshotBuilder(ports.broadcasts, ports.archive, ports.likes, ports.presence, gateway_id, ports.talk),
        likes=ports.likes,
        presence=ports.presence,
        build_frame=text_frame,
        now_s=time.monotonic,
        times=options.times,
        make_audience=make_audience,
        fanned_out=None if ports.traces is None else ports.traces.fanned_out,
    )


def _conversation(ports: GatewayPorts, talk: TalkDesk, withdrawals: Withdrawals) -> Conversation:
    desk = MonitorDesk(
        store=ports.moderation,
        broker=ports.broker,
        restrictions=ports.restrictions,
        restricted=ports.restriction_feed.take,
        published=ports.archive.note_published,
        now=_now,
    )
    return Conversation(
        archive=ports.archive,
        broker=ports.broker,
        moderator=ports.moderator,
        tips=ports.tips,
        clock=ports.clock,
        new_id=ports.new_id,
        now=_now,
        restrictions=ports.restrictions,
        desk=desk,
        talk=talk,
        withdrawals=withdrawals,
    )


def _now() -> datetime:
    return datetime.now(UTC)
