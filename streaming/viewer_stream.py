"""One stream (audio or video) as one viewer gets it: its lane, the line it is on, those that it came from. No I/O."""

from __future__ import annotations

from typing import Protocol

from streaming.egress import WriterPeer
from streaming.forwarding import Lane, RelayedPacket
from streaming.group_cache import CatchUp
from streaming.layer_choice import LayerChoice
from streaming.retransmission import Repeater
from streaming.sdp_negotiation import CodecId, NegotiatedMedia, payload_types_for
from streaming.stream_mark import ClockReading, StreamMark, mark_of


class Line(Protocol):
    """What a viewer's stream knows of the line it is on."""

    def repeat(self, stream: ViewerStream, sequences: tuple[int, ...], now_s: float) -> int:
        """Send packets again; returns how many."""
        ...

    def sender_report(self, stream: ViewerStream, cname: str, now_s: float) -> bytes | None:
        """Build the viewer's sender report, if it can be."""
        ...


class ViewerStream:
    """Belongs to one viewer; lines take it in and let it go."""

    __slots__ = (
        "_first_sequence",
        "_first_timestamp",
        "_mark",
        "abs_send_time_id",
        "catch_up",
        "choice",
        "first_on_line",
        "lane",
        "line",
        "media",
        "repeater",
        "rtx_payload_type",
        "takes_nacks",
        "unsupported",
    )

    def __init__(
        self,
        media: NegotiatedMedia,
        lane: Lane[WriterPeer],
        repeater: Repeater,
        first_sequence: int,
        first_timestamp: int,
    ) -> None:
        self.media = media
        self.lane = lane
        self.repeater = repeater
        self.rtx_payload_type: int | None = None
        self.abs_send_time_id = 0
        """The id under which the viewer agreed to abs-send-time; 0: it did not."""
        self.takes_nacks = any("nack" in codec.feedback for codec in media.codecs)
        """Whether NACKs were agreed on (for video only): others are not answered."""
        self.line: Line | None = None
        """The line whose packets it gets; None before the first and while its picture is left out."""
        self.choice = LayerChoice()
        self.catch_up: CatchUp | None = None
        """The cached group it began with on this line; kept afterwards, for NACKs."""
        self.unsupported = False
        """The codec that flows now is not among this viewer's: it has to join anew."""
        self.first_on_line = 0
        """The line's own number of the first packet that the viewer got of it."""
        self._first_sequence = first_sequence
        self._first_timestamp = first_timestamp
        self._mark: StreamMark | None = None

    def take_codec(self, codec: CodecId) -> None:
        """Use the payload types under which this viewer knows `codec`.

        Without RTX a packet is repeated under its own SSRC and number, thus under the same key and IV: it has to be the
        same to the byte (RFC 7714 §8.1), so that it cannot carry when it was sent.
        """
        types = payload_types_for(self.media, codec)
        self.unsupported = types is None
        if types is not None:
            self.lane.payload_type, self.rtx_payload_type = types
            repeated_as_it_was = self.takes_nacks and self.rtx_payload_type is None
            self.lane.abs_send_time_id = 0 if repeated_as_it_was else self.abs_send_time_id

    def begin(self, line: Line, packet: RelayedPacket, clock_rate: int, clock: ClockReading | None) -> None:
        """Get `packet` as the first of a line, behind whatever it got before."""
        self.line, self.first_on_line = line, packet.sequence
        if self._mark is None:
            self.lane.begin(packet, self._first_sequence, self._first_timestamp)
        else:
            self._mark.follow(self.lane, packet, clock_rate, clock)

    def end(self, newest: RelayedPacket, clock: ClockReading | None) -> None:
        """Get no more of its line, of which it has everything up to `newest`."""
        self._mark = mark_of(self.lane, newest, clock)
        self.line = self.catch_up = None

    def repeat(self, sequences: tuple[int, ...], now_s: float) -> int:
        """Answer a NACK; returns how many packets were sent again.

        What a line that was left lacks is not sent: the keyframe here needs none of it, and the path may be full.
        """
        return 0 if self.line is None else self.line.repeat(self, sequences, now_s)
