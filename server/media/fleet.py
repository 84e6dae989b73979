"""All media processes as one: picks, passes signalling on, routes later requests by the resource's name. I/O: HTTP."""

import asyncio
import math
import re
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace

import msgspec
import structlog

from server.media.remote import RemoteMedia
from streaming.errors import (
    EngineStopped,
    MediaUnreachable,
    StreamingError,
    TooManyHandshakes,
    TooManyJoins,
    UnknownResource,
    ViewerLimitReached,
)
from streaming.media_directory_redis import MediaDirectory
from streaming.placement import MediaProcess, for_publisher, for_viewer
from streaming.resources import Answer, Resource
from streaming.sdp_fragment import Fragment
from streaming.signalling_port import MediaSignalling

log = structlog.get_logger("media_fleet")
_FULL = (ViewerLimitReached, TooManyJoins, TooManyHandshakes, EngineStopped)
"""Another process may have room."""
_NAMED = re.compile(r"[A-Za-z0-9_-]{1,64}")
"""What a process calls its resources; the name becomes part of an internal URL, so nothing else is passed on."""
_PICKED_WITHIN_S = 9.0
_REMEMBERED = 4_096
_ASKED_LAST_S = 5.0
"""A process that did not answer is asked after the others for so long."""


@dataclass(frozen=True)
class Local:
    """The engine of this process, which needs no HTTP."""

    process_id: str
    media: MediaSignalling


class MediaFleet:
    """MediaSignalling over every process of the directory; `connect` gives the way to an address.

    A resource is named `process.resource`, so that whichever api is asked finds its process.
    """

    def __init__(
        self, directory: MediaDirectory, connect: Callable[[str], RemoteMedia], local: Local | None = None
    ) -> None:
        self._directory = directory
        self._connect = connect
        self._local = local
        # Where this api has just put publishers: a process tells the directory a second later.
        self._placed: OrderedDict[str, str] = OrderedDict()
        self._silent: dict[str, float] = {}

    async def publish(
        self, broadcast_id: str, offer_sdp: str, *, holder_id: str = "", until_s: float = math.inf
    ) -> Answer:
        """As the port says; a process that does not answer is passed over."""
        ordered = for_publisher(broadcast_id, self._as_placed(broadcast_id))
        passed_over = (MediaUnreachable, EngineStopped)
        answer = await self._first(
            ordered,
            lambda media: media.publish(broadcast_id, offer_sdp, holder_id=holder_id, until_s=until_s),
            passed_over,
        )
        self._placed[broadcast_id] = answer.resource_id.partition(".")[0]
        self._placed.move_to_end(broadcast_id)
        if len(self._placed) > _REMEMBERED:
            self._placed.popitem(last=False)
        return answer

    async def view(self, broadcast_id: str, viewer_id: str, offer_sdp: str, *, until_s: float = math.inf) -> Answer:
        """As the port says; where the publisher's process is full another takes the packets and the viewer."""
        ordered = for_viewer(broadcast_id, self._as_placed(broadcast_id))
        passed_over = (MediaUnreachable, *_FULL)
        return await self._first(
            ordered, lambda media: media.view(broadcast_id, viewer_id, offer_sdp, until_s=until_s), passed_over
        )

    async def restart_ice(self, resource_id: str, fragment: Fragment) -> Answer:
        """As the port says."""
        process_id, inner, media = self._find(resource_id)
        answer = await media.restart_ice(inner, fragment)
        return replace(answer, resource_id=f"{process_id}.{answer.resource_id}")

    async def close(self, resource_id: str) -> None:
        """As the port says."""
        _, inner, media = self._find(resource_id)
        await media.close(inner)

    async def owner_of(self, resource_id: str) -> Resource:
        """As the port says."""
        _, inner, media = self._find(resource_id)
        return replace(await media.owner_of(inner), resource_id=resource_id)

    async def _first(
        self,
        processes: Iterable[MediaProcess],
        ask: Callable[[MediaSignalling], Awaitable[Answer]],
        passed_over: tuple[type[StreamingError], ...],
    ) -> Answer:
        try:
            async with asyncio.timeout(_PICKED_WITHIN_S):
                return await self._first_of(processes, ask, passed_over)
        except TimeoutError:
            raise MediaUnreachable("no media process answered in time", retry_after_s=2) from None

    async def _first_of(
        self,
        processes: Iterable[MediaProcess],
        ask: Callable[[MediaSignalling], Awaitable[Answer]],
        passed_over: tuple[type[StreamingError], ...],
    ) -> Answer:
        refusal: StreamingError | None = None
        now_s = time.monotonic()
        for process in sorted(processes, key=lambda one: self._silent.get(one.process_id, 0.0) > now_s):
            try:
                answer = await ask(self._media_of(process))
            except passed_over as error:
                if isinstance(error, MediaUnreachable):
                    log.warning("media_process_unreachable", media_process=process.process_id)
                    self._silent[process.process_id] = now_s + _ASKED_LAST_S
                refusal = refusal if isinstance(refusal, _FULL) else error
                continue
            self._silent.pop(process.process_id, None)
            return replace(answer, resource_id=f"{process.process_id}.{answer.resource_id}")
        raise refusal or MediaUnreachable("no media process is known", retry_after_s=2)

    def _as_placed(self, broadcast_id: str) -> list[MediaProcess]:
        """The known processes, with the publisher where this api put it if none says that it has it."""
        processes = self._directory.processes
        placed = self._placed.get(broadcast_id)
        if placed is None or any(broadcast_id in process.publishing for process in processes):
            return processes
        return [
            msgspec.structs.replace(process, publishing=(*process.publishing, broadcast_id))
            if process.process_id == placed
            else process
            for process in processes
        ]

    def _find(self, resource_id: str) -> tuple[str, str, MediaSignalling]:
        process_id, _, inner = resource_id.partition(".")
        if not _NAMED.fullmatch(inner):
            raise UnknownResource("no such resource, or it has ended")
        if self._local is not None and process_id == self._local.process_id:
            return process_id, inner, self._local.media
        for process in self._directory.processes:
            if process.process_id == process_id:
                return process_id, inner, self._connect(process.address)
        raise UnknownResource("no such resource, or it has ended")

    def _media_of(self, process: MediaProcess) -> MediaSignalling:
        if self._local is not None and process.process_id == self._local.process_id:
            return self._local.media
        return self._connect(process.address)
