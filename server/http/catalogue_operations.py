"""Routes of products, their documents and the card on stage. Pure."""

from commerce.card_view import CardView, ProductView
from commerce.product import CardContent
from server.http.operation import BAD_FIELD, NO_BROADCAST, NO_PRODUCT, ONE_BROADCAST, ONE_PRODUCT, operation
from server.http.parameters import LIMIT, cursor
from server.http.products import CardChanges, ProductList, ProductMove
from server.http.shelf import Shelf
from server.http.stage import Feature, Pull

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


CATALOGUE = (
    operation(
        "GET",
        "/api/v1/products",
        "List, by id",
        BAD_FIELD,
        query=(LIMIT, cursor("after", "pr")),
        answer=ProductList,
    ),
    operation(
        "POST",
        "/api/v1/products",
        "Make a draft product",
        {422: "bad_product bad_text"},
        body=CardContent,
        example=_CARD,
        answer=ProductView,
        status=201,
    ),
    operation("GET", ONE_PRODUCT, "One product; for staff `ETag` is its version", NO_PRODUCT, answer=ProductView),
    operation(
        "PATCH",
        ONE_PRODUCT,
        "Make the next card version",
        {
            **NO_PRODUCT,
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
    operation(
        "POST",
        ONE_PRODUCT + "/moves",
        "Submit, approve, reject, withdraw",
        {
            **NO_PRODUCT,
            403: "maker_is_checker not_the_maker",
            409: "illegal_move quota_below_taken currency_taken",
            412: "version_stale",
        },
        body=ProductMove,
        example={"move": "submit"},
        answer=ProductView,
        versioned=True,
    ),
    operation(
        "GET",
        "/api/v1/documents/{document_id}",
        "A sales document; `ETag` is its hash",
        {404: "no_such_document"},
        answer=str,
        media_type="text/plain",
        tie="own",  # read before buying, in whichever broadcast
    ),
    operation(
        "GET", ONE_BROADCAST + "/shelf", "The products approved for it", {**NO_BROADCAST, 409: "not_live"}, answer=Shelf
    ),
    operation("GET", ONE_BROADCAST + "/card", "The card on stage", {404: "no_such_broadcast no_card"}, answer=CardView),
    operation(
        "PUT",
        ONE_BROADCAST + "/card",
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
    operation(
        "DELETE",
        ONE_BROADCAST + "/card",
        "Pull the card",
        {403: "not_your_broadcast", 404: "no_such_broadcast no_card", 422: "bad_text"},
        body=Pull,
        example={"reason": "pulled"},
        body_optional=True,
        answer=None,
        status=204,
    ),
)
