"""Where passwords come in over HTTP: within what a login and an address may try, in places that are shared fairly."""

import time

from aiohttp import web

from server.auth.password_attempts import PasswordAttempts
from server.auth.passwords import Passwords, PasswordsBusy
from server.gateway.addresses import Addresses, AddressLimits
from server.http.errors import ApiError
from server.http.proxies import Networks


class PasswordDoor:
    """One for all routes that take a password."""

    def __init__(
        self, passwords: Passwords, trusted_proxies: Networks = (), attempts: PasswordAttempts | None = None
    ) -> None:
        self._passwords = passwords
        self.attempts = attempts or PasswordAttempts()
        self._addresses = Addresses(AddressLimits(trusted_proxies=trusted_proxies))

    async def matches(self, request: web.Request, login: str, password_hash: str | None, password: str) -> bool:
        """Compare; None (no such account) takes as long. Raises ApiError 429 `too_many_attempts`, 503 `busy`."""
        headers = {name: ", ".join(request.headers.getall(name, [])) for name in ("X-Forwarded-For",)}
        address = self._addresses.key(request.remote or "", headers)
        wait_s = self.attempts.wait_s(login, address, time.monotonic())
        if wait_s > 0:
            raise ApiError(429, "too_many_attempts", "too many wrong passwords", retry_after_s=wait_s)
        try:
            right = await self._passwords.verify(password_hash, password, address)
        except PasswordsBusy as busy:
            raise ApiError(503, "busy", "too many people sign in just now", retry_after_s=busy.retry_after_s) from None
        if right:
            self.attempts.succeeded(login, address)
        else:
            self.attempts.failed(login, address, time.monotonic())
        return right
