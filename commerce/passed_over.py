"""What a sweep could not do is passed over for a while, so that the rest is done. Pure."""

from datetime import datetime, timedelta

_FOR = timedelta(seconds=60)


class PassedOver:
    """Ids of what cannot be ended, its rows being damaged; somebody has to look, the log has the trace."""

    def __init__(self) -> None:
        self._until: dict[str, datetime] = {}

    def at(self, now: datetime) -> list[str]:
        """Those that are passed over now."""
        self._until = {name: until for name, until in self._until.items() if until > now}
        return list(self._until)

    def add(self, name: str, now: datetime) -> None:
        self._until[name] = now + _FOR
