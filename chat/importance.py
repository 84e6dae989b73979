"""Which events may be given up, and in which order, when not everything can be shown. Data, pure.

*must* is never shed and is recovered after a return; *should* is shed last; *may* is sampled where more comes than a
person can read, and is shed first; a *total* is only ever its newest value, so older ones are replaced.
"""

from typing import Literal

Importance = Literal["must", "should", "may", "total"]

# By event type; what does not stand here is a must, so that a new event is safe until someone decides otherwise.
IMPORTANCE: dict[str, Importance] = {
    "comment": "may",
    "tip": "should",
    "pinned": "should",
    "picture": "should",
    "likes": "total",
    "presence": "total",
    "quota": "total",
    "poll_tally": "total",
}
# What those who work in the room say is an answer rather than one voice of many.
_ANSWERING_ROLES = frozenset({"host", "guest", "monitor", "checker"})


def importance_of(event_type: str, author_role: str | None = None) -> Importance:
    """Return the class of an event; `author_role` is who wrote it, for a comment."""
    if event_type == "comment" and author_role in _ANSWERING_ROLES:
        return "should"
    return IMPORTANCE.get(event_type, "must")
