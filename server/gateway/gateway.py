"""The WebSocket listener of one process: accepts, serves, beats and drains. Talks to sockets."""

import asyncio
import functools
import http
import logging
import math
import random
import socket
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.http11 import Request, Response
from websockets.typing import Origin, Subprotocol

from chat.archive import Archive
from chat.attendance_book import AttendanceBook
from chat.barred import BarringAuthenticator
from chat.broker import Broker
from chat.close_codes import CloseCode
from chat.codec import encode_event
from chat.conversation import Conversation
from chat.events import Heartbeat
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
from chat.rooms import Rooms, RoomTimes
from chat.session import SessionLimits
from chat.shared_frame import SharedFrame
from chat.snapshot import SnapshotBuilder
from chat.talk_desk import TalkDesk
from chat.talk_store import TalkStore
from server.gateway.addresses import Addresses, AddressLimits
from server.gateway.counters import GatewayCounters
from server.gateway.frames import text_frame
from server.gateway.participant import Participant, Services
from server.gateway.raw_connection import RawConnection, WriteLimits

log = logging.getLogger(__name__)

SUBPROTOCOL = Subprotocol("wealthcast.v1.json")
PATH = "/ws"
# Heartbeats and byes go out in slices, so that ten thousand writes never hold the loop in one piece.
_SLICE = 500


_DEFLATE = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True, client_no_context_takeover=True, server_max_window_bits=12
)


@dataclass(frozen=True, slots=True)
class GatewayOptions:
    """What a deployment may set; times in seconds, sizes in bytes."""

    host: str = "127.0.0.1"
    port: int = 8081
    allowed_origins: Sequence[str] = ()
    max_connections: int = 20_000
    max_frame_bytes: int = 16 * 1024
    handshake_s: float = 5.0
    heartbeat_s: float = 10.0
    poll_tick_s: float = 0.5
    figures_s: float = 5.0
    # A peer that is gone without a word is found within twice this.
    ping_s: float = 15.0
    port_timeout_s: float = 10.0
    send_buffer_bytes: int = 128 * 1024
    write_limit_bytes: int = 32 * 1024
    addresses: AddressLimits = field(default_factory=AddressLimits)
    write: WriteLimits = field(default_factory=WriteLimits)
    session: SessionLimits = field(default_factory=SessionLimits)
    times: RoomTimes = field(default_factory=RoomTimes)


class Gateway:
    """Serves rooms on one port from `start` until `stop`.

    The broker, the archive and the restriction feed are run (`run`) by whoever owns them, as they serve others too.
    """

    def __init__(
        self,
        *,
        options: GatewayOptions,
        gateway_id: str,
        authenticator: Authenticator,
        broadcasts: BroadcastReader,
        tips: TipDesk,
        clock: StreamClock,
        broker: Broker,
        archive: Archive,
        likes: LikeStore,
        presence: Presence,
        moderator: Judge,
        moderation: ModerationStore,
        talk: TalkStore,
        figures: FigureStore,
        restrictions: Restrictions,
        restriction_feed: RestrictionFeed,
        new_id: Callable[[str], str],
        listening: socket.socket | None = None,
    ) -> None:
        """`listening`: a bound socket, inherited or shared; without one the options' host and port are bound."""
        self.options = options
        self.counters = GatewayCounters()
        self._listening = listening
        self._addresses = Addresses(options.addresses)
        self.rooms = Rooms(
            gateway_id=gateway_id,
            broker=broker,
            snapshots=SnapshotBuilder(broadcasts, archive, likes, presence, gateway_id, talk),
            likes=likes,
            presence=presence,
            build_frame=text_frame,
            now_s=time.monotonic,
            now_ms=lambda: int(time.time() * 1_000),
            times=options.times,
        )
        restriction_feed.on_ban(lambda account_id: self.rooms.dismiss_account(account_id, CloseCode.BANNED))
        desk = MonitorDesk(
            store=moderation,
            broker=broker,
            restrictions=restrictions,
            restricted=restriction_feed.take,
            now=lambda: datetime.now(UTC),
        )
        self._attendance = AttendanceBook(figures, gateway_id, now_s=time.monotonic, now=lambda: datetime.now(UTC))
        self._talk = TalkDesk(
            store=talk,
            broker=broker,
            judge=moderator,
            broadcasts=broadcasts,
            clock=clock,
            new_id=new_id,
            now=lambda: datetime.now(UTC),
        )
        conversation = Conversation(
            archive=archive,
            broker=broker,
            moderator=moderator,
            tips=tips,
            clock=clock,
            new_id=new_id,
            now=lambda: datetime.now(UTC),
            restrictions=restrictions,
            desk=desk,
            talk=self._talk,
        )
        self._services = Services(
            NamingAuthenticator(BarringAuthenticator(authenticator, restrictions), moderator),
            tips,
            self.rooms,
            conversation,
            AccountBuckets(options.session.comments),
            options.session,
            self.counters,
            options.heartbeat_s,
            options.port_timeout_s,
            time.time,
            self._attendance,
        )
        self._participants: set[Participant] = set()
        self._sockets: set[RawConnection] = set()
        self._server: Server | None = None
        self._ticking: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port listened on, once started."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen; raises OSError when the port is taken."""
        options = self.options
        origins = [Origin(origin) for origin in options.allowed_origins]
        self._server = await serve(
            self._handle,
            sock=self._listening or self._bind(),
            # Native apps send no Origin; the check is against other sites' pages in a browser.
            origins=[*origins, None] if origins else None,
            subprotocols=[SUBPROTOCOL],
            # Shared frames are compressed once for all; that asks for messages that stand alone (frames.py).
            compression=None,
            extensions=[_DEFLATE],
            process_request=self._admit,
            server_header=None,
            open_timeout=options.handshake_s,
            ping_interval=options.ping_s,
            ping_timeout=options.ping_s,
            close_timeout=options.write.close_s,
            max_size=options.max_frame_bytes,
            max_queue=8,
            write_limit=options.write_limit_bytes,
            create_connection=functools.partial(  # type: ignore[arg-type]  # the library calls it, whatever its type
                RawConnection, limits=options.write, counters=self.counters, sockets=self._sockets
            ),
        )
        self._ticking = asyncio.create_task(self._tick())

    def _bind(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.options.host else socket.AF_INET
        listening = socket.create_server((self.options.host, self.options.port), family=family, backlog=1_024)
        # Accepted sockets inherit it; the kernel's own bound would let a peer that never reads cost megabytes.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self.options.send_buffer_bytes)
        return listening

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.path.partition("?")[0] != PATH:
            return connection.respond(http.HTTPStatus.NOT_FOUND, f"the room is at {PATH}\n")
        if self.counters.connections >= self.options.max_connections:
            self.counters.shed += 1
            response = connection.respond(http.HTTPStatus.SERVICE_UNAVAILABLE, "overloaded\n")
            response.headers["Retry-After"] = str(random.randint(5, 15))
            return response
        wait_s = self._addresses.admit(self._address_of(connection, request), time.monotonic())
        if wait_s > 0:
            self.counters.refused_addresses += 1
            response = connection.respond(http.HTTPStatus.TOO_MANY_REQUESTS, "too many connections from here\n")
            # Drawn apart, so that those who were refused together do not come back together.
            response.headers["Retry-After"] = str(math.ceil(wait_s * random.uniform(1.0, 2.0)))
            return response
        return None

    def _address_of(self, connection: ServerConnection, request: Request | None) -> str | None:
        peer = connection.remote_address
        names = ("X-Forwarded-For", "X-Forwarded-Proto") if request is not None else ()
        headers = {name: ", ".join(request.headers.get_all(name)) for name in names if request is not None}
        return self._addresses.key(peer[0] if peer else "", headers)

    async def _handle(self, connection: ServerConnection) -> None:
        assert isinstance(connection, RawConnection)
        address = self._address_of(connection, connection.request)  # before the headers are let go of
        connection.settle()
        self.counters.connections += 1
        self.counters.connections_total += 1
        self._addresses.enter(address)
        participant = Participant(connection, self._services)
        self._participants.add(participant)
        try:
            await participant.serve()
        except ConnectionClosed:
            pass
        except Exception:
            # The boundary of one connection: whatever broke must not reach the others.
            self.counters.internal_errors += 1
            log.exception("connection %s failed", connection.id)
            participant.fail()
        finally:
            self._participants.discard(participant)
            self._addresses.leave(address)
            self.counters.connections -= 1

    async def _tick(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self.rooms.run())
            group.create_task(self._every(self.options.times.like_tick_s, self.rooms.tick_likes))
            group.create_task(self._every(self.options.times.presence_s, self.rooms.tick_presence))
            group.create_task(self._every(self.options.heartbeat_s, self._beat))
            group.create_task(self._every(self.options.figures_s, self._keep_figures))
            group.create_task(self._every(self.options.times.presence_s, self._note_peak))
            group.create_task(self._every(self.options.poll_tick_s, self._talk.tick_polls))

    async def _every(self, period_s: float, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        while True:
            await asyncio.sleep(period_s)
            try:
                await work()
            except Exception:
                # The boundary of a periodic task: it is tried again, one failure must not end the gateway.
                self.counters.internal_errors += 1
                log.exception("a periodic task failed; again in %.1f s", period_s)

    async def _note_peak(self) -> None:
        self._attendance.note_online(self.rooms.online())

    async def _keep_figures(self) -> None:
        await self._attendance.flush()

    async def _beat(self) -> None:
        beat = encode_event(Heartbeat(int(time.time() * 1_000)))
        frame = SharedFrame([("must", beat)], text_frame)
        for i, participant in enumerate(list(self._participants)):
            if participant.joined:
                participant.offer(frame)
            if i % _SLICE == _SLICE - 1:
                await asyncio.sleep(0)

    async def stop(self, drain_s: float) -> None:
        """Accept nobody more, send everyone away over half of `drain_s`, and be gone when it has passed."""
        assert self._server is not None
        assert self._ticking is not None
        self._server.close(close_connections=False)
        await self._drain(drain_s / 2)
        try:
            async with asyncio.timeout(drain_s / 2):
                await self._server.wait_closed()
        except TimeoutError:
            for connection in self._sockets.copy():
                connection.transport.abort()
            await self._server.wait_closed()
        self._ticking.cancel()
        await asyncio.wait([self._ticking])
        await self.rooms.close()
        await self._attendance.flush()

    async def _drain(self, over_s: float) -> None:
        leaving = list(self._participants)
        random.shuffle(leaving)
        pause_s = over_s / (len(leaving) / _SLICE) if len(leaving) > _SLICE else 0.0
        for i, participant in enumerate(leaving):
            participant.dismiss(CloseCode.DRAINING)
            if i % _SLICE == _SLICE - 1:
                await asyncio.sleep(pause_s)
