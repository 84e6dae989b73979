"""The HTTP API as every role: requests that schemathesis makes of the OpenAPI document, right ones and wrong ones.

An input is one request as JSON, so that the corpus keeps it. Every answer is held to the document: status, code,
content type, headers, schema. A request that the document allows is never called malformed, one that it forbids is
never done. Does I/O: HTTP to a server on the air.
"""

import base64
import re
import warnings
from collections.abc import Sequence
from random import Random
from typing import Any

import hypothesis
import msgspec
from hypothesis.errors import HypothesisDeprecationWarning
from schemathesis.core import NOT_SET
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.case import Case
from schemathesis.generation.modes import GenerationMode

from tests.fuzz.target import Broken
from tests.journey.api_tour import Crawl, Name

_KNOWN_SHARE = 0.7
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_MALFORMED = {"bad_json", "bad_field", "unsupported_media_type", "missing_idempotency_key", "bad_idempotency_key"}
_QUIET = hypothesis.settings(
    max_examples=8,  # as many as there are people to ask, by and large
    database=None,
    deadline=None,
    phases=[hypothesis.Phase.generate],
    suppress_health_check=list(hypothesis.HealthCheck),
    verbosity=hypothesis.Verbosity.quiet,
)


class Request(msgspec.Struct, omit_defaults=True):
    """One request; `raw` is a body in base64 where it is no JSON, `right` whether the document allows it, if known."""

    who: str | None
    method: str
    path: str
    right: bool | None
    path_parameters: dict[str, Any] = {}
    query: dict[str, Any] = {}
    headers: dict[str, str] = {}
    body: Any = msgspec.UNSET
    raw: str | None = None
    media_type: str | None = None


class HttpApi:
    """Asks every operation as everybody in turn; `people` are names of the crawl's tokens, None is nobody."""

    name = "http"

    def __init__(self, crawl: Crawl) -> None:
        self._crawl = crawl
        self._people: Sequence[str | None] = (None, *crawl.tokens)
        # What takes nothing that could be wrong is asked only well.
        self._drawn: Sequence[tuple[Name, GenerationMode]] = [
            *((name, GenerationMode.POSITIVE) for name in sorted(crawl.operations)),
            *(
                (name, GenerationMode.NEGATIVE)
                for name, one in sorted(crawl.operations.items())
                if one.body or one.query
            ),
        ]
        self._turn = 0
        self._starts = 0
        self._waiting: list[Request] = []

    def make(self, chance: Random) -> bytes:
        """The next request: each start of the generator is of one operation, which everybody asks in turn."""
        while not self._waiting:
            self._waiting = self._draw(chance)
        made = self._waiting.pop()
        made.who = self._people[self._turn % len(self._people)]
        self._turn += 1
        return msgspec.json.encode(made)

    def _draw(self, chance: Random) -> list[Request]:
        name, mode = self._drawn[self._starts % len(self._drawn)]
        self._starts += 1
        found: list[Case[Any]] = []

        @hypothesis.seed(chance.getrandbits(32))
        @_QUIET
        @hypothesis.given(self._crawl.operations[name].as_strategy(generation_mode=mode))
        def collect(case: Case[Any]) -> None:
            found.append(case)

        with warnings.catch_warnings():  # schemathesis draws some of what is wrong by chance of its own
            warnings.simplefilter("ignore", HypothesisDeprecationWarning)
            collect()
        everybody = range(len(self._people))  # there may be fewer cases than people: then some ask the same
        return [self._acquainted(chance, _request(name, found[one % len(found)])) for one in everybody]

    def _acquainted(self, chance: Random, one: Request) -> Request:
        """Name things that there are, mostly: what is not found tests nothing behind it."""
        if not one.right:
            return one
        known = self._crawl.known
        for given in (one.path_parameters, one.query, one.body):
            if isinstance(given, dict):
                for key in given.keys() & known.keys():
                    if chance.random() < _KNOWN_SHARE:
                        given[key] = known[key]
        return one

    def feed(self, data: bytes) -> None:
        """Send it, and hold the answer to the document."""
        one = msgspec.json.decode(data, type=Request)
        operation = self._crawl.operations[one.method, one.path]
        body = base64.b64decode(one.raw) if one.raw is not None else one.body
        sent: dict[str, Any] = {} if body is msgspec.UNSET else {"body": body, "media_type": one.media_type}
        case = operation.Case(path_parameters=one.path_parameters, query=one.query, headers=one.headers, **sent)
        response = self._crawl.send(one.who, case)
        code = response.json().get("code") if response.status_code >= 400 and response.content else None
        if one.right and code in _MALFORMED:
            raise Broken(f"what the document allows is {code}: {response.text[:300]}")
        if one.right is False and 200 <= response.status_code < 300:
            raise Broken(f"what the document forbids is done: {response.status_code}")


def _request(name: Name, case: Case[Any]) -> Request:
    headers = {key: str(value) for key, value in (case.headers or {}).items() if key.lower() != "authorization"}
    body: Any = msgspec.UNSET
    raw = None
    if isinstance(case.body, bytes):
        raw = base64.b64encode(case.body).decode()
    elif case.body is not NOT_SET:
        body = _whole(case.body)
    made = Request(
        None, *name, _right(case), dict(case.path_parameters or {}), dict(case.query or {}),
        headers, body, raw, case.media_type,
    )  # fmt: skip
    return msgspec.json.decode(msgspec.json.encode(made, enc_hook=str), type=Request)


def _right(case: Case[Any]) -> bool | None:
    """A wrong body is forbidden; a header or a query that nobody asked for is nobody's business."""
    parts = {} if case.meta is None else {place: one.mode for place, one in case.meta.components.items()}
    if parts.get(ParameterLocation.BODY) is GenerationMode.NEGATIVE:
        return False
    wrong = GenerationMode.NEGATIVE in parts.values()
    return None if wrong or not _times_are_times(case.body) else True


def _whole(value: Any) -> Any:
    """To JSON Schema 1.0 is an integer; to a bank an amount with a fraction is a mistake (docs/protocol.md)."""
    match value:
        case float() if value.is_integer():
            return int(value)
        case dict():
            return {key: _whole(one) for key, one in value.items()}
        case list():
            return [_whole(one) for one in value]
    return value


def _times_are_times(body: Any) -> bool:
    """The generator does not know the form of a time; the document does."""
    if isinstance(body, dict):
        return all(
            _times_are_times(value)
            and not (key.endswith("_at") and isinstance(value, str) and not _TIME.fullmatch(value))
            for key, value in body.items()
        )
    return not isinstance(body, list) or all(map(_times_are_times, body))
