"""What a process with the role `api` serves to the public: every route with what it needs. Wiring only."""

from aiohttp import web

from server.app import Parts
from server.http import (
    assessments,
    asyncapi,
    broadcasts,
    config,
    documents,
    encoder_tokens,
    health,
    identity,
    openapi,
    orders,
    pages,
    points,
    products,
    reports,
    rooms,
    sessions,
    shelf,
    signalling,
    stage,
)
from server.http.application import build
from server.http.commerce_errors import commerce_error
from server.http.ice_servers import IceServers
from server.ids import new_id
from server.media_gate import MediaGate
from server.metrics.request_meter import RequestMeter
from server.reports.funnel_postgres import ShowReports
from server.settings import Settings


def public_application(parts: Parts) -> web.Application:
    """The public HTTP application, of a process with the role `api`."""
    routes = [*health.routes(parts.probes(), parts.phase), *_api(parts)]
    mappers = (broadcasts.lifecycle_error, commerce_error, rooms.chat_error)
    meter = RequestMeter(parts.metrics.request_seconds())
    parts.metrics.add([meter.samples])
    traced = () if parts.tracing is None else (parts.tracing.middleware,)
    return build(
        routes, parts.identities, mappers, parts.commerce.places, parts.closed, parts.phase, meter.observed, traced
    )


def _api(parts: Parts) -> list[web.RouteDef]:
    settings = parts.settings
    page_config = config.PageConfig(
        settings.gateway_public_url,
        settings.gateway_port,
        _demo_accounts() if settings.demo else None,
        settings.trusted_proxies,
    )
    routes = [
        *config.routes(page_config),
        *openapi.routes(),
        *asyncapi.routes(),
        *pages.routes(page_config.gateway_url),
        *sessions.routes(parts.accounts, parts.password_door, parts.tokens, parts.session_ends),
        *broadcasts.routes(parts.broadcasting, parts.moderator, parts.commerce.products.require_on_sale),
        *encoder_tokens.routes(parts.broadcasting, parts.encoder_tokens, new_id),
        *shelf.routes(parts.broadcasting, parts.commerce),
        *products.routes(parts.commerce),
        *documents.routes(parts.commerce),
        *stage.routes(parts.commerce),
        *orders.routes(parts.commerce, parts.proofs),
        *identity.routes(parts.accounts, parts.password_door, parts.proofs),
        *assessments.routes(parts.commerce),
        *points.routes(parts.commerce),
        *reports.routes(parts.broadcasting, ShowReports(parts.pool)),
        *rooms.routes(parts.broadcasting, parts.moderation, parts.talk, parts.figures, parts.presence),
    ]
    gate = MediaGate(parts.store, parts.identities, parts.encoder_tokens, parts.banned)
    return [*routes, *signalling.routes(parts.fleet, gate, _ice_servers(settings))]


def _ice_servers(settings: Settings) -> IceServers:
    secret = settings.turn_secret.get_secret_value() if settings.turn_secret is not None else ""
    return IceServers(settings.turn_urls, secret, settings.turn_ttl_s)


def _demo_accounts() -> list[dict[str, str]]:
    from server.demo.bank import offered_accounts  # production never imports the demo

    return offered_accounts()
