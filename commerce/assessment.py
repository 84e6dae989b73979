"""Use-cases of suitability: read the questions, answer them, see the level, confirm a changed one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import msgspec
from msgspec.structs import replace

from commerce.assessments_postgres import Assessment
from commerce.customers_postgres import no_such_customer
from commerce.dates import months_later
from commerce.dependencies import Dependencies
from commerce.errors import Conflict, NotFound, Refusal
from commerce.idempotency import Claim, body_hash
from commerce.once import once
from commerce.questionnaire import (
    AskedOption,
    AskedQuestion,
    AskedQuestionnaire,
    Questionnaire,
    assessments_left,
    binds_at_once,
    limit_conflict,
    needs_confirmation,
    require_version,
    score,
)
from commerce.suitability import Customer, assessed_until, business_date, is_adult
from commerce.uow_postgres import Unit


class AssessmentView(msgspec.Struct, frozen=True, kw_only=True):
    """An assessment as its customer reads it.

    `in_force`: it is the level to buy by, as a lower one is at once and a higher one once it is `confirmed`.
    """

    assessment_id: str
    risk_tolerance: str
    previous_tolerance: str | None
    questionnaire_version: str
    assessed_at: datetime
    assessed_until: datetime
    in_force: bool
    confirmed: bool = False


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """Where a customer stands: the level in force, one that they have yet to agree to, and how many tries are left."""

    risk_tolerance: str | None
    assessed_until: datetime | None
    expired: bool
    unconfirmed: AssessmentView | None
    left_today: int
    left_in_year: int


@dataclass(frozen=True, slots=True)
class _Calendar:
    today: date
    taken: list[date]


class Assessments:
    """Each command is one transaction under the customer's row."""

    def __init__(self, given: Dependencies, questionnaire: Questionnaire) -> None:
        self._given = given
        self._questionnaire = questionnaire

    def questions(self) -> AskedQuestionnaire:
        """The questionnaire as a customer sees it."""
        asked = self._questionnaire
        questions = [
            AskedQuestion(q.id, q.text, [AskedOption(o.id, o.text) for o in q.options]) for q in asked.questions
        ]
        return AskedQuestionnaire(asked.version, asked.title, questions)

    async def take(self, customer_id: str, version: str, answers: Mapping[str, str], key: str) -> AssessmentView:
        """Hand answers in; the level holds at once, or, where it is a higher one, once it is confirmed.

        Raises NotFound `no_such_customer`, Refusal `minor`, Conflict `questionnaire_stale` or `assessment_limit`,
        Invalid `bad_answers`.
        """
        settings = self._given.settings
        # A million possible answers are soon tried against a plain hash, and what is answered is sealed.
        body = self._given.units.envelopes.fingerprint(body_hash(version, sorted(answers.items())))
        claim = Claim(customer_id, "assess", key, body, self._given.now(), settings.duplicate_wait_s)
        return await once(
            self._given.units, claim, AssessmentView, lambda unit: self._take(unit, customer_id, version, answers)
        )

    async def _take(self, unit: Unit, customer_id: str, version: str, answers: Mapping[str, str]) -> AssessmentView:
        now, rules = self._given.now(), self._given.settings.suitability
        customer = await _locked(unit, customer_id)
        if not is_adult(customer, now, rules):
            raise Refusal("minor", "only adults may buy")
        require_version(self._questionnaire, version)
        found = score(self._questionnaire, answers)
        calendar = await self._calendar(unit, customer_id, now)
        if conflict := limit_conflict(calendar.taken, calendar.today, self._given.settings.assessments):
            raise conflict
        open_question = needs_confirmation(customer.risk_tolerance, found.level)
        taken = Assessment(
            assessment_id=self._given.new_id("as"),
            customer_id=customer_id,
            business_date=calendar.today,
            questionnaire_version=version,
            points=found.points,
            risk_tolerance=found.level,
            previous_tolerance=customer.risk_tolerance,
            assessed_at=now,
            confirmed_at=None if open_question else now,
        )
        await unit.assessments.add(taken, answers)
        if binds_at_once(taken.previous_tolerance, taken.risk_tolerance):
            await unit.assessments.apply(taken, now)
        return self._view(taken)

    async def confirm(self, customer_id: str, assessment_id: str) -> AssessmentView:
        """Agree to a changed level; repeating it is harmless. Raises Conflict `assessment_superseded`, NotFound."""
        now = self._given.now()
        async with self._given.units.begin() as unit:
            await _locked(unit, customer_id)
            latest = await unit.assessments.latest(customer_id)
            if latest is None or assessment_id > latest.assessment_id:
                raise NotFound("no_such_assessment", "there is no such assessment")
            if latest.assessment_id != assessment_id:
                raise Conflict("assessment_superseded", "there is a newer assessment: confirm that one")
            if latest.confirmed_at is None:
                latest = replace(latest, confirmed_at=now)
                await unit.assessments.confirm(assessment_id, now)
                if not binds_at_once(latest.previous_tolerance, latest.risk_tolerance):
                    await unit.assessments.apply(latest, now)
        return self._view(latest)

    async def standing(self, customer_id: str) -> Standing:
        """Say where the customer stands; raises NotFound `no_such_customer`."""
        now, settings = self._given.now(), self._given.settings
        async with self._given.units.begin() as unit:
            customer = await unit.customers.read(customer_id)
            if customer is None:
                raise no_such_customer()
            latest = await unit.assessments.latest(customer_id)
            calendar = await self._calendar(unit, customer_id, now)
        left_today, left_in_year = assessments_left(calendar.taken, calendar.today, settings.assessments)
        until = None if customer.assessed_at is None else assessed_until(customer.assessed_at, settings.suitability)
        return Standing(
            risk_tolerance=_name(customer.risk_tolerance),
            assessed_until=until,
            expired=until is not None and now >= until,
            unconfirmed=None if latest is None or latest.confirmed_at is not None else self._view(latest),
            left_today=left_today,
            left_in_year=left_in_year,
        )

    async def _calendar(self, unit: Unit, customer_id: str, now: datetime) -> _Calendar:
        today = business_date(now, self._given.settings.suitability)
        return _Calendar(today, await unit.assessments.dates(customer_id, months_later(today, -12)))

    def _view(self, taken: Assessment) -> AssessmentView:
        level, confirmed = _name(taken.risk_tolerance), taken.confirmed_at is not None
        assert level is not None, "an assessment has a level"
        return AssessmentView(
            assessment_id=taken.assessment_id,
            risk_tolerance=level,
            previous_tolerance=_name(taken.previous_tolerance),
            questionnaire_version=taken.questionnaire_version,
            assessed_at=taken.assessed_at,
            assessed_until=assessed_until(taken.assessed_at, self._given.settings.suitability),
            in_force=confirmed or binds_at_once(taken.previous_tolerance, taken.risk_tolerance),
            confirmed=confirmed,
        )


async def _locked(unit: Unit, customer_id: str) -> Customer:
    customer = await unit.customers.read(customer_id, "FOR NO KEY UPDATE")
    if customer is None:
        raise no_such_customer()
    return customer


def _name(level: int | None) -> str | None:
    return None if level is None else f"C{level}"
