"""`python -m tests.fuzz.half_open N`: N true DTLS handshakes left half open, from a process of their own. Does I/O.

A viewer of another show, a stock connection, shares the relay's process: on a machine without a core to spare it is the
first to go short. Told are what was answered and refused, the relay's CPU and memory, and what that viewer lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import time
from pathlib import Path

from aiohttp import ClientSession, ClientTimeout

from load_tests.bench.signalling import HEADERS, post_offer
from load_tests.bench.webrtc_client import ConnectFailed, Identity, WebRtcClient
from streaming.media_settings import MediaSettings
from tests.streaming.aiortc_clients import publish, watch
from tests.streaming.harness import eventually, station

AT_ONCE = 120
SETTINGS = MediaSettings(bind_host="127.0.0.1", handshake_timeout_s=2.0)
_FLIGHT_S = 5.0
_AGAIN_S = 0.5


class Dangling(WebRtcClient):
    """Sends a true ClientHello from a checked address, and says nothing to the server's answer."""

    def __init__(self, identity: Identity) -> None:
        super().__init__(identity, lambda _: None)
        self.answered = asyncio.Event()

    def take(self, datagram: memoryview) -> None:
        if 20 <= datagram[0] < 64:
            self.answered.set()
        else:
            super().take(datagram)


async def dangle(http: ClientSession, url: str, identity: Identity) -> tuple[bool, int]:
    """Leave one handshake half open; says whether its hello was answered, and how often it was refused before."""
    refused = 0
    while True:
        client = Dangling(identity)
        try:
            answer = await post_offer(http, url, client, "recvonly")
        except ConnectFailed as full:
            if "too_many" not in str(full):
                raise
            client.close()
            refused += 1
            await asyncio.sleep(_AGAIN_S)
            continue
        shaking = asyncio.create_task(client.connect(answer, _FLIGHT_S))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FLIGHT_S):
                await client.answered.wait()
        shaking.cancel()
        await asyncio.gather(shaking, return_exceptions=True)
        client.close()
        return client.answered.is_set(), refused


async def attack(base_url: str, handshakes: int) -> None:
    """The other process."""
    gate, identity = asyncio.Semaphore(AT_ONCE), Identity()
    async with ClientSession(timeout=ClientTimeout(total=60), headers=HEADERS) as http:

        async def one() -> tuple[bool, int]:
            async with gate:
                return await dangle(http, f"{base_url}/whep/loud", identity)

        outcomes = await asyncio.gather(*(one() for _ in range(handshakes)))
    answered, refused = sum(well for well, _ in outcomes), sum(refusals for _, refusals in outcomes)
    print(f"{handshakes:,} half open, {answered:,} of them answered by a flight; {refused:,} refused first", flush=True)


def _resident_mb() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


async def defend(handshakes: int) -> None:
    """The relay, a show of its own and its viewer."""
    async with station(SETTINGS) as show:
        host, viewer = await publish(show, "quiet"), await watch(show, "quiet")
        await eventually("video decodes", lambda: viewer.frames["video"] >= 5)
        began_s, cpu_s, memory = time.monotonic(), time.process_time(), [_resident_mb()]
        argv = (sys.executable, "-m", "tests.fuzz.half_open", "--attack", show.base_url, str(handshakes))
        attacker = await asyncio.create_subprocess_exec(*argv)
        ended = asyncio.create_task(attacker.wait())
        while not ended.done():
            await asyncio.wait([ended], timeout=1.0)
            memory.append(_resident_mb())
        took_s, used_s = time.monotonic() - began_s, time.process_time() - cpu_s
        await eventually("they are freed", lambda: show.engine.snapshot().half_open == 0)
        print(f"{took_s:.0f} s, CPU {used_s:.1f} s; MB {memory[0]}, {memory[len(memory) // 10]}, {memory[-1]} at last")
        lost, dropped = await viewer.packets_lost(), viewer.dropped_by_its_own_sockets()
        print(f"the other show's viewer lost {lost} packets (its own socket dropped {dropped}), ", end="")
        print(f"decoded {viewer.frames['video']} pictures")
        print(f"sessions left: {len(show.engine._resources)} (2 are the other show's)")
        await viewer.leave()
        await host.leave()


if __name__ == "__main__":
    if sys.argv[1] == "--attack":
        asyncio.run(attack(sys.argv[2], int(sys.argv[3])))
    else:
        asyncio.run(defend(int(sys.argv[1])))
