"""What a process serves on its admin port: probes, metrics, and media's words between processes. Wiring only."""

from aiohttp import web

from server.app import Parts
from server.http import health
from server.logs import lines, stream
from server.media.internal_http import internal_application
from server.media.wire import INTERNAL
from server.metrics import readings
from server.metrics.asked import OutboxStanding, Standing
from server.metrics.collector import Source


def admin_application(parts: Parts) -> web.Application:
    """What operators, Prometheus and the other processes ask, on a port of its own that is not for the public."""
    probes_here = parts.probes()
    standing = Standing(probes_here, parts.phase)
    parts.metrics.refreshes.append(standing.refresh)
    parts.metrics.add([standing.samples, *_readings(parts)])
    application = web.Application()
    application.add_routes(health.routes(probes_here, parts.phase))
    application.add_routes([health.metrics_route(parts.metrics.registry, parts.metrics.refreshes)])
    if parts.media is not None:
        internal = internal_application(parts.media, parts.internal_secret, parts.legs)
        application.add_subapp(INTERNAL, internal)
    return application


def _readings(parts: Parts) -> list[Source]:
    """The figures of what runs here."""
    sources = [
        readings.pool_source(parts.pool, parts.client),
        readings.log_source(lines, stream),
        readings.loop_source(),
    ]
    sources.append(readings.envelope_source(parts.envelopes))
    sale = parts.commerce.sale
    if "api" in parts.settings.roles:
        sources.append(readings.door_source(parts.door, parts.passwords, parts.password_door.attempts))
    if "api" in parts.settings.roles or parts.relay is not None:
        sources.append(readings.order_source(sale.tally, lambda: sale.waiting))
        sources.append(readings.core_source(parts.commerce.core))
    if parts.relay is not None:
        outbox = OutboxStanding(parts.commerce.outbox_depth)
        parts.metrics.refreshes.append(outbox.refresh)
        sources += [readings.relay_source(parts.relay), outbox.samples]
    if parts.gateway is not None and parts.echo is not None:
        sources.append(readings.gateway_source(parts.gateway, parts.echo))
    if parts.media is not None and parts.feeds is not None:
        limit = parts.settings.media_max_viewers
        sources.append(readings.media_source(parts.media, parts.legs, parts.feeds, limit))
    if parts.recording is not None:
        sources.append(readings.recorder_source(parts.recording.recorder))
    return sources
