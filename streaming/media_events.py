"""What the engine tells its owner, as frozen values. Pure; no I/O.

Times are UTC and aware. An event of one broadcast is delivered in the order it happened.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class PublisherStarted:
    """The first media packet of a publisher arrived: the stream clock starts (or goes on) at `at`."""

    broadcast_id: str
    resource_id: str
    at: datetime
    returned: bool
    """True when a publisher of this broadcast had sent media here before, and its relay was not let go since."""


@dataclass(frozen=True, slots=True)
class PublisherStalled:
    """A connected publisher has sent no media for `silent_s` seconds."""

    broadcast_id: str
    resource_id: str
    at: datetime
    silent_s: float


@dataclass(frozen=True, slots=True)
class PublisherResumed:
    """A stalled publisher sends media again."""

    broadcast_id: str
    resource_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PublisherGone:
    """The publisher's resource ended; its viewers stay and wait for the next publisher."""

    broadcast_id: str
    resource_id: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class ViewerJoined:
    """A viewer's DTLS handshake is complete; packets flow to it from now on."""

    broadcast_id: str
    viewer_id: str
    resource_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class ViewerLeft:
    """A viewer's resource ended; sent only for viewers that had joined."""

    broadcast_id: str
    viewer_id: str
    resource_id: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class PictureWithheld:
    """Not even the lowest layer fits through to this viewer: it keeps the sound, and is tried again by itself."""

    broadcast_id: str
    viewer_id: str
    resource_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PictureResumed:
    """The viewer is sent the picture again."""

    broadcast_id: str
    viewer_id: str
    resource_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class PublisherLimited:
    """A publisher sends more than its limit (`limited`), and what is beyond is shed; or it has been calm again."""

    broadcast_id: str
    resource_id: str
    at: datetime
    limited: bool
    limit_bps: int


MediaEvent = (
    PublisherStarted
    | PublisherStalled
    | PublisherResumed
    | PublisherGone
    | ViewerJoined
    | ViewerLeft
    | PictureWithheld
    | PictureResumed
    | PublisherLimited
)
