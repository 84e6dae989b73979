"""Units of work: one Postgres transaction each, all of it or nothing. Does I/O.

Row locks are always taken in this order, which rules out deadlocks between use-cases:
idempotency key → order → customer → product → stage (advisory) → showings → point grants → ledger accounts → position
→ quota.
The quota row comes last because every buyer of a product meets there. A group of reservations (`groups_postgres`)
takes many customers at once, but only those that are free: it never waits for a customer or a key.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cached_property

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from commerce.assessments_postgres import AssessmentStore
from commerce.catalogue_postgres import Catalogue
from commerce.confirmations_postgres import Confirmations
from commerce.core_again_postgres import CoreAgain
from commerce.customers_postgres import Customers
from commerce.envelopes import Envelopes
from commerce.errors import Invalid, Unavailable
from commerce.evidence_postgres import EvidenceStore
from commerce.funnel_postgres import FunnelSteps
from commerce.groups_postgres import Groups
from commerce.holds_postgres import Holds
from commerce.keys_postgres import Keys
from commerce.ledger_postgres import Ledger
from commerce.orders_postgres import Orders
from commerce.outbox_postgres import Outbox
from commerce.points_postgres import Points
from commerce.ports import Trace, untraced
from commerce.quota_postgres import Quotas
from commerce.settings import CommerceSettings
from commerce.stage_postgres import Showings

# What a client may simply try again: the key tells whether the first attempt counted.
_TRANSIENT = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)


class Unit:
    """The stores of one transaction; it ends with the `begin` block that made it."""

    def __init__(self, connection: PoolConnectionProxy, envelopes: Envelopes, trace: Trace) -> None:
        self._connection = connection
        self._trace = trace
        self.envelopes = envelopes

    @cached_property
    def catalogue(self) -> Catalogue:
        return Catalogue(self._connection)

    @cached_property
    def showings(self) -> Showings:
        return Showings(self._connection)

    @cached_property
    def customers(self) -> Customers:
        return Customers(self._connection, self.envelopes)

    @cached_property
    def core_again(self) -> CoreAgain:
        return CoreAgain(self._connection)

    @cached_property
    def confirmations(self) -> Confirmations:
        return Confirmations(self._connection)

    @cached_property
    def assessments(self) -> AssessmentStore:
        return AssessmentStore(self._connection, self.envelopes)

    @cached_property
    def orders(self) -> Orders:
        return Orders(self._connection)

    @cached_property
    def groups(self) -> Groups:
        return Groups(self._connection, self.envelopes)

    @cached_property
    def quotas(self) -> Quotas:
        return Quotas(self._connection)

    @cached_property
    def keys(self) -> Keys:
        return Keys(self._connection)

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self._connection)

    @cached_property
    def holds(self) -> Holds:
        return Holds(self._connection)

    @cached_property
    def points(self) -> Points:
        return Points(self._connection)

    @cached_property
    def evidence(self) -> EvidenceStore:
        return EvidenceStore(self._connection)

    @cached_property
    def funnel(self) -> FunnelSteps:
        return FunnelSteps(self._connection)

    @cached_property
    def outbox(self) -> Outbox:
        return Outbox(self._connection, self._trace)


class Units:
    """Opens units of work on a pool that belongs to the caller."""

    def __init__(
        self, pool: asyncpg.Pool, settings: CommerceSettings, envelopes: Envelopes, trace: Trace = untraced
    ) -> None:
        self.trace = trace
        self._pool = pool
        self.envelopes = envelopes
        self._settings = settings
        self._on_facts: list[Callable[[], None]] = []

    def after_facts(self, wake: Callable[[], None]) -> None:
        """Have this called, once a unit, after a commit that wrote facts; it must not block or raise."""
        self._on_facts.append(wake)

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[Unit]:
        """Run the block in one transaction (READ COMMITTED): committed when it ends, undone when it raises.

        Raises Unavailable `busy` when the database does not answer in time or the connection is lost. Whether a
        commit that was cut off counted is unknown then: repeat with the same idempotency key.
        """
        async with self._connected() as connection, connection.transaction():
            unit = Unit(connection, self.envelopes, self.trace)
            yield unit
        if unit.outbox.written:
            for wake in self._on_facts:
                wake()

    @asynccontextmanager
    async def glance(self) -> AsyncIterator[Unit]:
        """Run the block without a transaction: for one statement that reads. Raises as `begin` does."""
        async with self._connected() as connection:
            yield Unit(connection, self.envelopes, self.trace)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[PoolConnectionProxy]:
        """A connection for a limited time; what the database cannot do now becomes Unavailable `busy`."""
        try:
            async with (
                asyncio.timeout(self._settings.operation_timeout_s),
                self._pool.acquire(timeout=self._settings.acquire_timeout_s) as connection,
            ):
                yield connection
        except (asyncpg.CharacterNotInRepertoireError, asyncpg.UntranslatableCharacterError):
            raise Invalid("bad_text", "a text holds a character that cannot be stored") from None
        except _TRANSIENT as error:
            raise Unavailable("busy", "the database does not answer now: try again", retry_after_s=1) from error
