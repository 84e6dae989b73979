"""What the server says to one connection, and all that it may say: as docs/protocol.md has it. Pure.

A field that may be left out is UNSET; a field that may be null is None.
"""

from typing import Any, Final, Literal

from msgspec import UNSET, Raw, Struct, UnsetType, json

from chat.events import Comment, Publisher, RoomEvent, TalkState


class You(Struct, frozen=True):
    """The viewer's own identity in the room."""

    account_id: str
    nickname: str
    role: str


class Limits(Struct, frozen=True):
    """What a client may send."""

    text_chars: int
    comments_per_10s: int


NO_SNAPSHOT: Final = Raw(b"null")


class Welcome(Struct, frozen=True, tag_field="type", tag="welcome"):
    """The answer to `hello`; `snapshot` is encoded once and shared by joiners of the same moment.

    `epoch` and `offset` are what the client has reached with this frame. `recovered`: it returned and this frame
    holds exactly what it missed, so that it needs no snapshot and `snapshot` is `NO_SNAPSHOT`.
    """

    connection_id: str
    server_time_ms: int
    heartbeat_s: float
    reconnect_after_ms: int
    you: You
    limits: Limits
    points_balance: int | None
    epoch: str
    offset: int
    recovered: bool
    snapshot: Raw


class Ack(Struct, frozen=True, tag_field="type", tag="ack"):
    """A command is done and durable."""

    id: str
    verdict: Literal["pass", "hold", "block", "done"]
    comment: Comment | UnsetType = UNSET
    points_balance: int | UnsetType = UNSET


class Erred(Struct, frozen=True, tag_field="type", tag="error"):
    """A frame or command was refused; `code` is stable."""

    code: str
    message: str
    id: str | UnsetType = UNSET
    retry_after_ms: int | UnsetType = UNSET


class Heartbeat(Struct, frozen=True, tag_field="type", tag="heartbeat"):
    """The server is there; sent because browsers cannot see pings."""

    server_time_ms: int


class PositionReached(Struct, frozen=True, tag_field="type", tag="position"):
    """Closes a frame of the room: everything up to `offset` was told, but for what the two counts say.

    `sampled_out` comments were left out because more came than a person can read, `shed` events because this
    connection does not keep up; `lost` says that events are gone which nobody can bring back.
    """

    epoch: str
    offset: int
    sampled_out: int | UnsetType = UNSET
    shed: int | UnsetType = UNSET
    lost: bool | UnsetType = UNSET


class Bye(Struct, frozen=True, tag_field="type", tag="bye"):
    """The close frame follows."""

    code: int
    reason: str
    reconnect: bool
    retry_after_ms: int | None


class Snapshot(Struct, frozen=True):
    """The room as a joiner finds it."""

    broadcast: dict[str, Any]
    state: str
    publisher: Publisher
    stream_time_ms: int | None
    card: dict[str, Any] | None
    pinned: Comment | None
    comments: list[Comment]
    likes: int
    online: int
    tips_enabled: bool
    talk: TalkState | None = None
    sale_stopped: str | None = None


_snapshots: json.Decoder[Snapshot | None] = json.Decoder(Snapshot | None)


def snapshot_of(welcome: Welcome) -> Snapshot | None:
    """Read a welcome's snapshot, None where the client recovered; raises msgspec.DecodeError."""
    return _snapshots.decode(welcome.snapshot)


ServerEvent = RoomEvent | Welcome | Ack | Erred | Heartbeat | PositionReached | Bye
