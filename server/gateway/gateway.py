"""The WebSocket listener of one process: accepts, serves and drains. Talks to sockets."""

import asyncio
import functools
import logging
import random
import socket
import time

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.typing import Subprotocol

from chat.close_codes import CloseCode
from server.gateway.counters import GatewayCounters
from server.gateway.door import Door
from server.gateway.frame_writer import choose_frame_writer
from server.gateway.options import GatewayOptions
from server.gateway.participant import Participant
from server.gateway.pulse import SLICE, Pulse
from server.gateway.raw_connection import RawConnection
from server.gateway.roster import Roster
from server.gateway.services import GatewayPorts, make_services
from server.gateway.sockets import Sockets
from server.listening import listen

log = logging.getLogger(__name__)

SUBPROTOCOL = Subprotocol("wealthcast.v1.json")
DEFLATE = ServerPerMessageDeflateFactory(
    server_no_context_takeover=True, client_no_context_takeover=True, server_max_window_bits=12
)


class Gateway:
    """Serves rooms on one port from `start` until `stop`; what it does again and again is `run`, a task of its owner's.

    The broker, the archive and the restriction feed are run (`run`) by whoever owns them, as they serve others too.
    """

    def __init__(
        self,
        *,
        options: GatewayOptions,
        gateway_id: str,
        ports: GatewayPorts,
        listening: socket.socket | None = None,
    ) -> None:
        """`listening`: a bound socket, inherited or shared; without one the options' host and port are bound."""
        self.options = options
        self.counters = GatewayCounters()
        self._listening = listening
        self._door = Door(options, self.counters)
        writer = choose_frame_writer(options.frame_writer).writer
        self._services = make_services(ports, options, gateway_id, self.counters, lambda: Roster(writer, self.counters))
        self.rooms = self._services.rooms
        self._restrictions = ports.restrictions
        ports.restriction_feed.on_ban(self._dismiss)
        self._participants: set[Participant] = set()
        self._sockets = Sockets(
            self.counters,
            options.addresses,
            unopened=options.max_unopened,
            unopened_per_address=options.max_unopened_per_address,
        )
        self._pulse = Pulse(options, self._services, self._participants, self._sockets)
        self._server: Server | None = None
        self._draining = False

    def _dismiss(self, account_id: str) -> None:
        """Send an account away: the banned for good, who is signed out to sign in again."""
        banned = self._restrictions.banned(account_id, time.time())
        self.rooms.dismiss_account(account_id, CloseCode.BANNED if banned else CloseCode.TOKEN_EXPIRED)

    @property
    def port(self) -> int:
        """The port listened on, once started."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """Listen; raises OSError when the port is taken."""
        options = self.options
        self._server = await serve(
            self._handle,
            sock=self._listening or listen(options.host, options.port, send_buffer_bytes=options.send_buffer_bytes),
            subprotocols=[SUBPROTOCOL],
            # Shared frames are compressed once for all; that asks for messages that stand alone (frames.py).
            compression=None,
            extensions=[DEFLATE],
            process_request=self._door.admit,
            server_header=None,
            open_timeout=options.handshake_s,
            # Peers are asked by one sweep over all (pulse.py): the library's task a connection takes 2 KB and its time.
            ping_interval=None,
            close_timeout=options.write.close_s,
            max_size=options.max_frame_bytes,
            max_queue=8,
            write_limit=options.write_limit_bytes,
            create_connection=functools.partial(  # type: ignore[arg-type]  # the library calls it, whatever its type
                RawConnection, limits=options.write, counters=self.counters, sockets=self._sockets
            ),
        )
        # Asked at the end of a handshake alone: one under way at the drain would get a bare 503, with no time to wait.
        # It is let through instead, and sent away in due form by `_handle`.
        self._server.is_serving = lambda: True  # type: ignore[method-assign]

    async def run(self) -> None:
        """Tick, beat and count until cancelled; without it nothing that waits for a tick is ever sent."""
        await self._pulse.run()

    async def _handle(self, connection: ServerConnection) -> None:
        assert isinstance(connection, RawConnection)
        address = self._door.address_of(connection, connection.request)  # before the headers are let go of
        connection.settle()
        self._door.enter(address)
        participant = Participant(connection, self._services)
        self._participants.add(participant)
        if self._draining:
            participant.dismiss(CloseCode.DRAINING)
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
            self._door.leave(address)

    async def stop(self, drain_s: float) -> None:
        """Accept nobody more, send everyone away over half of `drain_s`, and be gone when it has passed."""
        assert self._server is not None
        self._draining = True
        self._server.close(close_connections=False)
        await self._drain(drain_s / 2)
        try:
            async with asyncio.timeout(drain_s / 2):
                await self._server.wait_closed()
        except TimeoutError:
            for connection in list(self._sockets):
                connection.give_up()
            await self._server.wait_closed()
        self._pulse.rest()
        await self.rooms.close()
        await self._services.attendance.flush()

    async def _drain(self, over_s: float) -> None:
        leaving = list(self._participants)
        random.shuffle(leaving)
        pause_s = over_s / (len(leaving) / SLICE) if len(leaving) > SLICE else 0.0
        for i, participant in enumerate(leaving):
            participant.dismiss(CloseCode.DRAINING)
            if i % SLICE == SLICE - 1:
                await asyncio.sleep(pause_s)
