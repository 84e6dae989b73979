"""The media engine: one UDP port, any number of broadcasts. Composes the package and is the server's way into it.

All methods belong to the event loop that called `start`. Nothing here blocks; what waits is bounded by the settings.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import math
import random
import secrets
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Concatenate, ParamSpec

from streaming.admission import JoinBudget
from streaming.dtls_openssl import SharedCertificate, generate_certificate
from streaming.egress import PacketWriter
from streaming.egress_choice import choose_writer
from streaming.errors import (
    BadSdp,
    EngineStopped,
    PublisherExists,
    StreamingError,
    TooManyHandshakes,
    TooManyJoins,
    ViewerLimitReached,
)
from streaming.ice_lite import Credentials, IceLiteAgent, new_credentials
from streaming.ingest import Ingest
from streaming.media_events import MediaEvent
from streaming.media_settings import MediaSettings
from streaming.media_stats import EngineStats
from streaming.peer import Peer
from streaming.port import MediaPort
from streaming.publisher import FEEDBACK_INTERVAL_S, Publisher
from streaming.recorder import Recorder
from streaming.relay import BroadcastRelay, Feed
from streaming.resources import Answer, Resource, Resources
from streaming.sdp_answer import AnsweringSource, LocalTransport, build_answer, candidate_lines
from streaming.sdp_fragment import Fragment, build_fragment
from streaming.sdp_negotiation import Negotiation, negotiate_publisher, negotiate_viewer
from streaming.sdp_offer import parse_offer
from streaming.tap import Origin, Tap
from streaming.task_owner import TaskOwner
from streaming.viewer import Viewer

logger = logging.getLogger(__name__)

RELAY_KEPT_S = 60.0
"""A relay with neither publisher nor viewers is let go after this time; who comes then finds a new one."""
AWAY_AT_ONCE = 20
"""Viewers that a draining engine closes together."""
_SUMMED = ("nacks_received", "retransmitted", "nacks_sent", "keyframe_requests")
"""Counts of each broadcast; those of ended ones are kept, so that the sums only grow."""
P = ParamSpec("P")


def _refusals_counted(
    admit: Callable[Concatenate[MediaEngine, P], Coroutine[Any, Any, Answer]],
) -> Callable[Concatenate[MediaEngine, P], Coroutine[Any, Any, Answer]]:
    @functools.wraps(admit)
    async def admit_and_count(engine: MediaEngine, /, *args: P.args, **kwargs: P.kwargs) -> Answer:
        try:
            return await admit(engine, *args, **kwargs)
        except StreamingError as error:
            engine.refused[error.code] += 1
            raise

    return admit_and_count


class MediaEngine:
    """Publishes and shows broadcasts over WebRTC.

    `on_event` is called on the loop, in order, often from the packet path: it must return at once (put the event in a
    queue of your own); what it raises is logged and otherwise ignored. `clock` is monotonic seconds, `wall_clock` UTC.
    """

    def __init__(
        self,
        settings: MediaSettings,
        on_event: Callable[[MediaEvent], None],
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        certificate: SharedCertificate | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self._settings = settings
        self._on_event = on_event
        self._clock = clock
        self._recorder = recorder
        self._wall_clock = wall_clock
        self.writer_choice = choose_writer(settings.packet_writer)
        self._certificate = certificate or generate_certificate()
        self._randomness = random.Random(secrets.randbits(64))
        self._tasks = TaskOwner()
        self._port: MediaPort | None = None
        self._writer: PacketWriter | None = None
        self._relays: dict[str, BroadcastRelay] = {}
        self._resources = Resources()
        self._joins = JoinBudget(settings.joins_per_s)
        self.refused: Counter[str] = Counter()
        self._ended: Counter[str] = Counter()

    @property
    def local_port(self) -> int:
        """The UDP port in use; raises EngineStopped before `start`."""
        return self._running()[0].local_port

    @property
    def running(self) -> bool:
        """Between `start` and `stop`."""
        return self._port is not None

    async def start(self) -> None:
        """Open the port and begin to serve; raises OSError when the port is taken."""
        assert self._port is None, "the engine is started once at a time"
        settings, loop = self._settings, asyncio.get_running_loop()
        self._port = MediaPort(
            settings.bind_host,
            settings.port,
            send_buffer_bytes=settings.send_buffer_bytes,
            receive_buffer_bytes=settings.receive_buffer_bytes,
            clock=self._clock,
        )
        self._writer = self.writer_choice.make(self._port.socket, loop, settings.send_queue_packets)
        self._port.start(loop, self._writer.write_plain)
        self._tasks.spawn(self._tick_forever(), "media-clock")

    async def stop(self) -> None:
        """Close every session, tell the peers, and free the port; returns within two seconds."""
        if self._port is None or self._writer is None:
            return
        for broadcast_id in list(self._relays):
            self.end_broadcast(broadcast_id, "engine_stopped")
        port, writer = self._port, self._writer
        self._port = self._writer = None
        await self._tasks.cancel_all()
        writer.close()
        port.stop()

    @_refusals_counted
    async def publish(
        self, broadcast_id: str, offer_sdp: str, *, holder_id: str = "", until_s: float = math.inf
    ) -> Answer:
        """Admit a publisher and answer its offer; `holder_id` and `until_s` as `Resource` has them.

        A publisher that fell silent is replaced. Raises BadSdp, NoUsableCodec, PublisherExists, TooManyHandshakes.
        """
        port, writer = self._running()
        negotiation = negotiate_publisher(parse_offer(offer_sdp))
        existing = self._relays[broadcast_id].publisher if broadcast_id in self._relays else None
        if existing is not None and existing.alive(self._clock()):
            retry_after_s = max(1, round(self._settings.publisher_silent_s))
            raise PublisherExists("another publisher is live in this broadcast", retry_after_s=retry_after_s)
        self._check_half_open()
        peer, local = self._make_peer(negotiation, port, writer)
        ingest = Ingest(negotiation, self._new_ssrc(), self._settings.max_publisher_bitrate_bps)
        resource = self._resource(broadcast_id, "publisher", (holder_id, until_s), negotiation, local)
        publisher = Publisher(
            resource.resource_id, peer, ingest, self._settings.publisher_silent_s,
            lambda: self._wall_clock().timestamp(),
        )  # fmt: skip
        self._relay(broadcast_id).take_publisher(publisher)
        self._hold(resource, peer)
        peer.admit(publisher)
        return Answer(resource.resource_id, build_answer(negotiation, local), resource.etag)

    @_refusals_counted
    async def view(self, broadcast_id: str, viewer_id: str, offer_sdp: str, *, until_s: float = math.inf) -> Answer:
        """Admit a viewer and answer its offer; with nobody publishing yet it waits connected.

        Raises BadSdp, NoUsableCodec, FlowingCodecUnsupported, ViewerLimitReached, TooManyHandshakes, TooManyJoins.
        """
        port, writer = self._running()
        self._check_room()
        known = self._relays.get(broadcast_id)
        negotiation = negotiate_viewer(parse_offer(offer_sdp), known.flowing_video if known is not None else None)
        peer, local = self._make_peer(negotiation, port, writer)
        resource = self._resource(broadcast_id, "viewer", (viewer_id, until_s), negotiation, local)
        sources = {m.kind: AnsweringSource(self._new_ssrc(), self._new_ssrc()) for m in negotiation.media}
        viewer = Viewer(
            resource.resource_id, viewer_id, peer, negotiation, sources, local.cname,
            self._settings.retransmissions_per_s, self._randomness,
        )  # fmt: skip
        self._relay(broadcast_id).take_viewer(viewer)
        self._hold(resource, peer)
        peer.admit(viewer)
        return Answer(resource.resource_id, build_answer(negotiation, local, sources), resource.etag)

    async def restart_ice(self, resource_id: str, fragment: Fragment) -> Answer:
        """Give a session new ICE credentials (RFC 9725 §4.3.3); the same fragment again gets the same answer.

        The answer's `sdp` is a fragment. Raises BadSdp where the client's credentials are missing, UnknownResource.
        """
        port, _ = self._running()
        resource, session = self._resources.find(resource_id)
        if not fragment.ufrag or not fragment.password:
            raise BadSdp("an ICE restart needs ice-ufrag and ice-pwd")
        if fragment.ufrag != resource.remote_ufrag:
            session.restart_ice(Credentials(*new_credentials(secrets.token_bytes), fragment.ufrag))
            resource = replace(resource, etag=secrets.token_hex(8), remote_ufrag=fragment.ufrag)
            self._resources.change(resource)
        candidates = candidate_lines(self._advertised(port))
        return Answer(resource_id, build_fragment(session.ice.latest, candidates, resource.tag), resource.etag)

    async def close(self, resource_id: str) -> None:
        """End one session (DELETE); raises UnknownResource."""
        self._resources.find(resource_id)[1].close("deleted")

    async def owner_of(self, resource_id: str) -> Resource:
        """Say whose a resource is; raises UnknownResource."""
        return self._resources.find(resource_id)[0]

    def end_broadcast(self, broadcast_id: str, reason: str) -> None:
        """Close everything of a broadcast at once and forget it; unknown ones are none."""
        relay = self._relays.pop(broadcast_id, None)
        if relay is not None:
            stats = relay.stats()
            self._ended.update({name: getattr(stats, name) for name in _SUMMED})
            relay.close(reason)
            if self._recorder is not None:
                self._recorder.close(broadcast_id)

    def tap(self, broadcast_id: str, tap: Tap) -> bool:
        """Let another process have this broadcast's packets; False while nobody publishes it here."""
        relay = self._relays.get(broadcast_id)
        if relay is None or relay.publisher is None:
            return False
        relay.taps.append(tap)
        return True

    def untap(self, broadcast_id: str, tap: Tap) -> None:
        """Stop; nothing happens where it has ended."""
        relay = self._relays.get(broadcast_id)
        if relay is not None and tap in relay.taps:
            relay.taps.remove(tap)

    def ask_for_keyframe(self, broadcast_id: str) -> None:
        """Ask the publisher, as a viewer's request would; what is asked at once is merged."""
        relay = self._relays.get(broadcast_id)
        if relay is not None:
            relay.want_keyframe()

    def feed_from(self, broadcast_id: str, origin: Origin) -> Feed | None:
        """Take another process's packets for the viewers here until they are `end`ed; None where nobody is."""
        relay = self._relays.get(broadcast_id)
        return relay.feed_from(origin) if relay is not None else None

    def unfed(self) -> tuple[str, ...]:
        """The broadcasts that have viewers here and neither a publisher nor a feed."""
        return tuple(
            broadcast_id
            for broadcast_id, relay in self._relays.items()
            if relay.viewers and relay.publisher is None and relay.feed is None
        )

    async def send_away(self, over_s: float) -> None:
        """Close every session, publishers first, viewers spread over the time given; they come back elsewhere."""
        for relay in self._relays.values():
            if relay.publisher is not None:
                relay.publisher.peer.close("draining")
        leaving = [viewer for relay in self._relays.values() for viewer in relay.viewers.values()]
        self._randomness.shuffle(leaving)
        for number, viewer in enumerate(leaving, start=1):
            viewer.peer.close("draining")
            if number % AWAY_AT_ONCE == 0:
                await asyncio.sleep(over_s * AWAY_AT_ONCE / len(leaving))

    def broadcast_ids(self) -> tuple[str, ...]:
        """The broadcasts that have something here, a publisher or viewers."""
        return tuple(self._relays)

    def drop_viewer(self, broadcast_id: str, viewer_id: str, reason: str = "dropped") -> int:
        """Close every session this viewer has in the broadcast; returns how many there were."""
        relay = self._relays.get(broadcast_id)
        sessions = [v for v in relay.viewers.values() if v.viewer_id == viewer_id] if relay is not None else []
        for viewer in sessions:
            viewer.peer.close(reason)
        return len(sessions)

    def resources(self) -> list[Resource]:
        """Every session that is open here."""
        return self._resources.all()

    def extend(self, resource: Resource, until_s: float) -> None:
        """Note that the right to a session ends later; raises UnknownResource."""
        found, _ = self._resources.find(resource.resource_id)
        self._resources.change(replace(found, until_s=until_s))

    def end(self, resource: Resource, reason: str) -> None:
        """Close one session whose right has ended; raises UnknownResource."""
        self._resources.find(resource.resource_id)[1].close(reason)

    def drop_person(self, holder_id: str) -> int:
        """Close every session this person has, sending or watching; returns how many there were."""
        theirs = [resource for resource in self._resources.all() if resource.holder_id == holder_id]
        for resource in theirs:
            self.end(resource, "banned")
        return len(theirs)

    @property
    def full(self) -> bool:
        """Whether no further viewer is taken until one leaves."""
        return self._resources.admitted("viewer") >= self._settings.max_viewers

    def snapshot(self) -> EngineStats:
        """Read all counters at once."""
        port, writer = self._running()
        sent = writer.counters
        rows = tuple(relay.stats() for relay in self._relays.values())
        return EngineStats(
            publishers=self._resources.connected("publisher"),
            viewers=self._resources.connected("viewer"),
            half_open=self._resources.half_open,
            packets_in=port.counters.packets_received,
            bytes_in=port.counters.bytes_received,
            packets_out=sent.packets_sent,
            bytes_out=sent.bytes_sent,
            packets_queued=sent.queued,
            packets_dropped=sent.dropped,
            unsegmented=sent.unsegmented,
            unknown_address=port.counters.unknown_address,
            unknown_ufrag=port.counters.unknown_ufrag,
            stun_rejected=port.counters.stun_rejected,
            malformed=port.counters.malformed,
            joined=dict(self._resources.joined),
            refused=dict(self.refused),
            **{name: self._ended[name] + sum(getattr(row, name) for row in rows) for name in _SUMMED},
            send_buffer_bytes=port.send_buffer_bytes,
            receive_buffer_bytes=port.receive_buffer_bytes,
            broadcasts=rows,
        )

    def _running(self) -> tuple[MediaPort, PacketWriter]:
        if self._port is None or self._writer is None:
            raise EngineStopped("the media engine is not running")
        return self._port, self._writer

    def _relay(self, broadcast_id: str) -> BroadcastRelay:
        relay = self._relays.get(broadcast_id)
        if relay is None:
            _, writer = self._running()
            recorder = self._recorder
            relay = self._relays[broadcast_id] = BroadcastRelay(
                broadcast_id, self._settings, writer, self._emit, self._wall_clock, self._clock,
                (lambda: recorder.open(broadcast_id)) if recorder is not None else None,
            )  # fmt: skip
        return relay

    def _check_room(self) -> None:
        """Refuse a viewer before its offer costs anything."""
        if self.full:
            raise ViewerLimitReached("this media process is full", retry_after_s=5)
        self._check_half_open()
        retry_after_s = self._joins.take(self._clock())
        if retry_after_s is not None:
            raise TooManyJoins("many viewers are joining at once", retry_after_s=retry_after_s)

    def _check_half_open(self) -> None:
        if self._resources.half_open >= self._settings.max_half_open:
            raise TooManyHandshakes("too many connections are being set up", retry_after_s=1)

    def _make_peer(
        self, negotiation: Negotiation, port: MediaPort, writer: PacketWriter
    ) -> tuple[Peer, LocalTransport]:
        ufrag, password = new_credentials(secrets.token_bytes)
        transport = negotiation.transport
        now_s = self._clock()
        agent = IceLiteAgent(Credentials(ufrag, password, transport.ufrag), now_s)
        deadline_s = now_s + self._settings.handshake_timeout_s
        peer = Peer(agent, transport.fingerprints, self._certificate, port, writer, deadline_s)
        local = LocalTransport(
            ufrag=ufrag,
            password=password,
            fingerprint=self._certificate.sha256_fingerprint,
            addresses=self._advertised(port),
            session_id=secrets.randbits(62),
            cname=secrets.token_hex(8),
        )
        return peer, local

    def _advertised(self, port: MediaPort) -> tuple[tuple[str, int], ...]:
        advertised_port = self._settings.advertised_port or port.local_port
        return tuple((ip, advertised_port) for ip in self._settings.advertised_ips)

    def _resource(
        self, broadcast_id: str, kind: str, right: tuple[str, float], negotiation: Negotiation, local: LocalTransport
    ) -> Resource:
        return Resource(
            resource_id=secrets.token_urlsafe(24),
            broadcast_id=broadcast_id,
            kind=kind,
            holder_id=right[0],
            until_s=right[1],
            etag=secrets.token_hex(8),
            remote_ufrag=negotiation.transport.ufrag,
            tag=negotiation.bundle_tag,
        )

    def _hold(self, resource: Resource, peer: Peer) -> None:
        self._resources.hold(resource, peer)
        peer.watch(
            connected=lambda: self._resources.complete(resource.resource_id),
            closed=lambda: self._resources.release(resource.resource_id),
        )

    def _new_ssrc(self) -> int:
        return self._randomness.randrange(1, 1 << 32)

    def _emit(self, event: MediaEvent) -> None:
        try:
            self._on_event(event)
        except Exception:
            # The listener is another package: its failure must not stop packets.
            logger.exception("the listener failed on %s", type(event).__name__)

    async def _tick_forever(self) -> None:
        while True:
            await asyncio.sleep(FEEDBACK_INTERVAL_S)
            now_s = self._clock()
            self._resources.tick(now_s)
            for relay in list(self._relays.values()):
                try:
                    relay.tick(now_s)
                    if relay.unused_for_s(now_s) > RELAY_KEPT_S:
                        self.end_broadcast(relay.broadcast_id, "unused")
                except Exception:
                    # A task boundary: one broadcast's failure must not stop the others' clock.
                    logger.exception("broadcast %s: tick failed", relay.broadcast_id)
