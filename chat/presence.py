"""The port of who is there: counts over all gateways, and when a monitor was last seen."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol


class Presence(Protocol):
    """Adds up the gateways' counts; a gateway that stops reporting vanishes after 10 s."""

    async def report(self, broadcast_id: str, gateway_id: str, connections: int, monitors: Sequence[str]) -> int:
        """Say how many connections this gateway has and which monitors are among them; return the sum of all gateways.

        To be repeated every few seconds. Raises Unavailable.
        """

    async def online(self, broadcast_id: str) -> int:
        """Return the sum of all gateways without saying anything. Raises Unavailable."""

    async def monitor_last_seen(self, broadcast_id: str, account_id: str) -> datetime | None:
        """Return when this monitor was last connected to the room (within some seconds), None for never.

        Raises Unavailable.
        """
