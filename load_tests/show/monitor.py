"""The demo's monitor robot: keeps a monitor present in each broadcast it is given. I/O through clients."""

import logging

from load_tests.http_client import Person
from load_tests.room_client import RoomClient

logger = logging.getLogger(__name__)


async def keep_present(person: Person, broadcast_id: str, gateway: str, run_id: str) -> None:
    """Stay connected by the rules of the protocol; return when the room says not to come back."""
    client_id = f"monitor-{run_id}-{broadcast_id}"
    gone = await RoomClient(gateway, broadcast_id, client_id, person, lambda event: None).run()
    logger.warning("the monitor left %s: close code %d", broadcast_id, gone.code)
