"""Whose pages may open a room: the check against other sites' pages in a browser. Pure.

A browser says in `Origin` which site's page asks, and no page can change that; native apps send none and may come in.
"""

from collections.abc import Sequence
from urllib.parse import urlsplit

ANY = "*"


class Origins:
    """Judges by the list of a deployment or, where it is empty, by the host: pages come from where the gateway is."""

    def __init__(self, allowed: Sequence[str], public_url: str | None) -> None:
        """`allowed`: origins to the letter, or `*`; `public_url`: where pages find the gateway, if that is told."""
        self._allowed = frozenset(allowed)
        self._public_host = _host_of(public_url or "")

    def admit(self, origins: Sequence[str], hosts: Sequence[str]) -> bool:
        """Say whether a request with these `Origin` and `Host` headers may open a room; two of either are no browser's.

        Port and scheme are not compared: the pages' and the gateway's differ where no proxy joins them.
        """
        if not origins or ANY in self._allowed:
            return True
        if len(origins) > 1:
            return False
        if self._allowed:
            return origins[0] in self._allowed
        own = {_host_of(f"//{hosts[0]}") if len(hosts) == 1 else None, self._public_host} - {None}
        return _host_of(origins[0]) in own

    def described(self) -> str:
        """Say it in a line, for operators."""
        if ANY in self._allowed:
            return "any site's pages may open a room"
        if self._allowed:
            return ", ".join(sorted(self._allowed))
        return "pages of the host that is asked" + (f", and of {self._public_host}" if self._public_host else "")


def _host_of(url: str) -> str | None:
    """Return the host, in lower case; None where there is none (`null`) or the URL is broken."""
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None
