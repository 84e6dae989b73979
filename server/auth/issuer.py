"""Tokens of the bank's own issuer: which are accepted, and what their claims say of a customer. Pure.

Algorithms are pinned by the kind of key, never taken from the token: RS256 for RSA keys of 2048 bits or more, ES256 for
P-256, EdDSA for Ed25519 (RFC 8725 §3.1). A token names its key by `kid`.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from commerce.errors import Refusal
from commerce.money import Money, money
from server.auth.tokens import TokenError

ALGORITHMS = frozenset({"RS256", "ES256", "EdDSA"})
_MOST_KEYS = 64
_MOST_CHARS = 200
_LONGEST_S = 31 * 86_400  # a token that lives longer is a mistake
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


@dataclass(frozen=True, slots=True)
class ClaimNames:
    """Under which claim the issuer says what."""

    customer_id: str = "sub"
    real_name_verified: str = "real_name_verified"
    name: str = "name"
    nickname: str = "nickname"
    birth_date: str = "birthdate"  # OpenID Connect Core §5.1: YYYY-MM-DD
    branch: str = "branch"
    relationship_manager_id: str = "relationship_manager_id"
    declared_means: str = "declared_means"  # {"amount_minor": 50000000, "currency": "CNY"}


@dataclass(frozen=True, slots=True)
class IssuerRules:
    """Whose tokens are accepted: `iss` and `aud` to the letter, clocks up to `leeway_s` apart."""

    issuer: str
    audience: str
    leeway_s: int = 60
    claims: ClaimNames = field(default_factory=ClaimNames)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key, and the one algorithm that it is used with."""

    algorithm: str
    key: Any


@dataclass(frozen=True, slots=True)
class BankCustomer:
    """What a good token says; `authenticated_at_s` is when they last proved who they are (`auth_time`)."""

    account_id: str
    subject: str
    expires_at_s: int
    authenticated_at_s: int | None
    verified: bool
    name: str
    nickname: str
    birth_date: date | None
    branch: str | None
    relationship_manager_id: str | None
    declared_means: Money | None


class BadKeySet(ValueError):
    """The issuer's answer is no set of keys; the text never holds what it said."""


def parse_keys(body: bytes) -> dict[str, SigningKey]:
    """Read a JWK set (RFC 7517): the keys that can sign, by `kid`; others are passed over. Raises BadKeySet."""
    try:
        given = msgspec.json.decode(body)["keys"]
        candidates = [one for one in given if isinstance(one, dict)][: _MOST_KEYS + 1]
    except (msgspec.DecodeError, KeyError, TypeError):
        raise BadKeySet("not a JWK set") from None
    if len(candidates) > _MOST_KEYS:
        raise BadKeySet(f"more than {_MOST_KEYS} keys")
    found = {}
    for one in candidates:
        kid, key = one.get("kid"), _signing_key(one)
        if isinstance(kid, str) and key is not None:
            found[kid] = key
    if not found:
        raise BadKeySet("no key that could have signed a token")
    return found


def _signing_key(jwk: Mapping[str, Any]) -> SigningKey | None:
    if jwk.get("use", "sig") != "sig" or jwk.get("kty") not in ("RSA", "EC", "OKP"):
        return None
    try:
        key = jwt.PyJWK({name: value for name, value in jwk.items() if name not in ("d", "alg")}).key
    except (jwt.PyJWTError, ValueError, TypeError, KeyError):
        return None
    match key:
        case RSAPublicKey() if key.key_size >= 2_048:
            algorithm = "RS256"
        case EllipticCurvePublicKey() if isinstance(key.curve, SECP256R1):
            algorithm = "ES256"
        case Ed25519PublicKey():
            algorithm = "EdDSA"
        case _:
            return None
    return SigningKey(algorithm, key) if jwk.get("alg", algorithm) == algorithm else None


def key_id(token: str) -> str | None:
    """Return the `kid` of a token that an issuer may have signed, None for one of ours; raises TokenError."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError, UnicodeError):
        raise TokenError("bad_token") from None
    if header.get("alg") not in ALGORITHMS:
        return None
    kid = header.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= _MOST_CHARS:
        raise TokenError("bad_token")
    return kid


def read_token(token: str, key: SigningKey, rules: IssuerRules, now_s: float) -> BankCustomer:
    """Verify signature, issuer, audience and times; return the customer. Raises TokenError."""
    try:
        claims = jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],
            audience=rules.audience,
            issuer=rules.issuer,
            options={
                "require": ["exp", "iss", "aud"], "verify_exp": False, "verify_iat": False, "verify_nbf": False,
                "verify_sub": False,
            },
        )  # fmt: skip
        expires_at_s, not_before_s = int(claims["exp"]), int(claims.get("nbf", claims.get("iat", 0)))
        if expires_at_s > now_s + _LONGEST_S:
            raise ValueError("ends too late")
        customer = _customer(claims, rules, expires_at_s, now_s)
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, OverflowError, UnicodeError):
        raise TokenError("bad_token") from None
    if not_before_s > now_s + rules.leeway_s:
        raise TokenError("bad_token")
    if expires_at_s + rules.leeway_s <= now_s:
        raise TokenError("token_expired")
    return customer


def _customer(claims: Mapping[str, Any], rules: IssuerRules, expires_at_s: int, now_s: float) -> BankCustomer:
    names = rules.claims
    subject = _text(claims[names.customer_id])
    if subject is None:
        raise ValueError("nobody is named")
    account_id = account_of(rules.issuer, subject)
    birth_date = _text(claims.get(names.birth_date))
    name = _text(claims.get(names.name)) or ""
    born = None if birth_date is None else date.fromisoformat(birth_date)
    auth_time = claims.get("auth_time")
    proved = type(auth_time) is int and 0 < auth_time <= now_s + rules.leeway_s
    return BankCustomer(
        account_id=account_id,
        subject=subject,
        expires_at_s=expires_at_s + rules.leeway_s,
        authenticated_at_s=auth_time if proved else None,
        verified=claims.get(names.real_name_verified) is True and born is not None and name != "",
        name=name,
        nickname=_text(claims.get(names.nickname)) or f"客户{account_id[-4:]}",
        birth_date=born,
        branch=_text(claims.get(names.branch)),
        relationship_manager_id=_text(claims.get(names.relationship_manager_id)),
        declared_means=_means(claims.get(names.declared_means)),
    )


def account_of(issuer: str, subject: str) -> str:
    """Return the account of an issuer's customer: the same for good, and telling nothing of their number."""
    digest = int.from_bytes(hashlib.sha256(f"{issuer}\n{subject}".encode()).digest()[:16])
    return "ac_b" + "".join(_ALPHABET[digest >> shift & 31] for shift in range(125, -5, -5))


def masked(name: str) -> str:
    """Return a name of which only the first character is readable."""
    return name[:1] + "*" * min(2, max(1, len(name) - 1))


def _means(value: Any) -> Money | None:
    """Return a claim's amount; what is none is a ValueError, absence is None."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise ValueError("not an amount")
    try:
        return money(value.get("amount_minor"), value.get("currency"))
    except Refusal:
        raise ValueError("not an amount") from None


def _text(value: Any) -> str | None:
    """Return a claim's text; what is no text, too long or cannot be stored is a ValueError, absence is None."""
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > _MOST_CHARS or "\x00" in value:
        raise ValueError("not a text")
    return value
