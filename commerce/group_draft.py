"""What a decided group answers and writes, put together before its quota is locked. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from commerce.errors import CommerceError
from commerce.facts import NewFact, ReservedTogether, orders_reserved
from commerce.group import Allotment, Reading, Stage
from commerce.group_rows import GroupRows, KeyAnswer, rows_of
from commerce.idempotency import Answer
from commerce.order import Decision, Order
from commerce.receipt import OrderView, order_view
from commerce.rows import to_json


@dataclass(frozen=True, slots=True)
class Draft:
    """What each caller hears, beside the requests; and what goes into the rows if the allotment stands."""

    allotment: Allotment
    results: Sequence[OrderView | CommerceError]
    rows: GroupRows | None  # None: every answer was given before, or passes by waiting
    facts: Sequence[NewFact]  # for the owners of new orders


def draft_of(product_id: str, currency: str, reading: Reading, allotment: Allotment, now: datetime) -> Draft:
    """Put a group's answers and rows together."""
    verdicts = allotment.verdicts
    results, answers = _settle(reading, allotment)
    orders = [v.outcome.order for v in verdicts if v.is_new and isinstance(v.outcome, Decision)]
    facts = _owners_facts(product_id, currency, orders, reading)
    rows = rows_of(product_id, currency, orders, _newcomers(reading), answers, now) if answers else None
    return Draft(allotment, results, rows, facts)


def _owners_facts(product_id: str, currency: str, orders: Sequence[Order], reading: Reading) -> list[NewFact]:
    """One fact for each broadcast, which tells of all its new orders (`facts.parts_of`)."""
    traces = {request.order_id: request.trace for request in reading.requests}
    reserved: dict[str, list[tuple[str, str, int, str | None]]] = {}
    for order in orders:
        told = (order.customer_id, order.order_id, order.amount.amount_minor, traces[order.order_id])
        reserved.setdefault(order.broadcast_id, []).append(told)
    return [orders_reserved(name, ReservedTogether(product_id, currency, of)) for name, of in reserved.items()]


def _newcomers(reading: Reading) -> set[str]:
    """Name the customers who never had any of this product."""
    return {
        request.customer_id
        for request, buyer in zip(reading.requests, reading.buyers, strict=True)
        if not buyer.has_position
    }


def _settle(reading: Reading, allotment: Allotment) -> tuple[list[OrderView | CommerceError], list[KeyAnswer]]:
    """Return what each caller hears, and the new keys' answers."""
    results: list[OrderView | CommerceError] = []
    answers: list[KeyAnswer] = []
    views: dict[str, OrderView] = {}
    for request, verdict in zip(reading.requests, allotment.verdicts, strict=True):
        outcome = verdict.outcome
        if isinstance(outcome, Answer):
            result = _opened(outcome)
        elif isinstance(outcome, Decision):
            result = _view(outcome.order, reading, views)
        else:
            result = outcome
        results.append(result)
        if verdict.is_new:
            answer = to_json(_answer(result))
            answers.append(KeyAnswer(request.customer_id, request.key, request.body_sha256, answer))
    return results, answers


def _view(order: Order, reading: Reading, views: dict[str, OrderView]) -> OrderView:
    if order.order_id not in views:
        stage = reading.stages[order.broadcast_id]
        assert isinstance(stage, Stage) and stage.on_stage is not None, "it was reserved from there"  # noqa: PT018
        views[order.order_id] = order_view(order, stage.on_stage.card.content.name, None)
    return views[order.order_id]


def _answer(result: OrderView | CommerceError) -> object:
    if isinstance(result, OrderView):
        return {"result": result}
    return Answer(code=result.code, detail=result.detail, extra=result.extra)


def _opened(answer: Answer) -> OrderView | CommerceError:
    try:
        return answer.open(OrderView)
    except CommerceError as refusal:
        return refusal
