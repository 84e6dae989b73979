"""What every route under /api/v1 takes, answers and refuses: the table that the OpenAPI document is made of. Pure."""

from dataclasses import dataclass
from typing import Any, Literal

from commerce.applause import PointsView, TipRefund
from commerce.assessment import AssessmentView, Standing
from commerce.card_view import CardView, ProductView
from commerce.gate import GateView
from commerce.product import CardContent
from commerce.questionnaire import AskedQuestionnaire
from commerce.receipt import OrderView
from server.auth.encoder_tokens_postgres import IssuedEncoderToken
from server.http.assessments import Answers
from server.http.broadcast_drafts import Edit, NewBroadcast
from server.http.broadcast_view import BroadcastList, BroadcastView, Readiness
from server.http.broadcasts import MoveRequest
from server.http.config import ConfigView
from server.http.identity import IdentityProof, Password
from server.http.orders import Acknowledged, NewAcknowledgement, NewOrder, OrderList, Submission
from server.http.parameters import LIMIT, PRODUCT, STATES, TABLE, Parameter, cursor, flag
from server.http.points import Refund
from server.http.products import CardChanges, ProductList, ProductMove
from server.http.rooms import FiguresView, ModerationView, PollList, QuestionList
from server.http.sessions import AccountView, Credentials, SessionView
from server.http.shelf import Shelf
from server.http.stage import Feature, Pull
from server.reports.funnel import ShowReport

_BROADCAST = "/api/v1/broadcasts/{broadcast_id}"
_PRODUCT = "/api/v1/products/{product_id}"
_ORDER = "/api/v1/orders/{order_id}"
_NO_BROADCAST = {404: "no_such_broadcast"}
_REAL_NAME = {403: "real_name_missing"}
_NO_PRODUCT = {404: "no_such_product"}
_BAD_FIELD = {422: "bad_field"}
_RESERVE = (
    "not_assessed assessment_expired risk_mismatch senior_wait minor unaffordable window_closed bad_amount "
    "below_minimum bad_increment over_limit disclosure_missing"
)
_PURCHASE = {
    409: "quota_empty card_pulled card_version_stale recording_unavailable monitor_absent idempotency_conflict "
    "in_progress illegal_move",
    503: "busy",
}


Tie = Literal["path", "body", "acknowledgement", "order", "listed", "own", "none"]


@dataclass(frozen=True)
class Operation:
    """One route. `answer` is the type of the 2xx body (None: no body, dict: rendered without a type of its own).

    `refusals` maps a status to its codes, separated by blanks; what every route of the same kind refuses
    (no session, bad JSON, a store that is away) is added when the document is made.

    `versioned`: `If-Match` is honoured with the `ETag` that the thing was read with.

    `tie` says by what a request is tied to one broadcast (server/http/scope.py): the id in its `path` or `body`, the
    `acknowledgement` that its body names, the `order` in its path; `listed`: the list is narrowed to it; `own`: it is
    of the person alone; `none`: it is the bank's, and not for a token that is limited to one broadcast.
    """

    method: str
    path: str
    summary: str
    answer: Any = dict
    status: int = 200
    body: Any = None
    example: Any = None
    body_optional: bool = False
    query: tuple[Parameter, ...] = ()
    versioned: bool = False
    keyed: bool = False
    public: bool = False
    media_type: str = "application/json"
    refusals: tuple[tuple[int, str], ...] = ()
    tie: Tie = "none"


def _op(method: str, path: str, summary: str, refusals: dict[int, str] | None = None, **more: Any) -> Operation:
    if path.startswith(_BROADCAST):
        more["tie"] = "path"
    elif path.startswith(_ORDER):
        more["tie"] = "order"
    return Operation(method, path, summary, refusals=tuple((refusals or {}).items()), **more)


_NEW_BROADCAST = {
    "title": "理财早班车",
    "summary": "本周市场与稳健产品",
    "monitor_id": "ac_monitor",
    "product_ids": [],
}
_READING = {
    "broadcast_id": "bc_demo",
    "product_id": "pr_demo",
    "card_version": 1,
    "typed_text": "本人已经阅读风险揭示，愿意承担投资风险",
    "documents_opened": ["dc_1"],
    "dwell_ms": 12_000,
}
_CARD = {
    "name": "稳健一年",
    "issuer": "示例理财",
    "seller_role": "agency",
    "product_type": "fixed_income",
    "issuer_rating": "R2",
    "seller_rating": "R2",
    "publicly_offered": True,
    "currency": "CNY",
    "term_days": 365,
    "benchmark": {"text": "2.60%–3.20%", "basis": "存款与债券组合测算"},
    "past_performance_shown": False,
    "minimum_minor": 100_000,
    "increment_minor": 10_000,
    "customer_maximum_minor": 50_000_000,
    "window_opens_at": "2026-11-23T01:00:00Z",
    "window_closes_at": "2026-11-30T07:00:00Z",
    "settlement": "T+1",
    "quota_total_minor": 100_000_000,
    "disclosure_text": "理财非存款，产品有风险，投资须谨慎",
    "documents": [{"title": "风险揭示书", "text": "……"}],
}

_SESSIONS = (
    _op("GET", "/api/v1/openapi.json", "This document", public=True, tie="own"),
    _op("GET", "/api/v1/asyncapi.json", "The room's WebSocket protocol (AsyncAPI 3.0)", public=True, tie="own"),
    _op("GET", "/api/v1/config", "Where the gateway is", answer=ConfigView, public=True, tie="own"),
    _op(
        "POST",
        "/api/v1/sessions",
        "Sign in",
        {401: "bad_credentials", 429: "too_many_attempts", 503: "busy"},
        body=Credentials,
        example={"login": "mei", "password": "…"},
        answer=SessionView,
        status=201,
        public=True,
        tie="own",
    ),
    _op(
        "POST",
        "/api/v1/sessions/refresh",
        "A new token of the same person, for the same broadcast if it was for one",
        answer=SessionView,
        status=201,
        tie="own",
    ),
    _op("GET", "/api/v1/me", "Who I am", answer=AccountView, tie="own"),
    _op(
        "POST",
        "/api/v1/identity-proofs",
        "Prove again who one is",
        {403: "bad_credentials", 429: "too_many_attempts", 503: "busy"},
        body=Password,
        example={"password": "…"},
        answer=IdentityProof,
        status=201,
        tie="own",
    ),
    _op("GET", "/api/v1/points", "Own applause points", answer=PointsView, tie="own"),
)
_BROADCASTS = (
    _op(
        "GET",
        "/api/v1/broadcasts",
        "List, newest first",
        _BAD_FIELD,
        query=(STATES, flag("mine", "Only those that one makes, hosts or monitors"), LIMIT, cursor("after", "bc")),
        answer=BroadcastList,
        tie="listed",
    ),
    _op(
        "POST",
        "/api/v1/broadcasts",
        "Make a draft",
        {409: "product_not_approved", 422: "text_refused unknown_person"},
        body=NewBroadcast,
        example=_NEW_BROADCAST,
        answer=BroadcastView,
        status=201,
    ),
    _op("GET", _BROADCAST, "One broadcast; `ETag` is its version", _NO_BROADCAST, answer=BroadcastView),
    _op(
        "PATCH",
        _BROADCAST,
        "Edit text, people, shelf; an edit after approval voids it",
        {
            **_NO_BROADCAST,
            409: "illegal_move version_stale product_not_approved",
            412: "version_stale",
            422: "text_refused unknown_person",
        },
        body=Edit,
        example={"title": "理财晚班车"},
        answer=BroadcastView,
        versioned=True,
    ),
    _op(
        "POST",
        _BROADCAST + "/moves",
        "Move through the states",
        {**_NO_BROADCAST, 409: "illegal_move not_ready version_stale", 412: "version_stale"},
        body=MoveRequest,
        example={"move": "go_live"},
        answer=BroadcastView,
        versioned=True,
    ),
    _op("GET", _BROADCAST + "/readiness", "What is missing before going live", _NO_BROADCAST, answer=Readiness),
    _op(
        "POST",
        _BROADCAST + "/encoder-tokens",
        "A WHIP token, shown once",
        _NO_BROADCAST,
        answer=IssuedEncoderToken,
        status=201,
    ),
    _op(
        "DELETE",
        _BROADCAST + "/encoder-tokens/{token_id}",
        "Revoke a WHIP token",
        {404: "no_such_broadcast no_such_token"},
        answer=None,
        status=204,
    ),
    _op(
        "POST",
        _BROADCAST + "/tips/{tip_id}/refund",
        "Give a tip back",
        {404: "no_such_tip", 409: "tip_not_refundable"},
        body=Refund,
        example={"reason": "给错了主播"},
        answer=TipRefund,
    ),
    _op(
        "GET",
        _BROADCAST + "/report",
        "Funnel by product, and who looks after the buyers",
        _NO_BROADCAST,
        answer=ShowReport,
    ),
    _op(
        "GET",
        _BROADCAST + "/report.csv",
        "A table of the report for a spreadsheet: UTF-8 with a byte order mark",
        {**_NO_BROADCAST, **_BAD_FIELD},
        query=(TABLE,),
        answer=str,
        media_type="text/csv",
    ),
    _op("GET", _BROADCAST + "/figures", "Audience figures", _NO_BROADCAST, answer=FiguresView),
    _op(
        "GET",
        _BROADCAST + "/moderation",
        "Queue, reports, acts",
        {**_NO_BROADCAST, **_BAD_FIELD},
        query=(LIMIT,),
        answer=ModerationView,
    ),
    _op(
        "GET",
        _BROADCAST + "/questions",
        "Questions, newest first",
        {**_NO_BROADCAST, **_BAD_FIELD},
        query=(LIMIT, cursor("before", "cm")),
        answer=QuestionList,
    ),
    _op(
        "GET",
        _BROADCAST + "/polls",
        "Polls, newest first",
        {**_NO_BROADCAST, **_BAD_FIELD},
        query=(LIMIT, cursor("before", "pl")),
        answer=PollList,
    ),
)
_CATALOGUE = (
    _op(
        "GET",
        "/api/v1/products",
        "List, by id",
        _BAD_FIELD,
        query=(LIMIT, cursor("after", "pr")),
        answer=ProductList,
    ),
    _op(
        "POST",
        "/api/v1/products",
        "Make a draft product",
        {422: "bad_product bad_text"},
        body=CardContent,
        example=_CARD,
        answer=ProductView,
        status=201,
    ),
    _op("GET", _PRODUCT, "One product; for staff `ETag` is its version", _NO_PRODUCT, answer=ProductView),
    _op(
        "PATCH",
        _PRODUCT,
        "Make the next card version",
        {
            **_NO_PRODUCT,
            403: "not_the_maker",
            409: "illegal_move quota_below_taken currency_taken",
            412: "version_stale",
            422: "bad_product bad_text",
        },
        body=CardChanges,
        example={"quota_total_minor": 200_000_000},
        answer=ProductView,
        versioned=True,
    ),
    _op(
        "POST",
        _PRODUCT + "/moves",
        "Submit, approve, reject, withdraw",
        {
            **_NO_PRODUCT,
            403: "maker_is_checker not_the_maker",
            409: "illegal_move quota_below_taken currency_taken",
            412: "version_stale",
        },
        body=ProductMove,
        example={"move": "submit"},
        answer=ProductView,
        versioned=True,
    ),
    _op(
        "GET",
        "/api/v1/documents/{document_id}",
        "A sales document; `ETag` is its hash",
        {404: "no_such_document"},
        answer=str,
        media_type="text/plain",
        tie="own",  # read before buying, in whichever broadcast
    ),
    _op("GET", _BROADCAST + "/shelf", "The products approved for it", {**_NO_BROADCAST, 409: "not_live"}, answer=Shelf),
    _op("GET", _BROADCAST + "/card", "The card on stage", {404: "no_such_broadcast no_card"}, answer=CardView),
    _op(
        "PUT",
        _BROADCAST + "/card",
        "Feature a product",
        {
            403: "not_your_broadcast",
            404: "no_such_broadcast no_such_product",
            409: "product_not_approved not_on_shelf not_live monitor_absent recording_unavailable",
        },
        body=Feature,
        example={"product_id": "pr_demo"},
        answer=CardView,
    ),
    _op(
        "DELETE",
        _BROADCAST + "/card",
        "Pull the card",
        {403: "not_your_broadcast", 404: "no_such_broadcast no_card", 422: "bad_text"},
        body=Pull,
        example={"reason": "pulled"},
        body_optional=True,
        answer=None,
        status=204,
    ),
)
_PURCHASES = (
    _op("GET", "/api/v1/questionnaire", "The risk questionnaire", _REAL_NAME, answer=AskedQuestionnaire, tie="none"),
    _op(
        "GET", "/api/v1/assessments", "Own level", {**_REAL_NAME, 404: "no_such_customer"}, answer=Standing, tie="none"
    ),
    _op(
        "POST",
        "/api/v1/assessments",
        "Answer the questionnaire",
        {
            **_REAL_NAME,
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
    _op(
        "POST",
        "/api/v1/assessments/{assessment_id}/confirm",
        "Agree to a changed level",
        {**_REAL_NAME, 404: "no_such_assessment no_such_customer", 409: "assessment_superseded"},
        answer=AssessmentView,
        tie="none",
    ),
    _op(
        "GET",
        _BROADCAST + "/gate",
        "What stands between a customer and the card",
        {404: "no_such_broadcast no_such_product", 409: "card_pulled", 422: "bad_field"},
        query=(PRODUCT,),
        answer=GateView,
    ),
    _op(
        "POST",
        "/api/v1/acknowledgements",
        "Keep what was read and typed",
        {**_REAL_NAME, 404: "no_such_broadcast no_such_product", 409: _PURCHASE[409], 422: _RESERVE + " bad_text"},
        body=NewAcknowledgement,
        example=_READING,
        answer=Acknowledged,
        status=201,
        tie="body",
    ),
    _op(
        "POST",
        "/api/v1/orders",
        "Reserve",
        {**_REAL_NAME, **_PURCHASE, 422: _RESERVE},
        body=NewOrder,
        example={"acknowledgement_id": "ak_1", "amount_minor": 1_000_000, "currency": "CNY"},
        answer=OrderView,
        status=201,
        keyed=True,
        tie="acknowledgement",
    ),
    _op(
        "GET",
        "/api/v1/orders",
        "Own orders, newest first",
        _BAD_FIELD,
        query=(LIMIT, cursor("before", "or"), flag("open", "Only those that can be gone on with")),
        answer=OrderList,
        tie="listed",
    ),
    _op("GET", _ORDER, "One's own order", {404: "no_such_order"}, answer=OrderView),
    _op(
        "POST",
        _ORDER + "/submit",
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
        _op(
            "POST",
            f"{_ORDER}/{act}",
            summary,
            {**_REAL_NAME, 404: "no_such_order", **_PURCHASE, 422: "reservation_expired window_closed"},
            answer=OrderView,
            keyed=True,
        )
        for act, summary in (("extend", "The reservation's time once more"), ("cancel", "Cancel"))
    ),
)

OPERATIONS: tuple[Operation, ...] = (*_SESSIONS, *_BROADCASTS, *_CATALOGUE, *_PURCHASES)
