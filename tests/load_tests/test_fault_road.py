"""The road of the fault runs loses nothing of a TCP stream and never reorders it, whatever its conditions do."""

import asyncio
import socket
import time

from load_tests.fault_link import FaultLink
from load_tests.faults.road import Road

PIECES = 400


async def test_a_lossy_road_delays_a_stream_and_keeps_its_order() -> None:
    said = b"".join(b"%06d\n" % number for number in range(PIECES))

    async def speak(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for number in range(PIECES):
            writer.write(said[7 * number : 7 * number + 7])
            await asyncio.sleep(0.001)
            if number % 50 == 25:
                road.set(loss=0.5 if number % 100 == 25 else 0.0)
                time.sleep(0.05)  # noqa: ASYNC251  # a loop that comes late to what is due
        writer.close()

    road = Road()
    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", await road.tcp(server.sockets[0].getsockname()[1]))
        async with asyncio.timeout(60):
            heard = await reader.readexactly(len(said))
        writer.close()
        await writer.wait_closed()
    finally:
        road.close()
        server.close()
        await asyncio.sleep(0.1)  # both ends of the relay are closed in the loop's next turns
    assert heard == said


async def test_a_link_passes_all_that_came_while_the_loop_was_busy() -> None:
    link = FaultLink()
    with socket.socket(type=socket.SOCK_DGRAM) as relay, socket.socket(type=socket.SOCK_DGRAM) as client:
        relay.bind(("127.0.0.1", 0))
        relay.setblocking(False)
        link.open(relay.getsockname()[1])
        for number in range(50):
            client.sendto(bytes([number]), ("127.0.0.1", link.port))
        for _ in range(3):
            await asyncio.sleep(0)
        assert [relay.recv(10) for _ in range(50)] == [bytes([number]) for number in range(50)]
        link.close()
