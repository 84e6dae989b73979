"""JSON bodies in and out, strictly typed by msgspec."""

from typing import Any, TypeVar

import msgspec
from aiohttp import web

from server.http.errors import ApiError

T = TypeVar("T")


async def read_json(request: web.Request, kind: type[T]) -> T:
    """Decode the body into `kind`; raises ApiError 400 `bad_json`, 413 `too_large` or 422 `bad_field`."""
    try:
        body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise ApiError(413, "too_large", "the body is larger than this server reads") from None
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise ApiError(422, "bad_field", str(error)) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise ApiError(400, "bad_json", "the body is not JSON") from None


def json_response(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Encode a struct, dict or list; nothing here may be cached by a shared cache."""
    return web.Response(
        status=status,
        body=msgspec.json.encode(value),
        content_type="application/json",
        headers={"Cache-Control": "no-store", **(headers or {})},
    )
