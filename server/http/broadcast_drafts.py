"""What a maker writes of a broadcast, read and checked into a draft. No I/O."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from chat.moderation import Judge
from server.http.errors import ApiError
from server.ids import is_id
from streaming.broadcast import Broadcast, Draft

_SHELF_MOST = 20  # what a show can present, and a checker can look at
NO_NUL = r"^[^\x00]*$"
_Title = Annotated[str, Meta(min_length=1, max_length=120, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]
_Summary = Annotated[str, Meta(max_length=2_000, pattern=NO_NUL)]
_Shelf = Annotated[list[Annotated[str, Meta(pattern=r"^pr_[0-9a-z_]{1,40}$")]], Meta(max_length=_SHELF_MOST)]


class NewBroadcast(msgspec.Struct, forbid_unknown_fields=True):
    """A draft as its maker writes it; the host is the maker unless named."""

    title: _Title
    summary: _Summary = ""
    scheduled_at: datetime | None = None
    host_id: str | None = None
    monitor_id: str | None = None
    product_ids: _Shelf = []


class Edit(msgspec.Struct, forbid_unknown_fields=True):
    """Fields to replace; what is left out stays."""

    title: _Title | msgspec.UnsetType = msgspec.UNSET
    summary: _Summary | msgspec.UnsetType = msgspec.UNSET
    scheduled_at: datetime | msgspec.UnsetType | None = msgspec.UNSET
    host_id: str | msgspec.UnsetType = msgspec.UNSET
    monitor_id: str | msgspec.UnsetType | None = msgspec.UNSET
    product_ids: _Shelf | msgspec.UnsetType = msgspec.UNSET


def new_draft(given: NewBroadcast, maker_id: str, judge: Judge) -> Draft:
    """Make the draft; raises ApiError 422 for texts, people and times that cannot be."""
    _judge(judge, given.title, given.summary)
    return _checked(
        Draft(
            given.title,
            given.summary,
            given.host_id or maker_id,
            given.monitor_id,
            given.scheduled_at,
            _shelf(given.product_ids),
        )
    )


def edited_draft(given: Edit, broadcast: Broadcast, judge: Judge) -> Draft:
    """Put what was written in the place of what was there; raises as `new_draft`."""
    written = {
        name: getattr(given, name) for name in given.__struct_fields__ if getattr(given, name) is not msgspec.UNSET
    }
    _judge(judge, *(str(written[name]) for name in ("title", "summary") if name in written))
    return _checked(
        Draft(
            title=written.get("title", broadcast.title),
            summary=written.get("summary", broadcast.summary),
            host_id=written.get("host_id", broadcast.host.account_id),
            monitor_id=written.get("monitor_id", broadcast.monitor.account_id if broadcast.monitor else None),
            scheduled_at=written.get("scheduled_at", broadcast.scheduled_at),
            product_ids=_shelf(written["product_ids"]) if "product_ids" in written else broadcast.product_ids,
        )
    )


def _shelf(product_ids: list[str]) -> tuple[str, ...]:
    """Each product once, by id: no order of the maker's own, which could be that of the benchmarks."""
    return tuple(sorted(set(product_ids)))


def _checked(draft: Draft) -> Draft:
    """Refuse people who cannot exist and times that cannot be meant."""
    if not is_id(draft.host_id, "ac") or (draft.monitor_id is not None and not is_id(draft.monitor_id, "ac")):
        raise ApiError(422, "unknown_person", "host_id and monitor_id name accounts")
    if draft.scheduled_at is not None and (
        draft.scheduled_at.tzinfo is None or not 2000 <= draft.scheduled_at.year <= 2200
    ):
        raise ApiError(422, "bad_field", "scheduled_at needs a time zone and a year from 2000 to 2200")
    return draft


def _judge(judge: Judge, *texts: str) -> None:
    for text in texts:
        judgement = judge.judge(text)
        if judgement.verdict != "pass" or judgement.text != text:
            why = ", ".join(judgement.reasons) or "personal data"
            raise ApiError(422, "text_refused", f"please put it in other words: {why}")
