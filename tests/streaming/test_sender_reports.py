"""Viewers' lips stay in sync: audio and video keep their distance, and time never jumps."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streaming.rtcp import SenderReport
from streaming.sender_reports import NTP_UNIX_OFFSET_S, PublisherClock, anchor_of

UNIX_S = 1_790_000_000.0


@given(clock_error_s=st.floats(-1e6, 1e6), apart_s=st.floats(0, 5), later_s=st.floats(0, 60))
def test_audio_and_video_keep_their_distance_whatever_the_publishers_clock(
    clock_error_s: float, apart_s: float, later_s: float
) -> None:
    clock = PublisherClock()
    their_now = UNIX_S + NTP_UNIX_OFFSET_S + clock_error_s
    video = anchor_of(SenderReport(1, their_now, 0, 1000), clock, 90_000, 10.0, UNIX_S)
    audio = anchor_of(SenderReport(2, their_now + apart_s, 0, 2000), clock, 48_000, 10.0 + apart_s, UNIX_S + apart_s)
    now_s = 10.0 + apart_s + later_s
    video_ntp, video_timestamp = video.at(now_s)
    audio_ntp, audio_timestamp = audio.at(now_s)
    video_captured = video_ntp - (video_timestamp - 1000) / 90_000
    audio_captured = audio_ntp - (audio_timestamp - 2000) / 48_000
    assert abs((audio_captured - video_captured) - apart_s) < 0.001
    assert abs(video_ntp - (UNIX_S + NTP_UNIX_OFFSET_S + now_s - 10.0)) < 0.001


def test_a_new_publishers_time_goes_on_from_the_relays() -> None:
    first = anchor_of(SenderReport(1, 5_000.0, 0, 0), PublisherClock(), 90_000, 10.0, UNIX_S)
    second = anchor_of(SenderReport(1, 9_999_999.0, 0, 0), PublisherClock(), 90_000, 20.0, UNIX_S + 10)
    assert abs(second.at(20.0)[0] - first.at(20.0)[0]) < 0.001


def test_rtp_time_wraps() -> None:
    anchor = anchor_of(SenderReport(1, 0.0, 0, 0xFFFFFFFF), PublisherClock(), 90_000, 0.0, UNIX_S)
    assert anchor.at(1.0)[1] == 89_999
