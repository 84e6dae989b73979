"""The simulated viewers: one room connection a seat, spread over the accounts given. I/O through clients."""

import asyncio
import logging
from typing import Final

from load_tests.http_client import Person
from load_tests.room_client import RoomClient
from load_tests.show.buyer import Buyer
from load_tests.show.stage import Stage

_ARRIVAL_GAP_S: Final = 0.15
_AWAY_S: Final = 10.0

logger = logging.getLogger(__name__)


class Seat:
    """One viewer: a connection of their own, an account that other seats may share."""

    def __init__(self, room: RoomClient, buyer: Buyer) -> None:
        self.room = room
        self.buyer = buyer
        self._taps = 0

    async def like(self, taps: int) -> None:
        """Tap like; the count is this client's total, so a lost message costs nothing."""
        self._taps += taps
        await self.room.send({"type": "like", "count": self._taps})

    async def say(self, text: str, kind: str) -> str | None:
        """Write a comment; return its id if others see it."""
        ack = await self.room.request({"type": "comment", "text": text, "kind": kind})
        return str(ack["comment"]["comment_id"]) if ack["verdict"] == "pass" else None

    async def tip(self, points: int) -> None:
        """Tip applause points."""
        await self.room.request({"type": "tip", "points": points})


class Crowd:
    """`seats` viewers of one broadcast over `people` (at least one); one run has client ids of its own.

    New ids a run, because a server keeps each client's highest count of likes, and a new run counts from 0.
    """

    def __init__(self, people: list[Person], seats: int, broadcast_id: str, gateway: str, run_id: str) -> None:
        buyers = [Buyer(person, broadcast_id) for person in people]
        self.seats = [
            Seat(
                RoomClient(
                    gateway, broadcast_id, f"crowd-{run_id}-{number}", people[number % len(people)], lambda event: None
                ),
                buyers[number % len(people)],
            )
            for number in range(seats)
        ]
        self.buyers = buyers

    async def attend(self, stage: Stage) -> None:
        """Let everybody arrive one by one while the show is on air, and keep them connected, for ever."""
        async with asyncio.TaskGroup() as tasks:
            for number, seat in enumerate(self.seats):
                tasks.create_task(self._sit(number, seat, stage))

    async def _sit(self, number: int, seat: Seat, stage: Stage) -> None:
        while True:
            await stage.airing.wait()
            await asyncio.sleep(number * _ARRIVAL_GAP_S)
            gone = await seat.room.run()
            logger.debug("seat %d was sent away with %d", number, gone.code)
            await asyncio.sleep(_AWAY_S)
