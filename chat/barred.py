"""Keeps the banned out of rooms: an authenticator around another. I/O through its port."""

import time

from chat.errors import AuthenticationFailed
from chat.ports import Authenticator, Principal
from chat.restrictions import Restrictions


class BarringAuthenticator:
    """Refuses good tokens of banned accounts with `banned`."""

    def __init__(self, inner: Authenticator, restrictions: Restrictions) -> None:
        self._inner = inner
        self._restrictions = restrictions

    async def authenticate(self, token: str) -> Principal:
        """As the port says; raises AuthenticationFailed `banned` too."""
        principal = await self._inner.authenticate(token)
        if self._restrictions.banned(principal.account_id, time.time()):
            raise AuthenticationFailed("banned", "this account may not take part")
        return principal
