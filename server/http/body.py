"""Bodies in, within a size and a time, and JSON out, strictly typed by msgspec. The one place that reads a body."""

import asyncio
import re
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from server.http.errors import ApiError

T = TypeVar("T")
_JSON = re.compile(r"application/([a-z0-9.+-]+\+)?json")
BODY_S = web.AppKey("body_s", float)  # how long a body may take to come; an application may set it
_BODY_S = 10.0
SMALL_BYTES = 16 * 1024
LARGE_BYTES = 256 * 1024  # products, with the text of their documents


async def read_bytes(request: web.Request, most: int = SMALL_BYTES) -> bytes:
    """Read the body; raises ApiError 413 `too_large` over `most` bytes, 408 `body_too_slow`.

    It may be read again: the first reading is kept with the request.
    """
    if (request.content_length or 0) > most:
        raise _too_large(most)
    within_s = request.config_dict.get(BODY_S, _BODY_S)
    try:
        async with asyncio.timeout(within_s):
            body = await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise _too_large(most) from None
    except TimeoutError:
        raise ApiError(408, "body_too_slow", f"the body did not come within {within_s:g} s") from None
    if len(body) > most:
        raise _too_large(most)
    return body


def _too_large(most: int) -> ApiError:
    return ApiError(413, "too_large", f"the body must be within {most} bytes")


async def read_json(request: web.Request, kind: type[T], *, most: int = SMALL_BYTES) -> T:
    """Decode the body into `kind`.

    Raises ApiError 400 `bad_json`, 415 `unsupported_media_type` for a body that says it is something else,
    422 `bad_field`, and as `read_bytes` does.
    """
    if "Content-Type" in request.headers and not _JSON.fullmatch(request.content_type):
        raise ApiError(415, "unsupported_media_type", "send application/json")
    body = await read_bytes(request, most)
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
