"""One broadcast's media: at most one publisher, any number of viewers, one stream each for audio and video.

The relay outlives its publishers, so that a publisher may go and come back while the viewers stay. No I/O of its own.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from streaming.egress import PacketWriter
from streaming.ingest import Source
from streaming.keyframes import KeyframeRequests
from streaming.layered_stream import LayeredStream
from streaming.media_events import (
    MediaEvent,
    PictureResumed,
    PictureWithheld,
    PublisherGone,
    PublisherLimited,
    PublisherResumed,
    PublisherStalled,
    PublisherStarted,
    ViewerJoined,
    ViewerLeft,
)
from streaming.media_settings import MediaSettings
from streaming.media_stats import BroadcastStats
from streaming.publisher import Flow, Publisher
from streaming.recorder import TapePort
from streaming.retransmission import PacketRing
from streaming.rtp import RtpPacket
from streaming.sdp_negotiation import CodecId
from streaming.stream_relay import StreamRelay
from streaming.tap import Origin, Tap
from streaming.viewer import Viewer
from streaming.viewer_stream import ViewerStream

AUDIO_RING_PACKETS = 256
VIEWER_TURNS = 5
"""Ticks within which every viewer has its turn: a quarter of a second, and their sender reports are spread over it."""


class Feed:
    """One relay's packets from another process; a publisher that comes to this one silences it."""

    def __init__(self, relay: BroadcastRelay) -> None:
        self._relay = relay

    @property
    def wanted(self) -> bool:
        """Whether there is still somebody to feed, and nobody publishes here."""
        return self._relay.feed is self and self._relay.publisher is None and bool(self._relay.viewers)

    def take(self, source: Source, packet: RtpPacket, now_s: float) -> None:
        """Forward one packet to the viewers here; nothing is recorded, as the origin does that."""
        if self._relay.feed is self and self._relay.publisher is None:
            self._relay.forward(source, packet, now_s)

    def end(self) -> None:
        """There will be no more."""
        if self._relay.feed is self:
            self._relay.feed = self._relay.origin = None


class BroadcastRelay:
    """Joins one publisher to its viewers; `emit` gets events in the order they happen."""

    def __init__(
        self,
        broadcast_id: str,
        settings: MediaSettings,
        writer: PacketWriter,
        emit: Callable[[MediaEvent], None],
        wall_clock: Callable[[], datetime],
        clock: Callable[[], float],
        open_tape: Callable[[], TapePort] | None = None,
    ) -> None:
        self.broadcast_id = broadcast_id
        self.publisher: Publisher | None = None
        self.viewers: dict[str, Viewer] = {}
        self.taps: list[Tap] = []
        self.feed: Feed | None = None
        self.origin: Origin | None = None
        self._settings = settings
        self._writer = writer
        self._emit = emit
        self._wall_clock = wall_clock
        self._clock = clock
        # Opened with the first publisher: where only viewers are, another process records.
        self._open_tape = open_tape
        self._tape: TapePort | None = None
        self._keyframes = KeyframeRequests(settings.keyframe_interval_s)
        self._had_media = False
        self._used_s = clock()
        self._turn = 0
        self._departed_nacks = 0
        self._departed_nacks_sent = 0
        self._departed_retransmitted = 0
        self._video = LayeredStream(lambda: self._line("video", 90_000, settings.ring_packets))
        self._audio = self._line("audio", 48_000, AUDIO_RING_PACKETS)

    def _line(self, kind: str, clock_rate: int, capacity: int) -> StreamRelay:
        return StreamRelay(
            kind,
            clock_rate,
            self._writer,
            PacketRing(capacity, self._settings.ring_max_age_s, self._settings.ring_bytes),
        )

    @property
    def flowing_video(self) -> CodecId | None:
        """The codec viewers must be able to receive; None while nobody publishes."""
        return self._video.codec if self.publisher is not None or self.feed is not None else None

    def take_publisher(self, publisher: Publisher) -> None:
        """Make this the broadcast's publisher; the caller made sure that no other is alive."""
        if self.publisher is not None:
            self.publisher.peer.close("replaced")
        self.publisher = publisher
        if self._tape is None and self._open_tape is not None:
            self._tape = self._open_tape()
        publisher.media = self._forward
        publisher.flow_changed = self._flow_changed
        publisher.gone = self._publisher_gone
        publisher.limited = self._publisher_limited
        self._keyframes.publisher_changed()

    def take_viewer(self, viewer: Viewer) -> None:
        """Admit a viewer, whether or not anybody publishes yet."""
        self.viewers[viewer.resource_id] = viewer
        viewer.joined = self._viewer_joined
        viewer.left = self._viewer_left
        viewer.wants_keyframe = self._viewer_wants_keyframe
        viewer.reported = self._choose_layer

    def feed_from(self, origin: Origin) -> Feed:
        """Let packets come from another process; an earlier feed is silent from now on."""
        self.feed, self.origin = Feed(self), origin
        self._keyframes.publisher_changed()
        return self.feed

    def close(self, reason: str) -> None:
        """End everybody's session at once."""
        for tap in self.taps:
            tap.closed()
        self.taps = []
        for viewer in list(self.viewers.values()):
            viewer.peer.close(reason)
        if self.publisher is not None:
            self.publisher.peer.close(reason)

    def tick(self, now_s: float) -> None:
        """Everything that goes by the clock; called every 50 ms."""
        if self.publisher is not None:
            self.publisher.tick(self._writer, now_s)
            for layer in (*self._video.wanted_keyframes(), *self.publisher.ingest.unrepairable):
                self._keyframes.want(layer)
            self.publisher.ingest.unrepairable.clear()
            self._ask_for_keyframe(now_s)
        elif self.origin is not None:
            for layer in self._video.wanted_keyframes():
                self.want_keyframe(layer)
        if self._video.layered:
            self._video.measure(now_s)
        for line in self._video.lines:
            line.repeat_again(now_s)
        self._turn = (self._turn + 1) % VIEWER_TURNS
        for viewer in list(self.viewers.values())[self._turn :: VIEWER_TURNS]:
            viewer.report(self._writer, now_s)
            self._choose_layer(viewer, now_s)
            self._check_consent(viewer, now_s)
        if self.publisher is not None:
            self._check_consent(self.publisher, now_s)

    def unused_for_s(self, now_s: float) -> float:
        """How long nobody has been here, neither a publisher nor a viewer nor another process."""
        if self.publisher is not None or self.viewers or self.taps:
            self._used_s = now_s
        return now_s - self._used_s

    def _check_consent(self, member: Viewer | Publisher, now_s: float) -> None:
        if member.peer.ice.consent_age_s(now_s) >= self._settings.consent_timeout_s:
            member.peer.close("consent_expired")

    def _forward(self, source: Source, packet: RtpPacket, now_s: float) -> None:
        if self._tape is not None and (source.kind == "audio" or self._video.records(source, packet)):
            self._tape.append(source, packet, now_s)
        for tap in self.taps:
            tap.take(source, packet, now_s)
        self.forward(source, packet, now_s)

    def forward(self, source: Source, packet: RtpPacket, now_s: float) -> None:
        """Send one packet to the viewers here."""
        if source.kind == "audio":
            self._audio.forward(source, packet, now_s)
            return
        changes_before = self._video.codec_changes
        if self._video.forward(source, packet, now_s):
            self._keyframes.keyframe_arrived(source.layer)
        if self._video.codec_changes != changes_before:
            self._drop_unsupported()

    def _choose_layer(self, viewer: Viewer, now_s: float) -> None:
        stream = viewer.streams.get("video")
        if stream is None or not (self._video.layered or viewer.starved):
            return
        self._video.choose(stream, now_s)
        if stream.choice.starved is viewer.starved:
            return
        viewer.starved = stream.choice.starved
        kind = PictureWithheld if viewer.starved else PictureResumed
        self._emit(kind(self.broadcast_id, viewer.viewer_id, viewer.resource_id, self._wall_clock()))

    def _drop_unsupported(self) -> None:
        """Viewers that lack the new codec have to join anew; their close reason says why."""
        for viewer in list(self.viewers.values()):
            if any(stream.unsupported for stream in viewer.streams.values()):
                viewer.peer.close("codec_changed")

    def want_keyframe(self, layer: int | None = None) -> None:
        """Ask whoever sends, as soon as the interval between requests lets; None asks for every layer."""
        self._keyframes.want(layer)
        self._ask_for_keyframe(self._clock())

    def _viewer_wants_keyframe(self, stream: ViewerStream) -> None:
        self.want_keyframe(self._video.layer_of(stream))

    def _ask_for_keyframe(self, now_s: float) -> None:
        publisher = self.publisher
        if publisher is None and self.origin is not None and self._keyframes.due(now_s):
            self.origin.ask_for_keyframe()
        if publisher is None or not publisher.ingest.has_video:
            return
        layers = self._keyframes.due(now_s)
        if layers:
            publisher.ask_for_keyframe(self._writer, layers)

    def _flow_changed(self, publisher: Publisher, before: Flow, now_s: float) -> None:
        at = self._wall_clock()
        if publisher.flow is Flow.STALLED:
            silent_s = publisher.silent_for_s(now_s)
            self._emit(PublisherStalled(self.broadcast_id, publisher.resource_id, at, silent_s))
        elif before is Flow.STALLED:
            self._emit(PublisherResumed(self.broadcast_id, publisher.resource_id, at))
        else:
            self._emit(PublisherStarted(self.broadcast_id, publisher.resource_id, at, self._had_media))
            self._had_media = True

    def _publisher_limited(self, publisher: Publisher) -> None:
        limit = publisher.ingest.limit
        at = self._wall_clock()
        self._emit(PublisherLimited(self.broadcast_id, publisher.resource_id, at, limit.shedding, limit.limit_bps))

    def _publisher_gone(self, publisher: Publisher, reason: str) -> None:
        if self.publisher is publisher:
            self.publisher = None
            self._departed_nacks_sent += publisher.ingest.nacked
        if publisher.flow is not Flow.WAITING:
            self._emit(PublisherGone(self.broadcast_id, publisher.resource_id, self._wall_clock(), reason))

    def _viewer_joined(self, viewer: Viewer) -> None:
        viewer.attach({"video": self._video, "audio": self._audio}, self._writer, self._clock())
        self._emit(ViewerJoined(self.broadcast_id, viewer.viewer_id, viewer.resource_id, self._wall_clock()))
        if any(stream.unsupported for stream in viewer.streams.values()):
            viewer.peer.close("codec_changed")
        elif viewer.waits_for_picture:
            self._viewer_wants_keyframe(viewer.streams["video"])

    def _viewer_left(self, viewer: Viewer, reason: str) -> None:
        self.viewers.pop(viewer.resource_id, None)
        viewer.detach(self._writer)
        self._departed_nacks += viewer.nacks
        self._departed_retransmitted += viewer.retransmitted
        if viewer.joined_before:
            at = self._wall_clock()
            self._emit(ViewerLeft(self.broadcast_id, viewer.viewer_id, viewer.resource_id, at, reason))

    def stats(self) -> BroadcastStats:
        """This broadcast's row."""
        publisher = self.publisher
        viewers = self.viewers.values()
        lines = (*self._video.lines, self._audio)
        return BroadcastStats(
            broadcast_id=self.broadcast_id,
            publisher=publisher.flow.value if publisher is not None else "none",
            video_codec=self._video.codec.name if self._video.codec is not None else "",
            viewers=sum(viewer.peer.connected for viewer in viewers),
            viewers_by_layer=self._video.viewers_by_layer(),
            packets_in=sum(line.packets for line in lines),
            bytes_in=sum(line.octets for line in lines),
            keyframes=sum(line.keyframes for line in self._video.lines),
            keyframe_requests=self._keyframes.sent,
            nacks_received=self._departed_nacks + sum(viewer.nacks for viewer in viewers),
            retransmitted=self._departed_retransmitted + sum(viewer.retransmitted for viewer in viewers),
            nacks_sent=self._departed_nacks_sent + (publisher.ingest.nacked if publisher is not None else 0),
        )
