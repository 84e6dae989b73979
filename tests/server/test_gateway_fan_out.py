"""The contract of a fan-out: the pure-Python and the native frame writer pass the same tests on real sockets."""

import asyncio
import functools
import os
import random
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, cast

import pytest
import uvloop
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import serve
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

from chat.close_codes import CloseCode
from chat.rate_limit import AccountBuckets
from chat.session import SessionLimits
from chat.shared_frame import SharedFrame
from server.gateway.addresses import AddressLimits
from server.gateway.counters import GatewayCounters
from server.gateway.frame_writer import FrameWriter, NativeFrameWriter, PythonFrameWriter, Seats
from server.gateway.frames import text_frame
from server.gateway.gateway import DEFLATE
from server.gateway.native.build import FAN_OUT
from server.gateway.participant import Participant
from server.gateway.raw_connection import RawConnection, WriteLimits
from server.gateway.roster import Roster
from server.gateway.sockets import Sockets
from streaming.native.extension import NativeUnavailable

SANITIZED = os.environ.get("WEALTHCAST_TEST_SANITIZED") == "1"


@pytest.fixture(params=["python", "native"])
def writer(request: pytest.FixtureRequest) -> FrameWriter:
    if request.param == "python":
        return PythonFrameWriter()
    try:
        return NativeFrameWriter(FAN_OUT.load(sanitize=SANITIZED))
    except NativeUnavailable as error:
        if SANITIZED:
            raise
        pytest.skip(f"native fan-out: {error}")


@pytest.fixture
def pairs() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    made = [socket.socketpair() for _ in range(5)]
    for ours, theirs in made:
        ours.setblocking(False)
        theirs.setblocking(False)
    yield made
    for pair in made:
        for one in pair:
            one.close()


def seats_of(descriptors: list[int], windows: list[int]) -> Seats:
    seats = Seats()
    seats.descriptors.extend(descriptors)
    seats.told.extend([0] * len(descriptors))
    seats.windows.extend(windows)
    return seats


def test_each_gets_the_form_of_its_window_once_and_the_unclear_are_reported(
    writer: FrameWriter, pairs: list[tuple[socket.socket, socket.socket]]
) -> None:
    descriptors = [ours.fileno() for ours, _ in pairs]
    descriptors[2] = -1
    seats = seats_of(descriptors, [0, 12, 0, 12, 9])
    table = writer.table({0: b"plain", 12: b"twelve", 9: b"nine"})
    first = writer.write(seats, table, 1, 0, 3)
    assert (first.next, first.frames, first.bytes_out, first.left) == (3, 2, 11, [(2, -1)])
    rest = writer.write(seats, table, 1, 0, 100)  # from the front again: who was told is passed over
    assert (rest.next, rest.frames, rest.bytes_out, rest.left) == (5, 2, 10, [])
    assert [theirs.recv(100) for i, (_, theirs) in enumerate(pairs) if i != 2] == [
        b"plain", b"twelve", b"twelve", b"nine",
    ]  # fmt: skip
    assert writer.write(seats, table, 1, 0, 100).left == []
    assert writer.write(seats, table, 2, 0, 1).frames == 1


def test_what_a_socket_does_not_take_is_reported_to_the_byte_and_nothing_waits_or_raises(
    writer: FrameWriter, pairs: list[tuple[socket.socket, socket.socket]]
) -> None:
    frame = random.Random(1).randbytes(4_000_000)
    pairs[1][1].close()  # gone: EPIPE, and no signal
    pairs[2][0].close()  # not even a descriptor any more
    descriptors = [pairs[0][0].fileno(), pairs[1][0].fileno(), 999_999]
    written = writer.write(seats_of(descriptors, [0, 0, 0]), writer.table({0: frame}), 7, 0, 10)
    (place, sent), *others = written.left
    assert (place, others, written.frames) == (0, [(1, 0), (2, 0)], 3)
    assert 0 < sent < len(frame)
    got = b""
    while len(got) < sent:
        got += pairs[0][1].recv(1 << 20)
    assert got == frame[:sent]


class Crowd:
    """Participants on real connections, sitting in one roster."""

    def __init__(self, writer: FrameWriter) -> None:
        self.counters = GatewayCounters()
        self.roster = Roster(writer, self.counters)
        self.connections: list[RawConnection] = []
        self.participants: list[Participant] = []
        self.clients: list[ClientConnection] = []

    def clear(self) -> list[bool]:
        """By participant, whether the roster may write to its socket."""
        descriptors = self.roster._seats.descriptors
        return [descriptors[self.roster._places[one]] >= 0 for one in self.participants]

    def say(self, text: str, most: int = 256) -> None:
        mailing = self.roster.address(SharedFrame([("must", f'"{text}"'.encode())], text_frame))
        while mailing.pass_on(most):
            pass


@asynccontextmanager
async def crowd(writer: FrameWriter, count: int, *, seated: bool = True) -> AsyncIterator[Crowd]:
    made = Crowd(writer)
    arrived: asyncio.Queue[RawConnection] = asyncio.Queue()

    async def handler(connection: Any) -> None:
        arrived.put_nowait(connection)
        await connection.wait_closed()

    create: Any = functools.partial(
        RawConnection,
        limits=WriteLimits(stall_s=60.0),
        counters=made.counters,
        sockets=Sockets(made.counters, AddressLimits(), unopened=9_000, unopened_per_address=9_000),
    )
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(
            serve(
                handler,
                "127.0.0.1",
                0,
                compression=None,
                extensions=[DEFLATE],
                create_connection=create,
                ping_interval=None,
                close_timeout=1,
            )
        )
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        for i in range(count):
            asked = [ClientPerMessageDeflateFactory(client_max_window_bits=True)] if i % 2 else None
            client = await connect(url, compression=None, extensions=asked, ping_interval=None, max_queue=None)
            stack.push_async_callback(client.close)
            connection = await arrived.get()
            connection.settle()
            made.clients.append(client)
            made.connections.append(connection)
            participant = Participant(connection, cast("Any", _Unused()))
            made.participants.append(participant)
            if seated:
                made.roster.add(participant)
        yield made


class _Unused:
    """Services of which these tests use nothing but the limits."""

    def __init__(self) -> None:
        self.limits = SessionLimits()
        self.account_buckets = AccountBuckets(self.limits.comments)


async def heard(client: ClientConnection, count: int) -> list[str]:
    async with asyncio.timeout(15):
        return [str(await client.recv()).strip('["]') for _ in range(count)]


async def test_all_get_every_frame_in_order_whatever_becomes_unclear_between(writer: FrameWriter) -> None:
    async with crowd(writer, 4) as room:
        assert room.clear() == [True] * 4
        room.say("a" * 400)
        assert room.clear() == [True] * 4
        room.connections[1].transport.write(text_frame(b'["own"]'))
        room.connections[1].send_data()  # as after every write of the library's own
        waiting = room.connections[1].transport.get_write_buffer_size() > 0
        assert room.clear() == [True, not waiting, True, True]
        room.say("b")
        await asyncio.sleep(0.05)
        room.say("c")
        assert room.clear() == [True] * 4
        assert await heard(room.clients[0], 3) == ["a" * 400, "b", "c"]
        assert await heard(room.clients[1], 4) == ["a" * 400, "own", "b", "c"]
        assert room.counters.frames_out == 12


async def test_one_that_does_not_read_leaves_the_lane_sheds_and_returns(writer: FrameWriter) -> None:
    async with crowd(writer, 2) as room:
        room.clients[0].transport.pause_reading()
        said = 0
        while not room.connections[0].paused:
            room.say(f"{said:05}" + "x" * 20_000)
            said += 1
            await asyncio.sleep(0)
        assert room.clear() == [False, True]
        assert room.counters.frames_queued == 0
        room.say("queued")
        assert room.counters.frames_queued == 1
        room.clients[0].transport.resume_reading()
        texts = await heard(room.clients[0], said + 1)
        assert [text[:5] for text in texts] == [f"{i:05}" for i in range(said)] + ["queue"]
        room.say("again")
        await asyncio.sleep(0.05)
        room.say("clear")
        assert room.clear() == [True, True]
        assert await heard(room.clients[0], 2) == ["again", "clear"]


async def test_an_ending_connection_is_written_to_no_more(writer: FrameWriter) -> None:
    async with crowd(writer, 3) as room:
        room.connections[0].end(CloseCode.DRAINING, b"")
        room.connections[1].protocol.fail(1011, "broken")
        room.connections[1].send_data()
        assert room.clear() == [False, False, True]
        room.say("late")
        assert await heard(room.clients[2], 1) == ["late"]
        for client, code in ((room.clients[0], CloseCode.DRAINING.code), (room.clients[1], 1011)):
            with pytest.raises(Exception, match=str(code)):
                await heard(client, 1)


async def test_who_moves_to_another_seat_while_a_frame_goes_round_gets_it_once(writer: FrameWriter) -> None:
    async with crowd(writer, 6) as room:
        mailing = room.roster.address(SharedFrame([("must", b'"one"')], text_frame))
        assert mailing.pass_on(3)
        room.roster.remove(room.participants[1])  # told; the last, who is not, sits down there
        room.roster.remove(room.participants[4])  # not told, and gone
        while mailing.pass_on(1):
            pass
        room.say("two")
        for i in (0, 2, 3, 5):
            assert await heard(room.clients[i], 2) == ["one", "two"]
        assert await heard(room.clients[1], 1) == ["one"]
        room.roster.add(room.participants[4])
        room.say("three")
        assert await heard(room.clients[4], 1) == ["three"]
        assert await heard(room.clients[5], 1) == ["three"]


async def test_one_who_sits_down_while_a_frame_goes_round_is_not_told_it(writer: FrameWriter) -> None:
    async with crowd(writer, 3, seated=False) as room:
        room.roster.add(room.participants[0])
        mailing = room.roster.address(SharedFrame([("must", b'"before"')], text_frame), [room.participants[2]])
        room.roster.add(room.participants[1])
        room.roster.add(room.participants[2])
        while mailing.pass_on(1):
            pass
        room.say("after")
        assert await heard(room.clients[0], 2) == ["before", "after"]
        assert await heard(room.clients[1], 1) == ["after"]
        assert await heard(room.clients[2], 1) == ["after"]


async def _descriptors_are_never_written_after_their_end(writer: FrameWriter) -> None:
    """Whatever ends a connection, its number is out of the roster while it still names that connection's socket."""
    async with crowd(writer, 4) as room:
        numbers = [connection._handle for connection in room.connections]
        lost: list[tuple[int, bool]] = []
        all_lost = asyncio.Event()
        for connection, number in zip(room.connections, numbers, strict=True):
            peer = os.fstat(number).st_ino
            library_lost = connection.connection_lost

            def note(exc: Exception | None, number: int = number, peer: int = peer, after: Any = library_lost) -> None:
                lost.append((number, os.fstat(number).st_ino == peer))
                after(exc)
                if len(lost) == len(numbers):
                    all_lost.set()

            connection.connection_lost = note  # type: ignore[method-assign]
        room.connections[0].transport.abort()
        room.connections[1].transport.close()
        room.clients[2].transport.abort()
        await room.clients[3].close()
        async with asyncio.timeout(15):
            await all_lost.wait()
        assert sorted(lost) == sorted((number, True) for number in numbers)
        assert room.clear() == [False] * 4
        # The kernel now gives the same numbers to others, who must hear nothing of the room.
        strangers = [socket.socketpair() for _ in range(8)]
        try:
            assert {one.fileno() for pair in strangers for one in pair} & set(numbers)
            room.say("secret")
            for pair in strangers:
                for one in pair:
                    one.setblocking(False)
                    with pytest.raises(BlockingIOError):
                        one.recv(1)
        finally:
            for pair in strangers:
                for one in pair:
                    one.close()


def test_a_descriptor_that_was_given_to_someone_else_is_never_written_to_under_asyncio(writer: FrameWriter) -> None:
    asyncio.run(_descriptors_are_never_written_after_their_end(writer))


def test_a_descriptor_that_was_given_to_someone_else_is_never_written_to_under_uvloop(writer: FrameWriter) -> None:
    uvloop.run(_descriptors_are_never_written_after_their_end(writer))
