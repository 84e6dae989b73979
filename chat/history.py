"""What a room remembers of the last comments, so that a repeat is not shown twice. Pure."""

from collections import OrderedDict


class RecentIds:
    """The last ids that went by, bounded; the oldest is forgotten first."""

    def __init__(self, capacity: int = 500) -> None:
        self._capacity = capacity
        self._ids: OrderedDict[str, None] = OrderedDict()

    def add(self, item: str) -> bool:
        """Note an id; False when it went by before."""
        if item in self._ids:
            return False
        self._ids[item] = None
        if len(self._ids) > self._capacity:
            self._ids.popitem(last=False)
        return True

    def __contains__(self, item: str) -> bool:
        return item in self._ids
