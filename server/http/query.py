"""What requests carry outside their body: page sizes, ids, idempotency keys. Pure but for the request it reads."""

import re
from collections.abc import Callable
from typing import TypeVar

from aiohttp import web

from server.http.errors import ApiError
from server.http.parameters import PAGE_MOST
from server.ids import is_id

T = TypeVar("T")
_KEY = re.compile(r"[\x21-\x7e]{1,128}")


def page_size(request: web.Request, *, default: int = 50, most: int = PAGE_MOST) -> int:
    """Read `limit`; raises ApiError 422 `bad_field` unless it is a whole number between 1 and `most`."""
    text = request.query.get("limit", str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and 1 <= int(text) <= most):
        raise ApiError(422, "bad_field", f"limit is a whole number from 1 to {most}")
    return int(text)


def page_start(request: web.Request, name: str, prefix: str) -> str | None:
    """Read the id that a page starts from, or None for the first page."""
    text = request.query.get(name)
    if text is not None and not is_id(text, prefix):
        raise ApiError(422, "bad_field", f"{name} is an id from the page before")
    return text


def page_of(
    request: web.Request, found: list[T], limit: int, cursor: str, id_of: Callable[[T], str]
) -> tuple[list[T], str | None]:
    """Cut a page of `limit` from what was found, which was asked for one more; with the address of the next page."""
    page = found[:limit]
    if len(found) <= limit:
        return page, None
    return page, str(request.rel_url.update_query({cursor: id_of(page[-1])}))


def flag(request: web.Request, name: str) -> bool:
    """Read `true` or `false`, the latter when it is not given; raises ApiError 422 `bad_field`."""
    text = request.query.get(name, "false")
    if text not in ("true", "false"):
        raise ApiError(422, "bad_field", f"{name} is true or false")
    return text == "true"


def path_id(request: web.Request, name: str, prefix: str, missing: str) -> str:
    """Read an id from the path; what has not the form of one cannot exist: ApiError 404 with the code `missing`."""
    text = request.match_info[name]
    if not is_id(text, prefix):
        raise ApiError(404, missing, "there is no such thing")
    return text


def idempotency_key(request: web.Request) -> str:
    """Read the `Idempotency-Key`; raises ApiError 400 `missing_idempotency_key` or `bad_idempotency_key`."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        raise ApiError(400, "missing_idempotency_key", "send an Idempotency-Key: the same one when you try again")
    if not _KEY.fullmatch(key):
        raise ApiError(400, "bad_idempotency_key", "an Idempotency-Key is 1 to 128 visible ASCII characters")
    return key
