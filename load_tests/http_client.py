"""A person at the HTTP door: signs in, keeps a fresh token, asks, and reads refusals. I/O: HTTP only."""

import asyncio
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import aiohttp
import msgspec

from load_tests.backoff import Backoff

TIMEOUT: Final = aiohttp.ClientTimeout(total=10)
_REFRESH_AT_SHARE: Final = 0.7
_SIGN_IN_TRIES: Final = 8
_SIGN_INS_AT_ONCE: Final = 2  # password hashing is slow on purpose, and the server bounds its queue


class ApiError(Exception):
    """The server's refusal: HTTP status, stable `code`, and how long it asks us to wait, if it does."""

    def __init__(self, status: int, code: str, detail: str, retry_after_s: float | None) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.retry_after_s = retry_after_s


class Unreachable(Exception):
    """The server cannot be reached, or did not answer in time."""


@dataclass(frozen=True)
class SignIn:
    """A login and its password."""

    login: str
    password: str


class Door:
    """One server's HTTP door, shared by many people; `base_url` without a trailing slash."""

    def __init__(self, base_url: str, session: aiohttp.ClientSession) -> None:
        self._base_url = base_url
        self._session = session
        self._signing_in = asyncio.Semaphore(_SIGN_INS_AT_ONCE)

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        json: object = None,
        data: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[bytes, Mapping[str, str]]:
        """Return body and headers of a 2xx answer; raises ApiError and Unreachable, within 10 s."""
        sent = dict(headers or {})
        body: bytes | str | None = data
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        if json is not None:
            sent["Content-Type"] = "application/json"
            body = msgspec.json.encode(json)
        url = self._base_url + path
        try:
            async with self._session.request(method, url, data=body, headers=sent, timeout=TIMEOUT) as answer:
                content = await answer.read()
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unreachable(f"{method} {path}: {error or type(error).__name__}") from error
        if not 200 <= answer.status < 300:
            raise _refusal(answer.status, content, answer.headers)
        return content, answer.headers

    async def sign_in(self, who: SignIn) -> dict[str, Any]:
        """Open a session; waits as `Retry-After` asks while the server says it is busy."""
        backoff = Backoff(first_s=0.5, most_s=10)
        async with self._signing_in:
            for attempt in range(_SIGN_IN_TRIES):
                try:
                    asked = {"login": who.login, "password": who.password}
                    content, _ = await self.call("POST", "/api/v1/sessions", json=asked)
                    return _object(content)
                except ApiError as error:
                    if error.status != 503 or attempt == _SIGN_IN_TRIES - 1:
                        raise
                    await asyncio.sleep(error.retry_after_s or backoff.next_s())
        raise AssertionError("unreachable")


class Person:
    """One account: signs in when first needed, refreshes its token in time, calls in its own name."""

    def __init__(self, door: Door, who: SignIn, *, token: str = "") -> None:
        """With a `token` that is good for the whole of its use nobody signs in."""
        self._door = door
        self._who = who
        self._lock = asyncio.Lock()
        self._token = token
        self._fresh_until = math.inf if token else 0.0

    @property
    def login(self) -> str:
        """The login this person signs in with."""
        return self._who.login

    async def token(self) -> str:
        """Return a token that is good for a while yet; raises ApiError and Unreachable."""
        async with self._lock:
            if time.time() >= self._fresh_until:
                await self._renew()
            return self._token

    def forget_token(self) -> None:
        """Sign in anew next time: the server no longer takes the token."""
        self._token, self._fresh_until = "", 0.0

    async def prove(self) -> str:
        """Give the password once more for a proof of identity; raises ApiError and Unreachable."""
        answer = await self.call("POST", "/api/v1/identity-proofs", {"password": self._who.password})
        return str(answer["identity_proof"])

    async def call(
        self, method: str, path: str, json: object = None, *, idempotency_key: str | None = None
    ) -> dict[str, Any]:
        """Return the JSON object of a 2xx answer, {} if it has none; raises ApiError and Unreachable."""
        headers = {} if idempotency_key is None else {"Idempotency-Key": idempotency_key}
        content, _ = await self.send(method, path, json=json, headers=headers)
        return _object(content) if content[:1] == b"{" else {}

    async def send(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        data: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> tuple[bytes, Mapping[str, str]]:
        """Return body and headers of a 2xx answer; signs in once more if the token was refused."""
        token = await self.token()
        try:
            return await self._door.call(method, path, token=token, json=json, data=data, headers=headers)
        except ApiError as error:
            if error.status != 401:
                raise
        self.forget_token()
        token = await self.token()
        return await self._door.call(method, path, token=token, json=json, data=data, headers=headers)

    async def _renew(self) -> None:
        answer = await self._refreshed() if self._token else await self._door.sign_in(self._who)
        self._token = str(answer["token"])
        now = time.time()
        expires_at = datetime.fromisoformat(str(answer["expires_at"])).timestamp()
        self._fresh_until = now + (expires_at - now) * _REFRESH_AT_SHARE

    async def _refreshed(self) -> dict[str, Any]:
        try:
            content, _ = await self._door.call("POST", "/api/v1/sessions/refresh", token=self._token)
            return _object(content)
        except ApiError:
            return await self._door.sign_in(self._who)


def _object(content: bytes) -> dict[str, Any]:
    return msgspec.json.decode(content, type=dict[str, Any])


def _refusal(status: int, content: bytes, headers: Mapping[str, str]) -> ApiError:
    """Read a problem document (RFC 9457); anything else in its place gets the code `http_<status>`."""
    try:
        problem = _object(content)
    except msgspec.DecodeError:
        problem = {}
    waits = headers.get("Retry-After", "")
    return ApiError(
        status,
        str(problem.get("code", f"http_{status}")),
        str(problem.get("detail", "")),
        float(waits) if waits.isdecimal() else None,
    )
