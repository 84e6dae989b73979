"""The HTTP API against its own OpenAPI document: a tour with good requests on which every operation succeeds.

Every answer is held to the document by schemathesis: status, content type, headers, schema. Does I/O: HTTP to a server
on the air with the demo's bank.
"""

import secrets
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import requests
import schemathesis
from schemathesis.core.result import Ok
from schemathesis.core.transport import Response
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from server.demo.bank import OWN_ID, PASSWORD, PRODUCT_ID
from server.http.openapi import document, refusals
from server.http.operations import OPERATIONS

Name = tuple[str, str]  # method and path, as the document has them
_CODES = {(one.method, one.path): refusals(one) for one in OPERATIONS}
_CHECKS: list[Any] = [
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
_TIMEOUT_S = 30


@dataclass
class Crawl:
    """One server's API; `tokens` by person, `known` are values of path parameters that exist."""

    base: str
    tokens: Mapping[str, str]
    known: dict[str, str] = field(default_factory=dict)
    heard: defaultdict[Name, Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    session: requests.Session = field(default_factory=requests.Session)

    def __post_init__(self) -> None:
        schema = schemathesis.openapi.from_dict(document())
        results = list(schema.get_all_operations())
        found = [result.ok() for result in results if isinstance(result, Ok)]
        assert len(found) == len(results), "an operation of the document cannot be read"
        self.operations = {(one.method.upper(), one.path): one for one in found}

    def unanswered(self) -> list[Name]:
        """The operations that have not answered 2xx yet."""
        return [name for name in self.operations if not any(200 <= status < 300 for status in self.heard[name])]

    def ask(self, who: str | None, method: str, path: str, body: Any = None, **query: str) -> Any:
        """Make one request of the tour: valid, and answered 2xx; returns the decoded body."""
        operation = self.operations[method, path]
        sent = {} if body is None else {"body": body, "media_type": "application/json"}
        case = operation.Case(
            path_parameters={name: value for name, value in self.known.items() if f"{{{name}}}" in path},
            query=query or {},
            headers={"Idempotency-Key": secrets.token_hex(8)} if "/orders" in path or "/assess" in path else {},
            **sent,
        )
        response = self.send(who, case)
        assert 200 <= response.status_code < 300, f"{method} {path}: {response.status_code} {response.text[:300]}"
        return response.json() if response.content and "json" in response.headers["content-type"][0] else response.text

    def send(self, who: str | None, case: Any) -> Response:
        headers = {} if who is None else {"Authorization": f"Bearer {self.tokens[who]}"}
        response: Response = case.call(base_url=self.base, session=self.session, headers=headers, timeout=_TIMEOUT_S)
        name = (case.operation.method.upper(), case.operation.path)
        self.heard[name][response.status_code] += 1
        assert response.status_code != 500, f"{name}: {response.text[:300]}"
        case.validate_response(response, checks=_CHECKS)
        if response.status_code >= 400 and name in _CODES:
            code = response.json()["code"]
            assert code in _CODES[name][response.status_code], f"{name} says {code}, which its document does not"
        return response


def tour(crawl: Crawl, tip_id: str) -> None:
    """Walk through the API with good requests; every operation answers 2xx on the way."""
    one, product, order = (
        "/api/v1/broadcasts/{broadcast_id}",
        "/api/v1/products/{product_id}",
        "/api/v1/orders/{order_id}",
    )
    for path in ("openapi.json", "asyncapi.json", "config"):
        crawl.ask(None, "GET", f"/api/v1/{path}")
    crawl.ask(None, "POST", "/api/v1/sessions", {"login": "mei", "password": PASSWORD})
    crawl.ask("mei", "POST", "/api/v1/sessions/refresh")
    crawl.ask("mei", "GET", "/api/v1/me")
    crawl.ask("mei", "POST", "/api/v1/identity-proofs", {"password": PASSWORD})
    crawl.ask("mei", "GET", "/api/v1/points")

    draft = crawl.ask(
        "host", "POST", "/api/v1/broadcasts", {"title": "晚班车", "summary": "", "monitor_id": "ac_monitor"}
    )
    crawl.known["broadcast_id"] = draft["broadcast_id"]
    crawl.ask("host", "PATCH", one, {"title": "理财晚班车"})
    crawl.ask("host", "POST", one + "/moves", {"move": "submit"})
    crawl.known["broadcast_id"] = OWN_ID
    crawl.ask("mei", "GET", "/api/v1/broadcasts")
    crawl.ask("mei", "GET", one)
    crawl.ask("host", "GET", one + "/readiness")
    crawl.ask("host", "GET", one + "/shelf")
    crawl.known["token_id"] = crawl.ask("host", "POST", one + "/encoder-tokens")["token_id"]
    crawl.ask("host", "DELETE", one + "/encoder-tokens/{token_id}")
    crawl.known["tip_id"] = tip_id
    crawl.ask("monitor", "POST", one + "/tips/{tip_id}/refund", {"reason": "给错了主播"})
    for path in ("figures", "moderation", "questions", "polls", "report", "report.csv"):
        crawl.ask("monitor", "GET", f"{one}/{path}")

    content = next(o.example for o in OPERATIONS if (o.method, o.path) == ("POST", "/api/v1/products"))
    made = crawl.ask("host", "POST", "/api/v1/products", {**content, "window_closes_at": "2099-11-30T07:00:00Z"})
    crawl.known["product_id"] = made["product_id"]
    crawl.ask("host", "PATCH", product, {"quota_total_minor": 200_000_000})
    crawl.ask("host", "POST", product + "/moves", {"move": "submit"})
    crawl.known["product_id"] = PRODUCT_ID
    crawl.ask("mei", "GET", "/api/v1/products")
    crawl.ask("mei", "GET", product)
    crawl.ask("host", "PUT", one + "/card", {"product_id": PRODUCT_ID})
    crawl.ask("mei", "GET", one + "/card")

    asked = crawl.ask("an", "GET", "/api/v1/questionnaire")
    answers = {question["id"]: question["options"][-1]["id"] for question in asked["questions"]}
    said = {"questionnaire_version": asked["version"], "answers": answers}
    crawl.known["assessment_id"] = crawl.ask("an", "POST", "/api/v1/assessments", said)["assessment_id"]
    crawl.ask("an", "POST", "/api/v1/assessments/{assessment_id}/confirm")
    crawl.ask("an", "GET", "/api/v1/assessments")

    for act in ("submit", "cancel"):
        crawl.known["order_id"] = _reserve(crawl)
        crawl.ask("mei", "POST", f"{order}/extend")
        crawl.ask("mei", "POST", f"{order}/{act}", *([{}] if act == "submit" else []))
    crawl.ask("mei", "GET", order)
    crawl.ask("mei", "GET", "/api/v1/orders")
    crawl.ask("host", "DELETE", one + "/card", {"reason": "pulled"})


def _reserve(crawl: Crawl) -> str:
    gate = crawl.ask("mei", "GET", "/api/v1/broadcasts/{broadcast_id}/gate", product_id=PRODUCT_ID)
    documents = [one["document_id"] for one in gate["card"]["documents"]]
    crawl.known["document_id"] = documents[0]
    crawl.ask("mei", "GET", "/api/v1/documents/{document_id}")
    reading = {
        "broadcast_id": OWN_ID, "product_id": PRODUCT_ID, "card_version": gate["card"]["card_version"],
        "typed_text": gate["acknowledgement_text"], "documents_opened": documents, "dwell_ms": 10_000,
    }  # fmt: skip
    kept = crawl.ask("mei", "POST", "/api/v1/acknowledgements", reading)
    crawl.known["acknowledgement_id"] = kept["acknowledgement_id"]
    wanted = {
        "acknowledgement_id": kept["acknowledgement_id"], "amount_minor": gate["card"]["minimum_minor"],
        "currency": gate["card"]["currency"],
    }  # fmt: skip
    return str(crawl.ask("mei", "POST", "/api/v1/orders", wanted)["order_id"])
