"""Brings restrictions and rules from the store into this process, and sends the banned away. I/O through its port.

Asks the store a few times a second rather than trusting a message to arrive: a ban has to hold within a second on every
gateway and media process, also while Redis is away.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime

from chat.errors import Unavailable
from chat.moderation_store import ModerationStore
from chat.restrictions import Restriction, Restrictions

log = logging.getLogger(__name__)

ViewerDropper = Callable[[str], object]
"""Ends everything of an account in this process (sockets, WHEP sessions); neither blocks nor raises."""


class RestrictionFeed:
    """`run` is one task of the owner's TaskGroup; droppers are called with the account id and must not raise."""

    def __init__(self, store: ModerationStore, restrictions: Restrictions, *, every_s: float = 0.4) -> None:
        self._store = store
        self._restrictions = restrictions
        self._every_s = every_s
        self._mark: datetime | None = None
        self._droppers: list[ViewerDropper] = []

    def on_ban(self, dropper: ViewerDropper) -> None:
        """Have this called with every account that is out; again for some seconds, as one may be on the way in."""
        self._droppers.append(dropper)

    def take(self, restriction: Restriction) -> None:
        """Take a change into force here and now."""
        now_s = time.time()
        self._restrictions.apply(restriction, now_s)
        if restriction.kind != "mute" and self._restrictions.out(restriction.account_id, now_s):
            for drop in self._droppers:
                drop(restriction.account_id)

    async def refresh(self) -> None:
        """Take in what changed; raises Unavailable."""
        changes = await self._store.changes(self._mark)
        for restriction in changes.restrictions:
            self.take(restriction)
        for broadcast_id, rules in changes.rules:
            self._restrictions.rule(broadcast_id, rules)
        self._mark = changes.until_mark

    async def run(self) -> None:
        """Refresh until cancelled; while the store is away, what was known stays in force."""
        while True:
            try:
                await self.refresh()
            except Unavailable:
                log.warning("restrictions cannot be read; those known stay in force")
            await asyncio.sleep(self._every_s)
