"""Who may send and receive media: sessions, encoder tokens and the broadcast's state, asked at signalling."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

from server.auth.encoder_tokens_postgres import PREFIX, EncoderTokens
from server.auth.identities import Identities
from server.auth.issuer_keys_http import IssuerUnavailable
from server.auth.permissions import allowed
from server.auth.principal import Principal
from server.auth.tokens import TokenError
from server.http.signalling import Permit, SignallingRefused
from server.ids import is_id
from streaming.broadcast import Broadcast, BroadcastStore
from streaming.lifecycle import ON_AIR, OVER, PUBLISHABLE

_ASK_AGAIN_S = 2


class MediaGate:
    """Implements the signalling's gate."""

    def __init__(
        self,
        store: BroadcastStore,
        identities: Identities,
        encoder_tokens: EncoderTokens,
        banned: Callable[[str], bool],
    ) -> None:
        self._store = store
        self._identities = identities
        self._encoder_tokens = encoder_tokens
        self._banned = banned

    async def may_publish(self, broadcast_id: str, bearer: str) -> Permit:
        """Let in this broadcast's host, or the encoder that has a token for it."""
        if bearer.startswith(PREFIX):
            permit = await self._encoder(broadcast_id, bearer)
            broadcast = await self._broadcast(broadcast_id)
        else:
            who = await self._principal(bearer, broadcast_id)
            broadcast = await self._broadcast(broadcast_id)
            if not allowed(who.role, "media.publish") or who.account_id != broadcast.host.account_id:
                raise SignallingRefused(403, "forbidden", "only the host of this broadcast may publish")
            permit = Permit(who.account_id, who.expires_at_s)
        if broadcast.state not in PUBLISHABLE:
            detail = f"the broadcast is {broadcast.state}: rehearse or go live first"
            raise SignallingRefused(409, "not_live", detail, _ASK_AGAIN_S, permit.holder_id)
        return permit

    async def may_view(self, broadcast_id: str, bearer: str) -> Permit:
        """Let in who is signed in; staff may watch a rehearsal."""
        who = await self._principal(bearer, broadcast_id)
        broadcast = await self._broadcast(broadcast_id)
        if broadcast.state in OVER:
            raise SignallingRefused(409, "broadcast_over", f"the broadcast is {broadcast.state}", None, who.account_id)
        if broadcast.state not in (PUBLISHABLE if who.is_staff else ON_AIR):
            raise SignallingRefused(409, "not_live", "the broadcast is not live yet", _ASK_AGAIN_S, who.account_id)
        return Permit(who.account_id, who.expires_at_s)

    async def _principal(self, bearer: str, broadcast_id: str) -> Principal:
        try:
            who = await self._identities.verify(bearer, now_s=time.time())
        except TokenError as error:
            raise SignallingRefused(401, error.code, "sign in again") from None
        except IssuerUnavailable:
            detail = "who you are cannot be asked now"
            raise SignallingRefused(503, "issuer_unavailable", detail, retry_after_s=5) from None
        if not who.covers(broadcast_id):
            raise SignallingRefused(403, "forbidden", "this token is for another broadcast")
        if self._banned(who.account_id):
            raise SignallingRefused(403, "banned", "this account may not take part")
        return who

    async def _encoder(self, broadcast_id: str, bearer: str) -> Permit:
        found = await self._encoder_tokens.known(bearer, datetime.now(UTC))
        if found is None:
            raise SignallingRefused(401, "bad_token", "this encoder token is unknown, expired or revoked")
        if found.broadcast_id != broadcast_id:
            raise SignallingRefused(403, "forbidden", "this encoder token is for another broadcast")
        return Permit(found.token_id, found.expires_at.timestamp())

    async def _broadcast(self, broadcast_id: str) -> Broadcast:
        broadcast = await self._store.get(broadcast_id) if is_id(broadcast_id, "bc") else None
        if broadcast is None:
            raise SignallingRefused(404, "no_such_broadcast", "there is no such broadcast")
        return broadcast
