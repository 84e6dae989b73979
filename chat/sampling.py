"""How many comments a second a room shows its viewers, and whose. Pure; the same rule runs inside Redis.

A bucket holds a second's worth of comments. Its last third is kept for authors who were not shown within the last
second, so that one who writes a lot cannot crowd out the others; among them, who comes when there is room is shown.
Counted in thousandths of a comment and whole milliseconds, so that both implementations agree exactly.
"""

SHOWN_MS = 1_000
_UNIT = 1_000


class Sampler:
    """Decides comment by comment, in the room's order."""

    def __init__(self, readable_per_s: int) -> None:
        """0 shows everything."""
        self._rate = readable_per_s
        self._left = readable_per_s * _UNIT
        self._at_ms = 0
        self._shown_ms: dict[str, int] = {}

    def shows(self, author_id: str, now_ms: int) -> bool:
        """Say whether viewers are shown the comment that this author wrote now."""
        if self._rate == 0:
            return True
        full = self._rate * _UNIT
        if now_ms > self._at_ms:
            self._left = min(full, self._left + (now_ms - self._at_ms) * self._rate)
            self._at_ms = now_ms
        spoke = now_ms - self._shown_ms.get(author_id, -SHOWN_MS) < SHOWN_MS
        if self._left < _UNIT + (full // 3 if spoke else 0):
            return False
        self._left -= _UNIT
        self._shown_ms = {author: at for author, at in self._shown_ms.items() if now_ms - at < SHOWN_MS}
        self._shown_ms[author_id] = now_ms
        return True
