"""Argon2 password hashing on threads of its own, so that a burst of log-ins never stops the loop."""

import asyncio
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError


class PasswordsBusy(Exception):
    """More log-ins wait than the queue holds; come back in `retry_after_s` seconds."""

    def __init__(self, retry_after_s: float) -> None:
        super().__init__(f"busy for about {retry_after_s:.0f} s")
        self.retry_after_s = retry_after_s


class Passwords:
    """Hashes and verifies; at most `queue` calls wait or run at a time, further ones raise PasswordsBusy.

    One client may hold as many places as are left free: alone half of them, and however many clients take all they
    can get, one more finds a place. (Choudhury and Hahne's dynamic thresholds, 1998.)
    """

    def __init__(self, *, threads: int = 2, queue: int = 64, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._queue = queue
        self.waiting = 0
        """Calls that wait or run now."""
        self._held: Counter[str] = Counter()
        self.refused = 0
        self._decoy = self._hasher.hash("no such account")

    def hash(self, password: str) -> str:
        """Hash now, on this thread: for seeding and tools, not for requests."""
        return self._hasher.hash(password)

    async def verify(self, password_hash: str | None, password: str, client: str | None = None) -> bool:
        """Compare; None (no such account) costs the same time, so that logins cannot be guessed by the clock.

        `client`: who the place is counted to, None nobody.
        """
        free = self._queue - self.waiting
        if free <= 0 or (client is not None and self._held[client] >= free):
            self.refused += 1
            raise PasswordsBusy(retry_after_s=1 + self.waiting / 20)
        self.waiting += 1
        if client is not None:
            self._held[client] += 1
        try:
            loop = asyncio.get_running_loop()
            matches = await loop.run_in_executor(self._pool, self._matches, password_hash or self._decoy, password)
        finally:
            self.waiting -= 1
            if client is not None:
                self._held[client] -= 1
                if not self._held[client]:
                    del self._held[client]
        return matches and password_hash is not None

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerifyMismatchError, VerificationError, InvalidHashError):
            return False

    def close(self) -> None:
        """Let running hashes end; waiting ones are given up."""
        self._pool.shutdown(wait=False, cancel_futures=True)
