"""What was published through the real routes is recorded, verified, exported without encoding, and decodes again."""

import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder

from streaming.depacketising import FrameAssembler, h264_data, vp8_data
from streaming.ingest import Source, _Format
from streaming.recorder_disk import DiskRecorder, RecorderLimits
from streaming.recording_chain import verify_chain
from streaming.recording_export import export
from streaming.rtp import RtpPacket
from streaming.sdp_negotiation import CodecId
from streaming.segment_files import DirectoryFiles
from streaming.segment_writer import SegmentLimits
from tests.streaming.aiortc_clients import publish
from tests.streaming.harness import eventually, station


@pytest.mark.parametrize(("codec", "suffix"), [("VP8", ".webm"), ("H264", ".mp4")])
async def test_a_show_is_recorded_verified_exported_and_decodes_frame_by_frame(
    codec: str, suffix: str, tmp_path: Path
) -> None:
    files = DirectoryFiles(tmp_path / "recordings")
    recorder = DiskRecorder(files, RecorderLimits(segments=SegmentLimits(rotate_after_bytes=50_000)))
    recorder.start()
    async with station(recorder=recorder) as show:
        publisher = await publish(show, video_codec=codec)
        await eventually("three segments", lambda: len(files.names("show")) >= 3)
        await eventually("some frames", lambda: recorder.counters.packets > 300)
        await publisher.leave()
    assert recorder.stop()
    assert recorder.dropped() == 0
    segments = [(name, files.read("show", name)) for name in files.names("show")]
    assert verify_chain("show", segments).problems == []
    (exported,) = export(lambda: [data for _, data in segments], tmp_path / "show.mp4")
    assert exported.path.suffix == suffix
    assert exported.video_frames > 5
    decoded, seconds = decode(exported.path)
    assert decoded["video"] == exported.video_frames
    assert decoded["audio"] >= exported.audio_frames - 1  # the decoder swallows the codec's pre-skip
    assert seconds["video"] == pytest.approx(seconds["audio"], abs=2.0)


def frames_of(codec: str, ssrc: int, size: tuple[int, int], first: int, frames: int) -> Iterator[RtpPacket]:
    """What a real encoder makes of a picture of this size; the times go on from frame `first`."""
    encoder, sequence = (Vp8Encoder if codec == "VP8" else H264Encoder)(), 0
    for number in range(frames):
        picture = av.VideoFrame(*size, format="yuv420p")
        for plane in picture.planes:
            plane.update(bytes([number * 9 % 256]) * plane.buffer_size)
        picture.pts, picture.time_base = number * 4_500, Fraction(1, 90_000)
        payloads, _ = encoder.encode(picture)
        for payload in payloads:
            timestamp = (first + number) * 4_500
            yield RtpPacket(96, sequence, timestamp, ssrc, payload, marker=payload is payloads[-1])
            sequence += 1


@pytest.mark.parametrize("codec", ["VP8", "H264"])
def test_a_recording_whose_layer_changes_is_verified_and_exported_in_parts_that_decode(
    codec: str, tmp_path: Path
) -> None:
    files = DirectoryFiles(tmp_path / "recordings")
    recorder = DiskRecorder(files)
    recorder.start()
    tape, sizes = recorder.open("show"), [(320, 240), (160, 120), (320, 240)]
    form = _Format("video", CodecId(codec), 90_000, None)
    began_s, frame = time.monotonic(), 0
    for turn, size in enumerate(sizes):
        # The layers' own clocks and numbers are far apart; the third source is a publisher that came back.
        source, skip = Source(7 + turn, form, repairable=True, layer=turn % 2), turn == 2
        for packet in frames_of(codec, 7 + turn, size, 10 * turn + 77_000 * turn, 12):
            at = frame + packet.timestamp // 4_500 - 77_010 * turn
            if not (skip and at == frame):  # its first keyframe was lost: nothing of it can be shown
                tape.append(source, packet, began_s + at * 0.05)
        frame += 12
    assert recorder.stop()
    segments = [(name, files.read("show", name)) for name in files.names("show")]
    assert verify_chain("show", segments).problems == []
    parts = export(lambda: [data for _, data in segments], tmp_path / "show.mp4")
    assert [part.video_frames for part in parts] == [12, 12]
    times_s: list[float] = []
    for part, size in zip(parts, sizes, strict=False):
        with av.open(str(part.path)) as container:
            pictures = list(container.decode(container.streams.video[0]))
        assert [(picture.width, picture.height) for picture in pictures] == [size] * 12
        times_s += [picture.time for picture in pictures if picture.time is not None]
    assert times_s == pytest.approx([0.05 * number for number in range(24)], abs=0.002)


def decode(path: Path) -> tuple[dict[str, int], dict[str, float]]:
    """Decode everything; count frames, and take the last time of each stream."""
    counted, last_s = {"video": 0, "audio": 0}, {"video": 0.0, "audio": 0.0}
    with av.open(str(path)) as container:
        for frame in container.decode(container.streams.video[0], container.streams.audio[0]):
            assert isinstance(frame, av.VideoFrame | av.AudioFrame)
            kind = "video" if isinstance(frame, av.VideoFrame) else "audio"
            counted[kind] += 1
            assert frame.time is not None
            last_s[kind] = frame.time
    return counted, last_s


def rtp(sequence: int, timestamp: int, payload: bytes, *, marker: bool = False) -> RtpPacket:
    return RtpPacket(96, sequence, timestamp, 1, payload, marker=marker)


def test_a_frame_that_lacks_a_packet_is_left_out_and_the_next_one_is_whole() -> None:
    assembler = FrameAssembler("VP8")
    start, more = b"\x10\x01aa", b"\x00bb"
    given = [
        rtp(65_534, 1, start), rtp(65_535, 1, more, marker=True),
        rtp(0, 2, start), rtp(2, 2, more, marker=True),  # 1 is missing
        rtp(3, 3, start, marker=True),
    ]  # fmt: skip
    frames = [frame for packet in given if (frame := assembler.take(packet)) is not None]
    assert [frame.timestamp for frame in frames] == [1, 3]
    assert frames[0].data == b"\x01aabb"
    assert assembler.incomplete == 1


def test_payloads_of_rfc_6184_become_annex_b() -> None:
    start = b"\x00\x00\x00\x01"
    assert h264_data(b"\x65idr") == start + b"\x65idr"
    assert h264_data(b"\x78\x00\x02\x67s\x00\x02\x68p") == start + b"\x67s" + start + b"\x68p"
    assert h264_data(b"\x7c\x85ab") == start + b"\x65ab"
    assert h264_data(b"\x7c\x45cd") == b"cd"
    assert h264_data(b"\x78\x00\x09x") is None
    assert vp8_data(b"\x90\x80\x81\x02data") == b"data"
    assert vp8_data(b"\x90\x80") is None
