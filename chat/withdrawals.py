"""Tells rooms which comments were withdrawn, until each is known to have heard it. I/O only through ports."""

import logging

from chat.archive import Archive, Withdrawal
from chat.broker import Broker
from chat.envelope import seal
from chat.errors import Unavailable
from chat.events import CommentRemoved, Pinned

log = logging.getLogger(__name__)
_AT_ONCE = 100


class Withdrawals:
    """A withdrawal is owed to its room from its commit on; whichever process comes first tells it."""

    def __init__(self, archive: Archive, broker: Broker) -> None:
        self._archive = archive
        self._broker = broker

    async def tell(self, owed: Withdrawal) -> None:
        """Tell the room. Raises Unavailable; it is owed still then, and told by `tell_owed` somewhere."""
        room, told = owed.broadcast_id, f"withdrawn/{owed.comment_id}/{owed.since.timestamp()}"
        await self._broker.publish(room, seal(CommentRemoved(owed.comment_id), once=told))
        if owed.pin_told_anew:
            pinned = await self._archive.pinned(room)
            await self._broker.publish(room, seal(Pinned(pinned), once=f"{told}/pinned"))
        await self._archive.note_told(owed)

    async def tell_owed(self) -> None:
        """Tell what could not be told when it was due; to be called about once a second."""
        try:
            for owed in await self._archive.owed(_AT_ONCE):
                await self.tell(owed)
        except Unavailable:
            log.warning("rooms wait to be told what was withdrawn")
