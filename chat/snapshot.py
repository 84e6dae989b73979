"""Builds what a joiner is shown, once for all joiners of a moment. I/O only through ports."""

import asyncio
from dataclasses import dataclass

from msgspec import Raw

from chat.archive import Archive
from chat.codec import encode
from chat.connection_events import Snapshot
from chat.likes import LikeStore
from chat.ports import BroadcastReader
from chat.presence import Presence
from chat.room import Recording, Room
from chat.talk_store import TalkStore

HISTORY = 50


@dataclass(frozen=True, slots=True)
class SharedSnapshot:
    """A snapshot as struct and as bytes, and what reached the room since it was begun.

    A joiner that gets `encoded` and then `missed` has everything: the room was subscribed before the reading
    began, so a change is in the one, in the other or in both.
    """

    snapshot: Snapshot
    encoded: Raw
    host_id: str | None
    hidden_from: frozenset[str]
    begun_s: float
    recording: Recording

    @property
    def known_since(self) -> set[str]:
        """The types of the events that reached the room since this was begun."""
        return {arrival.headline.type for arrival in self.recording.arrivals}

    def welcomes(self, role: str) -> bool:
        """Say whether the broadcast, as it was read, is there for this role."""
        return role not in self.hidden_from

    def missed(self, account_id: str, moderates: bool, mailed_place: int) -> list[bytes]:
        """The events that this person has to be told after the snapshot; what is not mailed yet comes to all."""
        known = {comment.comment_id for comment in self.snapshot.comments}
        return [
            bytes(arrival.envelope.event)
            for arrival in self.recording.arrivals
            if arrival.place <= mailed_place
            and arrival.shown_to(account_id, moderates)
            and not (arrival.headline.type == "comment" and arrival.headline.comment_id in known)
        ]


class SnapshotBuilder:
    """Reads the parts from their stores."""

    def __init__(
        self,
        broadcasts: BroadcastReader,
        archive: Archive,
        likes: LikeStore,
        presence: Presence,
        gateway_id: str,
        talk: TalkStore | None = None,
    ) -> None:
        self._broadcasts = broadcasts
        self._archive = archive
        self._likes = likes
        self._presence = presence
        self._gateway_id = gateway_id
        self._talk = talk

    async def state_of(self, broadcast_id: str) -> str | None:
        """Read a broadcast's state before its room is opened; None when there is no such one. Raises Unavailable."""
        facts = await self._broadcasts.read(broadcast_id)
        return None if facts is None else facts.state

    async def build(self, room: Room, *, staff: bool, now_s: float) -> SharedSnapshot | None:
        """Read and encode; None when there is no such broadcast. Raises Unavailable. The room must be subscribed."""
        recording = Recording()
        room.recordings.append(recording)
        broadcast_id = room.broadcast_id
        try:
            async with asyncio.TaskGroup() as group:
                reading = group.create_task(self._broadcasts.read(broadcast_id))
                comments = group.create_task(self._archive.recent(broadcast_id, HISTORY, staff=staff))
                pinned = group.create_task(self._archive.pinned(broadcast_id))
                likes = group.create_task(self._likes.merge(broadcast_id, {}))
                talk = None if self._talk is None else group.create_task(self._talk.current(broadcast_id))
                online = group.create_task(self._presence.report(broadcast_id, self._gateway_id, len(room), ()))
        except BaseExceptionGroup as errors:
            self.forget(room, recording)
            raise errors.exceptions[0] from errors
        except BaseException:
            self.forget(room, recording)
            raise
        facts = reading.result()
        if facts is None:
            self.forget(room, recording)
            return None
        room.likes.learn_total(likes.result())
        snapshot = Snapshot(
            dict(facts.broadcast),
            facts.state,
            facts.publisher,
            facts.stream_time_ms,
            None if facts.card is None else dict(facts.card),
            pinned.result(),
            comments.result(),
            room.likes.total,
            max(online.result(), 1),
            facts.tips_enabled,
            None if talk is None else talk.result(),
            facts.sale_stopped,
        )
        return SharedSnapshot(snapshot, Raw(encode(snapshot)), facts.host_id, facts.hidden_from, now_s, recording)

    @staticmethod
    def forget(room: Room, recording: Recording) -> None:
        """Stop recording."""
        room.recordings = [kept for kept in room.recordings if kept is not recording]


def adopt(room: Room, shared: SharedSnapshot) -> None:
    """Take a room's state, tips and card from the snapshot, unless an event since then knows better."""
    known_since = shared.known_since
    if "state" not in known_since:
        room.learn_state(shared.snapshot.state, shared.snapshot.publisher)
    if not known_since & {"card_shown", "card_pulled"}:
        room.tips_enabled = shared.snapshot.tips_enabled
        card = shared.snapshot.card
        room.card_product_id = None if card is None else card["product_id"]
