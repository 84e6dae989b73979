"""Routes of a customer who buys: questionnaire, gate, acknowledgement, orders. Pure."""

from commerce.assessment import AssessmentView, Standing
from commerce.gate import GateView
from commerce.questionnaire import AskedQuestionnaire
from commerce.receipt import OrderView
from server.http.assessments import Answers
from server.http.operation import BAD_FIELD, ONE_BROADCAST, ONE_ORDER, REAL_NAME, operation
from server.http.orders import Acknowledged, NewAcknowledgement, NewOrder, OrderList, Submission
from server.http.parameters import LIMIT, PRODUCT, cursor, flag

_RESERVE = (
    "not_assessed assessment_expired risk_mismatch senior_wait minor unaffordable window_closed bad_amount "
    "below_minimum bad_increment over_limit disclosure_missing"
)
_PURCHASE = {
    409: "quota_empty card_pulled card_version_stale recording_unavailable monitor_absent idempotency_conflict "
    "in_progress illegal_move",
    503: "busy",
}

_READING = {
    "broadcast_id": "bc_demo",
    "product_id": "pr_demo",
    "card_version": 1,
    "typed_text": "本人已经阅读风险揭示，愿意承担投资风险",
    "documents_opened": ["dc_1"],
    "dwell_ms": 12_000,
}

PURCHASES = (
    operation(
        "GET", "/api/v1/questionnaire", "The risk questionnaire", REAL_NAME, answer=AskedQuestionnaire, tie="none"
    ),
    operation(
        "GET", "/api/v1/assessments", "Own level", {**REAL_NAME, 404: "no_such_customer"}, answer=Standing, tie="none"
    ),
    operation(
        "POST",
        "/api/v1/assessments",
        "Answer the questionnaire",
        {
            **REAL_NAME,
            404: "no_such_customer",
            409: "questionnaire_stale assessment_limit idempotency_conflict in_progress",
            422: "bad_answers minor",
        },
        body=Answers,
        example={"questionnaire_version": "2026-1", "answers": {"horizon": "c", "loss": "b"}},
        answer=AssessmentView,
        status=201,
        keyed=True,
        tie="none",
    ),
    operation(
        "POST",
        "/api/v1/assessments/{assessment_id}/confirm",
        "Agree to a changed level",
        {**REAL_NAME, 404: "no_such_assessment no_such_customer", 409: "assessment_superseded"},
        answer=AssessmentView,
        tie="none",
    ),
    operation(
        "GET",
        ONE_BROADCAST + "/gate",
        "What stands between a customer and the card",
        {404: "no_such_broadcast no_such_product", 409: "card_pulled", 422: "bad_field"},
        query=(PRODUCT,),
        answer=GateView,
    ),
    operation(
        "POST",
        "/api/v1/acknowledgements",
        "Keep what was read and typed",
        {**REAL_NAME, 404: "no_such_broadcast no_such_product", 409: _PURCHASE[409], 422: _RESERVE + " bad_text"},
        body=NewAcknowledgement,
        example=_READING,
        answer=Acknowledged,
        status=201,
        tie="body",
    ),
    operation(
        "POST",
        "/api/v1/orders",
        "Reserve",
        {**REAL_NAME, **_PURCHASE, 422: _RESERVE},
        body=NewOrder,
        example={"acknowledgement_id": "ak_1", "amount_minor": 1_000_000, "currency": "CNY"},
        answer=OrderView,
        status=201,
        keyed=True,
        tie="acknowledgement",
    ),
    operation(
        "GET",
        "/api/v1/orders",
        "Own orders, newest first",
        BAD_FIELD,
        query=(LIMIT, cursor("before", "or"), flag("open", "Only those that can be gone on with")),
        answer=OrderList,
        tie="listed",
    ),
    operation("GET", ONE_ORDER, "One's own order", {404: "no_such_order"}, answer=OrderView),
    operation(
        "POST",
        ONE_ORDER + "/submit",
        "Submit; may answer `outcome_unknown`",
        {
            403: "reauthentication_required real_name_missing",
            404: "no_such_order",
            **_PURCHASE,
            422: _RESERVE + " reservation_expired insufficient_funds",
        },
        body=Submission,
        example={},
        body_optional=True,
        answer=OrderView,
        keyed=True,
    ),
    *(
        operation(
            "POST",
            f"{ONE_ORDER}/{act}",
            summary,
            {**REAL_NAME, 404: "no_such_order", **_PURCHASE, 422: "reservation_expired window_closed"},
            answer=OrderView,
            keyed=True,
        )
        for act, summary in (("extend", "The reservation's time once more"), ("cancel", "Cancel"))
    ),
)
