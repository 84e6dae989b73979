"""What happens in the soak's show: the card comes and goes, people buy, tip and vote. I/O: HTTP and sockets.

`python -m load_tests.soak.life CAST --buyers N --run NAME` obeys lines: `do: start`, `do: stop`, anything else: the
totals. While the card is up everybody buys and gives back what was bought; while it is down they tip and vote.
"""

from __future__ import annotations

import argparse
import asyncio
import random
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import aiohttp
import uvloop

from load_tests.http_client import ApiError, Door, Person, Unreachable
from load_tests.load.air import person
from load_tests.load.cast import Cast, CastError, read_cast
from load_tests.load.crowd import obey_lines
from load_tests.room_client import Event, NotConnected, Refused, RoomClient
from load_tests.show.buyer import Buyer
from load_tests.soak.audience import PULLED_BY
from load_tests.soak.tipping import Tips

_UP_S: Final = 45.0
_DOWN_S: Final = 15.0
_PAUSE_S: Final = (1.0, 4.0)
_STOP_S: Final = 60.0
_ANSWERED_EVERY_S: Final = 1.0
_SHARES: Final = 1
_SHOW_TRIES: Final = 30


class Guest:
    """A customer in the room who buys, tips and votes."""

    def __init__(self, cast: Cast, customer: Person, number: int, run: str) -> None:
        self.room = RoomClient(cast.gateway, cast.broadcast_id, f"guest-{number}", customer, self._hear)
        self.buyer = Buyer(customer, cast.broadcast_id)
        self.tips = Tips(f"{run}-{number}")
        self.votes = 0
        self._poll = ""

    def _hear(self, event: Event) -> None:
        kind = event["type"]
        if kind in ("ack", "error"):
            self.tips.answer(event)
        elif kind == "poll":
            self._poll = event["poll"]["poll_id"] if event["poll"]["open"] else ""

    async def say_again(self) -> None:
        """Repeat what was not answered; raises NotConnected."""
        for message in self.tips.unanswered:
            await self.room.send(message)

    async def tip(self) -> None:
        """Give a point; raises NotConnected."""
        await self.room.send(self.tips.next(1))

    async def vote(self) -> None:
        """Vote in the open poll, once; raises NotConnected and Refused."""
        if self._poll:
            poll, self._poll = self._poll, ""
            await self.room.request({"type": "vote", "poll_id": poll, "choice": random.randrange(2)})
            self.votes += 1


class Life:
    """The host and the guests."""

    def __init__(self, cast: Cast, door: Door, buyers: int, run: str) -> None:
        if cast.host is None or not cast.product_id:
            raise CastError("the cast has no host or no product")
        self._cast = cast
        self._path = f"/api/v1/broadcasts/{quote(cast.broadcast_id)}"
        self._host = person(door, cast.host)
        self._desk = RoomClient(cast.gateway, cast.broadcast_id, f"soak-host-{run}", self._host, lambda event: None)
        self.guests = [Guest(cast, person(door, cast.buyer(number)), number, run) for number in range(buyers)]
        self._working: list[asyncio.Task[None]] = []
        self._staying: list[asyncio.Task[Any]] = []
        self._stopping = asyncio.Event()
        self._card_up = True
        self.cards = 0
        self.orders: list[str] = []
        self.troubles: Counter[str] = Counter()

    def open(self) -> None:
        """Enter the room."""
        self._staying = [_task(room.run()) for room in (self._desk, *(guest.room for guest in self.guests))]

    def start(self) -> dict[str, Any]:
        """Let it begin."""
        self._working = [_task(self._direct()), *(_task(self._visit(guest)) for guest in self.guests)]
        return {}

    async def _direct(self) -> None:
        """Card down, a poll, card up, until told to stop; the card is up at the end of each round."""
        while not await self._stopped_within(_UP_S):
            self._card_up = False
            if not await self._act("DELETE", {"reason": PULLED_BY}):
                continue
            self.cards += 1
            poll = await self._poll({"type": "poll.open", "question": "下次讲什么", "options": ["基金", "保险"]})
            await self._stopped_within(_DOWN_S)
            if poll:
                await self._poll({"type": "poll.close", "poll_id": poll})
            await self._show_card()
            self._card_up = True

    async def _show_card(self) -> None:
        """Ask until it is taken: supervision may be away for a while."""
        for _ in range(_SHOW_TRIES):
            if await self._act("PUT", {"product_id": self._cast.product_id}):
                self.cards += 1
                return
            await asyncio.sleep(_ANSWERED_EVERY_S)

    async def _act(self, method: str, body: dict[str, str]) -> bool:
        try:
            await self._host.call(method, f"{self._path}/card", body)
        except (ApiError, Unreachable) as error:
            self._note(error)
            return False
        return True

    async def _poll(self, message: dict[str, Any]) -> str:
        try:
            await self._desk.request(message)
            polls = await self._host.call("GET", f"{self._path}/polls?limit=1")
        except (ApiError, Unreachable, NotConnected, Refused) as error:
            self._note(error)
            return ""
        return str(polls["polls"][0]["poll_id"])

    async def _visit(self, guest: Guest) -> None:
        while not await self._stopped_within(random.uniform(*_PAUSE_S)):
            try:
                await guest.say_again()
                if self._card_up:
                    order = await guest.buyer.buy(self._cast.product_id, _SHARES)
                    self.orders += [order] if order else []
                    await guest.buyer.cancel_all()
                else:
                    await guest.tip()
                    await guest.vote()
            except (ApiError, Unreachable, NotConnected, Refused) as error:
                self._note(error)

    async def _stopped_within(self, seconds: float) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        return self._stopping.is_set()

    def _note(self, error: Exception) -> None:
        self.troubles[getattr(error, "code", type(error).__name__)] += 1

    async def stop(self) -> dict[str, Any]:
        """Let what is under way end, and get an answer for every tip."""
        self._stopping.set()
        async with asyncio.timeout(_STOP_S):
            await asyncio.gather(*self._working)
            while any(guest.tips.unanswered for guest in self.guests):
                for guest in self.guests:
                    with suppress(NotConnected):
                        await guest.say_again()
                await asyncio.sleep(_ANSWERED_EVERY_S)
        return await self.totals()

    async def totals(self) -> dict[str, Any]:
        """Everything done, and what the polls say."""
        polls = (await self._host.call("GET", f"{self._path}/polls?limit=100"))["polls"]
        return {
            "cards": self.cards,
            "tips": sum(guest.tips.acked for guest in self.guests),
            "tips_refused": sum(guest.tips.refused for guest in self.guests),
            "votes": sum(guest.votes for guest in self.guests),
            "votes_counted": sum(sum(poll["votes"]) for poll in polls),
            "orders": self.orders,
            "troubles": dict(self.troubles),
        }

    async def leave(self) -> None:
        """End everything."""
        tasks = [*self._working, *self._staying]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _task(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    return asyncio.get_running_loop().create_task(work)


async def run(cast_file: Path, buyers: int, name: str) -> None:
    """Serve the lines."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=buyers + 4)) as session:
        life = Life(read_cast(cast_file), Door(read_cast(cast_file).http, session), buyers, name)
        life.open()

        async def obey(order: dict[str, Any]) -> dict[str, Any]:
            match order["do"]:
                case "start":
                    return life.start()
                case "stop":
                    return await life.stop()
                case _:
                    return await life.totals()

        await obey_lines(obey)
        await life.leave()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cast", type=Path)
    parser.add_argument("--buyers", type=int, required=True)
    parser.add_argument("--run", required=True, help="stands in message ids, which accounts never use twice")
    given = parser.parse_args()
    uvloop.run(run(given.cast, given.buyers, given.run))
