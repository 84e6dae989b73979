"""Encoder tokens: opaque secrets for OBS and the like, each for one broadcast, revocable; stored as hashes."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

PREFIX = "wce_"


@dataclass(frozen=True, slots=True)
class IssuedEncoderToken:
    """A new token; `token` is shown once and never again."""

    token_id: str
    token: str
    expires_at: datetime


class EncoderTokens:
    """Issues, checks and revokes."""

    def __init__(self, pool: asyncpg.Pool, ttl_s: int) -> None:
        self._pool = pool
        self._ttl = timedelta(seconds=ttl_s)

    async def issue(self, token_id: str, broadcast_id: str, issued_by: str, now: datetime) -> IssuedEncoderToken:
        """Make a token for this broadcast."""
        token = PREFIX + secrets.token_urlsafe(32)
        await self._pool.execute(
            "INSERT INTO encoder_tokens (token_id, broadcast_id, token_sha256, issued_by, issued_at, expires_at) "
            "VALUES ($1, $2, $3, $4, $5, $6)",
            token_id,
            broadcast_id,
            _digest(token),
            issued_by,
            now,
            now + self._ttl,
            timeout=5,
        )
        return IssuedEncoderToken(token_id, token, now + self._ttl)

    async def revoke(self, token_id: str, broadcast_id: str, now: datetime) -> bool:
        """End a token at once; False when this broadcast has no such token."""
        done: str = await self._pool.execute(
            "UPDATE encoder_tokens SET revoked_at = coalesce(revoked_at, $3) WHERE token_id = $1 AND broadcast_id = $2",
            token_id,
            broadcast_id,
            now,
            timeout=5,
        )
        return done == "UPDATE 1"

    async def broadcast_of(self, token: str, now: datetime) -> tuple[str, str] | None:
        """Return (token_id, broadcast_id) of a token that is good now."""
        row = await self._pool.fetchrow(
            "SELECT token_id, broadcast_id FROM encoder_tokens "
            "WHERE token_sha256 = $1 AND revoked_at IS NULL AND expires_at > $2",
            _digest(token),
            now,
            timeout=5,
        )
        return (row["token_id"], row["broadcast_id"]) if row else None


def _digest(token: str) -> bytes:
    # A plain hash is enough: the token carries 256 random bits, nothing can be guessed from it.
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
