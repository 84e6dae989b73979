"""The composition root: settings in, the parts of a program out, each wired here and nowhere else."""

import secrets
import socket
import time
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import asyncpg
import redis.asyncio

from chat.archive_postgres import PostgresArchive
from chat.broker_redis import RedisBroker, StreamLimits
from chat.figures_postgres import PostgresFigures
from chat.likes_postgres import PostgresLikeCheckpoint
from chat.likes_redis import RedisLikeStore
from chat.moderation_postgres import PostgresModeration
from chat.presence_redis import RedisPresence
from chat.restriction_feed import RestrictionFeed
from chat.restrictions import Restrictions
from chat.rooms import RoomTimes
from chat.sightings_postgres import SightedPresence
from chat.talk_postgres import PostgresTalk
from commerce.ports import untraced
from commerce.service import CommerceService
from server import chosen_parts
from server.announcer import Announcer
from server.auth.accounts_postgres import AccountStore
from server.auth.encoder_tokens_postgres import EncoderTokens
from server.auth.identities import BankIdentities, BankRecords, CurrentIdentities, Identities, LocalIdentities
from server.auth.issuer_keys_http import IssuerKeys
from server.auth.passwords import Passwords
from server.auth.proofs import Proofs
from server.auth.session_ends_postgres import SessionEnds
from server.auth.tokens import Tokens
from server.broadcast_reader import RoomReader, SaleReader, StreamClocks
from server.broadcasting import Broadcasting
from server.consequences import Consequences
from server.gateway.addresses import AddressLimits
from server.gateway.gateway import Gateway
from server.gateway.options import GatewayOptions
from server.gateway.services import GatewayPorts
from server.http import (
    health,
)
from server.http.connections import Door
from server.http.health import Phase
from server.http.password_door import PasswordDoor
from server.ids import new_id
from server.listening import NOTHING_INHERITED, Inherited
from server.media.feeds import Feeds
from server.media.fleet import Local, MediaFleet
from server.media.internal_http import LegCounters
from server.media.membership import Membership
from server.media.remote import Remotes
from server.media.wire import InternalSecret
from server.media_cuts import MediaCuts
from server.media_watch import MediaWatch
from server.metrics.loop_lag import watch_loop
from server.metrics.registry import new_metrics
from server.metrics.room_echo import RoomEcho
from server.picture_news import PictureNews
from server.probes import probes
from server.publisher_watch import PublisherWatch
from server.recording_watch import RecordingWatch
from server.room_identity import RoomAuthenticator
from server.sale_rules import commerce_settings
from server.settings import Settings
from server.state_watch import StateWatch
from server.stream_state import StreamState
from server.tip_desk import TipDesk
from streaming.broadcasts_postgres import PostgresBroadcasts
from streaming.directory_redis import PublisherDirectory
from streaming.engine import MediaEngine
from streaming.errors import MediaUnreachable
from streaming.media_directory_redis import MediaDirectory
from streaming.media_events import MediaEvent
from streaming.media_settings import MediaSettings
from streaming.recorder_disk import DiskRecorder
from streaming.recorder_redis import RecorderDirectory
from streaming.recordings_postgres import PostgresRecordings
from streaming.segment_files import DirectoryFiles

if TYPE_CHECKING:
    pass

_LOGIN_THREADS = 2


class Parts:
    """Everything that is composed once a process, each thing wired to what it needs."""

    def __init__(
        self,
        settings: Settings,
        pool: asyncpg.Pool,
        client: redis.asyncio.Redis,
        inherited: Inherited = NOTHING_INHERITED,
    ) -> None:
        self.settings = settings
        self.phase = Phase()
        self.metrics = new_metrics()
        self.tracing = chosen_parts.tracing(settings)
        carried = None if self.tracing is None else self.tracing.carried
        self.pool = pool
        self.client = client
        self.envelopes = settings.envelopes()
        self.accounts = AccountStore(pool, self.envelopes)
        self.passwords = Passwords(threads=_LOGIN_THREADS, queue=settings.password_queue)
        self.password_door = PasswordDoor(self.passwords, settings.trusted_proxies)
        self.tokens = Tokens(settings.jwt_secret.get_secret_value(), settings.session_ttl_s)
        self.proofs = Proofs(settings.jwt_secret.get_secret_value())
        self.issuer_keys = IssuerKeys(settings.issuer_jwks_url) if settings.issuer_jwks_url else None
        self.encoder_tokens = EncoderTokens(pool, settings.encoder_token_ttl_s)
        self.session_ends = SessionEnds(pool)
        self.store = PostgresBroadcasts(pool)
        self.media_id = f"md-{secrets.token_hex(6)}"
        self.directory = PublisherDirectory(client, self.media_id)
        self.presence = SightedPresence(RedisPresence(client), pool)
        self.clocks = StreamClocks(self.store)
        limits = StreamLimits(readable_per_s=settings.comments_shown_per_s)
        self.broker = RedisBroker(client, limits=limits, trace=carried)
        self.commerce = CommerceService(
            pool,
            broadcasts=SaleReader(
                self.store,
                self.presence,
                RecorderDirectory(client),
                settings.monitor_absent_after_s,
                recorded=settings.recording_dir is not None,
                failing_here=lambda: self.recording.failing if self.recording is not None else frozenset(),
            ),
            now=lambda: datetime.now(UTC),
            new_id=new_id,
            envelopes=self.envelopes,
            evidence_export_dir=settings.evidence_export_dir,
            core=chosen_parts.core(settings),
            questionnaire=chosen_parts.questionnaire(settings),
            calendar=chosen_parts.working_days(settings),
            settings=commerce_settings(settings),
            trace=carried or untraced,
        )
        self.restrictions = Restrictions()
        self.identities = CurrentIdentities(self._identities(), self.restrictions.sessions_from)
        self.archive = PostgresArchive(pool)
        self.likes = RedisLikeStore(client, PostgresLikeCheckpoint(pool))
        self.moderator = chosen_parts.moderator(settings)
        self.moderation = PostgresModeration(pool)
        self.talk = PostgresTalk(pool)
        self.figures = PostgresFigures(pool)
        self.restriction_feed = RestrictionFeed(self.moderation, self.restrictions)
        self.stream_state = StreamState(self.store, self.directory, self.broker, self.clocks)
        self.media_directory = MediaDirectory(client)
        self.membership = Membership(self.media_directory, self.media_id, settings.media_max_viewers)
        self.internal_secret = InternalSecret.derived_from(settings.jwt_secret.get_secret_value())
        self.picture_news = PictureNews(self.broker)
        self.recording = self._recording() if "media" in settings.roles else None
        self.media = self._media() if "media" in settings.roles else None
        if self.media is not None:
            self.restriction_feed.on_ban(self.media.drop_person)
        self.remotes = Remotes(self.internal_secret)
        self.legs = LegCounters()
        self.feeds = (
            Feeds(self.media, self.media_directory, self.media_id, self.internal_secret)
            if self.media is not None
            else None
        )
        local = Local(self.media_id, self.media) if self.media is not None else None
        self.fleet = MediaFleet(self.media_directory, self.remotes.to, local)
        with chosen_parts.built("ROOM_FRAME_WRITER"):
            self.gateway = self._gateway(inherited.gateway) if "gateway" in settings.roles else None
        self.door = Door(chosen_parts.connection_limits(settings))
        self.relay = self.commerce.relay(self._announcer().take) if "commerce" in settings.roles else None
        self.echo = (
            RoomEcho(self.broker, f"gw-{secrets.token_hex(6)}", self.metrics.lag("room_lag_seconds"))
            if self.gateway is not None
            else None
        )
        self.cuts = MediaCuts(client)
        consequences = Consequences(self.stream_state, self.media, self.cuts, self.commerce.stage)
        self.broadcasting = Broadcasting(
            self.store, self.presence, new_id, consequences.broadcast_moved, ZoneInfo(settings.business_zone)
        )

    def _announcer(self) -> Announcer:
        return Announcer(self.broker, None if self.tracing is None else self.tracing.announcement)

    def _identities(self) -> Identities:
        rules = self.settings.issuer_rules()
        if rules is None or self.issuer_keys is None:
            return LocalIdentities(self.tokens)
        records = BankRecords(self.accounts, self.commerce.customers, self.session_ends)
        return BankIdentities(self.tokens, rules, self.issuer_keys, records)

    def _recording(self) -> RecordingWatch | None:
        directory = self.settings.recording_dir
        if directory is None:
            return None
        return RecordingWatch(
            DiskRecorder(DirectoryFiles(directory)),
            RecorderDirectory(self.client),
            PostgresRecordings(self.pool),
            self.store,
            self.clocks,
        )

    def _media(self) -> MediaEngine:
        settings = self.settings
        media = MediaSettings(
            bind_host=settings.media_bind_host,
            port=settings.media_port,
            advertised_ips=tuple(str(ip) for ip in settings.media_advertised_ip) or ("127.0.0.1",),
            packet_writer=settings.media_packet_writer,
            max_viewers=settings.media_max_viewers,
            joins_per_s=settings.media_joins_per_s,
        )
        recorder = self.recording.recorder if self.recording is not None else None
        with chosen_parts.built("MEDIA_PACKET_WRITER"):
            return MediaEngine(media, self._on_media_event, recorder=recorder)

    def _on_media_event(self, event: MediaEvent) -> None:
        self.stream_state.on_event(event)
        self.picture_news.on_event(event)

    def _gateway(self, listening: socket.socket | None) -> Gateway:
        settings = self.settings
        return Gateway(
            options=GatewayOptions(
                host=settings.host,
                port=settings.gateway_port,
                allowed_origins=settings.allowed_origins,
                public_url=settings.gateway_public_url,
                addresses=AddressLimits(
                    connections=settings.connections_per_address, trusted_proxies=settings.trusted_proxies
                ),
                times=RoomTimes(tick_s=settings.room_tick_ms / 1_000),
                frame_writer=settings.room_frame_writer,
            ),
            gateway_id=f"gw-{secrets.token_hex(6)}",
            ports=GatewayPorts(
                authenticator=RoomAuthenticator(self.identities),
                broadcasts=RoomReader(self.store, self.directory, self.commerce.stage),
                tips=TipDesk(self.commerce.applause, self.accounts, self.moderator),
                clock=self.clocks,
                broker=self.broker,
                archive=self.archive,
                likes=self.likes,
                presence=self.presence,
                moderator=self.moderator,
                moderation=self.moderation,
                talk=self.talk,
                figures=self.figures,
                restrictions=self.restrictions,
                restriction_feed=self.restriction_feed,
                new_id=new_id,
                traces=self.tracing,
            ),
            listening=listening,
        )

    def banned(self, account_id: str) -> bool:
        return self.restrictions.banned(account_id, time.time())

    def closed(self, account_id: str) -> bool:
        return self.restrictions.closed(account_id, time.time())

    def probes(self) -> dict[str, health.Probe]:
        asked, media = probes(self.pool, self.client), self.media
        if media is None:
            return asked

        async def takes_viewers() -> str | None:
            """A full process is ready: who watches goes on, and who comes is told when to return."""
            if not self.membership.listed:
                raise MediaUnreachable
            return f"ok, full with {self.settings.media_max_viewers} viewers" if media.full else None

        return {**asked, "media": takes_viewers}

    def background(self) -> list[Coroutine[Any, Any, None]]:
        """What runs beside the listeners, each as one owned task."""
        work: list[Coroutine[Any, Any, None]] = [self.broker.run(), self.archive.run(), self.stream_state.run()]
        work.append(self.picture_news.run())
        work += [self.likes.run(), self.moderator.run(), self.restriction_feed.run()]
        work.append(watch_loop(self.metrics.lag("event_loop_lag_seconds")))
        if self.issuer_keys is not None:
            work.append(self.issuer_keys.run())
        if self.recording is not None:
            work.append(self.recording.run())
        if self.gateway is not None and self.echo is not None:
            work.append(PublisherWatch(self.directory, self.gateway.rooms, self.clocks).run())
            work.append(StateWatch(self.store, self.gateway.rooms, self.clocks).run())
            work += [self.echo.run(), self.gateway.run()]
        if self.media is not None and self.feeds is not None:
            watch = MediaWatch(self.media, self.store, self.encoder_tokens, self.session_ends)
            work += [watch.run(), self.cuts.run(watch.told.set), self.membership.say(self.media), self.feeds.run()]
        if self.media is not None or "api" in self.settings.roles:
            work.append(self.membership.learn())
        if self.relay is not None:
            work += [self.relay.run(), self.commerce.sweep_forever(), self.commerce.settle_forever()]
            work += [self.commerce.sequencer.run(), self.commerce.confirmation.run_forever()]
            work.append(self.commerce.watch_stages())
        return work
