"""Routes of a broadcast: its life, its people, its figures. Pure."""

from commerce.applause import TipRefund
from server.auth.encoder_tokens_postgres import IssuedEncoderToken
from server.http.broadcast_drafts import Edit, NewBroadcast
from server.http.broadcast_view import BroadcastList, BroadcastView, Readiness
from server.http.broadcasts import MoveRequest
from server.http.operation import BAD_FIELD, NO_BROADCAST, ONE_BROADCAST, operation
from server.http.parameters import LIMIT, STATES, TABLE, cursor, flag
from server.http.points import Refund
from server.http.rooms import FiguresView, ModerationView, PollList, QuestionList
from server.reports.funnel import ShowReport

_NEW_BROADCAST = {
    "title": "理财早班车",
    "summary": "本周市场与稳健产品",
    "monitor_id": "ac_monitor",
    "product_ids": [],
}

BROADCASTS = (
    operation(
        "GET",
        "/api/v1/broadcasts",
        "List, newest first",
        BAD_FIELD,
        query=(STATES, flag("mine", "Only those that one makes, hosts or monitors"), LIMIT, cursor("after", "bc")),
        answer=BroadcastList,
        tie="listed",
    ),
    operation(
        "POST",
        "/api/v1/broadcasts",
        "Make a draft",
        {409: "product_not_approved", 422: "text_refused unknown_person"},
        body=NewBroadcast,
        example=_NEW_BROADCAST,
        answer=BroadcastView,
        status=201,
    ),
    operation("GET", ONE_BROADCAST, "One broadcast; `ETag` is its version", NO_BROADCAST, answer=BroadcastView),
    operation(
        "PATCH",
        ONE_BROADCAST,
        "Edit text, people, shelf; an edit after approval voids it",
        {
            **NO_BROADCAST,
            409: "illegal_move version_stale product_not_approved",
            412: "version_stale",
            422: "text_refused unknown_person",
        },
        body=Edit,
        example={"title": "理财晚班车"},
        answer=BroadcastView,
        versioned=True,
    ),
    operation(
        "POST",
        ONE_BROADCAST + "/moves",
        "Move through the states",
        {**NO_BROADCAST, 409: "illegal_move not_ready version_stale", 412: "version_stale"},
        body=MoveRequest,
        example={"move": "go_live"},
        answer=BroadcastView,
        versioned=True,
    ),
    operation("GET", ONE_BROADCAST + "/readiness", "What is missing before going live", NO_BROADCAST, answer=Readiness),
    operation(
        "POST",
        ONE_BROADCAST + "/encoder-tokens",
        "A WHIP token, shown once",
        NO_BROADCAST,
        answer=IssuedEncoderToken,
        status=201,
    ),
    operation(
        "DELETE",
        ONE_BROADCAST + "/encoder-tokens/{token_id}",
        "Revoke a WHIP token",
        {404: "no_such_broadcast no_such_token"},
        answer=None,
        status=204,
    ),
    operation(
        "POST",
        ONE_BROADCAST + "/tips/{tip_id}/refund",
        "Give a tip back",
        {404: "no_such_tip", 409: "tip_not_refundable"},
        body=Refund,
        example={"reason": "给错了主播"},
        answer=TipRefund,
    ),
    operation(
        "GET",
        ONE_BROADCAST + "/report",
        "Funnel by product, and who looks after the buyers",
        NO_BROADCAST,
        answer=ShowReport,
    ),
    operation(
        "GET",
        ONE_BROADCAST + "/report.csv",
        "A table of the report for a spreadsheet: UTF-8 with a byte order mark",
        {**NO_BROADCAST, **BAD_FIELD},
        query=(TABLE,),
        answer=str,
        media_type="text/csv",
    ),
    operation("GET", ONE_BROADCAST + "/figures", "Audience figures", NO_BROADCAST, answer=FiguresView),
    operation(
        "GET",
        ONE_BROADCAST + "/moderation",
        "Queue, reports, acts",
        {**NO_BROADCAST, **BAD_FIELD},
        query=(LIMIT,),
        answer=ModerationView,
    ),
    operation(
        "GET",
        ONE_BROADCAST + "/questions",
        "Questions, newest first",
        {**NO_BROADCAST, **BAD_FIELD},
        query=(LIMIT, cursor("before", "cm")),
        answer=QuestionList,
    ),
    operation(
        "GET",
        ONE_BROADCAST + "/polls",
        "Polls, newest first",
        {**NO_BROADCAST, **BAD_FIELD},
        query=(LIMIT, cursor("before", "pl")),
        answer=PollList,
    ),
)
