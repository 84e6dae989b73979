"""The relay: hands committed facts to their reader in order, at least once. Its `run` belongs to a TaskGroup."""

import asyncio
import logging
from contextlib import suppress

import asyncpg

from commerce.outbox_postgres import OutboxReader
from commerce.ports import FactReader, FactUnreadable

_log = logging.getLogger(__name__)


class OutboxRelay:
    """Polls the outbox, at once after `wake`, else every `poll_s`.

    Polling rather than LISTEN/NOTIFY: a NOTIFY takes one lock of the whole server at commit and would queue all
    orders behind each other. A fact that its reader does not take is tried again, after a growing delay up to 5 s,
    and holds back those behind it: their order is promised. One that can never be read is set aside in the table,
    and does not hold back the facts of all other shows.
    """

    def __init__(
        self, reader: OutboxReader, read: FactReader, *, poll_s: float = 0.1, batch: int = 200,
        read_timeout_s: float = 5.0,
    ) -> None:  # fmt: skip
        self._reader = reader
        self._read = read
        self._poll_s = poll_s
        self._batch = batch
        self._read_timeout_s = read_timeout_s
        self._woken = asyncio.Event()
        self.handed = 0
        """Facts that their reader took."""
        self.failures = 0
        """Times that a fact was not taken, or the outbox could not be read."""

    def wake(self) -> None:
        """Say that something was committed just now; costs nothing and may be called any number of times."""
        self._woken.set()

    async def run(self) -> None:
        """Relay until cancelled."""
        failures = 0
        while True:
            self._woken.clear()
            try:
                handed = await self.relay_once()
                self.handed += handed
                failures = 0
            except (
                asyncpg.PostgresError,
                asyncpg.InterfaceError,
                asyncpg.InternalClientError,
                OSError,
                TimeoutError,
                FactNotTaken,
            ) as error:
                failures += 1
                self.failures += 1
                _log.warning("outbox relay waits: %s: %s", type(error).__name__, error)
                await asyncio.sleep(min(5.0, 0.1 * 2 ** min(failures, 6)))
                continue
            if handed < self._batch:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_s):
                        await self._woken.wait()

    async def relay_once(self) -> int:
        """Hand out what is committed, about one batch, and return how many; raises FactNotTaken after a refusal."""
        refused: FactNotTaken | None = None
        async with self._reader.batch(self._batch) as batch:
            for fact in batch.facts:
                try:
                    # Not wait_for: before Python 3.12 it loses a cancellation that meets a finished wait.
                    async with asyncio.timeout(self._read_timeout_s):
                        await self._read(fact)
                except FactUnreadable as error:
                    batch.leave(fact.fact_id, fact.kind, str(error))
                    continue
                except Exception as error:  # the reader is a boundary: whatever it raises means "not taken"
                    refused = FactNotTaken(f"fact {fact.name} ({fact.kind}): {type(error).__name__}: {error}")
                    break
                batch.take(fact)
        for one in batch.set_aside.values():
            fields = {"fact_id": one.fact_id, "kind": one.kind}
            _log.error("a fact that no room can read was set aside: %s", one.because, extra=fields)
        if refused is not None:
            raise refused
        return batch.taken


class FactNotTaken(Exception):
    """The reader did not take a fact; it is tried again."""
