"""Tips that are said until they are answered: a repeat carries the same id, so each happens at most once. Pure.

What a soak sends has to be known exactly; an answer that comes late, or on another connection, counts like any other.
"""

from __future__ import annotations

from typing import Any


class Tips:
    """One person's; `answer` is for every `ack` and `error` of theirs, `unanswered` is said again after a return."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._waiting: dict[str, dict[str, Any]] = {}
        self._number = 0
        self.acked = 0
        self.refused = 0

    def next(self, points: int) -> dict[str, Any]:
        """Make the message of a new tip."""
        self._number += 1
        message_id = f"{self._name}-{self._number}"
        message: dict[str, Any] = {"type": "tip", "id": message_id, "points": points}
        self._waiting[message_id] = message
        return message

    @property
    def unanswered(self) -> list[dict[str, Any]]:
        """What may or may not have been done."""
        return list(self._waiting.values())

    def answer(self, event: dict[str, Any]) -> None:
        """Take an answer; one that says "not now" leaves the tip waiting."""
        if str(event.get("id")) not in self._waiting:
            return
        if event["type"] == "ack":
            self.acked += 1
        elif event.get("code") in ("unavailable", "rate_limited"):
            return
        else:
            self.refused += 1
        del self._waiting[str(event["id"])]
