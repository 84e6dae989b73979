"""One connected person: carries out what the session decides. Talks to the socket through RawConnection."""

import asyncio
import random
from contextlib import AbstractContextManager, nullcontext

from structlog.contextvars import bound_contextvars

from chat import commands
from chat.close_codes import CloseCode
from chat.codec import encode_event, join_events
from chat.connection_events import NO_SNAPSHOT, Erred, Limits, Welcome, You
from chat.conversation import Speaker
from chat.entrance_hall import JoinRefused
from chat.errors import AuthenticationFailed, ChatError, Unavailable
from chat.ports import Principal
from chat.recovery import Entrance, recovered_events
from chat.room import Room
from chat.session import Authenticate, Dismiss, Effect, Execute, Join, Say, Session
from chat.shared_frame import SharedFrame
from server.gateway.frames import own_frame, text_frame
from server.gateway.raw_connection import RawConnection
from server.gateway.services import Services

_UNTRACED = nullcontext()


class Participant:
    """Reads one connection's frames in order; a room's frames reach it through `offer`."""

    def __init__(self, connection: RawConnection, services: Services) -> None:
        self.connection = connection
        self.offer = connection.offer
        self._services = services
        self._loop = asyncio.get_running_loop()
        self._session = Session(services.limits, services.account_buckets, self._loop.time())
        self._room: Room | None = None
        self._client_key = ""
        self._timer: asyncio.TimerHandle | None = None
        self.account_id = ""
        self.role = ""
        self.moderates = False

    async def serve(self) -> None:
        """Read until the connection ends; raises websockets' ConnectionClosed then."""
        self._arm_timer()
        try:
            while True:
                data = await self.connection.recv()
                self._services.counters.frames_in += 1
                standing = None if self._room is None else self._room.standing(self)
                await self._carry_out(self._session.receive(data, self._loop.time(), standing))
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._services.attendance.leave(self)
            if self._room is not None:
                self._room.remove(self)

    def dismiss(self, close_code: CloseCode) -> None:
        """Say bye and close."""
        bye = encode_event(close_code.bye(random.random()))
        self.connection.end(close_code, text_frame(join_events([bye])))

    @property
    def joined(self) -> bool:
        """Whether the welcome was sent."""
        return self._room is not None

    def fail(self) -> None:
        """End a connection on whose behalf something broke."""
        self.dismiss(CloseCode.INTERNAL)

    async def _carry_out(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Authenticate(token=token):
                    await self._carry_out(await self._authenticate(token))
                case Join():
                    with self._named(effect.broadcast_id):
                        followed = await self._join(effect)
                    await self._carry_out(followed)
                case Execute(command=command):
                    assert self._room is not None
                    with self._named(self._room.broadcast_id):
                        followed = await self._execute(command)
                    await self._carry_out(followed)
                case Say() | Dismiss():
                    self._act(effect)

    def _named(self, broadcast_id: str) -> AbstractContextManager[None]:
        """Put the ids on what is logged in the block; only there, as a context kept costs each connection memory."""
        return bound_contextvars(connection_id=str(self.connection.id), broadcast_id=broadcast_id)

    def _act(self, effect: Say | Dismiss) -> None:
        if isinstance(effect, Dismiss):
            self.dismiss(effect.close_code)
        else:
            self._services.counters.errors_out += isinstance(effect.event, Erred)
            self._say([encode_event(effect.event)])

    def _say(self, events: list[bytes]) -> None:
        self.connection.offer(SharedFrame([("must", event) for event in events], own_frame))

    async def _authenticate(self, token: str) -> list[Effect]:
        try:
            async with asyncio.timeout(self._services.port_timeout_s):
                principal = await self._services.authenticator.authenticate(token)
        except AuthenticationFailed as failure:
            return self._session.authentication_failed(failure.code, self._loop.time())
        except (Unavailable, TimeoutError):
            return self._session.authentication_unavailable()
        expires_in_s = principal.expires_at_s - self._services.wall_s()
        effects = self._session.authenticated(principal, expires_in_s, self._loop.time())
        self._arm_timer()
        return effects

    async def _join(self, join: Join) -> list[Effect]:
        principal = join.principal
        try:
            async with asyncio.timeout(self._services.port_timeout_s):
                # The balance comes first: between entering and adding the member nothing may be awaited.
                balance = (
                    await self._services.tips.balance(principal.account_id) if principal.role == "viewer" else None
                )
                entrance = await self._services.rooms.enter(join.broadcast_id, principal, join.reached)
        except JoinRefused as refusal:
            return self._session.refuse(refusal.close_code, refusal.code, refusal.message)
        except (Unavailable, TimeoutError):
            return self._session.refuse(CloseCode.INTERNAL, "unavailable", "the room cannot be joined now")
        room, shared = entrance.room, entrance.shared
        self.account_id, self.role = principal.account_id, principal.role
        self.moderates = principal.role == "monitor" or (
            principal.role == "host" and principal.account_id == shared.host_id
        )
        self._client_key = f"{principal.account_id}/{join.client_id}"
        recovered = recovered_events(entrance, self.account_id, self.moderates)
        told = shared.missed(self.account_id, self.moderates, room.mailed_place) if recovered is None else recovered
        self._say([self._welcome(principal, entrance, balance, recovered=recovered is not None), *told])
        self._room = room
        room.add(self)
        if self.role == "viewer":
            self._services.attendance.enter(self, room.broadcast_id, self.account_id, fresh=join.reached is None)
        self._session.joined()
        self._services.counters.welcomes += 1
        self._arm_timer()
        return []

    def _welcome(self, principal: Principal, entrance: Entrance, balance: int | None, *, recovered: bool) -> bytes:
        services, reached = self._services, entrance.room.mailed
        return encode_event(
            Welcome(
                str(self.connection.id),
                int(services.wall_s() * 1_000),
                services.heartbeat_s,
                CloseCode.DRAINING.bye(random.random()).retry_after_ms or 0,
                You(principal.account_id, principal.nickname, principal.role),
                Limits(services.limits.text_chars, services.limits.comments_per_10s),
                balance,
                reached.epoch,
                reached.offset,
                recovered,
                NO_SNAPSHOT if recovered else entrance.shared.encoded,
            )
        )

    async def _execute(self, command: commands.Command) -> list[Effect]:
        room, principal = self._room, self._session.principal
        assert room is not None
        assert principal is not None
        if isinstance(command, commands.Like):
            room.likes.raise_count(self._client_key, command.count)
            return []
        if isinstance(command, commands.Visibility):
            self._services.attendance.hide(self, hidden=command.hidden)
            return []
        try:
            speaker = Speaker(principal, room.broadcast_id, room.state == "rehearsal")
            with self._traced(command):
                ack = await self._services.conversation.carry_out(command, speaker)
        except ChatError as error:
            return self._session.failed(error, command.id, self._loop.time())
        self._say([encode_event(ack)])
        return []

    def _traced(self, command: commands.Command) -> AbstractContextManager[object]:
        traces = self._services.traces
        return _UNTRACED if traces is None else traces.command(str(command.__struct_config__.tag))

    def _arm_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline_s = self._session.deadline_s
        self._timer = None if deadline_s is None else self._loop.call_at(deadline_s, self._tick)

    def _tick(self) -> None:
        for effect in self._session.tick(self._loop.time()):
            assert isinstance(effect, Say | Dismiss)
            self._act(effect)
        self._arm_timer()
