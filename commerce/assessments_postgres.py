"""Risk assessments in Postgres. Does I/O inside the caller's transaction."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import msgspec
from asyncpg.pool import PoolConnectionProxy

from commerce.envelopes import Envelopes


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """What a questionnaire came to; levels are 1–5, `confirmed_at` is None until the customer agrees."""

    assessment_id: str
    customer_id: str
    business_date: date
    questionnaire_version: str
    points: int
    risk_tolerance: int
    previous_tolerance: int | None
    assessed_at: datetime
    confirmed_at: datetime | None


class AssessmentStore:
    """Adds and reads; the caller holds the customer's row, so that one customer's assessments take turns."""

    def __init__(self, connection: PoolConnectionProxy, envelopes: Envelopes) -> None:
        self._connection = connection
        self._envelopes = envelopes

    async def add(self, taken: Assessment, answers: Mapping[str, str]) -> None:
        """Keep the answers, sealed, and what they came to."""
        await self._connection.execute(
            "INSERT INTO assessments (assessment_id, customer_id, business_date, questionnaire_version, answers,"
            " sealed_answers, points, risk_tolerance, previous_tolerance, assessed_at, confirmed_at)"
            " VALUES ($1, $2, $3, $4, '{}', $5, $6, $7, $8, $9, $10)",
            taken.assessment_id, taken.customer_id, taken.business_date, taken.questionnaire_version,
            seal_answers(self._envelopes, taken.assessment_id, msgspec.json.encode(answers)), taken.points,
            taken.risk_tolerance, taken.previous_tolerance, taken.assessed_at, taken.confirmed_at,
        )  # fmt: skip

    async def dates(self, customer_id: str, after: date) -> list[date]:
        """List the business dates of a customer's assessments after this one; there are a few a year at most."""
        rows = await self._connection.fetch(
            "SELECT business_date FROM assessments WHERE customer_id = $1 AND business_date > $2", customer_id, after
        )
        return [row["business_date"] for row in rows]

    async def latest(self, customer_id: str) -> Assessment | None:
        """Read the customer's last one; an earlier one cannot be confirmed any more."""
        row = await self._connection.fetchrow(
            "SELECT * FROM assessments WHERE customer_id = $1 ORDER BY assessed_at DESC, assessment_id DESC LIMIT 1",
            customer_id,
        )
        return None if row is None else _assessment(row)

    async def found_at(self, customer_id: str, assessed_at: datetime, risk_tolerance: int) -> Assessment | None:
        """Read the assessment that found this level then; None where the level was the bank's own."""
        row = await self._connection.fetchrow(
            "SELECT * FROM assessments WHERE customer_id = $1 AND assessed_at = $2"
            " AND risk_tolerance = $3 ORDER BY assessment_id DESC LIMIT 1",
            customer_id, assessed_at, risk_tolerance,
        )  # fmt: skip
        return None if row is None else _assessment(row)

    async def confirm(self, assessment_id: str, at: datetime) -> None:
        await self._connection.execute(
            "UPDATE assessments SET confirmed_at = $2 WHERE assessment_id = $1", assessment_id, at
        )

    async def apply(self, taken: Assessment, at: datetime) -> None:
        """Make it the level that the customer buys by, and that counts from the day of the questionnaire."""
        await self._connection.execute(
            "UPDATE customers SET risk_tolerance = $2, assessed_at = $3, questionnaire_version = $4, updated_at = $5"
            " WHERE customer_id = $1",
            taken.customer_id, taken.risk_tolerance, taken.assessed_at, taken.questionnaire_version, at,
        )  # fmt: skip


def seal_answers(envelopes: Envelopes, assessment_id: str, answers: bytes) -> bytes:
    """Make the value of `assessments.sealed_answers` from answers as JSON."""
    return envelopes.seal(answers, f"assessments.sealed_answers {assessment_id}")


def _assessment(row: Any) -> Assessment:
    return Assessment(**{name: row[name] for name in Assessment.__struct_fields__})
