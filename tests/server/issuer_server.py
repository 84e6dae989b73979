"""A bank's own issuer on the loopback interface: it signs tokens, publishes keys, and misbehaves on request."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

ISSUER = "https://login.bank.example"
AUDIENCE = "wealthcast-live"
_MAKE = {
    "RS256": lambda: rsa.generate_private_key(public_exponent=65_537, key_size=2_048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}
_WANG = {
    "sub": "62001234", "real_name_verified": True, "name": "王小梅", "birthdate": "1990-05-01", "branch": "静安支行",
    "relationship_manager_id": "RM01",
}  # fmt: skip


class Issuer:
    """Keys by name; `published` says which it shows."""

    def __init__(self) -> None:
        self.keys: dict[str, tuple[str, Any]] = {}
        self.published: list[str] = []
        self.asked = 0
        self.delay_s = 0.0
        self.nonsense: tuple[int, bytes] | None = None
        self.url = ""

    def rotate(self, kid: str, algorithm: str = "ES256") -> None:
        """Make a new key and publish it alone."""
        self.keys[kid] = (algorithm, _MAKE[algorithm]())
        self.published = [kid]

    def token(self, kid: str, *, lives_s: float = 600, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """Sign a token of a customer; a claim given as None is left out."""
        algorithm, key = self.keys[kid]
        now = int(time.time())
        said = {**_WANG, "iss": ISSUER, "aud": AUDIENCE, "iat": now, "exp": int(now + lives_s), **claims}
        said = {name: value for name, value in said.items() if value is not None}
        return jwt.encode(said, key, algorithm, headers={"kid": kid, **(headers or {})})

    def jwks(self) -> dict[str, Any]:
        """The set as it is published."""
        return {"keys": [self._jwk(kid) for kid in self.published]}

    def _jwk(self, kid: str) -> dict[str, Any]:
        algorithm, key = self.keys[kid]
        jwk: dict[str, Any] = json.loads(jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key()))
        return {**jwk, "kid": kid, "use": "sig", "alg": algorithm}

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        await asyncio.sleep(self.delay_s)
        if self.nonsense is not None:
            status, body = self.nonsense
            return web.Response(status=status, body=body)
        return web.json_response(self.jwks())


@asynccontextmanager
async def issuer_server() -> AsyncIterator[Issuer]:
    """Serve an issuer with one published key, `k1`."""
    issuer = Issuer()
    issuer.rotate("k1")
    application = web.Application()
    application.router.add_get("/jwks.json", issuer.answer)
    async with TestServer(application) as server:
        issuer.url = str(server.make_url("/jwks.json"))
        yield issuer
