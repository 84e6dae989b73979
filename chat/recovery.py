"""What one who enters a room is told beside the welcome. Pure."""

from dataclasses import dataclass

from msgspec import UNSET

from chat.arrival import Arrival
from chat.codec import encode_event
from chat.connection_events import PositionReached
from chat.events import LikesCounted, PresenceCounted, QuotaChanged, StateChanged
from chat.room import Room
from chat.snapshot import SharedSnapshot

# Who has missed more is better served by a snapshot, and so is the connection's buffer.
MOST_EVENTS = 500


@dataclass(frozen=True, slots=True)
class Entrance:
    """A room, a snapshot of it, and for one who returns what was missed; None when that cannot be said."""

    room: Room
    shared: SharedSnapshot
    missed: list[Arrival] | None = None


def recovered_events(entrance: Entrance, account_id: str, moderates: bool) -> list[bytes] | None:
    """Return what a returning member missed, in order, then what is so now; None when a snapshot is needed."""
    if entrance.missed is None:
        return None
    room, shared = entrance.room, entrance.shared
    shown = [bytes(a.envelope.event) for a in entrance.missed if a.shown_to(account_id, moderates)]
    if len(shown) > MOST_EVENTS:
        return None
    sampled_out = 0 if moderates else sum(arrival.sampled_out for arrival in entrance.missed)
    reached = PositionReached(room.mailed.epoch, room.mailed.offset, sampled_out or UNSET)
    return [*shown, *_current(shared), *_newer_totals(entrance, account_id, moderates), encode_event(reached)]


def _current(shared: SharedSnapshot) -> list[bytes]:
    """What has no offset: totals, and the state, which a server without Redis could not announce."""
    snapshot, card = shared.snapshot, shared.snapshot.card
    events: list[bytes] = [
        encode_event(StateChanged(snapshot.state, snapshot.publisher, snapshot.stream_time_ms)),
        encode_event(LikesCounted(snapshot.likes)),
        encode_event(PresenceCounted(snapshot.online)),
    ]
    if card is not None:
        quota = (card["product_id"], card["quota_left_minor"], card["quota_total_minor"], card["currency"])
        events.append(encode_event(QuotaChanged(*quota)))
    return events


def _newer_totals(entrance: Entrance, account_id: str, moderates: bool) -> list[bytes]:
    return [
        bytes(arrival.envelope.event)
        for arrival in entrance.shared.recording.arrivals
        if arrival.place <= entrance.room.mailed_place
        and (arrival.total_key is not None or arrival.headline.type == "state")
        and arrival.shown_to(account_id, moderates)
    ]
