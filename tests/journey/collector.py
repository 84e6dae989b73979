"""An OpenTelemetry collector as small as it gets: OTLP over HTTP in, spans kept. Does I/O."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.journey.demo import PATIENCE_S


@dataclass(frozen=True)
class Seen:
    """One span: whose it is, what it is called, where it belongs, and what it says."""

    process: int
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    attributes: dict[str, object]


@dataclass
class Collector:
    """What was sent; `raw` is all of it as it came."""

    url: str = ""
    spans: list[Seen] = field(default_factory=list)
    raw: bytes = b""
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, request: web.Request) -> web.Response:
        """`POST /v1/traces`."""
        body = await request.read()
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        self.raw += body
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            process = next(one.value.int_value for one in resource.resource.attributes if one.key == "process.pid")
            for scope in resource.scope_spans:
                for span in scope.spans:
                    said = {one.key: one.value.string_value or one.value.int_value for one in span.attributes}
                    ids = (span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex())
                    self.spans.append(Seen(process, span.name, *ids, said))
        self._news.set()
        return web.Response(content_type="application/x-protobuf")

    async def until(self, found: Callable[[], bool]) -> None:
        """Wait until this holds of the spans; processes send theirs some seconds late."""
        async with asyncio.timeout(PATIENCE_S):
            while not found():
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def collecting() -> AsyncIterator[Collector]:
    """Listen on loopback for the length of the block."""
    collector = Collector()
    application = web.Application(client_max_size=1 << 24)
    application.router.add_post("/v1/traces", collector.take)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        collector.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield collector
    finally:
        await runner.cleanup()
