"""Encoder tokens: opaque secrets for OBS and the like, each for one broadcast, revocable; stored as hashes."""

import hashlib
import secrets
from collections.abc import Collection
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


@dataclass(frozen=True, slots=True)
class EncoderToken:
    """A token that is good, without the secret."""

    token_id: str
    broadcast_id: str
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

    async def known(self, token: str, now: datetime) -> EncoderToken | None:
        """Return what is known of a token that is good now."""
        row = await self._pool.fetchrow(
            "SELECT token_id, broadcast_id, expires_at FROM encoder_tokens "
            "WHERE token_sha256 = $1 AND revoked_at IS NULL AND expires_at > $2",
            _digest(token),
            now,
            timeout=5,
        )
        return EncoderToken(*row) if row else None

    async def in_force(self, token_ids: Collection[str], now: datetime) -> frozenset[str]:
        """Return those of these tokens that are good now: one statement for all."""
        rows = await self._pool.fetch(
            "SELECT token_id FROM encoder_tokens WHERE token_id = ANY($1) AND revoked_at IS NULL AND expires_at > $2",
            list(token_ids),
            now,
            timeout=5,
        )
        return frozenset(row["token_id"] for row in rows)


def _digest(token: str) -> bytes:
    # A plain hash is enough: the token carries 256 random bits, nothing can be guessed from it.
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
