"""By the sender reports that a viewer gets, sound and picture keep their distance, to the millisecond."""

from __future__ import annotations

from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from streaming.ingest import Source, _Format
from streaming.layered_stream import LayeredStream
from streaming.retransmission import PacketRing
from streaming.rtcp import SenderReport, parse_rtcp
from streaming.rtp import RtpPacket
from streaming.sender_reports import NTP_UNIX_OFFSET_S, PublisherClock, anchor_of
from streaming.stream_mark import signed_32
from streaming.stream_relay import StreamRelay
from streaming.viewer_stream import ViewerStream
from tests.streaming.test_layered_stream import payload
from tests.streaming.test_stream_relay import OPUS, VP8, NotingWriter, viewer

UNIX_S = 1_790_000_000.0
AUDIO, VIDEO = 1, 2
RATES = {AUDIO: 48_000, VIDEO: 90_000}


@dataclass
class Camera:
    """A publisher whose clock is off and runs at its own pace; each of its streams counts from anywhere."""

    clock_error_s: float
    pace: float
    starts: tuple[int, ...]

    def __post_init__(self) -> None:
        self.clock = PublisherClock()
        audio, video = _Format("audio", OPUS, 48_000, None), _Format("video", VP8, 90_000, None)
        self.sound = Source(self.starts[0] | 1, audio, repairable=False)
        self.layers = [Source(self.starts[1] + n & 0xFFFFFFFF, video, repairable=True, layer=n) for n in range(2)]

    def reads(self, source: Source, now_s: float) -> int:
        """What a source's RTP clock reads."""
        start = self.starts[0] if source is self.sound else self.starts[1] + 77_777 * (source.layer or 0)
        return round(start + now_s * self.pace * source.clock_rate) & 0xFFFFFFFF

    def report(self, source: Source, now_s: float, arrived_s: float) -> None:
        """Send a report that says what the clocks read, and arrives later."""
        ntp_s = UNIX_S + NTP_UNIX_OFFSET_S + now_s * self.pace + self.clock_error_s
        sent = SenderReport(source.ssrc, ntp_s, 0, self.reads(source, now_s))
        source.anchor = anchor_of(sent, self.clock, source.clock_rate, arrived_s, UNIX_S + arrived_s)


class Theatre:
    """One viewer of one broadcast, on a driven clock; packets are as late as `delays_s` says, in turn."""

    def __init__(self, delays_s: list[float]) -> None:
        self.writer = NotingWriter()
        self.audio = StreamRelay("audio", 48_000, self.writer, PacketRing(64, 2.0, 1_000_000))
        self.video = LayeredStream(lambda: StreamRelay("video", 90_000, self.writer, PacketRing(64, 2.0, 1_000_000)))
        self.streams = {AUDIO: viewer(AUDIO, codecs=(OPUS,)), VIDEO: viewer(VIDEO, codecs=(VP8,))}
        self.audio.add(self.streams[AUDIO], 0.0)
        self.video.add(self.streams[VIDEO], 0.0)
        self.now_s = 0.0
        self.captured_s: dict[int, list[float]] = {AUDIO: [], VIDEO: []}
        """When each packet that the viewer got was captured, in true time."""
        self._delays_s, self._turn, self._frame = delays_s, 0, 0

    def _delay_s(self) -> float:
        self._turn += 1
        return self._delays_s[self._turn % len(self._delays_s)]

    def play(self, camera: Camera, frames: int) -> None:
        """Send two packets of sound and a frame of each layer, which begins with a keyframe, every 40 ms."""
        for step in range(frames):
            for slot in range(2):
                self._send(camera, camera.sound, self.now_s + slot * 0.02, b"sound", 2 * self._frame + slot)
            for layer, source in enumerate(camera.layers):
                data = payload(self._frame, key=step == 0, layer=layer)
                self._send(camera, source, self.now_s, data, self._frame + 1000 * layer)
            if step % 10 == 3:
                for source in (camera.sound, *camera.layers):
                    camera.report(source, self.now_s, self.now_s + self._delay_s())
            self._frame += 1
            self.now_s += 0.04

    def _send(self, camera: Camera, source: Source, taken_s: float, data: bytes, number: int) -> None:
        packet = RtpPacket(96, number & 0xFFFF, camera.reads(source, taken_s), source.ssrc, data, marker=True)
        before, arrived_s = len(self.writer.timestamps), taken_s + self._delay_s()
        stream = self.audio if source is camera.sound else self.video
        stream.forward(source, packet, arrived_s)
        for ssrc, _, _ in self.writer.timestamps[before:]:
            self.captured_s[ssrc].append(taken_s)

    def change_layer(self, layer: int) -> None:
        """Have the viewer go over to another layer at its next keyframe."""
        self.video._aim(self.streams[VIDEO], layer, self.now_s, at_once=False)

    def errors_s(self, ssrc: int, since: int) -> list[float]:
        """For each packet since that number: when it was captured by the report of this moment, less the truth."""
        report = self.report_of(self.streams[ssrc])
        times = [timestamp for one, _, timestamp in self.writer.timestamps if one == ssrc][since:]
        return [
            report.ntp_s
            - NTP_UNIX_OFFSET_S
            - UNIX_S
            + signed_32(timestamp - report.rtp_timestamp) / RATES[ssrc]
            - true_s
            for timestamp, true_s in zip(times, self.captured_s[ssrc][since:], strict=True)
        ]

    def report_of(self, stream: ViewerStream) -> SenderReport:
        """The sender report that the viewer would get now."""
        assert stream.line is not None
        compound = stream.line.sender_report(stream, "cname", self.now_s)
        assert compound is not None
        report = parse_rtcp(compound)[0]
        assert isinstance(report, SenderReport)
        return report


cameras = st.builds(
    Camera,
    st.floats(-1e5, 1e5),
    st.floats(1 - 1e-4, 1 + 1e-4),
    st.tuples(st.integers(0, 0xFFFFFFFF), st.integers(0, 0xFFFFFFFF)),
)


@settings(deadline=None, max_examples=40)
@given(camera=cameras, successor=cameras, delays_s=st.lists(st.floats(0, 0.03), min_size=7, max_size=7))
def test_sound_and_picture_keep_their_distance_through_joins_layers_and_a_publishers_return(
    camera: Camera, successor: Camera, delays_s: list[float]
) -> None:
    theatre = Theatre(delays_s)
    theatre.play(camera, 25)
    together(theatre, since={AUDIO: 0, VIDEO: 0})
    theatre.change_layer(1)
    theatre.play(camera, 25)
    assert theatre.video.layer_of(theatre.streams[VIDEO]) == 1
    together(theatre, since={ssrc: len(times) - 20 for ssrc, times in theatre.captured_s.items()})
    theatre.now_s += 2.5
    since = {ssrc: len(times) for ssrc, times in theatre.captured_s.items()}
    theatre.play(successor, 25)
    together(theatre, since)


def together(theatre: Theatre, since: dict[int, int]) -> None:
    """Every packet of both streams is off by the same, which is the way from the publisher to the relay."""
    errors_s = [error for ssrc in (AUDIO, VIDEO) for error in theatre.errors_s(ssrc, since[ssrc])]
    assert len(errors_s) >= 40
    assert max(errors_s) - min(errors_s) < 0.001
    assert all(-0.001 < error < 0.035 for error in errors_s)


def test_this_measure_sees_a_report_that_is_20_ms_off() -> None:
    theatre, camera = Theatre([0.0]), Camera(5.0, 1.0, (1, 2))
    theatre.play(camera, 25)
    right = camera.sound.anchor
    assert right is not None
    camera.sound.anchor = replace(right, rtp_timestamp=right.rtp_timestamp - 960)
    errors_s = {ssrc: theatre.errors_s(ssrc, 0) for ssrc in (AUDIO, VIDEO)}
    assert min(errors_s[AUDIO]) - max(errors_s[VIDEO]) > 0.019
