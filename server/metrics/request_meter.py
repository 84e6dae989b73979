"""Counts HTTP requests and how long they took, by route. No I/O."""

from collections import Counter
from collections.abc import Callable, Iterable

from server.metrics.collector import Sample

_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


class RequestMeter:
    """`observed` goes to the middleware; `route` is one of the application's, so labels stay few."""

    def __init__(self, seconds: Callable[[str, float], None]) -> None:
        self._seconds = seconds
        self._counted: Counter[tuple[str, str, str]] = Counter()

    def observed(self, route: str, method: str, status: int, took_s: float) -> None:
        """Note one answer."""
        shown = method if method in _METHODS else "other"
        self._counted[route, shown, f"{status // 100}xx"] += 1
        self._seconds(route, took_s)

    def samples(self) -> Iterable[Sample]:
        """Requests by route, method and class of status."""
        return [Sample("http_requests", number, labels) for labels, number in self._counted.items()]
