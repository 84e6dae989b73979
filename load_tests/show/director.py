"""Carries out the timeline: makes host and crowd do what is due. I/O through their clients."""

import asyncio
import logging
from collections import OrderedDict
from typing import Final

from load_tests.http_client import ApiError, Unreachable
from load_tests.room_client import NotConnected, Refused
from load_tests.show.clock import ShowClock
from load_tests.show.crowd import Crowd
from load_tests.show.host import Host
from load_tests.show.timeline import (
    Act,
    Buy,
    CancelPurchases,
    Like,
    Pin,
    PullCard,
    Say,
    ShowCard,
    Tip,
    acts_between,
    card_is_up,
)

_TICK_MS: Final = 200
_MOST_LATE_MS: Final = 2_000  # a machine that slept does not make up for it
_MOST_ACTS_AT_ONCE: Final = 64
_REMEMBERED_COMMENTS: Final = 100

logger = logging.getLogger(__name__)


class Director:
    """Acts are tasks of the director's group, at most 64 at once: what comes beyond is left out."""

    def __init__(self, clock: ShowClock, host: Host, crowd: Crowd, product_id: str | None) -> None:
        self._clock = clock
        self._host = host
        self._crowd = crowd
        self._product_id = product_id
        self._comment_ids: OrderedDict[str, str] = OrderedDict()
        self._running = 0

    async def direct(self) -> None:
        """Follow the clock for ever; while the broadcast is not on air nothing is done and nothing made up for."""
        done_ms = int(self._clock.position_ms())
        was_on_air = False
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._clock.wait_for(done_ms + _TICK_MS)
                now_ms = int(self._clock.position_ms())
                if self._host.stage.on_air and not was_on_air:
                    # An interrupted show may have left the card on stage, or its plan may already be past it.
                    self._begin(tasks, ShowCard() if card_is_up(now_ms) else PullCard())
                was_on_air = self._host.stage.on_air
                if was_on_air:
                    for act in acts_between(max(done_ms, now_ms - _MOST_LATE_MS), now_ms, len(self._crowd.seats)):
                        self._begin(tasks, act)
                done_ms = now_ms

    def _begin(self, tasks: asyncio.TaskGroup, act: Act) -> None:
        if self._running < _MOST_ACTS_AT_ONCE:
            self._running += 1
            tasks.create_task(self._carry_out(act))

    async def _carry_out(self, act: Act) -> None:
        """Do one act; a refusal is part of the show, not a failure of it."""
        try:
            await self._do(act)
        except (ApiError, Refused, NotConnected, Unreachable) as error:
            logger.debug("%s: %s", type(act).__name__, error)
        finally:
            self._running -= 1

    async def _do(self, act: Act) -> None:
        seats = self._crowd.seats
        match act:
            case Say(seat, text, kind):
                self._remember(text, await seats[seat].say(text, kind))
            case Like(seat, taps):
                await seats[seat].like(taps)
            case Tip(seat, points):
                if self._host.stage.card_product_id is None:
                    await seats[seat].tip(points)
            case Pin(text):
                await self._pin(text)
            case ShowCard():
                await self._show_card()
            case PullCard():
                await self._pull_card()
            case Buy(seat, shares):
                await self._buy(seat, shares)
            case CancelPurchases():
                await self.cancel_purchases()

    async def cancel_purchases(self) -> None:
        """Cancel what the crowd bought; raises ApiError and Unreachable."""
        for buyer in self._crowd.buyers:
            await buyer.cancel_all()

    def _remember(self, text: str, comment_id: str | None) -> None:
        if comment_id is not None:
            self._comment_ids[text] = comment_id
            while len(self._comment_ids) > _REMEMBERED_COMMENTS:
                self._comment_ids.popitem(last=False)

    async def _pin(self, text: str | None) -> None:
        comment_id = None if text is None else self._comment_ids.get(text)
        if text is None or comment_id is not None:
            await self._host.room.request({"type": "pin", "comment_id": comment_id})

    async def _show_card(self) -> None:
        if self._product_id is not None:
            path = f"/api/v1/broadcasts/{self._host.broadcast_id}/card"
            await self._host.person.call("PUT", path, {"product_id": self._product_id})

    async def _pull_card(self) -> None:
        """Pull our own card only: a person may have put up another."""
        if self._product_id is not None and self._host.stage.card_product_id == self._product_id:
            await self._host.person.call("DELETE", f"/api/v1/broadcasts/{self._host.broadcast_id}/card")

    async def _buy(self, seat: int, shares: int) -> None:
        if self._product_id is None or not card_is_up(int(self._clock.position_ms())):
            return
        order_id = await self._crowd.seats[seat].buyer.buy(self._product_id, shares)
        logger.debug("seat %d bought: %s", seat, order_id)
