"""A room of this process with what is needed to let people in and to go on talking to them. No I/O."""

import asyncio
from dataclasses import dataclass, field

from chat.broker import Position
from chat.feed import Feed
from chat.room import Room
from chat.single_flight import SingleFlight
from chat.snapshot import SharedSnapshot


@dataclass(slots=True, eq=False)
class OpenRoom:
    """What `subscription`, `mail_rounds` and `entrance_hall` know together about one room.

    `noted` is set when the room may have something to say, `filled` when that waits for no tick, `mailed` is set and
    replaced after each mail; `unwhole` is set when something is missing, or `state_untold`: it may have changed while
    nobody could be told. `mail_lost`: a mail was taken and reached not everyone.
    `returning`: what those have reached who wait for what they missed.
    """

    room: Room
    subscribing: SingleFlight[None] = field(default_factory=SingleFlight)
    subscribed: bool = False
    building: dict[bool, SingleFlight[SharedSnapshot]] = field(
        default_factory=lambda: {False: SingleFlight(), True: SingleFlight()}
    )
    snapshots: dict[bool, SharedSnapshot] = field(default_factory=dict)
    joining: int = 0
    empty_since_s: float | None = None
    feed: Feed = field(default_factory=Feed)
    loading: SingleFlight[None] = field(default_factory=SingleFlight)
    returning: list[Position] = field(default_factory=list)
    mailed: asyncio.Event = field(default_factory=asyncio.Event)
    noted: asyncio.Event = field(default_factory=asyncio.Event)
    filled: asyncio.Event = field(default_factory=asyncio.Event)
    unwhole: asyncio.Event = field(default_factory=asyncio.Event)
    state_untold: bool = False
    mail_lost: bool = False
    tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def lose_mail(self) -> None:
        """Note that nobody knows who was told what: as after any loss, everyone is to be given a fresh snapshot."""
        self.mail_lost = True
        self.feed.interrupt()
        self.unwhole.set()

    def stop_speaking(self) -> None:
        """End the room's tasks, if it has any."""
        for task in self.tasks:
            task.cancel()
