"""The host at work: brings the broadcast on air, publishes, and stays in the room. I/O through clients."""

import asyncio
import itertools
import logging
from typing import Final

from load_tests.backoff import Backoff
from load_tests.http_client import ApiError, Person, Unreachable
from load_tests.room_client import RoomClient
from load_tests.show.airing import ON_AIR, Move, Wait, next_step
from load_tests.show.stage import Stage
from load_tests.show.whip_aiortc import PublishFailed, WhipPublisher

_LOOK_EVERY_S: Final = 10.0
_RETRY_S: Final = 2.0
# A publisher that the server counts as gone for this long has to come again, whatever ICE still believes.
_GONE_AFTER_S: Final = 2.0

logger = logging.getLogger(__name__)


class Host:
    """One host of one broadcast; `stage` and `room` are for the director."""

    def __init__(self, person: Person, broadcast_id: str, gateway: str, run_id: str) -> None:
        self.person = person
        self.broadcast_id = broadcast_id
        self.stage = Stage()
        self.room = RoomClient(gateway, broadcast_id, f"show-host-{run_id}", person, self.stage.take)
        self._said = ""

    async def stay_in_room(self) -> None:
        """Keep the room connection; when told to stay away, look again later: the show may be reset."""
        while True:
            gone = await self.room.run()
            self.stage.leave()
            logger.debug("the room closed with %d", gone.code)
            await asyncio.sleep(_LOOK_EVERY_S)

    async def keep_on_air(self, publisher: WhipPublisher) -> None:
        """Move the broadcast to live and publish, for ever; come back after every failure."""
        backoff = Backoff(first_s=0.5, most_s=10)
        while True:
            try:
                if await self._take_step(publisher):
                    backoff.reset()
            except ApiError as error:
                self._say(f"not on air: {error}")
                await asyncio.sleep(max(error.retry_after_s or 0, backoff.next_s()))
            except (Unreachable, PublishFailed) as error:
                self._say(f"not on air: {error}")
                await asyncio.sleep(backoff.next_s())

    async def _take_step(self, publisher: WhipPublisher) -> bool:
        """Do what comes next; return whether the show was published."""
        broadcast = await self.person.call("GET", f"/api/v1/broadcasts/{self.broadcast_id}")
        step = next_step(broadcast["state"], broadcast["allowed_moves"])
        if isinstance(step, Wait):
            self._say(step.why)
            await asyncio.sleep(_LOOK_EVERY_S)
            return False
        if isinstance(step, Move):
            await self._move(step.name)
            return False
        self._said = ""
        over = asyncio.Event()
        try:
            async with asyncio.TaskGroup() as tasks:
                watching = tasks.create_task(self._watch(over, broadcast["state"]))
                await publisher.publish(over)
                watching.cancel()
        except ExceptionGroup as group:
            raise group.exceptions[0] from group  # a refusal of the publisher's; the watcher raises nothing
        logger.info("publishing ended")
        return True

    async def _move(self, name: str) -> None:
        await self.person.call("POST", f"/api/v1/broadcasts/{self.broadcast_id}/moves", {"move": name})
        logger.info("moved: %s", name)

    async def _watch(self, over: asyncio.Event, state: str) -> None:
        """While published: go live from a rehearsal, and notice the end and a publisher the server lost."""
        if state == "rehearsal":
            await self._go_live()
        while not over.is_set():
            self.stage.changed.clear()
            stage = self.stage
            if stage.state and stage.state not in (*ON_AIR, "rehearsal"):
                over.set()
            elif stage.publisher == "none":
                await asyncio.sleep(_GONE_AFTER_S)
                if self.stage.publisher == "none" and self.room.welcomed.is_set():
                    over.set()
            else:
                await self.stage.changed.wait()

    async def _go_live(self) -> None:
        """Ask until everybody who must be there is; the robot monitor connects beside us, so the first no is quiet."""
        for look in itertools.count():
            try:
                ready = await self.person.call("GET", f"/api/v1/broadcasts/{self.broadcast_id}/readiness")
                if not ready["missing"]:
                    return await self._move("go_live")
                todo = "; ".join(f"{item['who']}: {item['what_to_do']}" for item in ready["missing"])
                if look > 0:
                    self._say(f"not live yet: {todo}")
            except (ApiError, Unreachable) as error:
                self._say(f"not live yet: {error}")
            await asyncio.sleep(_RETRY_S)

    def _say(self, line: str) -> None:
        """Log a line once, however often it is true."""
        if line != self._said:
            self._said = line
            logger.warning("%s", line)
