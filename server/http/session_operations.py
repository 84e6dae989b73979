"""Routes about who one is: sessions, proofs, points, and the documents of the API itself. Pure."""

from commerce.applause import PointsView
from server.http.config import ConfigView
from server.http.identity import IdentityProof, Password
from server.http.operation import operation
from server.http.sessions import AccountView, Credentials, SessionView

SESSIONS = (
    operation("GET", "/api/v1/openapi.json", "This document", public=True, tie="own"),
    operation("GET", "/api/v1/asyncapi.json", "The room's WebSocket protocol (AsyncAPI 3.0)", public=True, tie="own"),
    operation("GET", "/api/v1/config", "Where the gateway is", answer=ConfigView, public=True, tie="own"),
    operation(
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
    operation(
        "POST",
        "/api/v1/sessions/refresh",
        "A new token of the same person, for the same broadcast if it was for one",
        answer=SessionView,
        status=201,
        tie="own",
    ),
    operation("GET", "/api/v1/me", "Who I am", answer=AccountView, tie="own"),
    operation(
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
    operation("GET", "/api/v1/points", "Own applause points", answer=PointsView, tie="own"),
)
