"""Measures a room event's way, from a publish to Redis to its delivery here, by an echo a second. Talks to the broker.

The echo is an event of a room that nobody is in, so it goes the way of all events: script, pub/sub, the one receiving
connection, the event loop. Sender and receiver are one process, so no two clocks are compared.
"""

import asyncio
from collections.abc import Callable

from chat.broker import Broker, Delivery
from chat.envelope import Sealed
from chat.errors import Unavailable

_ROOM = "echo"
_EVERY_S = 1.0
_LOST_AFTER_S = 5.0
_REMEMBERED = 64


class RoomEcho:
    """`run` is its task; all gateways share the room and each knows its own echoes by its name."""

    def __init__(self, broker: Broker, gateway_id: str, observe: Callable[[float], None]) -> None:
        """`observe` takes seconds."""
        self._broker = broker
        self._mine = gateway_id.encode()
        self._observe = observe
        self._sent_s: dict[int, float] = {}
        self._number = 0
        self.lost = 0

    async def run(self) -> None:
        """Send an echo a second until cancelled."""
        listening = False
        while True:
            try:
                if not listening:
                    await self._broker.subscribe(_ROOM, self._deliver, lambda: None)
                    listening = True
                await self._send()
            except Unavailable:
                if not listening:
                    self.lost += 1
            self._give_up()
            await asyncio.sleep(_EVERY_S)

    async def _send(self) -> None:
        self._number += 1
        self._sent_s[self._number] = asyncio.get_running_loop().time()
        # A total: it has no place in the room's order and is not kept.
        await self._broker.publish(_ROOM, Sealed(b"%s %d" % (self._mine, self._number), "total"))

    def _deliver(self, delivery: Delivery) -> None:
        name, _, number = delivery.envelope.partition(b" ")
        if name == self._mine and number.isdigit():
            sent_s = self._sent_s.pop(int(number), None)
            if sent_s is not None:
                self._observe(asyncio.get_running_loop().time() - sent_s)

    def _give_up(self) -> None:
        now_s = asyncio.get_running_loop().time()
        for number in [number for number, sent_s in self._sent_s.items() if now_s - sent_s > _LOST_AFTER_S]:
            del self._sent_s[number]
            self.lost += 1
        assert len(self._sent_s) < _REMEMBERED, "one a second, for five seconds"
