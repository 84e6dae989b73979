"""One route of the API as its document describes it, and what several of them share. Pure."""

from dataclasses import dataclass
from typing import Any, Literal

from server.http.parameters import Parameter

ONE_BROADCAST = "/api/v1/broadcasts/{broadcast_id}"
ONE_PRODUCT = "/api/v1/products/{product_id}"
ONE_ORDER = "/api/v1/orders/{order_id}"
NO_BROADCAST = {404: "no_such_broadcast"}
REAL_NAME = {403: "real_name_missing"}
NO_PRODUCT = {404: "no_such_product"}
BAD_FIELD = {422: "bad_field"}

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


def operation(method: str, path: str, summary: str, refusals: dict[int, str] | None = None, **more: Any) -> Operation:
    """Describe a route; under one broadcast or one order it is tied by its path."""
    if path.startswith(ONE_BROADCAST):
        more["tie"] = "path"
    elif path.startswith(ONE_ORDER):
        more["tie"] = "order"
    return Operation(method, path, summary, refusals=tuple((refusals or {}).items()), **more)
