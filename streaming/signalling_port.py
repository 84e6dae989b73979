"""What signalling asks of media, wherever that runs: in this process or in another. Pure."""

from __future__ import annotations

import math
from typing import Protocol

from streaming.resources import Answer, Resource
from streaming.sdp_fragment import Fragment


class MediaSignalling(Protocol):
    """The engine of this process, one of another process, or a fleet of them; all pass the same contract tests.

    Every call is bounded in time and raises StreamingError with the same codes wherever the media runs, and
    MediaUnreachable where it cannot be asked. What was answered stands: a resource is known to the next call.
    """

    async def publish(
        self, broadcast_id: str, offer_sdp: str, *, holder_id: str = "", until_s: float = math.inf
    ) -> Answer:
        """Admit a publisher and answer its offer; `holder_id` and `until_s` as `Resource` has them."""
        ...

    async def view(self, broadcast_id: str, viewer_id: str, offer_sdp: str, *, until_s: float = math.inf) -> Answer:
        """Admit a viewer and answer its offer."""
        ...

    async def restart_ice(self, resource_id: str, fragment: Fragment) -> Answer:
        """Give a session new ICE credentials."""
        ...

    async def close(self, resource_id: str) -> None:
        """End one session."""
        ...

    async def owner_of(self, resource_id: str) -> Resource:
        """Say whose a resource is."""
        ...
