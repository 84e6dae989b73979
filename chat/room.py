"""One broadcast's room in one process: who is in it, and what is passed on to whom.

No I/O: members take frames without blocking, and time is an argument in monotonic seconds.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec import UNSET

from chat.arrival import Arrival
from chat.audience import Audience, Mailing, Member, OfferedMailing, OfferingAudience
from chat.broadcast_states import OVER
from chat.broker import Delivery, Position
from chat.coalescer import Batch, Coalescer
from chat.connection_events import PositionReached
from chat.envelope import Audience as Address
from chat.envelope import Envelope, Headline, envelop, unseal, unseal_headline
from chat.events import LikesCounted, PresenceCounted, Publisher, RoomEvent
from chat.history import History
from chat.importance import Importance
from chat.like_allowance import LikeAllowance
from chat.likes import LikeTally
from chat.permissions import Standing
from chat.shared_frame import BuildFrame, SharedFrame

_MOST_TRACES = 32


@dataclass(slots=True)
class Recording:
    """What reached a room since a snapshot was begun; overflow policy: *spoil*, the snapshot is built anew."""

    limit: int = 500
    spoilt: bool = False
    arrivals: list[Arrival] = field(default_factory=list)

    def add(self, arrival: Arrival) -> None:
        """Note an event."""
        if len(self.arrivals) < self.limit:
            self.arrivals.append(arrival)
        else:
            self.spoilt = True


class Room:
    """Gathers events and passes them on in shared frames; keeps of them only what later frames are judged by.

    `deliver` and `say` note an event; when `due_s` has come, the owner takes `mail` and hands it out, one mail
    after the other, so that every member gets every event in the room's order.
    """

    def __init__(
        self,
        broadcast_id: str,
        build_frame: BuildFrame,
        coalescer: Coalescer,
        like_tick_s: float,
        make_audience: Callable[[], Audience] = OfferingAudience,
    ) -> None:
        self.broadcast_id = broadcast_id
        self.state = ""
        self.publisher: Publisher = "none"
        self.tips_enabled = False
        self.card_product_id: str | None = None
        self.online = 0
        self.likes = LikeTally(like_tick_s)
        self.like_allowance = LikeAllowance()
        self.recordings: list[Recording] = []
        self.coalescer = coalescer
        self.history = History()
        self.mailed_place = 0
        self.mailed = Position("", 0)
        self._traces: deque[str] = deque(maxlen=_MOST_TRACES)
        self._position = Position("", 0)
        self._lost = False
        self._place = 0
        self._build_frame = build_frame
        self._staff = make_audience()
        self._viewers = make_audience()
        self._by_account: dict[str, set[Member]] = {}

    def __len__(self) -> int:
        return len(self._staff) + len(self._viewers)

    @property
    def members(self) -> tuple[Member, ...]:
        """Everyone in the room now; a copy, as members may leave while it is walked."""
        return (*self._staff, *self._viewers)

    @property
    def monitors(self) -> list[str]:
        """The accounts of the monitors who are here."""
        return sorted({member.account_id for member in self._staff if member.role == "monitor"})

    @property
    def has_staff(self) -> bool:
        """Whether somebody is here who is shown what viewers are not."""
        return len(self._staff) > 0

    @property
    def over(self) -> bool:
        """Whether everyone is to be sent away once the last mail was handed out."""
        return self.state in OVER

    def standing(self, member: Member) -> Standing:
        """What this member may do now."""
        return Standing(member.role, member.moderates, self.state, self.tips_enabled)

    def add(self, member: Member) -> None:
        """Let a member in."""
        self._audience_of(member).add(member)
        self._by_account.setdefault(member.account_id, set()).add(member)

    def remove(self, member: Member) -> None:
        """Forget a member, who may have left before."""
        self._audience_of(member).remove(member)
        same_person = self._by_account.get(member.account_id, set())
        same_person.discard(member)
        if not same_person:
            self._by_account.pop(member.account_id, None)

    def _audience_of(self, member: Member) -> Audience:
        return self._staff if member.moderates else self._viewers

    def of_account(self, account_id: str) -> tuple[Member, ...]:
        """This person's connections here."""
        return tuple(self._by_account.get(account_id, ()))

    def begin(self, position: Position, *, lost: bool = False) -> None:
        """Go on from a position; `lost`: events before it are gone that members were not told, which they will be."""
        self._position = position
        if not len(self):
            self.mailed = position
        self.history.begin(position)
        self._lost = self._lost or lost

    def deliver(self, delivery: Delivery, now_s: float) -> Importance:
        """Note an event in its order and say its class; raises msgspec.DecodeError for what is not an envelope."""
        if delivery.position is not None:
            self._position = delivery.position
        envelope, headline = unseal(delivery.envelope)
        if headline.type == "likes":
            # Every gateway publishes totals; only one a tick is shown here.
            self.likes.learn_total(headline.total or 0)
            self.show_likes(now_s)
            return envelope.importance
        if headline.type == "state" and headline.state is not None and self.is_stale(headline.state):
            return envelope.importance
        self._follow(headline)
        self._note(envelope, headline, delivery)
        return envelope.importance

    def is_stale(self, state: str) -> bool:
        """Say whether this was said before the broadcast was over: deliveries may come late, or again."""
        return self.over and state not in OVER

    def learn_state(self, state: str, publisher: Publisher) -> None:
        """Take how things stand from a snapshot; what is over stays over."""
        if not self.is_stale(state):
            self.state, self.publisher = state, publisher

    def _follow(self, headline: Headline) -> None:
        if headline.type == "state" and headline.state is not None:
            self.learn_state(headline.state, headline.publisher or self.publisher)
        elif headline.type == "card_shown":
            self.tips_enabled = False
            self.card_product_id = headline.card.product_id if headline.card else None
        elif headline.type == "card_pulled":
            self.tips_enabled = True
            self.card_product_id = None

    def _note(self, envelope: Envelope, headline: Headline, delivery: Delivery | None = None) -> None:
        self._place += 1
        arrival = Arrival(self._place, envelope, headline)
        if delivery is not None:
            arrival = Arrival(self._place, envelope, headline, delivery.position, delivery.sampled_out)
        if envelope.trace is not UNSET:
            self._traces.append(envelope.trace)
        for recording in self.recordings:
            recording.add(arrival)
        self.coalescer.add(arrival)

    def say(self, event: RoomEvent, audience: Address = "all") -> None:
        """Note something for everyone (or staff) in this process that is not published."""
        envelope = envelop(event, audience=audience)
        self._note(envelope, unseal_headline(envelope))

    def mail(self, now_s: float) -> list[Mailing]:
        """Take what is due and address it; each member stands in one mailing at most."""
        batch = self.coalescer.take(now_s)
        self.mailed_place, self.mailed = self._place, self._position
        for arrival in batch.arrivals:
            self.history.add(arrival)
        apart = self._addressed_apart(batch)
        mailings: list[Mailing] = []
        for member in apart:
            frame = self._frame(batch, member.account_id, moderates=member.moderates)
            if frame.whole:
                mailings.append(OfferedMailing(frame, (member,)))
        for audience, moderates in ((self._staff, True), (self._viewers, False)):
            if len(audience) and (frame := self._frame(batch, "", moderates=moderates)).whole:
                mailings.append(audience.address(frame, apart))
        self._lost = False
        return mailings

    def _addressed_apart(self, batch: Batch) -> set[Member]:
        """Those who have an event of their own in the batch, and so a frame of their own."""
        addressed = {a.envelope.to for a in batch.arrivals if a.envelope.to is not None}
        return {member for account_id in addressed for member in self._by_account.get(account_id, ())}

    def _frame(self, batch: Batch, account_id: str, *, moderates: bool) -> SharedFrame:
        shown = [arrival for arrival in batch.arrivals if arrival.shown_to(account_id, moderates)]
        shown += [total for total in batch.totals.values() if total.shown_to(account_id, moderates)]
        events = [(arrival.envelope.importance, bytes(arrival.envelope.event)) for arrival in shown]
        sampled_out = 0 if moderates else sum(arrival.sampled_out for arrival in batch.arrivals)
        told = bool(sampled_out or self._lost or any(arrival.total_key is None for arrival in shown))
        position = self._reached(sampled_out) if told else None
        return SharedFrame(events, self._build_frame, position)

    def _reached(self, sampled_out: int) -> PositionReached:
        lost = True if self._lost else UNSET
        return PositionReached(self.mailed.epoch, self.mailed.offset, sampled_out or UNSET, lost=lost)

    def take_traces(self) -> list[str]:
        """Take the traces of what is told next; where there are very many, of the last of it."""
        if not self._traces:
            return []
        traces = list(self._traces)
        self._traces.clear()
        return traces

    def show_likes(self, now_s: float) -> None:
        """Tell the total when it is due."""
        total = self.likes.due(now_s)
        if total is not None:
            self.say(LikesCounted(total))

    def show_online(self, online: int) -> None:
        """Tell how many there are, when that changed."""
        if online != self.online:
            self.online = online
            self.say(PresenceCounted(online))
