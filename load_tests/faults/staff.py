"""Host and monitor of one broadcast: they bring it on air, stay, and show the card again when it was pulled. I/O."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any, Final

from load_tests.http_client import ApiError, Door, Person, SignIn, Unreachable
from load_tests.room_client import RoomClient
from load_tests.show.airing import Move, Publish, next_step

_LOOK_S: Final = 1.0


class Staff:
    """`card_id` None: no card is shown, and tips are possible."""

    def __init__(
        self, door: Door, gateway: str, broadcast_id: str, host: SignIn, monitor: SignIn, card_id: str | None
    ) -> None:
        self.broadcast_id = broadcast_id
        self.host = Person(door, host)
        self.monitor = Person(door, monitor)
        self._card_id = card_id
        self._host_room = RoomClient(gateway, broadcast_id, "faults-host", self.host, lambda event: None)
        self._monitor_room = RoomClient(gateway, broadcast_id, "faults-monitor", self.monitor, lambda event: None)
        self.monitor_present = asyncio.Event()
        self.monitor_present.set()
        self.monitor_gone = asyncio.Event()
        self.live = asyncio.Event()

    async def stay(self) -> None:
        """Keep both in the room and the show going, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._host_room.run())
            group.create_task(self._keep_monitor())
            group.create_task(self._keep_going())

    def send_monitor_away(self, away: bool) -> None:
        """Take the monitor out of the room, or let them back."""
        (self.monitor_gone.set if away else self.monitor_gone.clear)()
        (self.monitor_present.clear if away else self.monitor_present.set)()

    async def encoder_token(self) -> str:
        """A token for the publisher; raises ApiError and Unreachable."""
        path = f"/api/v1/broadcasts/{self.broadcast_id}/encoder-tokens"
        return str((await self.host.call("POST", path))["token"])

    async def _keep_monitor(self) -> None:
        while True:
            await self.monitor_present.wait()
            present = asyncio.create_task(self._monitor_room.run())
            gone = asyncio.create_task(self.monitor_gone.wait())
            try:
                await asyncio.wait({present, gone}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                present.cancel()
                gone.cancel()
                await asyncio.gather(present, gone, return_exceptions=True)

    async def _keep_going(self) -> None:
        while True:
            with suppress(ApiError, Unreachable):  # what a fault does to the staff is no finding of its own
                await self._step()
            await asyncio.sleep(_LOOK_S)

    async def _card_is_shown(self, path: str) -> bool:
        try:
            await self.host.call("GET", f"{path}/card")
        except ApiError as error:
            if error.code != "no_card":
                raise
            return False
        return True

    async def _step(self) -> None:
        path = f"/api/v1/broadcasts/{self.broadcast_id}"
        broadcast: dict[str, Any] = await self.host.call("GET", path)
        if broadcast["state"] == "live":
            self.live.set()
            if self._card_id is not None and not await self._card_is_shown(path):
                await self.host.call("PUT", f"{path}/card", {"product_id": self._card_id})
            return
        step = next_step(broadcast["state"], broadcast["allowed_moves"])
        if isinstance(step, Publish):
            await self.host.call("POST", f"{path}/moves", {"move": "go_live"})
        elif isinstance(step, Move):
            await self.host.call("POST", f"{path}/moves", {"move": step.name})
