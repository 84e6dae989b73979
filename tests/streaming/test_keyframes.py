"""A keyframe's first packet is recognised, and asking for keyframes is throttled."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import pytest
from aiortc.codecs.h264 import H264Encoder
from aiortc.codecs.vpx import Vp8Encoder
from av import VideoFrame
from hypothesis import given
from hypothesis import strategies as st

from streaming.depacketising import packet_size
from streaming.h264_parameters import annex_b_size, sps_size
from streaming.keyframes import KeyframeRequests, starts_keyframe


@given(payload=st.binary(max_size=64), codec=st.sampled_from(["VP8", "H264", "opus", "AV1"]))
def test_arbitrary_payloads_never_crash(payload: bytes, codec: str) -> None:
    starts_keyframe(codec, payload)
    packet_size(codec, payload)


@given(st.binary(max_size=400))
def test_arbitrary_parameter_sets_never_crash(rest: bytes) -> None:
    for profile in (66, 100, 244):
        size = sps_size(bytes([0x67, profile, 0, 31]) + rest)
        assert size is None or min(size) > 0


@pytest.mark.parametrize("size", [(160, 120), (180, 320), (720, 1280), (1280, 720), (1918, 1078)])
@pytest.mark.parametrize("profile", ["baseline", "high", "high444"])
def test_the_size_that_an_encoder_wrote_is_read_from_its_parameter_set(size: tuple[int, int], profile: str) -> None:
    chroma = "yuv444p" if profile == "high444" else "yuv420p"
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = *size, chroma
    encoder.time_base, encoder.options = Fraction(1, 20), {"profile": profile}
    frame = av.VideoFrame(*size, format=chroma)
    frame.pts = 0
    packets: list[Any] = list(encoder.encode(frame)) + list(encoder.encode(None))
    assert annex_b_size(bytes(packets[0])) == size


@pytest.mark.parametrize(("codec", "encoder"), [("VP8", Vp8Encoder), ("H264", H264Encoder)])
def test_a_real_encoders_first_and_forced_frames_are_keyframes(
    codec: str, encoder: type[Vp8Encoder | H264Encoder]
) -> None:
    coder, found = encoder(), []
    for index in range(6):
        frame = VideoFrame(width=160, height=120, format="yuv420p")
        for plane in frame.planes:
            plane.update(bytes([index * 30] * plane.buffer_size))
        frame.pts, frame.time_base = index * 3000, __import__("fractions").Fraction(1, 90_000)
        payloads, _ = coder.encode(frame, force_keyframe=index == 3)
        found.append([starts_keyframe(codec, payload) for payload in payloads])
        size = packet_size(codec, payloads[0]) if found[-1][0] else (160, 120)
        assert size == (160, 120)
    assert [frame[0] for frame in found] == [True, False, False, True, False, False]


@pytest.mark.parametrize(
    ("payload", "keyframe"),
    [
        (b"\x67\x42", True),  # SPS alone
        (b"\x65\x88", True),  # IDR in one packet
        (b"\x41\x88", False),  # another slice
        (b"\x78\x00\x02\x67\x42\x00\x02\x68\xce", True),  # STAP-A with SPS and PPS
        (b"\x78\x00\x02\x41\x42", False),
        (b"\x7c\x85\x88", True),  # FU-A, IDR, start
        (b"\x7c\x05\x88", False),  # FU-A, IDR, middle
        (b"\x68\xce", False),  # PPS alone: the SPS before it began the keyframe
    ],
)
def test_h264_keyframes_begin_with_parameter_sets_or_idr(payload: bytes, keyframe: bool) -> None:
    assert starts_keyframe("H264", payload) is keyframe


@pytest.mark.parametrize(
    ("payload", "keyframe"),
    [
        (b"\x10\x00\x9d", True),  # no extensions
        (b"\x10\x01\x9d", False),  # P bit: not a keyframe
        (b"\x00\x00\x9d", False),  # not the start of a partition
        (b"\x11\x00\x9d", False),  # partition 1
        (b"\x90\x80\x12\x00", True),  # 7-bit picture id
        (b"\x90\x80\x92\x34\x00", True),  # 15-bit picture id
        (b"\x90\xf0\x92\x34\x05\x20\x00", True),  # picture id, TL0PICIDX, TID and KEYIDX
        (b"\x90\xf0\x92\x34\x05\x20\x01", False),
        (b"\x90\x80", False),  # truncated
    ],
)
def test_vp8_keyframes_are_read_behind_any_descriptor(payload: bytes, keyframe: bool) -> None:
    assert starts_keyframe("VP8", payload) is keyframe


def test_many_wishes_are_one_request_an_interval() -> None:
    requests = KeyframeRequests(1.0)
    sent = []
    for tick in range(50):
        requests.want()
        if requests.due(tick / 10):
            sent.append(tick / 10)
    assert sent == [0.0, 1.0, 2.0, 3.0, 4.0]


def test_a_wish_that_came_too_early_is_kept_unless_a_keyframe_comes() -> None:
    requests = KeyframeRequests(1.0)
    requests.want()
    assert requests.due(0.0)
    requests.want()
    assert not requests.due(0.5)
    assert requests.due(1.1)
    requests.want()
    requests.keyframe_arrived()
    assert not requests.due(5.0)


def test_a_new_publisher_is_asked_at_once() -> None:
    requests = KeyframeRequests(1.0)
    requests.want()
    assert requests.due(0.0)
    requests.want()
    requests.publisher_changed()
    assert requests.due(0.1)
