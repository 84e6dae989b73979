"""How each part's own counters read as samples of the table. Asks nobody."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable

import asyncpg
import redis.asyncio

from commerce.core_asked import AskedCore
from commerce.envelopes import Envelopes
from commerce.order_tally import OrderTally
from commerce.outbox import OutboxRelay
from server.auth.password_attempts import PasswordAttempts
from server.auth.passwords import Passwords
from server.gateway.gateway import Gateway
from server.http.connections import Door
from server.log_stream import UnfailingStream
from server.media.feeds import Feeds
from server.media.internal_http import LegCounters
from server.metrics.collector import Sample, Source
from server.metrics.room_echo import RoomEcho
from streaming.engine import MediaEngine
from streaming.recorder_disk import DiskRecorder
from streaming.sdp_negotiation import MAX_LAYERS

_MEDIA_AS_NAMED = (
    "publishers", "viewers", "half_open", "packets_in", "bytes_in", "packets_out", "bytes_out", "packets_queued",
    "packets_dropped", "unsegmented", "unknown_address", "unknown_ufrag", "stun_rejected", "malformed",
    "nacks_received", "retransmitted", "nacks_sent", "keyframe_requests", "send_buffer_bytes", "receive_buffer_bytes",
)  # fmt: skip
_GATEWAY_AS_NAMED = ("connections", "welcomes", "frames_in", "frames_out", "frames_queued", "bytes_out", "errors_out")


def pool_source(pool: asyncpg.Pool, client: redis.asyncio.Redis) -> Source:
    """The stores' connections."""

    def read() -> Iterable[Sample]:
        idle = pool.get_idle_size()
        yield Sample("postgres_pool_connections", pool.get_size() - idle, ("used",))
        yield Sample("postgres_pool_connections", idle, ("idle",))
        yield Sample("postgres_pool_limit", pool.get_max_size())
        # (connections, attributes) for each state; of the attributes we need none.
        yield Sample(
            "redis_pool_connections", sum(number for number, _ in client.connection_pool.get_connection_count())
        )

    return read


def loop_source() -> Source:
    """What the event loop that asks has under way."""
    return lambda: [Sample("event_loop_tasks", len(asyncio.all_tasks()))]


def log_source(lines: dict[str, int], stream: UnfailingStream) -> Source:
    """Lines logged, by level, and those that could not be written."""
    return lambda: [
        *(Sample("log_lines", lines[level], (level,)) for level in ("warning", "error", "critical")),
        Sample("log_lines_lost", stream.lost),
    ]


def door_source(door: Door, passwords: Passwords, attempts: PasswordAttempts) -> Source:
    """The HTTP door and the log-ins behind it."""

    def read() -> Iterable[Sample]:
        yield Sample("http_connections", door.open)
        yield Sample("http_connections_refused", door.refused)
        yield Sample("password_queue_waiting", passwords.waiting)
        yield Sample("password_queue_refused", passwords.refused)
        yield Sample("password_attempts_refused", attempts.refused)

    return read


def order_source(tally: OrderTally, waiting: Callable[[], int]) -> Source:
    """Orders by act and result, and those that wait for a group."""

    def read() -> Iterable[Sample]:
        for act_and_result, number in tally.counted.items():
            yield Sample("orders", number, act_and_result)
        yield Sample("order_queue_waiting", waiting())

    return read


def core_source(core: AskedCore) -> Source:
    """What the core was asked, and what it said."""
    return lambda: [Sample("core_answers", number, asked) for asked, number in core.answers.items()]


def envelope_source(envelopes: Envelopes) -> Source:
    """Sealed data that did not open."""
    return lambda: [Sample("envelopes_unopened", envelopes.unopened)]


def relay_source(relay: OutboxRelay) -> Source:
    """What the relay did since the start."""
    return lambda: [Sample("outbox_facts", relay.handed), Sample("outbox_failures", relay.failures)]


def gateway_source(gateway: Gateway, echo: RoomEcho) -> Source:
    """Rooms and their connections."""

    def read() -> Iterable[Sample]:
        counted = gateway.counters
        for name in _GATEWAY_AS_NAMED:
            yield Sample(f"gateway_{name}", getattr(counted, name))
        yield Sample("gateway_connections_opened", counted.connections_total)
        yield Sample("gateway_rooms", len(gateway.rooms))
        yield Sample("gateway_refused", counted.shed, ("overload",))
        yield Sample("gateway_refused", counted.refused_addresses, ("address",))
        yield Sample("gateway_refused", counted.refused_origins, ("origin",))
        for importance, number in gateway.rooms.events_by_class.items():
            yield Sample("gateway_events", number, (importance,))
        yield Sample("gateway_shed", counted.shed_may, ("may",))
        yield Sample("gateway_shed", counted.shed_should, ("should",))
        yield Sample("gateway_closed", counted.slow_closes, ("slow",))
        yield Sample("gateway_closed", counted.silent_closes, ("silent",))
        yield Sample("gateway_closed", counted.unopened_closes, ("unopened",))
        yield Sample("gateway_closed", counted.flood_closes, ("flood",))
        yield Sample("gateway_closed", counted.internal_errors, ("internal",))
        yield Sample("room_echoes_lost", echo.lost)

    return read


def media_source(engine: MediaEngine, legs: LegCounters, feeds: Feeds, max_viewers: int) -> Source:
    """The relay; nothing before it runs and after it has stopped."""

    def read() -> Iterable[Sample]:
        if not engine.running:
            return
        stats = engine.snapshot()
        for name in _MEDIA_AS_NAMED:
            yield Sample(f"media_{name}", getattr(stats, name))
        yield Sample("media_viewers_limit", max_viewers)
        layers: Counter[int | None] = Counter()
        for row in stats.broadcasts:
            layers.update(row.viewers_by_layer)
        for layer in (*range(MAX_LAYERS), None):
            yield Sample("media_viewers_on_layer", layers[layer], ("none" if layer is None else str(layer),))
        for kind, number in stats.joined.items():
            yield Sample("media_joins", number, (kind,))
        for code, number in stats.refused.items():
            yield Sample("media_joins_refused", number, (code,))
        for name in ("legs", "leg_packets", "leg_dropped"):
            yield Sample(f"media_{name}", getattr(legs, name))
        yield Sample("media_fed_packets", feeds.packets)

    return read


def recorder_source(recorder: DiskRecorder) -> Source:
    """The recorder."""

    def read() -> Iterable[Sample]:
        yield Sample("recorder_healthy", recorder.health().healthy)
        yield Sample("recorder_packets", recorder.counters.packets)
        yield Sample("recorder_bytes", recorder.counters.octets)
        yield Sample("recorder_dropped", recorder.dropped())
        yield Sample("recorder_queue_packets", recorder.queued)
        yield Sample("recorder_queue_limit", recorder.queue_limit)

    return read
