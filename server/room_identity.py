"""Session tokens as the room asks about them."""

import time

import chat.ports
from chat.errors import AuthenticationFailed, Unavailable
from server.auth.identities import Identities
from server.auth.issuer_keys_http import IssuerUnavailable
from server.auth.tokens import TokenError


class RoomAuthenticator:
    """Implements `chat.ports.Authenticator`."""

    def __init__(self, identities: Identities) -> None:
        self._identities = identities

    async def authenticate(self, token: str) -> chat.ports.Principal:
        """Verify; an expired token is told from a bad one, as a client can renew it."""
        try:
            who = await self._identities.verify(token, now_s=time.time())
        except TokenError as error:
            code = "token_expired" if error.code == "token_expired" else "unauthenticated"
            raise AuthenticationFailed(code) from None
        except IssuerUnavailable:
            raise Unavailable("the issuer's keys") from None
        return chat.ports.Principal(who.account_id, who.role, who.nickname, who.expires_at_s, who.broadcast_id)
