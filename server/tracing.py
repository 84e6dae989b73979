"""OpenTelemetry traces across the processes of an installation, where an operator has named a collector. I/O: OTLP.

A trace begins with an HTTP request or a command in a room and is carried as a W3C `traceparent`: in the outbox's rows
to the process that announces them, and in a room's envelopes to every gateway that fans them out (ADR 0072). A span
says what the labels of metrics say, and the request's id, by which its log lines are found: never an account, an
order, a text, a token or an address.

Only `server.chosen_parts` imports this, and only where a collector is named; without one no OpenTelemetry is loaded.
"""

import asyncio
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, Final

from aiohttp import web
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, StatusCode, get_current_span, use_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from server.http.middleware import Handler, route_of

_EXPORT_TIMEOUT_S: Final = 2.0
_QUEUED_SPANS: Final = 2_048
"""Spans that wait for the collector; overflow policy: *drop*, a trace is never worth a request."""
_STOP_S: Final = 4.0
_METHODS: Final = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_propagator: Final = TraceContextTextMapPropagator()


class Tracing:
    """This process's spans, sent to one collector in the background."""

    def __init__(self, endpoint: str, share: float, process: str) -> None:
        """`endpoint`: the collector's base URL, OTLP over HTTP; `share` of the trace ids is kept, whoever drew them.

        Headers, certificates and resource attributes are the SDK's own `OTEL_…` variables.
        """
        # A stranger's `traceparent` may name its trace, but not make us keep more of them.
        kept = TraceIdRatioBased(share)
        named: dict[str, str | int] = {"service.name": "wealthcast", "wealthcast.process": process}
        self._provider = TracerProvider(
            sampler=ParentBased(kept, remote_parent_sampled=kept),
            resource=Resource.create(named | {"process.pid": os.getpid()}),
            shutdown_on_exit=False,
        )
        exporter = OTLPSpanExporter(endpoint.rstrip("/") + "/v1/traces", timeout=_EXPORT_TIMEOUT_S)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=_QUEUED_SPANS))
        self._tracer = self._provider.get_tracer("wealthcast")

    def carried(self) -> str | None:
        """Return the `traceparent` of the span that this code runs in; None outside of spans that are kept."""
        here = get_current_span().get_span_context()
        if not here.is_valid or not here.trace_flags.sampled:
            return None
        return f"00-{here.trace_id:032x}-{here.span_id:016x}-01"

    def command(self, name: str) -> AbstractContextManager[object]:
        """Note a command of somebody in a room."""
        return self._span(f"room {name}", SpanKind.SERVER, None)

    def announcement(self, kind: str, carried: str) -> AbstractContextManager[object]:
        """Note that a committed fact is handed to its room."""
        return self._span(f"announce {kind}", SpanKind.PRODUCER, _parent(carried))

    def fanned_out(self, carried: Sequence[str], people: int, took_s: float) -> None:
        """Note that a frame went out just now to so many; each trace that it carried is told."""
        end_ns = time.time_ns()
        for one in carried:
            span = self._tracer.start_span(
                "room fan-out",
                _parent(one),
                SpanKind.CONSUMER,
                {"wealthcast.people": people},
                start_time=end_ns - int(took_s * 1e9),
            )
            span.end(end_ns)

    @property
    def middleware(self) -> Any:
        """What notes each request, outermost of all, and goes on with the trace that it came with."""

        @web.middleware
        async def traced(request: web.Request, handler: Handler) -> web.StreamResponse:
            route = route_of(request)
            method = request.method if request.method in _METHODS else "_OTHER"
            parent = _propagator.extract({"traceparent": request.headers.get("traceparent", "")}, Context())
            with self._span(f"{method} {route}", SpanKind.SERVER, parent) as span:
                response = await handler(request)
                span.set_attribute("http.request.method", method)
                span.set_attribute("http.route", route)
                span.set_attribute("http.response.status_code", response.status)
                span.set_attribute("wealthcast.request_id", response.headers.get("X-Request-Id", ""))
                if response.status >= 500:
                    span.set_status(StatusCode.ERROR)
                return response

        return traced

    @contextmanager
    def _span(self, name: str, kind: SpanKind, parent: Context | None) -> Iterator[Span]:
        """Note the block; an exception by its class only, as its text may hold what is people's own."""
        span = self._tracer.start_span(name, parent, kind)
        with use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield span
            except Exception as error:
                span.set_status(StatusCode.ERROR)
                span.set_attribute("error.type", type(error).__name__)
                raise

    async def aclose(self) -> None:
        """Send what waits; a collector that does not answer is not waited for."""
        loop, sent = asyncio.get_running_loop(), asyncio.Event()

        def send() -> None:
            self._provider.shutdown()
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(sent.set)

        # Not a thread of the loop's pool, whose end the program would wait for.
        threading.Thread(target=send, name="last-spans", daemon=True).start()
        with suppress(TimeoutError):
            async with asyncio.timeout(_STOP_S):
                await sent.wait()


def _parent(carried: str) -> Context:
    return _propagator.extract({"traceparent": carried}, Context())
