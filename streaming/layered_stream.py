"""A broadcast's picture: one line for each layer that the publisher sends, and every viewer on one of them. No I/O.

A publisher without layers has line 0 alone, and nothing is measured or chosen. With layers each viewer's `LayerChoice`
is asked four times a second and when its estimate comes. A viewer changes lines at a keyframe. Downwards it gets
nothing more of the line that was too much, and the lower one's group at once where that is cached.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from streaming.ingest import Source
from streaming.keyframes import starts_keyframe
from streaming.layer_choice import LayerChoice, LayerRate
from streaming.layer_rates import RateMeter
from streaming.rtp import RtpPacket
from streaming.sdp_negotiation import CodecId
from streaming.stream_relay import StreamRelay
from streaming.viewer_stream import ViewerStream

_ENDED_AFTER_S = 0.7
"""A layer without packets for so long, while another has some, was switched off by its publisher."""


class _Layer:
    """A line with its rate."""

    __slots__ = ("line", "meter")

    def __init__(self, line: StreamRelay) -> None:
        self.line = line
        self.meter = RateMeter()


class LayeredStream:
    """Takes the publisher's video and the viewers' streams."""

    def __init__(self, make_line: Callable[[], StreamRelay]) -> None:
        self.codec: CodecId | None = None
        self.layered = False
        """True while the publisher sends layers."""
        self.codec_changes = 0
        """How often a line went over to another codec, so that viewers may lack it."""
        self._make_line = make_line
        self._layers = {0: _Layer(make_line())}
        self._streams: dict[ViewerStream, int | None] = {}
        """Every viewer's stream, and the layer that it is on or waits for; None while its picture is left out."""
        self._ranked: list[LayerRate] = []
        self._recorded: int | None = None
        self._to_record: int | None = None
        """The layer that the recording waits to go over to."""

    @property
    def lines(self) -> Iterator[StreamRelay]:
        """All lines that there were so far."""
        return (layer.line for layer in self._layers.values())

    def add(self, stream: ViewerStream, now_s: float) -> None:
        """Let a viewer begin, with a cached group or at the next keyframe."""
        layer = stream.choice.choose(self._ranked, now_s) or 0 if self.layered else 0
        self._streams[stream] = layer
        self._layers[layer].line.add(stream, now_s)

    def remove(self, stream: ViewerStream) -> None:
        """Stop sending to a viewer; nothing happens if it is not here."""
        self._streams.pop(stream, None)
        for line in self.lines:
            line.remove(stream)

    def forward(self, source: Source, packet: RtpPacket, now_s: float) -> bool:
        """Send one packet on; says whether it began a keyframe."""
        number = source.layer or 0
        layer = self._layers.get(number)
        if layer is None:
            layer = self._layers[number] = _Layer(self._make_line())
        codec_before = layer.line.codec
        keyframe = layer.line.forward(source, packet, now_s)
        self.codec_changes += codec_before is not None and layer.line.codec != codec_before
        if keyframe:
            self.codec = layer.line.codec
            if self.layered != (source.layer is not None):
                self._take_kind(now_s, layered=source.layer is not None)
        return keyframe

    def _take_kind(self, now_s: float, *, layered: bool) -> None:
        """A publisher with layers follows one without, or the other way round."""
        self.layered, self._ranked, self._recorded, self._to_record = layered, [], None, None
        if not layered:
            for stream in self._streams:
                stream.choice = LayerChoice()
                self._aim(stream, 0, now_s, at_once=True)

    def measure(self, now_s: float) -> None:
        """Rank the layers that flow; called with the relay's clock while there are any."""
        flowing = [(n, layer) for n, layer in self._layers.items() if layer.line.newest is not None]
        newest_s = max((layer.line.newest.arrived_s for _, layer in flowing if layer.line.newest), default=now_s)
        for _, layer in flowing:
            layer.meter.sample(layer.line.octets, now_s)
        alive = [
            (n, layer)
            for n, layer in flowing
            if layer.line.keyframes and layer.meter.bitrate_bps and layer.line.newest is not None
            and newest_s - layer.line.newest.arrived_s <= _ENDED_AFTER_S
        ]  # fmt: skip
        alive.sort(key=lambda entry: (entry[1].line.pixels, entry[1].meter.bitrate_bps))
        self._ranked = [LayerRate(n, layer.meter.bitrate_bps) for n, layer in alive]

    def choose(self, stream: ViewerStream, now_s: float) -> None:
        """Let a viewer have another layer where its feedback says so."""
        if not self.layered or stream not in self._streams or stream.unsupported:
            return
        wanted, aim = stream.choice.choose(self._ranked, now_s), self._streams[stream]
        if wanted == aim or (wanted is None and not stream.choice.starved):
            return
        order = [rate.layer for rate in self._ranked]
        upwards = aim in order and wanted in order and order.index(wanted) > order.index(aim)
        self._aim(stream, wanted, now_s, at_once=not upwards)

    def _aim(self, stream: ViewerStream, layer: int | None, now_s: float, *, at_once: bool) -> None:
        aim = self._streams[stream]
        line = self._layers[layer].line if layer is not None else None
        if aim is not None and self._layers[aim].line is not stream.line:
            self._layers[aim].line.remove(stream)  # it waited there
        self._streams[stream] = layer
        if line is None:
            if isinstance(stream.line, StreamRelay):
                stream.line.leave(stream, now_s)
        elif line is not stream.line:
            if at_once and isinstance(stream.line, StreamRelay):
                stream.line.leave(stream, now_s)  # the path is to drain until the keyframe comes
            line.join(stream, now_s, at_once=at_once)
        else:
            stream.choice.arrived(now_s)

    def wanted_keyframes(self) -> list[int | None]:
        """The layers (None for a publisher without) whose keyframe somebody waits for."""
        waited = [number for number, layer in self._layers.items() if layer.line.waiting]
        if not self.layered:
            return [None] if waited else []
        if self._to_record is not None:
            waited.append(self._to_record)
        return list(waited)

    def layer_of(self, stream: ViewerStream) -> int | None:
        """The layer, as `wanted_keyframes` names it, that a viewer's keyframe request concerns."""
        return self._streams.get(stream) if self.layered else None

    def viewers_by_layer(self) -> Mapping[int | None, int]:
        """How many viewers are on or wait for each layer, 0 where there are none; None: their picture is left out."""
        return Counter(self._streams.values())

    def records(self, source: Source, packet: RtpPacket) -> bool:
        """Say whether this packet belongs into the recording: the best layer's, changed at keyframes only."""
        if source.layer is None:
            return True
        best = self._ranked[-1].layer if self._ranked else source.layer
        if source.layer != self._recorded and (self._recorded is None or source.layer == best):
            if starts_keyframe(source.codec.name, packet.payload):
                self._recorded, self._to_record = source.layer, None
            else:
                self._to_record = source.layer
        return source.layer == self._recorded
