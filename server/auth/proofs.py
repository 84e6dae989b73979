"""Proofs that a person has just typed their password: short-lived HS256 JWTs of their own audience. Pure."""

from datetime import UTC, datetime

import jwt

_AUDIENCE = "wealthcast.identity"
_ALGORITHM = "HS256"
_KEPT_S = 3_600  # how young a proof must be is the sale's rule; older than this none is read


class Proofs:
    """Issues and reads with the sessions' secret; another audience keeps the two apart."""

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def issue(self, account_id: str, *, now_s: int) -> str:
        """Return a proof that this person was there now."""
        claims = {"sub": account_id, "iat": now_s, "exp": now_s + _KEPT_S, "aud": _AUDIENCE}
        return jwt.encode(claims, self._secret, _ALGORITHM)

    def read(self, proof: str, account_id: str, *, now_s: float) -> datetime | None:
        """Return when this person proved it; None for a forged, old, or another person's proof."""
        try:
            claims = jwt.decode(
                proof,
                self._secret,
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                options={"require": ["sub", "iat", "exp"], "verify_exp": False, "verify_iat": False},
            )
            issued_s, ends_s = int(claims["iat"]), int(claims["exp"])
        except (jwt.PyJWTError, ValueError, TypeError, UnicodeError):
            return None
        if claims["sub"] != account_id or not issued_s <= now_s < ends_s:
            return None
        return datetime.fromtimestamp(issued_s, UTC)
