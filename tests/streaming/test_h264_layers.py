"""A viewer that changes layers of H264: at a parameter set only, and a real decoder takes every frame."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
from aiortc.codecs.h264 import H264Encoder

from streaming.depacketising import FrameAssembler
from streaming.ingest import Source, _Format
from streaming.keyframes import starts_keyframe
from streaming.layered_stream import LayeredStream
from streaming.retransmission import PacketRing
from streaming.rtp import RtpPacket
from streaming.stream_relay import StreamRelay
from tests.streaming.test_stream_relay import H264, NotingWriter, viewer

SIZES = ((160, 120), (320, 240))
FRAME_S = 0.05
FRAMES, ASKED_AT, KEY_AT = 16, 4, 9
"""The viewer is to change at frame 4, and the better layer's next keyframe is frame 9."""


class Layer:
    """One layer's encoder, and its packets on an RTP clock of its own."""

    def __init__(self, number: int) -> None:
        self.source = Source(7 + number, _Format("video", H264, 90_000, None), repairable=True, layer=number)
        self._encoder = H264Encoder()
        self._sequence, self._zero = 1000 * (number + 1), 5_000_000 * number
        self._size = SIZES[number]

    def packets(self, index: int, *, key: bool) -> list[RtpPacket]:
        frame = av.VideoFrame(*self._size, format="yuv420p")
        for plane in frame.planes:
            plane.update(bytes((i * (index + 3)) & 0xFF for i in range(64)) * (plane.buffer_size // 64))
        frame.pts, frame.time_base = index * 4500, Fraction(1, 90_000)
        payloads, _ = self._encoder.encode(frame, force_keyframe=key)
        made = []
        for payload in payloads:
            self._sequence += 1
            timestamp = self._zero + index * 4500
            last = payload is payloads[-1]
            made.append(RtpPacket(96, self._sequence, timestamp, self.source.ssrc, payload, marker=last))
        return made


def decoded_heights(writer: NotingWriter) -> list[int]:
    """What a decoder makes of all that the viewer was sent."""
    decoder: Any = av.CodecContext.create("h264", "r")
    assembler, heights = FrameAssembler("H264"), []
    seen = [(sequence, timestamp) for _, sequence, timestamp in writer.timestamps]
    texts = [text for _, text in writer.seen_by(1)]
    for at, ((sequence, timestamp), text) in enumerate(zip(seen, texts, strict=True)):
        last = at + 1 == len(seen) or seen[at + 1][1] != timestamp
        frame = assembler.take(RtpPacket(98, sequence, timestamp, 1, text, marker=last))
        if frame is not None:
            heights += [picture.height for picture in decoder.decode(av.Packet(frame.data))]
    assert assembler.incomplete == 0
    return heights + [picture.height for picture in decoder.decode(None)]


def test_a_viewer_changes_layers_of_h264_at_a_parameter_set_and_the_decoder_loses_no_frame() -> None:
    writer = NotingWriter()
    video = LayeredStream(lambda: StreamRelay("video", 90_000, writer, PacketRing(64, 2.0, 1_000_000)))
    layers, member, changed_at = [Layer(0), Layer(1)], viewer(1), None
    video.add(member, 0.0)
    for index in range(FRAMES):
        now_s = index * FRAME_S
        for number, layer in enumerate(layers):
            for packet in layer.packets(index, key=index == 0 or (number == 1 and index == KEY_AT)):
                before = member.line
                video.forward(layer.source, packet, now_s)
                if before is not None and member.line is not before:
                    assert starts_keyframe("H264", packet.payload)
                    changed_at = index
        video.measure(now_s)
        if index == ASKED_AT:
            video._aim(member, 1, now_s, at_once=False)
            assert video.wanted_keyframes() == [1]
    assert changed_at == KEY_AT
    # The worse layer's picture of that moment had left already.
    assert decoded_heights(writer) == [120] * (KEY_AT + 1) + [240] * (FRAMES - KEY_AT)
