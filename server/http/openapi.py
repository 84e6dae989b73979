"""The OpenAPI 3.1 document at /api/v1/openapi.json, made of the table of operations and the msgspec types in it."""

import re
from typing import Any

import msgspec
from aiohttp import web

from server.http.answer_examples import example_of
from server.http.body import json_response
from server.http.config import program_version
from server.http.operation import Operation
from server.http.operations import OPERATIONS
from server.http.parameters import id_schema

_REF = "#/components/schemas/{name}"
_PARAMETER = re.compile(r"\{(\w+)\}")
_ANY_ROUTE = {500: "internal", 503: "unavailable issuer_unavailable"}
_BAD_TOKEN = {401: "bad_token token_expired"}  # a token that is sent is read, also where none is needed
_SIGNED_IN = {401: "unauthenticated", 403: "forbidden"}
_WITH_BODY = {
    400: "bad_json",
    408: "body_too_slow",
    413: "too_large",
    415: "unsupported_media_type",
    422: "bad_field",
}
_PATH_IDS = {
    "broadcast_id": "bc",
    "token_id": "et",
    "tip_id": "tp",
    "product_id": "pr",
    "document_id": "dc",
    "assessment_id": "as",
    "order_id": "or",
}
_KEY = "^[\\x21-\\x7e]{1,128}$"
_RETRY = {"description": "Whole seconds to wait before the same request", "schema": {"type": "integer", "minimum": 1}}
_BEARER = {"description": "How to sign in", "schema": {"const": "Bearer"}}
_TAG = {"description": "What to send as `If-None-Match`, or `If-Match`, later", "schema": {"type": "string"}}
_KEYED = {400: "missing_idempotency_key bad_idempotency_key"}


class Problem(msgspec.Struct):
    """A refusal (RFC 9457); `code` is stable, texts may change, some codes bring further members."""

    type: str
    title: str
    status: int
    code: str
    detail: str


def document() -> dict[str, Any]:
    """Make the document; the same table gives the same document."""
    bodies = {one.body for one in OPERATIONS if one.body is not None}
    answers = {one.answer for one in OPERATIONS if one.answer is not None}
    kinds = sorted(bodies | answers | {Problem}, key=str)
    schemas, components = msgspec.json.schema_components(kinds, ref_template=_REF)
    by_kind = dict(zip(kinds, schemas, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for one in OPERATIONS:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, by_kind)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Wealthcast", "version": program_version()},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"session": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def refusals(one: Operation) -> dict[int, list[str]]:
    """Collect every code that this operation may answer, by status."""
    sources = [dict(one.refusals), _ANY_ROUTE, _BAD_TOKEN]
    sources += [] if one.public else [_SIGNED_IN]
    sources += [] if one.body is None else [_WITH_BODY]
    sources += [_KEYED] if one.keyed else []
    found: dict[int, list[str]] = {}
    for source in sources:
        for status, codes in source.items():
            found[status] = sorted({*found.get(status, ()), *codes.split()})
    return dict(sorted(found.items()))


def routes() -> list[web.RouteDef]:
    """The route /api/v1/openapi.json; the document is made once."""
    made = document()

    async def show(request: web.Request) -> web.Response:
        return json_response(made)

    return [web.get("/api/v1/openapi.json", show)]


def _operation(one: Operation, by_kind: dict[Any, Any]) -> dict[str, Any]:
    answers = {str(one.status): _answer(one, by_kind)}
    if one.method == "GET":
        answers["304"] = {"description": "Nothing has changed", "headers": {"ETag": _TAG}}
    for status, codes in refusals(one).items():
        answers[str(status)] = _refusal(status, codes, by_kind[Problem])
    operation: dict[str, Any] = {"summary": one.summary, "parameters": _parameters(one), "responses": answers}
    operation["security"] = [] if one.public else [{"session": []}]
    if one.body is not None:
        content = {"application/json": {"schema": by_kind[one.body], "example": one.example}}
        operation["requestBody"] = {"required": not one.body_optional, "content": content}
    return operation


def _answer(one: Operation, by_kind: dict[Any, Any]) -> dict[str, Any]:
    if one.answer is None:
        return {"description": "Done"}
    content: dict[str, Any] = {"schema": by_kind[one.answer]}
    if one.answer is not dict:
        content["example"] = example_of(one.answer)
    answer: dict[str, Any] = {"description": one.summary, "content": {one.media_type: content}}
    if one.method == "GET" or one.versioned:
        answer["headers"] = {"ETag": _TAG}
    return answer


def _refusal(status: int, codes: list[str], schema: Any) -> dict[str, Any]:
    narrowed = {"allOf": [schema, {"properties": {"code": {"enum": codes}}}]}
    examples = {
        code: {"value": {"type": "about:blank", "title": "…", "status": status, "code": code, "detail": "…"}}
        for code in codes
    }
    content = {"application/problem+json": {"schema": narrowed, "examples": examples}}
    refusal: dict[str, Any] = {"description": ", ".join(codes), "content": content}
    if status in (401, 503):
        refusal["headers"] = {"WWW-Authenticate": _BEARER} if status == 401 else {"Retry-After": _RETRY}
    return refusal


def _parameters(one: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": id_schema(_PATH_IDS[name]),
            "example": f"{_PATH_IDS[name]}_1",
        }
        for name in _PARAMETER.findall(one.path)
    ]
    for given in one.query:
        said = {"name": given.name, "in": "query", "required": given.required, "description": given.description}
        found.append({**said, "schema": given.schema, **given.more})
    if one.method == "GET":
        found.append(_header("If-None-Match", "The `ETag` of what one has: 304 while it is so"))
    if one.versioned:
        found.append(_header("If-Match", "The `ETag` of what one has read: 412 when it is so no more"))
    if one.keyed:
        found.append(_header("Idempotency-Key", "The same when one tries again: done once, answered alike", _KEY))
    return found


def _header(name: str, description: str, pattern: str | None = None) -> dict[str, Any]:
    text = {"type": "string"} if pattern is None else {"type": "string", "pattern": pattern}
    return {"name": name, "in": "header", "required": pattern is _KEY, "schema": text, "description": description}
