"""Session tokens: short-lived HS256 JWTs. Pure: time and secret come in."""

from dataclasses import dataclass

import jwt

from server.auth.principal import ROLES, Principal

_AUDIENCE = "wealthcast"
_ALGORITHM = "HS256"


class TokenError(Exception):
    """The token is not accepted; `code` is `token_expired` or `bad_token`."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Tokens:
    """Issues and verifies with one secret of at least 32 characters."""

    secret: str
    ttl_s: int

    def issue(
        self, account_id: str, role: str, nickname: str, *, now_s: int, broadcast_id: str | None = None,
        signed_in_at_s: int | None = None,
    ) -> tuple[str, int]:  # fmt: skip
        """Return the token and the epoch second at which it ends; `signed_in_at_s` None is now."""
        expires_at_s = now_s + self.ttl_s
        claims = {"sub": account_id, "role": role, "name": nickname, "iat": now_s, "exp": expires_at_s}
        if signed_in_at_s is not None:
            claims["auth_time"] = signed_in_at_s
        if broadcast_id is not None:
            claims["broadcast"] = broadcast_id
        return jwt.encode({**claims, "aud": _AUDIENCE}, self.secret, _ALGORITHM), expires_at_s

    def verify(self, token: str, *, now_s: float) -> Principal:
        """Return whom the token names; raises TokenError. The clock is the caller's, not the library's."""
        try:
            claims = jwt.decode(
                token,
                self.secret,
                algorithms=[_ALGORITHM],
                audience=_AUDIENCE,
                options={"require": ["sub", "role", "exp"], "verify_exp": False, "verify_iat": False},
            )
            principal = Principal(
                account_id=claims["sub"],
                role=claims["role"],
                nickname=str(claims.get("name", "")),
                expires_at_s=int(claims["exp"]),
                broadcast_id=claims.get("broadcast"),
                signed_in_at_s=int(claims.get("auth_time", claims.get("iat", 0))),
            )
        except (jwt.PyJWTError, ValueError, TypeError, UnicodeError):
            raise TokenError("bad_token") from None
        if principal.role not in ROLES:
            raise TokenError("bad_token")
        if principal.expires_at_s <= now_s:
            raise TokenError("token_expired")
        return principal
